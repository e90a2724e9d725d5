"""An order is one message to everybody: the contract, the SDK's own hash and any library of SNIP-12 give one number."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from starknet_py.utils.typed_data import TypedData as StarknetPyTypedData
from truemark.orders import Order
from truemark.snip12 import TypedData
from truemark.units import U16_MAX, U32_MAX, U64_MAX

from tests.house import House

pytestmark = pytest.mark.node

EDGES = Order(
    venue=1,
    account=1,
    epoch=0,
    account_epoch=0,
    market="A",
    is_buy=False,
    size=0,
    limit_price=0,
    max_fee_bps=0,
    reduce_only=False,
    post_only=False,
    expiry=0,
    salt=0,
)
LARGEST = replace(
    EDGES,
    venue=2**251 - 257,
    account=2**251 - 257,
    epoch=U64_MAX,
    account_epoch=U32_MAX,
    market="Z" * 31,
    is_buy=True,
    size=U64_MAX,
    limit_price=U64_MAX,
    max_fee_bps=U16_MAX,
    reduce_only=True,
    post_only=True,
    expiry=U64_MAX,
    salt=2**251,
)


def random_order(rng: random.Random) -> Order:
    return Order(
        venue=rng.getrandbits(250) + 1,
        account=rng.getrandbits(250) + 1,
        epoch=rng.getrandbits(rng.randint(1, 64)),
        account_epoch=rng.getrandbits(32),
        market=rng.choice(["BTC-USD-PERP", "ETH-USD-PERP", "1000PEPE-USD-PERP"]),
        is_buy=rng.random() < 0.5,
        size=rng.getrandbits(rng.randint(1, 64)),
        limit_price=rng.getrandbits(rng.randint(1, 64)),
        max_fee_bps=rng.getrandbits(16),
        reduce_only=rng.random() < 0.5,
        post_only=rng.random() < 0.5,
        expiry=rng.getrandbits(33),
        salt=rng.getrandbits(251),
    )


async def test_the_contract_hashes_an_order_as_the_sdk_and_as_any_wallet(deployed: House) -> None:
    rng, chain_id = random.Random(20_260_119), deployed.deployment.l2_chain_id
    clearinghouse = deployed.contract("Clearinghouse")
    for order in (EDGES, LARGEST, *(random_order(rng) for _ in range(30))):
        ours = order.hash(chain_id)
        assert await clearinghouse.read("order_hash", order) == ours, order
        message = order.typed_data(chain_id)
        assert TypedData(message).message_hash(order.account) == ours
        assert StarknetPyTypedData.from_dict(message).message_hash(order.account) == ours  # type: ignore[arg-type]
