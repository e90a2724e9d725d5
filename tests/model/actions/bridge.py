"""Deposits from L1, and what goes back there."""

from __future__ import annotations

from dataclasses import dataclass

from truemark.transactions import Call

from tests.model.actions.base import OK, Book, Expected, Message, refused
from tests.model.bridge import HOUSE, Parked
from tests.model.world import World


@dataclass(frozen=True)
class FromL1:
    """A deposit that L1 locked."""

    depositor: int
    destination: int
    recipient: str
    amount: int
    nonce: int
    from_bridge: bool = True
    our_token: bool = True
    sender: str = ""

    def apply(self, world: World) -> Expected:
        reasons = set()
        if not self.from_bridge:
            reasons.add("BRIDGE: not the L1 bridge")
        if not self.our_token:
            reasons.add("BRIDGE: another token")
        if self.amount == 0:
            reasons.add("BRIDGE: amount is zero")
        if self.nonce in world.bridge.nonces:
            reasons.add("BRIDGE: already delivered")
        if reasons:
            return refused(reasons)
        world.bridge.nonces.add(self.nonce)
        why = self._deliver(world)
        if not why:
            return Expected(events=(("DepositDelivered", {"amount": self.amount}),))
        world.wallets["bridge"] = world.wallets.get("bridge", 0) + self.amount
        number = len(world.bridge.parked) + 1
        world.bridge.parked[number] = Parked(self.depositor, self.recipient, self.destination, self.amount, world.now)
        return Expected(events=(("DepositParked", {"id": number, "reason": frozenset(why)}),))

    def _deliver(self, world: World) -> set[str]:
        reasons = set()
        if self.destination > 2:
            reasons.add("BRIDGE: bad destination")
        if self.recipient in HOUSE:
            reasons.add("BRIDGE: bad recipient")
        if reasons:
            return reasons
        if self.destination == 0:
            world.wallets[self.recipient] = world.wallets.get(self.recipient, 0) + self.amount
            return set()
        if self.destination == 1:
            if not world.house.allows("deposit", world.now):
                return {"BRIDGE: venue is halted"}
            world.house.deposit(self.recipient, self.amount, world.now)
        else:
            shares = world.vault.shares_for(self.amount, world.now, rounded_up=False)
            if reasons := world.vault.enter_refusals(self.amount, shares, self.recipient, world.now):
                return reasons
            world.vault.enter(self.amount, shares, self.recipient, world.now)
        world.wallets["clearinghouse"] = world.wallets.get("clearinghouse", 0) + self.amount
        return set()

    def encode(self, book: Book) -> Message:
        token = book.l1_address("L1 token") if self.our_token else 0xBAD
        payload = (token, self.depositor, self.destination, book.address(self.recipient), self.amount)
        return Message("handle_deposit", payload, self.nonce, self.from_bridge)


@dataclass(frozen=True)
class ToL1:
    sender: str
    epoch: int
    recipient: str
    amount: int

    def apply(self, world: World) -> Expected:
        reasons = world.bridge.withdraw_refusals(self.epoch, self.recipient, self.amount)
        reasons |= world.pay_refusals(self.sender, self.amount)
        reasons |= world.bridge.leaving_refusals(world.house.mode, world.now)
        if reasons:
            return refused(reasons)
        world.wallets[self.sender] -= self.amount
        world.bridge.withdrawals += 1
        return OK

    def encode(self, book: Book) -> Call:
        return book.call("Bridge", "withdraw", self.epoch, book.l1_address(self.recipient), self.amount)


@dataclass(frozen=True)
class ClaimParked:
    sender: str
    number: int

    def apply(self, world: World) -> Expected:
        reasons = world.bridge.claim_refusals(self.sender, self.number)
        reasons |= world.bridge.leaving_refusals(world.house.mode, world.now)
        if reasons:
            return refused(reasons)
        parked = world.bridge.parked[self.number]
        world.pay("bridge", self.sender, parked.amount)
        parked.amount = 0
        return OK

    def encode(self, book: Book) -> Call:
        return book.call("Bridge", "claim_parked", self.number)


@dataclass(frozen=True)
class ReturnParked:
    sender: str
    number: int

    def apply(self, world: World) -> Expected:
        reasons = world.bridge.return_refusals(self.sender, self.number, world.now)
        reasons |= world.bridge.leaving_refusals(world.house.mode, world.now)
        if reasons:
            return refused(reasons)
        parked = world.bridge.parked[self.number]
        world.wallets["bridge"] -= parked.amount
        parked.amount = 0
        world.bridge.withdrawals += 1
        return OK

    def encode(self, book: Book) -> Call:
        return book.call("Bridge", "return_parked", self.number)
