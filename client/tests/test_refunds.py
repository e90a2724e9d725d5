"""The refund tree: every leaf is proven at its own place, and nothing else is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from truemark.refunds import BadRefund, Refund, RefundTree

LEAVES = st.lists(st.builds(Refund, st.integers(1, 2**250), st.integers(1, 10**15)), min_size=1, max_size=20)


def tree(leaves: list[Refund], incident: int = 7) -> RefundTree:
    return RefundTree(1, 2, incident, leaves)


@given(LEAVES)
def test_every_leaf_is_proven_at_its_place_only(leaves: list[Refund]) -> None:
    built = tree(leaves)
    assert built.root == tree(leaves).root
    for index, leaf in enumerate(leaves):
        proof = built.proof(index)
        assert built.verify(index, leaf, proof)
        assert not built.verify(index, Refund(leaf.account, leaf.amount + 1), proof)
        assert not built.verify(index, leaf, (*proof, 0))
        assert not any(built.verify(other, leaf, proof) for other in range(-1, len(leaves) + 1) if other != index)


@given(LEAVES)
def test_a_repeated_last_leaf_or_another_incident_gives_another_root(leaves: list[Refund]) -> None:
    assert tree(leaves).root != tree([*leaves, leaves[-1]]).root
    assert tree(leaves).root != tree(leaves, incident=8).root


@pytest.mark.parametrize("leaves", [[], [Refund(0, 1)], [Refund(1, 0)], [Refund(1, 2**127)], [Refund(1, 2**126)] * 2])
def test_what_no_tree_can_hold_is_refused(leaves: list[Refund]) -> None:
    with pytest.raises(BadRefund):
        tree(leaves)


def test_there_is_no_proof_past_the_end() -> None:
    with pytest.raises(BadRefund):
        tree([Refund(1, 1)]).proof(1)
