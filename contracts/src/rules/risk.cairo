//! Margin: the value of an account, its requirements, and how much of it a liquidation takes.
//!
//! `truemark.risk` mirrors these functions under the same names, equal to the unit. In range means:
//! |size x price| at most 2^100, funding pending within i128, at most 20 positions; inside it
//! nothing here panics. Sums are kept in felt252, where the largest of them (20 x 2^100 x 10,000 <
//! 2^119) is exact.

use core::num::traits::WideMul;
use crate::clearinghouse::interface::MarginTier;
use crate::gas::rare_path;
use crate::rules::cash::share_down;

pub type Tiers = (MarginTier, MarginTier, MarginTier);

/// One position as a rule sees it: at the price that the rule is to use. Zero tiers: no
/// requirement.
#[derive(Copy, Drop, Serde, PartialEq, Debug)]
pub struct Holding {
    /// 1e-8 of the base asset; long > 0.
    pub size: i64,
    /// 1e-8 USD.
    pub price: u64,
    /// Pending funding, 1e-16 USD; above 0 the account receives.
    pub pending: i128,
    pub tiers: Tiers,
}

/// V and both requirements, 1e-16 USD, the requirements rounded up.
#[derive(Copy, Drop, Serde, PartialEq, Debug)]
pub struct Margin {
    pub value: i128,
    pub initial: u128,
    pub maintenance: u128,
}

/// The unrounded sums of a margin: value in 1e-16 USD, requirements in 1e-20 USD.
#[derive(Copy, Drop, PartialEq, Debug)]
pub struct Sums {
    pub value: felt252,
    pub initial: felt252,
    pub maintenance: felt252,
}

/// What a market's configuration says of a liquidation.
#[derive(Copy, Drop, Serde, PartialEq, Debug)]
pub struct LiquidationTerms {
    pub lot_size: u64,
    pub discount_bps: u16,
    pub penalty_bps: u16,
    /// Whole USD.
    pub dust_usd: u32,
}

/// The account before a liquidation: its margin is V and R with the position, `rest_maintenance`
/// (1e-20 USD) the part of R of every other market.
#[derive(Copy, Drop, Serde, PartialEq, Debug)]
pub struct LiquidationCase {
    pub value: i128,
    pub requirement: u128,
    pub rest_maintenance: u128,
    pub size: i64,
    pub price: u64,
    pub tiers: Tiers,
}

/// 1e-16 USD in one unit of collateral.
const VALUE_PER_COLLATERAL: NonZero<u128> = 10_000_000_000;
/// 1e-16 USD in one USD.
const VALUE_PER_USD: u128 = 10_000_000_000_000_000;
const BPS: NonZero<u128> = 10_000;
const SIZE_ONE: NonZero<u128> = 100_000_000;
/// 2^100; 1e8 times it is below 2^127.
const PENDING_RAISE: felt252 = 0x10000000000000000000000000;
/// A liquidation stops at V/R of 111/100.
const TARGET_NUMERATOR: u128 = 111;
const TARGET_DENOMINATOR: u128 = 100;

pub fn magnitude(value: i128) -> u128 {
    let felt: felt252 = value.into();
    if value < 0 {
        (-felt).try_into().unwrap()
    } else {
        felt.try_into().unwrap()
    }
}

/// |size|; 1e-8 of the base asset.
pub fn size_magnitude(size: i64) -> u64 {
    let felt: felt252 = size.into();
    if size < 0 {
        (-felt).try_into().unwrap()
    } else {
        felt.try_into().unwrap()
    }
}

/// size x price, exact; 1e-16 USD.
pub fn position_value(size: i64, price: u64) -> i128 {
    let size: felt252 = size.into();
    (size * price.into()).try_into().unwrap()
}

/// floor(-size x change / 1e8) for a change of the funding index: a long pays when the index rises.
pub fn pending_funding(size: i64, change: i128) -> i128 {
    pending(size.into(), change.into()).try_into().unwrap()
}

