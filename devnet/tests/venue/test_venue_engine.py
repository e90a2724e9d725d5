"""What the engine does with orders that need more than price and time: modes, bands, triggers, reductions, margin, and
fills that the chain refuses."""

from __future__ import annotations

from decimal import Decimal

import pytest
from truemark.gateway import FillState, OrderState
from truemark.models import MarketStatus, Mode
from truemark.wire import ErrorCode, OrderKind, SelfTrade, TimeInForce, TriggerKind
from truemark_devnet.venue.chainview import ChainAccount
from truemark_devnet.venue.engine import MOST_OPEN, Engine
from truemark_devnet.venue.live import LiveOrder, Refused

from devnet.tests.venue.venue_people import BTC, ETH, LOT, NOW, USD, engine, place, request, settle_all, view

ALICE, BOB, CAROL = 1, 2, 3


def code(venue: Engine, *arguments: object, **named: object) -> ErrorCode:
    """Why an order is refused; and then nothing changed."""
    before = [(order.number, order.open, order.state) for order in venue.orders.values()]
    with pytest.raises(Refused) as refused:
        place(venue, *arguments, **named)
    assert [(order.number, order.open, order.state) for order in venue.orders.values()] == before
    return refused.value.code


def holding(size: int) -> dict[int, tuple[int, int]]:
    """A position in BTC, in lots."""
    return {0: (size * LOT, 0)}


def resting(venue: Engine, market: int = 0) -> list[LiveOrder]:
    return list(venue.books[market])


# --- what an order must be


def test_each_fault_of_an_order_has_its_code() -> None:
    venue = engine(ALICE)
    assert code(venue, ALICE, "buy", 1, 100, epoch=2) is ErrorCode.WRONG_EPOCH
    assert code(venue, ALICE, "buy", 1, 100, expiry=NOW) is ErrorCode.EXPIRED
    assert code(venue, ALICE, "buy", 1, 100, max_fee_bps=2) is ErrorCode.FEE_CAP
    assert code(venue, ALICE, "buy", 1, 100, market="XAU") is ErrorCode.UNKNOWN_MARKET
    assert code(venue, ALICE, "buy", 1, 111) is ErrorCode.OUTSIDE_BAND
    assert code(venue, ALICE, "sell", 1, 89) is ErrorCode.OUTSIDE_BAND
    assert code(venue, ALICE, "buy", 1, 100, reduce_only=True) is ErrorCode.NOT_REDUCING
    assert code(venue, ALICE, "buy", 1, 100, kind=OrderKind.MARKET) is ErrorCode.CONTRADICTION
    ioc = TimeInForce.IOC
    assert code(venue, ALICE, "buy", 1, 100, post_only=True, time_in_force=ioc) is ErrorCode.CONTRADICTION
    stop = (TriggerKind.STOP_LOSS, 90)
    assert code(venue, ALICE, "buy", 1, 100, post_only=True, trigger=stop) is ErrorCode.CONTRADICTION
    venue.know(ALICE, ChainAccount(1, 10**12, 1, {}))
    assert code(venue, ALICE, "buy", 1, 100) is ErrorCode.WRONG_ACCOUNT_EPOCH


def test_a_far_price_may_rest_on_its_own_side_and_an_account_has_so_many_orders() -> None:
    venue = engine(ALICE)
    for _ in range(MOST_OPEN):
        assert place(venue, ALICE, "buy", 1, 50).state is OrderState.OPEN
    assert code(venue, ALICE, "buy", 1, 50) is ErrorCode.TOO_MANY_ORDERS


def test_a_client_id_is_one_orders() -> None:
    venue = engine(ALICE, BOB)
    place(venue, ALICE, "buy", 1, 99, client_order_id="one")
    assert code(venue, ALICE, "buy", 2, 99, client_order_id="one") is ErrorCode.CLIENT_ID_TAKEN
    assert place(venue, BOB, "buy", 1, 99, client_order_id="one").state is OrderState.OPEN


def test_a_market_order_takes_what_is_in_the_band_and_no_more() -> None:
    venue = engine(ALICE, BOB)
    near = place(venue, BOB, "sell", 1, 110)
    far = place(venue, BOB, "sell", 1, 111)
    done = place(venue, ALICE, "buy", 5, 500, kind=OrderKind.MARKET, time_in_force=TimeInForce.IOC)
    assert (near.state, far.open) == (OrderState.MATCHED, LOT)
    assert (done.matched, done.state, done.reason) == (LOT, OrderState.CANCELLED, "the next price is outside the band")
    settle_all(venue)
    assert (done.filled, done.state) == (LOT, OrderState.CANCELLED)


