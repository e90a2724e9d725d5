"""A trader that is connected with a venue's API: market orders, names, batches, changes; explicit steps."""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from truemark.deployment import Deployment, NoDeployment, environment
from truemark.gateway import OrderState
from truemark.trader import NewOrder, NoBand, NoGateway, OffStep, Trader
from truemark.units import BadAmount
from truemark.venue import AsyncVenueClient, InsufficientMargin
from truemark.wire import OrderKind, TimeInForce, Trigger, TriggerKind

sys.path.insert(0, str(Path(__file__).parents[1] / "venue"))
from double import URL, VenueDouble

sys.path.pop(0)
BTC = "BTC-USD-PERP"


@pytest.fixture
def venue(deployment: Deployment) -> VenueDouble:
    double = VenueDouble()
    double.deployment = deployment
    return double


@pytest.fixture
def trader(make_stage: Any, venue: VenueDouble) -> Any:
    stage = make_stage()
    client = AsyncVenueClient(
        URL,
        venue.deployment,
        signer=stage.key,
        account=stage.trader.address,
        client=venue.client(),
        clock=lambda: venue.clock,
    )
    return make_stage(gateway=client).trader


async def test_an_order_without_a_price_signs_the_edge_of_the_band(trader: Any, venue: VenueDouble) -> None:
    bought = await trader.place(BTC, "buy", "0.1")
    sold = await trader.place(BTC, "sell", "0.1")
    assert (bought.price, sold.price) == (Decimal("95999.9"), Decimal("95000.1")), "rounded into the band"
    view = await trader.venue.view(bought)
    assert (view.kind, view.time_in_force) == (OrderKind.MARKET, TimeInForce.IOC)
    venue.band = None
    with pytest.raises(NoBand, match="give a limit"):
        await trader.place(BTC, "buy", "0.1")


async def test_what_is_not_signed_travels_with_the_order(trader: Any) -> None:
    trigger = Trigger(kind=TriggerKind.STOP_LOSS, price=Decimal(90_000))
    ack = await trader.place(
        BTC, "sell", 1, 89_000, reduce_only=True, client_order_id="stop", self_trade="expire_both", trigger=trigger
    )
    assert ack.client_order_id == "stop"
    view = await trader.venue.view("stop")
    assert (view.trigger, view.self_trade, view.reduce_only) == (trigger, "expire_both", True)
    assert (await trader.order("stop")).order_hash == ack.order_hash
    with pytest.raises(ValueError, match="sometime"):
        await trader.place(BTC, "buy", 1, 1, time_in_force="sometime")


async def test_a_smaller_size_keeps_the_order_and_anything_else_replaces_it(trader: Any) -> None:
    ack = await trader.place(BTC, "buy", 1, 95_000, client_order_id="a", post_only=True)
    smaller = await trader.modify("a", size="0.4")
    assert (smaller.order_hash, smaller.size) == (ack.order_hash, Decimal("0.4"))
    moved = await trader.modify(ack, price="95000.1", client_order_id="b")
    assert (moved.size, moved.price, moved.client_order_id) == (Decimal("0.4"), Decimal("95000.1"), "b")
    assert moved.signed.order.post_only
    assert moved.signed.order.expiry == ack.signed.order.expiry
    assert (await trader.order(ack)).state is OrderState.CANCELLED
    larger = await trader.modify(moved, size=2)
    assert larger.size == 2
    assert [one.order_hash for one in await trader.open_orders()] == [larger.order_hash]
    for nothing, error in (({}, ValueError), ({"size": "0.00005"}, OffStep), ({"price": "1.05"}, OffStep)):
        with pytest.raises(error):
            await trader.modify(larger, **nothing)


async def test_a_change_to_less_than_what_is_filled_is_none(trader: Any, venue: VenueDouble) -> None:
    ack = await trader.place(BTC, "buy", 1, 95_000)
    venue.change(venue.orders[ack.order_hash], open=Decimal("0.5"), filled=Decimal("0.5"))
    with pytest.raises(BadAmount, match="cancel the order instead"):
        await trader.modify(ack, size="0.5", price=95_001)
    moved = await trader.modify(ack, price=95_001)
    assert moved.size == Decimal("0.5"), "what is filled stays with the old one"


async def test_a_batch_is_checked_whole_before_anything_is_sent(trader: Any, venue: VenueDouble) -> None:
    orders = [
        NewOrder(market=BTC, side="buy", size=1, price=95_000),
        NewOrder(market=BTC, side="buy", size=1, price="1.05"),
    ]
    with pytest.raises(OffStep):
        await trader.place_batch(orders)
    assert venue.placed == 0
    orders[1] = NewOrder(market=BTC, side="buy", size=1, price=10**9, client_order_id="poor")
    placed, refused = await trader.place_batch(orders)
    assert placed.state is OrderState.OPEN
    assert isinstance(refused, InsufficientMargin)
    assert refused.chain_reason == "MARGIN: buyer"


async def test_the_market_is_shown(trader: Any) -> None:
    (market,) = await trader.markets()
    assert market.tick_size == Decimal("0.1")
    assert (await trader.order_book(BTC)).bids
    assert await trader.candles(BTC, 300, start=60) == ()
    assert await trader.dead_mans_switch(10) == 10


async def test_other_gateways_take_plain_limit_orders_only(stage: Any) -> None:
    for special in ({"client_order_id": "a"}, {"time_in_force": "ioc"}, {"price": None}):
        with pytest.raises(NoGateway, match="venue=URL"):
            await stage.trader.place(BTC, "buy", 1, **{"price": 95_000, **special})
    with pytest.raises(NoGateway, match="venue=URL"):
        await stage.trader.open_orders()


def test_the_sync_trader_has_the_venue_too(trader: Any) -> None:
    sync = Trader(trader)
    ack = sync.place(BTC, "buy", 1, 95_000, client_order_id="sync")
    assert sync.venue.view("sync").order_hash == ack.order_hash
    assert sync.open_orders()[0].client_order_id == "sync"
    assert sync.modify("sync", size="0.5").size == Decimal("0.5")


def test_an_environment_is_found_by_its_name(
    deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRUEMARK_HOME", str(tmp_path))
    monkeypatch.delenv("TRUEMARK_DEPLOYMENT", raising=False)
    named = VenueDouble().deployment
    named.save(tmp_path / "environments" / "mainnet.json")
    deployment.save(tmp_path / "deployment.json")
    assert environment("mainnet") == named
    assert environment("mainnet").venue_url == URL
    assert environment("local") == environment(tmp_path / "deployment.json") == deployment
    assert environment("local").venue_url is None
    with pytest.raises(NoDeployment, match=r"no environment testnet.*known: local, mainnet"):
        environment("testnet")
