//! Behind the liquidators: when the backstop may take an account over, what must be paid in so that
//! an insolvent one is no worse off, and who is deleveraged first. `truemark.waterfall` mirrors
//! these functions under the same names, equal to the unit.
//!
//! A part of an account's positions changes hands at its bankruptcy price: the account keeps V/R,
//! V' = V x R' / R, so that what is left of it is as far under water as it was, and all of it
//! leaves V' = 0. For one position in one tier that is the price at which V is 0, whatever part
//! goes.

use core::num::traits::WideMul;
use crate::rules::risk::{LiquidationCase, after_transfer, is_healthy, magnitude};

/// 1e-16 USD in one unit of collateral.
const VALUE_PER_COLLATERAL: u256 = 10_000_000_000;
/// A rank is R/V in this many parts.
const PARTS: u128 = 1_000_000;
/// Nobody ranks above an account that has nothing.
pub const TOP_RANK: u128 = 0xffffffffffffffffffffffffffffffff;
/// How often a size is cut in proportion before it counts as not affordable.
const CUTS: u8 = 8;

/// Who pays what is missing; collateral units.
#[derive(Copy, Drop, Serde, PartialEq, Debug, Default)]
pub struct Payers {
    pub vault: u128,
    pub insurance: u128,
}

/// V < R/3: no liquidator has a reason to come. An account without requirement is, when V < 0.
pub fn is_deep(value: i128, requirement: u128) -> bool {
    value < 0 || magnitude(value).wide_mul(3) < requirement.into()
}

/// Under water since it was seen, and not touched: `seen` (0: never) is when it was seen,
/// `reopened` when the last grace time of the venue or of one of its markets ended. A sighting from
/// before nobody could act then, and an old one says nothing of today: it lapses after twice the
/// time.
pub fn is_overdue(seen: u64, reopened: u64, now: u64, backstop_secs: u64) -> bool {
    counts(seen, reopened, now, backstop_secs) && now - seen >= backstop_secs
}

/// Whether a sighting still counts.
pub fn counts(seen: u64, reopened: u64, now: u64, backstop_secs: u64) -> bool {
    seen != 0 && seen >= reopened && seen <= now && now - seen <= 2 * backstop_secs
}

/// What must be paid to an account that has `value_after` and `requirement_after` left so that V/R
/// does not fall (where R falls to 0: so that V is not below 0), rounded up; collateral units.
pub fn relief(value: i128, requirement: u128, value_after: i128, requirement_after: u128) -> u128 {
    let kept = kept_part(value, requirement, requirement_after);
    // Target less value_after, the target being V x R' / R rounded up.
    let (target, after) = (kept, magnitude(value_after).into());
    let missing: u256 = if value < 0 {
        if value_after >= 0 || after <= target {
            0
        } else {
            after - target
        }
    } else if value_after < 0 {
        target + after
    } else if after >= target {
        0
    } else {
        target - after
    };
    let cash = (missing + VALUE_PER_COLLATERAL - 1) / VALUE_PER_COLLATERAL;
    cash.try_into().unwrap_or(TOP_RANK)
}

/// |V| x R' / R, rounded so that V x R' / R is rounded up; R' is at most R.
fn kept_part(value: i128, requirement: u128, requirement_after: u128) -> u256 {
    let whole = magnitude(value);
    if requirement == 0 || requirement_after >= requirement {
        return if requirement_after == 0 {
            0
        } else {
            whole.into()
        };
    }
    let product = whole.wide_mul(requirement_after);
    if value < 0 {
        product / requirement.into()
    } else {
        (product + (requirement - 1).into()) / requirement.into()
    }
}

/// `relief` of `size` of a position.
pub fn relief_at(case: @LiquidationCase, size: u64) -> u128 {
    let (value_after, requirement_after, _) = after_transfer(case, size);
    relief(*case.value, *case.requirement, value_after, requirement_after)
}

/// The most of `size`, found by cutting in proportion and to the lot, whose relief is at most
/// `budget`; 0: none.
pub fn affordable_size(case: @LiquidationCase, lot: u64, size: u64, budget: u128) -> u64 {
    let mut size = size;
    let mut affordable = 0;
    for _ in 0..CUTS {
        if size == 0 {
            break;
        }
        let need = relief_at(case, size);
        if need <= budget {
            affordable = size;
            break;
        }
        // Below size, so it fits.
        let part: u256 = size.into() * budget.into() / need.into();
        let part: u64 = part.try_into().unwrap();
        size = if lot == 0 {
            0
        } else {
            part - part % lot
        };
    }
    affordable
}

/// Who pays `need`: the vault up to `room`, insurance up to what it has. None: it is more than both
/// have.
pub fn payers(need: u128, room: u128, insurance: u128) -> Option<Payers> {
    let vault = core::cmp::min(need, room);
    let rest = need - vault;
    if rest > insurance {
        None
    } else {
        Some(Payers { vault, insurance: rest })
    }
}

/// Leverage of an account: R/V in millionths, rounded down; without value above all others.
pub fn leverage_rank(value: i128, requirement: u128) -> u128 {
    if value <= 0 {
        return TOP_RANK;
    }
    let rank: u256 = requirement.wide_mul(PARTS) / magnitude(value).into();
    rank.try_into().unwrap_or(TOP_RANK)
}

/// Whether an account may be deleveraged at its bankruptcy price: V < 0. The vault, which nobody
/// may liquidate, already at V < R, then at the mark.
pub fn may_be_deleveraged(value: i128, requirement: u128, is_vault: bool) -> bool {
    value < 0 || (is_vault && !is_healthy(value, requirement))
}

