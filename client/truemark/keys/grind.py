"""Grinding: an even choice of a STARK private key from a number of 256 bits."""

from __future__ import annotations

import hashlib
from typing import Final

from truemark.curve import EC_ORDER

#: The largest multiple of EC_ORDER that 256 bits hold: a digest at or above it is passed over, so that each key is as
#: likely as any other.
_BOUND: Final = 2**256 - 2**256 % EC_ORDER


def grind_key(seed: int) -> int:
    """The key of `grind`."""
    return grind(seed)[0]


def grind(seed: int) -> tuple[int, int]:
    """(key, index): sha256(seed, index) modulo the curve's order, for the first index from 0 that is not passed over.

    Seed and index are hashed in the fewest whole bytes that hold them (0: one byte), so leading zero bytes of the seed
    are dropped.

    Raises:
        ValueError: the seed is below 0.
    """
    if seed < 0:
        raise ValueError("the seed of a key is at least 0")
    prefix, index = _shortest(seed), 0
    while True:
        digest = int.from_bytes(hashlib.sha256(prefix + _shortest(index)).digest(), "big")
        if digest < _BOUND:
            return digest % EC_ORDER, index
        index += 1


def _shortest(value: int) -> bytes:
    return value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big")
