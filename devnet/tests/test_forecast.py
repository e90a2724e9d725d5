"""What is said of the day beforehand."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from truemark_devnet.demo.book import BTC, SOL, TRADERS, TraderPlan, Wish
from truemark_devnet.demo.forecast import forecast
from truemark_devnet.demo.plan import END, HOUR, OPEN, fill_price, load_table, wish_size
from truemark_devnet.profile import load_profile

PROFILE, TABLE = load_profile("replay"), load_table()


def said(*traders: TraderPlan) -> tuple[str, ...]:
    return forecast(traders, PROFILE, TABLE, END).liquidated


def long(name: str, market: str, leverage: str) -> TraderPlan:
    return TraderPlan(name, Decimal(5_000), (Wish(market, Decimal(leverage)),))


def test_the_fall_takes_the_high_leverages_and_nobody_who_is_short() -> None:
    found = forecast(TRADERS, PROFILE, TABLE, END)
    names = set(found.liquidated)
    for plan in TRADERS:
        lowest = min((wish.leverage for wish in plan.wishes), default=Decimal(0))
        highest = max((wish.leverage for wish in plan.wishes), default=Decimal(0))
        if lowest < 0 or highest <= 7:
            assert plan.name not in names, plan.name
    assert {"alma", "iris", "emil", "lena", "omar"} <= names
    # All of the first strikes are within the two hours of the fall.
    assert all(at <= OPEN + 2 * HOUR for at, _ in found.first.values())


def test_more_leverage_never_saves() -> None:
    hit = [bool(said(long("x", SOL, str(leverage)))) for leverage in range(1, 20)]
    assert hit == sorted(hit)
    assert not hit[0]
    assert hit[-1]


def test_who_closes_before_the_fall_ends_is_spared() -> None:
    plan = TraderPlan("x", Decimal(5_000), (Wish(SOL, Decimal(15)),), closes_at=0)
    assert said(long("x", SOL, "15")) == ("x",)
    assert said(plan) == ()


@given(
    deposit=st.integers(1, 10**7),
    leverage=st.decimals("-20", "20", places=2).filter(lambda value: value != 0),
    mark=st.integers(1, 10**13),
    lot=st.sampled_from([1, 10**4, 10**6, 10**8]),
)
def test_a_size_is_whole_lots_and_never_more_than_was_wanted(
    deposit: int, leverage: Decimal, mark: int, lot: int
) -> None:
    size = wish_size(Decimal(deposit), leverage, mark, lot)
    assert size % lot == 0
    assert (size > 0) == (leverage > 0) or size == 0
    wanted = abs(deposit * leverage) * 10**16
    assert abs(size) * mark <= wanted < (abs(size) + lot) * mark


@pytest.mark.parametrize(("mark", "tick", "price"), [(104, 10, 100), (105, 10, 110), (110, 10, 110), (7, 1, 7)])
def test_a_fill_is_at_the_nearest_tick(mark: int, tick: int, price: int) -> None:
    assert fill_price(mark, tick) == price


def test_the_plan_names_markets_that_are_listed() -> None:
    listed = {market.name for market in PROFILE.markets}
    assert {wish.market for plan in TRADERS for wish in plan.wishes} <= listed
    assert BTC in listed
    assert len(TRADERS) == len({plan.name for plan in TRADERS}) == 30
