"""The order book of one market: price first, then age."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator

from truemark_devnet.venue.live import LiveOrder


def _age(order: LiveOrder) -> int:
    return order.number


class BookSide:
    """One side. `best` is the highest price of bids and the lowest of asks."""

    __slots__ = ("_is_bid", "_levels", "_prices")

    def __init__(self, is_bid: bool) -> None:
        self._is_bid = is_bid
        #: Rising.
        self._prices: list[int] = []
        #: Orders by age.
        self._levels: dict[int, list[LiveOrder]] = {}

    @property
    def best(self) -> int | None:
        if not self._prices:
            return None
        return self._prices[-1] if self._is_bid else self._prices[0]

    def first(self) -> LiveOrder | None:
        """The one that is matched next."""
        if not self._prices:
            return None
        return self._levels[self._prices[-1] if self._is_bid else self._prices[0]][0]

    def add(self, order: LiveOrder) -> None:
        """In its place: an older order of the same price stays before a younger one, whenever it comes."""
        level = self._levels.get(order.price)
        if level is None:
            insort(self._prices, order.price)
            self._levels[order.price] = [order]
        elif level[-1].number < order.number:
            level.append(order)
        else:
            insort(level, order, key=_age)

    def remove(self, order: LiveOrder) -> bool:
        """Whether it was there."""
        level = self._levels.get(order.price)
        if level is None:
            return False
        at = bisect_left(level, order.number, key=_age)
        if at == len(level) or level[at] is not order:
            return False
        del level[at]
        if not level:
            del self._levels[order.price]
            del self._prices[bisect_left(self._prices, order.price)]
        return True

    def __iter__(self) -> Iterator[LiveOrder]:
        """Best first."""
        for price in reversed(self._prices) if self._is_bid else self._prices:
            yield from self._levels[price]

    def size_at(self, price: int) -> int:
        """All that rests there."""
        return sum(order.open for order in self._levels.get(price, ()))

    def depth(self, levels: int | None = None) -> list[tuple[int, int]]:
        """(price, size), best first."""
        prices = self._prices[::-1] if self._is_bid else self._prices
        return [(price, self.size_at(price)) for price in prices[:levels]]


class Book:
    """Both sides."""

    __slots__ = ("asks", "bids")

    def __init__(self) -> None:
        self.bids = BookSide(True)
        self.asks = BookSide(False)

    def side(self, is_buy: bool) -> BookSide:
        return self.bids if is_buy else self.asks

    def against(self, order: LiveOrder) -> BookSide:
        """What an order is matched with."""
        return self.asks if order.is_buy else self.bids

    def add(self, order: LiveOrder) -> None:
        self.side(order.is_buy).add(order)

    def remove(self, order: LiveOrder) -> bool:
        return self.side(order.is_buy).remove(order)

    def __iter__(self) -> Iterator[LiveOrder]:
        yield from self.bids
        yield from self.asks
