"""New blocks and rollbacks to all open pages, by server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import orjson

#: Seconds after which a silent stream says that it is there.
_HEARTBEAT: Final = 15.0
#: A page that reads slower than blocks come misses some; the next one tells it where the chain is.
_WAITING: Final = 16
_MOST_LISTENERS: Final = 256


class Hub:
    """Who listens, and what was said last."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[bytes | None]] = set()
        self._last: bytes | None = None
        self._closed = False

    @property
    def full(self) -> bool:
        return len(self._listeners) >= _MOST_LISTENERS

    def say(self, kind: str, what: dict[str, Any]) -> None:
        """To everybody who listens; `kind` is "head" or "rollback"."""
        message = b"event: %s\ndata: %s\n\n" % (kind.encode(), orjson.dumps(what))
        if kind == "head":
            self._last = message
        for queue in self._listeners:
            _put(queue, message)

    def close(self) -> None:
        """Ends all streams."""
        self._closed = True
        for queue in self._listeners:
            _put(queue, None)

    async def stream(self) -> AsyncIterator[bytes]:
        """First where the chain is, then what happens; a comment now and then keeps the line open."""
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(_WAITING)
        self._listeners.add(queue)
        try:
            yield b"retry: 2000\n\n" + (self._last or b"")
            while not self._closed:
                try:
                    message = await asyncio.wait_for(queue.get(), _HEARTBEAT)
                except TimeoutError:
                    yield b": still here\n\n"
                    continue
                if message is None:
                    return
                yield message
        finally:
            self._listeners.discard(queue)


def _put(queue: asyncio.Queue[bytes | None], message: bytes | None) -> None:
    if queue.full():
        queue.get_nowait()
    queue.put_nowait(message)
