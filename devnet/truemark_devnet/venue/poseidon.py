"""Poseidon's permutation over Starknet's field: with GMP's integers faster than the C library that the client ships.

Here only for the venue's rate of 1,000 orders a second (docs/venue.md); everything else calls the library.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from poseidon_py.c_bindings import hades_permutation
from truemark.felt import PRIME

from truemark_devnet.venue.integers import mpz

_FULL: Final = 8
_PARTIAL: Final = 83
_P: Final = mpz(PRIME)

State = tuple[int, int, int]


def _constants() -> tuple[State, ...]:
    """Three for each round, as Starknet defines them."""
    felts = [mpz(int.from_bytes(sha256(f"Hades{n}".encode()).digest(), "big") % PRIME) for n in range(3 * 91)]
    return tuple((felts[n], felts[n + 1], felts[n + 2]) for n in range(0, len(felts), 3))


_ROUNDS: Final = _constants()
_FIRST: Final = _ROUNDS[: _FULL // 2]
_LAST: Final = _ROUNDS[_FULL // 2 + _PARTIAL :]


def _compressed() -> tuple[tuple[int, ...], int, int]:
    """In a partial round only the third element is cubed, so the constants of the others can wait: what remains is one
    constant a round, and what is to be added to the first two at the end."""
    keys = []
    a = b = c = mpz(0)
    for round_ in _ROUNDS[_FULL // 2 : _FULL // 2 + _PARTIAL]:
        a, b = a + round_[0], b + round_[1]
        keys.append((c + round_[2]) % _P)
        a, b, c = (3 * a + b) % _P, (a - b) % _P, (a + b) % _P
    # What waits of the third is added with the first two.
    return (*keys, c), a, b


_KEYS, _REST_A, _REST_B = _compressed()
_REST_C: Final = _KEYS[-1]
_ROUND_KEYS: Final = _KEYS[:-1]


def by_library(a: int, b: int, c: int) -> State:
    """The permutation by the C library: the faster one where integers are Python's own."""
    first, second, third = hades_permutation([a % PRIME, b % PRIME, c % PRIME])
    return first, second, third


def by_integers(a: int, b: int, c: int) -> State:
    """The permutation; elements need not be reduced, and come back so that they are not either but the first."""
    p = _P
    for ka, kb, kc in _FIRST:
        a += ka
        b += kb
        c += kc
        a, b, c = a * a % p * a % p, b * b % p * b % p, c * c % p * c % p
        t = a + b + c
        a, b, c = t + a + a, t - b - b, t - c - c - c
    # a and b are at most tripled a round: 83 of them stay below 400 bits, cheaper than to reduce them each time.
    for k in _ROUND_KEYS:
        c += k
        c = c * c % p * c % p
        t = a + b
        a, b, c = t + a + a + c, a - b + c, t - c - c
    a += _REST_A
    b += _REST_B
    c += _REST_C
    a, b, c = a % p, b % p, c % p
    for ka, kb, kc in _LAST:
        a += ka
        b += kb
        c += kc
        a, b, c = a * a % p * a % p, b * b % p * b % p, c * c % p * c % p
        t = a + b + c
        a, b, c = t + a + a, t - b - b, t - c - c - c
    return a % p, b, c


#: The faster one here.
hades: Final = by_library if mpz is int else by_integers
