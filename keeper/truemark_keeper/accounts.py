"""Which accounts a venue has, found by the clearinghouse's events and kept up block by block."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from truemark.errors import TruemarkError
from truemark.felt import selector
from truemark.rpc import RpcError

from truemark_keeper.pinned import BLOCK_NOT_FOUND, BlockGone, Head, read_head
from truemark_keeper.slots import Node

log = logging.getLogger(__name__)

#: Event to the places of accounts among its keys, the selector being key 0. Each way to get money or a position.
ACCOUNTS_IN: Mapping[int, tuple[int, ...]] = {
    selector("Deposited"): (1,),
    selector("DepositCredited"): (1,),
    selector("FeesCollected"): (1,),
    selector("FillSettled"): (2, 3),
    selector("Liquidated"): (1, 3),
}


MODE_CHANGED = selector("ModeChanged")
FULL = 3


class BadEvents(TruemarkError, RuntimeError):
    """A node's answer to starknet_getEvents cannot be right."""


class AccountScan:
    """Every account that was ever named in an event above, up to the last block asked for.

    Args:
        node: the JSON-RPC client.
        clearinghouse: whose events.
        since: the first block to look at.
        page: events in one answer.
    """

    def __init__(self, node: Node, clearinghouse: int, *, since: int = 0, page: int = 1000) -> None:
        self._node = node
        self._clearinghouse = clearinghouse
        self._since = since
        self._page = page
        self._found: set[int] = set()
        self._full_block: int | None = None
        self._upto: Head | None = None

    @property
    def full_block(self) -> int | None:
        """The block in which the venue last became Full, of those read; None: in none."""
        return self._full_block

    async def accounts(self, head: Head) -> frozenset[int]:
        """The accounts up to `head`. Only blocks since the last call are read, unless the chain went back: then all.

        Raises:
            BlockGone: a block vanished while it was read.
            BadEvents, RpcError, NodeUnavailable: the events cannot be read.
        """
        if self._upto is not None and not await self._continues(self._upto, head):
            log.warning(
                "the chain went back: accounts are read anew", extra={"from": self._upto.number, "to": head.number}
            )
            self._upto, self._found, self._full_block = None, set(), None
        start = self._since if self._upto is None else self._upto.number + 1
        if start <= head.number:
            # Taken over only when all pages are read: a page that fails leaves the scan where it was.
            found, full_block = await self._scan(start, head.number)
            self._found |= found
            self._full_block = self._full_block if full_block is None else full_block
        self._upto = head
        return frozenset(self._found)

    async def _continues(self, upto: Head, head: Head) -> bool:
        if head.number < upto.number:
            return False
        if head.number == upto.number:
            return head == upto
        try:
            return await read_head(self._node, upto.number) == upto
        except BlockGone:
            return False

    async def _scan(self, start: int, end: int) -> tuple[set[int], int | None]:
        found: set[int] = set()
        full_block: int | None = None
        asked: dict[str, Any] = {
            "from_block": {"block_number": start},
            "to_block": {"block_number": end},
            "address": hex(self._clearinghouse),
            "keys": [[hex(name) for name in (*ACCOUNTS_IN, MODE_CHANGED)]],
            "chunk_size": self._page,
        }
        tokens: set[str] = set()
        while True:
            try:
                answer = await self._node.call("starknet_getEvents", {"filter": asked})
            except RpcError as error:
                if error.code == BLOCK_NOT_FOUND:
                    raise BlockGone(f"block {start} or {end} is gone") from error
                raise
            found.update(self._named(answer["events"]))
            for event in answer["events"]:
                if self._is_full(event):
                    full_block = max(int(event["block_number"]), full_block or 0)
            token = answer.get("continuation_token")
            if token is None:
                return found, full_block
            if token in tokens:
                raise BadEvents(f"starknet_getEvents of blocks {start} to {end} gives the page {token!r} twice")
            tokens.add(token)
            asked["continuation_token"] = token

    def _named(self, events: Iterable[Mapping[str, Any]]) -> Iterable[int]:
        for event in events:
            # The filter again: nodes let events through that have fewer keys than it asks for.
            if int(event["from_address"], 16) != self._clearinghouse or not event["keys"]:
                continue
            keys = [int(key, 16) for key in event["keys"]]
            places = ACCOUNTS_IN.get(keys[0], ())
            if places and len(keys) <= places[-1]:
                raise BadEvents(f"an event of {self._clearinghouse:#x} has {len(keys)} keys: {event['keys']}")
            yield from (keys[place] for place in places)

    def _is_full(self, event: Mapping[str, Any]) -> bool:
        """Whether it says that the venue became Full: data are from, to, caller, report."""
        ours = int(event["from_address"], 16) == self._clearinghouse and bool(event["keys"])
        if not ours or int(event["keys"][0], 16) != MODE_CHANGED:
            return False
        if len(event["data"]) < 2:
            raise BadEvents(f"a change of mode has {len(event['data'])} fields: {event['data']}")
        return int(event["data"][1], 16) == FULL
