"""Amounts: exact both ways, and refused by name where they do not fit."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from truemark.units import (
    COLLATERAL_DECIMALS,
    I64_MAX,
    I64_MIN,
    I128_MAX,
    I128_MIN,
    PRICE_DECIMALS,
    SIZE_DECIMALS,
    U64_MAX,
    VALUE_DECIMALS,
    BadAmount,
    from_collateral,
    from_price,
    from_size,
    from_value,
    to_collateral,
    to_price,
    to_size,
)

KINDS: dict[str, tuple[Callable[[Any], int], Callable[[int], Decimal], int, int, int]] = {
    "price": (to_price, from_price, PRICE_DECIMALS, 1, U64_MAX),
    "size": (to_size, from_size, SIZE_DECIMALS, I64_MIN, I64_MAX),
    "collateral": (to_collateral, from_collateral, COLLATERAL_DECIMALS, I128_MIN, I128_MAX),
}
kinds = pytest.mark.parametrize("kind", KINDS)


@kinds
@given(data=st.data())
def test_every_unit_goes_out_and_comes_back(kind: str, data: st.DataObject) -> None:
    into, out_of, decimals, least, most = KINDS[kind]
    units = data.draw(st.one_of(st.integers(least, most), st.sampled_from([least, most])))
    amount = out_of(units)
    assert into(amount) == into(str(amount)) == into(f"{amount:f}") == units
    assert amount.as_tuple().exponent == -decimals
    # 3 digits: what a user's own context would round.
    with localcontext() as context:
        context.prec = 3
        assert into(out_of(units)) == units


@kinds
@given(data=st.data())
def test_one_digit_too_fine_is_refused_and_zeros_are_not(kind: str, data: st.DataObject) -> None:
    into, out_of, _, _, most = KINDS[kind]
    units = data.draw(st.integers(1, most))
    text = f"{out_of(units):f}"
    assert into(text + "0000") == units
    with pytest.raises(BadAmount, match="finer than"):
        into(text + data.draw(st.sampled_from("123456789")))


@kinds
def test_the_ends_of_the_range_fit_and_what_is_beyond_does_not(kind: str) -> None:
    into, out_of, _, least, most = KINDS[kind]
    assert into(out_of(least)) == least
    assert into(out_of(most)) == most
    for outside in (least - 1, most + 1):
        with pytest.raises(BadAmount, match="out of range"):
            into(out_of(outside))


@kinds
def test_a_huge_number_is_refused_at_once(kind: str) -> None:
    for amount in ("1E+1000000", "1E+99", "-1E+99999999", 10**60, 10**5000, "9" * 5000, "1." + "9" * 5000):
        with pytest.raises(BadAmount, match="out of range") as raised:
            KINDS[kind][0](amount)
        assert len(str(raised.value)) < 200


@kinds
@pytest.mark.parametrize("amount", ["1E-1000000", "1E-99", Decimal("1E-9"), "0.0000000001"])
def test_a_tiny_number_is_too_fine(kind: str, amount: Any) -> None:
    with pytest.raises(BadAmount, match="finer than"):
        KINDS[kind][0](amount)


@kinds
@pytest.mark.parametrize("amount", [1.5, 0.1, True, None, b"1", [1]])
def test_a_float_and_other_things_are_refused_by_type(kind: str, amount: Any) -> None:
    with pytest.raises(BadAmount, match="give a Decimal, an int or a string"):
        KINDS[kind][0](amount)


@kinds
@pytest.mark.parametrize("amount", ["", "abc", "1,5", "0x10", "1.2.3", "NaN", "sNaN", "Infinity", Decimal("-Infinity")])
def test_what_is_no_finite_number_is_refused(kind: str, amount: Any) -> None:
    with pytest.raises(BadAmount, match="is not a"):
        KINDS[kind][0](amount)


def test_a_price_is_never_zero() -> None:
    for zero in (0, "0", "-0", "0E+50", Decimal("0.000")):
        with pytest.raises(BadAmount, match="out of range"):
            to_price(zero)
        assert to_size(zero) == to_collateral(zero) == 0


def test_amounts_as_a_trader_writes_them() -> None:
    assert to_price("43500.5") == 4_350_050_000_000
    assert to_size("-0.001") == -100_000
    assert to_collateral(25) == 25_000_000
    assert from_value(-(10**16)) == -1
    assert str(from_price(1)) == "1E-8"
    assert f"{from_price(1):f}" == "0.00000001"
    assert VALUE_DECIMALS == PRICE_DECIMALS + SIZE_DECIMALS


@given(st.integers(I128_MIN, I128_MAX))
def test_a_value_keeps_every_digit(value: int) -> None:
    sign, digits, exponent = from_value(value).as_tuple()
    assert exponent == -VALUE_DECIMALS
    assert int("".join(map(str, digits))) * (-1 if sign else 1) == value


def test_a_bad_amount_is_a_value_error() -> None:
    with pytest.raises(ValueError, match=r"price 1\.5 is a float"):
        to_price(1.5)  # type: ignore[arg-type]
