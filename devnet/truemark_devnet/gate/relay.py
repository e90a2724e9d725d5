"""Carries L1-L2 messages from time to time, so that nobody has to ask for it."""

from __future__ import annotations

from truemark_devnet import postman
from truemark_devnet.gate.clock import Clock
from truemark_devnet.gate.upstream import Upstream


class Relay:
    """
    Args:
        l1: the Ethereum node.
        every: seconds between two deliveries.
    """

    def __init__(self, l2: Upstream, l1: Upstream, clock: Clock, every: float) -> None:
        self.every = every
        self._l2 = l2
        self._l1 = l1
        self._clock = clock
        self._fetched = ""

    async def aclose(self) -> None:
        await self._l1.aclose()

    async def deliver(self) -> None:
        """Both ways, once. Nothing while time is held: there it is somebody's plan when a message arrives.

        Raises:
            NodeDown, NodeRefused: it did not work; what waits is carried by the next delivery that does.
        """
        if self._clock.held is not None:
            return
        newest = str(await self._l1.call("eth_blockNumber"))
        if newest == self._fetched:
            # devnet asks for the logs of the blocks after the last that it saw, and gives up when there are none.
            await self._l1.call("evm_mine")
            newest = str(await self._l1.call("eth_blockNumber"))
        await self._clock.freshen()
        flushed = await self._l2.call("devnet_postmanFlush")
        self._fetched = newest
        receipts = [
            await self._l2.call("starknet_getTransactionReceipt", {"transaction_hash": tx_hash})
            for tx_hash in flushed["generated_l2_transactions"]
        ]
        for message in postman.handled(flushed["messages_to_l2"], receipts):
            sent = await self._l1.call("eth_getTransactionReceipt", [message["l1_transaction_hash"]])
            await self._l1.call("eth_sendTransaction", [postman.consumption(message, sent)])
