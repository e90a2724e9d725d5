"""Many traders on the reference venue at once, in every mode: the book, the chain and every trader's view agree."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path

import orjson
import pytest
from truemark.gateway import FillState, OrderState
from truemark.models import Mode
from truemark.orders import SignedOrder
from truemark.units import from_price
from truemark.wire import (
    Channel,
    FillView,
    ModifyRequest,
    OrderKind,
    OrderView,
    PlaceRequest,
    SelfTrade,
    StreamMessage,
    TimeInForce,
    Trigger,
    TriggerKind,
)
from truemark_devnet.bench.crowd import Member, gather, member
from truemark_devnet.venue.command import local_venue
from truemark_devnet.venue.live import Refused
from truemark_devnet.venue.service import Venue
from truemark_devnet.venue.streams import Reader

from tests.house import BTC, ETH, House

pytestmark = pytest.mark.node

#: 1e-6 USD: little enough that margin stops some.
MARGIN = 30_000 * 10**6
MARKETS = {BTC: (95_475 * 10**8, 10**7, 10**4), ETH: (3_350 * 10**8, 10**6, 10**5)}


class Ear:
    """One trader's own view, out of the streams alone."""

    def __init__(self, venue: Venue, address: int) -> None:
        self.reader = Reader(10**6)
        self.orders: dict[int, OrderView] = {}
        self.fills: dict[int, FillView] = {}
        self._seqs: dict[Channel, int] = {}
        self._fill_seq = 0
        for channel in (Channel.ORDERS, Channel.FILLS):
            venue.hub.subscribe(self.reader, (channel, address), None, partial(venue.snapshot, channel, address))

    def hear(self) -> None:
        while not self.reader.queue.empty():
            text = self.reader.queue.get_nowait()
            assert text is not None
            message = StreamMessage.parse(orjson.loads(text))
            assert message.channel is not None
            assert message.seq is not None
            assert message.data is not None
            before = self._seqs.get(message.channel)
            assert before is None or message.seq == before + 1, "a gap"
            self._seqs[message.channel] = message.seq
            for item in message.data.get("orders", ()):
                order = OrderView.parse(item)
                self.orders[order.order_hash] = order
            for item in message.data.get("fills", ()):
                fill = FillView.parse(item)
                assert fill.seq == self._fill_seq + 1
                self._fill_seq = fill.seq
                self.fills[fill.match] = fill


