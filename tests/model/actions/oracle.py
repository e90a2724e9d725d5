"""Reports, and what the admin and those who may stop do to a market."""

from __future__ import annotations

from dataclasses import dataclass

from truemark.transactions import Call

from tests.model.actions.base import OK, Book, Expected, refused
from tests.model.oracle import Said
from tests.model.restoring import STOPPERS
from tests.model.world import World


@dataclass(frozen=True)
class Report:
    sender: str
    epoch: int
    entries: tuple[Said, ...]

    def apply(self, world: World) -> Expected:
        oracle, now = world.oracle, world.now
        if reasons := oracle.refusals(self.sender, self.epoch, self.entries):
            return refused(reasons)
        if oracle.silent(now) and not oracle.silence_told:
            # The first report after a silence stores what the silence meant.
            oracle.silence_told = True
            world.house.lower_to("CancelOnly", now)
        heard, accrued = oracle.report(self.sender, self.entries, now)
        world.house.accrue(accrued)
        return Expected(
            events=tuple(
                (
                    "MarketsReported",
                    {
                        "market": item.market,
                        "outcome": item.outcomes,
                        "status": item.status,
                        "median": item.median,
                        "price": item.price,
                    },
                )
                for item in sorted(heard, key=lambda item: item.market)
            )
        )

    def encode(self, book: Book) -> Call:
        return book.report(self.epoch, self.entries)


@dataclass(frozen=True)
class Freeze:
    sender: str
    market: int

    def apply(self, world: World) -> Expected:
        reasons = world.oracle.freeze_refusals(self.market)
        if self.sender not in STOPPERS:
            reasons.add("ACCESS: may not stop")
        if reasons:
            return refused(reasons)
        world.oracle.freeze(self.market, world.now)
        return OK

    def encode(self, book: Book) -> Call:
        return book.call("Oracle", "freeze", self.market)


@dataclass(frozen=True)
class Release:
    sender: str
    market: int

    def apply(self, world: World) -> Expected:
        reasons = world.oracle.release_refusals(self.market, world.now)
        if self.sender != "admin":
            reasons.add("ACCESS: not the admin")
        if reasons:
            return refused(reasons)
        world.oracle.release(self.market)
        return OK

    def encode(self, book: Book) -> Call:
        return book.call("Oracle", "release", self.market)


@dataclass(frozen=True)
class StartSettlement:
    sender: str
    market: int

    def apply(self, world: World) -> Expected:
        reasons = world.oracle.start_settlement_refusals(self.market)
        if self.sender != "admin":
            reasons.add("ACCESS: not the admin")
        if reasons:
            return refused(reasons)
        world.oracle.start_settlement(self.market, world.now)
        return OK

    def encode(self, book: Book) -> Call:
        return book.call("Oracle", "start_settlement", self.market)


@dataclass(frozen=True)
class ReportSettlement:
    sender: str
    epoch: int
    market: int
    price: int

    def apply(self, world: World) -> Expected:
        oracle = world.oracle
        if reasons := oracle.report_settlement_refusals(self.sender, self.epoch, self.market, self.price):
            return refused(reasons)
        agreed = oracle.report_settlement(self.sender, self.market, self.price, world.now)
        return Expected(events=(("SettlementReported", {"market": self.market, "agreed": agreed}),))

    def encode(self, book: Book) -> Call:
        return book.call("Oracle", "report_settlement", self.epoch, self.market, self.price)


@dataclass(frozen=True)
class SettleMarket:
    sender: str
    market: int

    def apply(self, world: World) -> Expected:
        if reasons := world.oracle.settle_refusals(self.market, world.now):
            return refused(reasons)
        world.oracle.settle(self.market, world.now)
        price = world.oracle.markets[self.market].price
        return Expected(events=(("MarketSettled", {"market": self.market, "price": price}),))

    def encode(self, book: Book) -> Call:
        return book.call("Oracle", "settle_market", self.market)
