"""Margin by its rules: against exact fractions, at the edges of the tiers, and which way each thing moves it."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import assume, given
from hypothesis import strategies as st
from truemark.risk import (
    NO_TIER,
    NO_TIERS,
    Holding,
    Margin,
    MarginTier,
    Tiers,
    account_value,
    cash_down,
    cash_floor,
    cash_up,
    fee,
    healthier,
    is_healthy,
    liquidation_price,
    margin,
    pending_funding,
    position_requirement,
    position_value,
    requirement,
    requirement_of,
    share_down,
    within_band,
)
from truemark.units import BPS, I64_MAX, MAX_POSITION_VALUE, U64_MAX, VALUE_PER_COLLATERAL, VALUE_SCALE

USD = VALUE_SCALE
ONE = 10**8

sizes = st.one_of(st.integers(-I64_MAX, I64_MAX), st.integers(-1000 * ONE, 1000 * ONE))
prices = st.one_of(st.integers(1, U64_MAX), st.integers(1, 10**6 * ONE))
cash = st.integers(-(10**18), 10**18)
values = st.integers(0, MAX_POSITION_VALUE)
signed_values = st.integers(-MAX_POSITION_VALUE, MAX_POSITION_VALUE)
bps = st.integers(0, BPS)


@st.composite
def tiers_of(draw: st.DrawFn, rising: bool = False) -> Tiers:
    """One to three tiers as a venue lists them: bounds that rise, maintenance at most initial."""
    count = draw(st.integers(1, 3))
    bounds = sorted(draw(st.sets(st.integers(1, 10**9), min_size=count - 1, max_size=count - 1)))
    fractions = [sorted((draw(bps), draw(bps))) for _ in range(count)]
    if rising:
        fractions.sort(key=lambda pair: pair[0])
    used = [MarginTier(upto, pair[1], pair[0]) for upto, pair in zip([*bounds, 0], fractions, strict=True)]
    first, second, third = [*used, NO_TIER, NO_TIER][:3]
    return first, second, third


@st.composite
def holdings(draw: st.DrawFn) -> Holding:
    size = draw(sizes)
    price = draw(st.integers(1, max(1, min(U64_MAX, MAX_POSITION_VALUE // max(1, abs(size))))))
    return Holding(size, price, draw(st.integers(-(10**30), 10**30)), draw(tiers_of()))


# --- rounding


@given(values)
def test_cash_is_rounded_against_the_account(value: int) -> None:
    exact = Fraction(value, VALUE_PER_COLLATERAL)
    assert exact - 1 < cash_down(value) <= exact <= cash_up(value) < exact + 1
    assert cash_floor(value) == cash_down(value)
    assert cash_floor(-value) == -cash_up(value)


@given(values, bps)
def test_a_fee_is_rounded_up_and_a_share_down(value: int, rate: int) -> None:
    exact = Fraction(value * rate, BPS)
    assert exact - 1 < share_down(value, rate) <= exact
    assert exact / VALUE_PER_COLLATERAL <= fee(value, rate) < exact / VALUE_PER_COLLATERAL + 1


def test_the_examples_of_the_contract() -> None:
    assert fee(ONE * 10_000_000_000_000, 2) == 20_000_000
    assert (fee(1, 1), fee(0, 10_000), fee(10**12, 0)) == (1, 0, 0)
    assert (fee(10**14, 1), fee(10**14 + 1, 1)) == (1, 2)
    assert (cash_floor(1), cash_floor(-1), cash_floor(-(10**10) - 1)) == (0, -1, -2)
    assert within_band(10_005, 10_000, 5)
    assert not within_band(10_006, 10_000, 5)
    assert within_band(9_995, 10_000, 5)
    assert not within_band(1, 0, 10_000)


@given(sizes, st.integers(-(2**127), 2**127 - 1))
def test_pending_funding_is_rounded_against_the_account(size: int, change: int) -> None:
    exact = Fraction(-size * change, ONE)
    assert exact - 1 < pending_funding(size, change) <= exact


@given(sizes, st.integers(-(2**100), 2**100))
def test_what_longs_pay_shorts_receive_but_for_one_part(size: int, change: int) -> None:
    assert pending_funding(size, change) + pending_funding(-size, change) in (-1, 0)


# --- requirements


@given(values, tiers_of())
def test_a_requirement_is_the_sum_of_the_parts_of_a_value(value: int, tiers: Tiers) -> None:
    initial = maintenance = below = 0
    for tier in tiers:
        upto = tier.upto * USD if tier.upto else value
        part = max(0, min(value, upto) - below)
        initial += part * tier.initial_bps
        maintenance += part * tier.maintenance_bps
        below = max(below, upto)
        if tier.upto == 0:
            break
    assert position_requirement(value, tiers) == (initial, maintenance)


@given(values, st.integers(0, 10**30), tiers_of())
def test_more_value_never_requires_less(value: int, more: int, tiers: Tiers) -> None:
    before, after = position_requirement(value, tiers), position_requirement(value + more, tiers)
    assert before[0] <= after[0] <= before[0] + more * BPS
    assert before[1] <= after[1] <= before[1] + more * BPS


@given(values, tiers_of())
def test_initial_margin_covers_maintenance(value: int, tiers: Tiers) -> None:
    initial, maintenance = position_requirement(value, tiers)
    assert maintenance <= initial <= value * BPS


def test_tiers_have_no_cliff() -> None:
    tiers = (MarginTier(1_000, 500, 300), MarginTier(5_000, 1_000, 600), MarginTier(0, 2_000, 1_200))
    for edge in (1_000 * USD, 5_000 * USD):
        below, at, above = (position_requirement(edge + step, tiers)[1] for step in (-1, 0, 1))
        assert at - below <= 600
        assert above - at in (600, 1_200)


@given(values, tiers_of())
def test_a_requirement_is_rounded_up_once(value: int, tiers: Tiers) -> None:
    _, maintenance = position_requirement(value, tiers)
    assert Fraction(maintenance, BPS) <= requirement_of(maintenance) < Fraction(maintenance, BPS) + 1


# --- accounts


@given(cash, st.lists(holdings(), max_size=20))
def test_margin_is_the_sum_over_the_positions(collateral: int, held: list[Holding]) -> None:
    found = margin(collateral, held)
    parts = [position_requirement(abs(position_value(h.size, h.price)), h.tiers) for h in held]
    assert found.value == collateral * 10**10 + sum(h.size * h.price + h.pending for h in held)
    assert found.initial == requirement_of(sum(part[0] for part in parts))
    assert found.maintenance == requirement_of(sum(part[1] for part in parts))
    assert account_value(collateral, held) == found.value
    assert requirement(held) == (found.initial, found.maintenance)


@given(cash, st.lists(holdings(), max_size=5), st.integers(0, 10**15))
def test_more_collateral_is_worth_exactly_that(collateral: int, held: list[Holding], more: int) -> None:
    before, after = margin(collateral, held), margin(collateral + more, held)
    assert after == Margin(before.value + more * VALUE_PER_COLLATERAL, before.initial, before.maintenance)


@given(cash, st.lists(holdings(), max_size=5))
def test_the_order_of_positions_means_nothing(collateral: int, held: list[Holding]) -> None:
    shuffled = sorted(held, key=lambda h: (h.price, h.size))
    assert margin(collateral, held) == margin(collateral, shuffled) == margin(collateral, held[::-1])


def test_an_account_with_nothing_open_is_its_cash() -> None:
    assert margin(-5, []) == Margin(-5 * 10**10, 0, 0)
    assert not is_healthy(-1, 0)
    assert is_healthy(0, 0)


# --- healthier


@given(signed_values, values, signed_values, values)
def test_healthier_is_what_it_says_in_exact_fractions(before: int, r_before: int, after: int, r_after: int) -> None:
    if r_after >= r_before:
        expected = False
    elif r_after == 0:
        expected = after >= 0
    else:
        expected = Fraction(after, r_after) >= Fraction(before, r_before)
    assert healthier(before, r_before, after, r_after) == expected


@given(signed_values, st.integers(1, MAX_POSITION_VALUE), st.integers(1, 10**6), st.integers(1, 10**6))
def test_healthier_at_the_same_ratio_is_decided_by_the_requirement(value: int, r: int, k: int, m: int) -> None:
    assert healthier(value * k, r * k, value * m, r * m) == (m < k)


@given(signed_values, values, signed_values, values, signed_values, values)
def test_healthier_chains(v1: int, r1: int, v2: int, r2: int, v3: int, r3: int) -> None:
    if healthier(v1, r1, v2, r2) and healthier(v2, r2, v3, r3):
        assert healthier(v1, r1, v3, r3)


@given(signed_values, values, signed_values, values, st.integers(0, 10**30))
def test_a_healthier_account_with_more_value_is_healthier_too(v1: int, r1: int, v2: int, r2: int, more: int) -> None:
    if healthier(v1, r1, v2, r2):
        assert healthier(v1, r1, v2 + more, r2)


# --- liquidation price


@given(cash, st.lists(holdings(), min_size=1, max_size=4))
def test_the_liquidation_price_is_the_line_itself(collateral: int, held: list[Holding]) -> None:
    index = len(held) // 2
    moved = held[index]

    def healthy(price: int) -> bool:
        others = [*held[:index], *held[index + 1 :]]
        found = margin(collateral, [Holding(moved.size, price, moved.pending, moved.tiers), *others])
        return is_healthy(found.value, found.maintenance)

    price = liquidation_price(collateral, held, index)
    if price is None:
        assert moved.size == 0 or healthy(1) == healthy(U64_MAX)
    else:
        assert not healthy(price)
        assert healthy(price + (1 if moved.size > 0 else -1))


@given(st.integers(1, 10**4 * ONE), st.integers(10, 10**5), st.integers(1, 50), tiers_of(rising=True))
def test_the_liquidation_price_of_one_long_follows_by_algebra(size: int, usd: int, leverage: int, tiers: Tiers) -> None:
    entry = usd * ONE
    # What the position cost was paid from the collateral, as the contract books it.
    own = size * entry // VALUE_PER_COLLATERAL // leverage
    collateral = own - cash_up(size * entry)
    price = liquidation_price(collateral, [Holding(size, 1, 0, tiers)], 0)
    assume(price is not None)
    assert price is not None
    # Exact line: collateral + s p = R(s p), by the tier that s p falls in.
    owed = -collateral * VALUE_PER_COLLATERAL
    found = [exact for exact in crossings(owed, tiers) if price <= exact / size <= price + 1]
    assert found


def crossings(owed: int, tiers: Tiers) -> list[Fraction]:
    """The values x of a long with x - owed = R(x), one candidate for each tier."""
    found, fixed, below = [], Fraction(0), 0
    for tier in tiers:
        rate = Fraction(tier.maintenance_bps, BPS)
        if rate < 1:
            exact = (owed + fixed - rate * below) / (1 - rate)
            if exact >= below and (tier.upto == 0 or exact <= tier.upto * USD):
                found.append(exact)
        if tier.upto == 0:
            break
        fixed += rate * (tier.upto * USD - below)
        below = tier.upto * USD
    return found


def test_a_position_that_no_price_can_bring_down_has_no_liquidation_price() -> None:
    tiers = (MarginTier(0, 1_000, 500), NO_TIER, NO_TIER)
    covered = Holding(ONE, 100 * ONE, 0, tiers)
    assert liquidation_price(0, [covered], 0) is None
    assert liquidation_price(10**6, [Holding(0, 1, 0, NO_TIERS)], 0) is None
    hopeless = Holding(-ONE, 100 * ONE, 0, tiers)
    assert liquidation_price(-(10**6), [hopeless], 0) is None


def test_a_long_and_a_short_by_hand() -> None:
    tiers = (MarginTier(0, 1_000, 500), NO_TIER, NO_TIER)
    # 1 BTC bought at 50,000 with 5,000 of its own: V = p - 45,000, R = p / 20, so p = 45,000 / 0.95.
    long = liquidation_price(-45_000_000_000, [Holding(ONE, 50_000 * ONE, 0, tiers)], 0)
    assert long == 45_000 * ONE * 100 // 95
    # The same short: V = 55,000 - p, R = p / 20, so p = 55,000 / 1.05, the next price up.
    short = liquidation_price(55_000_000_000, [Holding(-ONE, 50_000 * ONE, 0, tiers)], 0)
    assert short == 55_000 * ONE * 100 // 105 + 1
