"""Orders: the hash by hand is the standard's hash, and equal to the contract's by its own constants."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starknet_py.utils.typed_data import TypedData as StarknetPyTypedData
from truemark.abi import Abi
from truemark.felt import PRIME, selector, short_string
from truemark.hashing import poseidon_many
from truemark.keys import StarkKey
from truemark.orders import (
    DOMAIN_TYPE,
    DOMAIN_TYPE_HASH,
    ORDER_TYPE,
    ORDER_TYPE_HASH,
    BadOrder,
    Order,
    Side,
    SignedOrder,
    check_market_name,
    domain_hash,
)
from truemark.signing import verify
from truemark.snip12 import TypedData
from truemark.units import U16_MAX, U32_MAX, U64_MAX

CONTRACT = Path(__file__).parents[2] / "contracts" / "src" / "clearinghouse"
SN_SEPOLIA = short_string("SN_SEPOLIA")
EXAMPLE = Order(
    venue=0x7E57,
    account=0xACC,
    epoch=1,
    account_epoch=2,
    market="BTC-USD-PERP",
    is_buy=True,
    size=100_000_000,
    limit_price=4_350_000_000_000,
    max_fee_bps=5,
    reduce_only=False,
    post_only=True,
    expiry=1_800_000_000,
    salt=0x5A17,
)

#: Of the order above on Sepolia, by the key 0x1234.
PINNED_HASH = 0x38D2EB97418A5D4B5350A52065388DC9AD9E7A51CC8DEF23E726E52912694C3
PINNED_SIGNATURE = (
    0x6E7419C5DA00B89D4D483ADDC925BEB2AC823EE0DB9E89D729BF2F03D22C091,
    0x3ABFE8F5026F4E292858792CB8B4A495C1F957925EE619217341C338633E644,
)

addresses = st.integers(1, 2**251 - 1)
names = st.from_regex(r"[A-Z][A-Z0-9-]{0,30}", fullmatch=True)
orders = st.builds(
    Order,
    venue=addresses,
    account=addresses,
    epoch=st.integers(0, U64_MAX),
    account_epoch=st.integers(0, U32_MAX),
    market=names,
    is_buy=st.booleans(),
    size=st.integers(0, U64_MAX),
    limit_price=st.integers(0, U64_MAX),
    max_fee_bps=st.integers(0, U16_MAX),
    reduce_only=st.booleans(),
    post_only=st.booleans(),
    expiry=st.integers(0, U64_MAX),
    salt=st.integers(0, PRIME - 1),
)
# Chain ids with a name, with a name of digits or of hex, and without one.
chains = st.one_of(
    st.integers(1, PRIME - 1),
    names.map(short_string),
    st.sampled_from(["SN_MAIN", "SN_SEPOLIA", "1", "0x1", "31337", " 7", "0b1"]).map(short_string),
)


@given(orders, chains)
def test_the_hash_by_hand_is_that_of_any_library_of_the_standard(order: Order, chain_id: int) -> None:
    typed_data = orjson.loads(orjson.dumps(order.typed_data(chain_id)))
    expected = order.hash(chain_id)
    assert StarknetPyTypedData.from_dict(typed_data).message_hash(order.account) == expected
    assert TypedData(typed_data).message_hash(order.account) == expected


def test_the_contract_hashes_the_same_types_and_domain() -> None:
    source = (CONTRACT / "orders.cairo").read_text()
    domain_type, order_type = (text.replace('\\"', '"') for text in re.findall(r'selector!\(\s*"(.*)",?\s*\)', source))
    assert (domain_type, order_type) == (DOMAIN_TYPE, ORDER_TYPE)
    assert (selector(domain_type), selector(order_type)) == (DOMAIN_TYPE_HASH, ORDER_TYPE_HASH)
    found = re.search(r"array!\[DOMAIN_TYPE_HASH, '(\w+)', '(\w+)', chain_id, (\d)\]", source)
    assert found is not None
    name, version, revision = found.groups()
    felts = [DOMAIN_TYPE_HASH, short_string(name), short_string(version), SN_SEPOLIA, int(revision)]
    assert domain_hash(SN_SEPOLIA) == poseidon_many(felts)
    # All of them; that it hashes them in this order is for a node to say: tests/test_order_hashes.py.
    hashed = re.findall(r"\*order\.(\w+)", source.split("fn order_hash")[1].split("\nfn ")[0].split("\npub fn ")[0])
    assert sorted(hashed) == sorted(field.name for field in fields(Order))


def test_the_order_has_the_fields_of_the_contract_in_their_order() -> None:
    struct = (CONTRACT / "interface.cairo").read_text().split("pub struct Order {")[1].split("}")[0]
    assert re.findall(r"pub (\w+):", struct) == [field.name for field in fields(Order)]


def test_a_pinned_order_keeps_its_hash_and_signature() -> None:
    assert EXAMPLE.hash(SN_SEPOLIA) == PINNED_HASH
    r, s = StarkKey(0x1234).sign(PINNED_HASH)
    assert (r, s) == PINNED_SIGNATURE
    assert verify(StarkKey(0x1234).public_key, PINNED_HASH, r, s)


@pytest.mark.parametrize("field", [field.name for field in fields(Order)])
def test_every_field_is_signed(field: str) -> None:
    value = getattr(EXAMPLE, field)
    other: Any = value + "2" if isinstance(value, str) else not value if isinstance(value, bool) else value + 1
    assert replace(EXAMPLE, **{field: other}).hash(SN_SEPOLIA) != EXAMPLE.hash(SN_SEPOLIA)


def test_another_chain_is_another_hash() -> None:
    assert EXAMPLE.hash(SN_SEPOLIA) != EXAMPLE.hash(short_string("SN_MAIN"))


def test_the_chain_is_shown_by_name_unless_a_wallet_would_read_a_number() -> None:
    shown = {chain: EXAMPLE.typed_data(short_string(chain))["domain"]["chainId"] for chain in ("SN_MAIN", "31337")}
    assert shown == {"SN_MAIN": "SN_MAIN", "31337": hex(short_string("31337"))}
    assert EXAMPLE.typed_data(7)["domain"]["chainId"] == "0x7"


def test_no_number_of_the_message_is_beyond_javascript() -> None:
    message = EXAMPLE.typed_data(SN_SEPOLIA)["message"]
    assert all(isinstance(value, str | bool) for value in message.values())


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("venue", 0),
        ("account", 2**251),
        ("epoch", 2**64),
        ("epoch", -1),
        ("account_epoch", 2**32),
        ("size", 2**64),
        ("size", -1),
        ("limit_price", 2**64),
        ("max_fee_bps", 2**16),
        ("expiry", 2**64),
        ("salt", PRIME),
        ("salt", -1),
        ("size", "1"),
        ("size", 1.0),
        ("is_buy", 1),
        ("post_only", "yes"),
    ],
)
def test_what_the_contract_could_not_read_is_refused(field: str, bad: Any) -> None:
    with pytest.raises(BadOrder, match=field):
        replace(EXAMPLE, **{field: bad})


@pytest.mark.parametrize(
    "name", ["", " ", "7", "0x7", "0X7", "0b1", "0o7", " 12 ", "A" * 32, "BTC–USD", "A\nB", "\x00A"]
)
def test_a_market_whose_name_a_wallet_reads_as_something_else_is_refused(name: str) -> None:
    with pytest.raises(BadOrder, match="no name of a market"):
        check_market_name(name)
    with pytest.raises(BadOrder):
        replace(EXAMPLE, market=name)


@given(orders)
def test_an_order_goes_through_the_contracts_abi_and_back(order: Order) -> None:
    abi = Abi.load("Clearinghouse")
    calldata = abi.encode("cancel", order)
    assert len(calldata) == len(fields(Order))
    decoded = abi.decode_call(selector("cancel"), calldata).arguments["order"]
    assert Order.from_abi(decoded) == order
    signed = SignedOrder(order, 5, 6, 7)
    fill = {"maker": signed, "taker": SignedOrder.approved(order), "size": 1, "price": 2}
    settled = abi.encode("settle", order.epoch, [fill])
    assert settled[:2] == (order.epoch, 1)
    assert settled[2 : 2 + 32] == (*calldata, 5, 6, 7, *calldata, 0, 0, 0)


def test_fields_that_are_no_order_are_refused() -> None:
    good = EXAMPLE.to_abi()
    for bad in ({}, good | {"extra": 1}, good | {"market": 7}, good | {"market": 2**250}, {**good, "size": None}):
        with pytest.raises(BadOrder):
            Order.from_abi(bad)


def test_sides() -> None:
    assert EXAMPLE.side is Side.BUY
    assert replace(EXAMPLE, is_buy=False).side is Side.SELL
    assert Side.BUY.is_buy
    assert Side.BUY.opposite is Side.SELL
    assert Side.SELL.opposite is Side("buy")
