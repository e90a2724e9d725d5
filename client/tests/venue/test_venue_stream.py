"""The stream: one test for each thing that goes wrong with it, and none of them is hidden."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import orjson
import pytest
from truemark.keys import StarkKey
from truemark.venue import (
    AsyncVenueClient,
    Connected,
    Disconnected,
    Gap,
    LiveBook,
    NoKey,
    NotAuthorized,
    Snapshot,
    StreamClosed,
    SubscriptionRefused,
    SyncStream,
    Topic,
    Update,
)
from truemark.wire import Channel, ErrorCode, Problem, StreamMessage

KEY, ACCOUNT, BTC = StarkKey.from_private(77), 0xA11CE, "BTC-USD-PERP"


class Wire:
    """The far end of the WebSocket: what each connection says, one message or error after the other; a callable looks
    at what was asked. At its end a connection breaks."""

    def __init__(self) -> None:
        self.connections: list[list[Any]] = []
        self.asked: list[list[dict[str, Any]]] = []
        self.opened = 0
        self.closed = 0

    @asynccontextmanager
    async def connect(self, url: str) -> AsyncIterator[Any]:
        assert url == "ws://venue.test/v1/stream"
        if not self.connections:
            raise StreamClosed("nobody listens")
        script = self.connections.pop(0)
        if isinstance(script, Exception):
            raise script
        self.opened += 1
        self.asked.append([])
        try:
            yield End(script, self.asked[-1])
        finally:
            self.closed += 1


class End:
    def __init__(self, script: list[Any], asked: list[dict[str, Any]]) -> None:
        self.script = script
        self.asked = asked

    async def send(self, message: str) -> None:
        self.asked.append(orjson.loads(message))

    async def recv(self) -> str:
        if not self.script:
            raise StreamClosed("1006 broken")
        said = self.script.pop(0)
        if callable(said):
            said = said(self.asked)
        if isinstance(said, Exception):
            raise said
        return said if isinstance(said, str) else orjson.dumps(said.dump()).decode()


def book(kind: str, seq: int, *, bids: Any = (), asks: Any = (), session: str = "one") -> StreamMessage:
    data = {"market": BTC, "seq": seq, "bids": list(bids), "asks": list(asks)}
    return StreamMessage.parse(
        {"type": kind, "channel": "book", "market": BTC, "session": session, "seq": seq, "data": data}
    )


def fills(kind: str, seq: int, session: str = "one") -> StreamMessage:
    return StreamMessage.parse(
        {"type": kind, "channel": "fills", "session": session, "seq": seq, "data": {"fills": []}}
    )


def refusal(code: ErrorCode, to: str) -> Any:
    def answer(asked: list[dict[str, Any]]) -> StreamMessage:
        number = next(one["id"] for one in asked if one["op"] == to)
        return StreamMessage.parse(
            {"type": "error", "id": number, "error": Problem(code=code, message="so it is").dump()}
        )

    return answer


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def open_client(venue: Any, wire: Wire, naps: list[float]) -> Any:
    async def nap(seconds: float) -> None:
        naps.append(seconds)

    def make(**options: Any) -> AsyncVenueClient:
        return AsyncVenueClient(
            "http://venue.test",
            venue.deployment,
            client=venue.client(),
            connector=wire.connect,
            sleep=nap,
            clock=lambda: venue.clock,
            **options,
        )

    return make


async def take(stream: Any, count: int) -> list[Any]:
    return [await anext(stream) for _ in range(count)]


async def test_a_topic_is_a_snapshot_and_then_updates(open_client: Any, wire: Wire) -> None:
    wire.connections = [[book("snapshot", 5, bids=[["10", "1"]]), book("update", 6, bids=[["10", "0"], ["9", "2"]])]]
    async with open_client().stream() as stream:
        topic = await stream.subscribe("book", BTC)
        first, whole, change = await take(stream, 3)
        assert first == Connected(0)
        assert (type(whole), whole.topic, whole.seq) == (Snapshot, topic, 5)
        assert (type(change), change.seq, change.data.bids[1].size) == (Update, 6, 2)
        assert str(topic) == "book of BTC-USD-PERP"
        assert stream.topics == [Topic(Channel.BOOK, BTC)]
    assert wire.closed == 1
    (asked,) = wire.asked[0]
    assert (asked["op"], asked["channel"], asked["market"]) == ("subscribe", "book", BTC)
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_a_number_that_is_missing_is_a_gap_and_the_topic_is_asked_for_anew(open_client: Any, wire: Wire) -> None:
    wire.connections = [
        [
            book("snapshot", 5),
            book("update", 6),
            book("update", 9),
            # Still of the old subscription: worth nothing.
            book("update", 10),
            book("snapshot", 11),
            book("update", 12),
        ]
    ]
    async with open_client().stream() as stream:
        await stream.subscribe("book", BTC)
        events = await take(stream, 6)
    assert [type(event) for event in events] == [Connected, Snapshot, Update, Gap, Snapshot, Update]
    assert events[3] == Gap(Topic(Channel.BOOK, BTC), (7, 11))
    assert [asked["op"] for asked in wire.asked[0]] == ["subscribe", "unsubscribe", "subscribe"]


async def test_a_broken_connection_comes_back_and_tells_what_was_missed(
    open_client: Any, wire: Wire, naps: list[float]
) -> None:
    wire.connections = [
        [book("snapshot", 5), book("update", 6)],
        OSError("refused"),
        [book("snapshot", 9), book("update", 10)],
        [book("snapshot", 10)],
    ]
    async with open_client().stream() as stream:
        await stream.subscribe("book", BTC)
        events = await take(stream, 10)
    kinds = [type(event) for event in events]
    assert kinds == [
        *(Connected, Snapshot, Update),
        *(Disconnected, Connected, Gap, Snapshot, Update),
        *(Disconnected, Connected),
    ]
    assert events[3].reason == "1006 broken"
    assert events[5].missed == (7, 9)
    assert len(naps) == 3
    assert naps[1] > naps[0] / 2, "longer each time"


async def test_nothing_missed_is_no_gap(open_client: Any, wire: Wire) -> None:
    wire.connections = [[book("snapshot", 5)], [book("snapshot", 5), book("update", 6)]]
    async with open_client().stream() as stream:
        await stream.subscribe("book", BTC)
        events = await take(stream, 6)
    assert [type(event) for event in events] == [Connected, Snapshot, Disconnected, Connected, Snapshot, Update]


async def test_a_venue_that_was_started_anew_leaves_a_gap_that_nobody_can_number(open_client: Any, wire: Wire) -> None:
    wire.connections = [[book("snapshot", 50)], [book("snapshot", 3, session="two"), book("update", 4, session="two")]]
    async with open_client().stream() as stream:
        await stream.subscribe("book", BTC)
        events = await take(stream, 7)
    assert events[4] == Gap(Topic(Channel.BOOK, BTC), None)
    assert isinstance(events[6], Update)


async def test_the_token_is_renewed_before_private_topics_are_asked_for_again(
    open_client: Any, wire: Wire, venue: Any
) -> None:
    wire.connections = [[fills("snapshot", 1)], [fills("snapshot", 4)]]
    async with open_client(signer=KEY, account=ACCOUNT).stream() as stream:
        await stream.subscribe("fills")
        events = await take(stream, 6)
    assert isinstance(events[4], Gap)
    assert [[one["op"] for one in asked] for asked in wire.asked] == [["login", "subscribe"]] * 2
    assert [asked[0]["token"] for asked in wire.asked] == ["token-1", "token-2"]


async def test_a_token_that_the_venue_does_not_know_is_made_anew(open_client: Any, wire: Wire) -> None:
    wire.connections = [[refusal(ErrorCode.UNAUTHORIZED, "login")], [fills("snapshot", 1)]]
    async with open_client(signer=KEY, account=ACCOUNT).stream() as stream:
        await stream.subscribe("fills")
        events = await take(stream, 4)
    assert [type(event) for event in events] == [Connected, Disconnected, Connected, Snapshot]
    assert wire.asked[1][0]["token"] == "token-2"


async def test_a_key_that_is_none_any_more_ends_the_stream_with_its_error(
    open_client: Any, wire: Wire, venue: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire.connections = [[fills("snapshot", 1)], []]
    async with open_client(signer=KEY, account=ACCOUNT).stream() as stream:
        await stream.subscribe("fills")
        await take(stream, 2)
        monkeypatch.setattr("truemark.signing.verify", lambda *_: False)
        with pytest.raises(NotAuthorized):
            await take(stream, 2)


async def test_a_topic_that_is_refused_is_said_and_the_others_go_on(open_client: Any, wire: Wire) -> None:
    wire.connections = [[refusal(ErrorCode.UNKNOWN_MARKET, "subscribe"), book("snapshot", 1)]]
    async with open_client().stream() as stream:
        await stream.subscribe("trades", "LUNA-USD-PERP")
        await stream.subscribe("book", BTC)
        assert isinstance(await anext(stream), Connected)
        with pytest.raises(SubscriptionRefused, match="trades of LUNA-USD-PERP: so it is"):
            await anext(stream)
        assert isinstance(await anext(stream), Snapshot)
        assert stream.topics == [Topic(Channel.BOOK, BTC)]


@pytest.mark.parametrize("nonsense", ["{", "[]", '{"type": "update"}', '{"type": "other"}'])
async def test_a_message_that_makes_no_sense_is_no_silence(open_client: Any, wire: Wire, nonsense: str) -> None:
    wire.connections = [[nonsense], [book("snapshot", 1)]]
    async with open_client().stream() as stream:
        await stream.subscribe("book", BTC)
        events = await take(stream, 4)
    assert [type(event) for event in events] == [Connected, Disconnected, Connected, Snapshot]
    assert "makes no sense" in events[1].reason


async def test_it_gives_up_when_it_was_told_to(open_client: Any, wire: Wire, naps: list[float]) -> None:
    wire.connections = [[]]
    async with open_client().stream(reconnects=3) as stream:
        assert isinstance(await anext(stream), Connected)
        with pytest.raises(StreamClosed, match="after 3 tries: nobody listens"):
            await take(stream, 2)
    assert len(naps) == 3


async def test_what_cannot_be_is_refused_before_it_is_asked(open_client: Any, wire: Wire) -> None:
    wire.connections = [[]]
    async with open_client().stream() as stream:
        with pytest.raises(ValueError, match="market"):
            await stream.subscribe("book")
        with pytest.raises(ValueError, match="market"):
            await stream.subscribe("venue", BTC)
        with pytest.raises(ValueError, match="nothing"):
            await stream.subscribe("nothing")
        with pytest.raises(NoKey):
            await stream.subscribe("orders")
        assert wire.asked == [[]]


async def test_a_topic_that_was_left_says_nothing_more(open_client: Any, wire: Wire) -> None:
    wire.connections = [[book("snapshot", 1), book("update", 2), book("update", 3)], [book("snapshot", 1)]]
    async with open_client().stream() as stream:
        await stream.subscribe("book", BTC)
        await take(stream, 2)
        await stream.unsubscribe("book", BTC)
        assert [type(event) for event in await take(stream, 2)] == [Disconnected, Connected]
    assert wire.asked[1] == []


async def test_a_live_book_is_what_the_messages_say_and_knows_when_it_is_old(open_client: Any, wire: Wire) -> None:
    wire.connections = [
        [
            book("snapshot", 1, bids=[["10", "1"], ["9", "5"]], asks=[["11", "2"]]),
            book("update", 2, bids=[["10", "0"]], asks=[["10.5", "3"], ["11", "1"]]),
        ],
        [book("snapshot", 7, bids=[["8", "1"]])],
    ]
    live = LiveBook(BTC)
    seen: list[tuple[bool, Decimal | None, Decimal | None]] = []
    async with open_client().stream() as stream:
        await stream.subscribe("book", BTC)
        for event in await take(stream, 7):
            if not live.apply(event):
                continue
            seen += [(live.ready, live.best_bid, live.best_ask)]
    assert seen == [(True, 10, 11), (True, 9, Decimal("10.5")), (False, 9, Decimal("10.5")), (True, 8, None)]
    assert (live.seq, live.asks, live.bids[0].price) == (7, [], 8)


def test_without_an_event_loop_it_is_a_plain_loop(open_client: Any, wire: Wire) -> None:
    wire.connections = [[book("snapshot", 5), book("update", 6)]]
    kinds = []
    with SyncStream(open_client().stream()) as stream:
        stream.subscribe("book", BTC)
        for event in stream:
            kinds.append(type(event))
            if isinstance(event, Update):
                break
    assert kinds == [Connected, Snapshot, Update]
