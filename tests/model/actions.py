"""What can be done to a venue: each action as the model applies it and as the contracts are called.

`apply` changes the world as the design says, or refuses; what it returns is what the chain must answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from truemark.transactions import Call

from tests.model.bridge import HOUSE, Parked
from tests.model.clearinghouse import Fill, Order, Signed
from tests.model.liquidation import Request, liquidate
from tests.model.oracle import Said
from tests.model.world import World


@dataclass(frozen=True)
class Expected:
    """
    Attributes:
        refusals: reasons, any of which the transaction is reverted with; none: it succeeds.
        events: of the watched kinds, in order; a set of values means any of them.
    """

    refusals: frozenset[str] = frozenset()
    events: tuple[tuple[str, Mapping[str, Any]], ...] = ()


@dataclass(frozen=True)
class Message:
    """From L1 to an l1_handler of the bridge."""

    handler: str
    payload: tuple[int, ...]
    nonce: int
    from_bridge: bool = True


class Book(Protocol):
    """Names as the chain knows them."""

    def address(self, name: str) -> int: ...
    def call(self, contract: str, function: str, *args: Any) -> Call: ...
    def order(self, order: Order) -> Mapping[str, Any]: ...
    def signed(self, signed: Signed) -> Mapping[str, Any]: ...
    def trading_key(self, account: str, key: str) -> int: ...
    def report(self, epoch: int, entries: Sequence[Said]) -> Call: ...
    def l1_address(self, name: str) -> int: ...


class Action(Protocol):
    """One step. `sender` is who sends it; the empty name is L1."""

    @property
    def sender(self) -> str: ...
    def apply(self, world: World) -> Expected: ...
    def encode(self, book: Book) -> Call | Message: ...


OK = Expected()


def refused(reasons: set[str]) -> Expected:
    return Expected(frozenset(reasons))


# The oracle


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


# Orders and fills


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


# Money


@dataclass(frozen=True)
class Deposit:
    sender: str
    account: str
    amount: int

    def apply(self, world: World) -> Expected:
        reasons = world.house.deposit_refusals(self.account, self.amount)
        reasons |= world.pay_refusals(self.sender, self.amount)
        if reasons:
            return refused(reasons)
        world.pay(self.sender, "clearinghouse", self.amount)
        world.house.deposit(self.account, self.amount, world.now)
        return OK

    def encode(self, book: Book) -> Call:
        if self.sender == self.account:
            return book.call("Clearinghouse", "deposit", self.amount)
        return book.call("Clearinghouse", "deposit_for", book.address(self.account), self.amount)


@dataclass(frozen=True)
class Credit:
    sender: str
    account: str

    def apply(self, world: World) -> Expected:
        if reasons := world.house.credit_refusals(self.account, world.now):
            return refused(reasons)
        world.house.credit(self.account)
        return OK

    def encode(self, book: Book) -> Call:
        return book.call("Clearinghouse", "credit_pending", book.address(self.account))


@dataclass(frozen=True)
class Withdraw:
    sender: str
    epoch: int
    amount: int

    def apply(self, world: World) -> Expected:
        if reasons := world.house.withdraw_refusals(self.sender, self.epoch, self.amount, world.now):
            return refused(reasons)
        world.house.withdraw(self.sender, self.amount, world.now)
        world.pay("clearinghouse", self.sender, self.amount)
        return OK

    def encode(self, book: Book) -> Call:
        return book.call("Clearinghouse", "withdraw", self.epoch, self.amount)


@dataclass(frozen=True)
class ReturnPending:
    """A deposit that was held goes back to its account's wallet."""

    sender: str

    def apply(self, world: World) -> Expected:
        if reasons := world.house.return_refusals(self.sender, world.now):
            return refused(reasons)
        world.pay("clearinghouse", self.sender, world.house.return_pending(self.sender, world.now))
        return OK

    def encode(self, book: Book) -> Call:
        return book.call("Clearinghouse", "return_pending")


@dataclass(frozen=True)
class Escape:
    sender: str
    epoch: int
    amount: int

    def apply(self, world: World) -> Expected:
        if reasons := world.house.escape_refusals(self.sender, self.epoch, self.amount, world.now):
            return refused(reasons)
        world.house.escape(self.sender, self.amount, world.now)
        world.pay("clearinghouse", self.sender, self.amount)
        return OK

    def encode(self, book: Book) -> Call:
        return book.call("Clearinghouse", "escape", self.epoch, self.amount)


@dataclass(frozen=True)
class FundInsurance:
    sender: str
    amount: int

    def apply(self, world: World) -> Expected:
        if reasons := world.house.debit_refusals(self.sender, self.amount, world.now):
            return refused(reasons)
        world.house.fund_insurance(self.sender, self.amount)
        return OK

    def encode(self, book: Book) -> Call:
        return book.call("Clearinghouse", "fund_insurance", self.amount)


