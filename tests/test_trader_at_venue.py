"""Traders at the reference venue over HTTP and WebSocket, on real nodes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from truemark.gateway import FillState, OrderState
from truemark.keys import LocalEthSigner
from truemark.trader import AsyncTrader, NewOrder, Trader
from truemark.venue import (
    BadOrderSignature,
    ClientIdTaken,
    Connected,
    Disconnected,
    Gap,
    InsufficientMargin,
    LiveBook,
    NotAllowedNow,
    OrderUnknown,
    Snapshot,
    WouldNotDo,
)

from tests.house import BTC, House, eth_key
from tests.venue_server import free_port, served_venue

pytestmark = pytest.mark.node


@asynccontextmanager
async def traders(house: House, url: str, *names: str) -> AsyncIterator[list[AsyncTrader]]:
    """Connected by the venue's URL in the manifest."""
    deployment = replace(house.deployment, venue_url=url)
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(await AsyncTrader.connect(deployment, LocalEthSigner(eth_key(name))))
            for name in names
        ]


async def until(stream: Any, wanted: Any, seconds: float = 15) -> list[Any]:
    """Events up to the first that is `wanted`."""
    seen: list[Any] = []
    async with asyncio.timeout(seconds):
        async for event in stream:
            seen.append(event)
            if wanted(event):
                break
    return seen


async def test_orders_of_all_kinds_from_the_sdk_to_the_chain(house: House, tmp_path: Path) -> None:
    async with (
        served_venue(house.deployment, tmp_path / "venue.sqlite3") as served,
        traders(house, served.url, "alice", "bob") as (alice, bob),
    ):
        assert {market.market for market in await alice.markets()} == set(house.deployment.markets)
        bid = await alice.place(BTC, "buy", "0.5", "95470", post_only=True, client_order_id="bid")
        assert (bid.state, (await alice.order("bid")).order_hash) == (OrderState.OPEN, bid.order_hash)
        book = await bob.order_book(BTC)
        assert [(level.price, level.size) for level in book.bids] == [(95_470, Decimal("0.5"))]

        sold = await bob.place(BTC, "sell", "0.2")
        assert (await bob.settled(sold, 30)).filled == Decimal("0.2"), "at the market"
        assert (await alice.positions())[0].size == Decimal("0.2")
        (fill,) = await alice.fills()
        assert (fill.state, fill.price, fill.is_maker) == (FillState.SETTLED, 95_470, True)
        assert [one.size for one in await alice.settled_fills()] == [Decimal("0.2")]

        smaller = await alice.modify("bid", size="0.4")
        assert (smaller.order_hash, smaller.open) == (bid.order_hash, Decimal("0.2"))
        moved = await alice.modify(smaller, price="95469.9", client_order_id="moved")
        assert (moved.open, moved.price) == (Decimal("0.2"), Decimal("95469.9"))
        assert [order.client_order_id for order in await alice.open_orders(BTC)] == ["moved"]

        with pytest.raises(WouldNotDo):
            await bob.place(BTC, "sell", "0.1", "95460", post_only=True)
        with pytest.raises(WouldNotDo):
            await bob.place(BTC, "sell", "1", "95460", time_in_force="fok")
        with pytest.raises(ClientIdTaken):
            await alice.place(BTC, "buy", "0.1", "95000", client_order_id="moved")
        with pytest.raises(InsufficientMargin) as poor:
            await alice.place(BTC, "buy", "100", "95470")
        assert poor.value.order_hash is not None
        with pytest.raises(OrderUnknown):
            await alice.order("never")
        signed = await alice.sign_order(BTC, "buy", "0.1", "95000")
        with pytest.raises(BadOrderSignature):
            await alice.venue.submit(replace(signed, r=signed.r + 1))

        placed = await bob.place_batch(
            [
                NewOrder(market=BTC, side="sell", size="0.1", price=price, client_order_id=name)
                for name, price in (("a", "95480"), ("b", "95490"), ("a", "95500"))
            ]
        )
        assert [getattr(result, "client_order_id", None) for result in placed[:2]] == ["a", "b"]
        assert isinstance(placed[2], ClientIdTaken)
        assert await bob.dead_mans_switch(60) is not None
        assert await bob.dead_mans_switch(0) is None
        candles = await alice.candles(BTC, 60)
        assert (candles[-1].close, candles[-1].volume) == (95_470, Decimal("0.2"))
        assert (await alice.public_trades(BTC))[0].price == 95_470
        assert alice.venue.rate_limit is not None
        await alice.cancel_all()
        assert await alice.open_orders() == []


