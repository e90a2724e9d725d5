"""Positions closed for good, owners who leave a venue that stands still, and funding that was broken from outside."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

from truemark.transactions import Call

from tests.model import restoring
from tests.model.actions.base import NODE, OK, Book, Event, Expected, Write, refused
from tests.model.closing import (
    Told,
    escape_refusals,
    leave_refusals,
    settle_positions,
    settle_refusals,
    wind_down,
)
from tests.model.world import World

#: Which of a market's slots has the base of its funding index.
FUNDING = 2


def _events(market: int, told: Sequence[Told]) -> list[Event]:
    names = ("size", "quote", "funding", "covered")
    return [("PositionSettled", {"market": market, **dict(zip(names, figures, strict=True))}) for _, *figures in told]


@dataclass(frozen=True)
class SettlePositions:
    sender: str
    market: int
    accounts: tuple[str, ...]

    def apply(self, world: World) -> Expected:
        if reasons := settle_refusals(world.house, self.market, world.now):
            return refused(reasons)
        return Expected(events=tuple(_events(self.market, settle_positions(world.house, self.market, self.accounts))))

    def encode(self, book: Book) -> Call:
        accounts = [book.address(name) for name in self.accounts]
        return book.call("Clearinghouse", "settle_positions", self.market, accounts)


@dataclass(frozen=True)
class Escape:
    """Out of a venue that was Halted for long; with something open, the end of it for everybody."""

    sender: str
    epoch: int
    amount: int

    def apply(self, world: World) -> Expected:
        house, now = world.house, world.now
        if reasons := escape_refusals(house, self.sender, self.epoch, now):
            return refused(reasons)
        saved = copy.deepcopy((house.accounts, house.pending, house.ledger, house.closings))
        events: list[Event] = []
        if house.pending.get(self.sender):
            house.credit(self.sender)
        open_markets = sorted(house.account(self.sender).positions)
        if open_markets:
            if not house.closings.wound_down_at:
                events.append(("WoundDown", {}))
            wind_down(house, now)
            for market in open_markets:
                events += _events(market, settle_positions(house, market, [self.sender]))
        if reasons := leave_refusals(house, self.sender, self.amount, now):
            house.accounts, house.pending, house.ledger, house.closings = saved
            return refused(reasons)
        if self.amount:
            house.withdraw(self.sender, self.amount, now)
            world.pay("clearinghouse", self.sender, self.amount)
        return Expected(events=tuple(events))

    def encode(self, book: Book) -> Call:
        return book.call("Clearinghouse", "escape", self.epoch, self.amount)


@dataclass(frozen=True)
class BreakFunding:
    """Something outside every transaction writes the slot of a market's funding."""

    market: int
    value: int
    sender: str = NODE

    def apply(self, world: World) -> Expected:
        world.house.broken.add(self.market)
        return OK

    def encode(self, book: Book) -> Write:
        return Write("Clearinghouse", ("state", "markets", self.market), FUNDING, self.value)


@dataclass(frozen=True)
class CheckpointFunding:
    sender: str
    markets: tuple[int, ...]

    def apply(self, world: World) -> Expected:
        if reasons := restoring.checkpoint_refusals(world.house, self.markets):
            return refused(reasons)
        kept = restoring.checkpoint(world.house, self.markets)
        return Expected(
            events=tuple(
                ("FundingCheckpointed", {"market": market, "index": world.house.index[market]}) for market in kept
            )
        )

    def encode(self, book: Book) -> Call:
        return book.call("Clearinghouse", "checkpoint_funding", sum(1 << market for market in self.markets))


@dataclass(frozen=True)
class AnnounceRestore:
    sender: str
    market: int

    def apply(self, world: World) -> Expected:
        if reasons := restoring.announce_refusals(world.house, self.sender, self.market):
            return refused(reasons)
        restoring.announce(world.house, self.market, world.now)
        return OK

    def encode(self, book: Book) -> Call:
        return book.call("Clearinghouse", "announce_restore", self.market)


@dataclass(frozen=True)
class CancelRestore:
    sender: str
    market: int

    def apply(self, world: World) -> Expected:
        if reasons := restoring.cancel_refusals(world.house, self.sender, self.market):
            return refused(reasons)
        del world.house.restores[self.market]
        return OK

    def encode(self, book: Book) -> Call:
        return book.call("Clearinghouse", "cancel_restore", self.market)


@dataclass(frozen=True)
class Restore:
    sender: str
    market: int

    def apply(self, world: World) -> Expected:
        if reasons := restoring.restore_refusals(world.house, self.sender, self.market, world.now):
            return refused(reasons)
        restoring.restore(world.house, self.market)
        index = world.house.index[self.market]
        return Expected(events=(("FundingRestored", {"market": self.market, "index": index}),))

    def encode(self, book: Book) -> Call:
        return book.call("Clearinghouse", "restore", self.market)
