"""The reference venue on real nodes: what it matches is settled, what the chain refuses is taken back."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import uvicorn
from truemark.gateway import FillState, OrderState
from truemark.keys import LocalEthSigner, derive
from truemark.keys.address import account_address
from truemark.models import Mode
from truemark.orders import Order, SignedOrder
from truemark.units import to_price, to_size
from truemark.wire import (
    AccountView,
    BookView,
    CandleList,
    Challenge,
    Channel,
    ErrorCode,
    FillList,
    Level,
    MessageKind,
    OrderList,
    OrderView,
    PlaceRequest,
    StreamMessage,
    Token,
    TokenRequest,
    VenueView,
    paths,
)
from truemark_devnet.venue.app import make_app
from truemark_devnet.venue.command import local_venue
from truemark_devnet.venue.live import LiveOrder, Refused
from truemark_devnet.venue.service import Venue
from websockets.asyncio.client import connect

from tests.house import BTC, House, eth_key

pytestmark = pytest.mark.node


class Person:
    """A trader by its keys, who speaks to the venue without HTTP."""

    def __init__(self, house: House, venue: Venue, name: str) -> None:
        self.key = derive(LocalEthSigner(eth_key(name)), house.deployment.l1_chain_id)
        self.address = account_address(self.key.public_key, house.deployment.account_class_hash)
        self._house, self._venue = house, venue

    def signed(self, side: str, size: str, price: str, **fields: Any) -> SignedOrder:
        view = self._venue.engine.view
        trader = self._venue.engine.traders.get(self.address)
        order = Order(
            venue=self._venue.address,
            account=self.address,
            epoch=fields.pop("epoch", view.epoch),
            account_epoch=0 if trader is None else trader.chain.epoch,
            market=fields.pop("market", BTC),
            is_buy=side == "buy",
            size=to_size(size),
            limit_price=to_price(price),
            max_fee_bps=3,
            reduce_only=fields.pop("reduce_only", False),
            post_only=fields.pop("post_only", False),
            expiry=fields.pop("expiry", view.now + 100_000),
            salt=secrets.randbits(100),
        )
        assert not fields
        return SignedOrder(order, self.key.public_key, *self.key.sign(order.hash(self._venue.chain_id)))

    async def place(self, side: str, size: str, price: str, **named: Any) -> LiveOrder:
        instructions = {
            name: named.pop(name)
            for name in ("client_order_id", "kind", "time_in_force", "self_trade", "trigger")
            if name in named
        }
        request = PlaceRequest(signed=self.signed(side, size, price, **named), **instructions)
        return (await self._venue.place(self.address, request))[0]


async def until(so: Callable[[], bool]) -> None:
    """At most ten seconds."""
    for _ in range(1000):
        if so():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came to be")


@asynccontextmanager
async def running(house: House, path: Path, poll: float = 0.05) -> AsyncIterator[tuple[Venue, Person, Person]]:
    async with local_venue(house.deployment, path / "venue.sqlite", poll=poll) as venue:
        yield venue, Person(house, venue, "alice"), Person(house, venue, "bob")


async def test_what_is_matched_is_settled_and_the_chain_says_the_same(house: House, tmp_path: Path) -> None:
    async with running(house, tmp_path) as (venue, alice, bob):
        bid = await alice.place("buy", "0.5", "95480", post_only=True)
        assert bid.state is OrderState.OPEN
        ask = await bob.place("sell", "0.3", "95470")
        assert ask.state is OrderState.MATCHED
        await venue.settled()
        assert (ask.state, ask.filled, bid.open) == (OrderState.FILLED, to_size("0.3"), to_size("0.2"))
        clearinghouse = house.contract("Clearinghouse")
        assert await clearinghouse.read("order_filled", bid.order_hash) == to_size("0.3")
        for person in (alice, bob):
            account = await clearinghouse.read("account", person.address)
            trader = venue.engine.traders[person.address]
            assert not trader.pending
            assert trader.cash == account["collateral"]
            assert trader.sizes == {p["market"]: p["size"] for p in account["positions"]}
        (fill,) = venue.fills(bob.address, 0, 10).fills
        assert (fill.state, fill.position, fill.fee) == (FillState.SETTLED, Decimal("-0.3"), Decimal("8.5932"))


async def test_a_fill_that_the_chain_refuses_is_busted_and_the_good_order_rests(house: House, tmp_path: Path) -> None:
    # It looks at the chain only when it settles.
    async with running(house, tmp_path, poll=60) as (venue, alice, bob):
        ask = await bob.place("sell", "0.5", "95470")
        await venue.know(alice.address)
        signed = alice.signed("buy", "0.5", "95470")
        async with house.trader("alice") as trader:
            await trader.cancel_on_chain(signed)
        bought, _ = await venue.place(alice.address, PlaceRequest(signed=signed))
        await venue.settled()
        assert (bought.state, bought.reason) == (OrderState.BUSTED, "ORDER: filled or cancelled")
        assert (ask.state, ask.open, ask.filled) == (OrderState.OPEN, to_size("0.5"), 0)
        for person in (alice, bob):
            (fill,) = venue.fills(person.address, 0, 10).fills
            assert (fill.state, fill.reason) == (FillState.REFUSED, "ORDER: filled or cancelled")
            assert not venue.engine.traders[person.address].sizes


@asynccontextmanager
async def gateway(venue: Venue, person: Person) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the person's token."""
    transport = httpx.ASGITransport(make_app(venue), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://venue") as client:
        client.headers["Authorization"] = f"Bearer {await token_of(client, venue, person)}"
        yield client


async def token_of(client: httpx.AsyncClient, venue: Venue, person: Person) -> str:
    """By the challenge, which is good once."""
    asked = await client.post(paths.CHALLENGE, json={"account": hex(person.address)})
    challenge = Challenge.parse(asked.json())
    r, s = person.key.sign(challenge.hash(venue.chain_id))
    answer = TokenRequest(account=person.address, nonce=challenge.nonce, key=person.key.public_key, r=r, s=s)
    given = await client.post(paths.SESSION, json=answer.dump())
    again = await client.post(paths.SESSION, json=answer.dump())
    assert (again.status_code, again.json()["error"]["code"]) == (401, "UNAUTHORIZED")
    return Token.parse(given.json()).token


async def test_the_gateway_takes_orders_and_says_what_became_of_them(house: House, tmp_path: Path) -> None:
    async with running(house, tmp_path) as (venue, alice, bob), gateway(venue, alice) as client:
        seen = VenueView.parse((await client.get(paths.VENUE)).json())
        assert (seen.mode, seen.venue) == (Mode.FULL, venue.address)
        body = PlaceRequest(signed=alice.signed("buy", "0.1", "95470"), client_order_id="a-1").dump()
        placed = await client.post(paths.ORDERS, json=body)
        assert placed.status_code == 201
        order = OrderView.parse(placed.json())
        again = await client.post(paths.ORDERS, json=body)
        assert (again.status_code, OrderView.parse(again.json())) == (200, order)
        other = PlaceRequest(signed=alice.signed("buy", "0.2", "95470"), client_order_id="a-1").dump()
        assert (await client.post(paths.ORDERS, json=other)).json()["error"]["code"] == "CLIENT_ID_TAKEN"
        shown = BookView.parse((await client.get(paths.BOOK.format(BTC))).json())
        assert shown.bids == (Level(Decimal(95_470), Decimal("0.1")),)
        smaller = await client.patch(paths.CLIENT_ORDER.format("a-1"), json={"size": "0.05"})
        assert OrderView.parse(smaller.json()).open == Decimal("0.05")
        await bob.place("sell", "0.02", "95470")
        await venue.settled()
        (fill,) = FillList.parse((await client.get(paths.FILLS)).json()).fills
        assert (fill.state, fill.client_order_id, fill.seq) == (FillState.SETTLED, "a-1", 2)
        account = AccountView.parse((await client.get(paths.ACCOUNT)).json())
        (position,) = account.positions
        assert (position.size, position.settled) == (Decimal("0.02"), Decimal("0.02"))
        # What is left of the order, at its worst: 5 percent of 0.03 BTC at the mark.
        assert Decimal(143) < account.reserved < Decimal(144)
        gone = await client.delete(paths.ORDERS)
        assert [view.order_hash for view in OrderList.parse(gone.json()).orders] == [order.order_hash]
        ended = await client.delete(paths.ORDER.format(hex(order.order_hash)))
        assert (ended.status_code, ended.json()["error"]["code"]) == (409, "ORDER_ENDED")
        (candle,) = CandleList.parse((await client.get(paths.CANDLES.format(BTC))).json()).candles
        assert (candle.open, candle.volume, candle.trades) == (95_470, Decimal("0.02"), 1)
        bad = await client.post(paths.ORDERS, json={"signed": {"order": {}}})
        assert (bad.status_code, bad.json()["error"]["field"]) == (400, "signed.signature")
        stranger = await client.get(paths.FILLS, headers={"Authorization": "Bearer none"})
        assert stranger.status_code == 401
        assert int(placed.headers[paths.REMAINING_HEADER]) < int(placed.headers[paths.LIMIT_HEADER])
        document = (await client.get("/openapi.json")).json()
        assert set(document["components"]["schemas"]) >= {"PlaceRequest", "OrderView", "ErrorBody", "FillView"}
        assert (
            "PlaceRequest"
            in document["paths"][paths.ORDERS]["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        )


async def test_the_stream_begins_with_a_snapshot_and_counts(house: House, tmp_path: Path) -> None:
    async with running(house, tmp_path) as (venue, alice, bob):
        config = uvicorn.Config(make_app(venue), port=0, log_config=None, lifespan="off", ws="websockets-sansio")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve())
        await until(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        async with (
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as over_http,
            connect(f"ws://127.0.0.1:{port}{paths.STREAM}") as socket,
        ):
            token = await token_of(over_http, venue, alice)

            async def ask(**request: Any) -> StreamMessage:
                await socket.send(orjson.dumps(request).decode())
                return await hear()

            async def hear() -> StreamMessage:
                return StreamMessage.parse(orjson.loads(await asyncio.wait_for(socket.recv(), 10)))

            refused = await ask(op="subscribe", id=1, channel="orders")
            assert refused.error is not None
            assert (refused.id, refused.error.code) == (1, ErrorCode.UNAUTHORIZED)
            unknown = await ask(op="subscribe", id=2, channel="book", market="XAU")
            assert unknown.error is not None
            assert unknown.error.code is ErrorCode.UNKNOWN_MARKET
            assert (await ask(op="ping", id=3)).type is MessageKind.PONG
            assert (await ask(op="login", id=4, token=token)).type is MessageKind.DONE
            for channel, market in (("book", BTC), ("orders", None), ("fills", None)):
                where = {} if market is None else {"market": market}
                assert (await ask(op="subscribe", id=5, channel=channel, **where)).type is MessageKind.DONE
                assert (await hear()).type is MessageKind.SNAPSHOT
            await alice.place("buy", "0.1", "95470")
            await bob.place("sell", "0.1", "95470")
            await venue.settled()
            last: dict[Channel | None, StreamMessage] = {}
            while Channel.FILLS not in last or last[Channel.FILLS].data["fills"][-1]["state"] != "settled":
                message = await hear()
                assert (message.type, message.session) == (MessageKind.UPDATE, venue.session)
                assert message.channel not in last or message.seq == last[message.channel].seq + 1
                last[message.channel] = message
            book = BookView.parse(last[Channel.BOOK].data)
            assert book.bids == (Level(Decimal(95_470), Decimal(0)),)
            while OrderView.parse(last[Channel.ORDERS].data["orders"][-1]).state is not OrderState.FILLED:
                message = await hear()
                last[message.channel] = message
        server.should_exit = True
        await serving


async def test_a_dead_mans_switch_cancels_when_nobody_sets_it_anew(house: House, tmp_path: Path) -> None:
    now = [1000.0]
    async with local_venue(house.deployment, tmp_path / "v.sqlite", poll=0.02, clock=lambda: now[0]) as venue:
        alice = Person(house, venue, "alice")
        order = await alice.place("buy", "0.1", "95470")
        with pytest.raises(Refused):
            venue.set_switch(alice.address, 4)
        assert venue.set_switch(alice.address, 10) == 10
        now[0] += 9
        assert venue.set_switch(alice.address, 10) == 10
        now[0] += 9
        await asyncio.sleep(0.1)
        assert order.state is OrderState.OPEN
    # It outlives the process.
    now[0] += 2
    async with local_venue(house.deployment, tmp_path / "v.sqlite", poll=0.02, clock=lambda: now[0]) as venue:
        found = venue.order(alice.address, order.order_hash)
        await until(lambda: found.state is not OrderState.OPEN)
        assert (found.state, found.reason) == (OrderState.CANCELLED, "the dead man's switch")
        assert venue.switch_left(alice.address) is None


async def test_a_new_epoch_ends_every_order_and_a_rollback_takes_settlements_back(house: House, tmp_path: Path) -> None:
    async with running(house, tmp_path) as (venue, alice, bob):
        bid = await alice.place("buy", "0.3", "95470")
        async with house.nodes.undone():
            await bob.place("sell", "0.1", "95470")
            await venue.settled()
            assert bid.filled == to_size("0.1")
        # The chain is back where it was; what was settled since never happened.
        await until(lambda: not bid.filled)
        (fill,) = venue.fills(alice.address, 0, 10).fills
        assert (fill.state, fill.reason) == (FillState.REFUSED, "erased by a rollback")
        assert bid.state is OrderState.CANCELLED
        assert venue.engine.traders[alice.address].sizes == {}