/// As `pending_funding`; raised by a multiple of the divisor, one division floors either sign.
#[inline(always)]
pub fn pending(size: felt252, change: felt252) -> felt252 {
    let raised: Option<u128> = (PENDING_RAISE * 100_000_000 - size * change).try_into();
    match raised {
        Some(raised) => {
            let (part, _) = DivRem::div_rem(raised, SIZE_ONE);
            part.into() - PENDING_RAISE
        },
        None => {
            rare_path();
            pending_wide(size.try_into().unwrap(), change.try_into().unwrap()).into()
        },
    }
}

/// Beyond u128. The change is split in whole units and a rest, so that no product is but the first,
/// which is exact in felt252.
#[inline(never)]
fn pending_wide(size: i64, change: i128) -> i128 {
    let (whole, rest) = DivRem::div_rem(magnitude(change), SIZE_ONE);
    let size_felt: felt252 = size_magnitude(size).into();
    let product: u128 = (size_felt * rest.into()).try_into().unwrap();
    let (part, left) = DivRem::div_rem(product, SIZE_ONE);
    let pending: felt252 = size_felt * whole.into() + part.into();
    if (size < 0) == (change < 0) {
        // The account pays: rounded up.
        let up = if left == 0 {
            pending
        } else {
            pending + 1
        };
        (-up).try_into().unwrap()
    } else {
        pending.try_into().unwrap()
    }
}

/// The requirements (initial, maintenance) of one |value|, 1e-20 USD: each part of it by its own
/// tier.
pub fn position_requirement(value: u128, tiers: @Tiers) -> (felt252, felt252) {
    let (first, second, third) = tiers;
    let whole: felt252 = value.into();
    if *first.upto == 0 {
        return (whole * (*first.initial_bps).into(), whole * (*first.maintenance_bps).into());
    }
    rare_path();
    let first_upto: u128 = (*first.upto).into() * VALUE_PER_USD;
    if value <= first_upto {
        return (whole * (*first.initial_bps).into(), whole * (*first.maintenance_bps).into());
    }
    let below_first: felt252 = first_upto.into();
    let initial = below_first * (*first.initial_bps).into();
    let maintenance = below_first * (*first.maintenance_bps).into();
    let second_upto: u128 = (*second.upto).into() * VALUE_PER_USD;
    if second_upto == 0 || value <= second_upto {
        let part = whole - below_first;
        return (
            initial + part * (*second.initial_bps).into(),
            maintenance + part * (*second.maintenance_bps).into(),
        );
    }
    let below_second: felt252 = second_upto.into();
    let part = below_second - below_first;
    let rest = whole - below_second;
    (
        initial + part * (*second.initial_bps).into() + rest * (*third.initial_bps).into(),
        maintenance
            + part * (*second.maintenance_bps).into()
            + rest * (*third.maintenance_bps).into(),
    )
}

/// ceil(sum / 1e4): a sum of requirements in 1e-20 USD, as 1e-16 USD.
pub fn requirement_of(sum: felt252) -> u128 {
    let (quotient, rest) = DivRem::div_rem(sum.try_into().unwrap(), BPS);
    if rest == 0 {
        quotient
    } else {
        quotient + 1
    }
}

/// The sums of an account with nothing open.
pub fn flat(collateral: i128) -> Sums {
    Sums {
        value: Into::<i128, felt252>::into(collateral) * 10_000_000_000, initial: 0, maintenance: 0,
    }
}

#[generate_trait]
pub impl SumsImpl of SumsTrait {
    /// With one more position.
    fn add(self: Sums, holding: @Holding) -> Sums {
        // As `position_value`, without the way over i128.
        let size = *holding.size;
        let value: felt252 = size.into() * (*holding.price).into();
        let magnitude = if size < 0 {
            -value
        } else {
            value
        };
        let (initial, maintenance) = position_requirement(
            magnitude.try_into().unwrap(), holding.tiers,
        );
        Sums {
            value: self.value + value + (*holding.pending).into(),
            initial: self.initial + initial,
            maintenance: self.maintenance + maintenance,
        }
    }

