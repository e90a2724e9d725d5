"""What the venue shows of its markets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from truemark.trader.session import Session
from truemark.venue import Stream
from truemark.wire import BookView, CandleView, Interval, MarketView, TradeView


class MarketDataMixin(Session):
    """The venue's markets, of AsyncTrader. All need a venue's API (NoGateway)."""

    async def markets(self) -> Sequence[MarketView]:
        """Every market with its mark, band and best prices."""
        return await self.venue.markets()

    async def order_book(self, market: str, depth: int = 20) -> BookView:
        """The best levels of each side.

        Raises:
            MarketUnknown
        """
        return await self.venue.book(market, depth)

    async def candles(
        self, market: str, interval: Interval | int = Interval.MINUTE, start: int | None = None, end: int | None = None
    ) -> Sequence[CandleView]:
        """Oldest first, of 60, 300, 900, 3,600 or 86,400 seconds; `start` and `end` in seconds of block time."""
        return await self.venue.candles(market, interval, start, end)

    async def public_trades(self, market: str, limit: int = 100) -> Sequence[TradeView]:
        """The tape, newest first."""
        return await self.venue.trades(market, limit)

    async def dead_mans_switch(self, seconds: int | None = None) -> int | None:
        """Unless it is set anew within `seconds` (5 to 86,400; 0: off), the venue cancels all that rests. None only
        looks: the seconds that are left, or None: it is off."""
        return await self.venue.dead_mans_switch(seconds)

    def stream(self, **options: Any) -> Stream:
        """The venue's WebSocket: `async with trader.stream() as stream`; see `truemark.venue.Stream`."""
        return self.venue.stream(**options)
