"""`truemark explorer`: the web server, and beside it the follower that keeps the index with the chain."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import uvicorn

from truemark.deployment import Deployment
from truemark.errors import TruemarkError
from truemark.explorer import AsyncExplorer
from truemark.index import Follower, Index, Progress
from truemark.rpc import AsyncRpc
from truemark.web import create_app
from truemark.web.data import Data
from truemark.web.live import Hub

_log = logging.getLogger("truemark.web")
#: Seconds between two looks at an index that another process writes.
_WATCH: Final = 0.5
#: Seconds that open pages get to end.
_GRACE: Final = 2


class PortTaken(TruemarkError, OSError):
    """Another program listens there already."""


@dataclass(frozen=True, slots=True)
class Serving:
    """
    Attributes:
        port: 0 takes any that is free.
        poll: seconds between two looks at the chain.
        follow: the node into the index; False where another process does that.
    """

    url: str
    host: str = "127.0.0.1"
    port: int = 8080
    poll: float = 0.5
    follow: bool = True
    incidents: Path | None = None


async def serve(
    index: Index, deployment: Deployment | None, settings: Serving, ready: Callable[[str], None] | None = None
) -> None:
    """Until it is interrupted.

    Args:
        ready: is told the address once pages are served.

    Raises:
        PortTaken: the port is not free.
        IndexConflict: another follower writes to the index.
    """
    listener = _listen(settings.host, settings.port)
    hub = Hub()
    async with AsyncRpc(settings.url) as rpc:
        explorer = AsyncExplorer(deployment if deployment is not None else settings.url, rpc=rpc, index=index)
        data = Data(explorer, incidents=settings.incidents)
        config = uvicorn.Config(
            create_app(data, hub),
            log_level="warning",
            access_log=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=_GRACE,
            server_header=False,
        )
        server = _Server(config, hub, ready, _address(settings.host, listener))
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for each in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(each, server.ask_to_end)
        news = News(index, hub, data)
        tasks = [asyncio.create_task(news.watch(stop))]
        if settings.follow:
            follower = Follower(rpc, index, deployment)
            tasks.append(asyncio.create_task(follower.follow(stop, poll=settings.poll, progress=news.told)))
        for task in tasks:
            # A follower that cannot go on ends the server too: pages that grow old unseen would be worse.
            task.add_done_callback(lambda _: server.ask_to_end())
        try:
            await server.serve([listener])
        finally:
            stop.set()
            hub.close()
            for each in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(each)
            listener.close()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result


class News:
    """Tells the open pages what the index has."""

    def __init__(self, index: Index, hub: Hub, data: Data) -> None:
        self._index = index
        self._hub = hub
        self._data = data
        #: The head's id and number, None: the index was empty. No block has the id that it begins with.
        self._seen: tuple[int, int] | None = (-1, -1)
        self._reorgs = 0
        self._fresh = asyncio.Event()

    def told(self, _: Progress) -> None:
        """By the follower, after each stretch of blocks."""
        self._fresh.set()

    async def watch(self, stop: asyncio.Event) -> None:
        """Looks when told, and now and then by itself: another process may write the index."""
        self._reorgs = len(await asyncio.to_thread(self._index.reorgs))
        while not stop.is_set():
            self._fresh.clear()
            await self._look()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._fresh.wait(), _WATCH)

    async def _look(self) -> None:
        head = await asyncio.to_thread(self._index.head)
        found = None if head is None else (head.id, head.number)
        if self._seen == found:
            return
        self._seen = found
        reorgs = await asyncio.to_thread(self._index.reorgs)
        self._data.forget()
        for reorg in reorgs[self._reorgs :]:
            self._hub.say("rollback", {"id": reorg.id, "first": reorg.first, "last": reorg.last, "cause": reorg.cause})
        self._reorgs = len(reorgs)
        # An index may lose its last block too: the chain began anew.
        what: dict[str, Any] = {"number": -1, "hash": None}
        if head is not None:
            what = {
                "number": head.number,
                "hash": hex(head.hash),
                "timestamp": head.timestamp,
                "transactions": head.transaction_count,
                "events": head.event_count,
                "unattributed": head.unattributed,
            }
        self._hub.say("head", {**what, "reorgs": len(reorgs)})


class _Server(uvicorn.Server):
    """Says when it is ready, and ends its streams before it waits for them."""

    def __init__(self, config: uvicorn.Config, hub: Hub, ready: Callable[[str], None] | None, address: str) -> None:
        super().__init__(config)
        self._hub = hub
        self._ready = ready
        self._address = address

    def ask_to_end(self) -> None:
        self._hub.close()
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # They are the caller's, so that the follower ends in order too.
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self._ready is not None:
            self._ready(self._address)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise PortTaken(f"{host}:{port} cannot be listened on: {error.strerror}; --port takes another") from None
    listener.setblocking(False)
    return listener


def _address(host: str, listener: socket.socket) -> str:
    port = listener.getsockname()[1]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
