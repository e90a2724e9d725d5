"""The venue's service on a chain of paper: what a node, a disk, a crash or a client does at the wrong moment."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from truemark.deployment import ContractInfo, Deployment, MarketInfo
from truemark.gateway import FillState, OrderState
from truemark.rpc import NodeUnavailable, RpcError
from truemark.wire import ErrorBody, MessageKind, StreamMessage, paths
from truemark_devnet.venue.app import Gateway
from truemark_devnet.venue.chainview import ChainAccount
from truemark_devnet.venue.engine import Engine
from truemark_devnet.venue.following import Known, News
from truemark_devnet.venue.limits import Limits
from truemark_devnet.venue.live import LiveOrder, Refused
from truemark_devnet.venue.log import Batch
from truemark_devnet.venue.service import Venue
from truemark_devnet.venue.settling import Settler

from devnet.tests.venue.venue_people import BTC, TERMS, VENUE, engine, place, request, settle_all, view

ALICE, BOB = 1, 2
TOKEN = "alices"
PRIVATE = {"authorization": f"Bearer {TOKEN}"}


class All(set[int]):
    """Whatever is asked for is in it."""

    def __contains__(self, item: object) -> bool:
        return True


class Follower:
    """Says what it is given, each once."""

    def __init__(self, *said: News) -> None:
        self.said = list(said)
        self.known = Known(approved=All())

    async def news(self) -> News | None:
        return self.said.pop(0) if self.said else None

    async def account(self, address: int) -> ChainAccount:
        return ChainAccount(1, 10**12, 0, {})


class Paper(Venue):
    """A venue that was never started: its engine is given, its tasks do not run."""

    def __init__(self, path: Path, given: Engine) -> None:
        contracts = {name: ContractInfo(VENUE, 1) for name in ("Clearinghouse", "Oracle")}
        deployment = Deployment(
            name="paper",
            profile="paper",
            l2_rpc="",
            l1_rpc="",
            l2_chain_id=77,
            l1_chain_id=1,
            contracts=contracts,
            classes={},
            l1={},
            fee_token=1,
            account_class_hash=1,
            faucet=False,
            operators={},
            markets={one.name: MarketInfo(one.index, 10, 100, 0, 3, one.tiers) for one in TERMS.values()},
            vault_lock_secs=0,
        )
        nothing: Any = None
        super().__init__(deployment, nothing, nothing, path, clock=lambda: 1_000.0)
        self._engine = given
        self._seen_at = float("inf")
        self.follower = Follower()  # type: ignore[assignment]


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[Paper]:
    found = Paper(tmp_path / "v.sqlite", engine(ALICE, BOB))
    yield found
    found.log.close()


def settled_pair(venue: Paper) -> tuple[LiveOrder, LiveOrder]:
    pair = place(venue.engine, ALICE, "buy", 2, 99), place(venue.engine, BOB, "sell", 1, 99)
    settle_all(venue.engine)
    venue._commit()
    return pair


class Node:
    """Of which a test says what it answers; by default it knows no transaction."""

    address = 5

    def __init__(self, *receipts: Exception | bool, nonce: int = 0) -> None:
        self.receipts = list(receipts)
        self.nonce = nonce

    async def is_there(self, tx_hash: int) -> bool:
        found = self.receipts.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    async def call(self, method: str, params: Any = None) -> Any:
        if method == "starknet_getNonce":
            return hex(self.nonce)
        raise RpcError(29 if method == "starknet_getTransactionReceipt" else 52, "no", None)


async def test_a_rollback_is_taken_in_even_if_the_node_fails_meanwhile(venue: Paper) -> None:
    maker, taker = settled_pair(venue)
    venue.follower = Follower(News(view(), TERMS, {}, (), True))  # type: ignore[assignment]
    venue._settler = Node(NodeUnavailable("away"), False)  # type: ignore[assignment]
    with pytest.raises(NodeUnavailable):
        await venue._catch_up()
    assert maker.filled
    for _ in range(2):
        await venue._catch_up()
        assert (maker.filled, taker.filled, maker.state, taker.state) == (
            0,
            0,
            OrderState.CANCELLED,
            OrderState.CANCELLED,
        )
    (fill,) = venue.fills(ALICE, 0, 10).fills
    assert (fill.state, fill.reason) == (FillState.REFUSED, "erased by a rollback")


@pytest.mark.parametrize("nonce", [6, 8])
async def test_a_batch_whose_nonce_is_over_or_was_erased_is_given_up(venue: Paper, nonce: int) -> None:
    node: Any = Node(nonce=nonce)
    settler = Settler(node, node, VENUE, venue.log, poll=0)
    assert await settler.land(Batch(1, 7, 99, {}, (1,)), {1: (2, 3)}) is None


async def test_a_log_that_takes_nothing_stops_the_venue(venue: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    order, _ = await venue.place(ALICE, approved("buy", 99))

    def full(changes: object) -> Any:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(venue.log, "write", full)
    with pytest.raises(sqlite3.OperationalError):
        await venue.place(ALICE, approved("buy", 98))
    monkeypatch.undo()
    for attempt in (
        lambda: venue.cancel(order),
        lambda: venue.cancel_all(ALICE),
    ):
        with pytest.raises(Refused, match="disk is full"):
            attempt()
    with pytest.raises(Refused, match="disk is full"):
        await venue.place(ALICE, approved("buy", 97))
    # A restart finds what was acknowledged, and no more.
    assert [(one.order_hash, one.state) for one in venue.log.orders()] == [(order.order_hash, OrderState.OPEN)]


def approved(side: str, price: int, **named: Any) -> Any:
    """A request for an order that needs no signature."""
    asked = request(ALICE, side, 1, price, **named)
    signed = type(asked.signed)(asked.signed.order, 0, 0, 0)
    return type(asked)(signed=signed, client_order_id=asked.client_order_id)


# --- bodies that nobody should send

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
#: What a good one has, so that some get further than the first field.
SHAPED = st.fixed_dictionaries(
    {},
    optional={
        "signed": JSON | st.just(approved("buy", 99).dump()["signed"]),
        "orders": JSON | st.lists(st.just(approved("buy", 98).dump()) | JSON, max_size=3),
        "order_hashes": JSON,
        "client_order_id": JSON,
        "kind": JSON | st.just("market"),
        "trigger": JSON,
        "size": JSON | st.sampled_from(["0", "-1", "0.00000000001", "9" * 40, "1e9"]),
        "replacement": JSON,
        "seconds": JSON,
        "account": JSON | st.just("0x1"),
        "nonce": JSON | st.just("0x1"),
        "key": JSON | st.just("0x1"),
        "r": JSON | st.just("0x1"),
        "s": JSON | st.just("0x1"),
        "op": JSON | st.sampled_from(["login", "subscribe", "unsubscribe", "ping"]),
        "id": JSON,
        "channel": JSON | st.sampled_from(["book", "orders", "venue"]),
        "market": JSON | st.just(BTC),
        "token": JSON,
    },
)
BODIES = (
    st.binary(max_size=60)
    | JSON.map(lambda value: orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS) if small(value) else b"1e400")
    | SHAPED.map(lambda value: orjson.dumps(value) if small(value) else b"{")
)
WRITES = [
    ("POST", paths.CHALLENGE),
    ("POST", paths.SESSION),
    ("POST", paths.ORDERS),
    ("POST", paths.BATCH),
    ("POST", paths.CANCELS),
    ("PATCH", paths.ORDER.format("0x3039")),
    ("PATCH", paths.CLIENT_ORDER.format("mine")),
    ("PUT", paths.SWITCH),
]


def small(value: Any) -> bool:
    """Whether orjson can write it."""
    try:
        orjson.dumps(value)
    except (TypeError, orjson.JSONEncodeError):
        return False
    return True


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """With a token of ALICE's, and an order of hers that rests."""
    venue = Paper(tmp_path_factory.mktemp("venue") / "v.sqlite", engine(ALICE, BOB))
    found = Gateway(venue, Limits(iter(range(0, 10**9, 60)).__next__))
    found.sessions._tokens[TOKEN] = (ALICE, 10.0**12)
    order = venue.engine.place(request(ALICE, "buy", 5, 99, client_order_id="mine"), 12_345)
    venue._commit()
    yield found
    assert order.state is OrderState.OPEN
    venue.log.close()


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(route=st.sampled_from(WRITES), body=BODIES)
async def test_a_body_is_taken_or_refused_and_never_a_fault_of_the_venue(
    gateway: Gateway, route: tuple[str, str], body: bytes
) -> None:
    transport = httpx.ASGITransport(gateway.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://venue", headers=PRIVATE) as client:
        answer = await client.request(*route, content=body)
    assert answer.status_code < 500, answer.text
    if not answer.is_success:
        assert ErrorBody.parse(answer.json(), strict=True).error.message
    elif route[1] == paths.ORDERS:
        assert answer.json()["price"] == "99"


@pytest.mark.parametrize(
    "path",
    [
        f"{paths.ORDERS}?limit={'9' * 5000}",
        f"{paths.ORDERS}?limit=0",
        f"{paths.ORDERS}?before=-1",
        f"{paths.ORDERS}?state=x",
        f"{paths.ORDERS}?market=XAU",
        f"{paths.FILLS}?after=1.5",
        f"{paths.CANDLES.format(BTC)}?interval=61",
        f"{paths.CANDLES.format(BTC)}?start=0&end={2**53}",
        f"{paths.BOOK.format(BTC)}?depth=%C2%B2",
        paths.BOOK.format("%00"),
        paths.ORDER.format("12345"),
        paths.ORDER.format("0x" + "f" * 64),
        paths.CLIENT_ORDER.format("%FF"),
        "/v1/nowhere",
    ],
)
async def test_a_bad_address_is_named(gateway: Gateway, path: str) -> None:
    transport = httpx.ASGITransport(gateway.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://venue", headers=PRIVATE) as client:
        answer = await client.get(path)
    assert answer.status_code in (400, 404)
    assert ErrorBody.parse(answer.json(), strict=True).error.message


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=st.lists(BODIES, min_size=1, max_size=5))
async def test_whatever_a_socket_says_the_connection_goes_on(gateway: Gateway, said: list[bytes]) -> None:
    said = [*said, b"\xff", b'{"op": "ping", "id": 7777}']
    heard = await conversation(gateway, said)
    assert (heard[-1].type, heard[-1].id) == (MessageKind.PONG, 7777)
    # One answer each, and snapshots.
    assert sum(message.type is not MessageKind.SNAPSHOT for message in heard) == len(said)
    assert any(message.error is not None and "not bytes" in message.error.message for message in heard)


async def conversation(gateway: Gateway, said: list[bytes]) -> list[StreamMessage]:
    """What a socket hears until the last thing that it said is answered."""
    out: asyncio.Queue[Any] = asyncio.Queue()
    back: asyncio.Queue[Any] = asyncio.Queue()
    out.put_nowait({"type": "websocket.connect"})
    for message in said:
        try:
            part: dict[str, Any] = {"text": message.decode()}
        except UnicodeDecodeError:
            part = {"bytes": message}
        out.put_nowait({"type": "websocket.receive", **part})
    scope = {"type": "websocket", "path": paths.STREAM, "headers": [], "query_string": b"", "subprotocols": []}
    serving = asyncio.create_task(gateway.app(scope, out.get, back.put))
    assert (await back.get())["type"] == "websocket.accept"
    heard: list[StreamMessage] = []
    while not heard or heard[-1].id != 7777:
        sent = await asyncio.wait_for(back.get(), 10)
        assert sent["type"] == "websocket.send"
        heard.append(StreamMessage.parse(orjson.loads(sent["text"])))
    out.put_nowait({"type": "websocket.disconnect", "code": 1000})
    await serving
    return heard
