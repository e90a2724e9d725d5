"""The storm bucket and the loss cap as the design has them: how much of a market changes hands by liquidations in one
window, and how much the vault loses by taking over what is left.

Notionals in 1e-16 USD, losses in 1e-6.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from truemark_devnet.profile import WaterfallParams

from tests.model.numbers import BPS, COLLATERAL, up

#: The refusal of what finds nothing left of the ration.
NOTHING_LEFT = "STORM: nothing left"


@dataclass
class Window:
    """What was liquidated of one market since the window opened; dry: one of them was cut or refused."""

    used: int = 0
    since: int | None = None
    dry: bool = False


class Storm:
    def __init__(self, params: WaterfallParams, markets: int) -> None:
        self.params = params
        self._windows = [Window() for _ in range(markets)]

    def window(self, market: int, now: int) -> Window:
        """A fresh one where the last is over."""
        found = self._windows[market]
        if found.since is None or now - found.since >= self.params.storm_window:
            return Window()
        return found

    def limit(self, interest: int, price: int) -> int:
        """The ration: a share of the open interest of one side, or the floor."""
        return max(interest * price * self.params.storm_bps // BPS, self.params.storm_floor * COLLATERAL)

    def left(self, market: int, interest: int, price: int, now: int) -> int:
        return max(0, self.limit(interest, price) - self.window(market, now).used)

    def use(self, market: int, notional: int, now: int, *, short: bool) -> bool:
        """Books what changed hands; `short`: less than should have. Whether the market went dry by it."""
        before = self.window(market, now)
        since = now if before.since is None else before.since
        self._windows[market] = Window(before.used + notional, since, before.dry or short)
        return short and not before.dry

    def dry(self, now: int) -> list[int]:
        return [market for market in range(len(self._windows)) if self.window(market, now).dry]


def fitting(size: int, whole: int, lot: int, price: int, left: int) -> int:
    """The most of `size` that is worth no more than what is left: all of it, or the largest multiple of 20% of `whole`
    (rounded up to the lot) that fits, or whole lots."""
    if size * price <= left:
        return size
    most = left // price
    fifths = [up(whole * count, 5 * lot) * lot for count in (4, 3, 2, 1)]
    return next((fifth for fifth in fifths if fifth <= most), most - most % lot)


class Losses:
    """What the vault lost by the backstop: it runs out evenly, the cap in its window."""

    def __init__(self, params: WaterfallParams) -> None:
        self.params = params
        self._then: tuple[Fraction, int] = (Fraction(0), 0)

    def level(self, now: int) -> Fraction:
        level, at = self._then
        return max(Fraction(0), level - Fraction(self.params.loss_cap * (now - at), self.params.loss_window))

    def room(self, now: int) -> int:
        return max(0, int(self.params.loss_cap - self.level(now)))

    def pour(self, amount: int, now: int) -> None:
        self._then = (self.level(now) + amount, now)

    def configure(self, params: WaterfallParams, now: int) -> None:
        # What has run out so far did so under the old terms.
        self._then = (self.level(now), now)
        self.params = params