@dataclass(frozen=True)
class CollectFees:
    sender: str
    account: str
    amount: int

    def apply(self, world: World) -> Expected:
        if reasons := world.house.collect_refusals(self.sender, self.account, self.amount, world.now):
            return refused(reasons)
        world.house.collect(self.account, self.amount)
        return OK

    def encode(self, book: Book) -> Call:
        return book.call("Clearinghouse", "collect_fees", book.address(self.account), self.amount)


@dataclass(frozen=True)
class Donate:
    """Tokens sent to the clearinghouse without a deposit."""

    sender: str
    amount: int

    def apply(self, world: World) -> Expected:
        if reasons := world.pay_refusals(self.sender, self.amount):
            return refused(reasons)
        world.pay(self.sender, "clearinghouse", self.amount)
        world.house.unbooked += self.amount
        return OK

    def encode(self, book: Book) -> Call:
        return book.call("CollateralToken", "transfer", book.address("clearinghouse"), self.amount)


@dataclass(frozen=True)
class BookSurplus:
    sender: str

    def apply(self, world: World) -> Expected:
        if reasons := world.house.surplus_refusals(self.sender):
            return refused(reasons)
        world.house.book_surplus()
        return OK

    def encode(self, book: Book) -> Call:
        return book.call("Clearinghouse", "book_surplus")


# Liquidations


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
            elif self.many:
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


# The venue


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


# The bridge


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


# The vault


@dataclass(frozen=True)
class VaultEnter:
    """A deposit of assets, or a mint of shares."""

    sender: str
    amount: int
    receiver: str
    is_mint: bool = False

    def apply(self, world: World) -> Expected:
        vault, now = world.vault, world.now
        if self.is_mint:
            shares, assets = self.amount, vault.assets_for(self.amount, now, rounded_up=True)
        else:
            assets, shares = self.amount, vault.shares_for(self.amount, now, rounded_up=False)
        reasons = vault.enter_refusals(assets, shares, self.receiver, now) | world.pay_refusals(self.sender, assets)
        if reasons:
            return refused(reasons)
        vault.enter(assets, shares, self.receiver, now)
        world.pay(self.sender, "clearinghouse", assets)
        return OK

    def encode(self, book: Book) -> Call:
        function = "mint" if self.is_mint else "deposit"
        return book.call("Vault", function, self.amount, book.address(self.receiver))


@dataclass(frozen=True)
class VaultRequest:
    sender: str
    shares: int
    controller: str
    owner: str

    def apply(self, world: World) -> Expected:
        reasons = world.vault.request_refusals(self.sender, self.shares, self.controller, self.owner, world.now)
        if reasons:
            return refused(reasons)
        world.vault.request(self.shares, self.controller, self.owner, world.now)
        return OK

    def encode(self, book: Book) -> Call:
        return book.call(
            "Vault", "request_redeem", self.shares, book.address(self.controller), book.address(self.owner)
        )


@dataclass(frozen=True)
class VaultLeave:
    """A redemption of shares, or a withdrawal of assets, that was requested before."""

    sender: str
    amount: int
    receiver: str
    controller: str
    by_assets: bool = False

    def apply(self, world: World) -> Expected:
        vault, now = world.vault, world.now
        if self.by_assets:
            assets, shares = self.amount, vault.shares_for(self.amount, now, rounded_up=True)
        else:
            shares, assets = self.amount, vault.assets_for(self.amount, now, rounded_up=False)
        reasons = vault.leave_refusals(self.sender, assets, shares, self.receiver, self.controller, now)
        if reasons:
            return refused(reasons)
        vault.leave(assets, shares, self.controller, now)
        world.pay("clearinghouse", self.receiver, assets)
        return OK

    def encode(self, book: Book) -> Call:
        function = "withdraw" if self.by_assets else "redeem"
        return book.call("Vault", function, self.amount, book.address(self.receiver), book.address(self.controller))


@dataclass(frozen=True)
class VaultOperator:
    sender: str
    operator: str
    approved: bool

    def apply(self, world: World) -> Expected:
        pair = (self.sender, self.operator)
        if self.approved:
            world.vault.operators.add(pair)
        else:
            world.vault.operators.discard(pair)
        return OK

    def encode(self, book: Book) -> Call:
        return book.call("Vault", "set_operator", book.address(self.operator), self.approved)


@dataclass
class Step:
    """An action at a second, what the chain must answer, and what must then be read of it.

    Attributes:
        whole: everything is read, and the invariants are asked of it.
        unbooked: tokens that the clearinghouse was sent without a deposit.
    """

    action: Action
    at: int
    expected: Expected
    views: Mapping[tuple[Any, ...], Any]
    whole: bool = False
    unbooked: int = 0
