"""An index that grows from nothing to 1,000,000 events: what the last tenth of them takes against the second tenth, in
time and in memory. Linear is 1. Takes minutes, so it is measured only when it is asked for."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Final

import psutil
from truemark.index import Follower, Index, Progress
from truemark.rpc import AsyncRpc

from truemark_devnet.accounts import l2_accounts
from truemark_devnet.bench.backfill import BLOCKS, PER_BLOCK, Chain, Endless
from truemark_devnet.bench.figure import Figure
from truemark_devnet.nodes import NodeSettings, running_nodes

_EVENTS: Final = 1_000_000
_TENTHS: Final = 10


def run() -> list[Figure]:
    return asyncio.run(_run(_EVENTS))


async def _run(events: int) -> list[Figure]:
    with running_nodes(settings=NodeSettings(block_generation="demand")) as nodes, tempfile.TemporaryDirectory() as out:
        url = nodes.l2_node_url
        account = next(account for account in l2_accounts(url) if account.role.startswith("spare-"))
        async with AsyncRpc(url) as rpc:
            await Chain(rpc, account, nodes.l2_chain_id).grow(BLOCKS)
            async with Endless(rpc, blocks=events // (2 * PER_BLOCK)) as endless:
                times, memory = await _tenths(endless, Path(out), events)
    # The first tenth warms up: classes are read, caches fill.
    return [
        Figure("growth", times[-1], f"s for the last tenth of {events:,} events", times[1], "s for the second tenth"),
        Figure(
            "growth.memory", memory[-1], f"MB at {events:,} events", memory[0], f"MB at {events // _TENTHS:,} events"
        ),
    ]


async def _tenths(rpc: AsyncRpc, out: Path, events: int) -> tuple[list[float], list[float]]:
    """CPU seconds of each tenth, so that what else runs on the machine does not count, and MB after it."""
    process = psutil.Process()
    times, memory = list[float](), list[float]()
    last = time.process_time()

    def look(progress: Progress) -> None:
        nonlocal last
        if progress.events * _TENTHS >= events * (len(times) + 1):
            now = time.process_time()
            times.append(now - last)
            memory.append(process.memory_info().rss / 1e6)
            last = now

    with Index.open(out / "growth.sqlite") as index:
        await Follower(rpc, index).backfill(look)
    return times, memory
