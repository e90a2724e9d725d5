"""Whether what the chain says makes sense: health in three questions, marks and funding on a timeline, activity."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from truemark.explorer.context import Context, off_loop
from truemark.explorer.differences import DifferenceReader
from truemark.explorer.views import ActivityPoint, FundingPoint, Health, Part, SanityPoint, Timeline
from truemark.index.records import FundingRow, MarkRow
from truemark.rpc import NodeUnavailable, RpcError

_BPS: Final = 10_000
#: Prices are in 1e-8 USD, funding indices in 1e-16 USD for 1e-8 of the base asset.
_INDEX_UNIT: Final = 8
_HOUR: Final = 3_600
NOT_VALID: Final = "not valid"
_SOUND: Final = frozenset({"Valid", "Settled"})
#: Blocks that health looks back for marks.
_LOOKBACK: Final = 300
_PLACES: Final = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on something is strange.

    Attributes:
        halted_after: seconds without a block.
        behind: blocks that the index may lack.
        jump_bps: of a mark against the one before it.
        median_bps: of a mark against the reporters' median.
        funding_bps: of a funding index in an hour, of the mark.
    """

    halted_after: float = 120.0
    behind: int = 5
    jump_bps: int = 1_000
    median_bps: int = 500
    funding_bps: int = 100


class Watch:
    """When the chain's last block came, by the clock of who looks: a chain's own may be held, or run ahead.

    A block came after the last look that did not see it and no later than the first that did.
    """

    def __init__(self) -> None:
        self._head: int | None = None
        self._looked_at = 0.0
        #: None: it was there at the first look.
        self._not_before: float | None = None
        self._there_since = 0.0

    def age(self, head: int, timestamp: int, now: float) -> int:
        """Seconds since the block `head` came; its timestamp says so, unless that cannot be."""
        if head != self._head:
            self._not_before = None if self._head is None else self._looked_at
            self._head, self._there_since = head, now
        self._looked_at = now
        age = max(now - timestamp, now - self._there_since)
        return int(age if self._not_before is None else min(age, now - self._not_before))


