"""The STARK keys of dYdX v3: from the whole signature, without grinding."""

from __future__ import annotations

from typing import Any, Final

from truemark.felt import keccak256
from truemark.keys.ethereum import EthSigner, sign_twice
from truemark.keys.stark import StarkKey

DOMAIN_NAME: Final = "dYdX"
DOMAIN_VERSION: Final = "1.0"
ACTION: Final = "dYdX STARK Key"
#: Signed on mainnet only, so that a page elsewhere cannot ask for the same message.
ONLY_SIGN_ON: Final = "https://trade.dydx.exchange"
MAINNET: Final = 1
#: The last of 66 bytes: the message was hashed as it is, without a prefix.
_NO_PREFIX: Final = b"\x00"


def typed_data(chain_id: int) -> dict[str, Any]:
    """What the Ethereum key signs on the L1 `chain_id`."""
    names = ["action", "onlySignOn"] if chain_id == MAINNET else ["action"]
    values = {"action": ACTION, "onlySignOn": ONLY_SIGN_ON}
    return {
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"},
                {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"},
            ],
            "dYdX": [{"name": name, "type": "string"} for name in names],
        },
        "primaryType": "dYdX",
        "domain": {"name": DOMAIN_NAME, "version": DOMAIN_VERSION, "chainId": chain_id},
        "message": {name: values[name] for name in names},
    }


def typed_signature(signature: bytes) -> bytes:
    """The 66 bytes that dYdX made of a signature of 65."""
    return signature + _NO_PREFIX


def derive(signer: EthSigner, chain_id: int) -> StarkKey:
    """The dYdX v3 key of an Ethereum account.

    Raises:
        NotDeterministic, WrongSigner, BadSignature: as `truemark.keys.derive`.
    """
    signature = sign_twice(signer, typed_data(chain_id))
    return StarkKey(int.from_bytes(keccak256(typed_signature(signature)), "big") >> 5)
