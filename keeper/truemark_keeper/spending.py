"""What a liquidator may spend on fees, and whether a liquidation earns its fee."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from truemark_keeper.book import MarketState
from truemark_keeper.slots import Outcome

BPS = 10_000
#: The least that the contract takes over of a position above dust, as a part of it.
_LEAST_PART = 5
#: FRI in STRK, times 1e-8 USD a STRK, in 1e-16 USD: what a product of both is divided by.
_FRI_AND_PRICE = 10**10


@dataclass(frozen=True)
class SpendingTerms:
    """What fees are held to."""

    #: The most in `window` seconds, FRI; None: no limit.
    budget: int | None = None
    window: int = 86_400
    #: What a STRK costs, 1e-8 USD; None: it is not asked whether a liquidation earns its fee.
    strk_price: int | None = None
    #: What it must earn beyond its fee, 1e-16 USD.
    min_profit: int = 0


class Spending:
    """Args:
    clock: seconds that only rise.
    """

    def __init__(self, terms: SpendingTerms, clock: Callable[[], float] = time.monotonic) -> None:
        self._terms = terms
        self._clock = clock
        self._paid: deque[tuple[float, int]] = deque()
        #: FRI that one request of the last transaction cost; None: not known yet.
        self._per_request: int | None = None

    def paid(self, outcome: Outcome, requests: int = 0) -> None:
        """A transaction took its fee, whatever came of it. `requests`: liquidations that it asked for."""
        fee = outcome.receipt.get("actual_fee", {})
        amount = int(str(fee.get("amount", "0x0")), 16)
        self._paid.append((self._clock(), amount))
        if requests > 0 and outcome.succeeded:
            self._per_request = amount // requests

    @property
    def spent(self) -> int:
        """In the window, FRI."""
        while self._paid and self._paid[0][0] <= self._clock() - self._terms.window:
            self._paid.popleft()
        return sum(amount for _, amount in self._paid)

    @property
    def exhausted(self) -> bool:
        """Whether nothing may be sent any more until older fees leave the window."""
        return self._terms.budget is not None and self.spent >= self._terms.budget

    def loss(self, market: MarketState, size: int) -> str | None:
        """Why taking a position over would not earn its fee; None: it does, or that is not known. `size`: 1e-8."""
        price, fee = self._terms.strk_price, self._per_request
        if price is None or fee is None:
            return None
        earned = least_gain(market, size)
        cost = fee * price // _FRI_AND_PRICE + self._terms.min_profit
        if earned >= cost:
            return None
        return f"it earns {earned / 10**16:.4f} USD at the least and costs {cost / 10**16:.4f}"


def least_gain(market: MarketState, size: int) -> int:
    """The discount on the least that is taken over of a position: a fifth, or all of what is dust; 1e-16 USD."""
    value = abs(size) * market.price
    taken = max(value // _LEAST_PART, min(value, market.dust))
    return taken * market.discount_bps // BPS
