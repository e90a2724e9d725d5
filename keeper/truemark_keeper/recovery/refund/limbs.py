"""Whole numbers of any width as columns of 64 bits: what every database adds exactly.

A number is cut into limbs of 28 bits from below and a signed rest on top. A sum of limbs stays within 64 bits for 2^34
rows, so the database adds the columns and the whole is put together afterwards. Nothing depends on a DECIMAL or HUGEINT
that one backend has, another cuts off, and a third turns into NULL.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from truemark.errors import TruemarkError

BITS: Final = 28
#: How many hold a size (i64), an amount of cash (i128, at most 2^100 / 1e10), a worth in 1e-24 USD (size x funding
#: index, at most 2^190).
SIZE: Final = 3
CASH: Final = 4
WORTH: Final = 8
_MASK: Final = (1 << BITS) - 1
_REST: Final = 1 << BITS


class TooWide(TruemarkError, OverflowError):
    """A number that the limbs cannot hold."""


def split(number: int, count: int) -> tuple[int, ...]:
    """The limbs, lowest first; all but the last from 0 up.

    Raises:
        TooWide: see the class.
    """
    rest = number >> BITS * (count - 1)
    found = [number >> BITS * place & _MASK for place in range(count - 1)]
    if not -_REST <= rest < _REST:
        raise TooWide(f"{number} does not fit {count} limbs of {BITS} bits")
    return (*found, rest)


def join(limbs: Iterable[int]) -> int:
    """The number of which these are the limbs, or sums of limbs."""
    return sum(int(limb) << (BITS * place) for place, limb in enumerate(limbs))


def columns(name: str, count: int) -> tuple[str, ...]:
    return tuple(f"{name}_{place}" for place in range(count))
