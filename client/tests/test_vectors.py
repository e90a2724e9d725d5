"""Every published or cross-checked vector of tests/vectors/vectors.json: derivations, addresses, hashes, signatures."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from starknet_py.hash.utils import message_signature
from starknet_py.utils.typed_data import TypedData as StarknetPyTypedData
from truemark import signing
from truemark.curve import EC_ORDER
from truemark.felt import PRIME, selector, short_string
from truemark.hashing import poseidon_many
from truemark.keys import LocalEthSigner, StarkKey, contract_address, dydx, extended, grind_key, paradex
from truemark.keys.derivation import key_of
from truemark.keys.ethereum import recover, sign_twice
from truemark.keys.grind import grind
from truemark.orders import Side
from truemark.snip12 import TypedData, byte_array

FILE = json.loads((Path(__file__).parents[2] / "tests" / "vectors" / "vectors.json").read_text())
VECTORS = {vector["id"]: vector for vector in FILE["vectors"]}

Fields = dict[str, Any]


def number(text: str) -> int:
    return int(text, 16)


def felts(texts: list[str]) -> list[int]:
    return [number(text) for text in texts]


def signer_of(inputs: Fields) -> LocalEthSigner:
    signer = LocalEthSigner(inputs["eth_private_key"])
    assert signer.address == inputs["eth_address"]
    return signer


def eip712_digest(typed_data: Fields) -> bytes:
    from eth_account.messages import _hash_eip191_message, encode_typed_data

    return bytes(_hash_eip191_message(encode_typed_data(full_message=typed_data)))


def check_signature(private_key: int, msg_hash: int, expected: Fields) -> None:
    """Ours, byte for byte, is plain RFC 6979; a signature with another nonce is as good."""
    public_key = signing.public_key(private_key)
    plain = expected.get("signature") or expected.get("signature_rfc6979_no_seed") or expected.get("l2_signature")
    if plain is not None:
        assert StarkKey(private_key).sign(msg_hash) == (number(plain["r"]), number(plain["s"]))
    if "signature_seed_32" in expected:
        seeded = expected["signature_seed_32"]
        assert tuple(message_signature(msg_hash, private_key)) == (number(seeded["r"]), number(seeded["s"]))
    for name in ("signature", "signature_rfc6979_no_seed", "signature_seed_32", "l2_signature"):
        if name in expected:
            assert signing.verify(public_key, msg_hash, number(expected[name]["r"]), number(expected[name]["s"]))


# --- keys


def check_derivation(inputs: Fields, expected: Fields, typed_data: Fields, key: StarkKey) -> None:
    signer = signer_of(inputs)
    assert typed_data == inputs["typed_data"]
    assert eip712_digest(typed_data).hex() == expected["eip712_digest"][2:]
    signature = sign_twice(signer, typed_data)
    assert recover(typed_data, signature) == inputs["eth_address"]
    if "signature" in expected:
        assert signature.hex() == expected["signature"][2:]
        assert signature[:32].hex() == expected["r"][2:]
        assert grind(number(expected["r"])) == (number(expected["private_key"]), number(expected["grind_index"]))
        assert key_of(signature) == key
    assert key.reveal() == number(expected["private_key"])
    assert key.public_key == number(expected["public_key"])
    x, y = number(expected["public_key"]), number(expected["public_key_y"])
    assert (y * y - (x**3 + x + 0x6F21413EFBE40DE150E596D72F7A8C5609AD26C15C915C1F4CDFCB99CEE9E89)) % PRIME == 0
    for wrong in expected.get("must_not_equal", {}).values():
        assert key.reveal() != number(wrong)


def paradex_key(inputs: Fields, expected: Fields) -> None:
    chain_id = number(inputs["l1_chain_id"])
    key = paradex.derive(signer_of(inputs), chain_id)
    check_derivation(inputs, expected, paradex.typed_data(chain_id), key)


def extended_key(inputs: Fields, expected: Fields) -> None:
    index, domain = number(inputs["account_index"]), inputs["signing_domain"]
    key = extended.derive(signer_of(inputs), index, domain)
    check_derivation(inputs, expected, extended.typed_data(inputs["eth_address"], index, domain), key)


def dydx_key(inputs: Fields, expected: Fields) -> None:
    chain_id = number(inputs["l1_chain_id"])
    typed_data = dydx.typed_data(chain_id)
    check_derivation(inputs, expected, typed_data, dydx.derive(signer_of(inputs), chain_id))
    signature = sign_twice(signer_of(inputs), typed_data)
    assert dydx.typed_signature(signature).hex() == expected["typed_signature"][2:]


def ground_key(inputs: Fields, expected: Fields) -> None:
    assert number(inputs["limit"]) == EC_ORDER
    assert grind(number(inputs["seed"])) == (number(expected["private_key"]), number(expected["grind_index"]))
    for wrong in expected.get("must_not_equal", {}).values():
        assert grind_key(number(inputs["seed"])) != number(wrong)


# --- addresses


def check_address(inputs: Fields, expected: Fields) -> None:
    calldata = felts(inputs["constructor_calldata"])
    address = contract_address(
        number(inputs["class_hash"]), calldata, number(inputs["salt"]), number(inputs["deployer_address"])
    )
    assert address == number(expected["address"])


def paradex_address(inputs: Fields, expected: Fields) -> None:
    check_address(inputs, expected)
    public_key, account_class = number(inputs["public_key"]), number(inputs["account_class_hash"])
    assert paradex.proxy_calldata(public_key, account_class) == felts(inputs["constructor_calldata"])
    address = paradex.account_address(public_key, number(inputs["proxy_class_hash"]), account_class)
    assert address == number(expected["address"])


def paradex_eip191_address(inputs: Fields, expected: Fields) -> None:
    check_address(inputs, expected)
    assert paradex.eip191_calldata(inputs["eth_address"]) == felts(inputs["constructor_calldata"])
    address = paradex.eip191_account_address(inputs["eth_address"], number(inputs["class_hash"]))
    assert address == number(expected["address"])


def paradex_operator_address(inputs: Fields, expected: Fields) -> None:
    check_address(inputs, expected)
    owner, index = number(inputs["owner_l2_address"]), number(inputs["operator_index"])
    assert number(inputs["kind_tag"]) == paradex.VAULT_OPERATOR
    assert paradex.vault_operator_salt(owner, index) == number(inputs["salt"])
    address = paradex.vault_operator_address(inputs["eth_address"], owner, index, number(inputs["class_hash"]))
    assert address == number(expected["address"])


# --- SNIP-12


def check_typed_data(typed_data: Fields, account: int, expected: Fields) -> None:
    """Ours, and starknet-py's as a second opinion."""
    ours, theirs = TypedData(typed_data), StarknetPyTypedData.from_dict(typed_data)  # type: ignore[arg-type]
    assert ours.message_hash(account) == theirs.message_hash(account) == number(expected["message_hash"])
    found = {
        "domain_type_hash": lambda: ours.type_hash(ours.domain_type),
        "domain_hash": ours.domain_hash,
        "primary_type_hash": lambda: ours.type_hash(ours.primary_type),
        "type_hash": lambda: ours.type_hash(ours.primary_type),
        "struct_hash": lambda: ours.struct_hash(ours.primary_type, ours.message),
    }
    for name, value in found.items():
        if name in expected:
            assert value() == number(expected[name]), name


