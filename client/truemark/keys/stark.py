"""Who signs with a STARK key: a private key held here that does not show itself, or anything else that can answer for a
public key."""

from __future__ import annotations

import asyncio
import secrets
from typing import Protocol, Self, SupportsIndex

from truemark import signing
from truemark.curve import EC_ORDER
from truemark.errors import TruemarkError


class StarkSigner(Protocol):
    """A STARK key that signs hashes, wherever it is: a StarkKey, a hardware device, a key service."""

    @property
    def public_key(self) -> int:
        """The x of its point."""
        ...

    def sign(self, msg_hash: int) -> tuple[int, int]:
        """(r, s). It may take its time: it is called outside of the event loop unless it is a StarkKey."""
        ...


class BadStarkSignature(TruemarkError, ValueError):
    """A signer's answer is no signature of what it was asked to sign: nothing was sent.

    Attributes:
        public_key, msg_hash: the key that was asked, and for what.
    """

    def __init__(self, public_key: int, msg_hash: int) -> None:
        super().__init__(f"the signer of public key {public_key:#x} did not sign {msg_hash:#x} with that key")
        self.public_key = public_key
        self.msg_hash = msg_hash


async def sign_checked(signer: StarkSigner, msg_hash: int) -> tuple[int, int]:
    """A signature. One of a key that is not held in this process is waited for in a thread, and verified here before
    anybody else sees it.

    Raises:
        BadStarkSignature: it is by another key or of another message.
        BadMessage: the hash is not in [1, 2^251).
    """
    if isinstance(signer, StarkKey):
        return signer.sign(msg_hash)
    r, s = await asyncio.to_thread(signer.sign, msg_hash)
    if not signing.verify(signer.public_key, msg_hash, r, s):
        raise BadStarkSignature(signer.public_key, msg_hash)
    return r, s


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
