"""Transactions of one account that devnet accepts a second: the queue, against starknet-py's Account and against a loop
that only posts what was signed before. All on one node, one block a transaction, transfers of one FRI."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from starknet_py.net.account.account import Account
from starknet_py.net.client_models import Call as PyCall
from starknet_py.net.client_models import ResourceBounds, ResourceBoundsMapping
from starknet_py.net.full_node_client import FullNodeClient
from starknet_py.net.signer.key_pair import KeyPair
from truemark.felt import selector
from truemark.keys import StarkKey
from truemark.rpc import AsyncRpc
from truemark.transactions import Call
from truemark_keeper.fees import default_policy
from truemark_keeper.transactions import TransactionQueue
from truemark_keeper.wallet import StarkWallet

from truemark_devnet.accounts import FEE_TOKEN, L2Account, l2_accounts
from truemark_devnet.bench.figure import Figure
from truemark_devnet.nodes import NodeSettings, running_nodes

#: The contenders take turns, so that a busy machine and a growing chain burden each alike.
_ROUNDS = 5
_EACH_ROUND = 120
_EACH_ROUND_SLOW = 6

#: A number of transfers to send; returns when the node has them all in blocks.
Contender = Callable[[int], Awaitable[None]]


def run() -> list[Figure]:
    return asyncio.run(_run())


async def _run() -> list[Figure]:
    with running_nodes(settings=NodeSettings()) as nodes:
        url = nodes.l2_node_url
        first, second, third = [account for account in l2_accounts(url) if account.role.startswith("spare-")][:3]
        transfer = Call(FEE_TOKEN, selector("transfer"), (first.address, 1, 0))
        async with AsyncRpc(url) as rpc, TransactionQueue(_wallet(first, nodes.l2_chain_id), rpc) as queue:
            posting = _Presigned(rpc, _wallet(second, nodes.l2_chain_id), transfer)
            await posting.sign(_ROUNDS * _EACH_ROUND + _EACH_ROUND_SLOW)
            client = FullNodeClient(node_url=url)
            contenders: dict[str, tuple[Contender, int]] = {
                "queue": (_through(queue, transfer), _EACH_ROUND),
                "presigned": (posting.post, _EACH_ROUND),
                "starknet-py": (_starknet_py(client, third, nodes.l2_chain_id, transfer), _EACH_ROUND_SLOW),
            }
            rates = await _race(list(contenders.values()))
    ours, presigned, theirs = rates
    unit = "transactions/s"
    return [
        Figure("transactions", ours, unit, theirs, "starknet-py Account.execute_v3"),
        Figure("transactions_presigned", ours, unit, presigned, "loop that posts presigned transactions"),
    ]


async def _race(contenders: Sequence[tuple[Contender, int]]) -> list[float]:
    """Transfers a second of each, over all rounds, after a short one to warm up."""
    spent = [0.0] * len(contenders)
    for send, _ in contenders:
        await send(_EACH_ROUND_SLOW)
    for _ in range(_ROUNDS):
        for index, (send, count) in enumerate(contenders):
            start = time.perf_counter()
            await send(count)
            spent[index] += time.perf_counter() - start
    return [_ROUNDS * count / seconds for (_, count), seconds in zip(contenders, spent, strict=True)]


def _wallet(account: L2Account, chain_id: int) -> StarkWallet:
    return StarkWallet(account.address, StarkKey.from_private(account.private_key), chain_id)


def _through(queue: TransactionQueue, transfer: Call) -> Contender:
    async def send(count: int) -> None:
        tickets = [queue.submit([transfer]) for _ in range(count)]
        for ticket in tickets:
            (await ticket.outcome(60)).or_raise()

    return send


class _Presigned:
    """Posts one transaction after the other and does nothing else; devnet answers when its block is there."""

    def __init__(self, rpc: AsyncRpc, wallet: StarkWallet, transfer: Call) -> None:
        self._rpc = rpc
        self._wallet = wallet
        self._transfer = transfer
        self._signed: list[dict[str, Any]] = []

    async def sign(self, count: int) -> None:
        nonce = int(
            await self._rpc.call(
                "starknet_getNonce", {"block_id": "latest", "contract_address": hex(self._wallet.address)}
            ),
            16,
        )
        fees = default_policy().first
        self._signed = [self._wallet.sign([self._transfer], nonce + index, fees).transaction for index in range(count)]

    async def post(self, count: int) -> None:
        posted, self._signed = self._signed[:count], self._signed[count:]
        for transaction in posted:
            await self._rpc.call("starknet_addInvokeTransaction", {"invoke_transaction": transaction})


def _starknet_py(client: FullNodeClient, account: L2Account, chain_id: int, transfer: Call) -> Contender:
    fees = default_policy().first
    bounds = ResourceBoundsMapping(
        l1_gas=ResourceBounds(fees.l1_gas.max_amount, fees.l1_gas.max_price),
        l1_data_gas=ResourceBounds(fees.l1_data_gas.max_amount, fees.l1_data_gas.max_price),
        l2_gas=ResourceBounds(fees.l2_gas.max_amount, fees.l2_gas.max_price),
    )
    theirs = Account(
        address=account.address, client=client, key_pair=KeyPair.from_private_key(account.private_key), chain=chain_id
    )
    call = PyCall(transfer.to, transfer.selector, list(transfer.calldata))

    async def send(count: int) -> None:
        # As quick as it can be used: no fee estimate, no wait for a receipt that devnet has at once.
        for _ in range(count):
            await theirs.execute_v3(call, resource_bounds=bounds)

    return send
