"""What a source says, and what a source is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol, TypeVar

from truemark.errors import TruemarkError

log = logging.getLogger(__name__)

Place = TypeVar("Place")

#: Prices are ints in 1e-8 USD for one whole base unit, as the oracle keeps them.
PRICE_DECIMALS = 8
PRICE_SCALE = 10**PRICE_DECIMALS


class SourceError(TruemarkError, RuntimeError):
    """A source cannot say anything now; the message names the source and the reason."""


@dataclass(frozen=True, slots=True)
class Quote:
    """One price of one market from one source.

    A quote is what was said, not what is right: a price of 0 or below is representable, and a policy judges it.
    """

    market: str
    #: 1e-8 USD for one whole base unit.
    price: int
    #: Half width of the source's own uncertainty, 1e-4 of the price.
    confidence_bps: int
    #: When the price was true, seconds since 1970.
    observed_at: int
    #: When the source published it, seconds since 1970; never before `observed_at`.
    published_at: int
    #: Quotes of one group fall together and count as one: two legs of one venue, two feeds of one publisher.
    group: str

    @property
    def decimal(self) -> Decimal:
        """The price in USD, exact."""
        return Decimal(self.price).scaleb(-PRICE_DECIMALS)


class Source(Protocol):
    """Gives quotes. `now` is the keeper's clock, passed in: virtual and wall-clock time are the same to a source."""

    @property
    def name(self) -> str:
        """For logs and errors."""
        ...

    async def quotes(self, markets: Sequence[str], now: int) -> tuple[Quote, ...]:
        """Quotes of those of `markets` of which the source knows something at `now` (seconds).

        Raises:
            SourceError: the source cannot say anything.
        """
        ...


def each_market(wanted: Mapping[str, Place], quote: Callable[[str, Place], Quote]) -> tuple[Quote, ...]:
    """The quotes of all markets that have one: what is wrong with one says nothing of the others.

    Args:
        wanted: market to where its quote is.
        quote: makes it, or raises SourceError.

    Raises:
        SourceError: not one has a quote; the first reason.
    """
    quotes: list[Quote] = []
    faults: list[SourceError] = []
    for market, place in wanted.items():
        try:
            quotes.append(quote(market, place))
        except SourceError as error:
            faults.append(error)
    if faults and not quotes:
        raise faults[0]
    for fault in faults:
        log.warning("no quote", extra={"reason": str(fault)})
    return tuple(quotes)
