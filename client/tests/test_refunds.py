"""The tree of an incident's refunds: each leaf has one proof, and nothing else has any."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from truemark.felt import PRIME
from truemark.hashing import poseidon_many
from truemark.refunds import LEAF, MAX_AMOUNT, NODE, ROOT, BadRefund, Refund, RefundClaim, RefundTree

CHAIN, DISTRIBUTOR, INCIDENT = 0x534E, 0xD15, 0x1C1


def refund_lists(most: int = 9) -> st.SearchStrategy[list[Refund]]:
    one = st.builds(Refund, st.integers(1, PRIME - 1), st.integers(1, 2**64))
    return st.lists(one, min_size=1, max_size=most)


def tree(leaves: list[Refund]) -> RefundTree:
    return RefundTree(CHAIN, DISTRIBUTOR, INCIDENT, leaves)


@settings(max_examples=25)
@given(refund_lists())
def test_every_leaf_stands_where_it_is_and_nowhere_else(leaves: list[Refund]) -> None:
    made = tree(leaves)
    assert made.total == sum(leaf.amount for leaf in leaves)
    for index, leaf in enumerate(leaves):
        proof = made.proof(index)
        assert made.verify(index, leaf, proof)
        assert not made.verify(index, Refund(leaf.account, leaf.amount + 1), proof)
        assert not made.verify(index, Refund(leaf.account % (PRIME - 1) + 1, leaf.amount), proof)
        assert not made.verify(index, leaf, (*proof, 0))
        assert not made.verify(made.count, leaf, proof)
        if proof:
            assert not made.verify(index ^ 1, leaf, proof)
            assert not made.verify(index, leaf, proof[:-1])
            assert not made.verify(index, leaf, (proof[0] ^ 1, *proof[1:]))


@settings(max_examples=25)
@given(refund_lists(), st.data())
def test_the_root_is_of_these_leaves_in_this_order_here(leaves: list[Refund], data: st.DataObject) -> None:
    root = tree(leaves).root
    assert tree(list(leaves)).root == root
    at = data.draw(st.integers(0, len(leaves) - 1))
    changed = [*leaves[:at], Refund(leaves[at].account, leaves[at].amount + 1), *leaves[at + 1 :]]
    assert tree(changed).root != root
    assert tree([*leaves, leaves[-1]]).root != root
    if leaves[::-1] != leaves:
        assert tree(leaves[::-1]).root != root
    for where in ((CHAIN + 1, DISTRIBUTOR, INCIDENT), (CHAIN, DISTRIBUTOR + 1, INCIDENT), (CHAIN, DISTRIBUTOR, 2)):
        assert RefundTree(*where, leaves).root != root


def test_the_shape_is_the_one_that_is_documented() -> None:
    leaves = [Refund(0x1000 + index, 10 * index + 1) for index in range(3)]
    made = tree(leaves)
    one, two, three = (
        poseidon_many([LEAF, poseidon_many([CHAIN, DISTRIBUTOR, INCIDENT, index, leaf.account, leaf.amount])])
        for index, leaf in enumerate(leaves)
    )
    pair = poseidon_many([NODE, one, two])
    assert made.root == poseidon_many([ROOT, 3, 33, poseidon_many([NODE, pair, three])])
    assert (made.proof(0), made.proof(1), made.proof(2)) == ((two, three), (one, three), (pair,))
    alone = tree(leaves[:1])
    assert (alone.root, alone.proof(0)) == (poseidon_many([ROOT, 1, 1, one]), ())


@pytest.mark.parametrize("index", [-1, 3])
def test_beyond_the_tree_there_is_no_proof(index: int) -> None:
    with pytest.raises(BadRefund, match=f"no refund {index} in a tree of 3"):
        tree([Refund(1, 1)] * 3).proof(index)


@pytest.mark.parametrize(
    ("leaves", "reason"),
    [
        ([], "1 to"),
        ([Refund(0, 1)], "refund 0"),
        ([Refund(1, 1), Refund(PRIME, 1)], "refund 1"),
        ([Refund(1, 0)], "refund 0"),
        ([Refund(1, MAX_AMOUNT + 1)], "refund 0"),
        ([Refund(1, MAX_AMOUNT), Refund(1, 1)], "total"),
    ],
)
def test_what_no_tree_can_hold_is_refused(leaves: list[Refund], reason: str) -> None:
    with pytest.raises(BadRefund, match=reason):
        tree(leaves)


@pytest.mark.parametrize("where", [(PRIME, 1, 1), (1, 0, 1), (1, 1, 0), (-1, 1, 1), (1, PRIME, 1)])
def test_a_tree_is_of_one_place(where: tuple[int, int, int]) -> None:
    with pytest.raises(BadRefund, match="felts"):
        RefundTree(*where, [Refund(1, 1)])


def test_a_claim_survives_a_file() -> None:
    made = tree([Refund(0x1000 + index, 10 * index + 1) for index in range(5)])
    claim = made.claim(4)
    assert made.verify(claim.index, Refund(claim.account, claim.amount), claim.proof)
    assert RefundClaim.from_json(json.loads(json.dumps(claim.to_json()))) == claim
    assert claim.to_abi() == {"index": 4, "account": 0x1004, "amount": 41, "proof": made.proof(4)}


@pytest.mark.parametrize(
    "change", [{"version": 2}, {"amount": "1.5"}, {"amount": None}, {"proof": 7}, {"proof": ["x"]}, {"account": "me"}]
)
def test_a_file_that_is_no_claim_is_refused(change: dict[str, Any]) -> None:
    fields = tree([Refund(1, 1)]).claim(0).to_json()
    with pytest.raises(BadRefund):
        RefundClaim.from_json({**fields, **change})
    missing = next(iter(change))
    with pytest.raises(BadRefund, match=missing):
        RefundClaim.from_json({name: value for name, value in fields.items() if name != missing})
