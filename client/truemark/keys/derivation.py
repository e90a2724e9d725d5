"""The STARK key that belongs to an Ethereum key on Truemark, by Paradex's algorithm under Truemark's own domain."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from truemark.errors import TruemarkError
from truemark.keys.ethereum import EthSigner, LocalEthSigner, SignerTimeout, sign_twice
from truemark.keys.grind import grind_key
from truemark.keys.stark import StarkKey

#: For good: another name or version would change everybody's keys.
DOMAIN_NAME: Final = "Truemark"
DOMAIN_VERSION: Final = "1"


def typed_data(chain_id: int, *, name: str = DOMAIN_NAME, version: str = DOMAIN_VERSION) -> dict[str, Any]:
    """What the Ethereum key signs; `chain_id` is that of L1."""
    return {
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"},
                {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"},
            ],
            "Constant": [{"name": "action", "type": "string"}],
        },
        "primaryType": "Constant",
        "domain": {"name": name, "chainId": chain_id, "version": version},
        "message": {"action": "STARK Key"},
    }


def derive(signer: EthSigner, chain_id: int) -> StarkKey:
    """The STARK key of an Ethereum account; `chain_id` is that of L1, and another one gives another key.

    Raises:
        NotDeterministic: the signer signs differently each time, so the key could not be found again.
        WrongSigner: the signature is not by the signer's address.
        BadSignature: it is no signature.
    """
    return key_of(sign_twice(signer, typed_data(chain_id)))


async def derive_in_thread(signer: EthSigner, chain_id: int, timeout: float | None = None) -> StarkKey:
    """As `derive`, without holding up the event loop while a person confirms on a device.

    Raises:
        SignerTimeout: no answer within `timeout` seconds.
        SignerRefused, NotDeterministic, WrongSigner, BadSignature
    """
    if isinstance(signer, LocalEthSigner):
        return derive(signer, chain_id)
    try:
        return await asyncio.wait_for(asyncio.to_thread(derive, signer, chain_id), timeout)
    except TimeoutError as error:
        if isinstance(error, TruemarkError):
            raise
        raise SignerTimeout(f"{signer.address} did not sign within {timeout:g} s") from None


def key_of(signature: bytes) -> StarkKey:
    """The key that is ground from r, the first 32 bytes of a signature."""
    return StarkKey(grind_key(int.from_bytes(signature[:32], "big")))
