"""What the chain says, as the engine needs it: the venue's mode and clock, the markets, the accounts. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from truemark.models import MarketStatus, Mode
from truemark.risk import Tiers


@dataclass(frozen=True, slots=True)
class MarketTerms:
    """A market's parameters; sizes in 1e-8 of the base asset, prices in 1e-8 USD."""

    index: int
    name: str
    tiers: Tiers
    lot_size: int
    tick_size: int
    maker_fee_bps: int
    taker_fee_bps: int
    max_position: int


@dataclass(frozen=True, slots=True)
class MarketMark:
    """A market's price, with all that decides whether and where it can be traded."""

    status: MarketStatus
    #: Last good mark, candidate, anchor; 0: none. 1e-8 USD.
    price: int
    candidate: int
    anchor: int
    #: 1e-16 USD for one whole base unit.
    funding_index: int
    #: The funding of the market is not what was written: nothing in it can be valued.
    broken: bool = False

    @property
    def valid(self) -> bool:
        return self.status is MarketStatus.VALID and not self.broken and self.price > 0

    def worst(self, is_long: bool) -> int:
        """The worst for a position of last good, candidate and anchor, where the market is not Valid; 1e-8 USD."""
        if self.status is MarketStatus.VALID:
            return self.price
        known = [price for price in (self.price, self.candidate, self.anchor) if price]
        if not known:
            return 0
        return min(known) if is_long else max(known)


@dataclass(frozen=True, slots=True)
class ChainView:
    """One block."""

    block: int
    #: Block time, seconds.
    now: int
    epoch: int
    mode: Mode
    fill_band_bps: int
    post_band_bps: int
    marks: Mapping[int, MarketMark]

    @property
    def band_bps(self) -> int:
        """How far from the mark a fill may be."""
        return self.fill_band_bps if self.mode is Mode.FULL else self.post_band_bps

    def band(self, market: int) -> tuple[int, int] | None:
        """The lowest and the highest price at which the market can be filled; None: at none."""
        mark = self.marks[market]
        if mark.price == 0 or mark.broken or mark.status is MarketStatus.SETTLED or self.mode is Mode.HALTED:
            return None
        part = mark.price * self.band_bps
        return -((part - mark.price * 10_000) // 10_000), (mark.price * 10_000 + part) // 10_000


@dataclass(frozen=True, slots=True)
class ChainAccount:
    """An account at one block."""

    block: int
    #: 1e-6 USD.
    collateral: int
    epoch: int
    #: market -> (size, funding index at which it was last settled)
    positions: Mapping[int, tuple[int, int]]