class Crowd:
    """Random traders, always the same for the same seed."""

    def __init__(self, house: House, venue: Venue, members: Sequence[Member], seed: int) -> None:
        self.house, self.venue, self.members = house, venue, members
        self.random = random.Random(seed)
        self.ears = {one.address: Ear(venue, one.address) for one in members}
        self.refusals: dict[str, int] = {}
        self.placed = 0

    def signed(self, one: Member) -> SignedOrder:
        source, view = self.random, self.venue.engine.view
        market = source.choice(list(MARKETS))
        price, tick, lot = MARKETS[market]
        post_only = source.random() < 0.3
        return one.sign(
            self.venue.chain_id,
            venue=self.venue.address,
            epoch=view.epoch,
            account_epoch=0,
            market=market,
            is_buy=source.random() < 0.5,
            size=source.randint(1, 60) * lot * 10,
            limit_price=price + source.randint(-40, 40) * tick,
            max_fee_bps=3,
            reduce_only=not post_only and source.random() < 0.3,
            post_only=post_only,
            expiry=view.now + source.choice([40, 10**6]),
        )

    async def act(self) -> None:
        source, engine = self.random, self.venue.engine
        one = source.choice(self.members)
        mine = engine.traders[one.address].orders if one.address in engine.traders else {}
        resting = [order for orders in mine.values() for order in orders.values()]
        chance = source.random()
        try:
            if resting and chance < 0.1:
                self.venue.cancel(source.choice(resting))
            elif chance < 0.11:
                self.venue.cancel_all(one.address)
            elif resting and chance < 0.15:
                order = source.choice(resting)
                size = order.filled + order.matched + max(order.open // 2 // 10**5 * 10**5, 10**5)
                await self.venue.modify(one.address, order, ModifyRequest(size=Decimal(size).scaleb(-8)))
            elif resting and chance < 0.18:
                replacement = PlaceRequest(signed=self.signed(one))
                await self.venue.modify(one.address, source.choice(resting), ModifyRequest(replacement=replacement))
            else:
                await self.venue.place(one.address, self.request(one))
                self.placed += 1
        except Refused as error:
            self.refusals[error.code] = self.refusals.get(error.code, 0) + 1

    def request(self, one: Member) -> PlaceRequest:
        source, signed = self.random, self.signed(one)
        stp = source.choice(list(SelfTrade))
        if signed.order.post_only:
            return PlaceRequest(signed=signed, self_trade=stp)
        if source.random() < 0.05:
            trigger = Trigger(kind=source.choice(list(TriggerKind)), price=from_price(signed.order.limit_price))
            return PlaceRequest(signed=signed, trigger=trigger, self_trade=stp)
        if source.random() < 0.1:
            return PlaceRequest(signed=signed, kind=OrderKind.MARKET, time_in_force=TimeInForce.IOC, self_trade=stp)
        tif = source.choice([TimeInForce.GTC, TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK])
        return PlaceRequest(signed=signed, time_in_force=tif, self_trade=stp)

    async def trade(self, orders: int) -> None:
        target = self.placed + sum(self.refusals.values()) + orders
        while self.placed + sum(self.refusals.values()) < target:
            await self.act()
            if self.random.random() < 0.05:
                # Lets the venue's own tasks run, and settlements land between the orders.
                await asyncio.sleep(0)
            if self.random.random() < 0.004:
                drift = Decimal(self.random.randint(-8, 8))
                await self.house.round({BTC: str(95_475 + drift), ETH: str(3_350 + drift / 10)})

    async def agree(self) -> None:
        """The book, the log, the chain and every trader say the same, and no money came or went."""
        venue, engine = self.venue, self.venue.engine
        await venue.settled()
        await venue._catch_up()
        await asyncio.wait_for(venue.settled(), 60)
        clearinghouse = self.house.contract("Clearinghouse")
        ledger = await clearinghouse.read("ledger")
        token = self.house.contract("CollateralToken")
        assert ledger["total"] == await token.read("balance_of", clearinghouse.address)
        net: dict[int, int] = {}
        for one in self.members:
            trader = engine.traders.get(one.address)
            account = await clearinghouse.read("account", one.address)
            sizes = {entry["market"]: entry["size"] for entry in account["positions"]}
            for market, size in sizes.items():
                net[market] = net.get(market, 0) + size
            if trader is None:
                continue
            assert not trader.pending
            assert (trader.cash, trader.sizes) == (account["collateral"], sizes)
            ear = self.ears[one.address]
            ear.hear()
            mine = {order.order_hash: order for order in venue.orders_of(one.address)}
            assert set(ear.orders) == set(mine)
            for hash_, order in mine.items():
                heard = ear.orders[hash_]
                assert (heard.state, heard.open.scaleb(8), heard.filled.scaleb(8)) == (
                    order.state,
                    order.open,
                    order.filled,
                )
                assert order.matched == 0
                assert order.filled == venue.follower.known.filled.get(hash_, 0)
                settled = [fill for fill in ear.fills.values() if fill.order_hash == hash_]
                assert sum(int(f.size.scaleb(8)) for f in settled if f.state is FillState.SETTLED) == order.filled
        assert set(net.values()) <= {0}
        assert all(fill.state is not FillState.MATCHED for ear in self.ears.values() for fill in ear.fills.values())
        for index, book in engine.books.items():
            bid, ask = book.bids.best, book.asks.best
            assert bid is None or ask is None or bid < ask
            self.check_book(index)

    def check_book(self, index: int) -> None:
        """What rests is what its mode lets rest."""
        engine = self.venue.engine
        low, high = engine.view.band(index) or (0, 0)
        for order in engine.books[index]:
            assert order.state is OrderState.OPEN
            assert order.open > 0
            if engine.view.mode is Mode.POST_ONLY:
                assert order.reduce_only or (order.post_only and low <= order.price <= high)
            elif engine.view.mode is not Mode.FULL:
                assert order.reduce_only


async def live_through(house: House, path: Path, *, traders: int, orders: int, seed: int) -> Crowd:
    """Most of the orders in Full, the others in each mode on the way down."""
    members = [member(number, house.deployment) for number in range(traders)]
    await gather(house.nodes, house.deployment, house.rpc, house.roles["spare-1"], members, MARGIN)
    await house.round()
    guardian, clearinghouse = house.account("guardian"), house.contract("Clearinghouse")
    async with local_venue(house.deployment, path / "venue.sqlite", poll=0.1) as venue:
        crowd = Crowd(house, venue, members, seed)
        await crowd.trade(orders * 7 // 10)
        await crowd.agree()
        assert {order.state for order in venue.engine.orders.values()} >= {OrderState.FILLED, OrderState.OPEN}
        fills = venue.engine.last_match
        for mode in (Mode.POST_ONLY, Mode.CANCEL_ONLY, Mode.HALTED):
            await house.round()
            await guardian.execute(clearinghouse.call("set_mode", mode.value, 0))
            await venue._catch_up()
            assert venue.engine.view.mode is mode
            before = venue.engine.last_match
            await crowd.trade(orders // 10)
            await crowd.agree()
            for fill in venue.log.matches(venue.engine.orders):
                if fill.number > before and fill.state is FillState.SETTLED:
                    assert mode is not Mode.HALTED
                    assert fill.maker.reduce_only or (mode is Mode.POST_ONLY and fill.maker.post_only)
                    assert fill.taker.reduce_only
        assert fills > orders // 20
        return crowd


async def test_a_few_traders_in_every_mode(house: House, tmp_path: Path) -> None:
    crowd = await live_through(house, tmp_path, traders=4, orders=90, seed=1)
    assert crowd.placed > 20


@pytest.mark.deep
async def test_a_crowd_in_every_mode(house: House, tmp_path: Path) -> None:
    crowd = await live_through(house, tmp_path, traders=20, orders=1_000, seed=2)
    assert crowd.placed > 200


@pytest.mark.prove
async def test_fifty_traders_and_ten_thousand_orders_in_every_mode(house: House, tmp_path: Path) -> None:
    crowd = await live_through(house, tmp_path, traders=50, orders=10_000, seed=3)
    assert crowd.placed > 3_000
