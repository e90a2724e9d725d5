"""A devnet as a rollback needs it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from truemark.deployment import Deployment
from truemark.errors import TruemarkError
from truemark.l1 import L1Bridge

from truemark_devnet.deploy.l1 import owner_of
from truemark_devnet.deploy.venue import salt_of_parameters
from truemark_devnet.nodes import Nodes, attach


class OtherDevnet(TruemarkError, LookupError):
    """A venue is not on the devnet that runs here."""


class DevnetChain:
    """RecoveryChain on starknet-devnet behind the gate, and anvil. Blocks are erased by devnet_abortBlocks, for which
    the node keeps every block's state.

    Args:
        l1: the bridge on L1, with its owner's key.
    """

    def __init__(self, nodes: Nodes, l1: L1Bridge) -> None:
        self._nodes = nodes
        self.l1 = l1

    async def close_admission(self, allowed: Iterable[int] = ()) -> None:
        await self._nodes.close_admission(allowed)

    async def open_admission(self) -> None:
        await self._nodes.open_admission()

    async def carry(self) -> None:
        await self._nodes.flush()

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
        yield DevnetChain(nodes, l1)


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
