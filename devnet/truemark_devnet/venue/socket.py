"""The WebSocket of the gateway: one task reads requests, one writes what the streams say."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import orjson
from starlette.websockets import WebSocket, WebSocketDisconnect
from truemark.wire import (
    CLOSE_RATE_LIMITED,
    CLOSE_TOO_SLOW,
    Channel,
    ErrorCode,
    MessageKind,
    Operation,
    Problem,
    StreamMessage,
    StreamRequest,
    WireError,
)

from truemark_devnet.venue.limits import Limits, Rate, RateLimited
from truemark_devnet.venue.live import Refused
from truemark_devnet.venue.service import Venue
from truemark_devnet.venue.sessions import Sessions
from truemark_devnet.venue.streams import Key, Reader

#: Requests of one connection.
REQUESTS = Rate(200, 20)
MOST_TEXT = 4096


async def serve_stream(socket: WebSocket, venue: Venue, sessions: Sessions, limits: Limits) -> None:
    """Until the client goes, is too slow, or asks too much."""
    await socket.accept()
    reader = Reader()
    connection = _Connection(venue, sessions, reader)
    # Not its id, which the next connection may have.
    whose = object()
    writing = asyncio.create_task(_write(socket, reader), name="venue.stream.write")
    try:
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                # It went; or it was closed by the writer as too slow.
                return
            try:
                limits.take(whose, REQUESTS)
            except RateLimited:
                with suppress(RuntimeError):
                    await socket.close(CLOSE_RATE_LIMITED)
                return
            await connection.answer(message.get("text"))
    finally:
        venue.hub.leave(reader)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)


async def _write(socket: WebSocket, reader: Reader) -> None:
    with suppress(WebSocketDisconnect, RuntimeError):
        while True:
            message = await reader.queue.get()
            if message is None:
                await socket.close(CLOSE_TOO_SLOW)
                return
            await socket.send_text(message.decode())


class _Connection:
    def __init__(self, venue: Venue, sessions: Sessions, reader: Reader) -> None:
        self._venue = venue
        self._sessions = sessions
        self._reader = reader
        self._account: int | None = None

    async def answer(self, text: str | None) -> None:
        """Answers one request (None: it is no text); the answer goes out before the snapshot that it brings."""
        number: int | None = None
        try:
            if text is None:
                raise WireError("", "text is needed, not bytes")
            if len(text) > MOST_TEXT:
                raise WireError("", f"more than {MOST_TEXT} characters")
            try:
                data = orjson.loads(text)
            except orjson.JSONDecodeError as error:
                raise WireError("", f"not JSON: {error}") from error
            if isinstance(data, dict) and isinstance(data.get("id"), int) and data["id"] >= 0:
                number = int(data["id"])
            request = StreamRequest.parse(data, strict=True)
            request.check()
            await self._do(request)
        except WireError as error:
            problem = Problem(code=ErrorCode.BAD_REQUEST, message=str(error)[:2000], field=error.field[:200] or None)
            self._say(StreamMessage(type=MessageKind.ERROR, id=number, error=problem))
        except Refused as error:
            self._say(StreamMessage(type=MessageKind.ERROR, id=number, error=error.problem))

    async def _do(self, request: StreamRequest) -> None:
        if request.op is Operation.PING:
            self._say(StreamMessage(type=MessageKind.PONG, id=request.id))
            return
        done = StreamMessage(type=MessageKind.DONE, id=request.id, channel=request.channel, market=request.market)
        if request.op is Operation.LOGIN:
            account = self._sessions.account(request.token)
            if self._account not in (None, account):
                raise Refused(ErrorCode.FORBIDDEN, "the connection speaks for another account")
            await self._venue.know(account)
            self._account = account
            self._say(done)
            return
        channel = request.channel
        assert channel is not None
        key = self._key(channel, request.market)
        self._say(done)
        if request.op is Operation.UNSUBSCRIBE:
            self._venue.hub.unsubscribe(self._reader, key)
            return

        self._venue.hub.subscribe(
            self._reader, key, request.market, lambda seq: self._venue.snapshot(channel, key[1], seq)
        )

    def _key(self, channel: Channel, market: str | None) -> Key:
        if market is not None:
            return channel, self._venue.market_index(market)
        if not channel.private:
            return channel, 0
        if self._account is None:
            raise Refused(ErrorCode.UNAUTHORIZED, f"{channel} is private: login first")
        return channel, self._account

    def _say(self, message: StreamMessage) -> None:
        self._reader.put(orjson.dumps(message.dump()))
