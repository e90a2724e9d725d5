"""An HTTP server of the tests' own: each answer is what a test wants it to be, down to the bytes that never come."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Answer:
    """What the server does with one request."""

    body: bytes = b""
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    #: Seconds before the first byte.
    delay: float = 0.0
    #: Closes the connection after so many bytes of the body.
    cut_at: int | None = None
    #: Seconds between two bytes of the body.
    drip: float = 0.0
    #: Closes at once, without a word.
    dead: bool = False


def said(document: Any, **how: Any) -> Answer:
    return Answer(json.dumps(document).encode(), headers=(("Content-Type", "application/json"),), **how)


@dataclass
class LocalServer:
    url: str
    #: From a request's path with its query to the answer.
    answer: Callable[[str], Answer]
    asked: list[str] = field(default_factory=list)


@asynccontextmanager
async def serving(answer: Callable[[str], Answer] | Answer) -> AsyncIterator[LocalServer]:
    server = LocalServer("", answer if not isinstance(answer, Answer) else lambda path: answer)
    open_links: set[asyncio.Task[None]] = set()

    async def link(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_links.add(task)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ", 2)[1].decode()
            server.asked.append(path)
            await _say(writer, server.answer(path))
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            open_links.discard(task)
            writer.close()

    listener = await asyncio.start_server(link, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listener.close()
        for task in list(open_links):
            task.cancel()
        await asyncio.gather(*open_links, return_exceptions=True)


async def _say(writer: asyncio.StreamWriter, answer: Answer) -> None:
    if answer.delay:
        await asyncio.sleep(answer.delay)
    if answer.dead:
        return
    headers = [*answer.headers, ("Content-Length", str(len(answer.body))), ("Connection", "close")]
    lines = [f"HTTP/1.1 {answer.status} X", *(f"{name}: {value}" for name, value in headers)]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n")
    body = answer.body if answer.cut_at is None else answer.body[: answer.cut_at]
    if answer.drip:
        for byte in body:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(answer.drip)
    else:
        writer.write(body)
    await writer.drain()
