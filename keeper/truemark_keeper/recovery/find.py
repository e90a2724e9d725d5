"""The last good block: what the index and the keeper's own prices say against each block, and the highest one before
all of it.

Every predicate looks at what is written down, at all blocks of a span at once: none assumes that what is bad stays bad,
since a zero that lasted for one block liquidates as well as one that stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from truemark.deployment import Deployment, MarketInfo
from truemark.errors import TruemarkError
from truemark.index import EventFilter, Index, MarkRow
from truemark.risk import position_requirement

from truemark_keeper.judging import within
from truemark_keeper.sentinel.rules import HAS_A_MARK, SentinelTerms

#: 1e-20 USD in 1e-16 USD.
_REQUIREMENT_SCALE: Final = 10_000
_PAGE: Final = 1_000

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
class Verdict:
    """Where the state was last good.

    Attributes:
        first, last: the blocks that were looked at.
        last_good: the newest block before everything that is suspicious; `last` if nothing is, None if `first` is bad.
        fingerprint: of that block, hex.
        suspicions: by block.
    """

    first: int
    last: int
    last_good: int | None
    fingerprint: str | None
    suspicions: tuple[Suspicion, ...]

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
    found = sorted((item for rule in _RULES for item in rule(span)), key=lambda item: (item.block, item.rule))
    good: int | None = end if not found else found[0].block - 1
    if good is not None and good < first:
        good = None
    fingerprint = None if good is None else index.block(good).fingerprint.hex()
    return Verdict(first, end, good, fingerprint, tuple(found))


@dataclass(frozen=True)
class _Span:
    index: Index
    deployment: Deployment
    price: PriceAt
    terms: SentinelTerms
    first: int
    last: int

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


def _zero(span: _Span) -> Iterator[Suspicion]:
    """A mark of 0 in a market that has one."""
    for name, market in span.deployment.markets.items():
        for row in span.marks(market):
            if row.price == 0 and row.status in HAS_A_MARK:
                yield Suspicion("mark of zero", row.block_number, row.timestamp, "the mark is 0", name)


def _jumps(span: _Span) -> Iterator[Suspicion]:
    """A mark that moved further than a step with nothing that confirmed it: the oracle's rules never let it through."""
    steps = {
        str(market["name"]): int(market["guard"]["max_step_bps"])
        for market in span.deployment.parameters.get("markets", ())
    }
    for name, market in span.deployment.markets.items():
        if name not in steps:
            continue
        before: MarkRow | None = None
        for row in span.marks(market):
            if (
                before is not None
                and before.price
                and row.outcome != "Confirmed"
                and not within(row.price, before.price, steps[name])
            ):
                yield Suspicion(
                    "mark continuity",
                    row.block_number,
                    row.timestamp,
                    f"the mark went from {before.price} to {row.price}, a step is {steps[name]} bps",
                    name,
                    {"before": before.price, "after": row.price, "max_step_bps": steps[name]},
                )
            before = row


def _off(span: _Span) -> Iterator[Suspicion]:
    """A mark off the independent price for longer than the sentinel bears it: bad from when it first was."""
    for name, market in span.deployment.markets.items():
        since: MarkRow | None = None
        told = False
        for row in span.marks(market):
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


_RULES: Final[tuple[Callable[[_Span], Iterator[Suspicion]], ...]] = (
    _unattributed,
    _zero,
    _jumps,
    _off,
    _liquidations,
)
