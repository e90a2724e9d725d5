"""WebSocket connections through the gate: subscriptions pass, and a transaction is treated as one that came by HTTP."""

from __future__ import annotations

import asyncio
import contextlib

from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from truemark_devnet.gate.core import Gate
from truemark_devnet.gate.messages import NotJson, is_write, method_of, parse

#: Close code 1013, "try again later".
_NODE_DOWN = 1013


async def relay_socket(client: WebSocket, gate: Gate) -> None:
    """Serves one connection until either side closes it."""
    await client.accept()
    url = gate.upstream.url.replace("http", "ws", 1).rstrip("/") + "/ws"
    try:
        async with connect(url, max_size=None) as node:
            await _relay(client, node, gate)
    except (OSError, InvalidHandshake, TimeoutError):
        with contextlib.suppress(RuntimeError):
            await client.close(_NODE_DOWN, "the node behind the gate does not answer")


async def _relay(client: WebSocket, node: ClientConnection, gate: Gate) -> None:
    async def from_client() -> None:
        while True:
            message = await client.receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text")
            body = text.encode() if text is not None else message.get("bytes") or b""
            if _writes(body):
                reply = await gate.handle(body, authorised=False)
                await client.send_text(reply.body.decode())
            else:
                await node.send(body.decode(errors="replace"))

    async def from_node() -> None:
        async for message in node:
            await client.send_text(message if isinstance(message, str) else message.decode(errors="replace"))

    both = [asyncio.create_task(from_client()), asyncio.create_task(from_node())]
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in both:
            task.cancel()
        for result in await asyncio.gather(*both, return_exceptions=True):
            if isinstance(result, Exception) and not isinstance(
                result, WebSocketDisconnect | ConnectionClosed | RuntimeError
            ):
                raise result
        with contextlib.suppress(RuntimeError):
            await client.close()


def _writes(body: bytes) -> bool:
    """A message that holds a write goes the way that is judged; so does one that nobody can read."""
    try:
        parsed = parse(body)
    except NotJson:
        return True
    return any(is_write(method_of(call)) for call in (parsed if isinstance(parsed, list) else [parsed]))
