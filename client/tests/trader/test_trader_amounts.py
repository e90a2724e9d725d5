"""Steps of price and size: nothing is rounded unless it was asked for."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from truemark.trader import OffStep, from_shares, round_to, to_shares
from truemark.trader.amounts import price_on_tick, size_in_lots
from truemark.units import BadAmount

AMOUNTS = st.decimals(min_value=-(10**12), max_value=10**12, allow_nan=False, allow_infinity=False, places=10)
STEPS = st.sampled_from([Decimal(1), Decimal("0.1"), Decimal("0.00001"), Decimal("0.25"), Decimal(5), Decimal("0.03")])


@given(AMOUNTS, STEPS)
def test_rounding_goes_to_the_step_next_to_the_value(value: Decimal, step: Decimal) -> None:
    down, up, nearest = (round_to(value, step, direction) for direction in ("down", "up", "nearest"))
    for rounded in (down, up, nearest):
        assert (Fraction(rounded) / Fraction(step)).denominator == 1
    assert down <= value <= up
    assert Fraction(up) - Fraction(down) in (0, Fraction(step))
    assert nearest in (down, up)
    assert abs(Fraction(nearest) - Fraction(value)) * 2 <= Fraction(step)


def test_of_two_nearest_steps_it_is_the_higher() -> None:
    assert round_to("0.5", 1, "nearest") == 1
    assert round_to("-0.5", 1, "nearest") == 0


@pytest.mark.parametrize("value", [1.5, True, "x", Decimal("NaN"), Decimal("1e999999")])
def test_what_is_no_number_is_not_rounded(value: Any) -> None:
    with pytest.raises(BadAmount):
        round_to(value, 1, "down")


@pytest.mark.parametrize("step", [0, -1, "0"])
def test_a_step_is_above_zero(step: Any) -> None:
    with pytest.raises(BadAmount, match="above 0"):
        round_to(1, step, "down")


def test_a_price_off_the_tick_names_the_nearest_one() -> None:
    assert price_on_tick("95480.1", 10_000_000) == 9_548_010_000_000
    with pytest.raises(OffStep, match=r"price 95480.15000000 is no multiple of 0.10000000.*= 95480.2") as refused:
        price_on_tick("95480.15", 10_000_000)
    assert (refused.value.value, refused.value.step) == (Decimal("95480.15"), Decimal("0.1"))
    assert isinstance(refused.value, ValueError)


@pytest.mark.parametrize("size", ["0", "-1"])
def test_a_size_is_above_zero(size: str) -> None:
    with pytest.raises(BadAmount, match="the side says which way"):
        size_in_lots(size, 1)


def test_a_size_that_is_no_whole_number_of_lots_is_refused() -> None:
    assert size_in_lots("0.0003", 10_000) == 30_000
    with pytest.raises(OffStep, match="size"):
        size_in_lots("0.00035", 10_000)


@given(st.integers(1, 2**128 - 1))
def test_shares_go_out_and_in_unchanged(units: int) -> None:
    assert to_shares(from_shares(units)) == units


@pytest.mark.parametrize("shares", ["0", "-1", "0.0000000000001", 2**90, 1.0])
def test_shares_that_are_none_are_refused(shares: Any) -> None:
    with pytest.raises(BadAmount):
        to_shares(shares)
