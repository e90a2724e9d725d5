"""Units at the edge of the SDK: `Decimal` outside, `int` inside, exact both ways. The mirror of `units.cairo`.

What does not fit the unit raises; nothing is rounded, and a float is refused because it cannot say what was meant.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Final

from truemark.errors import TruemarkError

#: A price is a count of 1e-8 USD for one whole base unit.
PRICE_DECIMALS: Final = 8
#: A size is a count of 1e-8 of the base asset; long > 0.
SIZE_DECIMALS: Final = 8
#: Collateral is a count of 1e-6 USD, the token's own unit.
COLLATERAL_DECIMALS: Final = 6
#: A value, size x price, is a count of 1e-16 USD.
VALUE_DECIMALS: Final = 16

PRICE_SCALE: Final = 10**PRICE_DECIMALS
SIZE_SCALE: Final = 10**SIZE_DECIMALS
COLLATERAL_SCALE: Final = 10**COLLATERAL_DECIMALS
VALUE_SCALE: Final = 10**VALUE_DECIMALS

#: 1e-16 USD in one unit of collateral.
VALUE_PER_COLLATERAL: Final = 10_000_000_000
#: Basis points in one, parts per million in one.
BPS: Final = 10_000
PPM: Final = 1_000_000
#: Seconds that a funding rate is quoted for.
FUNDING_PERIOD: Final = 28_800
#: Largest |value| of one position; 1e-16 USD.
MAX_POSITION_VALUE: Final = 2**100
#: Open markets of one account.
MAX_OPEN_MARKETS: Final = 20

U16_MAX: Final = 2**16 - 1
U32_MAX: Final = 2**32 - 1
U64_MAX: Final = 2**64 - 1
U128_MAX: Final = 2**128 - 1
I64_MIN: Final = -(2**63)
I64_MAX: Final = 2**63 - 1
I128_MIN: Final = -(2**127)
I128_MAX: Final = 2**127 - 1

#: What an amount may be given as.
Amount = Decimal | int | str

# More digits than any unit holds: beyond this a huge exponent is refused before it is expanded.
_MAX_DIGITS = 60


class BadAmount(TruemarkError, ValueError):
    """An amount that its unit cannot hold: not a number, too fine, or out of range."""


def to_price(amount: Amount) -> int:
    """USD for one whole base unit, as 1e-8 USD.

    Raises:
        BadAmount: not a number, finer than 1e-8, not above 0, or beyond u64.
    """
    return _to_unit("price", amount, PRICE_DECIMALS, 1, U64_MAX)


def to_size(amount: Amount) -> int:
    """Base units, as 1e-8 of one; below 0 for a short position.

    Raises:
        BadAmount: not a number, finer than 1e-8, or beyond i64.
    """
    return _to_unit("size", amount, SIZE_DECIMALS, I64_MIN, I64_MAX)


def to_collateral(amount: Amount) -> int:
    """USD, as 1e-6 USD.

    Raises:
        BadAmount: not a number, finer than 1e-6, or beyond i128.
    """
    return _to_unit("collateral", amount, COLLATERAL_DECIMALS, I128_MIN, I128_MAX)


def from_price(price: int) -> Decimal:
    """1e-8 USD, as USD for one whole base unit."""
    return _from_unit(price, PRICE_DECIMALS)


def from_size(size: int) -> Decimal:
    """1e-8 of the base asset, as base units."""
    return _from_unit(size, SIZE_DECIMALS)


def from_collateral(collateral: int) -> Decimal:
    """1e-6 USD, as USD."""
    return _from_unit(collateral, COLLATERAL_DECIMALS)


def from_value(value: int) -> Decimal:
    """1e-16 USD, as USD."""
    return _from_unit(value, VALUE_DECIMALS)


def decimal_text(amount: Decimal) -> str:
    """Every digit, without exponent and without zeros at the end."""
    text = f"{amount:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def _to_unit(name: str, amount: object, decimals: int, least: int, most: int) -> int:
    number = _decimal(name, amount)
    sign, digits, exponent = number.as_tuple()
    shown = str(number) if len(digits) <= _MAX_DIGITS else "of so many digits"
    if not isinstance(exponent, int):
        raise BadAmount(f"{name} {shown} is not a finite number")
    if len(digits) > _MAX_DIGITS + decimals:
        raise BadAmount(f"{name} {shown} is out of range or finer than 1e-{decimals}")
    # By hand: Decimal's own arithmetic rounds to the precision of the caller's context.
    whole = int("".join(map(str, digits)))
    shift = exponent + decimals
    if whole == 0:
        units = 0
    elif shift >= 0:
        if len(digits) + shift > _MAX_DIGITS:
            raise BadAmount(f"{name} {shown} is out of range")
        units = whole * 10**shift
    else:
        # A number with fewer digits than are to be cut off cannot end in that many zeros.
        units, rest = divmod(whole, 10**-shift) if -shift < len(digits) else (0, whole)
        if rest:
            raise BadAmount(f"{name} {shown} is finer than 1e-{decimals}")
    if sign:
        units = -units
    if not least <= units <= most:
        raise BadAmount(
            f"{name} {shown} is out of range: {_from_unit(least, decimals):f} to {_from_unit(most, decimals):f}"
        )
    return units


def _decimal(name: str, amount: object) -> Decimal:
    if isinstance(amount, Decimal):
        return amount
    if isinstance(amount, int) and not isinstance(amount, bool):
        return Decimal(amount)
    if isinstance(amount, str):
        try:
            return Decimal(amount)
        except InvalidOperation:
            raise BadAmount(f"{name} {amount[:_MAX_DIGITS]!r} is not a number") from None
    raise BadAmount(f"{name} {amount!r} is a {type(amount).__name__}; give a Decimal, an int or a string")


def _from_unit(units: int, decimals: int) -> Decimal:
    return Decimal((int(units < 0), tuple(map(int, str(abs(units)))), -decimals))
