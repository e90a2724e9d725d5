"""The reference venue over HTTP, in this process, for as long as a test needs it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from truemark.deployment import Deployment
from truemark_devnet.venue.app import make_app
from truemark_devnet.venue.command import local_venue
from truemark_devnet.venue.service import Venue


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Served:
    venue: Venue
    url: str


@asynccontextmanager
async def served_venue(deployment: Deployment, log_path: Path, port: int = 0) -> AsyncIterator[Served]:
    """The venue answers at `url` within the block; the same log and port again: it was started anew."""
    port = port or free_port()
    async with local_venue(deployment, log_path, poll=0.05) as venue:
        config = uvicorn.Config(
            make_app(venue), host="127.0.0.1", port=port, log_config=None, lifespan="off", ws="websockets-sansio"
        )
        server = uvicorn.Server(config)
        # Signals stay with the test.
        task = asyncio.create_task(server._serve())
        while not server.started:  # noqa: ASYNC110 - it has no event to wait for
            await asyncio.sleep(0.01)
        try:
            yield Served(venue, f"http://127.0.0.1:{port}")
        finally:
            server.should_exit = server.force_exit = True
            with suppress(asyncio.CancelledError):
                await task