def snip12(inputs: Fields, expected: Fields) -> None:
    check_typed_data(inputs["typed_data"], number(inputs["account"]), expected)


def rev1_message(inputs: Fields, expected: Fields) -> None:
    snip12(inputs, expected)
    typed_data = inputs["typed_data"]
    build = {"BlockTrade": paradex.block_trade, "BlockTradeOffer": paradex.block_trade_offer}
    if typed_data["primaryType"] in build:
        message = dict(typed_data["message"])
        assert message.pop("version") == "2"
        trades, expiration = message.pop("trades"), int(message.pop("expiration"))
        built = build[typed_data["primaryType"]](1, expiration_ms=expiration, trades=trades[::-1], **message)
        assert built == typed_data


def rev1_domain(inputs: Fields, expected: Fields) -> None:
    types = {
        "StarknetDomain": [{"name": name, "type": "shortstring"} for name in ("name", "version", "chainId", "revision")]
    }
    data = {"types": types, "primaryType": "StarknetDomain", "domain": inputs["domain"], "message": {}}
    found = TypedData(data).domain_hash()
    assert found == number(expected["domain_hash"])
    type_hash = TypedData(data).type_hash("StarknetDomain")
    texts = [short_string(inputs["domain"][name]) for name in ("name", "version", "chainId")]
    with_version = [type_hash, texts[0], number(expected["encoded_version"]), texts[2], 1]
    assert found == poseidon_many(with_version)
    for wrong in expected.get("must_not_equal", {}).values():
        assert found != number(wrong)
        assert poseidon_many([type_hash, *texts, 1]) == number(wrong)


def snip12_type(inputs: Fields, expected: Fields) -> None:
    text = inputs["type_string"]
    assert selector(text) == number(expected["type_hash"])
    known = (extended.ORDER_TYPE, extended.LIMIT_ORDER_TYPE, extended.TRANSFER_TYPE, extended.WITHDRAW_TYPE)
    assert text in known or text.startswith('"StarknetDomain"')