# --- margin


def test_open_orders_count_at_their_worst() -> None:
    # 5% of 100 USD a base unit: a lot of 0.0001 BTC needs 500 units of collateral.
    venue = engine(ALICE, collateral=5_000)
    for price in (99, 98, 97):
        place(venue, ALICE, "buy", 3, price)
    assert code(venue, ALICE, "buy", 1, 96) is ErrorCode.MARGIN
    # The other side is not added: both cannot be open at once.
    assert place(venue, ALICE, "sell", 9, 105).state is OrderState.OPEN
    assert code(venue, ALICE, "sell", 2, 50, market=ETH) is ErrorCode.MARGIN
    venue.cancel(resting(venue)[0])
    assert place(venue, ALICE, "buy", 1, 96).state is OrderState.OPEN


def test_a_limit_beyond_the_mark_costs_what_it_would_lose() -> None:
    venue = engine(ALICE, collateral=5_000)
    assert code(venue, ALICE, "buy", 4, 110) is ErrorCode.MARGIN
    assert place(venue, ALICE, "buy", 3, 110).state is OrderState.OPEN


def test_a_maker_that_its_margin_no_longer_carries_goes_and_the_next_one_fills() -> None:
    venue = engine(ALICE, BOB, CAROL, collateral=5_000)
    poor = place(venue, ALICE, "buy", 9, 99)
    rich = place(venue, BOB, "buy", 9, 99)
    venue.know(ALICE, ChainAccount(2, 100, 0, {}))
    venue.know(CAROL, ChainAccount(2, 10_000, 0, {}))
    done = place(venue, CAROL, "sell", 9, 99)
    assert (poor.state, poor.reason) == (OrderState.CANCELLED, "MARGIN: buyer")
    assert (rich.matched, done.matched) == (9 * LOT, 9 * LOT)


def test_fill_or_kill_is_undone_when_a_maker_cannot_carry_its_part() -> None:
    venue = engine(ALICE, BOB, CAROL, collateral=5_000)
    first = place(venue, BOB, "buy", 3, 99)
    poor = place(venue, ALICE, "buy", 3, 99)
    venue.know(ALICE, ChainAccount(2, 100, 0, {}))
    venue.take_changes()
    done = place(venue, CAROL, "sell", 6, 99, time_in_force=TimeInForce.FOK)
    assert (done.state, done.matched, first.open, poor.state) == (
        OrderState.CANCELLED,
        0,
        3 * LOT,
        OrderState.CANCELLED,
    )
    assert not venue.matches
    assert not venue.take_changes().matches
    assert venue.traders[BOB].cash == 5_000
    assert resting(venue) == [first]


# --- reductions


def test_reduce_only_reduces_and_no_more() -> None:
    venue = engine(ALICE, BOB)
    venue.know(ALICE, ChainAccount(1, 10**9, 0, holding(3)))
    place(venue, BOB, "buy", 10, 100)
    done = place(venue, ALICE, "sell", 5, 100, reduce_only=True)
    assert (done.matched, done.state, done.reason) == (
        3 * LOT,
        OrderState.CANCELLED,
        "reduce-only, and there is nothing to reduce",
    )
    assert venue.traders[ALICE].sizes == {}


def test_what_has_nothing_left_to_reduce_goes() -> None:
    venue = engine(ALICE, BOB)
    venue.know(ALICE, ChainAccount(1, 10**9, 0, holding(3)))
    waiting = place(venue, ALICE, "sell", 3, 105, reduce_only=True)
    place(venue, BOB, "buy", 10, 100)
    place(venue, ALICE, "sell", 3, 100)
    assert waiting.state is OrderState.CANCELLED
    venue = engine(ALICE, BOB)
    venue.know(ALICE, ChainAccount(1, 10**9, 0, holding(3)))
    waiting = place(venue, ALICE, "sell", 3, 105, reduce_only=True)
    # Liquidated on chain.
    venue.know(ALICE, ChainAccount(2, 10**9, 0, {}))
    assert waiting.state is OrderState.CANCELLED


def test_an_account_below_initial_margin_may_still_reduce() -> None:
    venue = engine(ALICE, BOB)
    # Value 300 + 30 of 1,000 USD of position: above maintenance, below initial.
    venue.know(ALICE, ChainAccount(1, -96_000, 0, holding(10)))
    place(venue, BOB, "buy", 10, 100)
    assert code(venue, ALICE, "buy", 1, 99) is ErrorCode.MARGIN
    assert place(venue, ALICE, "sell", 4, 100).matched == 4 * LOT


