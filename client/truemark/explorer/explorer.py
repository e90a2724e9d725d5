"""Reads a chain as a block explorer does: blocks, transactions with decoded calls and events, contracts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

from truemark._portal import SyncTwin, sync
from truemark.abi import Abi
from truemark.contract import NO_BLOCK, BlockRef, Contract, ContractError, block_id
from truemark.deployment import Deployment
from truemark.explorer.directory import Directory, Known
from truemark.explorer.reading import (
    Parsed,
    decode_transaction,
    parse_block,
    parse_state_update,
    parse_transaction,
    transactions_of,
)
from truemark.explorer.records import Block, NotFound, StateDiff, Transaction
from truemark.felt import BadFelt, hex_of
from truemark.rpc import AsyncRpc, BadAnswer, RpcError

HASH_NOT_FOUND: Final = 29
#: Blocks asked for in one request.
_CHUNK: Final = 25


class AsyncExplorer:
    """Use as `async with`, or call `aclose`.

    Args:
        source: a deployment, or the URL of a node: then no contract has a name, and every ABI comes from the node.
        abis: ABIs of contracts by address, for those whose class has none of use.
        names: names of addresses, beside the deployment's.
        rpc: a client to use and leave open, instead of one of its own.
    """

    def __init__(
        self,
        source: Deployment | str,
        *,
        abis: Mapping[int, Abi] | None = None,
        names: Mapping[int, str] | None = None,
        rpc: AsyncRpc | None = None,
    ) -> None:
        self.deployment = source if isinstance(source, Deployment) else None
        url = source.l2_rpc if isinstance(source, Deployment) else source
        self._rpc = rpc if rpc is not None else AsyncRpc(url)
        self._owns_rpc = rpc is None
        self._directory = Directory(self._rpc, self.deployment, abis=abis, names=names)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the connections that it opened itself."""
        if self._owns_rpc:
            await self._rpc.aclose()

    async def head(self) -> int:
        """The number of the latest block.

        Raises:
            NodeUnavailable: the node does not answer.
        """
        return int(await self._rpc.call("starknet_blockNumber"))

    async def block(self, block: BlockRef = "latest") -> Block:
        """A block by number, hash or tag ("latest", "pre_confirmed", "l1_accepted"), with its transactions decoded.

        Raises:
            NotFound: the node has none.
            BadBlock: `block` names none.
            NodeUnavailable: the node does not answer, or not with a block.
        """
        (found,) = await self._blocks([block])
        return found

    async def blocks(self, numbers: range) -> tuple[Block, ...]:
        """Blocks by number, in the order of the range.

        Raises:
            NotFound: the node does not have all of them.
            NodeUnavailable: the node does not answer, or not with blocks.
        """
        found: list[Block] = []
        for start in range(0, len(numbers), _CHUNK):
            found += await self._blocks(numbers[start : start + _CHUNK])
        return tuple(found)

    async def transaction(self, tx_hash: int | str) -> Transaction:
        """A transaction by its hash, with its calls and events decoded.

        Raises:
            NotFound: the node has none.
            NodeUnavailable: the node does not answer, or not with a transaction.
        """
        wanted = {"transaction_hash": _hash(tx_hash)}
        raw, receipt = await self._rpc.batch(
            [("starknet_getTransactionByHash", wanted), ("starknet_getTransactionReceipt", wanted)]
        )
        for answer in (raw, receipt):
            if isinstance(answer, RpcError):
                if answer.code == HASH_NOT_FOUND:
                    raise NotFound(f"no transaction {wanted['transaction_hash']}")
                raise answer
        parsed = parse_transaction(raw, receipt)
        at: BlockRef = "pre_confirmed" if parsed.receipt.block_number is None else parsed.receipt.block_number
        known = await self._directory.resolve((address, at) for address in parsed.addresses())
        return _decoded(parsed, None, at, known)

    async def diff(self, block: BlockRef = "latest") -> StateDiff:
        """What a block changed.

        Raises:
            NotFound, NodeUnavailable: as `block`.
        """
        try:
            raw = await self._rpc.call("starknet_getStateUpdate", {"block_id": block_id(block)})
        except RpcError as error:
            raise _missing(error, block) from None
        return parse_state_update(raw)

    async def abi(self, contract: str | int, block: BlockRef = "latest") -> Abi:
        """The ABI of the class that a contract had at `block`.

        Raises:
            NotFound: there is no such contract, or none with an ABI.
            NodeUnavailable: the node does not answer.
        """
        return (await self.contract(contract, block)).abi

    async def contract(self, contract: str | int, block: BlockRef = "latest") -> Contract:
        """A contract by its name in the deployment or its address, with the ABI of its class at `block`.

        Raises:
            NotFound: there is none, or none with an ABI.
            NodeUnavailable: the node does not answer.
        """
        address = self.address(contract)
        known = (await self._directory.resolve([(address, block)]))[address, block]
        if known.abi is None:
            raise NotFound(f"{contract if isinstance(contract, str) else hex(contract)} cannot be read: {known.reason}")
        return Contract(self._rpc, address, known.abi)

    async def read(
        self, contract: str | int, function: str, /, *args: Any, block: BlockRef = "latest", **kwargs: Any
    ) -> Any:
        """What a contract's function returns on the state after `block`.

        Raises:
            NotFound: there is no such contract.
            AbiError: it has no such function, or an argument does not fit.
            ContractError: it reverts.
            NodeUnavailable: the node does not answer.
        """
        found = await self.contract(contract, block)
        try:
            return await found.read(function, *args, block=block, **kwargs)
        except ContractError as error:
            name = self._directory.name(found.address) or hex(found.address)
            raise ContractError(f"{name}.{function}", error.reason) from None

    def name(self, address: int) -> str | None:
        """What the deployment calls an address."""
        return self._directory.name(address)

    def address(self, contract: str | int) -> int:
        """The address of a contract or an operator by its name in the deployment, or as it is.

        Raises:
            NotFound: the deployment has no such name.
        """
        if isinstance(contract, int):
            return contract
        if contract[:2].lower() == "0x":
            return int(_hash(contract), 16)
        address = self._directory.address(contract)
        if address is None:
            raise NotFound(
                f"nothing is called {contract!r}; there are {', '.join(self._directory.names()) or 'no names'}"
            )
        return address

    async def _blocks(self, blocks: Sequence[BlockRef]) -> list[Block]:
        answers = await self._rpc.batch(
            [("starknet_getBlockWithReceipts", {"block_id": block_id(block)}) for block in blocks]
        )
        parsed: list[tuple[BlockRef, Mapping[str, Any], list[Parsed]]] = []
        for block, raw in zip(blocks, answers, strict=True):
            if isinstance(raw, RpcError):
                raise _missing(raw, block)
            if not isinstance(raw, dict) or not isinstance(raw.get("block_number"), int):
                raise BadAnswer(f"the node gave what is no block for {block}")
            # By number, not by the tag it was asked for: the chain goes on meanwhile.
            at: BlockRef = raw["block_number"] if "block_hash" in raw else "pre_confirmed"
            parsed.append((at, raw, transactions_of(raw)))
        known = await self._directory.resolve(
            (address, at) for at, _, transactions in parsed for tx in transactions for address in tx.addresses()
        )
        return [
            parse_block(raw, tuple(_decoded(tx, index, at, known) for index, tx in enumerate(transactions)))
            for at, raw, transactions in parsed
        ]


