"""Transactions of version 3 against starknet-py's hashes and its RPC form, on random inputs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starknet_py.cairo.felt import encode_shortstring
from starknet_py.hash.transaction import (
    CommonTransactionV3Fields,
    TransactionHashPrefix,
    compute_declare_v3_transaction_hash,
    compute_deploy_account_v3_transaction_hash,
    compute_invoke_v3_transaction_hash,
)
from starknet_py.net.account.account import _execute_payload_serializer_v1, _parse_calls_cairo_v1
from starknet_py.net.client_models import Call as StarknetPyCall
from starknet_py.net.client_models import (
    DAMode,
    ResourceBounds,
    ResourceBoundsMapping,
    SierraContractClass,
    SierraEntryPointsByType,
)
from starknet_py.net.models.transaction import DeclareV3, DeployAccountV3, InvokeV3
from starknet_py.net.schemas.broadcasted_txn import BroadcastedTransactionSchema
from truemark.felt import PRIME, BadFelt, selector, short_string
from truemark.keys import StarkKey, account_address
from truemark.signing import verify
from truemark.transactions import (
    BadFees,
    Bound,
    Call,
    Fees,
    declare_v3,
    deploy_account_v3,
    execute_calldata,
    invoke_v3,
    with_signature,
)
from truemark.units import U64_MAX, U128_MAX

felts = st.integers(0, PRIME - 1)
bounds = st.builds(Bound, st.integers(0, U64_MAX), st.integers(0, U128_MAX))
fees = st.builds(Fees, bounds, bounds, bounds, st.integers(0, U64_MAX))
calls = st.builds(Call, felts, felts, st.lists(felts, max_size=5).map(tuple))
nonces = st.integers(0, U64_MAX)
chains = st.sampled_from(["SN_MAIN", "SN_SEPOLIA", "PRIVATE_SN_PARACLEAR_MAINNET"]).map(short_string)
FEES = Fees(Bound(1, 2), Bound(3, 4), Bound(5, 6), 7)


def mapping_of(fees: Fees) -> ResourceBoundsMapping:
    return ResourceBoundsMapping(
        l1_gas=ResourceBounds(fees.l1_gas.max_amount, fees.l1_gas.max_price),
        l1_data_gas=ResourceBounds(fees.l1_data_gas.max_amount, fees.l1_data_gas.max_price),
        l2_gas=ResourceBounds(fees.l2_gas.max_amount, fees.l2_gas.max_price),
    )


def common(prefix: TransactionHashPrefix, address: int, nonce: int, chain: int, fees: Fees) -> Any:
    return CommonTransactionV3Fields(
        prefix, 3, address, fees.tip, mapping_of(fees), [], chain, nonce, DAMode.L1, DAMode.L1
    )


def rpc_form(transaction: Any) -> dict[str, Any]:
    dumped = BroadcastedTransactionSchema().dump(obj=transaction)
    assert isinstance(dumped, dict)
    return dumped


def same(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """The same transaction: starknet-py pads some numbers and leaves out what is empty."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items() if item is not None}
        if isinstance(value, list | tuple):
            return [plain(item) for item in value]
        return int(value, 16) if isinstance(value, str) and value.startswith("0x") else value

    assert plain(ours) == plain(theirs)
    orjson.dumps(ours)


@given(st.lists(calls, max_size=4), felts, nonces, chains, fees)
def test_an_invoke_is_hashed_and_written_as_by_starknet_py(
    made: list[Call], sender: int, nonce: int, chain: int, fees: Fees
) -> None:
    parsed = _parse_calls_cairo_v1([StarknetPyCall(c.to, c.selector, list(c.calldata)) for c in made])
    calldata = _execute_payload_serializer_v1.serialize({"calls": parsed})
    assert execute_calldata(made) == calldata
    tx_hash, transaction = invoke_v3(made, sender, nonce, chain, fees)
    expected = compute_invoke_v3_transaction_hash(
        account_deployment_data=[],
        calldata=calldata,
        common_fields=common(TransactionHashPrefix.INVOKE, sender, nonce, chain, fees),
    )
    assert tx_hash == expected
    theirs = InvokeV3(
        version=3,
        signature=[11, 12],
        nonce=nonce,
        resource_bounds=mapping_of(fees),
        calldata=calldata,
        sender_address=sender,
        tip=fees.tip,
    )
    same(with_signature(transaction, (11, 12)), rpc_form(theirs))


@given(felts, st.lists(felts, max_size=4), felts, felts, nonces, chains, fees)
def test_a_deployment_is_hashed_and_written_as_by_starknet_py(
    class_hash: int, calldata: list[int], salt: int, address: int, nonce: int, chain: int, fees: Fees
) -> None:
    tx_hash, transaction = deploy_account_v3(class_hash, calldata, salt, address, nonce, chain, fees)
    expected = compute_deploy_account_v3_transaction_hash(
        class_hash=class_hash,
        constructor_calldata=calldata,
        contract_address_salt=salt,
        common_fields=common(TransactionHashPrefix.DEPLOY_ACCOUNT, address, nonce, chain, fees),
    )
    assert tx_hash == expected
    theirs = DeployAccountV3(
        version=3,
        signature=[11, 12],
        nonce=nonce,
        resource_bounds=mapping_of(fees),
        class_hash=class_hash,
        contract_address_salt=salt,
        constructor_calldata=calldata,
        tip=fees.tip,
    )
    same(with_signature(transaction, (11, 12)), rpc_form(theirs))


