"""Refunds of incidents: opened, claimed, pushed, closed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from truemark.transactions import Call

from tests.model.actions.base import OK, Book, Expected, refused
from tests.model.refunds import NAME, Incident, Share, levels, proof, root
from tests.model.world import World

#: Who stands in a list, and how much each is to get.
List = tuple[tuple[str, int], ...]


def tree_of(book: Book, incident: int, refunds: List) -> list[list[int]]:
    leaves = [(book.address(name), amount) for name, amount in refunds]
    return levels(book.chain_id, book.address(NAME), incident, leaves)


def shown(book: Book, incident: int, refunds: List, share: Share) -> Mapping[str, Any]:
    """The proof of the place that is named, whatever is said to stand there."""
    place = share.index if share.index < len(refunds) else 0
    path = proof(tree_of(book, incident, refunds), place)
    return {"index": share.index, "account": book.address(share.account), "amount": share.amount, "proof": path}


@dataclass(frozen=True)
class OpenRefunds:
    sender: str
    incident: int
    refunds: List
    total: int
    expiry: int

    def apply(self, world: World) -> Expected:
        reasons = world.refunds.open_refusals(self.incident, self.total, self.expiry, world.now)
        if self.sender != "admin":
            reasons.add("ACCESS: not the admin")
        reasons |= world.pay_refusals(self.sender, self.total)
        if reasons:
            return refused(reasons)
        world.pay(self.sender, NAME, self.total)
        world.refunds.incidents[self.incident] = Incident(self.refunds, self.sender, self.total, self.expiry)
        return OK

    def encode(self, book: Book) -> Call:
        top = root(tree_of(book, self.incident, self.refunds), self.total)
        count = len(self.refunds)
        return book.call("RefundDistributor", "open", self.incident, top, self.total, count, "list", self.expiry)


@dataclass(frozen=True)
class ClaimRefund:
    """Into the margin account of whom it belongs to, or, `to` a wallet, by itself."""

    sender: str
    incident: int
    refunds: List
    share: Share
    to: str = ""

    def apply(self, world: World) -> Expected:
        refunds, number, share = world.refunds, self.incident, self.share
        reasons = refunds.incident_refusals(number, world.now)
        if self.to in ("zero", NAME, "token", "clearinghouse"):
            reasons.add("REFUND: bad recipient")
        if reasons:
            return refused(reasons)
        account = self.sender if self.to else share.account
        shown_share = Share(share.index, account, share.amount)
        if reasons := refunds.share_refusals(number, shown_share):
            return refused(reasons)
        if share.index in refunds.incidents[number].paid:
            return OK
        refunds.pay(number, shown_share)
        if self.to:
            world.pay(NAME, self.to, share.amount)
        else:
            world.house.deposit(account, share.amount, world.now)
            world.pay(NAME, "clearinghouse", share.amount)
        return OK

    def encode(self, book: Book) -> Call:
        told = shown(book, self.incident, self.refunds, self.share)
        if self.to:
            where = (self.incident, told["index"], told["amount"], told["proof"], book.address(self.to))
            return book.call("RefundDistributor", "claim_to", *where)
        return book.call("RefundDistributor", "claim", self.incident, *told.values())


@dataclass(frozen=True)
class PushRefunds:
    sender: str
    incident: int
    refunds: List
    shares: tuple[Share, ...]

    def apply(self, world: World) -> Expected:
        refunds, number = world.refunds, self.incident
        if reasons := refunds.incident_refusals(number, world.now):
            return refused(reasons)
        events = []
        for share in self.shares:
            if reasons := refunds.share_refusals(number, share):
                events.append(("RefundRefused", {"index": share.index, "reason": frozenset(reasons)}))
            elif share.index not in refunds.incidents[number].paid:
                refunds.pay(number, share)
                world.house.deposit(share.account, share.amount, world.now)
                world.pay(NAME, "clearinghouse", share.amount)
        return Expected(events=tuple(events))

    def encode(self, book: Book) -> Call:
        told = [shown(book, self.incident, self.refunds, share) for share in self.shares]
        return book.call("RefundDistributor", "push", self.incident, told)


@dataclass(frozen=True)
class CloseRefunds:
    sender: str
    incident: int

    def apply(self, world: World) -> Expected:
        if reasons := world.refunds.close_refusals(self.incident, world.now):
            return refused(reasons)
        found = world.refunds.incidents[self.incident]
        world.pay(NAME, found.opener, found.total - found.claimed)
        found.closed = True
        return OK

    def encode(self, book: Book) -> Call:
        return book.call("RefundDistributor", "close", self.incident)
