"""A link to a node that fails as a test tells it: between the keeper and the gate, on real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

#: From a request's number and body to what is done with it.
Fault = str
PASS, REFUSE, HANG, BUSY, LOSE_REQUEST, LOSE_ANSWER, CUT_ANSWER = (
    "pass", "refuse", "hang", "busy", "lose request", "lose answer", "cut answer",
)  # fmt: skip
_TOO_MANY = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass
class FaultyLink:
    url: str
    fault: Callable[[int, bytes], Fault] = lambda number, body: PASS
    seen: int = 0
    done: dict[Fault, int] = field(default_factory=dict)


@asynccontextmanager
async def faulty_link(target: str) -> AsyncIterator[FaultyLink]:
    """A proxy of one request a connection."""
    node = urlsplit(target)
    link = FaultyLink("")
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
            )
            body = await reader.readexactly(length)
            link.seen += 1
            fault = link.fault(link.seen, body)
            link.done[fault] = link.done.get(fault, 0) + 1
            if fault == HANG:
                await asyncio.sleep(60)
            elif fault == BUSY:
                writer.write(_TOO_MANY)
                await writer.drain()
            elif fault not in (REFUSE, LOSE_REQUEST):
                answer = await _forward(node.hostname or "", node.port or 80, node.path or "/", body)
                if fault == CUT_ANSWER:
                    writer.write(answer[: len(answer) // 2])
                elif fault != LOSE_ANSWER:
                    writer.write(answer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            return
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=2**22)
    link.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield link
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _forward(host: str, port: int, path: str, body: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(host, port, limit=2**24)
    try:
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        writer.write(head.encode() + body)
        await writer.drain()
        return await reader.read(-1)
    finally:
        writer.close()