@pytest.mark.deep
async def test_a_stream_lives_through_a_venue_that_is_started_anew(house: House, tmp_path: Path) -> None:
    log, port = tmp_path / "venue.sqlite3", free_port()
    live = LiveBook(BTC)
    async with AsyncExitStack() as stack:
        async with served_venue(house.deployment, log, port) as served:
            alice, bob = await stack.enter_async_context(traders(house, served.url, "alice", "bob"))
            stream = await stack.enter_async_context(alice.stream())
            for channel, market in (("book", BTC), ("fills", None), ("orders", None), ("account", None)):
                await stream.subscribe(channel, market)
            await alice.place(BTC, "buy", "0.5", "95470", client_order_id="stays")
            await bob.place(BTC, "sell", "0.2", "95470")
            events = await until(
                stream,
                lambda event: (
                    str(event.topic.channel) == "fills" and any(fill.state is FillState.SETTLED for fill in event.data)
                    if hasattr(event, "data")
                    else False
                ),
            )
            for event in events:
                live.apply(event)
            assert isinstance(events[0], Connected)
            assert (live.ready, live.best_bid) == (True, 95_470)
            assert not any(isinstance(event, Gap) for event in events)
        async with served_venue(house.deployment, log, port):
            topics = {"book", "fills", "orders", "account"}
            events = await until(stream, lambda event: isinstance(event, Connected) and event.reconnects > 0)
            assert any(isinstance(event, Disconnected) for event in events)
            events = []
            while {str(event.topic.channel) for event in events if isinstance(event, Snapshot)} < topics:
                events += await until(stream, lambda event: isinstance(event, Snapshot))
            assert {str(event.topic.channel) for event in events if isinstance(event, Gap)} == topics
            for event in events:
                live.apply(event)
            assert live.ready
            assert live.bids[0].size == Decimal("0.3")
            assert (await alice.order("stays")).open == Decimal("0.3")
            assert len(await alice.fills()) == 1


@pytest.mark.deep
async def test_modes_are_told_as_what_is_not_allowed_now(house: House, tmp_path: Path) -> None:
    async with (
        served_venue(house.deployment, tmp_path / "venue.sqlite3") as served,
        traders(house, served.url, "alice") as (alice,),
    ):
        clearinghouse = house.contract("Clearinghouse")
        await house.account("guardian").execute(clearinghouse.call("set_mode", "CancelOnly", 0))
        async with asyncio.timeout(10):
            while (await alice.venue.status()).mode != "CancelOnly":  # noqa: ASYNC110 - it is asked over HTTP
                await asyncio.sleep(0.05)
        with pytest.raises(NotAllowedNow) as refused:
            await alice.place(BTC, "buy", "0.1", "95470")
        assert refused.value.code == "MODE"


@pytest.mark.deep
async def test_the_sync_trader_trades_at_the_venue(house: House, tmp_path: Path) -> None:
    async with served_venue(house.deployment, tmp_path / "venue.sqlite3") as served:

        def life() -> tuple[Any, ...]:
            with Trader.connect(house.deployment, LocalEthSigner(eth_key("alice")), venue=served.url) as alice:
                ack = alice.place(BTC, "buy", "0.1", "95470", client_order_id="sync")
                with alice.stream() as stream:
                    stream.subscribe("orders")
                    next(stream)
                    snapshot = next(stream)
                return ack.state, alice.cancel("sync", on_chain=False).state, snapshot.data[0].client_order_id

        assert await asyncio.to_thread(life) == (OrderState.OPEN, OrderState.CANCELLED, "sync")
