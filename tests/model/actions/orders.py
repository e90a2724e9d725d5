"""Orders, fills and trading keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from truemark.transactions import Call

from tests.model.actions.base import OK, Book, Expected, refused
from tests.model.clearinghouse import Fill, Order
from tests.model.world import World


@dataclass(frozen=True)
class Settle:
    sender: str
    epoch: int
    fills: tuple[Fill, ...]

    def apply(self, world: World) -> Expected:
        if reasons := world.house.settle_refusals(self.sender, self.epoch, world.now):
            return refused(reasons)
        events: list[tuple[str, Mapping[str, Any]]] = []
        for number, fill in enumerate(self.fills):
            if why := world.house.fill(fill, world.now):
                events.append(("FillRefused", {"index": number, "reason": frozenset(why)}))
            else:
                events.append(("FillSettled", {"size": fill.size, "price": fill.price}))
        return Expected(events=tuple(events))

    def encode(self, book: Book) -> Call:
        fills = [
            {
                "maker": book.signed(fill.maker),
                "taker": book.signed(fill.taker),
                "size": fill.size,
                "price": fill.price,
            }
            for fill in self.fills
        ]
        return book.call("Clearinghouse", "settle", self.epoch, fills)


@dataclass(frozen=True)
class Cancel:
    sender: str
    order: Order

    def apply(self, world: World) -> Expected:
        if reasons := _own_order(self.sender, self.order):
            return refused(reasons)
        world.house.filled[self.order] = self.order.size
        return OK

    def encode(self, book: Book) -> Call:
        return book.call("Clearinghouse", "cancel", book.order(self.order))


@dataclass(frozen=True)
class Approve:
    sender: str
    order: Order

    def apply(self, world: World) -> Expected:
        if reasons := _own_order(self.sender, self.order):
            return refused(reasons)
        world.house.approved.add(self.order)
        return OK

    def encode(self, book: Book) -> Call:
        return book.call("Clearinghouse", "approve_order", book.order(self.order))


def _own_order(sender: str, order: Order) -> set[str]:
    reasons = set()
    if order.account != sender:
        reasons.add("ORDER: not its account")
    if not order.ours:
        reasons.add("ORDER: another venue")
    return reasons


@dataclass(frozen=True)
class CancelAll:
    sender: str

    def apply(self, world: World) -> Expected:
        world.house.account(self.sender).epoch += 1
        return OK

    def encode(self, book: Book) -> Call:
        return book.call("Clearinghouse", "cancel_all")


@dataclass(frozen=True)
class RegisterKey:
    sender: str
    key: str
    expiry: int

    def apply(self, world: World) -> Expected:
        reasons = set()
        if self.key == "off the curve":
            reasons.add("KEY: not on the curve")
        if self.expiry <= world.now:
            reasons.add("KEY: expiry is past")
        if reasons:
            return refused(reasons)
        world.house.keys[self.sender, self.key] = self.expiry
        return OK

    def encode(self, book: Book) -> Call:
        return book.call("Clearinghouse", "register_trading_key", book.trading_key(self.sender, self.key), self.expiry)


@dataclass(frozen=True)
class RevokeKey:
    sender: str
    key: str

    def apply(self, world: World) -> Expected:
        if not world.house.keys.get((self.sender, self.key)):
            return refused({"KEY: not registered"})
        world.house.keys[self.sender, self.key] = 0
        return OK

    def encode(self, book: Book) -> Call:
        return book.call("Clearinghouse", "revoke_trading_key", book.trading_key(self.sender, self.key))