# --- Paradex


def paradex_domain(inputs: Fields, expected: Fields) -> None:
    chain_id = short_string(inputs["chain_id_string"])
    assert chain_id == number(inputs["chainId"])
    message = TypedData(paradex.onboarding(chain_id))
    assert message.domain["name"] == inputs["name"]
    assert message.domain["version"] == inputs["version"]
    assert message.type_hash("StarkNetDomain") == number(expected["domain_type_hash"])
    assert message.domain_hash() == number(expected["domain_hash"])


def paradex_message(inputs: Fields, expected: Fields) -> None:
    typed_data, chain_id = inputs["typed_data"], short_string(inputs["chain_id_string"])
    message = typed_data["message"]
    match typed_data["primaryType"]:
        case "Constant":
            built = paradex.onboarding(chain_id)
        case "Request":
            built = paradex.auth(chain_id, message["timestamp"], message["expiration"])
        case "Order":
            price = Decimal(message["price"]).scaleb(-8)
            built = paradex.order(
                chain_id,
                timestamp_ms=int(message["timestamp"]),
                market=message["market"],
                side={"1": Side.BUY, "2": Side.SELL}[message["side"]],
                order_type=message["orderType"],
                size=Decimal(message["size"]).scaleb(-8),
                price=price or None,
            )
    assert built == typed_data
    account = number(inputs["account"])
    check_typed_data(typed_data, account, expected)
    private_key = number(inputs["private_key"])
    assert signing.public_key(private_key) == number(inputs["public_key"])
    check_signature(private_key, paradex.message_hash(built, account), expected)


def paradex_full_node(inputs: Fields, expected: Fields) -> None:
    assert byte_array(inputs["json_body"]) == felts(expected["byte_array_felts"])
    assert paradex.full_node_payload(inputs["json_body"]) == number(expected["payload_hash"])
    typed_data, account = inputs["typed_data"], number(inputs["account"])
    chain_id = number(typed_data["domain"]["chainId"])
    built = paradex.full_node_request(chain_id, account, inputs["json_body"], typed_data["message"]["timestamp"])
    assert built == typed_data
    check_typed_data(typed_data, account, expected)


def paradex_subkey(inputs: Fields, expected: Fields) -> None:
    found = paradex.subkey_registration_hash(
        number(inputs["account"]),
        number(inputs["subkey_public_key"]),
        number(inputs["timestamp"]),
        number(inputs["expiry"]),
    )
    assert found == number(expected["hash"])
    check_signature(number(inputs["private_key"]), found, expected)


def paradex_eip191_signature(inputs: Fields, expected: Fields) -> None:
    from eth_account import Account
    from eth_account.messages import encode_defunct

    message = encode_defunct(primitive=number(inputs["hash"]).to_bytes(32, "big"))
    account = Account.from_key(inputs["eth_private_key"])
    signature = bytes(account.sign_message(message).signature)
    assert paradex.eip191_signature(account.address, signature) == felts(expected["signature_span"])


# --- Extended


def extended_domain(inputs: Fields, expected: Fields) -> None:
    assert domain_of(inputs).hash() == number(expected["domain_hash"])


def domain_of(fields: Fields) -> extended.Domain:
    return extended.Domain(fields["chainId"], fields["name"], fields["version"], number(fields["revision"]))


def extended_message(inputs: Fields, expected: Fields) -> None:
    kinds: dict[str, Any] = {
        "Order": extended.Order,
        "LimitOrder": extended.LimitOrder,
        "TransferArgs": extended.Transfer,
        "WithdrawArgs": extended.Withdraw,
    }
    fields = {name: number(value) for name, value in inputs["fields"].items()}
    assert [value % PRIME for value in fields.values()] == felts(inputs["encoded_fields"])
    message = kinds[inputs["type"]](**fields)
    assert message.struct_hash() == number(expected["struct_hash"])
    if "domain" in inputs:
        found = extended.message_hash(message, number(inputs["public_key"]), domain_of(inputs["domain"]))
        assert found == number(expected["message_hash"])