    /// With one more position in a market of one tier: |size|, the price, pending funding and the
    /// fractions.
    #[inline(always)]
    fn add_plain(
        self: Sums,
        is_long: bool,
        size: felt252,
        price: felt252,
        pending: felt252,
        initial_bps: felt252,
        maintenance_bps: felt252,
    ) -> Sums {
        let magnitude = size * price;
        let value = if is_long {
            magnitude
        } else {
            -magnitude
        };
        Sums {
            value: self.value + value + pending,
            initial: self.initial + magnitude * initial_bps,
            maintenance: self.maintenance + magnitude * maintenance_bps,
        }
    }

    /// With `cash` (collateral units) more or less.
    fn add_cash(self: Sums, cash: felt252) -> Sums {
        Sums { value: self.value + cash * 10_000_000_000, ..self }
    }

    fn margin(self: Sums) -> Margin {
        Margin {
            value: self.value.try_into().unwrap(),
            initial: requirement_of(self.initial),
            maintenance: requirement_of(self.maintenance),
        }
    }
}

pub fn margin(collateral: i128, holdings: Span<Holding>) -> Margin {
    let mut sums = flat(collateral);
    for holding in holdings {
        sums = sums.add(holding);
    }
    sums.margin()
}

/// V: collateral x 1e10 + sum(size x price + pending funding); 1e-16 USD.
pub fn account_value(collateral: i128, holdings: Span<Holding>) -> i128 {
    margin(collateral, holdings).value
}

/// R, (initial, maintenance), rounded up; 1e-16 USD.
pub fn requirement(holdings: Span<Holding>) -> (u128, u128) {
    let margin = margin(0, holdings);
    (margin.initial, margin.maintenance)
}

/// V >= R.
pub fn is_healthy(value: i128, requirement: u128) -> bool {
    value >= 0 && magnitude(value) >= requirement
}

/// R falls and V/R does not; where R falls to 0, V must not be below 0.
pub fn healthier(
    value: i128, requirement: u128, value_after: i128, requirement_after: u128,
) -> bool {
    if requirement_after >= requirement {
        return false;
    }
    if requirement_after == 0 {
        return value_after >= 0;
    }
    let after: u256 = magnitude(value_after).wide_mul(requirement);
    let before: u256 = magnitude(value).wide_mul(requirement_after);
    if value_after >= 0 {
        value < 0 || after >= before
    } else {
        value < 0 && after <= before
    }
}

/// What an account loses when `size` of its position goes at the mark, because what it gets is
/// rounded down and what it pays is rounded up; 1e-16 USD, below one unit of collateral.
pub fn transfer_loss(is_long: bool, notional: u128) -> u128 {
    let (_, rest) = DivRem::div_rem(notional, VALUE_PER_COLLATERAL);
    if is_long || rest == 0 {
        rest
    } else {
        10_000_000_000 - rest
    }
}

/// (discount, penalty) in collateral units for `notional` (1e-16 USD) taken over: as configured,
/// cut so that V/R does not fall (where R falls to 0: so that V does not fall below 0). The
/// discount comes first.
///
/// `value` and `requirement` are V and R before, `value_after` and `requirement_after` those after
/// the transfer at the mark and before these costs.
pub fn liquidation_costs(
    value: i128,
    requirement: u128,
    value_after: i128,
    requirement_after: u128,
    notional: u128,
    discount_bps: u16,
    penalty_bps: u16,
) -> (u128, u128) {
    // V'/R' >= V/R asks for V' >= V x R' / R.
    let floor: u128 = if requirement_after == 0 || requirement == 0 {
        0
    } else {
        let product: u256 = magnitude(value).wide_mul(requirement_after);
        let divisor: u256 = requirement.into();
        let quotient = (product + divisor - 1) / divisor;
        if quotient.high != 0 {
            return (0, 0);
        }
        quotient.low
    };
    if value < 0 || value_after < 0 || magnitude(value_after) <= floor {
        return (0, 0);
    }
    let bound = magnitude(value_after) - floor;
    let discount = core::cmp::min(share_down(notional, discount_bps), bound);
    let (discount, _) = DivRem::div_rem(discount, VALUE_PER_COLLATERAL);
    let left = bound - discount * VALUE_PER_COLLATERAL.into();
    let penalty = core::cmp::min(share_down(notional, penalty_bps), left);
    let (penalty, _) = DivRem::div_rem(penalty, VALUE_PER_COLLATERAL);
    (discount, penalty)
}

