"""The sentinel of a scenario: it looks after every step, with the independent prices that the scenario gives it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from truemark_devnet.scenario.stage import Stage


class Watch:
    def __init__(self, stage: Stage) -> None:
        self.incident = False
        self.reasons: list[str] = []

    def external(self, prices: Mapping[int, int]) -> None:
        """From now on; 1e-8 USD by market."""

    async def look(self) -> None:
        """At all blocks since the last look."""


@asynccontextmanager
async def watching(stage: Stage) -> AsyncIterator[Watch]:
    yield Watch(stage)
