"""A stand-in for a hardware wallet, for tests: it answers late, asks its person, and can misbehave as real ones do."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from truemark.keys.ethereum import SECP256K1_ORDER, SignerRefused


@dataclass(eq=False)
class WalletDouble:
    """An EthSigner that behaves as a device on a cable. Signatures have the low s.

    Args:
        private_key: of secp256k1.
        delay: seconds that its person takes to press the button.
        refuses: whether that person says no.
        deterministic: False draws a new nonce for each signature, as threshold wallets do.
        high_s: gives the other of the two s that are valid.
        shows: the address that it claims to be; None: its own.
    """

    private_key: int = field(repr=False)
    delay: float = 0.0
    refuses: bool = False
    deterministic: bool = True
    high_s: bool = False
    shows: str | None = None
    #: What it was asked to sign.
    asked: list[dict[str, Any]] = field(default_factory=list, repr=False)

    @property
    def address(self) -> str:
        from eth_keys.main import KeyAPI

        own = KeyAPI().PrivateKey(self.private_key.to_bytes(32, "big")).public_key.to_checksum_address()
        return self.shows if self.shows is not None else str(own)

    def sign_typed_data(self, typed_data: dict[str, Any]) -> bytes:
        """
        Raises:
            SignerRefused: its person says no.
        """
        from eth_account.messages import encode_typed_data
        from eth_utils.crypto import keccak

        self.asked.append(typed_data)
        time.sleep(self.delay)
        if self.refuses:
            raise SignerRefused("rejected on the device")
        message = encode_typed_data(full_message=typed_data)
        digest = keccak(b"\x19" + message.version + message.header + message.body)
        r, s, odd = self._same(digest) if self.deterministic else self._another(digest)
        if self.high_s:
            s, odd = SECP256K1_ORDER - s, not odd
        return r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([27 + odd])

    def _same(self, digest: bytes) -> tuple[int, int, bool]:
        from eth_keys.main import KeyAPI

        signature = KeyAPI().PrivateKey(self.private_key.to_bytes(32, "big")).sign_msg_hash(digest)
        return signature.r, signature.s, bool(signature.v)

    def _another(self, digest: bytes) -> tuple[int, int, bool]:
        from eth_keys.backends.native.jacobian import fast_multiply
        from eth_keys.constants import SECPK1_G

        nonce = 1 + secrets.randbelow(SECP256K1_ORDER - 1)
        x, y = fast_multiply(SECPK1_G, nonce)
        s = pow(nonce, -1, SECP256K1_ORDER) * (int.from_bytes(digest, "big") + x * self.private_key) % SECP256K1_ORDER
        odd = bool(y % 2)
        return (x, s, odd) if s <= SECP256K1_ORDER // 2 else (x, SECP256K1_ORDER - s, not odd)