/// What a liquidation of `size` leaves before costs: (V', R', notional).
pub fn after_transfer(case: @LiquidationCase, size: u64) -> (i128, u128, u128) {
    let whole = size_magnitude(*case.size);
    let price: u128 = (*case.price).into();
    let notional = size.into() * price;
    let loss: felt252 = transfer_loss(*case.size > 0, notional).into();
    let left = (whole - size).into() * price;
    let (_, maintenance) = position_requirement(left, case.tiers);
    (
        (Into::<i128, felt252>::into(*case.value) - loss).try_into().unwrap(),
        requirement_of((*case.rest_maintenance).into() + maintenance),
        notional,
    )
}

/// Costs of taking over `size`, in collateral units: (discount, penalty).
pub fn costs_at(case: @LiquidationCase, terms: @LiquidationTerms, size: u64) -> (u128, u128) {
    let (value_after, requirement_after, notional) = after_transfer(case, size);
    liquidation_costs(
        *case.value,
        *case.requirement,
        value_after,
        requirement_after,
        notional,
        *terms.discount_bps,
        *terms.penalty_bps,
    )
}

/// The least multiple of 20% of the position, rounded up to the lot, that brings V/R to 1.11 after
/// costs, else the whole; the whole below dust; at most `max_size`, rounded down to the lot. 0:
/// nothing can be taken.
pub fn liquidation_size(case: @LiquidationCase, terms: @LiquidationTerms, max_size: u64) -> u64 {
    let whole = size_magnitude(*case.size);
    let wanted = wanted_size(case, terms, whole);
    if max_size >= wanted {
        return wanted;
    }
    max_size - max_size % *terms.lot_size
}

