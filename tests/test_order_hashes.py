"""An order is one message to everybody: the contract, the SDK's own hash and any library of SNIP-12 give one number."""

from __future__ import annotations

import pytest
from starknet_py.utils.typed_data import TypedData as StarknetPyTypedData
from truemark.snip12 import TypedData

from tests.example_orders import example_orders
from tests.house import House

pytestmark = pytest.mark.node


async def test_the_contract_hashes_an_order_as_the_sdk_and_as_any_wallet(deployed: House) -> None:
    chain_id = deployed.deployment.l2_chain_id
    clearinghouse = deployed.contract("Clearinghouse")
    for order in example_orders(30, seed=20_260_119):
        ours = order.hash(chain_id)
        assert await clearinghouse.read("order_hash", order) == ours, order
        message = order.typed_data(chain_id)
        assert TypedData(message).message_hash(order.account) == ours
        assert StarknetPyTypedData.from_dict(message).message_hash(order.account) == ours  # type: ignore[arg-type]