# --- modes


def test_halted_takes_nothing_and_lets_only_reductions_wait() -> None:
    venue = engine(ALICE, BOB)
    venue.know(ALICE, ChainAccount(1, 10**9, 0, holding(3)))
    kept = place(venue, ALICE, "sell", 3, 105, reduce_only=True)
    gone = place(venue, BOB, "buy", 1, 99)
    venue.see(view(Mode.HALTED))
    assert (kept.state, gone.state, gone.reason) == (OrderState.OPEN, OrderState.CANCELLED, "the venue is in Halted")
    assert code(venue, BOB, "buy", 1, 105) is ErrorCode.MODE
    assert code(venue, ALICE, "sell", 1, 100, reduce_only=True) is ErrorCode.MODE
    assert code(venue, ALICE, "sell", 1, 100, trigger=(TriggerKind.STOP_LOSS, 90)) is ErrorCode.MODE
    venue.cancel(kept)
    assert kept.state is OrderState.CANCELLED


def test_cancel_only_pairs_reductions_in_the_narrow_band() -> None:
    venue = engine(ALICE, BOB)
    venue.know(ALICE, ChainAccount(1, 10**9, 0, holding(3)))
    venue.know(BOB, ChainAccount(1, 10**9, 0, holding(-2)))
    venue.see(view(Mode.CANCEL_ONLY))
    assert code(venue, BOB, "buy", 1, 100) is ErrorCode.MODE
    assert code(venue, BOB, "buy", 1, 100, post_only=True) is ErrorCode.MODE
    resting_ = place(venue, ALICE, "sell", 3, 101, reduce_only=True)
    taken = place(venue, BOB, "buy", 2, 101, reduce_only=True)
    assert (resting_.open, taken.matched) == (LOT, 2 * LOT)
    # The band is 1 percent here: 102 is outside.
    assert code(venue, ALICE, "sell", 1, 98, reduce_only=True) is ErrorCode.OUTSIDE_BAND


def test_post_only_mode_holds_makers_in_the_band_and_lets_reductions_take() -> None:
    venue = engine(ALICE, BOB)
    venue.know(ALICE, ChainAccount(1, 10**9, 0, holding(3)))
    near = place(venue, BOB, "buy", 2, 99, post_only=True)
    far = place(venue, BOB, "buy", 2, 95, post_only=True)
    plain = place(venue, BOB, "buy", 2, 99)
    venue.see(view(Mode.POST_ONLY))
    assert [near.state, far.state, plain.state] == [OrderState.OPEN, OrderState.CANCELLED, OrderState.CANCELLED]
    assert far.reason == "outside the band around the mark"
    assert code(venue, BOB, "buy", 1, 99) is ErrorCode.MODE
    assert code(venue, BOB, "buy", 1, 98, post_only=True) is ErrorCode.OUTSIDE_BAND
    taker = place(venue, ALICE, "sell", 3, 99, reduce_only=True, time_in_force=TimeInForce.IOC)
    assert (taker.matched, near.state) == (2 * LOT, OrderState.MATCHED)
    rest = place(venue, BOB, "sell", 1, 101, post_only=True)
    # The mark moves away from it.
    venue.see(view(Mode.POST_ONLY, btc=98))
    assert rest.state is OrderState.CANCELLED


def test_a_market_that_is_not_valid_takes_reductions_only() -> None:
    venue = engine(ALICE, BOB)
    venue.know(ALICE, ChainAccount(1, 10**9, 0, holding(3)))
    place(venue, BOB, "buy", 3, 100)
    venue.see(view(status=MarketStatus.SUSPECT))
    assert code(venue, BOB, "buy", 1, 99) is ErrorCode.MARKET_NOT_VALID
    # Bob would open: such a fill the chain refuses.
    done = place(venue, ALICE, "sell", 3, 100, reduce_only=True)
    assert (done.matched, done.reason) == (0, "the market is not valid")


def test_time_and_epochs_end_orders() -> None:
    venue = engine(ALICE, BOB)
    brief = place(venue, ALICE, "buy", 1, 99, expiry=NOW + 5)
    long = place(venue, ALICE, "buy", 1, 99)
    bobs = place(venue, BOB, "buy", 1, 99)
    venue.see(view(now=NOW + 5))
    assert (brief.state, long.state) == (OrderState.EXPIRED, OrderState.OPEN)
    venue.know(ALICE, ChainAccount(2, 10**12, 1, {}))
    assert (long.state, bobs.state) == (OrderState.CANCELLED, OrderState.OPEN)
    venue.see(view(now=NOW + 6, epoch=2))
    assert bobs.state is OrderState.CANCELLED


