"""How reports travel: entries as the oracle's `report` takes them, outcomes as its event `MarketsReported` tells them.

One felt holds a pair of markets, 2n and 2n + 1: a half each, 2n in the low 121 bits, n above it, 2n + 1 in the high 123
bits. A half that is 0 says nothing of its market. The mirror of contracts/src/oracle/entries.cairo and of the event.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from truemark.errors import TruemarkError

MAX_MARKETS: Final = 128
MAX_PRICE: Final = 2**56 - 1
MAX_CONFIDENCE_BPS: Final = 2**14 - 1
MAX_OBSERVED_AT: Final = 2**32 - 1
#: Of a funding rate either way.
MAX_RATE_PPM: Final = 2**18 - 1

_RATE_BIAS: Final = 2**18
_PAIR: Final = 2**121
_ODD: Final = 2**128

#: In the order of the contract's enum `Outcome`.
OUTCOMES: Final = (
    "DroppedZero",
    "DroppedStale",
    "DroppedAhead",
    "DroppedNotNewer",
    "DroppedUncertain",
    "NoQuorum",
    "Spread",
    "Closed",
    "Suspected",
    "Waiting",
    "Counted",
    "Restarted",
    "OutOfBounds",
    "Drifted",
    "Accepted",
    "Confirmed",
)
#: In the order of the contract's enum `MarketStatus`.
STATUSES: Final = ("Pending", "Valid", "Stale", "Suspect", "Frozen", "Settling", "Settled")


class BadReport(TruemarkError, ValueError):
    """Entries that are no report, or felts that are none."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One market of a report, in the contract's units: 1e-8 USD, bps, seconds, ppm for 8 hours."""

    market: int
    price: int
    confidence_bps: int
    observed_at: int
    funding_rate_ppm: int = 0


@dataclass(frozen=True, slots=True)
class MarketOutcome:
    """What became of one market of a report.

    Attributes:
        median: what led to the outcome, 1e-8 USD; 0: there was no median.
        price: the last good mark after it, 1e-8 USD; 0: there is none yet.
    """

    market: int
    outcome: str
    status: str
    median: int
    price: int


def pack_entries(entries: Sequence[Entry]) -> list[int]:
    """The felts of a report, in the order that the contract wants.

    A confidence beyond `MAX_CONFIDENCE_BPS`, half as much again as the widest that a guard can allow, travels as that:
    the entry is dropped either way, and it must not keep the report's other markets from being said.

    Raises:
        BadReport: no entry, a market twice, or a field that does not fit its place.
    """
    if not entries:
        raise BadReport("a report needs an entry")
    halves: dict[int, int] = {}
    for entry in entries:
        if entry.market in halves:
            raise BadReport(f"a report names a market twice: {[each.market for each in entries]}")
        halves[entry.market] = _half(entry)
    return [
        pair * _PAIR + halves.get(2 * pair, 0) + halves.get(2 * pair + 1, 0) * _ODD
        for pair in sorted({market // 2 for market in halves})
    ]


def unpack_entries(felts: Iterable[int]) -> list[Entry]:
    """What a report said, from its calldata.

    Raises:
        BadReport: a felt that holds no pair.
    """
    return [entry_of(market, half) for market, half in _halves(felts)]


def entry_of(market: int, half: int) -> Entry:
    """What half a felt says of its market, which is something: it is not 0."""
    rest, observed_at = divmod(half, 2**32)
    rest, price = divmod(rest, 2**56)
    rate, confidence_bps = divmod(rest, 2**14)
    return Entry(market, price, confidence_bps, observed_at, rate - _RATE_BIAS)


def unpack_outcomes(felts: Iterable[int]) -> list[MarketOutcome]:
    """What became of each market, from the `outcomes` of `MarketsReported`.

    Raises:
        BadReport: a felt that holds no pair, or an outcome or a status that there is not.
    """
    outcomes = []
    for market, half in _halves(felts):
        rest, median = divmod(half, 2**56)
        rest, price = divmod(rest, 2**56)
        status, outcome = divmod(rest, 2**5)
        if not (1 <= outcome <= len(OUTCOMES) and status < len(STATUSES)):
            raise BadReport(f"market {market}: outcome {outcome} and status {status} are not known")
        outcomes.append(MarketOutcome(market, OUTCOMES[outcome - 1], STATUSES[status], median, price))
    return outcomes


def _half(entry: Entry) -> int:
    fits = (
        0 <= entry.market < MAX_MARKETS
        and 0 <= entry.price <= MAX_PRICE
        and entry.confidence_bps >= 0
        and 0 <= entry.observed_at <= MAX_OBSERVED_AT
        and abs(entry.funding_rate_ppm) <= MAX_RATE_PPM
    )
    if not fits:
        raise BadReport(f"{entry} does not fit the contract's types")
    rate = entry.funding_rate_ppm + _RATE_BIAS
    confidence_bps = min(entry.confidence_bps, MAX_CONFIDENCE_BPS)
    return entry.observed_at + 2**32 * (entry.price + 2**56 * (confidence_bps + 2**14 * rate))


def _halves(felts: Iterable[int]) -> Iterator[tuple[int, int]]:
    for felt in felts:
        odd, low = divmod(felt, _ODD)
        pair, even = divmod(low, _PAIR)
        if not 0 <= odd < _PAIR:
            raise BadReport(f"{felt:#x} holds no pair of markets")
        if even:
            yield 2 * pair, even
        if odd:
            yield 2 * pair + 1, odd
