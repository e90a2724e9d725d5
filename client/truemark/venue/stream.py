"""The venue's WebSocket: it comes back by itself and subscribes again, and it never hides that something was missed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import count
from types import TracebackType
from typing import Any, Final, Protocol, Self

import orjson

from truemark.errors import TruemarkError
from truemark.rpc import shown_url
from truemark.secrets import scrubbed
from truemark.venue.errors import NoKey, RateLimited, error_of
from truemark.venue.http import Sleep
from truemark.venue.login import Login
from truemark.wire import (
    AccountView,
    BookView,
    Channel,
    ErrorCode,
    FillView,
    MarketView,
    MessageKind,
    Operation,
    OrderView,
    Record,
    StreamMessage,
    StreamRequest,
    TradeView,
    VenueView,
    WireError,
)

_FIRST_DELAY: Final = 0.1
_LONGEST_DELAY: Final = 15.0

#: What a message of a stream carries.
Data = VenueView | MarketView | BookView | AccountView | tuple[TradeView | OrderView | FillView, ...]


class Socket(Protocol):
    """A WebSocket, as `websockets` has it."""

    async def send(self, message: str) -> None: ...

    async def recv(self) -> str | bytes: ...


#: Opens a WebSocket to an URL.
Connector = Callable[[str], AbstractAsyncContextManager[Socket]]


@asynccontextmanager
async def open_websocket(url: str) -> AsyncIterator[Socket]:
    """By `websockets`, which pings, and closes a connection that does not answer.

    Raises:
        StreamClosed: nobody takes it.
    """
    from websockets.asyncio.client import connect
    from websockets.exceptions import InvalidHandshake, InvalidURI

    try:
        socket = await connect(url, max_size=2**24, open_timeout=10)
    except (InvalidHandshake, InvalidURI) as error:
        raise StreamClosed(f"{shown_url(url)}: {scrubbed(str(error))}") from error
    try:
        yield _WebSocket(socket)
    finally:
        await socket.close()


class _WebSocket:
    """Its own errors are no standard ones."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket

    async def send(self, message: str) -> None:
        await self._told(self._socket.send(message))

    async def recv(self) -> str | bytes:
        received: str | bytes = await self._told(self._socket.recv())
        return received

    async def _told(self, doing: Awaitable[Any]) -> Any:
        from websockets.exceptions import ConnectionClosed

        try:
            return await doing
        except ConnectionClosed as error:
            raise StreamClosed(str(error)) from error


class StreamClosed(TruemarkError, ConnectionError):
    """The stream was closed, or could not come back."""


