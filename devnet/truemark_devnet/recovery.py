"""A devnet as a rollback needs it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Final

from truemark.deployment import Deployment
from truemark.errors import TruemarkError
from truemark.l1 import L1Bridge, L1Deposit

from truemark_devnet.deploy.l1 import owner_of
from truemark_devnet.deploy.venue import salt_of_parameters
from truemark_devnet.nodes import NodeError, Nodes, attach
from truemark_devnet.postman import SENT_TO_L2, filter_of, read_log

#: devnet's word for a transaction that it has already.
_DUPLICATE: Final = "Duplicate transaction"


class OtherDevnet(TruemarkError, LookupError):
    """A venue is not on the devnet that runs here."""


class NoSuchMessage(TruemarkError, LookupError):
    """L1 never sent the message of a deposit."""


class DevnetChain:
    """RecoveryChain on starknet-devnet behind the gate, and anvil. Blocks are erased by devnet_abortBlocks, for which
    the node keeps every block's state.

    Args:
        l1: the bridge on L1, with its owner's key.
        messaging: the address of the messaging contract on L1.
    """

    def __init__(self, nodes: Nodes, l1: L1Bridge, messaging: str) -> None:
        self._nodes = nodes
        self._messaging = messaging
        self.l1 = l1

    async def close_admission(self, allowed: Iterable[int] = ()) -> None:
        await self._nodes.close_admission(allowed)

    async def open_admission(self) -> None:
        await self._nodes.open_admission()

    async def carry(self) -> None:
        await self._nodes.flush()

    async def deliver(self, deposit: L1Deposit) -> None:
        await asyncio.to_thread(self._deliver, deposit)

    def _deliver(self, deposit: L1Deposit) -> None:
        control = self._nodes.control
        # Of what was sent only: that L1 has it as consumed is why it is to be delivered again.
        wanted = {**filter_of(self._messaging), "topics": [[SENT_TO_L2]]}
        for message in read_log(control.l1("eth_getLogs", wanted)).sent:
            if message.nonce == deposit.nonce and int(message.hash, 16) == int(deposit.message_hash, 16):
                try:
                    control.l2("devnet_postmanSendMessageToL2", message.to_json())
                except NodeError as error:
                    # The chain has a handler's transaction with that nonce: it was there after all.
                    if _DUPLICATE not in str(error):
                        raise
                return
        raise NoSuchMessage(f"L1 never sent the message of deposit {deposit.nonce}, {deposit.message_hash}")

    async def erase_after(self, block: int) -> None:
        await asyncio.to_thread(self._erase_after, block)

    def _erase_after(self, block: int) -> None:
        control = self._nodes.control
        if self._height() > block:
            control.l2("devnet_abortBlocks", {"starting_block_id": {"block_number": block + 1}})

    async def fill_to(self, block: int) -> None:
        await asyncio.to_thread(self._fill_to, block)

    def _fill_to(self, block: int) -> None:
        for _ in range(self._height(), block):
            self._nodes.control.l2("devnet_createBlock")

    async def l1_epoch(self) -> int:
        return await self.l1.epoch()

    async def new_epoch(self) -> None:
        await self.l1.new_epoch()

    def _height(self) -> int:
        return int(self._nodes.control.l2("starknet_blockNumber"))


@asynccontextmanager
async def devnet_chain(nodes: Nodes, deployment: Deployment) -> AsyncIterator[DevnetChain]:
    """With the key of the L1 contracts' owner, which is public knowledge on a devnet."""
    owner = owner_of(salt_of_parameters(deployment.parameters))
    async with L1Bridge(deployment, owner) as l1:
        yield DevnetChain(nodes, l1, deployment.l1["Messaging"])


@asynccontextmanager
async def attached_chain(deployment: Deployment) -> AsyncIterator[DevnetChain]:
    """The devnet of this machine that the deployment is on.

    Raises:
        NotRunning, NodeDied: there is none.
        OtherDevnet: the deployment is on another one.
    """
    with contextlib.closing(attach()) as nodes:
        if nodes.l2_url != deployment.l2_rpc:
            raise OtherDevnet(
                f"{deployment.name} is on {deployment.l2_rpc}, this machine's devnet is at {nodes.l2_url}"
            )
        async with devnet_chain(nodes, deployment) as chain:
            yield chain
