"""The world of a soak: true prices that walk and now and then fall, and exchanges that quote them, lie, lag or die.

Everything follows from one seed."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from truemark_keeper.sources import Quote, SourceError
from truemark_keeper.sources.fetch import TooManyRequests

from tests.house import BTC, ETH

#: 1e-8 USD, at the start: what the profile lists them at.
PRICES: Mapping[str, int] = {BTC: 95_475 * 10**8, ETH: 3_350 * 10**8}
EXCHANGES = ("a", "b", "c", "d", "e")
#: Exchanges that may be wrong or silent at once: three good ones are left.
MOST = 2
#: An exchange is off the true price by up to so much, 1e-4; and the price moves so much a round.
_NOISE_BPS, _STEP_BPS = 3, 4
#: A crash: so many rounds of so much, downwards, in 1e-4; the first is beyond what the oracle takes at once.
_FALL = (2, 600)

LIE, LAG, SKEW, DEAD, BUSY = "lie", "lag", "skew", "dead", "busy"


class World:
    """The true prices of every round, and what honest exchanges said of them."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._random = random.Random(f"world {seed}")
        self.now = 0
        self.prices = dict(PRICES)
        #: (time, lowest, highest) of honest quotes by market, oldest first.
        self.honest: dict[str, list[tuple[int, int, int]]] = {market: [] for market in PRICES}
        self._falling: dict[str, int] = {}

    def move(self, now: int) -> None:
        """To the next round, at `now` seconds."""
        self.now = now
        for market, price in self.prices.items():
            step = self._random.randint(-_STEP_BPS, _STEP_BPS)
            if self._falling.get(market, 0):
                self._falling[market] -= 1
                step -= _FALL[1]
            elif price < PRICES[market] * 8 // 10:
                step += 1
            self.prices[market] = price * (10_000 + step) // 10_000
            near = self.prices[market] * _NOISE_BPS // 10_000 + 1
            past = self.honest[market]
            past.append((now, self.prices[market] - near, self.prices[market] + near))
            if len(past) > 200:
                del past[:100]

    def fall(self, market: str) -> None:
        """A true crash: the exchanges agree on it."""
        self._falling[market] = _FALL[0]

    def bounds(self, market: str, since: int) -> tuple[int, int]:
        """Lowest and highest honest quote from `since` on."""
        said = [(low, high) for at, low, high in self.honest[market] if at >= since]
        return min(low for low, _ in said), max(high for _, high in said)

    def quote(self, exchange: str, market: str) -> int:
        """What an exchange says now: the same in every replay, whoever asks first."""
        near = self.prices[market] * _NOISE_BPS // 10_000
        lot = random.Random(f"{self._seed} {exchange} {market} {self.now}")
        return self.prices[market] + lot.randint(-near, near)


@dataclass
class Exchange:
    """One exchange for all keepers; each asks it by a Tap of its own."""

    name: str
    world: World
    fault: str | None = None
    #: What a lie multiplies with, in 1e-4; 0 is a price of zero.
    lie: int = 10_000
    _said: dict[str, tuple[int, int, int]] = field(default_factory=dict)

    def now(self, markets: Sequence[str]) -> tuple[Quote, ...]:
        if self.fault == DEAD:
            raise SourceError(f"{self.name}: connection refused")
        if self.fault == BUSY:
            raise TooManyRequests(f"{self.name}: HTTP 429", 5.0)
        return tuple(self._quote(market) for market in markets if market in PRICES)

    def _quote(self, market: str) -> Quote:
        at = self.world.now
        kept = self._said.get(market)
        if self.fault in (LAG, SKEW) and kept is not None:
            # The same words again: of LAG with their own old time, of SKEW as if they were of now less 45 s.
            price, _, seen = kept
            return self._made(market, price, seen if self.fault == LAG else min(seen, at - 45))
        if kept is None or kept[1] != at:
            kept = self._said[market] = (self.world.quote(self.name, market), at, at)
        price = kept[0] * self.lie // 10_000 if self.fault == LIE else kept[0]
        return self._made(market, price, at)

    def _made(self, market: str, price: int, seen: int) -> Quote:
        return Quote(market, price, 5, seen, max(seen, self.world.now), self.name)


class Tap:
    """A keeper's own connection to an exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    @property
    def name(self) -> str:
        return self._exchange.name

    async def quotes(self, markets: Sequence[str], now: int) -> tuple[Quote, ...]:
        return self._exchange.now(markets)
