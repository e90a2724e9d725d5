"""`truemark devnet venue`: the reference venue of the deployment that runs here, on 127.0.0.1."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import uvicorn
from truemark.deployment import Deployment
from truemark.keys import StarkKey
from truemark.rpc import AsyncRpc
from truemark_keeper import logs
from truemark_keeper.pinned import read_head
from truemark_keeper.wallet import StarkWallet

from truemark_devnet.accounts import operators
from truemark_devnet.venue.app import make_app
from truemark_devnet.venue.service import Venue

HOST = "127.0.0.1"


@asynccontextmanager
async def local_venue(deployment: Deployment, where: Path, **options: Any) -> AsyncIterator[Venue]:
    """The venue in this process, settling with the devnet operator's account.

    Args:
        where: the log's file; a folder: a file of its own there for every chain, so that a devnet that was started anew
            finds none of the old one's orders.

    Raises:
        AccountsMissing: the deployment's node is no devnet of ours.
        BadLog: the log is another deployment's.
    """
    operator = operators(deployment.l2_rpc)["operator"]
    wallet = StarkWallet(operator.address, StarkKey.from_private(operator.private_key), deployment.l2_chain_id)
    async with AsyncExitStack() as stack:
        rpc = await stack.enter_async_context(AsyncRpc(deployment.l2_rpc))
        # Chains that were started at different times differ in their first block.
        origin = (await read_head(rpc, 0)).fingerprint.hex()[:16]
        path = where / f"venue-{origin}.sqlite" if where.is_dir() else where
        yield await stack.enter_async_context(Venue(deployment, rpc, wallet, path, origin=origin, **options))


async def serve(manifest: Path, where: Path, port: int, ready: Callable[[str], None]) -> None:
    """Until it is told to stop by Ctrl-C or SIGTERM.

    Args:
        where: of the log, as `local_venue` has it.
        ready: told the URL when the venue answers.

    Raises:
        NoDeployment, BadManifest, AccountsMissing, BadLog: there is nothing to serve.
    """
    async with local_venue(Deployment.load(manifest), where) as venue:
        config = uvicorn.Config(
            make_app(venue), host=HOST, port=port, log_config=None, lifespan="off", ws="websockets-sansio"
        )
        await _Server(config, ready).serve()


class _Server(uvicorn.Server):
    """Says where it answers once it does."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[str], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready(f"http://{HOST}:{self.servers[0].sockets[0].getsockname()[1]}")


def serve_until_stopped(manifest: Path, where: Path, port: int, ready: Callable[[str], None]) -> None:
    """As `serve`, with logs on stderr."""
    logs.setup()
    asyncio.run(serve(manifest, where, port, ready))
