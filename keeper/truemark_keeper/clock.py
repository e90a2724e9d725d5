"""The keeper's clock against the chain's: quotes are judged by the one, reports by the other."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from truemark.errors import TruemarkError
from truemark.rpc import AsyncRpc

#: Seconds that the newest block may be ahead of the keeper's clock.
CLOCK_SLACK = 5


class ClockBehind(TruemarkError, RuntimeError):
    """The keeper's clock is behind the chain's: what it judges to be fresh may be old."""


def chain_clock(rpc: AsyncRpc, slack: int = CLOCK_SLACK) -> Callable[[int], Coroutine[Any, Any, int]]:
    """Asks, at the keeper's time in seconds, how far the newest block is ahead of it, and raises ClockBehind beyond
    `slack`. That a clock is ahead of a chain which may rest cannot be told so; the oracle drops what it says, by its
    own bound."""

    async def behind(now: int) -> int:
        block = await rpc.call("starknet_getBlockWithTxHashes", {"block_id": "latest"})
        late = int(block["timestamp"]) - now
        if late > slack:
            raise ClockBehind(f"the newest block is {late} s ahead of this machine's clock: nothing is reported by it")
        return late

    return behind
