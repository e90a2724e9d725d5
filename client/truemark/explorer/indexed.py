"""An explorer's half that reads an index: its parts put together, and what takes several of them."""

from __future__ import annotations

from pathlib import Path

from truemark.contract import BlockRef
from truemark.deployment import Deployment
from truemark.explorer.chain import ChainReader
from truemark.explorer.context import Context, off_loop, status_of
from truemark.explorer.differences import DifferenceReader
from truemark.explorer.directory import Directory
from truemark.explorer.export import export
from truemark.explorer.finding import Finder
from truemark.explorer.judgement import Judge, Limits
from truemark.explorer.lookups import Lookups
from truemark.explorer.mail import MailReader
from truemark.explorer.people import PeopleReader
from truemark.explorer.records import Block, NotFound, Transaction
from truemark.explorer.shelf import ClassShelf
from truemark.explorer.views import (
    ActivityPoint,
    BlockSummary,
    BlockView,
    CallTree,
    ClassView,
    Comparison,
    Health,
    MessageLife,
    SlotWrite,
    Timeline,
    TransactionSummary,
    TransactionView,
)
from truemark.index import EventFilter, EventRow, Index, Page, Unindexed
from truemark.index.records import BlockRecord, TransactionRow
from truemark.rpc import AsyncRpc

_BOUNDS = ("l1_gas", "l1_data_gas", "l2_gas")
_PRE_CONFIRMED = "pre_confirmed"


class Indexed:
    """
    Args:
        index: an opened one, which is left open, or where one is.
        rpc: the node, for what an index does not hold: balances, what views give, contracts older than the first block.

    Raises:
        BadIndex: it cannot be opened.
    """

    def __init__(
        self, index: Index | str | Path, rpc: AsyncRpc, directory: Directory, deployment: Deployment | None
    ) -> None:
        self._owns_index = not isinstance(index, Index)
        self.index = index if isinstance(index, Index) else Index.open(index)
        if deployment is not None:
            self.index.name(deployment)
        lookups = Lookups(self.index)
        context = Context(self.index, lookups, ClassShelf(self.index, lookups, directory), directory, rpc, deployment)
        self._deployment = deployment
        self.chain = ChainReader(context)
        self.people = PeopleReader(context)
        self.mail = MailReader(context, None if deployment is None else deployment.l1_rpc)
        self.differences = DifferenceReader(context, self.chain)
        self.judge = Judge(context, self.differences)
        self.finder = Finder(context)

    def close(self) -> None:
        if self._owns_index:
            self.index.close()

    async def head(self) -> int:
        """The highest block of the index; -1 without one."""
        head = await off_loop(self.index.head)
        return -1 if head is None else head.number

    async def block(self, block: BlockRef) -> Block | None:
        if block == _PRE_CONFIRMED:
            return None
        record = await self.chain.record(block)
        # What was pruned the node may still have.
        if record is None or record.number < await off_loop(self.index.whole_from):
            return None
        return await self.chain.block(record)

    async def transaction(self, tx_hash: int) -> Transaction | None:
        versions = await self.chain.versions(tx_hash)
        if not versions:
            return None
        (found,) = await self.chain.decode(versions[:1], versions[0].block)
        return found

    async def latest_blocks(self, cursor: str | None, limit: int) -> Page[BlockSummary]:
        return await self.chain.newest_blocks(cursor, limit)

    async def latest_transactions(
        self, cursor: str | None, limit: int, *, sender: int | None, failed: bool, kind: str | None
    ) -> Page[TransactionSummary]:
        return await self.chain.newest_transactions(cursor, limit, sender=sender, failed=failed, kind=kind)

    async def block_view(self, block: BlockRef, orphaned: int | None) -> BlockView:
        return await self.chain.view(await self._record(block, orphaned))

    async def writes(self, block: BlockRef) -> tuple[SlotWrite, ...]:
        return await self.chain.writes(await self._record(block))

    async def transaction_view(self, tx_hash: int) -> TransactionView:
        versions = await self._versions(tx_hash)
        row = versions[0]
        (transaction,) = await self.chain.decode([row], row.block)
        accepted = await off_loop(self.index.l1_accepted)
        return TransactionView(
            transaction=transaction,
            block=row.block,
            status=status_of(row.block, accepted),
            tree=await self.chain.tree(row),
            writes=await self.chain.writes_of_transaction(row),
            messages=await self.mail.of_transaction(tx_hash, orphaned=row.block.orphaned),
            bounds=_bounds(row),
            elsewhere=tuple(other.block for other in versions[1:]),
        )

    async def call_tree(self, tx_hash: int) -> CallTree:
        return await self.chain.tree((await self._versions(tx_hash))[0])

    async def class_view(self, class_hash: int) -> ClassView:
        found = await self.people.a_class(class_hash)
        if found is None:
            raise NotFound(f"no class {class_hash:#x}")
        return found

    async def events(
        self, wanted: EventFilter | None, cursor: str | None, limit: int, newest_first: bool
    ) -> Page[EventRow]:
        return await off_loop(self.index.events, wanted, cursor, limit, newest_first=newest_first)

    async def message(self, message_hash: int | str) -> tuple[MessageLife, ...]:
        try:
            wanted = int(message_hash, 16) if isinstance(message_hash, str) else message_hash
            # L1's hashes have 256 bits, more than a felt has.
            found = await self.mail.lives(wanted) if 0 <= wanted < 2**256 else ()
        except ValueError:
            found = ()
        if not found:
            raise NotFound(f"no message {message_hash if isinstance(message_hash, str) else hex(message_hash)}")
        return found

    async def compare(self, before: int, after: int, contract: int | None, account: int | None) -> Comparison:
        try:
            return await self.differences.compare(before, after, contract=contract, account=account)
        except Unindexed as error:
            raise NotFound(str(error)) from None

    async def timeline(self, market: int | str, first: int, last: int | None, limits: Limits | None) -> Timeline:
        if isinstance(market, str):
            known = None if self._deployment is None else self._deployment.markets.get(market)
            if known is None:
                if not market.isdigit():
                    raise NotFound(f"no market {market}")
                market = int(market)
            else:
                market = known.index
        return await self.judge.timeline(market, first, last, limits or Limits())

    async def health(self, limits: Limits | None, now: float | None) -> Health:
        return await self.judge.health(limits or Limits(), now)

    async def activity(self, first: int, last: int | None, points: int) -> tuple[ActivityPoint, ...]:
        head = await off_loop(self.index.head)
        if head is None:
            return ()
        return await self.judge.activity(first, head.number if last is None else last, points)

    async def export(
        self, kind: str, path: Path, first: int, last: int | None, orphaned: bool, form: str | None
    ) -> int:
        return await off_loop(export, self.index, kind, path, first=first, last=last, orphaned=orphaned, form=form)

    async def _record(self, block: BlockRef, orphaned: int | None = None) -> BlockRecord:
        record = await self.chain.record(block, orphaned)
        if record is None:
            which = "" if orphaned is None else f" that rollback {orphaned} orphaned"
            raise NotFound(f"the index has no block {block}{which}")
        return record

    async def _versions(self, tx_hash: int) -> tuple[TransactionRow, ...]:
        versions = await self.chain.versions(tx_hash)
        if not versions:
            raise NotFound(f"the index has no transaction {tx_hash:#x}")
        return versions


def _bounds(row: TransactionRow) -> dict[str, tuple[int, int]]:
    raw = row.details.get("resource_bounds") or {}
    return {
        name: (int(raw[name]["max_amount"], 16), int(raw[name]["max_price_per_unit"], 16))
        for name in _BOUNDS
        if name in raw
    }