#[cfg(test)]
mod tests {
    use core::num::traits::Bounded;
    use crate::clearinghouse::interface::MarginTier;
    use crate::rules::risk::LiquidationCase;
    use super::{
        Payers, TOP_RANK, affordable_size, counts, is_deep, is_overdue, leverage_rank,
        may_be_deleveraged, payers, relief, relief_at,
    };

    const UNIT: i128 = 10_000_000_000;
    const NONE: MarginTier = MarginTier { upto: 0, initial_bps: 0, maintenance_bps: 0 };

    #[test]
    fn deep_is_below_a_third() {
        assert!(is_deep(33, 100) && !is_deep(34, 100));
        assert!(is_deep(32, 99) && !is_deep(33, 99));
        assert!(is_deep(-1, 0) && !is_deep(0, 0) && is_deep(0, 1));
        assert!(!is_deep(Bounded::MAX, Bounded::MAX) && is_deep(Bounded::MIN, 0));
    }

    #[test]
    fn a_sighting_ripens_and_lapses() {
        assert!(!is_overdue(0, 0, 1_000, 60));
        assert!(!is_overdue(100, 0, 159, 60) && is_overdue(100, 0, 160, 60));
        assert!(is_overdue(100, 0, 220, 60) && !is_overdue(100, 0, 221, 60));
        assert!(is_overdue(100, 100, 160, 60) && !is_overdue(100, 101, 160, 60));
        assert!(counts(100, 0, 100, 60) && !counts(100, 0, 99, 60) && !counts(100, 0, 221, 60));
    }

    #[test]
    fn relief_keeps_the_ratio() {
        let u: u128 = 10_000_000_000;
        // V/R = -100/200: with R' = 50 V may be -25.
        assert!(relief(-100 * UNIT, 200 * u, -100 * UNIT, 50 * u) == 75);
        assert!(relief(-100 * UNIT, 200 * u, -100 * UNIT, 0) == 100);
        assert!(relief(-100 * UNIT, 200 * u, -100 * UNIT, 200 * u) == 0);
        assert!(relief(-100 * UNIT - 1, 200 * u, -100 * UNIT - 1, 0) == 101);
        assert!(relief(-100 * UNIT, 0, -100 * UNIT, 0) == 100);
        // What rounding takes of an account that has nothing.
        assert!(relief(0, 200 * u, -1, 50 * u) == 1 && relief(0, 200 * u, -1, 0) == 1);
        // Above zero: V/R = 1/2, so of R' = 50 it must keep 25.
        assert!(relief(100 * UNIT, 200 * u, 25 * UNIT, 50 * u) == 0);
        assert!(relief(100 * UNIT, 200 * u, 25 * UNIT - 1, 50 * u) == 1);
        assert!(relief(Bounded::MIN, Bounded::MAX, Bounded::MIN, 0) > 0);
    }

    fn case() -> LiquidationCase {
        // Long 8 at 800 with V = -160: 20 a piece.
        LiquidationCase {
            value: -1_600_000_000_000_000_000,
            requirement: 3_200_000_000_000_000_000,
            rest_maintenance: 0,
            size: 800_000_000,
            price: 80_000_000_000,
            tiers: (MarginTier { upto: 0, initial_bps: 1_000, maintenance_bps: 500 }, NONE, NONE),
        }
    }

    #[test]
    fn the_size_is_what_the_budget_buys() {
        assert!(relief_at(@case(), 800_000_000) == 160_000_000);
        assert!(relief_at(@case(), 100_000_000) == 20_000_000);
        let lot = 1_000_000;
        assert!(affordable_size(@case(), lot, 800_000_000, 160_000_000) == 800_000_000);
        assert!(affordable_size(@case(), lot, 800_000_000, 159_999_999) == 799_000_000);
        assert!(affordable_size(@case(), lot, 800_000_000, 20_000_000) == 100_000_000);
        assert!(affordable_size(@case(), lot, 800_000_000, 199_999) == 0);
        assert!(affordable_size(@case(), lot, 800_000_000, 0) == 0);
        assert!(affordable_size(@case(), 0, 800_000_000, 1) == 0);
        assert!(affordable_size(@case(), lot, 0, 1) == 0);
    }

    #[test]
    fn the_vault_pays_first_and_insurance_never_more_than_it_has() {
        assert!(payers(10, 10, 0) == Some(Payers { vault: 10, insurance: 0 }));
        assert!(payers(10, 4, 6) == Some(Payers { vault: 4, insurance: 6 }));
        assert!(payers(10, 4, 5).is_none());
        assert!(payers(0, 0, 0) == Some(Default::default()));
    }

    #[test]
    fn the_more_leveraged_rank_higher() {
        assert!(leverage_rank(200, 100) == 500_000 && leverage_rank(300, 100) == 333_333);
        assert!(leverage_rank(0, 100) == TOP_RANK && leverage_rank(-1, 0) == TOP_RANK);
        assert!(leverage_rank(1, Bounded::MAX) == TOP_RANK && leverage_rank(5, 0) == 0);
    }

    #[test]
    fn only_the_bankrupt_are_deleveraged_and_the_vault_under_water() {
        assert!(may_be_deleveraged(-1, 0, false) && !may_be_deleveraged(0, 5, false));
        assert!(may_be_deleveraged(4, 5, true) && !may_be_deleveraged(5, 5, true));
    }
}
