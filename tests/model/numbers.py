"""The arithmetic of the reference model: whole numbers, and rounding said in words."""

from __future__ import annotations

#: 1e-16 USD in one unit of collateral (1e-6 USD), and in one USD.
COLLATERAL = 10**10
USD = 10**16
#: Units of size in one whole base unit.
ONE = 10**8
BPS = 10**4


def up(value: int, divisor: int) -> int:
    """Rounded toward plus infinity."""
    return -(-value // divisor)


def down(value: int, divisor: int) -> int:
    """Rounded toward minus infinity."""
    return value // divisor


def within(value: int, base: int, bps: int) -> bool:
    """Whether `value` is at most `bps` away from `base`, both ends included."""
    return abs(value - base) * BPS <= base * bps


def middle_two(values: list[int]) -> tuple[int, int]:
    """The two values in the middle; of an odd count twice the same."""
    ordered = sorted(values)
    return ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]


def median_with(values: list[int], third: int) -> int:
    """The median; of an even count that of the middle two and `third`."""
    low, high = middle_two(values)
    return sorted((low, high, third))[1]
