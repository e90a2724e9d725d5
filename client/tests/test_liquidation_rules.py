"""How much a liquidation takes and what it costs: least size, costs that never lower V/R, nothing out of thin air."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st
from truemark.risk import (
    NO_TIER,
    LiquidationCase,
    LiquidationTerms,
    MarginTier,
    Tiers,
    after_transfer,
    cash_down,
    cash_up,
    costs_at,
    healthier,
    liquidation_costs,
    liquidation_size,
    position_requirement,
    requirement_of,
    share_down,
    transfer_loss,
)
from truemark.units import BPS, U64_MAX, VALUE_PER_COLLATERAL, VALUE_SCALE

USD = VALUE_SCALE
ONE = 10**8
MOST = 2**100


@st.composite
def tiers_of(draw: st.DrawFn) -> Tiers:
    first, second, third = sorted(draw(st.tuples(*[st.integers(10, 5_000)] * 3)))
    low, high = sorted(draw(st.sets(st.integers(100, 10**7), min_size=2, max_size=2)))
    return draw(
        st.sampled_from(
            [
                (MarginTier(0, 2 * first, first), NO_TIER, NO_TIER),
                (MarginTier(low, 2 * first, first), MarginTier(0, 2 * second, second), NO_TIER),
                (MarginTier(low, 2 * first, first), MarginTier(high, 2 * second, second), MarginTier(0, BPS, third)),
            ]
        )
    )


@st.composite
def cases(draw: st.DrawFn) -> tuple[LiquidationCase, LiquidationTerms]:
    """An account under water, 0 <= V < R, with any share of R in other markets."""
    lot = draw(st.sampled_from([1, 1_000, 10**5, ONE]))
    size = lot * draw(st.integers(1, 10**4))
    price = draw(st.integers(1, 10**6 * ONE))
    tiers = draw(tiers_of())
    _, own = position_requirement(size * price, tiers)
    rest = own * draw(st.integers(0, 300)) // 100
    required = requirement_of(own + rest)
    value = draw(st.integers(0, max(0, required - 1)))
    terms = LiquidationTerms(
        lot, draw(st.integers(0, 500)), draw(st.integers(0, 500)), draw(st.sampled_from([0, 10, 1_000]))
    )
    return LiquidationCase(value, required, rest, size * draw(st.sampled_from([-1, 1])), price, tiers), terms


def settled(case: LiquidationCase, terms: LiquidationTerms, size: int) -> tuple[int, int]:
    """V and R after a liquidation of `size` with its costs."""
    value, requirement, _ = after_transfer(case, size)
    return value - sum(costs_at(case, terms, size)) * VALUE_PER_COLLATERAL, requirement


@given(st.integers(0, MOST), st.booleans())
def test_a_transfer_loses_less_than_a_unit_and_makes_cash_whole(notional: int, is_long: bool) -> None:
    loss = transfer_loss(is_long, notional)
    assert 0 <= loss < VALUE_PER_COLLATERAL
    paid = cash_down(notional) if is_long else cash_up(notional)
    assert paid * VALUE_PER_COLLATERAL == (notional - loss if is_long else notional + loss)


@given(cases(), st.data())
def test_costs_never_lower_the_ratio_nor_push_below_zero(
    drawn: tuple[LiquidationCase, LiquidationTerms], data: st.DataObject
) -> None:
    case, terms = drawn
    size = data.draw(st.integers(1, abs(case.size)))
    before_costs, requirement, notional = after_transfer(case, size)
    discount, penalty = costs_at(case, terms, size)
    value, _ = settled(case, terms, size)
    assert discount <= cash_down(share_down(notional, terms.discount_bps))
    assert penalty <= cash_down(share_down(notional, terms.penalty_bps))
    if discount + penalty == 0:
        return
    assert value >= 0
    if requirement:
        assert Fraction(value, requirement) >= Fraction(case.value, case.requirement)
    if requirement < case.requirement:
        assert healthier(case.value, case.requirement, value, requirement)
    assert before_costs >= value


@given(cases(), st.data())
def test_costs_are_the_most_that_the_ratio_allows(
    drawn: tuple[LiquidationCase, LiquidationTerms], data: st.DataObject
) -> None:
    case, terms = drawn
    size = data.draw(st.integers(1, abs(case.size)))
    _, requirement, notional = after_transfer(case, size)
    discount, penalty = costs_at(case, terms, size)
    value, _ = settled(case, terms, size)
    lower = value - VALUE_PER_COLLATERAL
    spare = lower >= 0 and (not requirement or Fraction(lower, requirement) >= Fraction(case.value, case.requirement))
    if discount < cash_down(share_down(notional, terms.discount_bps)):
        assert not spare
        assert penalty == 0
    elif penalty < cash_down(share_down(notional, terms.penalty_bps)):
        assert not spare


@given(
    st.integers(-MOST, MOST),
    st.integers(0, MOST),
    st.integers(-MOST, MOST),
    st.integers(0, MOST),
    st.integers(0, MOST),
    st.integers(0, BPS),
    st.integers(0, BPS),
)
def test_an_account_below_zero_pays_nothing(
    value: int, r: int, after: int, r_after: int, notional: int, discount: int, penalty: int
) -> None:
    found = liquidation_costs(value, r, after, r_after, notional, discount, penalty)
    assert min(found) >= 0
    if value < 0 or after < 0:
        assert found == (0, 0)
    else:
        assert sum(found) * VALUE_PER_COLLATERAL <= after


@given(cases())
def test_the_size_is_the_least_fifth_that_reaches_the_target(drawn: tuple[LiquidationCase, LiquidationTerms]) -> None:
    case, terms = drawn
    whole, lot = abs(case.size), terms.lot_size
    chosen = liquidation_size(case, terms, U64_MAX)
    if whole * case.price < terms.dust_usd * USD:
        assert chosen == whole
        return
    fifths = [-(-whole * n // (5 * lot)) * lot for n in range(1, 5)]
    assert chosen == whole or chosen in fifths
    for size in fifths:
        if size >= min(chosen, whole):
            break
        assert not reaches(case, terms, size)
    assert chosen == whole or reaches(case, terms, chosen)
    assert chosen % lot == 0
    assert 0 < chosen <= whole


def reaches(case: LiquidationCase, terms: LiquidationTerms, size: int) -> bool:
    value, requirement = settled(case, terms, size)
    return value >= 0 and value * 100 >= requirement * 111


@given(cases(), st.integers(0, U64_MAX), st.data())
def test_a_caller_takes_at_most_what_it_asks_in_whole_lots(
    drawn: tuple[LiquidationCase, LiquidationTerms], most: int, data: st.DataObject
) -> None:
    case, terms = drawn
    wanted = liquidation_size(case, terms, U64_MAX)
    most = data.draw(st.sampled_from([most, most % (2 * abs(case.size)), wanted, wanted - 1, 0]))
    taken = liquidation_size(case, terms, most)
    assert 0 <= taken <= min(most, wanted)
    assert taken % terms.lot_size == 0
    assert taken == wanted or most - taken < terms.lot_size


@given(cases())
def test_a_liquidation_leaves_the_account_healthier_unless_rounding_outweighs_it(
    drawn: tuple[LiquidationCase, LiquidationTerms],
) -> None:
    case, terms = drawn
    size = liquidation_size(case, terms, U64_MAX)
    value, requirement = settled(case, terms, size)
    loss = transfer_loss(case.size > 0, size * case.price)
    outweighed = (
        case.value < loss
        if requirement == 0
        else case.value * (case.requirement - requirement) < (loss * case.requirement)
    )
    assert healthier(case.value, case.requirement, value, requirement) == (
        requirement < case.requirement and not outweighed
    )


def test_a_position_by_hand() -> None:
    # 1 BTC at 50,000 USD, 5% maintenance, V = 2,400 < R = 2,500. One fifth leaves R = 2,000: V/R = 1.2 - costs.
    tiers = (MarginTier(0, 1_000, 500), NO_TIER, NO_TIER)
    case = LiquidationCase(2_400 * USD, 2_500 * USD, 0, ONE, 50_000 * ONE, tiers)
    free = LiquidationTerms(1, 0, 0, 0)
    assert liquidation_size(case, free, U64_MAX) == ONE // 5
    # Discount 0.5% and penalty 1% of 10,000: 50 and 100. V = 2,250 over 2,000 is 1.125, still above 1.11.
    costly = LiquidationTerms(1, 50, 100, 0)
    assert costs_at(case, costly, ONE // 5) == (50_000_000, 100_000_000)
    assert liquidation_size(case, costly, U64_MAX) == ONE // 5
    # 2% and 3% would be 500, but V/R may not fall below 0.96: V' >= 1,920, so 480: 200 and then 280.
    greedy = LiquidationTerms(1, 200, 300, 0)
    assert costs_at(case, greedy, ONE // 5) == (200_000_000, 280_000_000)
    assert liquidation_size(case, LiquidationTerms(1, 0, 0, 60_000), U64_MAX) == ONE
