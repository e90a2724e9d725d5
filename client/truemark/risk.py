"""Margin in exact integers: what an account is worth, what it must hold, how much of it a liquidation takes.

The mirror of `risk.cairo` and `cash.cairo` under the same names, equal to the unit for what is in range there:
|size x price| at most 2^100, pending funding within i128, at most 20 positions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from truemark.units import BPS, SIZE_SCALE, U64_MAX, U128_MAX, VALUE_PER_COLLATERAL, VALUE_SCALE

#: 1e-16 USD in one USD.
VALUE_PER_USD: Final = VALUE_SCALE
#: A liquidation stops at V/R of 111/100.
TARGET_NUMERATOR: Final = 111
TARGET_DENOMINATOR: Final = 100


@dataclass(frozen=True, slots=True)
class MarginTier:
    """The part of |value| between the previous tier's bound and this one's has these fractions."""

    #: Whole USD; 0 in the last tier that is used: without bound.
    upto: int
    initial_bps: int
    maintenance_bps: int


#: Marginal tiers, one to three in use; the rest all 0.
Tiers = tuple[MarginTier, MarginTier, MarginTier]

NO_TIER: Final = MarginTier(0, 0, 0)
#: No requirement.
NO_TIERS: Final[Tiers] = (NO_TIER, NO_TIER, NO_TIER)


@dataclass(frozen=True, slots=True)
class Holding:
    """One position as a rule sees it: at the price that the rule is to use. Zero tiers: no requirement."""

    #: 1e-8 of the base asset; long > 0.
    size: int
    #: 1e-8 USD.
    price: int
    #: Pending funding, 1e-16 USD; above 0 the account receives.
    pending: int
    tiers: Tiers


@dataclass(frozen=True, slots=True)
class Margin:
    """V and both requirements, 1e-16 USD, the requirements rounded up."""

    value: int
    initial: int
    maintenance: int


@dataclass(frozen=True, slots=True)
class LiquidationTerms:
    """What a market's configuration says of a liquidation."""

    #: 1e-8 of the base asset.
    lot_size: int
    discount_bps: int
    penalty_bps: int
    #: Whole USD.
    dust_usd: int


@dataclass(frozen=True, slots=True)
class LiquidationCase:
    """The account before a liquidation: its margin is V and R with the position, `rest_maintenance` (1e-20 USD) the
    part of R of every other market."""

    value: int
    requirement: int
    rest_maintenance: int
    size: int
    price: int
    tiers: Tiers


# --- value into cash: the only places where a settlement rounds


def cash_down(value: int) -> int:
    """What a receiver of `value` (1e-16 USD) gets; 1e-6 USD."""
    return value // VALUE_PER_COLLATERAL


