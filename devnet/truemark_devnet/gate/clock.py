"""The L2 chain's time: made to follow real time while nobody writes, or held still at a given second.

On devnet a transaction sees the time of the block before its own, and its own block is dated when it is closed. So:
left alone for an hour, the chain runs the next transaction an hour in the past; and a time that was set holds for one
block, from then on it follows the machine's clock. Both are put right here, where all transactions pass.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from truemark.errors import TruemarkError

from truemark_devnet.gate.messages import Call, method_of
from truemark_devnet.gate.upstream import Upstream


class TimeGoesBack(TruemarkError, ValueError):
    """The chain's time cannot be set before its newest block."""


class Clock:
    """
    Args:
        tick: seconds of real time after which the newest block is too old for a write: an empty one is made before it.
            None leaves the chain alone.
    """

    def __init__(self, upstream: Upstream, tick: float | None) -> None:
        self._upstream = upstream
        self._tick = tick
        self._held: int | None = None
        self._lock = asyncio.Lock()
        #: When the newest block was made, by this machine's steady clock; unknown counts as long ago.
        self._newest = float("-inf")

    @property
    def held(self) -> int | None:
        """The second that the chain is held at; None when its time runs."""
        return self._held

    @property
    def watches_writes(self) -> bool:
        return self._held is not None or self._tick is not None

    async def hold(self, second: int, *, block: bool = True) -> None:
        """From now on every block has this time and every transaction sees it.

        Args:
            block: an empty block makes it so at once. Without it the caller knows that the newest block has this time.

        Raises:
            TimeGoesBack: the newest block is later.
        """
        async with self._lock:
            newest = await self._newest_time()
            if second < newest:
                raise TimeGoesBack(f"the chain is at {newest}, it cannot go back to {second}")
            if block:
                await self._upstream.call("devnet_setTime", {"time": second, "generate_block": True})
            self._held = second

    async def release(self) -> None:
        """Lets time run, from where it is."""
        async with self._lock:
            if self._held is not None:
                # So that the real seconds since it was last set do not count.
                await self._upstream.call("devnet_setTime", {"time": self._held, "generate_block": True})
            self._held = None
            self._newest = time.monotonic()

    async def forward(self, calls: Sequence[Call]) -> list[Any]:
        """Sends writes one after the other while time is held, else in one request; returns their replies."""
        if self._held is None:
            await self.freshen()
            replies = await self._upstream.batch(calls)
            self._newest = time.monotonic()
            return replies
        replies = []
        for call in calls:
            async with self._lock:
                replies += await self._forward_held(call)
        return replies

    async def freshen(self) -> None:
        """Makes an empty block if the newest is older than a tick: what follows sees a time that is right."""
        if self._tick is None or self._held is not None or self._is_fresh():
            return
        async with self._lock:
            if not self._is_fresh():
                await self._upstream.call("devnet_createBlock")
                self._newest = time.monotonic()

    async def _forward_held(self, call: Call) -> list[Any]:
        assert self._held is not None
        method = method_of(call)
        before: Call = {
            "jsonrpc": "2.0",
            "id": "gate",
            "method": "devnet_setTime",
            "params": {"time": self._held, "generate_block": False},
        }
        if method in ("devnet_setTime", "devnet_increaseTime"):
            replies = await self._upstream.batch([call])
            # With no block yet the time that was set is not in any.
            params = call.get("params")
            wanted = params.get("time") if isinstance(params, dict) and method == "devnet_setTime" else None
            self._held = max(self._held, await self._newest_time(), wanted if isinstance(wanted, int) else 0)
            return replies
        replies = (await self._upstream.batch([before, call]))[1:]
        if method == "devnet_postmanFlush":
            # It makes a block for each message, and only the first was given its time.
            self._held = max(self._held, await self._newest_time())
        return replies

    async def _newest_time(self) -> int:
        block = await self._upstream.call("starknet_getBlockWithTxHashes", {"block_id": "latest"})
        return int(block["timestamp"])

    def _is_fresh(self) -> bool:
        return self._tick is None or time.monotonic() - self._newest < self._tick
