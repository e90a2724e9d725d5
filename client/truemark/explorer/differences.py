"""Two states side by side, writes that no transaction explains, and orphaned blocks beside what replaced them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from truemark.explorer.chain import ChainReader
from truemark.explorer.context import Context, off_loop
from truemark.explorer.slots import SlotNames
from truemark.explorer.views import Comparison, Replacement, SlotWrite
from truemark.index.records import BlockRecord, Cause, Orphan, StateChange, Write

#: Addresses that are tried as keys of balances.
_MOST_NAMES: Final = 5_000


class DifferenceReader:
    def __init__(self, context: Context, chain: ChainReader) -> None:
        self._context = context
        self._index = context.index
        self._lookups = context.lookups
        self._chain = chain

    async def compare(
        self, before: int, after: int, *, contract: int | None = None, account: int | None = None
    ) -> Comparison:
        """
        Raises:
            Unindexed: the index lacks one of the blocks.
        """
        changes = await off_loop(self._index.diff, before, after)
        names = await off_loop(self._names, account, *sorted((before, after)))
        found = [self._change(change, after, names) for change in changes]
        return Comparison(
            before,
            after,
            tuple(
                change
                for change in found
                if (contract is None or change.address == contract)
                and (account is None or account in (change.account, change.address))
            ),
        )

    def _names(self, account: int | None, first: int, last: int) -> SlotNames:
        known = self._lookups.named_in(first, last, _MOST_NAMES)
        known.update(self._context.directory.labels())
        if account is not None:
            known.add(account)
        return SlotNames(self._index.naming_in(range(first + 1, last + 1), known), known)

    def _change(self, change: StateChange, block: int, names: SlotNames) -> SlotWrite:
        slot = names.slot(change.address, change.key) if change.key is not None else None
        return SlotWrite(
            block_number=block,
            part=change.part,
            address=change.address,
            contract=change.contract or self._context.name(change.address) or self._context.class_name(change.address),
            key=change.key,
            variable=None if slot is None else slot.variable,
            account=change.account if slot is None else slot.account,
            before=change.before,
            after=change.after,
            before_shown=names.shown(change.address, slot, change.before),
            after_shown=names.shown(change.address, slot, change.after),
            tx_index=None,
            tx_hash=None,
            # Several writes may lie between the two.
            cause=Cause.UNKNOWN,
        )

    async def unattributed(
        self, first: int = 0, last: int | None = None, *, orphaned: bool = False
    ) -> tuple[SlotWrite, ...]:
        """Writes that no transaction explains, oldest first, with what was there before."""
        writes = await off_loop(self._index.unattributed, first, last, orphaned=orphaned)
        records = await off_loop(self._records, writes, orphaned)
        found: list[SlotWrite] = []
        for record in records:
            found += [write for write in await self._chain.writes(record) if write.cause is Cause.UNATTRIBUTED]
        return tuple(found)

    def _records(self, writes: Iterable[Write], orphaned: bool) -> list[BlockRecord]:
        numbers = dict.fromkeys(write.block_number for write in writes)
        if not orphaned:
            return [self._index.block(number) for number in numbers]
        return [
            version
            for number in numbers
            for version in self._index.versions(number)
            if version.orphaned and version.unattributed
        ]

    async def replacements(self, reorg: int | None, limit: int) -> tuple[Replacement, ...]:
        """Orphaned blocks beside what took their place; newest rollback first, highest block first."""
        orphans = await off_loop(self._index.orphans, reorg)
        return tuple([await self._replacement(orphan) for orphan in orphans[: -limit - 1 : -1]])

    async def _replacement(self, orphan: Orphan) -> Replacement:
        blocks = [orphan.block] if orphan.replaced_by is None else [orphan.block, orphan.replaced_by]
        summaries = await self._chain.summaries(blocks)
        was = list((await off_loop(self._lookups.hashes, orphan.block.id)).values())
        now = (
            []
            if orphan.replaced_by is None
            else list((await off_loop(self._lookups.hashes, orphan.replaced_by.id)).values())
        )
        again = [tx_hash for tx_hash in was if await off_loop(self._in_chain, tx_hash)]
        return Replacement(
            reorg=orphan.reorg,
            orphan=summaries[0],
            replaced_by=summaries[1] if len(summaries) > 1 else None,
            kept=tuple(again),
            lost=tuple(tx_hash for tx_hash in was if tx_hash not in again),
            new=tuple(tx_hash for tx_hash in now if tx_hash not in was),
            writes=await self._unlike(orphan),
        )

    async def _unlike(self, orphan: Orphan) -> tuple[SlotWrite, ...]:
        """Each value that the orphan wrote and its replacement did not: before is the orphan's, after is that of the
        block in its place, None where that did not write there."""
        was = await self._chain.writes(orphan.block)
        now = [] if orphan.replaced_by is None else await self._chain.writes(orphan.replaced_by)
        ours = {(write.part, write.address, write.key): write for write in was}
        theirs = {(write.part, write.address, write.key): write for write in now}
        found = []
        for place in dict.fromkeys([*ours, *theirs]):
            old, new = ours.get(place), theirs.get(place)
            if old is not None and new is not None and old.after == new.after:
                continue
            base = old or new
            assert base is not None
            found.append(
                SlotWrite(
                    block_number=base.block_number,
                    part=base.part,
                    address=base.address,
                    contract=base.contract,
                    key=base.key,
                    variable=base.variable,
                    account=base.account,
                    before=None if old is None else old.after,
                    after=None if new is None else new.after,
                    before_shown=None if old is None else old.after_shown,
                    after_shown=None if new is None else new.after_shown,
                    tx_index=base.tx_index,
                    tx_hash=base.tx_hash,
                    cause=base.cause,
                    orphaned=True,
                )
            )
        return tuple(found)

    def _in_chain(self, tx_hash: int) -> bool:
        return False in self._lookups.transaction_hashes(tx_hash)
