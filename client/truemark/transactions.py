"""Transactions of version 3: what is signed, and how the RPC (0.10) wants it.

Each function gives the hash to sign and the transaction without its signature; `with_signature` adds that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from truemark.errors import TruemarkError
from truemark.felt import short_string
from truemark.hashing import poseidon_many
from truemark.units import U64_MAX, U128_MAX

_INVOKE: Final = short_string("invoke")
_DECLARE: Final = short_string("declare")
_DEPLOY_ACCOUNT: Final = short_string("deploy_account")
_L1_GAS: Final = short_string("L1_GAS") << 192
_L2_GAS: Final = short_string("L2_GAS") << 192
_L1_DATA_GAS: Final = short_string("L1_DATA") << 192
_VERSION: Final = 3
#: Both data availability modes: L1.
_DATA_ON_L1: Final = 0
_EMPTY: Final = poseidon_many([])


class BadFees(TruemarkError, ValueError):
    """A bound or tip that a transaction cannot carry."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a contract, already encoded."""

    to: int
    selector: int
    calldata: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Bound:
    """The most of one resource (u64) and the most for one unit of it (u128), in FRI."""

    max_amount: int
    max_price: int

    def __post_init__(self) -> None:
        if not (0 <= self.max_amount <= U64_MAX and 0 <= self.max_price <= U128_MAX):
            raise BadFees(f"{self.max_amount} at {self.max_price} FRI is no bound: it must fit u64 and u128")


@dataclass(frozen=True, slots=True)
class Fees:
    """Bounds of a V3 transaction. The tip, FRI for one unit of L2 gas, comes on top of the L2 gas price."""

    l1_gas: Bound
    l1_data_gas: Bound
    l2_gas: Bound
    tip: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.tip <= U64_MAX:
            raise BadFees(f"a tip of {self.tip} FRI does not fit u64")

    @property
    def most(self) -> int:
        """The most that the transaction can cost, FRI."""
        bounds = (self.l1_gas, self.l1_data_gas, self.l2_gas)
        return sum(bound.max_amount * bound.max_price for bound in bounds) + self.l2_gas.max_amount * self.tip


def execute_calldata(calls: Sequence[Call]) -> list[int]:
    """What `__execute__` of a Cairo 1 account takes: Array<Call>."""
    data = [len(calls)]
    for call in calls:
        data += (call.to, call.selector, len(call.calldata))
        data += call.calldata
    return data


def invoke_v3(calls: Sequence[Call], sender: int, nonce: int, chain_id: int, fees: Fees) -> tuple[int, dict[str, Any]]:
    """The hash of an invoke, and the transaction for starknet_addInvokeTransaction without its signature.

    Raises:
        BadFelt: an address, a selector, calldata or the nonce is no felt.
    """
    calldata = execute_calldata(calls)
    tx_hash = poseidon_many(
        [*_common(_INVOKE, sender, nonce, chain_id, fees), _EMPTY, poseidon_many(calldata)],
    )
    return tx_hash, {
        "type": "INVOKE",
        "sender_address": hex(sender),
        "calldata": [hex(value) for value in calldata],
        "account_deployment_data": [],
        **_fields(nonce, fees),
    }


def deploy_account_v3(
    class_hash: int,
    constructor_calldata: Sequence[int],
    salt: int,
    address: int,
    nonce: int,
    chain_id: int,
    fees: Fees,
) -> tuple[int, dict[str, Any]]:
    """The hash of an account's own deployment, and the transaction for starknet_addDeployAccountTransaction without
    its signature. `address` is what `truemark.keys.contract_address` gives for the other three.

    Raises:
        BadFelt: one of the numbers is no felt.
    """
    tx_hash = poseidon_many(
        [
            *_common(_DEPLOY_ACCOUNT, address, nonce, chain_id, fees),
            poseidon_many(constructor_calldata),
            class_hash,
            salt,
        ]
    )
    return tx_hash, {
        "type": "DEPLOY_ACCOUNT",
        "class_hash": hex(class_hash),
        "constructor_calldata": [hex(value) for value in constructor_calldata],
        "contract_address_salt": hex(salt),
        **_fields(nonce, fees),
    }


def declare_v3(
    contract_class: Mapping[str, Any],
    class_hash: int,
    compiled_class_hash: int,
    sender: int,
    nonce: int,
    chain_id: int,
    fees: Fees,
) -> tuple[int, dict[str, Any]]:
    """The hash of a declaration, and the transaction for starknet_addDeclareTransaction without its signature.

    `contract_class` is the Sierra class as the RPC has it (`sierra_program`, `contract_class_version`,
    `entry_points_by_type`, `abi` as text); the two hashes are taken as they are given.

    Raises:
        BadFelt: one of the numbers is no felt.
    """
    tx_hash = poseidon_many(
        [*_common(_DECLARE, sender, nonce, chain_id, fees), _EMPTY, class_hash, compiled_class_hash],
    )
    return tx_hash, {
        "type": "DECLARE",
        "sender_address": hex(sender),
        "compiled_class_hash": hex(compiled_class_hash),
        "contract_class": contract_class,
        "account_deployment_data": [],
        **_fields(nonce, fees),
    }


def with_signature(transaction: Mapping[str, Any], signature: Sequence[int]) -> dict[str, Any]:
    """The transaction with its signature: (r, s) for an account with one STARK key."""
    return {**transaction, "signature": [hex(value) for value in signature]}


def _common(prefix: int, address: int, nonce: int, chain_id: int, fees: Fees) -> tuple[int, ...]:
    return (prefix, _VERSION, address, _fee_hash(fees), _EMPTY, chain_id, nonce, _DATA_ON_L1)


@lru_cache(maxsize=256)
def _fee_hash(fees: Fees) -> int:
    return poseidon_many(
        [
            fees.tip,
            _L1_GAS + (fees.l1_gas.max_amount << 128) + fees.l1_gas.max_price,
            _L2_GAS + (fees.l2_gas.max_amount << 128) + fees.l2_gas.max_price,
            _L1_DATA_GAS + (fees.l1_data_gas.max_amount << 128) + fees.l1_data_gas.max_price,
        ]
    )


def _fields(nonce: int, fees: Fees) -> dict[str, Any]:
    return {
        "version": "0x3",
        "nonce": hex(nonce),
        "resource_bounds": {
            "l1_gas": _bound(fees.l1_gas),
            "l1_data_gas": _bound(fees.l1_data_gas),
            "l2_gas": _bound(fees.l2_gas),
        },
        "tip": hex(fees.tip),
        "paymaster_data": [],
        "nonce_data_availability_mode": "L1",
        "fee_data_availability_mode": "L1",
    }


def _bound(bound: Bound) -> dict[str, str]:
    return {"max_amount": hex(bound.max_amount), "max_price_per_unit": hex(bound.max_price)}
