"""Reports, and what the admin and those who may stop do to a market."""

from __future__ import annotations

from dataclasses import dataclass

from truemark.transactions import Call

from tests.model.actions.base import OK, Book, Expected, refused
from tests.model.oracle import Said
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
        if self.sender not in ("admin", "guardian", "sentinel"):
            return refused({"ACCESS: may not stop"})
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
