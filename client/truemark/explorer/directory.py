"""Who is at an address: its name, and the ABI of the class that it had at a block."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from truemark.abi import Abi, AbiError
from truemark.contract import NO_BLOCK, NO_CONTRACT, BlockRef, block_id
from truemark.deployment import Deployment
from truemark.felt import hex_of
from truemark.rpc import AsyncRpc, BadAnswer, RpcError

ACCOUNT = "Account"
CLEARINGHOUSE = "Clearinghouse"


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a contract at a block. Without ABI, `reason` says why."""

    name: str | None
    abi: Abi | None
    reason: str | None
    class_hash: int | None = None
    #: Of the class that was replaced in the same block: an event may be older than that.
    older: Abi | None = None


class Directory:
    """Names from the deployment, ABIs by class hash: the shipped ones where the hash is the deployment's, else from
    the node. So a contract whose class was replaced, or another chain behind the same URL, is never read by the wrong
    ABI.

    Args:
        abis: by address, for contracts of the caller's own; they are taken without a look at the class.
    """

    def __init__(
        self,
        rpc: AsyncRpc,
        deployment: Deployment | None = None,
        *,
        abis: Mapping[int, Abi] | None = None,
        names: Mapping[int, str] | None = None,
    ) -> None:
        self._rpc = rpc
        self._abis = dict(abis or {})
        self._names: dict[int, str] = {}
        #: Class hash -> ABI, or why there is none.
        self._classes: dict[int, Abi | str] = {}
        if deployment is not None:
            self._names = _names(deployment)
            self._classes.update(_shipped(deployment))
        self._names.update(names or {})

    def name(self, address: int) -> str | None:
        return self._names.get(address)

    def names(self) -> tuple[str, ...]:
        return tuple(self._names.values())

    def labels(self) -> Mapping[int, str]:
        """Every name by its address."""
        return self._names

    def own(self, address: int) -> Abi | None:
        """The ABI that the caller gave for an address."""
        return self._abis.get(address)

    def class_known(self, class_hash: int) -> Abi | str | None:
        """The ABI of a class, or why there is none, where that is known already."""
        return self._classes.get(class_hash)

    def keep_class(self, class_hash: int, found: Abi | str) -> None:
        self._classes[class_hash] = found

    def address(self, name: str) -> int | None:
        for address, known in self._names.items():
            if known == name:
                return address
        return None

    async def resolve(self, wanted: Iterable[tuple[int, BlockRef]]) -> dict[tuple[int, BlockRef], Known]:
        """Each address at its block.

        Raises:
            NodeUnavailable: the node does not answer.
        """
        found: dict[tuple[int, BlockRef], Known] = {}
        asked: list[tuple[int, BlockRef]] = []
        for key in dict.fromkeys(wanted):
            own = self._abis.get(key[0])
            if own is None:
                asked.append(key)
            else:
                found[key] = Known(self.name(key[0]), own, None)
        answers = await self._rpc.batch(
            [
                ("starknet_getClassHashAt", {"block_id": block_id(block), "contract_address": hex_of(address)})
                for address, block in asked
            ]
        )
        for (address, block), answer in zip(asked, answers, strict=True):
            name = self.name(address)
            if isinstance(answer, RpcError):
                found[address, block] = Known(name, None, _why(answer))
                continue
            class_hash = _class_hash(answer)
            known = await self.of_class(class_hash, block)
            abi, reason = (None, known) if isinstance(known, str) else (known, None)
            found[address, block] = Known(name, abi, reason, class_hash)
        return found

    async def of_class(self, class_hash: int, block: BlockRef) -> Abi | str:
        """The ABI of a class, or why there is none."""
        known = self._classes.get(class_hash)
        if known is None:
            try:
                answer = await self._rpc.call(
                    "starknet_getClass", {"block_id": block_id(block), "class_hash": hex_of(class_hash)}
                )
            except RpcError as error:
                # Not kept: a later block may have it.
                return f"the node does not give class {class_hash:#x}: {error.message}"
            known = self._classes[class_hash] = _abi_of_class(answer)
        return known


def _names(deployment: Deployment) -> dict[int, str]:
    names = {address: role for role, address in deployment.operators.items()}
    names[deployment.fee_token] = "STRK"
    names.update({info.address: name for name, info in deployment.contracts.items()})
    return names


def _shipped(deployment: Deployment) -> dict[int, Abi | str]:
    shipped = Abi.shipped()
    abis: dict[int, Abi | str] = {}
    for name, info in deployment.contracts.items():
        if name in shipped:
            abi = Abi.load(name)
            if name == CLEARINGHOUSE:
                abi = _with_classes(abi, [part for part in deployment.classes if part in shipped])
            abis[info.class_hash] = abi
    if ACCOUNT in shipped:
        abis[deployment.account_class_hash] = Abi.load(ACCOUNT)
    return abis


def _with_classes(abi: Abi, parts: list[str]) -> Abi:
    """The clearinghouse emits what its classes emit."""
    try:
        return abi.joined(*(Abi.load(part) for part in parts))
    except AbiError:
        return abi


def _abi_of_class(answer: Any) -> Abi | str:
    abi = answer.get("abi") if isinstance(answer, dict) else None
    if isinstance(answer, dict) and "program" in answer:
        return "a Cairo 0 class: its ABI is not read"
    if abi is None:
        return "the class has no ABI"
    try:
        return Abi.parse(abi) if isinstance(abi, str) else Abi(abi)
    except AbiError as error:
        return str(error)


def _class_hash(answer: Any) -> int:
    try:
        return int(answer, 16)
    except (TypeError, ValueError):
        raise BadAnswer(f"the node gave {answer!r} for a class hash") from None


def _why(error: RpcError) -> str:
    if error.code == NO_CONTRACT:
        return "there is no contract at this address"
    if error.code == NO_BLOCK:
        return "the node has no state of this block"
    return f"the node does not give the class: {error.message}"
