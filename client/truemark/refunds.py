"""The Merkle tree of one incident's refunds: who gets how much, under one root that anyone can check.

A leaf is poseidon(LEAF, poseidon(chain id, distributor, incident, index, account, amount)), a node is
poseidon(NODE, left, right), and the root is poseidon(ROOT, count, total, top). The three prefixes keep a node
from being shown as a leaf. A last node without a sibling moves up as it is and takes no proof element: it is never
paired with itself, and since the root holds the count, a proof has one length only.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from truemark.errors import TruemarkError
from truemark.felt import PRIME, short_string
from truemark.hashing import poseidon_begun, poseidon_many

LEAF = short_string("truemark refund leaf")
NODE = short_string("truemark refund node")
ROOT = short_string("truemark refund root")
MAX_COUNT = 2**32 - 1
MAX_AMOUNT = 2**127 - 1
#: As many hashes are worth threads, and how many one takes at a time.
_SHARED = 2_048
_PART = 256


class BadRefund(TruemarkError, ValueError):
    """A refund that no tree can hold."""


@dataclass(frozen=True, slots=True)
class Refund:
    """One leaf: an account and its amount in 1e-6 USD."""

    account: int
    amount: int


class RefundTree:
    """The tree over the refunds in the order given; the same input gives the same root."""

    def __init__(self, chain_id: int, distributor: int, incident: int, leaves: Sequence[Refund]) -> None:
        """Build every level.

        Raises:
            BadRefund: no leaves or too many, a field that is no felt, a zero account, an amount or total out of range.
        """
        if not 0 < len(leaves) <= MAX_COUNT:
            raise BadRefund(f"a tree holds 1 to {MAX_COUNT} refunds, not {len(leaves)}")
        if not (0 <= chain_id < PRIME and 0 < distributor < PRIME and 0 < incident < PRIME):
            raise BadRefund("chain id, distributor and incident are felts, the last two not 0")
        for index, leaf in enumerate(leaves):
            if not 0 < leaf.account < PRIME or not 0 < leaf.amount <= MAX_AMOUNT:
                raise BadRefund(f"refund {index}: account or amount out of range")
        self.chain_id, self.distributor, self.incident = chain_id, distributor, incident
        self.leaves = tuple(leaves)
        self.count = len(leaves)
        self.total = sum(leaf.amount for leaf in leaves)
        if self.total > MAX_AMOUNT:
            raise BadRefund("the total is out of range")
        self._begun = poseidon_begun([chain_id, distributor])
        level = _each(len(leaves), lambda index: self.leaf_hash(index, self.leaves[index]))
        self._levels = [level]
        while len(level) > 1:
            paired = _each(len(level) // 2, partial(_node, level))
            level = paired + level[len(paired) * 2 :]
            self._levels.append(level)
        self.root = poseidon_many([ROOT, self.count, self.total, level[0]])

    def leaf_hash(self, index: int, leaf: Refund) -> int:
        """The hash of a leaf at a place."""
        inner = [self.incident, index, leaf.account, leaf.amount]
        return poseidon_many([LEAF, poseidon_many(inner, self._begun)])

    def proof(self, index: int) -> tuple[int, ...]:
        """The siblings from the leaf up.

        Raises:
            BadRefund: there is no such index.
        """
        if not 0 <= index < self.count:
            raise BadRefund(f"no refund {index} in a tree of {self.count}")
        path = []
        for level in self._levels[:-1]:
            if index ^ 1 < len(level):
                path.append(level[index ^ 1])
            index //= 2
        return tuple(path)

    def claim(self, index: int) -> RefundClaim:
        """The refund at a place with its proof.

        Raises:
            BadRefund: there is no such index.
        """
        proof = self.proof(index)
        leaf = self.leaves[index]
        return RefundClaim(self.incident, index, leaf.account, leaf.amount, proof)

    def verify(self, index: int, leaf: Refund, proof: Sequence[int]) -> bool:
        """Whether the leaf stands at the index under this root; False for anything else."""
        if not (0 <= index < self.count and 0 <= leaf.account < PRIME and 0 <= leaf.amount < PRIME):
            return False
        node, width, rest = self.leaf_hash(index, leaf), self.count, list(proof)
        while width > 1:
            if index ^ 1 < width:
                if not rest or not 0 <= rest[0] < PRIME:
                    return False
                other = rest.pop(0)
                node = poseidon_many([NODE, other, node] if index & 1 else [NODE, node, other])
            index, width = index // 2, (width + 1) // 2
        return not rest and poseidon_many([ROOT, self.count, self.total, node]) == self.root


def _node(below: Sequence[int], at: int) -> int:
    return poseidon_many([NODE, below[2 * at], below[2 * at + 1]])


def _each(count: int, one: Callable[[int], int]) -> list[int]:
    """`one` of 0 to count - 1. Many are shared by threads: the hash runs outside of the interpreter's lock."""
    if count < _SHARED:
        return [one(at) for at in range(count)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        parts = pool.map(
            lambda start: [one(at) for at in range(start, min(start + _PART, count))], range(0, count, _PART)
        )
        return [found for part in parts for found in part]


@dataclass(frozen=True, slots=True)
class RefundClaim:
    """A refund with its proof: all that is needed to be paid, or to check that it is right."""

    incident: int
    index: int
    account: int
    #: 1e-6 USD.
    amount: int
    proof: tuple[int, ...]

    def to_abi(self) -> dict[str, object]:
        """As one of a batch that `push` takes."""
        return {"index": self.index, "account": self.account, "amount": self.amount, "proof": self.proof}

    def to_json(self) -> dict[str, object]:
        """Plain JSON values: felts as hex, the amount as decimal digits, for no reader may round it."""
        return {
            "version": 1,
            "incident": hex(self.incident),
            "index": self.index,
            "account": hex(self.account),
            "amount": str(self.amount),
            "proof": [hex(sibling) for sibling in self.proof],
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> RefundClaim:
        """
        Raises:
            BadRefund: it is none that `to_json` made.
        """
        try:
            if fields["version"] != 1:
                raise BadRefund(f"a refund claim of version {fields['version']!r}, this reads version 1")
            return cls(
                incident=int(fields["incident"], 16),
                index=int(fields["index"]),
                account=int(fields["account"], 16),
                amount=int(fields["amount"]),
                proof=tuple(int(sibling, 16) for sibling in fields["proof"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, BadRefund):
                raise
            raise BadRefund(f"no refund claim: {error!r}") from error
