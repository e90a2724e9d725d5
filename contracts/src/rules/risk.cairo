//! Margin: the value of an account, its requirements, and how much of it a liquidation takes.
//!
//! `truemark.risk` mirrors these functions under the same names, equal to the unit. In range means:
//! |size x price| at most 2^100, funding pending within i128, at most 20 positions; inside it
//! nothing here panics. Sums are kept in felt252, where the largest of them (20 x 2^100 x 10,000 <
//! 2^119) is exact.

use core::num::traits::WideMul;
use crate::clearinghouse::interface::MarginTier;
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
const SIZE_ONE: u128 = 100_000_000;
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
    if change == 0 {
        return 0;
    }
    let product = -(Into::<i64, felt252>::into(size) * change.into());
    let exact: Option<i128> = product.try_into();
    match exact {
        Some(product) => {
            let (quotient, rest) = DivRem::div_rem(
                magnitude(product), SIZE_ONE.try_into().unwrap(),
            );
            let quotient: felt252 = quotient.into();
            if product >= 0 {
                quotient.try_into().unwrap()
            } else if rest == 0 {
                (-quotient).try_into().unwrap()
            } else {
                (-quotient - 1).try_into().unwrap()
            }
        },
        None => {
            // |size x change| < 2^191: beyond i128, far inside felt252, whose negative half starts
            // at 2^251.
            let as_u256: u256 = product.into();
            let one = u256 { low: SIZE_ONE, high: 0 };
            if as_u256.high < 0x4000000000000000000000000000000 {
                let quotient: felt252 = (as_u256 / one).try_into().unwrap();
                quotient.try_into().unwrap()
            } else {
                let magnitude: u256 = (-product).into();
                let quotient: felt252 = ((magnitude + one - 1) / one).try_into().unwrap();
                (-quotient).try_into().unwrap()
            }
        },
    }
}

/// The requirements (initial, maintenance) of one |value|, 1e-20 USD: each part of it by its own
/// tier.
pub fn position_requirement(value: u128, tiers: @Tiers) -> (felt252, felt252) {
    let (first, second, third) = tiers;
    let whole: felt252 = value.into();
    let first_upto: u128 = (*first.upto).into() * VALUE_PER_USD;
    if first_upto == 0 || value <= first_upto {
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
        let value = position_value(*holding.size, *holding.price);
        let (initial, maintenance) = position_requirement(magnitude(value), holding.tiers);
        Sums {
            value: self.value + value.into() + (*holding.pending).into(),
            initial: self.initial + initial,
            maintenance: self.maintenance + maintenance,
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
