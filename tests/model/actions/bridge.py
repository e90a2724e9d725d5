"""Deposits from L1, and what goes back there."""

from __future__ import annotations

from dataclasses import dataclass

from truemark.transactions import Call

from tests.model.actions.base import OK, Book, Expected, Message, refused
from tests.model.bridge import HOUSE, Parked, Quota, Returned
from tests.model.receivables import collect, collect_refusals, reconcile
from tests.model.world import World

#: The source of a returned deposit is this and the nonce of its message: above every address.
RETURNED = 2**251


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
        world.bridge.parked[number] = Parked(
            self.depositor, self.recipient, self.destination, self.amount, world.now, self.nonce
        )
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
        reasons = world.bridge.withdraw_refusals(self.epoch, self.recipient, self.amount, world.now)
        reasons |= world.pay_refusals(self.sender, self.amount)
        reasons |= world.bridge.leaving_refusals(world.house.mode, world.now)
        if reasons:
            return refused(reasons)
        world.bridge.pour(self.amount, world.now)
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


@dataclass(frozen=True)
class Attest:
    """L1 says that it paid, or can be made to pay, a withdrawal of an epoch that is over."""

    epoch: int
    counter: int
    source: str | Returned
    amount: int
    nonce: int
    from_bridge: bool = True
    our_token: bool = True
    sender: str = ""

    def apply(self, world: World) -> Expected:
        bridge, number = world.bridge, (self.epoch, self.counter)
        reasons = set()
        if not self.from_bridge:
            reasons.add("BRIDGE: not the L1 bridge")
        if not self.our_token:
            reasons.add("BRIDGE: another token")
        if self.amount == 0:
            reasons.add("BRIDGE: amount is zero")
        if self.epoch >= bridge.epoch:
            reasons.add("BRIDGE: epoch not over")
        if reasons:
            return refused(reasons)
        if self.counter <= bridge.last_counters.get(self.epoch, 0) or number in bridge.due:
            return Expected(events=(("AttestationIgnored", {"epoch": self.epoch, "counter": self.counter}),))
        bridge.due[number] = (self.source, debit_again(world, self.source, self.amount))
        return Expected(events=(("WithdrawalAttested", {"epoch": self.epoch, "counter": self.counter}),))

    def encode(self, book: Book) -> Message:
        token = book.l1_address("L1 token") if self.our_token else 0xBAD
        known = isinstance(self.source, Returned)
        source = RETURNED + self.source.nonce if isinstance(self.source, Returned) else book.address(self.source)
        payload = (token, 0x1234, self.amount, self.epoch, self.counter, source, int(known))
        return Message("handle_attestation", payload, self.nonce, self.from_bridge)


def debit_again(world: World, source: str | Returned, amount: int) -> int:
    """Takes what L1 pays from whom it was paid to; what is not found yet."""
    bridge = world.bridge
    account = source
    if isinstance(source, Returned):
        if source.nonce not in bridge.nonces:
            # The deposit was erased as well, and is never delivered again.
            bridge.nonces.add(source.nonce)
            return 0
        parked = next((parked for parked in bridge.parked.values() if parked.nonce == source.nonce), None)
        if parked is not None and parked.amount == amount:
            parked.amount = 0
            world.wallets["bridge"] -= amount
            return 0
        account = parked.recipient if parked is not None and parked.recipient not in HOUSE else "zero"
    assert isinstance(account, str)
    burnt = min(world.wallets.get(account, 0), amount) if account != "zero" else 0
    if burnt:
        world.wallets[account] -= burnt
    rest = amount - burnt
    if rest and reconcile(world.house, account, rest, world.now):
        world.wallets["clearinghouse"] -= rest
        rest = 0
    return rest


@dataclass(frozen=True)
class SettleAttestation:
    sender: str
    epoch: int
    counter: int

    def apply(self, world: World) -> Expected:
        source, due = world.bridge.due.get((self.epoch, self.counter), ("zero", 0))
        if not due:
            return refused({"BRIDGE: nothing due"})
        left = debit_again(world, source, due)
        if left == due:
            return refused({"BRIDGE: still due"})
        world.bridge.due[self.epoch, self.counter] = (source, left)
        return OK

    def encode(self, book: Book) -> Call:
        return book.call("Bridge", "settle_attestation", self.epoch, self.counter)


@dataclass(frozen=True)
class CollectReceivable:
    sender: str
    account: str

    def apply(self, world: World) -> Expected:
        if reasons := collect_refusals(world.house, self.account, world.now):
            return refused(reasons)
        collect(world.house, self.account, world.now)
        return OK

    def encode(self, book: Book) -> Call:
        return book.call("Clearinghouse", "collect_receivable", book.address(self.account))


@dataclass(frozen=True)
class ConfigureQuota:
    sender: str
    quota: Quota

    def apply(self, world: World) -> Expected:
        if self.sender != "admin":
            return refused({"ACCESS: not the admin"})
        world.bridge.configure_quota(self.quota, world.now)
        return OK

    def encode(self, book: Book) -> Call:
        return book.call("Bridge", "configure_quota", {"limit": self.quota.limit, "window": self.quota.window})
