"""The STARK curve: its constants, which x are on it, and who does the arithmetic.

fast-stark-crypto (Rust) where it is installed, else starknet-py (C++ and Python, a few hundred times slower, for
platforms without a wheel). Both sign by plain RFC 6979, so they give the same signature bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from truemark.felt import PRIME

#: Order of the curve's group: private keys, r and s are below it.
EC_ORDER: Final = 0x800000000000010FFFFFFFFFFFFFFFFB781126DCAE7B2321E66A241ADC64D2F
#: y^2 = x^3 + x + BETA.
BETA: Final = 0x6F21413EFBE40DE150E596D72F7A8C5609AD26C15C915C1F4CDFCB99CEE9E89
#: Messages, r and the inverse of s are below it.
SIGNABLE_BOUND: Final = 2**251


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """One implementation. Its functions take what the callers in `signing` and `hashing` have checked: outside of that
    fast-stark-crypto panics with an error that is no `Exception`."""

    name: str
    #: (private key, message) -> (r, s), RFC 6979 without extra entropy.
    sign: Callable[[int, int], tuple[int, int]]
    #: (public key, message, r, s).
    verify: Callable[[int, int, int, int], bool]
    public_key: Callable[[int], int]
    pedersen: Callable[[int, int], int]


def fast() -> Arithmetic:
    """fast-stark-crypto.

    Raises:
        ImportError: it is not installed.
    """
    from fast_stark_crypto import get_public_key, pedersen_hash, sign, verify

    def sound_verify(public_key: int, msg_hash: int, r: int, s: int) -> bool:
        try:
            return bool(verify(public_key, msg_hash, r, s))
        except BaseException as error:
            # Where one of the two sums is the point at infinity the library panics, with an error that is no
            # Exception. Whoever has the key can make such an (r, s) for any message; it signs nothing.
            if type(error).__name__ != "PanicException":
                raise
            return False

    return Arithmetic("fast-stark-crypto", sign, sound_verify, get_public_key, pedersen_hash)


def portable() -> Arithmetic:
    """starknet-py. Its import takes seconds, so it waits until this is called."""
    from starknet_py.hash.utils import (
        message_signature,
        pedersen_hash,
        private_to_stark_key,
        verify_message_signature,
    )

    def sign(private_key: int, msg_hash: int) -> tuple[int, int]:
        # Its default, seed=32, adds entropy and so gives another k and other bytes.
        r, s = message_signature(msg_hash, private_key, seed=None)
        return r, s

    def verify(public_key: int, msg_hash: int, r: int, s: int) -> bool:
        return bool(verify_message_signature(msg_hash, [r, s], public_key))

    return Arithmetic("starknet-py", sign, verify, private_to_stark_key, pedersen_hash)


def chosen() -> Arithmetic:
    """The fast one where it is installed."""
    try:
        return fast()
    except ImportError:
        return portable()


#: The one in use.
arithmetic: Final = chosen()


def is_on_curve(x: int) -> bool:
    """Whether `x` is the x of a point on the curve."""
    if not 0 < x < PRIME:
        return False
    # Euler's criterion; y = 0 has no point of this curve, whose group has prime order.
    return pow((x * x % PRIME * x + x + BETA) % PRIME, (PRIME - 1) // 2, PRIME) == 1