class Explorer(SyncTwin[AsyncExplorer]):
    """AsyncExplorer without an event loop: the same methods, each waits. Use as `with`, or call `close`."""

    def __init__(
        self,
        source: Deployment | str,
        *,
        abis: Mapping[int, Abi] | None = None,
        names: Mapping[int, str] | None = None,
    ) -> None:
        self._twin = AsyncExplorer(source, abis=abis, names=names)

    @property
    def deployment(self) -> Deployment | None:
        return self._twin.deployment

    def name(self, address: int) -> str | None:
        """What the deployment calls an address."""
        return self._twin.name(address)

    def address(self, contract: str | int) -> int:
        """The address of a contract or an operator by its name in the deployment, or as it is.

        Raises:
            NotFound: the deployment has no such name.
        """
        return self._twin.address(contract)

    head = sync(AsyncExplorer.head)
    block = sync(AsyncExplorer.block)
    blocks = sync(AsyncExplorer.blocks)
    transaction = sync(AsyncExplorer.transaction)
    diff = sync(AsyncExplorer.diff)
    abi = sync(AsyncExplorer.abi)
    read = sync(AsyncExplorer.read)


def _decoded(
    parsed: Parsed, index: int | None, at: BlockRef, known: Mapping[tuple[int, BlockRef], Known]
) -> Transaction:
    return decode_transaction(parsed, index, lambda address: known[address, at])


def _missing(error: RpcError, block: BlockRef) -> Exception:
    return NotFound(f"no block {block}") if error.code == NO_BLOCK else error


def _hash(value: int | str) -> str:
    try:
        return hex_of(int(value, 16) if isinstance(value, str) else value)
    except (BadFelt, ValueError):
        raise NotFound(f"{value} is no hash and no address: 0x and at most 64 hexadecimal digits are") from None
