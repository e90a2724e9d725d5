"""A source that says what it is told to in chosen rounds: how tests and the demo show that a lie moves nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from truemark_keeper.sources.quote import Quote, Source


def says(price: int) -> Callable[[int], int]:
    """Whatever the true price: this one, 1e-8 USD."""
    return lambda _: price


def scaled(factor: Fraction | int | str) -> Callable[[int], int]:
    """The true price times an exact factor (`scaled("1.4")`), rounded down to 1e-8."""
    exact = Fraction(factor)
    return lambda price: price * exact.numerator // exact.denominator


@dataclass(frozen=True)
class Fault:
    """What a source says instead, and when. A fault with neither `rounds` nor a time is always on."""

    change: Callable[[int], int]
    #: Calls of the source, counted from 0.
    rounds: frozenset[int] | None = None
    #: Seconds, both ends included.
    since: int | None = None
    until: int | None = None
    #: None: every market.
    markets: frozenset[str] | None = None

    def applies(self, quote: Quote, round_number: int, now: int) -> bool:
        return (
            (self.rounds is None or round_number in self.rounds)
            and (self.since is None or now >= self.since)
            and (self.until is None or now <= self.until)
            and (self.markets is None or quote.market in self.markets)
        )


class FaultySource:
    """Another source with faults laid over it, in order."""

    def __init__(self, source: Source, *faults: Fault) -> None:
        self._source = source
        self._faults = faults
        self._rounds = 0

    @property
    def name(self) -> str:
        return f"faulty:{self._source.name}"

    async def quotes(self, markets: Sequence[str], now: int) -> tuple[Quote, ...]:
        number = self._rounds
        self._rounds += 1
        said = []
        for quote in await self._source.quotes(markets, now):
            for fault in self._faults:
                if fault.applies(quote, number, now):
                    quote = replace(quote, price=fault.change(quote.price))
            said.append(quote)
        return tuple(said)
