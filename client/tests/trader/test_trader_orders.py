"""Orders of a trader: what is signed, what is refused before, and how an order is taken back."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from truemark.deployment import UnknownMarket
from truemark.gateway import OrderOutcomeUnknown, OrderRejected, OrderState, UnknownOrder
from truemark.orders import Side
from truemark.signing import verify
from truemark.trader import NoGateway, OffStep
from truemark.units import BadAmount

NOW = 1_768_773_600


async def test_an_order_is_signed_as_it_was_meant(stage: Any) -> None:
    ack = await stage.trader.place("BTC-USD-PERP", "buy", "0.5", "95480.1", reduce_only=True)
    assert (ack.side, ack.size, ack.price) == (Side.BUY, Decimal("0.5"), Decimal("95480.1"))
    order = ack.signed.order
    assert (order.venue, order.account) == (0xC1EA, stage.trader.address)
    assert (order.epoch, order.account_epoch) == (4, 2)
    assert (order.is_buy, order.size, order.limit_price) == (True, 50_000_000, 9_548_010_000_000)
    assert (order.reduce_only, order.post_only, order.max_fee_bps, order.expiry) == (True, False, 3, NOW + 60)
    assert verify(stage.trader.public_key, ack.order_hash, ack.signed.r, ack.signed.s)
    assert ack.signed.key == stage.trader.public_key


async def test_two_orders_that_say_the_same_are_two(stage: Any) -> None:
    first = await stage.trader.place("BTC-USD-PERP", "sell", 1, 95_000)
    second = await stage.trader.place("BTC-USD-PERP", "sell", 1, 95_000)
    assert first.order_hash != second.order_hash
    again = [
        await stage.trader.sign_order("BTC-USD-PERP", "sell", 1, 95_000, salt=5, expiry=NOW, max_fee_bps=9)
        for _ in range(2)
    ]
    assert again[0] == again[1]
    assert (again[0].order.salt, again[0].order.expiry, again[0].order.max_fee_bps) == (5, NOW, 9)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("BTC-USD-PERP", "buy", "0.00005", "95480"), OffStep),
        (("BTC-USD-PERP", "buy", "1", "95480.05"), OffStep),
        (("BTC-USD-PERP", "buy", 0.5, "95480"), BadAmount),
        (("BTC-USD-PERP", "buy", "1", "0"), BadAmount),
        (("BTC-USD-PERP", "up", "1", "95480"), ValueError),
        (("LUNA-USD-PERP", "buy", "1", "95480"), UnknownMarket),
    ],
)
async def test_what_does_not_fit_raises_before_anything_is_signed(
    stage: Any, arguments: tuple[Any, ...], error: type[Exception]
) -> None:
    with pytest.raises(error):
        await stage.trader.place(*arguments)
    assert stage.gateway.orders == {}


async def test_an_answer_that_got_lost_leaves_the_order_to_ask_for(stage: Any) -> None:
    stage.gateway.raises = ConnectionError("broken pipe")
    with pytest.raises(OrderOutcomeUnknown, match="broken pipe") as unknown:
        await stage.trader.place("BTC-USD-PERP", "buy", 1, 95_000)
    assert (await stage.trader.order(unknown.value.order_hash)).signed == unknown.value.signed


async def test_a_rejection_keeps_the_venues_words(stage: Any) -> None:
    stage.gateway.raises = OrderRejected("price band", 5)
    with pytest.raises(OrderRejected) as refused:
        await stage.trader.place("BTC-USD-PERP", "buy", 1, 95_000)
    assert refused.value.reason == "price band"


async def test_a_cancel_ends_the_order_at_the_venue_and_on_chain(stage: Any) -> None:
    ack = await stage.trader.place("BTC-USD-PERP", "buy", 1, 95_000)
    assert (await stage.trader.cancel(ack)).state is OrderState.CANCELLED
    assert stage.gateway.cancelled == [ack.order_hash]
    ((address, function, arguments),) = stage.calls()
    assert (address, function, arguments["order"]) == (0xC1EA, "cancel", ack.signed.order.to_abi())
    other = await stage.trader.place("BTC-USD-PERP", "buy", 1, 95_000)
    await stage.trader.cancel(other.order_hash, on_chain=False)
    assert len(stage.account.sent) == 1
    with pytest.raises(UnknownOrder):
        await stage.trader.cancel(123)


async def test_cancel_all_raises_the_accounts_epoch(stage: Any) -> None:
    await stage.trader.place("BTC-USD-PERP", "buy", 1, 95_000)
    await stage.trader.place("ETH-USD-PERP", "sell", 1, 3_000)
    assert await stage.trader.cancel_all() == 7
    assert len(stage.gateway.cancelled) == 2
    assert [function for _, function, _ in stage.calls()] == ["cancel_all"]


async def test_without_a_gateway_orders_are_still_ended_on_chain(make_stage: Any) -> None:
    stage = make_stage(gateway=None)
    with pytest.raises(NoGateway, match="gateway="):
        await stage.trader.place("BTC-USD-PERP", "buy", 1, 95_000)
    signed = await stage.trader.sign_order("BTC-USD-PERP", "buy", 1, 95_000)
    assert await stage.trader.cancel_on_chain(signed) == 7
    assert await stage.trader.cancel_all() == 7