# --- triggers


@pytest.mark.parametrize(
    ("side", "kind", "trigger", "still", "fires"),
    [
        ("sell", TriggerKind.STOP_LOSS, 95, 96, 95),
        ("buy", TriggerKind.STOP_LOSS, 105, 104, 105),
        ("sell", TriggerKind.TAKE_PROFIT, 105, 104, 106),
        ("buy", TriggerKind.TAKE_PROFIT, 95, 96, 94),
    ],
)
def test_a_trigger_fires_at_its_side_of_the_mark(
    side: str, kind: TriggerKind, trigger: int, still: int, fires: int
) -> None:
    venue = engine(ALICE, BOB)
    order = place(venue, ALICE, side, 1, 100, trigger=(kind, trigger))
    venue.see(view(btc=still))
    assert (order.state, resting(venue)) == (OrderState.WAITING, [])
    venue.see(view(Mode.POST_ONLY, btc=fires))
    assert order.state is OrderState.WAITING
    venue.see(view(btc=fires, status=MarketStatus.STALE))
    assert order.state is OrderState.WAITING
    venue.see(view(btc=fires))
    assert (order.state, resting(venue)) == (OrderState.OPEN, [order])


def test_a_triggered_order_that_cannot_be_placed_ends_with_the_reason() -> None:
    venue = engine(ALICE)
    order = place(venue, ALICE, "sell", 1, 100, reduce_only=True, trigger=(TriggerKind.STOP_LOSS, 95))
    assert order.state is OrderState.WAITING
    venue.see(view(btc=95))
    assert order.state is OrderState.CANCELLED
    assert order.reason == "when it was triggered: reduce-only, and the position is 0"


# --- changing


def test_a_smaller_order_keeps_its_place_and_another_price_does_not() -> None:
    venue = engine(ALICE, BOB, CAROL)
    first, second = place(venue, ALICE, "buy", 5, 99), place(venue, BOB, "buy", 5, 99)
    venue.reduce(first, 2 * LOT)
    assert resting(venue) == [first, second]
    with pytest.raises(Refused):
        venue.reduce(first, 2 * LOT)
    smaller = venue.replace(first, request(ALICE, "buy", 1, 99), 77)
    assert (resting(venue), first.state) == ([smaller, second], OrderState.CANCELLED)
    larger = venue.replace(smaller, request(ALICE, "buy", 9, 99), 78)
    assert resting(venue) == [second, larger]
    moved = venue.replace(second, request(BOB, "buy", 1, 98), 79)
    assert resting(venue) == [larger, moved]


def test_a_replacement_that_is_refused_leaves_the_order_as_it_was() -> None:
    venue = engine(ALICE, BOB, collateral=5_000)
    first, second = place(venue, ALICE, "buy", 5, 99, client_order_id="a"), place(venue, BOB, "buy", 5, 99)
    for bad in (
        request(ALICE, "buy", 500, 99, client_order_id="a"),
        request(ALICE, "buy", 1, 500),
        request(ALICE, "buy", 1, 99, epoch=9),
    ):
        with pytest.raises(Refused):
            venue.replace(first, bad, 80)
        assert (resting(venue), first.open, first.state) == ([first, second], 5 * LOT, OrderState.OPEN)
        assert venue.by_client_id[ALICE, "a"] is first


def test_a_replacement_is_held_to_what_a_new_order_is() -> None:
    venue = engine(ALICE)
    first, other = place(venue, ALICE, "buy", 5, 99), place(venue, ALICE, "buy", 5, 98, client_order_id="b")
    # Even one that would keep the place.
    with pytest.raises(Refused) as refused:
        venue.replace(first, request(ALICE, "buy", 1, 99, client_order_id="b"), 81)
    assert refused.value.code is ErrorCode.CLIENT_ID_TAKEN
    venue.traders[ALICE].chain = ChainAccount(1, 10**12, 1, {})
    with pytest.raises(Refused) as refused:
        venue.replace(first, request(ALICE, "buy", 1, 99), 82)
    assert refused.value.code is ErrorCode.WRONG_ACCOUNT_EPOCH
    assert venue.by_client_id[ALICE, "b"] is other
    assert (resting(venue), first.open) == ([first, other], 5 * LOT)


# --- what the chain refuses


