"""Signatures on the STARK curve: deterministic (RFC 6979), the same bytes from either implementation in `curve`."""

from __future__ import annotations

from truemark.curve import EC_ORDER, SIGNABLE_BOUND, arithmetic, is_on_curve
from truemark.errors import TruemarkError


class BadKey(TruemarkError, ValueError):
    """A number that is no private key. The message never shows it."""


class BadMessage(TruemarkError, ValueError):
    """A hash that cannot be signed."""


def sign(private_key: int, msg_hash: int) -> tuple[int, int]:
    """(r, s) of `msg_hash`.

    Raises:
        BadKey: the private key is not in [1, EC_ORDER).
        BadMessage: the hash is not in [1, 2^251). Of 0 anyone can make a signature for any key.
    """
    check_private_key(private_key)
    if not 1 <= msg_hash < SIGNABLE_BOUND:
        raise BadMessage(f"a message hash is at least 1 and below 2^251; this is {msg_hash:#x}")
    return arithmetic.sign(private_key, msg_hash)


def public_key(private_key: int) -> int:
    """The x of the key's point.

    Raises:
        BadKey: the private key is not in [1, EC_ORDER).
    """
    check_private_key(private_key)
    return arithmetic.public_key(private_key)


def verify(public_key: int, msg_hash: int, r: int, s: int) -> bool:
    """Whether (r, s) signs `msg_hash`. What is out of range or off the curve signs nothing."""
    if not (1 <= msg_hash < SIGNABLE_BOUND and 1 <= r < SIGNABLE_BOUND and 1 <= s < EC_ORDER):
        return False
    return is_on_curve(public_key) and arithmetic.verify(public_key, msg_hash, r, s)


def check_private_key(private_key: int) -> None:
    """
    Raises:
        BadKey: it is not in [1, EC_ORDER).
    """
    if not 1 <= private_key < EC_ORDER:
        raise BadKey("a private key is at least 1 and below the order of the STARK curve; this one is not")
