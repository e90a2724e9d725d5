"""How long pages of the explorer take on SQLite at 1,000,000 events, against the same at 10,000: they should not grow
with the chain. The index is made by the store's own writer, from blocks that never were."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from truemark.explorer import AsyncExplorer
from truemark.index import Index

from truemark_devnet.bench.chain import TOKEN, PaperChain, fill
from truemark_devnet.bench.figure import Figure

_EARLY: Final = 10_000
_EVENTS: Final = 1_000_000
_LOOKS: Final = 25
#: No node: what an index holds is shown without one.
_NOWHERE: Final = "http://127.0.0.1:1"


def run() -> list[Figure]:
    return asyncio.run(_run(_EVENTS))


async def _run(events: int) -> list[Figure]:
    with tempfile.TemporaryDirectory() as out:
        early = await _times(Path(out) / "early.sqlite", _EARLY)
        late = await _times(Path(out) / "late.sqlite", events)
    return [
        Figure(name, late[name], f"ms at {events:,} events", early[name], f"ms at {_EARLY:,} events") for name in late
    ]


async def _times(path: Path, events: int) -> dict[str, float]:
    """Milliseconds of each page, the median of several looks at places spread over the chain."""
    with Index.open(path) as index:
        chain = PaperChain(events)
        fill(index, chain)
        async with AsyncExplorer(_NOWHERE, index=index) as explorer:
            places = [1 + step * (chain.height - 1) // _LOOKS for step in range(_LOOKS)]
            account = chain.account(7)

            async def events_of_account(_: int) -> Any:
                return await explorer.events(newest_first=True, limit=25)

            pages: dict[str, Callable[[int], Awaitable[Any]]] = {
                "page.block": explorer.block_view,
                "page.transaction": lambda block: explorer.transaction_view(chain.transaction(block, 3)),
                "page.blocks": lambda _: explorer.latest_blocks(limit=25),
                "page.transactions": lambda _: explorer.latest_transactions(limit=25),
                "page.events": events_of_account,
                "page.transfers": lambda _: explorer.transfers(account=account, token=TOKEN, limit=25),
                "page.search": lambda block: explorer.search(hex(chain.transaction(block, 3))),
            }
            return {name: await _median(page, places) for name, page in pages.items()}


async def _median(page: Callable[[int], Awaitable[Any]], places: list[int]) -> float:
    # The first look parses the ABIs.
    await page(places[0])
    times = []
    for place in places:
        start = time.perf_counter()
        await page(place)
        times.append(time.perf_counter() - start)
    return 1_000 * sorted(times)[len(times) // 2]
