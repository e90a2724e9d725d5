"""The last good block: what the index and the keeper's own prices say against each block, and the highest one before
all of it.

Every predicate looks at what is written down, at all blocks of a span at once: none assumes that what is bad stays bad,
since a zero that lasted for one block liquidates as well as one that stays. So none of them bisects. What stays once it
is there, another block than the chain's, is found by halves, by the index itself when it follows.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from truemark.deployment import Deployment, MarketInfo
from truemark.errors import TruemarkError
from truemark.funding import accrual
from truemark.index import EventFilter, Index, MarkRow
from truemark.risk import position_requirement

from truemark_keeper.judging import BPS, within
from truemark_keeper.recovery.ledger import imbalances
from truemark_keeper.sentinel.rules import HAS_A_MARK, SentinelTerms

#: 1e-20 USD in 1e-16 USD.
_REQUIREMENT_SCALE: Final = 10_000
_PAGE: Final = 1_000
#: Blocks in which a market's last mark is looked for.
_REACH: Final = 500

#: The independent price of a market by name at a time, 1e-8 USD; None: there is none.
PriceAt = Callable[[str, int], int | None]


class NothingIndexed(TruemarkError, LookupError):
    """The index does not reach over the blocks that were asked for."""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """What speaks against a block: the rule that it breaks, and the figures that show it, in the contracts' units."""

    rule: str
    block: int
    #: Block time, seconds.
    at: int
    explanation: str
    market: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Figures as text: they can have more than 64 bits."""
        return {**asdict(self), "values": {key: str(value) for key, value in self.values.items()}}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the index has of one block, for a person to hold against other records.

    Attributes:
        fingerprint: tells the block from any other at its height, hex.
        at: block time, seconds.
        transactions, events, unattributed: how many the block has; the last are writes that no transaction explains.
        marks: by market, the last that was said up to this block, 1e-8 USD, with its status.
    """

    block: int
    at: int
    fingerprint: str
    transactions: int
    events: int
    unattributed: int
    marks: Mapping[str, tuple[int, str]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where the state was last good.

    Attributes:
        first, last: the blocks that were looked at.
        last_good: the newest block before everything that is suspicious; `last` if nothing is, None if `first` is bad.
        fingerprint: of that block, hex.
        suspicions: by block.
        kept, bad: evidence of the last good block and of the first suspicious one; None: there is none.
    """

    first: int
    last: int
    last_good: int | None
    fingerprint: str | None
    suspicions: tuple[Suspicion, ...]
    kept: Evidence | None = None
    bad: Evidence | None = None

    @property
    def first_bad(self) -> Suspicion | None:
        return self.suspicions[0] if self.suspicions else None


def find_last_good(
    index: Index,
    deployment: Deployment,
    *,
    price: PriceAt = lambda market, time: None,
    terms: SentinelTerms | None = None,
    first: int = 0,
    last: int | None = None,
) -> Verdict:
    """Looks at the blocks `first` to `last` (by default the newest indexed).

    Raises:
        NothingIndexed: the index does not have them.
    """
    head = index.head()
    if head is None or first > head.number or (last is not None and last > head.number):
        reach = "is empty" if head is None else f"ends at block {head.number}"
        raise NothingIndexed(
            f"the index {reach}, blocks {first} to {last if last is not None else '...'} were asked for"
        )
    end = head.number if last is None else last
    span = _Span(index, deployment, price, terms if terms is not None else SentinelTerms(), first, end)
    found = sorted(_all(span), key=lambda item: (item.block, item.rule))
    good: int | None = end if not found else found[0].block - 1
    if good is not None and good < first:
        good = None
    kept = None if good is None else _evidence(span, good)
    bad = _evidence(span, found[0].block) if found else None
    return Verdict(first, end, good, None if kept is None else kept.fingerprint, tuple(found), kept, bad)


def _all(span: _Span) -> Iterator[Suspicion]:
    for rule in (_unattributed, _conservation, _liquidations):
        yield from rule(span)
    # A market's marks are read once, and forgotten before the next one's: there can be a million of them.
    for name, market in span.deployment.markets.items():
        marks = span.marks(market)
        for judge in (_zero, _jumps, _off, _funding):
            yield from judge(span, name, marks)


def _evidence(span: _Span, block: int) -> Evidence:
    record = span.index.block(block)
    marks = {}
    for name, market in span.deployment.markets.items():
        # A mark that nobody renewed for so many blocks is not one of that block.
        rows = span.index.marks(
            market.index,
            oracle=span.deployment.address("Oracle"),
            first_block=max(block - _REACH, 0),
            last_block=block,
        )
        if rows:
            marks[name] = (rows[-1].price, rows[-1].status)
    return Evidence(
        block=block,
        at=record.timestamp,
        fingerprint=record.fingerprint.hex(),
        transactions=record.transaction_count,
        events=record.event_count,
        unattributed=record.unattributed,
        marks=marks,
    )


@dataclass(frozen=True)
class _Span:
    index: Index
    deployment: Deployment
    price: PriceAt
    terms: SentinelTerms
    first: int
    last: int

    @property
    def guards(self) -> Mapping[str, Mapping[str, Any]]:
        """By market; those that the venue was deployed with."""
        return {str(market["name"]): market["guard"] for market in self.deployment.parameters.get("markets", ())}

    def marks(self, market: MarketInfo) -> tuple[MarkRow, ...]:
        oracle = self.deployment.address("Oracle")
        return self.index.marks(market.index, oracle=oracle, first_block=self.first, last_block=self.last)


def _unattributed(span: _Span) -> Iterator[Suspicion]:
    """Storage of the venue that no transaction wrote."""
    names = {info.address: name for name, info in span.deployment.contracts.items()}
    for write in span.index.unattributed(span.first, span.last):
        if write.address in names:
            key = "?" if write.key is None else hex(write.key)
            yield Suspicion(
                "unattributed write",
                write.block_number,
                write.timestamp,
                f"{write.variable or key} of {names[write.address]} was written by no transaction",
                values={"contract": names[write.address], "key": key, "value": hex(write.value)},
            )


def _conservation(span: _Span) -> Iterator[Suspicion]:
    """Money that came from nowhere or went there: accounts and the ledger's other parts are its total, the token has
    it."""
    for item in imbalances(span.index, span.deployment, span.first, span.last):
        said = "accounts and the ledger's parts" if item.what == "parts" else "the ledger and the token balance"
        yield Suspicion(
            "conservation",
            item.block,
            item.at,
            f"{said} are off by {item.off} (1e-6 USD) in this block",
            values={"off": item.off, "accounts": item.accounts, "total": item.total, "balance": item.balance},
        )


def _zero(span: _Span, name: str, marks: Sequence[MarkRow]) -> Iterator[Suspicion]:
    """A mark of 0 in a market that has one."""
    for row in marks:
        if row.price == 0 and row.status in HAS_A_MARK:
            yield Suspicion("mark of zero", row.block_number, row.timestamp, "the mark is 0", name)


def _jumps(span: _Span, name: str, marks: Sequence[MarkRow]) -> Iterator[Suspicion]:
    """A mark that moved further than a step with nothing that confirmed it: the oracle's rules never let it through."""
    guard = span.guards.get(name)
    if guard is None:
        return
    step, before = int(guard["max_step_bps"]), None
    for row in marks:
        if (
            before is not None
            and before.price
            and row.price != before.price
            and row.outcome != "Confirmed"
            and not within(row.price, before.price, step)
        ):
            yield Suspicion(
                "mark continuity",
                row.block_number,
                row.timestamp,
                f"the mark went from {before.price} to {row.price}, a step is {step} bps",
                name,
                {"before": before.price, "after": row.price, "max_step_bps": step},
            )
        before = row


def _off(span: _Span, name: str, marks: Sequence[MarkRow]) -> Iterator[Suspicion]:
    """A mark off the independent price for longer than the sentinel bears it: bad from when it first was."""
    since: MarkRow | None = None
    told = False
    for row in marks:
        own = span.price(name, row.timestamp)
        if own is None or row.price == 0 or within(row.price, own, span.terms.sentinel_bps):
            since, told = None, False
            continue
        since = since or row
        if not told and row.timestamp - since.timestamp > span.terms.sentinel_secs:
            told = True
            yield Suspicion(
                "mark and independent price",
                since.block_number,
                since.timestamp,
                f"the mark {since.price} is off the keeper's own price {own}",
                name,
                {"mark": since.price, "own_price": own, "for_secs": row.timestamp - since.timestamp},
            )


def _funding(span: _Span, name: str, marks: Sequence[MarkRow]) -> Iterator[Suspicion]:
    """A funding index that moved further than the highest rate and the time between allow."""
    guard = span.guards.get(name)
    if guard is None:
        return
    rate, before = int(guard["max_funding_rate_ppm"]), None
    rows = span.index.funding(
        span.deployment.market(name).index,
        venue=span.deployment.address("Clearinghouse"),
        first_block=span.first,
        last_block=span.last,
    )
    for row in rows:
        if before is not None:
            secs = row.timestamp - before.timestamp
            # Also the mark that stood when the stretch began.
            begin = max(bisect_left(marks, before.block_number, key=lambda mark: mark.block_number) - 1, 0)
            end = bisect_right(marks, row.block_number, key=lambda mark: mark.block_number)
            highest = max((mark.price for mark in marks[begin:end]), default=0)
            # A mark that no event told of can have been higher by a step; a unit of rounding for each second.
            highest = highest * (BPS + int(guard["max_step_bps"])) // BPS
            bound = accrual(rate, rate, secs, secs, highest) + secs + 1
            if abs(row.index - before.index) > bound:
                yield Suspicion(
                    "funding continuity",
                    row.block_number,
                    row.timestamp,
                    f"the funding index went from {before.index} to {row.index}, it can move by {bound}",
                    name,
                    {"before": before.index, "after": row.index, "bound": bound, "from_block": before.block_number},
                )
        before = row


def _liquidations(span: _Span) -> Iterator[Suspicion]:
    """A liquidation that would not have been at the independent price of its market."""
    names = {market.index: name for name, market in span.deployment.markets.items()}
    wanted = EventFilter(
        address=span.deployment.address("Clearinghouse"),
        name="Liquidated",
        first_block=span.first,
        last_block=span.last,
    )
    cursor = None
    while True:
        page = span.index.events(wanted, cursor, _PAGE)
        for event in page.rows:
            if event.fields is None:
                continue
            said = {key: _whole(value) for key, value in event.fields.items()}
            name = names.get(said["market"])
            own = None if name is None else span.price(name, event.timestamp)
            if name is None or own is None:
                continue
            value, requirement = at_price(said, span.deployment.market(name), own)
            if value >= requirement:
                yield Suspicion(
                    "liquidation at the independent price",
                    event.block_number,
                    event.timestamp,
                    f"{event.fields['account']} was liquidated at {said['mark']}, at {own} it was healthy",
                    name,
                    {
                        "account": event.fields["account"],
                        "mark": said["mark"],
                        "own_price": own,
                        "value": value,
                        "requirement": requirement,
                    },
                )
        if page.cursor is None:
            return
        cursor = page.cursor


def at_price(liquidation: Mapping[str, int], market: MarketInfo, price: int) -> tuple[int, int]:
    """V and R of a liquidated account before it was, with the liquidated market at another price; 1e-16 USD.

    V' = V + size x (price - mark), R' = R - r(size x mark) + r(size x price): what the event says of it, moved by the
    one market that is in question.
    """
    size = liquidation["size"] + liquidation["remaining"]
    mark = liquidation["mark"]
    value = liquidation["value_before"] + size * (price - mark)
    _, was = position_requirement(abs(size) * mark, market.tiers)
    _, would = position_requirement(abs(size) * price, market.tiers)
    return value, liquidation["requirement_before"] + (would - was) // _REQUIREMENT_SCALE


def _whole(value: Any) -> int:
    """A decoded number, which the index keeps as text where it is wide."""
    return int(value, 0) if isinstance(value, str) else int(value)