class Judge:
    def __init__(self, context: Context, differences: DifferenceReader) -> None:
        self._context = context
        self._index = context.index
        self._lookups = context.lookups
        self._differences = differences
        self._watch = Watch()

    async def health(self, limits: Limits, now: float | None = None) -> Health:
        """
        Args:
            now: seconds since 1970 by the chain's clock; by default by this machine's, and then what was seen of the
                chain before counts more than its timestamps.
        """
        head = await off_loop(self._index.head)
        accepted = await off_loop(self._index.l1_accepted)
        chain, chain_head, age = await self._chain(limits, now)
        unattributed = await off_loop(self._index.unattributed)
        rollbacks = await off_loop(self._index.reorgs)
        if head is None:
            index = Part("empty", "the index has no block")
        elif chain_head is None:
            index = Part("unknown", f"the index is at block {head.number}; the node does not say how far the chain is")
        elif chain_head - head.number > limits.behind:
            index = Part("behind", f"the index is {chain_head - head.number} blocks behind, at {head.number}")
        elif chain_head < head.number:
            index = Part("behind", f"the chain went back to {chain_head}, the index is still at {head.number}")
        else:
            index = Part("ok", f"the index is at block {head.number}")
        wrong = []
        if unattributed:
            first = unattributed[0].block_number
            wrong.append(f"{len(unattributed)} writes by no transaction, the first in block {first}")
        if head is not None and self._context.deployment is not None:
            for name, info in self._context.deployment.markets.items():
                marks = await off_loop(
                    self._index.marks,
                    info.index,
                    oracle=self._address("Oracle"),
                    first_block=max(0, head.number - _LOOKBACK),
                )
                line = _sanity(marks, limits)
                # A mark that is not valid says so itself, and stops being news with the next one.
                strange = [point for point in line if set(point.flags) - {NOT_VALID}]
                strange += [point for point in line[-1:] if NOT_VALID in point.flags]
                if strange:
                    last = strange[-1]
                    wrong.append(f"the mark of {name} in block {last.mark.block_number}: {', '.join(last.flags)}")
        data = Part("wrong", "; ".join(wrong)) if wrong else Part("ok", "every write has its transaction")
        return Health(
            chain=chain,
            index=index,
            data=data,
            chain_head=chain_head,
            index_head=None if head is None else head.number,
            l1_accepted=accepted,
            age=age,
            unattributed=len(unattributed),
            rollbacks=len(rollbacks),
        )

    async def _chain(self, limits: Limits, now: float | None) -> tuple[Part, int | None, int | None]:
        try:
            latest = await self._context.rpc.call("starknet_getBlockWithTxHashes", {"block_id": "latest"})
            number, timestamp = int(latest["block_number"]), int(latest["timestamp"])
        except (NodeUnavailable, RpcError, KeyError, TypeError, ValueError) as error:
            return Part("unreachable", str(error) or type(error).__name__), None, None
        age = self._watch.age(number, timestamp, time.time()) if now is None else max(0, int(now) - timestamp)
        if age > limits.halted_after:
            return Part("halted", f"no block for {age} s, the last is {number}"), number, age
        return Part("ok", f"block {number}, {age} s ago"), number, age

    async def timeline(self, market: int, first: int, last: int | None, limits: Limits) -> Timeline:
        """Marks and funding of a market, oldest first, each beside what is strange about it."""
        oracle, venue = self._address("Oracle"), self._address("Clearinghouse")
        marks = await off_loop(self._index.marks, market, oracle=oracle, first_block=first, last_block=last)
        funding = await off_loop(self._index.funding, market, venue=venue, first_block=first, last_block=last)
        unexplained = await self._differences.unattributed(first, last)
        about = f"[{market}]"
        return Timeline(
            market=market,
            name=self._context.market_name(market),
            marks=_sanity(marks, limits),
            funding=_funding(funding, marks, limits),
            unexplained=tuple(
                write
                for write in unexplained
                if write.address in (oracle, venue) and write.variable and about in write.variable
            ),
        )

    def _address(self, contract: str) -> int | None:
        return None if self._context.deployment is None else self._context.deployment.contracts[contract].address

    async def activity(self, first: int, last: int, points: int) -> tuple[ActivityPoint, ...]:
        """Blocks `first` to `last` summed up in at most so many stretches, oldest first."""
        rows = await off_loop(self._lookups.per_block, first, last)
        fees = await off_loop(self._lookups.fees, first, last)
        size = max(1, -(-len(rows) // max(points, 1)))
        return tuple(_stretch(rows[at : at + size], fees) for at in range(0, len(rows), size))


def _sanity(marks: Sequence[MarkRow], limits: Limits) -> tuple[SanityPoint, ...]:
    found = []
    before: MarkRow | None = None
    for mark in marks:
        jump = None if before is None else _bps(mark.price, before.price)
        off = None if mark.median is None else _bps(mark.price, mark.median)
        flags = []
        if jump is not None and abs(jump) >= limits.jump_bps:
            flags.append("jump")
        if off is not None and abs(off) >= limits.median_bps:
            flags.append("off the median")
        if mark.status not in _SOUND:
            flags.append(NOT_VALID)
        found.append(SanityPoint(mark, jump, off, tuple(flags)))
        before = mark
    return tuple(found)


def _funding(rows: Sequence[FundingRow], marks: Sequence[MarkRow], limits: Limits) -> tuple[FundingPoint, ...]:
    found = []
    before: FundingRow | None = None
    place, price = 0, 0
    for row in rows:
        while place < len(marks) and marks[place].block_number <= row.block_number:
            price = marks[place].price
            place += 1
        change, hourly = None, None
        if before is not None:
            change = Decimal(row.index - before.index).scaleb(-_INDEX_UNIT)
            seconds = row.timestamp - before.timestamp
            if price and seconds > 0:
                mark = Decimal(price).scaleb(-_INDEX_UNIT)
                hourly = (change / mark * _BPS * _HOUR / seconds).quantize(_PLACES)
        flags = ("jump",) if hourly is not None and abs(hourly) >= limits.funding_bps else ()
        found.append(FundingPoint(row, change, hourly, flags))
        before = row
    return tuple(found)


def _bps(value: int, of: int) -> Decimal | None:
    return None if not of else (Decimal(value - of) * _BPS / of).quantize(_PLACES)


def _stretch(rows: Sequence[Any], fees: Mapping[int, int]) -> ActivityPoint:
    first, last = rows[0], rows[-1]
    steps = last.number - first.number
    return ActivityPoint(
        first_block=first.number,
        last_block=last.number,
        timestamp=last.timestamp,
        blocks=len(rows),
        transactions=sum(row.transaction_count for row in rows),
        failed=sum(row.failed for row in rows),
        events=sum(row.event_count for row in rows),
        l2_gas=sum(int(row.l2_gas) for row in rows),
        fee=sum(fees.get(row.number, 0) for row in rows),
        seconds=None if not steps else (Decimal(last.timestamp - first.timestamp) / steps).quantize(_PLACES),
    )
