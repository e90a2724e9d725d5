"""Modes and epochs."""

from __future__ import annotations

from dataclasses import dataclass

from truemark.transactions import Call

from tests.model.actions.base import OK, Book, Expected, Message, refused
from tests.model.world import World


@dataclass(frozen=True)
class SetMode:
    sender: str
    mode: str
    report: int = 1

    def apply(self, world: World) -> Expected:
        if reasons := world.house.mode_refusals(self.sender, self.mode, self.report, world.now):
            return refused(reasons)
        world.house.set_mode(self.mode, world.now)
        return OK

    def encode(self, book: Book) -> Call:
        return book.call("Clearinghouse", "set_mode", self.mode, self.report)


@dataclass(frozen=True)
class NewEpoch:
    """L1 says that an epoch began."""

    epoch: int
    nonce: int
    from_bridge: bool = True
    sender: str = ""

    def apply(self, world: World) -> Expected:
        if not self.from_bridge:
            return refused({"BRIDGE: not the L1 bridge"})
        if self.epoch <= world.bridge.epoch:
            return Expected(events=(("EpochIgnored", {"epoch": self.epoch}),))
        world.bridge.new_epoch(self.epoch, world.now)
        world.oracle.epoch = self.epoch
        world.house.set_epoch(self.epoch, world.now)
        return OK

    def encode(self, book: Book) -> Message:
        return Message("handle_epoch", (self.epoch,), self.nonce, self.from_bridge)
