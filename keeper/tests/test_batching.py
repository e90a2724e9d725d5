"""Batches follow their gas: as large as the last ones allow, smaller after one that ran out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from truemark_keeper.batching import Batches, for_want_of_gas


@given(st.integers(1, 50), st.integers(10**6, 10**9), st.integers(10**5, 10**7), st.integers(0, 10**6))
def test_the_next_batch_stays_below_the_gas(first: int, gas: int, each: int, base: int) -> None:
    """Where every liquidation costs the same, and every batch something on top."""
    batches = Batches(first, gas)
    assert batches.size == first
    for _ in range(4):
        size = batches.size
        batches.took(size, base + size * each)
        assert batches.size == 1 or base + batches.size * each <= gas + base


def test_a_batch_without_liquidations_teaches_nothing() -> None:
    batches = Batches(20, 600)
    batches.took(0, 5)
    batches.took(20, 0)
    assert batches.size == 20


def test_what_was_refused_makes_the_next_one_smaller() -> None:
    batches = Batches(20, 600)
    batches.took(10, 200)
    assert batches.size == 30


def test_one_that_ran_out_is_halved_down_to_one() -> None:
    batches = Batches(5, 600)
    for expected in (2, 1, 1):
        batches.ran_out(batches.size)
        assert batches.size == expected


def test_only_gas_is_want_of_gas() -> None:
    assert for_want_of_gas("Insufficient max L2Gas: max amount: 100, actual used: 200")
    assert for_want_of_gas("Out of gas")
    assert not for_want_of_gas("MODE: not allowed")
    assert not for_want_of_gas(None)


def test_sizes_are_at_least_one() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Batches(0, 1)
