"""How a client shows whose account it speaks for: it signs the venue's challenge once and gets a short-lived token.

A signed order alone is no permission to place it: settlements publish orders with their signatures on chain, so anybody
could send one again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from truemark.felt import hex_of, selector, short_string
from truemark.hashing import poseidon_many
from truemark.orders import DOMAIN_NAME, DOMAIN_VERSION, domain_hash
from truemark.signing import check_private_key, sign
from truemark.wire.codec import COUNT, FELT, Record, text, wire

#: For good: wallets show it.
SESSION_TYPE: Final = (
    '"Session"("venue":"ContractAddress","account":"ContractAddress","nonce":"felt","expiry":"timestamp")'
)
SESSION_TYPE_HASH: Final = selector(SESSION_TYPE)
_PREFIX: Final = short_string("StarkNet Message")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChallengeRequest(Record):
    account: int = wire(FELT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge(Record):
    """What is to be signed. It is good for one token."""

    venue: int = wire(FELT)
    account: int = wire(FELT)
    nonce: int = wire(FELT)
    #: Unix seconds until which it must be answered.
    expiry: int = wire(COUNT)

    def hash(self, chain_id: int) -> int:
        """SNIP-12 revision 1, in the domain of orders."""
        message = poseidon_many((SESSION_TYPE_HASH, self.venue, self.account, self.nonce, self.expiry))
        return poseidon_many((_PREFIX, domain_hash(chain_id), self.account, message))

    def typed_data(self, chain_id: int) -> dict[str, Any]:
        """The same message for a wallet."""
        return {
            "types": {
                "StarknetDomain": [
                    {"name": name, "type": "shortstring"} for name in ("name", "version", "chainId", "revision")
                ],
                "Session": [
                    {"name": "venue", "type": "ContractAddress"},
                    {"name": "account", "type": "ContractAddress"},
                    {"name": "nonce", "type": "felt"},
                    {"name": "expiry", "type": "timestamp"},
                ],
            },
            "primaryType": "Session",
            "domain": {"name": DOMAIN_NAME, "version": DOMAIN_VERSION, "chainId": hex(chain_id), "revision": "1"},
            "message": {
                "venue": hex_of(self.venue),
                "account": hex_of(self.account),
                "nonce": hex_of(self.nonce),
                "expiry": str(self.expiry),
            },
        }

    def signed(self, private_key: int, public_key: int, chain_id: int) -> TokenRequest:
        """The answer with a raw key.

        Raises:
            BadKey: it is no private key.
        """
        check_private_key(private_key)
        r, s = sign(private_key, self.hash(chain_id))
        return TokenRequest(account=self.account, nonce=self.nonce, key=public_key, r=r, s=s)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequest(Record):
    """The signature by a trading key that the account registered, or by the account's own key."""

    account: int = wire(FELT)
    nonce: int = wire(FELT)
    key: int = wire(FELT)
    r: int = wire(FELT)
    s: int = wire(FELT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token(Record):
    """Goes into the header `Authorization: Bearer <token>` and into the stream's `login`."""

    token: str = wire(text(200), repr=False)
    #: Unix seconds. The venue forgets all tokens when it is started anew.
    expiry: int = wire(COUNT)
