"""Positions of accounts under water."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from truemark.transactions import Call

from tests.model.actions.base import Book, Expected, refused
from tests.model.liquidation import Request, liquidate
from tests.model.storm import NOTHING_LEFT
from tests.model.waterfall import backstop, deleverage
from tests.model.world import World


@dataclass(frozen=True)
class Liquidate:
    """One, which reverts where it is refused, or (`many`) a batch that names what it refuses."""

    sender: str
    epoch: int
    requests: tuple[Request, ...]
    many: bool = True

    def apply(self, world: World) -> Expected:
        house, now = world.house, world.now
        reasons = set()
        if self.epoch != house.epoch:
            reasons.add("EPOCH: another epoch")
        if not house.allows("liquidate", now):
            reasons.add("MODE: not allowed")
        if reasons:
            return refused(reasons)
        events: list[tuple[str, Mapping[str, Any]]] = []
        for request in self.requests:
            if house.mode != "Full":
                # One before it made a second market dry.
                stopped = {"market": request.market, "reason": frozenset({"MODE: not allowed"})}
                events.append(("LiquidationRefused", stopped))
                continue
            was_long = house.account(request.account).position(request.market).size > 0
            why, deal = liquidate(house, self.sender, request, now)
            if deal is not None:
                size = deal.size if was_long else -deal.size
                told = {
                    "size": size,
                    "discount": deal.discount,
                    "penalty": deal.penalty,
                    "value_after": deal.margin.value,
                    "requirement_after": deal.margin.maintenance,
                }
                events.append(("Liquidated", told))
                continue
            went_dry = why == {NOTHING_LEFT} and house.ration(request.market, 0, now, short=True)
            # A revert would undo the mark that the market is dry.
            if self.many or went_dry:
                events.append(("LiquidationRefused", {"market": request.market, "reason": frozenset(why)}))
            else:
                return refused(why)
        return Expected(events=tuple(events))

    def encode(self, book: Book) -> Call:
        requests = [
            {
                "account": book.address(request.account),
                "market": request.market,
                "max_size": request.max_size,
                "limit_price": request.limit,
            }
            for request in self.requests
        ]
        if self.many:
            return book.call("Clearinghouse", "liquidate_many", self.epoch, requests)
        return book.call("Clearinghouse", "liquidate", self.epoch, requests[0])


@dataclass(frozen=True)
class Backstop:
    sender: str
    epoch: int
    account: str

    def apply(self, world: World) -> Expected:
        reasons, events = backstop(world.house, self.sender, self.account, self.epoch, world.now)
        return refused(reasons) if reasons else Expected(events=tuple(events))

    def encode(self, book: Book) -> Call:
        return book.call("Clearinghouse", "backstop", self.epoch, book.address(self.account))


@dataclass(frozen=True)
class Deleverage:
    sender: str
    epoch: int
    account: str
    market: int
    others: tuple[str, ...]

    def apply(self, world: World) -> Expected:
        reasons, events = deleverage(
            world.house, self.sender, self.account, self.market, self.others, self.epoch, world.now
        )
        return refused(reasons) if reasons else Expected(events=tuple(events))

    def encode(self, book: Book) -> Call:
        others = [book.address(other) for other in self.others]
        return book.call("Clearinghouse", "deleverage", self.epoch, book.address(self.account), self.market, others)