def cash_up(value: int) -> int:
    """What a payer of `value` (1e-16 USD) pays; 1e-6 USD."""
    return -(-value // VALUE_PER_COLLATERAL)


def cash_floor(value: int) -> int:
    """floor(value / 1e10) of a signed value: a payer pays the part of a unit, a receiver loses it; 1e-6 USD."""
    return value // VALUE_PER_COLLATERAL


def fee(notional: int, bps: int) -> int:
    """ceil(notional x bps / 1e4 / 1e10), of 1e-16 USD; 1e-6 USD."""
    return -(-notional * bps // (BPS * VALUE_PER_COLLATERAL))


def share_down(value: int, bps: int) -> int:
    """floor(value x bps / 1e4); 1e-16 USD."""
    return value * bps // BPS


def within_band(price: int, mark: int, bps: int) -> bool:
    """Whether `price` is within `bps` of `mark`, both ends included."""
    return abs(price - mark) * BPS <= mark * bps


# --- margin


def position_value(size: int, price: int) -> int:
    """size x price, exact; 1e-16 USD."""
    return size * price


def pending_funding(size: int, change: int) -> int:
    """floor(-size x change / 1e8) for a change of the funding index: a long pays when the index rises; 1e-16 USD."""
    return -size * change // SIZE_SCALE


def position_requirement(value: int, tiers: Tiers) -> tuple[int, int]:
    """The requirements (initial, maintenance) of one |value| in 1e-16 USD, each part of it by its own tier; 1e-20
    USD."""
    first, second, third = tiers
    first_upto = first.upto * VALUE_PER_USD
    if first_upto == 0 or value <= first_upto:
        return value * first.initial_bps, value * first.maintenance_bps
    initial = first_upto * first.initial_bps
    maintenance = first_upto * first.maintenance_bps
    second_upto = second.upto * VALUE_PER_USD
    if second_upto == 0 or value <= second_upto:
        part = value - first_upto
        return initial + part * second.initial_bps, maintenance + part * second.maintenance_bps
    part = second_upto - first_upto
    rest = value - second_upto
    return (
        initial + part * second.initial_bps + rest * third.initial_bps,
        maintenance + part * second.maintenance_bps + rest * third.maintenance_bps,
    )


def requirement_of(total: int) -> int:
    """ceil(total / 1e4): a sum of requirements in 1e-20 USD, as 1e-16 USD."""
    return -(-total // BPS)


def margin(collateral: int, holdings: Iterable[Holding]) -> Margin:
    """V and R of an account with `collateral` (1e-6 USD) and these positions."""
    value = collateral * VALUE_PER_COLLATERAL
    initial = maintenance = 0
    for holding in holdings:
        worth = holding.size * holding.price
        value += worth + holding.pending
        more_initial, more_maintenance = position_requirement(abs(worth), holding.tiers)
        initial += more_initial
        maintenance += more_maintenance
    return Margin(value, requirement_of(initial), requirement_of(maintenance))


def account_value(collateral: int, holdings: Iterable[Holding]) -> int:
    """V: collateral x 1e10 + sum(size x price + pending funding); 1e-16 USD."""
    return margin(collateral, holdings).value


def requirement(holdings: Iterable[Holding]) -> tuple[int, int]:
    """R, (initial, maintenance), rounded up; 1e-16 USD."""
    found = margin(0, holdings)
    return found.initial, found.maintenance


def is_healthy(value: int, requirement: int) -> bool:
    """V >= R."""
    return value >= requirement


def healthier(value: int, requirement: int, value_after: int, requirement_after: int) -> bool:
    """R falls and V/R does not; where R falls to 0, V must not be below 0."""
    if requirement_after >= requirement:
        return False
    if requirement_after == 0:
        return value_after >= 0
    return value_after * requirement >= value * requirement_after


def liquidation_price(collateral: int, holdings: Sequence[Holding], index: int) -> int | None:
    """The price of the position `index` at which the account comes under water, the other positions as they are: for a
    long the highest price with V < R, for a short the lowest; 1e-8 USD.

    None: no price of this market makes the difference, the account is healthy at every one or under water at every
    one. It counts on margin fractions of at most 10,000 bps, as the contract does: health then moves one way with a
    price.
    """
    moved = holdings[index]
    if moved.size == 0:
        return None
    others = [holding for number, holding in enumerate(holdings) if number != index]

    def under_water(price: int) -> bool:
        found = margin(collateral, [*others, replace(moved, price=price)])
        return not is_healthy(found.value, found.maintenance)

    is_long = moved.size > 0
    bad, good = (1, U64_MAX) if is_long else (U64_MAX, 1)
    if not under_water(bad) or under_water(good):
        return None
    while abs(good - bad) > 1:
        middle = (good + bad) // 2
        if under_water(middle):
            bad = middle
        else:
            good = middle
    return bad


# --- liquidation


def transfer_loss(is_long: bool, notional: int) -> int:
    """What an account loses when `notional` of its position goes at the mark, because what it gets is rounded down and
    what it pays is rounded up; 1e-16 USD, below one unit of collateral."""
    return notional % VALUE_PER_COLLATERAL if is_long else -notional % VALUE_PER_COLLATERAL


def liquidation_costs(
    value: int,
    requirement: int,
    value_after: int,
    requirement_after: int,
    notional: int,
    discount_bps: int,
    penalty_bps: int,
) -> tuple[int, int]:
    """(discount, penalty) in 1e-6 USD for `notional` (1e-16 USD) taken over: as configured, cut so that V/R does not
    fall (where R falls to 0: so that V does not fall below 0). The discount comes first.

    `value` and `requirement` are V and R before, `value_after` and `requirement_after` those after the transfer at the
    mark and before these costs.
    """
    # V'/R' >= V/R asks for V' >= V x R' / R.
    floor = 0
    if requirement_after != 0 and requirement != 0:
        floor = -(-abs(value) * requirement_after // requirement)
        if floor > U128_MAX:
            return 0, 0
    if value < 0 or value_after <= floor:
        return 0, 0
    bound = value_after - floor
    discount = cash_down(min(share_down(notional, discount_bps), bound))
    left = bound - discount * VALUE_PER_COLLATERAL
    penalty = cash_down(min(share_down(notional, penalty_bps), left))
    return discount, penalty


def after_transfer(case: LiquidationCase, size: int) -> tuple[int, int, int]:
    """What a liquidation of `size` leaves before costs: (V', R', notional); 1e-16 USD."""
    notional = size * case.price
    left = (abs(case.size) - size) * case.price
    _, maintenance = position_requirement(left, case.tiers)
    return (
        case.value - transfer_loss(case.size > 0, notional),
        requirement_of(case.rest_maintenance + maintenance),
        notional,
    )


def costs_at(case: LiquidationCase, terms: LiquidationTerms, size: int) -> tuple[int, int]:
    """Costs of taking over `size`, in 1e-6 USD: (discount, penalty)."""
    value_after, requirement_after, notional = after_transfer(case, size)
    return liquidation_costs(
        case.value,
        case.requirement,
        value_after,
        requirement_after,
        notional,
        terms.discount_bps,
        terms.penalty_bps,
    )


def liquidation_size(case: LiquidationCase, terms: LiquidationTerms, max_size: int) -> int:
    """The least multiple of 20% of the position, rounded up to the lot, that brings V/R to 1.11 after costs, else the
    whole; the whole below dust; at most `max_size`, rounded down to the lot. 0: nothing can be taken."""
    wanted = _wanted_size(case, terms, abs(case.size))
    if max_size >= wanted:
        return wanted
    return max_size - max_size % terms.lot_size


def _wanted_size(case: LiquidationCase, terms: LiquidationTerms, whole: int) -> int:
    if whole * case.price < terms.dust_usd * VALUE_PER_USD:
        return whole
    for fifths in range(1, 5):
        size = -(-whole * fifths // (5 * terms.lot_size)) * terms.lot_size
        if size >= whole:
            break
        value_after, requirement_after, _ = after_transfer(case, size)
        value_after -= sum(costs_at(case, terms, size)) * VALUE_PER_COLLATERAL
        if value_after >= 0 and value_after * TARGET_DENOMINATOR >= requirement_after * TARGET_NUMERATOR:
            return size
    return whole