class SubscriptionRefused(TruemarkError, ValueError):
    """The venue does not give this channel, with its words."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One stream: a channel, and the market that it is of."""

    channel: Channel
    market: str | None = None

    def __str__(self) -> str:
        return str(self.channel) if self.market is None else f"{self.channel} of {self.market}"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole of a topic: what was known of it before is replaced."""

    topic: Topic
    data: Data
    seq: int


@dataclass(frozen=True, slots=True)
class Update:
    """What changed since the message before."""

    topic: Topic
    data: Data
    seq: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Messages of a topic were missed. A snapshot follows; what happened in between and is in no snapshot is to be
    asked for: fills by `fill_views(after=...)`."""

    topic: Topic
    #: The numbers of the first and the last that were missed; None: the venue was started anew, and nobody knows.
    missed: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection broke; the stream comes back by itself."""

    reason: str


@dataclass(frozen=True, slots=True)
class Connected:
    """The connection is there (again): every topic was subscribed, its snapshot follows."""

    #: 0: the first one.
    reconnects: int


Event = Snapshot | Update | Gap | Disconnected | Connected


@dataclass
class _Subscription:
    topic: Topic
    session: str | None = None
    seq: int | None = None
    #: A snapshot was asked for: updates until it comes belong to the subscription before.
    waits: bool = True


class Stream:
    """`async for event in stream`; made by AsyncVenueClient.stream.

    Args:
        url: of the WebSocket.
        login: renews the token before private topics are subscribed again.
        reconnects: how often in a row it tries to come back; None: for ever.
    """

    def __init__(
        self,
        url: str,
        login: Login | None,
        *,
        connector: Connector = open_websocket,
        sleep: Sleep = asyncio.sleep,
        reconnects: int | None = None,
    ) -> None:
        self._url = url
        self._login = login
        self._connector = connector
        self._sleep = sleep
        self._most = reconnects
        self._ids = count(1)
        self._subscriptions: dict[Topic, _Subscription] = {}
        self._asked: dict[int, Topic | None] = {}
        self._logins: set[int] = set()
        self._stack: AsyncExitStack | None = None
        self._socket: Socket | None = None
        self._events: list[Event] = []
        self._count = 0
        self._token: str | None = None
        self._next_token: str | None = None
        self._logged_in = False
        self._closed = False

    async def __aenter__(self) -> Self:
        await self._connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        self._closed = True
        await self._hang_up()

    @property
    def topics(self) -> list[Topic]:
        return list(self._subscriptions)

    async def subscribe(self, channel: Channel | str, market: str | None = None) -> Topic:
        """Asks for a topic; its snapshot comes as an event, and a refusal is raised by the iteration.

        Raises:
            ValueError: the channel is none, or is of one market and none was given (or the other way round).
            NoKey: the channel is private, and there is no key.
        """
        topic = Topic(Channel(channel), market)
        StreamRequest(op=Operation.SUBSCRIBE, channel=topic.channel, market=market).check()
        if topic.channel.private and self._login is None:
            raise NoKey(f"{topic} is private: open the venue's client with signer= and account=")
        if topic not in self._subscriptions:
            if topic.channel.private:
                await self._get_token()
            self._subscriptions[topic] = _Subscription(topic)
            # A connection that broke is found by the next read, which subscribes everything again.
            with suppress(ConnectionError):
                if topic.channel.private:
                    await self._log_in()
                await self._ask(topic)
        return topic

    async def unsubscribe(self, channel: Channel | str, market: str | None = None) -> None:
        topic = Topic(Channel(channel), market)
        if self._subscriptions.pop(topic, None) is not None:
            with suppress(ConnectionError):
                await self._say(Operation.UNSUBSCRIBE, topic)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        """The next event.

        Raises:
            StopAsyncIteration: the stream was closed.
            SubscriptionRefused: the venue does not give a topic; the others go on.
            StreamClosed: it could not come back.
        """
        while not self._events:
            if self._closed:
                raise StopAsyncIteration
            await self._read()
        return self._events.pop(0)

    # --- the connection

    async def _connect(self) -> None:
        self._stack = stack = AsyncExitStack()
        self._socket = await stack.enter_async_context(self._connector(self._url))
        self._asked.clear()
        self._logins.clear()
        self._logged_in, self._next_token = False, None
        for subscription in self._subscriptions.values():
            subscription.waits = True
            if subscription.topic.channel.private:
                # A new token first: with one that expired meanwhile the venue would refuse the topic.
                await self._get_token()
                await self._log_in()
            await self._ask(subscription.topic)
        self._events.append(Connected(self._count))

    async def _hang_up(self) -> None:
        stack, self._stack, self._socket = self._stack, None, None
        if stack is not None:
            # One that is gone already is what was wanted.
            with suppress(OSError):
                await stack.aclose()

    async def _come_back(self, why: str) -> None:
        await self._hang_up()
        self._events.append(Disconnected(why))
        delay, tries = _FIRST_DELAY, 0
        while not self._closed:
            await self._sleep(random.uniform(delay / 2, delay))  # noqa: S311 - no secret
            self._count += 1
            tries += 1
            try:
                await self._connect()
            except PermissionError:
                await self._hang_up()
                raise
            except (OSError, EOFError, RateLimited) as error:
                await self._hang_up()
                if self._most is not None and tries >= self._most:
                    raise StreamClosed(f"the stream did not come back after {tries} tries: {error}") from error
                delay = min(delay * 2, _LONGEST_DELAY)
            else:
                return

    async def _read(self) -> None:
        socket = self._socket
        if socket is None:
            raise StreamClosed("the stream is not open: use it as `async with venue.stream() as stream`")
        try:
            message = StreamMessage.parse(orjson.loads(await socket.recv()))
            await self._take(message)
        except PermissionError:
            # An OSError to Python, and no broken connection.
            raise
        except (OSError, EOFError) as error:
            if not self._closed:
                await self._come_back(str(error) or type(error).__name__)
        except (orjson.JSONDecodeError, WireError) as error:
            await self._come_back(f"a message that makes no sense: {error}")

    # --- messages

    async def _take(self, message: StreamMessage) -> None:
        if message.type is MessageKind.ERROR:
            await self._refused(message)
        elif message.type in (MessageKind.SNAPSHOT, MessageKind.UPDATE):
            await self._data(message)
        elif message.id is not None:
            self._asked.pop(message.id, None)

    async def _refused(self, message: StreamMessage) -> None:
        if message.error is None:
            raise WireError("error", "is missing")
        if message.id in self._logins and message.error.code is ErrorCode.UNAUTHORIZED:
            await self._come_back("the venue does not know the token")
            return
        topic = self._asked.pop(message.id, None) if message.id is not None else None
        if topic is None:
            raise error_of(message.error)
        self._subscriptions.pop(topic, None)
        raise SubscriptionRefused(f"{topic}: {message.error.message} ({message.error.code})")

    async def _data(self, message: StreamMessage) -> None:
        if message.channel is None or message.seq is None or message.session is None or message.data is None:
            raise WireError("", "a stream's message needs channel, session, seq and data")
        subscription = self._subscriptions.get(Topic(message.channel, message.market))
        if subscription is None:
            return
        topic = subscription.topic
        if message.type is MessageKind.SNAPSHOT:
            self._notice(subscription, message.session, message.seq)
            self._events.append(Snapshot(topic, data_of(message.channel, message.data), message.seq))
        elif subscription.waits:
            return
        elif message.session != subscription.session or message.seq != (subscription.seq or 0) + 1:
            # Numbers are not moved on: the snapshot that is asked for now tells how much was missed.
            subscription.waits = True
            await self._say(Operation.UNSUBSCRIBE, topic)
            await self._ask(topic)
            return
        else:
            self._events.append(Update(topic, data_of(message.channel, message.data), message.seq))
        subscription.session, subscription.seq, subscription.waits = message.session, message.seq, False

    def _notice(self, subscription: _Subscription, session: str, seq: int) -> None:
        """Before a snapshot: whether something lies between it and the last message that was seen."""
        if subscription.session is None:
            return
        if subscription.session != session:
            self._events.append(Gap(subscription.topic, None))
        elif subscription.seq is not None and seq > subscription.seq:
            self._events.append(Gap(subscription.topic, (subscription.seq + 1, seq)))

    async def _get_token(self) -> None:
        if self._login is not None and not self._logged_in and self._next_token is None:
            # Never the token of the connection before: it may have ended, or its venue may.
            self._next_token = self._token = await self._login.token(stale=self._token)

    async def _log_in(self) -> None:
        if self._logged_in or self._next_token is None:
            return
        token, self._next_token = self._next_token, None
        self._logins.add(number := self._number(None))
        await self._post(StreamRequest(op=Operation.LOGIN, id=number, token=token))
        self._logged_in = True

    async def _ask(self, topic: Topic) -> None:
        await self._say(Operation.SUBSCRIBE, topic)

    async def _say(self, operation: Operation, topic: Topic) -> None:
        number = self._number(topic if operation is Operation.SUBSCRIBE else None)
        await self._post(StreamRequest(op=operation, id=number, channel=topic.channel, market=topic.market))

    def _number(self, topic: Topic | None) -> int:
        number = next(self._ids)
        self._asked[number] = topic
        return number

    async def _post(self, request: StreamRequest) -> None:
        if self._socket is None:
            raise StreamClosed("the stream is not open: use it as `async with venue.stream() as stream`")
        await self._socket.send(orjson.dumps(request.dump()).decode())


_RECORDS: Final[dict[Channel, type[Record]]] = {
    Channel.VENUE: VenueView,
    Channel.MARKET: MarketView,
    Channel.BOOK: BookView,
    Channel.ACCOUNT: AccountView,
}
_LISTS: Final[dict[Channel, type[Record]]] = {
    Channel.TRADES: TradeView,
    Channel.ORDERS: OrderView,
    Channel.FILLS: FillView,
}


def data_of(channel: Channel, data: dict[str, Any]) -> Any:
    """What a message carries, as records.

    Raises:
        WireError: it is not what the channel carries.
    """
    if channel in _RECORDS:
        return _RECORDS[channel].parse(data, "data")
    listed = data.get(str(channel))
    if not isinstance(listed, list):
        raise WireError(f"data.{channel}", "a list is needed")
    kind = _LISTS[channel]
    return tuple(kind.parse(item, f"data.{channel}[{number}]") for number, item in enumerate(listed))
