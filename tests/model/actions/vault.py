"""Shares of the vault."""

from __future__ import annotations

from dataclasses import dataclass

from truemark.transactions import Call

from tests.model.actions.base import OK, Book, Expected, refused
from tests.model.world import World


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
