"""The order book of one market: price first, then time; what crosses is paired at the price of the older order."""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, field

from truemark.errors import TruemarkError
from truemark.orders import SignedOrder


@dataclass(eq=False)
class Resting:
    """An order as the book has it; sizes in 1e-8 of the base asset."""

    signed: SignedOrder
    order_hash: int
    #: Age: a lower one came before.
    number: int
    #: What can still be matched.
    open: int

    @property
    def account(self) -> int:
        return self.signed.order.account

    @property
    def is_buy(self) -> bool:
        return self.signed.order.is_buy

    @property
    def price(self) -> int:
        """1e-8 USD."""
        return self.signed.order.limit_price

    @property
    def rank(self) -> tuple[int, int]:
        """Lower is matched first."""
        return (-self.price if self.is_buy else self.price, self.number)

    def crosses(self, other: Resting) -> bool:
        if self.is_buy == other.is_buy:
            return False
        bid, ask = (self, other) if self.is_buy else (other, self)
        return bid.price >= ask.price


@dataclass(frozen=True, slots=True)
class Match:
    """Two orders that met: the older one made the price."""

    maker: Resting
    taker: Resting
    size: int
    price: int


class MustNotMatch(TruemarkError, ValueError):
    """Two orders cross that must not meet; `order` is the one that has to go, `reason` says why."""

    def __init__(self, order: Resting, reason: str) -> None:
        super().__init__(f"order {order.order_hash:#x}: {reason}")
        self.order = order
        self.reason = reason


@dataclass
class Book:
    """Both sides, best first."""

    bids: list[Resting] = field(default_factory=list)
    asks: list[Resting] = field(default_factory=list)

    def plan(self, incoming: Resting, now: int) -> list[Match]:
        """What `incoming` would meet; nothing changes.

        Raises:
            MustNotMatch: with one of its own account, or with a post-only order as the taker.
        """
        matches = []
        left = incoming.open
        for other in self.asks if incoming.is_buy else self.bids:
            if left == 0 or not incoming.crosses(other):
                break
            if other.signed.order.expiry <= now:
                continue
            if other.account == incoming.account:
                raise MustNotMatch(incoming, "it would meet an order of its own account")
            maker, taker = (other, incoming) if other.number < incoming.number else (incoming, other)
            if taker.signed.order.post_only:
                raise MustNotMatch(taker, "post-only, and it would take")
            size = min(left, other.open)
            matches.append(Match(maker, taker, size, maker.price))
            left -= size
        return matches

    def apply(self, incoming: Resting, matches: list[Match]) -> None:
        """Takes what was matched off the book and lets the rest of `incoming` rest."""
        for match in matches:
            match.maker.open -= match.size
            match.taker.open -= match.size
        side = self.asks if incoming.is_buy else self.bids
        side[:] = [resting for resting in side if resting.open]
        if incoming.open:
            self.rest(incoming)

    def rest(self, resting: Resting) -> None:
        """Puts an order in its place; one that is there stays."""
        side = self.bids if resting.is_buy else self.asks
        if resting not in side:
            insort(side, resting, key=lambda other: other.rank)

    def remove(self, resting: Resting) -> None:
        side = self.bids if resting.is_buy else self.asks
        if resting in side:
            side.remove(resting)

    def expired(self, now: int) -> list[Resting]:
        return [resting for side in (self.bids, self.asks) for resting in side if resting.signed.order.expiry <= now]
