"""Amounts that only a trader meets: steps of price and size, and shares of the vault."""

from __future__ import annotations

from decimal import Context, Decimal
from fractions import Fraction
from math import ceil, floor
from typing import Literal

from truemark.units import Amount, BadAmount, from_price, from_size, to_price, to_size

#: The vault's shares have this many decimals: six more than the collateral.
SHARE_DECIMALS = 12
_SHARE_BOUND = 2**128
_EXACT = Context(prec=120)

Direction = Literal["down", "up", "nearest"]


class OffStep(BadAmount):
    """A price off the market's tick, or a size that is no whole number of lots.

    Attributes:
        value, step: as given, and the market's step.
    """

    def __init__(self, what: str, value: Decimal, step: Decimal) -> None:
        super().__init__(
            f"{what} {value} is no multiple of {step}: round it yourself, e.g. round_to({value}, {step}, 'nearest') = "
            f"{round_to(value, step, 'nearest')}"
        )
        self.value = value
        self.step = step


def round_to(value: Amount, step: Amount, direction: Direction) -> Decimal:
    """The multiple of `step` at or next to `value`: at most it, at least it, or the nearest (of two, the higher).

    Raises:
        BadAmount: one of the two is no finite number, or the step is not above 0.
    """
    number, unit = _finite(value), _finite(step)
    if unit <= 0:
        raise BadAmount(f"step {step} must be above 0")
    steps = Fraction(number) / Fraction(unit)
    if direction == "down":
        count = floor(steps)
    elif direction == "up":
        count = ceil(steps)
    else:
        count = floor(steps + Fraction(1, 2))
    return _EXACT.multiply(unit, Decimal(count))


def price_on_tick(price: Amount, tick_size: int) -> int:
    """A limit price as 1e-8 USD.

    Raises:
        OffStep: it is no multiple of `tick_size` (1e-8 USD).
        BadAmount: it is no price.
    """
    units = to_price(price)
    if units % tick_size:
        raise OffStep("price", from_price(units), from_price(tick_size))
    return units


def size_in_lots(size: Amount, lot_size: int) -> int:
    """An order's size as 1e-8 of the base asset.

    Raises:
        OffStep: it is no multiple of `lot_size` (1e-8 of the base asset).
        BadAmount: it is no size, or not above 0: the side says which way.
    """
    units = to_size(size)
    if units <= 0:
        raise BadAmount(f"size {size} must be above 0: the side says which way")
    if units % lot_size:
        raise OffStep("size", from_size(units), from_size(lot_size))
    return units


def to_shares(shares: Amount) -> int:
    """Shares of the vault in the token's unit, 1e-12.

    Raises:
        BadAmount: not above 0, finer than 1e-12, or out of range.
    """
    number = _finite(shares)
    units = Fraction(number) * 10**SHARE_DECIMALS
    if units.denominator != 1:
        raise BadAmount(f"shares {shares} are finer than 1e-{SHARE_DECIMALS}")
    if not 0 < units.numerator < _SHARE_BOUND:
        raise BadAmount(f"shares {shares} must be above 0 and below {from_shares(_SHARE_BOUND)}")
    return int(units.numerator)


def from_shares(units: int) -> Decimal:
    return Decimal((int(units < 0), tuple(map(int, str(abs(units)))), -SHARE_DECIMALS))


def _finite(value: Amount) -> Decimal:
    if isinstance(value, bool | float):
        raise BadAmount(f"{value!r} is a {type(value).__name__}: give a Decimal, an int or a string")
    try:
        number = Decimal(value)
    except ArithmeticError:
        raise BadAmount(f"{value!r} is not a number") from None
    # An exponent of a million would be expanded below.
    if not number.is_finite() or abs(number.adjusted()) > 60:
        raise BadAmount(f"{value} is out of range")
    return number
