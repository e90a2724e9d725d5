"""Collateral that comes, goes, or lies in the wrong place."""

from __future__ import annotations

from dataclasses import dataclass

from truemark.transactions import Call

from tests.model.actions.base import OK, Book, Expected, refused
from tests.model.world import World


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
