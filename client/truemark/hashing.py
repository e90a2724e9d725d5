"""Poseidon and Pedersen, the hash functions of Starknet, over felts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from poseidon_py.c_bindings import hades_permutation

from truemark.curve import arithmetic
from truemark.felt import PRIME, felt


def poseidon_many(felts: Sequence[int]) -> int:
    """Poseidon of any number of felts, as `poseidon_hash_span` has it.

    Raises:
        BadFelt: one of them is no felt.
    """
    for value in felts:
        if not 0 <= value < PRIME:
            felt(value)
    # A 1, then a 0 if the count is then odd.
    padded = [*felts, 1, 0] if len(felts) % 2 == 0 else [*felts, 1]
    first = second = third = 0
    for index in range(0, len(padded), 2):
        first, second, third = hades_permutation([first + padded[index], second + padded[index + 1], third])
    return int(first)


def poseidon_hash(left: int, right: int) -> int:
    """Poseidon of exactly two felts, which is not that of a list of two.

    Raises:
        BadFelt: one of them is no felt.
    """
    return int(hades_permutation([felt(left), felt(right), 2])[0])


def pedersen(left: int, right: int) -> int:
    """Pedersen of two felts.

    Raises:
        BadFelt: one of them is no felt.
    """
    return arithmetic.pedersen(felt(left), felt(right))


def pedersen_many(felts: Iterable[int]) -> int:
    """h(...h(h(0, first), second)..., count): what addresses and older messages are hashed with.

    Raises:
        BadFelt: one of them is no felt.
    """
    result = count = 0
    for value in felts:
        result = pedersen(result, value)
        count += 1
    return pedersen(result, count)
