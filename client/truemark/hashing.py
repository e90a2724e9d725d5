"""Poseidon and Pedersen, the hash functions of Starknet, over felts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from poseidon_py.c_bindings import hades_permutation

from truemark.curve import arithmetic
from truemark.felt import PRIME, felt

#: What a sponge holds between two felts that it takes in.
Sponge = tuple[int, int, int]
_EMPTY: Final[Sponge] = (0, 0, 0)


def poseidon_many(felts: Sequence[int], after: Sponge = _EMPTY) -> int:
    """Poseidon of any number of felts, as `poseidon_hash_span` has it.

    Args:
        after: the sponge that took in the felts before these (`poseidon_begun`), where many hashes begin alike.

    Raises:
        BadFelt: one of them is no felt.
    """
    # A 1, then a 0 if the count is then odd.
    padding = (1, 0) if len(felts) % 2 == 0 else (1,)
    return int(_taken_in(after, _checked(felts), padding)[0])


def poseidon_begun(felts: Sequence[int]) -> Sponge:
    """The sponge that has taken in an even number of felts.

    Raises:
        BadFelt: one of them is no felt.
        ValueError: their number is odd.
    """
    if len(felts) % 2:
        raise ValueError(f"a sponge takes in felts by twos, not {len(felts)}")
    return _taken_in(_EMPTY, _checked(felts), ())


def _checked(felts: Sequence[int]) -> Sequence[int]:
    for value in felts:
        if not 0 <= value < PRIME:
            felt(value)
    return felts


def _taken_in(sponge: Sponge, felts: Sequence[int], padding: Sequence[int]) -> Sponge:
    all_of_them = [*felts, *padding]
    first, second, third = sponge
    for index in range(0, len(all_of_them), 2):
        first, second, third = hades_permutation([first + all_of_them[index], second + all_of_them[index + 1], third])
    return first, second, third


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
