"""The refunds of incidents as the design has them: funded in full, each paid once, what is left goes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from truemark.felt import short_string
from truemark.hashing import poseidon_many

LEAF, NODE, ROOT = (short_string(f"truemark refund {kind}") for kind in ("leaf", "node", "root"))
#: An incident is open for at least so many seconds.
LEAST = 86_400
NAME = "refunds"


@dataclass
class Incident:
    """
    Attributes:
        list: who gets how much, in the order of their index; the root stands for it.
        total: what was funded, which may be less than what the list comes to.
    """

    list: tuple[tuple[str, int], ...]
    opener: str
    total: int
    expiry: int
    claimed: int = 0
    closed: bool = False
    paid: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class Share:
    """What somebody shows: a place in the list, and what is said to stand there."""

    index: int
    account: str
    amount: int


class Refunds:
    def __init__(self) -> None:
        self.incidents: dict[int, Incident] = {}

    @property
    def owed(self) -> int:
        return sum(found.total - found.claimed for found in self.incidents.values() if not found.closed)

    def open_refusals(self, number: int, total: int, expiry: int, now: int) -> set[str]:
        reasons = set()
        if number == 0:
            reasons.add("REFUND: zero incident")
        if number in self.incidents:
            reasons.add("REFUND: already open")
        if total == 0:
            reasons.add("REFUND: nothing to refund")
        if expiry < now + LEAST:
            reasons.add("REFUND: expiry too soon")
        return reasons

    def incident_refusals(self, number: int, now: int) -> set[str]:
        found = self.incidents.get(number)
        if found is None:
            return {"REFUND: no such incident"}
        return {"REFUND: expired"} if now >= found.expiry else set()

    def share_refusals(self, number: int, share: Share) -> set[str]:
        """Of one that was not paid before: it is in the list, and funded."""
        found = self.incidents[number]
        reasons = set()
        known = share.index < len(found.list) and found.list[share.index] == (share.account, share.amount)
        if not known:
            reasons.add("REFUND: bad proof")
        if share.amount == 0:
            reasons.add("REFUND: amount is zero")
        if known and share.index not in found.paid and found.claimed + share.amount > found.total:
            reasons.add("REFUND: more than the total")
        return reasons

    def pay(self, number: int, share: Share) -> None:
        found = self.incidents[number]
        found.paid.add(share.index)
        found.claimed += share.amount

    def close_refusals(self, number: int, now: int) -> set[str]:
        found = self.incidents.get(number)
        if found is None:
            return {"REFUND: no such incident"}
        reasons = set()
        if found.closed:
            reasons.add("REFUND: closed")
        if now < found.expiry:
            reasons.add("REFUND: not expired")
        return reasons


# The tree, docs/refunds.md


def levels(chain_id: int, distributor: int, incident: int, leaves: Sequence[tuple[int, int]]) -> list[list[int]]:
    """From the leaves up to the top; a last node without a sibling moves up as it is."""
    level = [
        poseidon_many([LEAF, poseidon_many([chain_id, distributor, incident, index, account, amount])])
        for index, (account, amount) in enumerate(leaves)
    ]
    found = [level]
    while len(level) > 1:
        pairs = [level[at : at + 2] for at in range(0, len(level), 2)]
        level = [poseidon_many([NODE, *pair]) if len(pair) == 2 else pair[0] for pair in pairs]
        found.append(level)
    return found


def root(tree: Sequence[Sequence[int]], total: int) -> int:
    return poseidon_many([ROOT, len(tree[0]), total, tree[-1][0]])


def proof(tree: Sequence[Sequence[int]], index: int) -> list[int]:
    """The siblings from the leaf up."""
    places = [(level, (index >> height) ^ 1) for height, level in enumerate(tree[:-1])]
    return [level[place] for level, place in places if place < len(level)]
