"""An order book kept up to date from a stream."""

from __future__ import annotations

from decimal import Decimal

from truemark.venue.stream import Event, Gap, Snapshot, Update
from truemark.wire import BookView, Channel, Level


class LiveBook:
    """One market's book. `ready` is False until a snapshot came, and again from a gap to the next one: what is shown
    meanwhile is old.

    book = LiveBook("BTC-USD-PERP")
    await stream.subscribe("book", book.market)
    async for event in stream:
        if book.apply(event) and book.ready:
            print(book.best_bid, book.best_ask)
    """

    def __init__(self, market: str) -> None:
        self.market = market
        self.ready = False
        #: The number of the last message that is in it.
        self.seq = 0
        self._bids: dict[Decimal, Decimal] = {}
        self._asks: dict[Decimal, Decimal] = {}

    def apply(self, event: Event) -> bool:
        """Takes an event of the stream; whether it was about this book."""
        if not isinstance(event, Snapshot | Update | Gap):
            return False
        if event.topic.channel is not Channel.BOOK or event.topic.market != self.market:
            return False
        if isinstance(event, Gap):
            self.ready = False
            return True
        if isinstance(event, Snapshot):
            self._bids.clear()
            self._asks.clear()
            self.ready = True
        if not isinstance(event.data, BookView):
            raise TypeError(f"a book's event carries a BookView, not {type(event.data).__name__}")
        for side, levels in ((self._bids, event.data.bids), (self._asks, event.data.asks)):
            for level in levels:
                if level.size:
                    side[level.price] = level.size
                else:
                    side.pop(level.price, None)
        self.seq = event.seq
        return True

    @property
    def bids(self) -> list[Level]:
        """Best first."""
        return [Level(price, self._bids[price]) for price in sorted(self._bids, reverse=True)]

    @property
    def asks(self) -> list[Level]:
        """Best first."""
        return [Level(price, self._asks[price]) for price in sorted(self._asks)]

    @property
    def best_bid(self) -> Decimal | None:
        return max(self._bids, default=None)

    @property
    def best_ask(self) -> Decimal | None:
        return min(self._asks, default=None)