def extended_signed_order(inputs: Fields, expected: Fields) -> None:
    assert inputs["fee_asset_id"] == inputs["quote_asset_id"]
    order = extended.order_of(
        position_id=number(inputs["position_id"]),
        side=Side[inputs["side"]],
        quantity=Decimal(inputs["quantity"]),
        price=Decimal(inputs["price"]),
        taker_fee_rate=Decimal(inputs["taker_fee_rate"]),
        base_asset_id=number(inputs["base_asset_id"]),
        base_resolution=number(inputs["base_resolution"]),
        quote_asset_id=number(inputs["quote_asset_id"]),
        quote_resolution=number(inputs["quote_resolution"]),
        expires=datetime.fromisoformat(inputs["expire_time_utc"]),
        salt=number(inputs["salt"]),
    )
    amounts = (order.base_amount, order.quote_amount, order.fee_amount, order.expiration)
    names = ("base_amount", "quote_amount", "fee_amount", "signed_expiration")
    assert amounts == tuple(number(expected[name]) for name in names)
    check_extended_signature(order, inputs, expected)


def extended_signed_transfer(inputs: Fields, expected: Fields) -> None:
    names = ("recipient", "position_id", "collateral_id", "amount", "expiration", "salt")
    transfer = extended.Transfer(*(number(inputs[name]) for name in names))
    assert Decimal(inputs["amount_human"]).scaleb(number(inputs["collateral_decimals"])) == transfer.amount
    check_extended_signature(transfer, inputs, expected)


def check_extended_signature(message: extended.Message, inputs: Fields, expected: Fields) -> None:
    private_key = number(inputs["private_key"])
    assert signing.public_key(private_key) == number(inputs["public_key"])
    assert message.struct_hash() == number(expected["struct_hash"])
    found = extended.message_hash(message, number(inputs["public_key"]), domain_of(inputs["domain"]))
    assert found == number(expected["message_hash"])
    check_signature(private_key, found, expected)


def extended_onboarding(inputs: Fields, expected: Fields) -> None:
    signer = signer_of(inputs)
    message = inputs["typed_data"]["message"]
    time = datetime.fromisoformat(message["time"])
    built = extended.registration(signer.address, message["accountIndex"], time, inputs["typed_data"]["domain"]["name"])
    assert built == inputs["typed_data"]
    assert eip712_digest(built).hex() == expected["eip712_digest"][2:]
    assert sign_twice(signer, built).hex() == expected["l1_signature"][2:]
    with_host = extended.registration(signer.address, 0, time, "x10.exchange", host="api.extended.exchange")
    assert with_host["types"]["AccountRegistration"][-1] == {"name": "host", "type": "string"}
    assert sign_twice(signer, with_host).hex() != expected["l1_signature"][2:]
    public_key = number(inputs["l2_public_key"])
    assert signing.public_key(number(inputs["l2_private_key"])) == public_key
    found = extended.registration_hash(signer.address, public_key)
    assert found == number(expected["l2_message_hash"])
    check_signature(number(inputs["l2_private_key"]), found, expected)


CHECKS: dict[str, Callable[[Fields, Fields], None]] = {
    "key-derivation/paradex": paradex_key,
    "key-derivation/extended": extended_key,
    "key-derivation/dydx-v3": dydx_key,
    "grind-key": ground_key,
    "account-address/starknet": check_address,
    "account-address/paradex-proxy": paradex_address,
    "account-address/paradex-eip191": paradex_eip191_address,
    "account-address/paradex-vault-operator": paradex_operator_address,
    "snip12/rev0": snip12,
    "snip12/rev1": rev1_message,
    "snip12/rev1-domain": rev1_domain,
    "snip12/type-hash": snip12_type,
    "snip12/paradex-domain": paradex_domain,
    "snip12/paradex": paradex_message,
    "snip12/paradex-fullnode": paradex_full_node,
    "pedersen-array/paradex-subkey": paradex_subkey,
    "signature/paradex-eip191": paradex_eip191_signature,
    "snip12/extended-domain": extended_domain,
    "snip12/extended": extended_message,
    "signed-order/extended": extended_signed_order,
    "signed-transfer/extended": extended_signed_transfer,
    "onboarding/extended": extended_onboarding,
}


@pytest.mark.parametrize("name", VECTORS)
def test_a_vector_is_reproduced(name: str) -> None:
    vector = VECTORS[name]
    CHECKS[vector["scheme"]](vector["inputs"], vector["expected"])


def test_no_vector_and_no_scheme_is_left_out() -> None:
    assert len(FILE["vectors"]) == len(VECTORS) == 69
    assert {vector["scheme"] for vector in FILE["vectors"]} == set(CHECKS)


def test_the_file_and_the_code_mean_the_same_curve() -> None:
    conventions = FILE["conventions"]
    assert number(conventions["P"]) == PRIME
    assert number(conventions["EC_ORDER"]) == EC_ORDER
    assert number(conventions["grind_max"]) == 2**256 - 2**256 % EC_ORDER
