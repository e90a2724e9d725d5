"""A STARK private key that does not show itself."""

from __future__ import annotations

import secrets
from typing import Self, SupportsIndex

from truemark import signing
from truemark.curve import EC_ORDER


class StarkKey:
    """A private key. It signs, and it never shows: not in repr, not in an error, not by pickle or a copy of its state.

    `reveal` is the one way to the number.
    """

    __slots__ = ("__private", "_public_key")

    __private: int
    _public_key: int

    def __init__(self, private_key: int) -> None:
        """
        Raises:
            BadKey: not in [1, EC_ORDER).
        """
        self._public_key = signing.public_key(private_key)
        self.__private = private_key

    @classmethod
    def from_private(cls, private_key: int) -> Self:
        """
        Raises:
            BadKey: not in [1, EC_ORDER).
        """
        return cls(private_key)

    @classmethod
    def random(cls) -> Self:
        """A new key from the system's randomness."""
        return cls(1 + secrets.randbelow(EC_ORDER - 1))

    @property
    def public_key(self) -> int:
        """The x of its point."""
        return self._public_key

    def sign(self, msg_hash: int) -> tuple[int, int]:
        """(r, s).

        Raises:
            BadMessage: the hash is not in [1, 2^251).
        """
        return signing.sign(self.__private, msg_hash)

    def reveal(self) -> int:
        """The private key itself, to be stored encrypted."""
        return self.__private

    def __repr__(self) -> str:
        return f"StarkKey(public_key={self._public_key:#x}, private_key=<hidden>)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StarkKey) and self._public_key == other._public_key

    def __hash__(self) -> int:
        return hash((StarkKey, self._public_key))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[object, ...]:
        raise TypeError("a StarkKey is not pickled: that would write the private key out")

    def __getstate__(self) -> object:
        raise TypeError("a StarkKey does not give its state: that would show the private key")