def test_the_order_at_fault_goes_and_the_other_rests_where_it_was() -> None:
    venue = engine(ALICE, BOB, CAROL)
    first = place(venue, ALICE, "buy", 2, 99)
    second = place(venue, BOB, "buy", 2, 99)
    bad = place(venue, CAROL, "sell", 2, 99)
    (match,) = venue.matches.values()
    venue.refused([(match, "MARGIN: seller", 7)], {})
    assert (bad.state, bad.reason) == (OrderState.BUSTED, "MARGIN: seller")
    assert (match.state, match.reason) == (FillState.REFUSED, "MARGIN: seller")
    assert (resting(venue), first.open) == ([first, second], 2 * LOT)
    assert venue.traders[ALICE].cash == 10**12
    assert not venue.traders[CAROL].pending


def test_a_refusal_of_the_venues_state_ends_the_taker_and_spares_the_maker() -> None:
    venue = engine(ALICE, BOB)
    maker, taker = place(venue, ALICE, "buy", 2, 99), place(venue, BOB, "sell", 2, 99)
    venue.refused([(next(iter(venue.matches.values())), "FILL: outside the band", 7)], {})
    assert (maker.state, maker.open, taker.state) == (OrderState.OPEN, 2 * LOT, OrderState.CANCELLED)


def test_an_order_that_comes_back_meets_what_came_meanwhile() -> None:
    venue = engine(ALICE, BOB, CAROL)
    bid = place(venue, ALICE, "buy", 2, 99)
    bad = place(venue, BOB, "sell", 2, 99)
    # With the bid gone this one rests below it.
    ask = place(venue, CAROL, "sell", 1, 98)
    assert ask.state is OrderState.OPEN
    venue.refused([(next(iter(venue.matches.values())), "MARGIN: seller", 7)], {})
    assert bad.state is OrderState.BUSTED
    (match,) = venue.matches.values()
    # The older one makes the price.
    assert (match.maker, match.taker, match.price) == (bid, ask, 99 * USD)
    assert (bid.open, ask.open) == (LOT, 0)


def test_a_fault_that_is_known_is_its_orders_and_one_that_is_not_is_both() -> None:
    venue = engine(ALICE, BOB)
    maker, taker = place(venue, ALICE, "buy", 1, 99), place(venue, BOB, "sell", 1, 99)
    venue.refused([(next(iter(venue.matches.values())), "ORDER: expired", 7)], {maker.order_hash: "ORDER: expired"})
    assert (maker.state, taker.state, taker.open) == (OrderState.BUSTED, OrderState.OPEN, LOT)
    maker = place(venue, ALICE, "buy", 1, 99)
    venue.refused([(next(iter(venue.matches.values())), "ORDER: strange", 7)], {})
    assert (maker.state, taker.state) == (OrderState.BUSTED, OrderState.BUSTED)


def test_a_settlement_that_a_rollback_erased_never_happened() -> None:
    venue = engine(ALICE, BOB)
    maker, taker = place(venue, ALICE, "buy", 2, 99), place(venue, BOB, "sell", 1, 99)
    (match,) = venue.matches.values()
    settle_all(venue)
    venue.erased(match)
    assert (maker.filled, maker.state, taker.filled, taker.state) == (0, OrderState.CANCELLED, 0, OrderState.CANCELLED)
    assert match.state is FillState.REFUSED
    # Nor does it count before the chain's word on the account is read again.
    assert (venue.traders[ALICE].sizes, venue.traders[ALICE].cash, venue.traders[BOB].cash) == ({}, 10**12, 10**12)


def test_self_trade_modes() -> None:
    for mode, gone in (
        (SelfTrade.EXPIRE_MAKER, (True, False)),
        (SelfTrade.EXPIRE_TAKER, (False, True)),
        (SelfTrade.EXPIRE_BOTH, (True, True)),
    ):
        venue = engine(ALICE)
        maker = place(venue, ALICE, "buy", 1, 99)
        taker = place(venue, ALICE, "sell", 1, 99, self_trade=mode)
        assert (maker.state is OrderState.CANCELLED, taker.state is OrderState.CANCELLED) == gone
        assert not venue.matches


def test_a_trigger_price_that_is_too_fine_is_named() -> None:
    venue = engine(ALICE)
    asked = request(ALICE, "sell", 1, 100, trigger=(TriggerKind.STOP_LOSS, 95))
    assert asked.trigger is not None
    fine = type(asked.trigger)(kind=asked.trigger.kind, price=Decimal("95.000000001"))
    with pytest.raises(Refused) as refused:
        venue.place(type(asked)(signed=asked.signed, trigger=fine), 5)
    assert refused.value.problem.field == "trigger.price"
    assert BTC in venue.by_name
