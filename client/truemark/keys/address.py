"""Where a contract will be: its address follows from its class, its constructor and its salt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from truemark.felt import short_string
from truemark.hashing import pedersen_many

_PREFIX: Final = short_string("STARKNET_CONTRACT_ADDRESS")
#: Addresses are below it.
_ADDRESS_BOUND: Final = 2**251 - 256


def contract_address(class_hash: int, constructor_calldata: Sequence[int], salt: int, deployer: int = 0) -> int:
    """The address of a contract; `deployer` is 0 for an account that deploys itself.

    Raises:
        BadFelt: one of the numbers is no felt.
    """
    constructor = pedersen_many(constructor_calldata)
    return pedersen_many([_PREFIX, deployer, salt, class_hash, constructor]) % _ADDRESS_BOUND


def account_address(public_key: int, class_hash: int, salt: int | None = None) -> int:
    """The address of an account whose constructor takes its public key, as OpenZeppelin's does; its salt is the public
    key too unless another is given.

    Raises:
        BadFelt: one of the numbers is no felt.
    """
    return contract_address(class_hash, [public_key], public_key if salt is None else salt)