@given(felts, felts, felts, nonces, chains, fees)
def test_a_declaration_is_hashed_and_written_as_by_starknet_py(
    class_hash: int, compiled: int, sender: int, nonce: int, chain: int, fees: Fees
) -> None:
    contract_class = {
        "sierra_program": ["0x1", "0x2"],
        "contract_class_version": "0.1.0",
        "entry_points_by_type": {"CONSTRUCTOR": [], "EXTERNAL": [], "L1_HANDLER": []},
        "abi": "[]",
    }
    tx_hash, transaction = declare_v3(contract_class, class_hash, compiled, sender, nonce, chain, fees)
    expected = compute_declare_v3_transaction_hash(
        class_hash=class_hash,
        account_deployment_data=[],
        compiled_class_hash=compiled,
        common_fields=common(TransactionHashPrefix.DECLARE, sender, nonce, chain, fees),
    )
    assert tx_hash == expected
    theirs = DeclareV3(
        version=3,
        signature=[11, 12],
        nonce=nonce,
        resource_bounds=mapping_of(fees),
        sender_address=sender,
        compiled_class_hash=compiled,
        contract_class=SierraContractClass("0.1.0", [1, 2], SierraEntryPointsByType([], [], []), "[]"),
        tip=fees.tip,
    )
    same(with_signature(transaction, (11, 12)), rpc_form(theirs))


def test_an_invoke_as_the_rpc_has_it() -> None:
    call = Call(0xC0, selector("cancel_all"), (1, 2))
    tx_hash, transaction = invoke_v3([call], 0xACC, 9, short_string("SN_SEPOLIA"), FEES)
    assert transaction == {
        "type": "INVOKE",
        "version": "0x3",
        "sender_address": "0xacc",
        "calldata": ["0x1", "0xc0", hex(selector("cancel_all")), "0x2", "0x1", "0x2"],
        "account_deployment_data": [],
        "nonce": "0x9",
        "resource_bounds": {
            "l1_gas": {"max_amount": "0x1", "max_price_per_unit": "0x2"},
            "l1_data_gas": {"max_amount": "0x3", "max_price_per_unit": "0x4"},
            "l2_gas": {"max_amount": "0x5", "max_price_per_unit": "0x6"},
        },
        "tip": "0x7",
        "paymaster_data": [],
        "nonce_data_availability_mode": "L1",
        "fee_data_availability_mode": "L1",
    }
    r, s = StarkKey(5).sign(tx_hash)
    assert verify(StarkKey(5).public_key, tx_hash, r, s)
    assert with_signature(transaction, (r, s)) == {**transaction, "signature": [hex(r), hex(s)]}


def test_everything_that_costs_is_hashed() -> None:
    call = Call(1, 2, (3,))

    def tx_hash(**changes: Any) -> int:
        given: dict[str, Any] = {"calls": [call], "sender": 4, "nonce": 5, "chain_id": 6, "fees": FEES} | changes
        return invoke_v3(**given)[0]

    others = [
        tx_hash(calls=[call, call]),
        tx_hash(calls=[replace(call, to=9)]),
        tx_hash(calls=[replace(call, selector=9)]),
        tx_hash(calls=[replace(call, calldata=(3, 0))]),
        tx_hash(sender=9),
        tx_hash(nonce=9),
        tx_hash(chain_id=9),
        *(
            tx_hash(fees=replace(FEES, **{name: bound}))
            for name in ("l1_gas", "l1_data_gas", "l2_gas")
            for bound in (replace(getattr(FEES, name), max_amount=9), replace(getattr(FEES, name), max_price=9))
        ),
        tx_hash(fees=replace(FEES, tip=9)),
    ]
    assert len({tx_hash(), *others}) == 1 + len(others)


@pytest.mark.parametrize(
    ("amount", "price", "tip"), [(-1, 0, 0), (2**64, 0, 0), (0, -1, 0), (0, 2**128, 0), (0, 0, -1), (0, 0, 2**64)]
)
def test_bounds_that_no_transaction_can_carry_are_refused(amount: int, price: int, tip: int) -> None:
    with pytest.raises(BadFees):
        Fees(Bound(amount, price), Bound(0, 0), Bound(0, 0), tip)


def test_the_most_that_a_transaction_can_cost() -> None:
    assert FEES.most == 1 * 2 + 3 * 4 + 5 * (6 + 7)


@pytest.mark.parametrize("bad", [-1, PRIME])
def test_what_is_no_felt_is_refused(bad: int) -> None:
    chain = encode_shortstring("SN_MAIN")
    for made in ([Call(bad, 1, ())], [Call(1, bad, ())], [Call(1, 1, (bad,))]):
        with pytest.raises(BadFelt):
            invoke_v3(made, 1, 0, chain, FEES)
    with pytest.raises(BadFelt):
        invoke_v3([], bad, 0, chain, FEES)
    with pytest.raises(BadFelt):
        invoke_v3([], 1, bad, chain, FEES)
    with pytest.raises(BadFelt):
        deploy_account_v3(bad, [], 1, 1, 0, chain, FEES)
    with pytest.raises(BadFelt):
        declare_v3({}, 1, bad, 1, 0, chain, FEES)


def test_an_account_deploys_itself_where_its_key_says() -> None:
    key, class_hash = StarkKey(77), 0xC1A55
    address = account_address(key.public_key, class_hash)
    tx_hash, transaction = deploy_account_v3(
        class_hash, [key.public_key], key.public_key, address, 0, short_string("SN_SEPOLIA"), FEES
    )
    assert transaction["constructor_calldata"] == [transaction["contract_address_salt"]] == [hex(key.public_key)]
    assert "sender_address" not in transaction
    assert verify(key.public_key, tx_hash, *key.sign(tx_hash))
