"""Many traders on a devnet at once: accounts of their own keys, margin, a registered trading key, without L1."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
from typing import Any

from truemark.account import Account
from truemark.contract import Contract
from truemark.deployment import Deployment
from truemark.keys import StarkKey, account_address
from truemark.orders import Order, SignedOrder
from truemark.rpc import AsyncRpc

from truemark_devnet.accounts import L2Account
from truemark_devnet.deploy.venue import account_of
from truemark_devnet.nodes import Nodes

#: Accounts that join at once, and deposits in one transaction.
_PARALLEL, _DEPOSITS = 8, 100
#: FRI, for fees.
_FEES = 10**22
_nonces = count(secrets.randbits(40))


@dataclass(frozen=True, slots=True)
class Member:
    """One trader; its own key is its trading key."""

    address: int
    key: StarkKey

    def sign(self, chain_id: int, **fields: Any) -> SignedOrder:
        """An order of the account by its fields; the salt is random."""
        order = Order(account=self.address, salt=secrets.randbits(100), **fields)
        r, s = self.key.sign(order.hash(chain_id))
        return SignedOrder(order, self.key.public_key, r, s)


def member(number: int, deployment: Deployment) -> Member:
    """The same for the same number."""
    key = StarkKey.from_private(0xC0DE_0000 + number)
    return Member(account_address(key.public_key, deployment.account_class_hash), key)


async def gather(
    nodes: Nodes, deployment: Deployment, rpc: AsyncRpc, payer: L2Account, members: Iterable[Member], margin: int
) -> None:
    """Gives each `margin` (1e-6 USD) out of the payer's wallet, and deploys its account with its trading key.

    Raises:
        TransactionReverted: the venue does not take it.
    """
    joining = list(members)
    expiry = await nodes.l2_time() + 10**7
    await into_wallet(nodes, deployment, rpc, payer.address, margin * len(joining))
    house = Contract.of(rpc, deployment.address("Clearinghouse"), "Clearinghouse")
    token = Contract.of(rpc, deployment.address("CollateralToken"), "CollateralToken")
    payer_account = account_of(rpc, payer, nodes.l2_chain_id)
    for start in range(0, len(joining), _DEPOSITS):
        some = joining[start : start + _DEPOSITS]
        await payer_account.execute(
            [
                token.call("approve", house.address, margin * len(some)),
                *(house.call("deposit_for", one.address, margin) for one in some),
            ]
        )
    gate = asyncio.Semaphore(_PARALLEL)

    async def join(one: Member) -> None:
        async with gate:
            await nodes.mint(one.address, _FEES)
            account = Account(rpc, one.address, one.key, nodes.l2_chain_id)
            await account.deploy(deployment.account_class_hash)
            await account.execute([house.call("register_trading_key", one.key.public_key, expiry)])

    async with asyncio.TaskGroup() as group:
        for one in joining:
            group.create_task(join(one))


async def into_wallet(nodes: Nodes, deployment: Deployment, rpc: AsyncRpc, recipient: int, amount: int) -> None:
    """Collateral tokens (1e-6 USD) by a deposit's message, as if it came from L1."""
    bridge = Contract.of(rpc, deployment.address("Bridge"), "Bridge")
    message = {
        "l2_contract_address": hex(bridge.address),
        "entry_point_selector": hex(bridge.abi.function("handle_deposit").selector),
        "l1_contract_address": deployment.l1["CollateralBridge"],
        "payload": [deployment.l1["TestUSDC"], "0x1", "0x0", hex(recipient), hex(amount)],
        "paid_fee_on_l1": "0x1",
        "nonce": hex(next(_nonces)),
    }
    await asyncio.to_thread(nodes.control.l2, "devnet_postmanSendMessageToL2", message)
