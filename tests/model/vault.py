"""The vault as ERC-4626 and ERC-7540 have it, over one margin account of the clearinghouse."""

from __future__ import annotations

from dataclasses import dataclass

from tests.model.clearinghouse import Clearinghouse
from tests.model.closing import escape_refusals, leave_refusals
from tests.model.margin import Basis
from tests.model.numbers import COLLATERAL, down, up

#: Beside the real ones stand one virtual asset and so many virtual shares.
VIRTUAL_SHARES, VIRTUAL_ASSETS = 10**6, 1
NAME = "vault"


@dataclass
class Request:
    controller: str
    owner: str
    shares: int
    claimable_at: int


class Vault:
    def __init__(self, house: Clearinghouse, lock_secs: int) -> None:
        self.house = house
        self.lock_secs = lock_secs
        #: Of each holder; those in requests are the vault's own.
        self.shares: dict[str, int] = {}
        #: By id, which counts from 1.
        self.requests: dict[int, Request] = {}
        self.operators: set[tuple[str, str]] = set()

    # Reading

    @property
    def supply(self) -> int:
        return sum(self.shares.values())

    def assets(self, now: int) -> int:
        """V of its account; a market that is not Valid counts at its worst."""
        value = self.house.margin(self.house.account(NAME), Basis.WORST, now).value
        return max(0, down(value, COLLATERAL))

    def shares_for(self, assets: int, now: int, *, rounded_up: bool) -> int:
        rounded = up if rounded_up else down
        return rounded(assets * (self.supply + VIRTUAL_SHARES), self.assets(now) + VIRTUAL_ASSETS)

    def assets_for(self, shares: int, now: int, *, rounded_up: bool) -> int:
        rounded = up if rounded_up else down
        return rounded(shares * (self.assets(now) + VIRTUAL_ASSETS), self.supply + VIRTUAL_SHARES)

    def is_open(self, now: int) -> bool:
        held = self.house.account(NAME).positions
        return self.house.allows("vault", now) and all(self.house.is_valid(market, now) for market in held)

    def escapes(self) -> bool:
        """The venue winds down and nothing of the vault's is open: what is left is money, and leaves by escape."""
        return bool(self.house.closings.wound_down_at) and not self.house.account(NAME).positions

    def claimable(self, controller: str, now: int) -> int:
        return sum(request.shares for request in self._claimable(controller, now))

    def _claimable(self, controller: str, now: int) -> list[Request]:
        """Oldest first."""
        own = (request for request in self.requests.values() if request.controller == controller)
        return [request for request in own if request.claimable_at <= now]

    def _acts_for(self, account: str, caller: str) -> bool:
        return caller == account or (account, caller) in self.operators

    # Deposits

    def enter_refusals(self, assets: int, shares: int, receiver: str, now: int) -> set[str]:
        reasons = set()
        if assets == 0:
            reasons.add("VAULT: assets are zero")
        if shares == 0:
            reasons.add("VAULT: shares are zero")
        if receiver in ("zero", NAME):
            reasons.add("VAULT: bad receiver")
        if not self.is_open(now):
            reasons.add("VAULT: closed")
        if self.assets(now) == 0 and self.supply:
            reasons |= {"VAULT: nothing left", "VAULT: above max_deposit"}
        return reasons

    def enter(self, assets: int, shares: int, receiver: str, now: int) -> None:
        self.shares[receiver] = self.shares.get(receiver, 0) + shares
        self.house.deposit(NAME, assets, now)

    # Redemptions

    def request_refusals(self, caller: str, shares: int, controller: str, owner: str, now: int) -> set[str]:
        reasons = set()
        if not self._acts_for(owner, caller):
            # Nobody has let another spend its shares.
            reasons.add("ERC20: allowance too low")
        if controller in ("zero", NAME):
            reasons.add("VAULT: bad controller")
        if shares == 0:
            reasons.add("VAULT: shares are zero")
        if not self.house.allows("withdraw", now) and not self.escapes():
            reasons.add("VAULT: venue is halted")
        if shares > self.shares.get(owner, 0):
            reasons.add("ERC20: balance too low")
        return reasons

    def request(self, shares: int, controller: str, owner: str, now: int) -> None:
        self.requests[len(self.requests) + 1] = Request(controller, owner, shares, now + self.lock_secs)
        self.shares[owner] -= shares
        self.shares[NAME] = self.shares.get(NAME, 0) + shares

    def leave_refusals(
        self, caller: str, assets: int, shares: int, receiver: str, controller: str, now: int
    ) -> set[str]:
        reasons = set()
        if not self._acts_for(controller, caller):
            reasons.add("VAULT: not controller or op")
        if shares == 0:
            reasons.add("VAULT: shares are zero")
        if assets == 0:
            reasons.add("VAULT: assets are zero")
        if receiver in ("zero", NAME):
            reasons.add("VAULT: bad receiver")
        if not self.is_open(now) and not self.escapes():
            reasons.add("VAULT: closed")
        if shares > self.claimable(controller, now):
            reasons.add("VAULT: more than is claimable")
        if self.escapes():
            early = escape_refusals(self.house, NAME, self.house.epoch, now)
            return reasons | early | leave_refusals(self.house, NAME, assets, now)
        return reasons | self.house.withdraw_refusals(NAME, self.house.epoch, assets, now)

    def leave(self, assets: int, shares: int, controller: str, now: int) -> None:
        left = shares
        for request in self._claimable(controller, now):
            taken = min(left, request.shares)
            request.shares -= taken
            left -= taken
        self.shares[NAME] -= shares
        if self.escapes() and self.house.pending.get(NAME):
            self.house.credit(NAME)
        self.house.withdraw(NAME, assets, now)
