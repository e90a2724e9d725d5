"""The rollback of a venue's chain to a block, in an order in which nothing can slip through.

1. Admission is closed: no transaction lands any more.
2. Messages between the layers are carried, so that none is under way over the line.
3. The blocks after the last good one are erased, and what is left is proven to be what was there.
4. Empty blocks fill the chain up to its old height: whoever counts blocks, a message cursor first of all, finds none
   that it takes for one it has seen.
5. L1 counts a new epoch and tells L2: orders, reports and withdrawals of the erased blocks, sent again as they were,
   are refused, and the venue is Halted although the restored state may say Full.
6. Only then admission is opened.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import orjson
from truemark.contract import Contract
from truemark.deployment import Deployment
from truemark.errors import TruemarkError
from truemark.rpc import AsyncRpc, RpcError

from truemark_keeper.pinned import Head, read_head
from truemark_keeper.recovery.chain import RecoveryChain
from truemark_keeper.recovery.record import RollbackRecord

STEPS: Final = (
    "close admission",
    "carry messages",
    "erase blocks",
    "prove the state",
    "fill blocks",
    "new epoch",
    "halted",
    "open admission",
)
HALTED: Final = "Halted"


class RollbackFailed(TruemarkError, RuntimeError):
    """A rollback cannot be begun, or a step did not do what it must. Admission stays as it is then: a venue that is in
    doubt does not open by itself."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a rollback to `block` would erase: the blocks after it up to `height`, and how many transactions they hold
    (None for one that was begun before: some are gone). `epoch`: the one that ends."""

    block: int
    height: int
    transactions: int | None
    epoch: int


class Rollback:
    """One rollback, resumable at every step.

    Args:
        chain: the operator's power over the node.
        rpc: reads of the node.
        deployment: the venue.
        path: the record's file.
        allowed: accounts whose transactions pass while admission is closed.
    """

    def __init__(
        self, chain: RecoveryChain, rpc: AsyncRpc, deployment: Deployment, path: Path, allowed: Iterable[int] = ()
    ) -> None:
        self._chain = chain
        self._rpc = rpc
        self._deployment = deployment
        self._path = path
        self._allowed = tuple(allowed)

    async def plan(self, block: int) -> Plan:
        """What `begin` and `run` would do; nothing is changed.

        Raises:
            RollbackFailed: there is no such block, or another rollback is not finished.
            BadRecord: the file is of something else.
        """
        begun = self._unfinished(block)
        if begun is not None:
            return Plan(block, begun.height, None, begun.epoch)
        head = await self._above(block)
        counts = await self._rpc.batch(
            [
                ("starknet_getBlockTransactionCount", {"block_id": {"block_number": number}})
                for number in range(block + 1, head.number + 1)
            ]
        )
        for count in counts:
            if isinstance(count, RpcError):
                raise count
        return Plan(block, head.number, sum(int(count) for count in counts), await self._chain.l1_epoch())

    async def begin(self, block: int) -> RollbackRecord:
        """Writes down what is to be done, and does nothing of it. One that was begun before for the same block goes on.

        Raises:
            RollbackFailed: there is no such block, it is the newest, or another rollback is not finished.
            BadRecord: the file is of something else.
        """
        begun = self._unfinished(block)
        if begun is not None:
            return begun
        head = await self._above(block)
        record = RollbackRecord(
            clearinghouse=self._house,
            block=block,
            fingerprint=(await read_head(self._rpc, block)).fingerprint.hex(),
            state=await self._state(block),
            height=head.number,
            epoch=await self._chain.l1_epoch(),
        )
        record.save(self._path)
        return record

    async def run(self, tell: Callable[[str], None] = lambda step: None) -> RollbackRecord:
        """Does the steps that are not done yet. `tell` hears each when it is behind.

        Raises:
            RollbackFailed: none was begun, or a step did not do what it must; it can be run again.
            Others: a node does not answer; it can be run again.
        """
        record = RollbackRecord.load(self._path)
        if record is None or record.clearinghouse != self._house:
            raise RollbackFailed(f"no rollback of this venue was begun in {self._path}")
        actions: Mapping[str, Callable[[RollbackRecord], Awaitable[None]]] = {
            "close admission": self._close,
            "carry messages": self._carry,
            "erase blocks": self._erase,
            "prove the state": self._prove,
            "fill blocks": self._fill,
            "new epoch": self._new_epoch,
            "halted": self._halted,
            "open admission": self._open,
        }
        for step in STEPS:
            if step not in record.done:
                await actions[step](record)
                record = record.with_step(step)
                record.save(self._path)
                tell(step)
        return record

    def _unfinished(self, block: int) -> RollbackRecord | None:
        found = RollbackRecord.load(self._path)
        if found is None:
            return None
        if found.clearinghouse != self._house:
            raise RollbackFailed(f"{self._path} is of another venue, {found.clearinghouse:#x}")
        if found.done == STEPS:
            return None
        if found.block != block:
            raise RollbackFailed(
                f"a rollback to block {found.block} is not finished (after: {_last(found)}); finish it first"
            )
        return found

    async def _above(self, block: int) -> Head:
        head = await read_head(self._rpc)
        if not 0 <= block < head.number:
            raise RollbackFailed(f"block {block} is not below the newest one, {head.number}: nothing would be erased")
        return head

    @property
    def _house(self) -> int:
        return self._deployment.address("Clearinghouse")

    async def _close(self, record: RollbackRecord) -> None:
        await self._chain.close_admission(self._allowed)

    async def _carry(self, record: RollbackRecord) -> None:
        await self._chain.carry()

    async def _erase(self, record: RollbackRecord) -> None:
        await self._chain.erase_after(record.block)

    async def _prove(self, record: RollbackRecord) -> None:
        """The newest block is the one that was chosen, and its state is what it was before anything was erased."""
        head = await read_head(self._rpc)
        if head.number != record.block or head.fingerprint.hex() != record.fingerprint:
            raise RollbackFailed(
                f"the newest block is {head.number} ({head.fingerprint.hex()[:16]}), not block {record.block} as it "
                f"was ({record.fingerprint[:16]})"
            )
        state = await self._state(record.block)
        if state != record.state:
            raise RollbackFailed(
                f"the state at block {record.block} ({state[:16]}) is not what it was there ({record.state[:16]})"
            )

    async def _fill(self, record: RollbackRecord) -> None:
        await self._chain.fill_to(record.height)

    async def _new_epoch(self, record: RollbackRecord) -> None:
        if await self._chain.l1_epoch() == record.epoch:
            await self._chain.new_epoch()
        await self._chain.carry()

    async def _halted(self, record: RollbackRecord) -> None:
        """All of L2 is in L1's epoch, and the venue is Halted."""
        epoch = await self._chain.l1_epoch()
        for name in ("Bridge", "Oracle", "Clearinghouse"):
            found = await self._contract(name).read("epoch")
            if found != epoch:
                raise RollbackFailed(f"{name} is in epoch {found}, L1 in {epoch}: its message did not arrive")
        mode = (await self._contract("Clearinghouse").read("mode")).variant
        if mode != HALTED:
            raise RollbackFailed(f"the venue is {mode} after the new epoch, not {HALTED}")

    async def _open(self, record: RollbackRecord) -> None:
        await self._chain.open_admission()

    def _contract(self, name: str) -> Contract:
        return Contract.of(self._rpc, self._deployment.address(name), name)

    async def _state(self, block: int) -> str:
        """A digest of what the venue's contracts say at a block: marks, ledger, mode, epochs, supply."""
        house, oracle = self._contract("Clearinghouse"), self._contract("Oracle")
        said: dict[str, Any] = {
            "mode": (await house.read("mode", block=block)).variant,
            "epochs": [await item.read("epoch", block=block) for item in (house, oracle, self._contract("Bridge"))],
            "ledger": await house.read("ledger", block=block),
            "supply": await self._contract("CollateralToken").read("total_supply", block=block),
            "marks": [
                await oracle.read("mark", market.index, block=block) for market in self._deployment.markets.values()
            ],
        }
        content = orjson.dumps(_plain(said), option=orjson.OPT_SORT_KEYS)
        return sha256(content).hexdigest()


def _plain(value: Any) -> Any:
    """Numbers as text, since they can have more than 64 bits; variants of enums by name."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    variant = getattr(value, "variant", None)
    return str(value if variant is None else variant)


def _last(record: RollbackRecord) -> str:
    return record.done[-1] if record.done else "nothing"
