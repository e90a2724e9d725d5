"""Keys: a STARK key from an Ethereum key or of its own, who signs with an Ethereum key, and the addresses that follow.

`truemark.keys.paradex`, `.extended` and `.dydx` hold those venues' own derivations and messages.
"""

from truemark.keys.address import account_address, contract_address
from truemark.keys.derivation import derive, derive_in_thread
from truemark.keys.ethereum import (
    BadEthKey,
    BadSignature,
    EthSigner,
    LocalEthSigner,
    NotDeterministic,
    SignerRefused,
    SignerTimeout,
    WrongSigner,
)
from truemark.keys.grind import grind_key
from truemark.keys.stark import BadStarkSignature, StarkKey, StarkSigner, sign_checked

__all__ = [
    "BadEthKey",
    "BadSignature",
    "BadStarkSignature",
    "EthSigner",
    "LocalEthSigner",
    "NotDeterministic",
    "SignerRefused",
    "SignerTimeout",
    "StarkKey",
    "StarkSigner",
    "WrongSigner",
    "account_address",
    "contract_address",
    "derive",
    "derive_in_thread",
    "grind_key",
    "sign_checked",
]
