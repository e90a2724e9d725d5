"""Carries messages between L1 and L2: when it is asked to, and from time to time, so that nobody has to ask."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from truemark.errors import TruemarkError

from truemark_devnet import postman
from truemark_devnet.gate.clock import Clock
from truemark_devnet.gate.history import History
from truemark_devnet.gate.upstream import NodeRefused, Upstream
from truemark_devnet.postman import ToL1, ToL2

log = logging.getLogger(__name__)


class NoMessaging(TruemarkError, LookupError):
    """The postman was not told a messaging contract, or there is none at its address."""


class Relay:
    """
    Args:
        l1: the Ethereum node.
        contract: the file that holds the messaging contract's address, from when there is one.
    """

    def __init__(self, l2: Upstream, l1: Upstream, clock: Clock, contract: Path) -> None:
        self._l2 = l2
        self._l1 = l1
        self._clock = clock
        self._contract = contract
        self._history = History(l2)
        self._lock = asyncio.Lock()
        #: What was refused, so that each is said once.
        self._said: set[str] = set()

    async def aclose(self) -> None:
        await self._l1.aclose()

    async def deliver(self) -> None:
        """A flush, if there is something to carry messages through and time runs.

        While time is held it is somebody's plan when a message arrives.

        Raises:
            NodeDown, NodeRefused: it did not work; what waits is carried by the next delivery that does.
        """
        if self._clock.held is None and self._contract.is_file():
            await self.flush()

    async def flush(self) -> dict[str, Any]:
        """Delivers what waits, both ways: first what L1 sent, in the order of its nonces, then what L2 sent.

        A message whose handler is reverted stays on L1, where its sender can take it back, and is not tried again.

        Returns:
            "messages_to_l2" and, one for each, "transactions"; "messages_to_l1".

        Raises:
            NoMessaging: there is no messaging contract.
            NodeDown, NodeRefused: it did not work; what waits is carried by the next flush that does.
        """
        async with self._lock:
            contract = await self._messaging()
            waiting = await self._held_by_l1(contract)
            await self._history.refresh()
            to_l2, transactions = await self._to_l2(contract, waiting)
            if transactions:
                await self._history.refresh()
            # Also one that was handled before: a flush may have ended between the delivery and the mark.
            handled = self._history.succeeded
            for message in waiting:
                if message.hash in handled:
                    await self._l1.call("eth_sendTransaction", [postman.consumption(contract, message)])
            to_l1 = await self._to_l1(contract)
        return {
            "messages_to_l2": [message.to_json() for message in to_l2],
            "transactions": transactions,
            "messages_to_l1": [message.to_json() for message in to_l1],
        }

    async def _messaging(self) -> str:
        try:
            contract = self._contract.read_text().strip()
        except FileNotFoundError:
            raise NoMessaging("no messaging contract is loaded for the postman") from None
        if await self._l1.call("eth_getCode", [contract, "latest"]) in ("0x", None):
            raise NoMessaging(f"no messaging contract is at {contract}, where the postman was sent")
        return contract

    async def _held_by_l1(self, contract: str) -> list[ToL2]:
        """The messages to L2 that were sent and neither consumed nor cancelled."""
        logged = postman.read_log(await self._l1.call("eth_getLogs", [postman.filter_of(contract)]))
        held = await self._ask(contract, "l1ToL2Messages(bytes32)", logged.sent)
        return [message for message, entry in zip(logged.sent, held, strict=True) if entry]

    async def _to_l2(self, contract: str, waiting: Sequence[ToL2]) -> tuple[list[ToL2], list[str]]:
        tried = self._history.succeeded | self._history.reverted
        fresh = [message for message in waiting if message.hash not in tried]
        if not fresh:
            return [], []
        cancelling = await self._ask(contract, "l1ToL2MessageCancellations(bytes32)", fresh)
        delay, now = 0, 0
        if any(cancelling):
            answer = await self._l1.call("eth_call", postman.question(contract, "messageCancellationDelay()"))
            delay = int(answer, 16)
            now = int((await self._l1.call("eth_getBlockByNumber", ["latest", False]))["timestamp"], 16)
        delivered, transactions = [], []
        for message, started in zip(fresh, cancelling, strict=True):
            if postman.is_reclaimable(started, delay, now):
                continue
            call = {
                "jsonrpc": "2.0",
                "id": "gate",
                "method": "devnet_postmanSendMessageToL2",
                "params": message.to_json(),
            }
            (reply,) = await self._clock.forward([call])
            if "result" not in reply:
                self._say(message, reply.get("error"))
                continue
            delivered.append(message)
            transactions.append(str(reply["result"]["transaction_hash"]))
        return delivered, transactions

    async def _to_l1(self, contract: str) -> list[ToL1]:
        sent = self._history.sent
        if not sent:
            return []
        # As late as can be: nobody else tells L1, but an earlier flush that was cut short may have.
        logged = postman.read_log(await self._l1.call("eth_getLogs", [postman.filter_of(contract)]))
        told = []
        for message in postman.not_told(sent, logged.told):
            try:
                await self._l1.call("eth_sendTransaction", [postman.announcement(contract, message)])
            except NodeRefused as error:
                # One that L1 cannot take, too long or to no L1 address, does not hold up the others.
                self._say(message, error)
                continue
            told.append(message)
        return told

    async def _ask(self, contract: str, function: str, messages: Sequence[ToL2]) -> list[int]:
        """A number that the contract keeps for each message."""
        if not messages:
            return []
        replies = await self._l1.batch(
            [
                {
                    "jsonrpc": "2.0",
                    "id": at,
                    "method": "eth_call",
                    "params": postman.question(contract, function, message.hash),
                }
                for at, message in enumerate(messages)
            ]
        )
        for reply in replies:
            if "result" not in reply:
                raise NodeRefused("eth_call", reply.get("error"))
        return [int(reply["result"], 16) for reply in replies]

    def _say(self, message: ToL1 | ToL2, reason: Any) -> None:
        if message.hash not in self._said:
            self._said.add(message.hash)
            log.warning("the message %s is refused, and left where it is: %s", message.hash, reason)