fn wanted_size(case: @LiquidationCase, terms: @LiquidationTerms, whole: u64) -> u64 {
    let whole_wide: u128 = whole.into();
    if whole_wide * (*case.price).into() < (*terms.dust_usd).into() * VALUE_PER_USD {
        return whole;
    }
    let lot: u128 = (*terms.lot_size).into();
    let mut chosen = whole;
    for fifths in 1..5_u128 {
        let lots = (whole_wide * fifths + 5 * lot - 1) / (5 * lot);
        let size = lots * lot;
        if size >= whole_wide {
            break;
        }
        let size: u64 = size.try_into().unwrap();
        let (value_after, requirement_after, notional) = after_transfer(case, size);
        let (discount, penalty) = liquidation_costs(
            *case.value,
            *case.requirement,
            value_after,
            requirement_after,
            notional,
            *terms.discount_bps,
            *terms.penalty_bps,
        );
        let costs: felt252 = (discount + penalty).into() * 10_000_000_000;
        let value_after: i128 = (Into::<i128, felt252>::into(value_after) - costs)
            .try_into()
            .unwrap();
        if value_after >= 0
            && magnitude(value_after)
                .wide_mul(TARGET_DENOMINATOR) >= requirement_after
                .wide_mul(TARGET_NUMERATOR) {
            chosen = size;
            break;
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use crate::clearinghouse::interface::MarginTier;
    use super::{
        Holding, LiquidationCase, LiquidationTerms, Tiers, costs_at, healthier, is_healthy,
        liquidation_costs, liquidation_size, margin, pending_funding, pending_wide,
        position_requirement, requirement_of, transfer_loss,
    };

    const ONE: i64 = 100_000_000;
    /// 1 USD of value.
    const USD: u128 = 10_000_000_000_000_000;
    const NONE: MarginTier = MarginTier { upto: 0, initial_bps: 0, maintenance_bps: 0 };

    fn one() -> Tiers {
        (MarginTier { upto: 0, initial_bps: 1_000, maintenance_bps: 500 }, NONE, NONE)
    }

    fn three() -> Tiers {
        (
            MarginTier { upto: 100, initial_bps: 1_000, maintenance_bps: 500 },
            MarginTier { upto: 200, initial_bps: 2_000, maintenance_bps: 1_000 },
            MarginTier { upto: 0, initial_bps: 4_000, maintenance_bps: 2_000 },
        )
    }

    #[test]
    fn funding_is_floored_on_every_side() {
        // A long pays what a short receives, less the part of a unit.
        assert!(pending_funding(ONE, 7) == -7 && pending_funding(-ONE, 7) == 7);
        assert!(pending_funding(ONE, -7) == 7 && pending_funding(-ONE, -7) == -7);
        assert!(pending_funding(1, 1) == -1 && pending_funding(-1, 1) == 0);
        assert!(pending_funding(1, -1) == 0 && pending_funding(-1, -1) == -1);
        assert!(pending_funding(150_000_000, 1) == -2 && pending_funding(-150_000_000, 1) == 1);
        assert!(pending_funding(0, -5) == 0 && pending_funding(5, 0) == 0);
        assert!(pending_funding(0, 5) == 0);
    }

    #[test]
    fn funding_of_the_largest_size_and_change() {
        let most = 0x7fffffffffffffff;
        let change = 0x3ffffffffffffffffffffff;
        // 92,233,720,368.54775807 x (2^90 - 1), rounded to the side that pays.
        assert!(pending_funding(most, change) == -114179815416476790472283477070872087794);
        assert!(pending_funding(-most, change) == 114179815416476790472283477070872087793);
        assert!(pending_funding(-most - 1, -change) == -114179815416476790484662877463725890543);
    }

    #[test]
    fn funding_is_the_same_on_both_ways() {
        // 2^62 x 2^64 is just below what one division can take, twice that beyond it.
        for size in array![1_i64, 99_999_999, 0x4000000000000000, 0x7fffffffffffffff] {
            for change in array![1_i128, 99_999_999, 0x10000000000000001, 0x3ffffffffffffffff] {
                for (size, change) in array![
                    (size, change), (-size, change), (size, -change), (-size, -change),
                ] {
                    assert!(pending_funding(size, change) == pending_wide(size, change));
                }
            }
        }
    }

    #[test]
    fn tiers_are_marginal_and_meet_at_their_bounds() {
        let at = |usd: u128| -> (u128, u128) {
            let (initial, maintenance) = position_requirement(usd * USD, @three());
            (requirement_of(initial), requirement_of(maintenance))
        };
        assert!(at(100) == (10 * USD, 5 * USD));
        assert!(at(150) == (20 * USD, 10 * USD));
        assert!(at(200) == (30 * USD, 15 * USD));
        assert!(at(300) == (70 * USD, 35 * USD));
        assert!(at(0) == (0, 0));
        let (initial, _) = position_requirement(1, @one());
        assert!(requirement_of(initial) == 1);
    }

    #[test]
    fn value_and_requirements_of_an_account() {
        let long = Holding { size: 2 * ONE, price: 100 * 100_000_000, pending: 5, tiers: one() };
        let short = Holding { size: -ONE, price: 50 * 100_000_000, pending: -9, tiers: one() };
        let found = margin(30_000_000, array![long, short].span());
        // 30 + 200 - 50 USD and the funding.
        assert!(found.value == 180 * 10_000_000_000_000_000 - 4);
        assert!(found.initial == 25 * USD && found.maintenance == 12 * USD + USD / 2);
    }

    #[test]
    fn healthy_at_the_line() {
        assert!(is_healthy(5, 5) && !is_healthy(4, 5) && is_healthy(0, 0) && !is_healthy(-1, 0));
    }

    #[test]
    fn healthier_is_less_at_risk_and_no_worse_in_ratio() {
        assert!(healthier(10, 100, 9, 90) && healthier(10, 100, 10, 99));
        assert!(!healthier(10, 100, 8, 90) && !healthier(10, 100, 11, 100));
        assert!(!healthier(10, 100, 20, 101));
        assert!(healthier(10, 100, 0, 0) && !healthier(10, 100, -1, 0));
        // Below zero: the ratio of -10/100 is that of -9/90, and better than -10/90.
        assert!(healthier(-10, 100, -9, 90) && !healthier(-10, 100, -10, 90));
        assert!(healthier(-10, 100, 0, 90) && healthier(-10, 100, 0, 0));
        assert!(!healthier(10, 100, -1, 1));
    }

    #[test]
    fn costs_never_lower_the_ratio() {
        let unit = 10_000_000_000;
        let value: i128 = 100 * 10_000_000_000;
        let (r, notional) = (200 * unit, 10_000 * unit);
        // V/R = 1/2: of R' = 50 units V must keep 25, so 75 are there.
        assert!(liquidation_costs(value, r, value, 50 * unit, notional, 40, 30) == (40, 30));
        assert!(liquidation_costs(value, r, value, 50 * unit, notional, 50, 100) == (50, 25));
        assert!(liquidation_costs(value, r, value, 50 * unit, notional, 80, 100) == (75, 0));
        assert!(liquidation_costs(value, r, value, r, notional, 80, 100) == (0, 0));
        // R' = 0: down to V' = 0.
        assert!(liquidation_costs(value, r, value, 0, notional, 60, 100) == (60, 40));
        assert!(liquidation_costs(-1, r, -1, 0, notional, 60, 100) == (0, 0));
    }

    #[test]
    fn what_rounding_takes() {
        assert!(transfer_loss(true, 10_000_000_001) == 1);
        assert!(transfer_loss(false, 10_000_000_001) == 9_999_999_999);
        assert!(transfer_loss(true, 10_000_000_000) == 0);
        assert!(transfer_loss(false, 10_000_000_000) == 0);
    }

    #[test]
    fn the_size_is_the_least_fifth_that_helps() {
        let terms = LiquidationTerms {
            lot_size: 1_000_000, discount_bps: 50, penalty_bps: 100, dust_usd: 10,
        };
        // 8 at 920 with V = 352: as in the tests of the contract.
        let case = LiquidationCase {
            value: 352 * 10_000_000_000_000_000,
            requirement: 368 * USD,
            rest_maintenance: 0,
            size: 8 * ONE,
            price: 920 * 100_000_000,
            tiers: one(),
        };
        assert!(liquidation_size(@case, @terms, 0x7fffffffffffffff) == 160_000_000);
        assert!(liquidation_size(@case, @terms, 150_999_999) == 150_000_000);
        assert!(liquidation_size(@case, @terms, 999_999) == 0);
        assert!(costs_at(@case, @terms, 160_000_000) == (7_360_000, 14_720_000));
        let poor = LiquidationCase { value: 10_000_000_000_000_000, ..case };
        assert!(liquidation_size(@poor, @terms, 0x7fffffffffffffff) == 800_000_000);
        let dust = LiquidationTerms { dust_usd: 7_361, ..terms };
        assert!(liquidation_size(@case, @dust, 0x7fffffffffffffff) == 800_000_000);
        // A fifth is rounded up to the lot; where that is all of it, all of it.
        let coarse = LiquidationTerms { lot_size: 700_000_000, ..terms };
        assert!(liquidation_size(@case, @coarse, 0x7fffffffffffffff) == 700_000_000);
        let whole = LiquidationTerms { lot_size: 800_000_000, ..terms };
        assert!(liquidation_size(@case, @whole, 0x7fffffffffffffff) == 800_000_000);
    }
}
