"""Field elements: the prime, entry point selectors, short strings, and how a felt is written."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from Crypto.Hash import keccak

from truemark.errors import TruemarkError

#: A felt is an integer in [0, PRIME).
PRIME: Final = 2**251 + 17 * 2**192 + 1

_MASK_250: Final = 2**250 - 1
#: Entry points that the protocol itself names have the selector 0.
_DEFAULT_ENTRY_POINTS: Final = frozenset({"__default__", "__l1_default__"})
_SHORT_STRING_MAX: Final = 31


class BadFelt(TruemarkError, ValueError):
    """An integer that is no field element."""


class BadShortString(TruemarkError, ValueError):
    """A text that does not fit one felt, or a felt that holds no text."""


def felt(value: int) -> int:
    """`value`, known to be a felt.

    Raises:
        BadFelt: it is below 0 or at least PRIME.
    """
    if not 0 <= value < PRIME:
        raise BadFelt(f"{value:#x} is not a felt: it must be at least 0 and below {PRIME:#x}")
    return value


def starknet_keccak(data: bytes) -> int:
    """The low 250 bits of Keccak-256."""
    return int.from_bytes(keccak256(data), "big") & _MASK_250


def keccak256(data: bytes) -> bytes:
    return keccak.new(digest_bits=256, data=data).digest()


@lru_cache(maxsize=4096)
def selector(name: str) -> int:
    """The selector of the entry point or event `name`."""
    if name in _DEFAULT_ENTRY_POINTS:
        return 0
    return starknet_keccak(name.encode())


@lru_cache(maxsize=4096)
def short_string(text: str) -> int:
    """`text` as one felt, big-endian; the empty text is 0.

    Raises:
        BadShortString: longer than 31 characters, or not ASCII.
    """
    if len(text) > _SHORT_STRING_MAX:
        raise BadShortString(f"{text!r} has {len(text)} characters; one felt holds {_SHORT_STRING_MAX}")
    if not text.isascii():
        raise BadShortString(f"{text!r} is not ASCII")
    return int.from_bytes(text.encode("ascii"), "big")


def short_string_text(value: int) -> str:
    """The text in a felt; 0 is the empty text.

    Raises:
        BadShortString: more than 31 bytes, or not printable ASCII.
    """
    size = (value.bit_length() + 7) // 8
    if value < 0 or size > _SHORT_STRING_MAX:
        raise BadShortString(f"{value:#x} is not a short string: it has more than {_SHORT_STRING_MAX} bytes")
    data = value.to_bytes(size, "big")
    if not all(0x20 <= byte < 0x7F for byte in data):
        raise BadShortString(f"{value:#x} is not a short string: it is not printable ASCII")
    return data.decode("ascii")


def hex_of(value: int) -> str:
    """A felt as the RPC writes it: 0x, lower case, no leading zeros.

    Raises:
        BadFelt: it is no felt.
    """
    return hex(felt(value))
