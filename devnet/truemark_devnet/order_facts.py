"""What the chain knows of an order before it is matched, and why it would refuse it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

from truemark.contract import Contract
from truemark.deployment import Deployment
from truemark.orders import SignedOrder
from truemark.rpc import AsyncRpc
from truemark.units import from_size


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """What the chain knows of an order and its account."""

    now: int
    epoch: int
    account_epoch: int
    #: Of the key that signed; 0: not registered.
    key_expiry: int
    #: Settled of it, its whole size once it was cancelled; 1e-8 of the base asset.
    filled: int
    #: The account's position in the market; read for reduce-only orders.
    position: int


class VenueFacts(Protocol):
    """What the gateway asks the chain."""

    async def of(self, signed: SignedOrder, order_hash: int, market: int) -> OrderFacts: ...


class ChainFacts:
    """VenueFacts from a node."""

    def __init__(self, rpc: AsyncRpc, deployment: Deployment) -> None:
        self._rpc = rpc
        self._clearinghouse = Contract.of(rpc, deployment.contracts["Clearinghouse"].address, "Clearinghouse")

    async def of(self, signed: SignedOrder, order_hash: int, market: int) -> OrderFacts:
        order = signed.order
        block, epoch, account, key_expiry, filled = await asyncio.gather(
            self._rpc.call("starknet_getBlockWithTxHashes", {"block_id": "latest"}),
            self._clearinghouse.read("epoch"),
            self._clearinghouse.read("account", order.account),
            self._clearinghouse.read("trading_key_expiry", order.account, signed.key),
            self._clearinghouse.read("order_filled", order_hash),
        )
        sizes = [position["size"] for position in account["positions"] if position["market"] == market]
        return OrderFacts(
            now=int(block["timestamp"]),
            epoch=epoch,
            account_epoch=account["account_epoch"],
            key_expiry=key_expiry,
            filled=filled,
            position=sizes[0] if sizes else 0,
        )


def fault_of(signed: SignedOrder, facts: OrderFacts, size: int = 1) -> str | None:
    """Why the chain would refuse a fill of `size` (1e-8 of the base asset) of this order now, whatever it meets."""
    order = signed.order
    if order.epoch != facts.epoch:
        return f"it is of epoch {order.epoch}, the venue is in {facts.epoch}"
    if order.account_epoch != facts.account_epoch:
        return f"cancelled: it is of account epoch {order.account_epoch}, the account is in {facts.account_epoch}"
    if order.expiry <= facts.now:
        return f"it expired at {order.expiry}, it is {facts.now}"
    if signed.key != 0 and facts.key_expiry <= facts.now:
        return f"the account has not registered the trading key {signed.key:#x}, or it expired"
    if facts.filled >= order.size:
        return "it is filled or cancelled"
    reducible = -facts.position if order.is_buy else facts.position
    if order.reduce_only and reducible < size:
        return f"reduce-only, and the position is {from_size(facts.position)}"
    return None
