"""The sentinel of a scenario: it looks after every step, with the independent prices that the scenario gives it."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from truemark_keeper.sentinel import IncidentFolder, Sentinel, SentinelTerms, SightReader
from truemark_keeper.transactions import TransactionQueue

from truemark_devnet.deploy.venue import wallet_of
from truemark_devnet.nodes import Nodes
from truemark_devnet.scenario.stage import Stage


class Watch:
    """A sentinel at work.

    Attributes:
        incident: whether it opened one.
        reasons: the breaks that it saw.
    """

    def __init__(self, nodes: Nodes, sentinel: Sentinel, prices: dict[str, int]) -> None:
        self.incident = False
        self.reasons: list[str] = []
        self._nodes = nodes
        self._prices = prices
        self._sentinel = sentinel

    def external(self, prices: Mapping[str, int]) -> None:
        """The independent prices from now on; 1e-8 USD by market. Without one a mark is not compared."""
        self._prices |= prices

    async def look(self) -> None:
        """At all blocks since the last look."""
        seen = await self._sentinel.step(await self._nodes.l2_time(), timeout=30)
        self.incident = self.incident or seen.incident is not None
        self.reasons += [f"{item.rule}: {item.explanation}" for item in seen.breaks]


@asynccontextmanager
async def watching(stage: Stage) -> AsyncIterator[Watch]:
    """The sentinel with the venue's sentinel key, from the block that is the newest now."""
    wallet = wallet_of(stage.roles["sentinel"], stage.deployment.l2_chain_id)
    prices: dict[str, int] = {}

    async def price(market: str, now: int) -> int | None:
        return prices.get(market)

    with tempfile.TemporaryDirectory(prefix="truemark-incidents-") as folder:
        async with TransactionQueue(wallet, stage.rpc, poll=0.01) as queue:
            sentinel = Sentinel(
                queue,
                SightReader(stage.rpc, stage.deployment),
                clearinghouse=stage.clearinghouse.address,
                incidents=IncidentFolder(Path(folder)),
                deployment=stage.deployment.name,
                price=price,
                terms=SentinelTerms(
                    sentinel_bps=stage.plan.sentinel_bps,
                    sentinel_secs=stage.plan.sentinel_secs,
                    # Time moves by hand here, and blocks with it.
                    max_block_gap=0,
                ),
            )
            watch = Watch(stage.nodes, sentinel, prices)
            await watch.look()
            yield watch
