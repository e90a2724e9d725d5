//! Funding: how far the growth of one market moves between two accepted marks, and the seal on the
//! slot it is kept in.
//!
//! growth is the sum of rate x min(gap, max_gap) x mark over accepted marks, in 1e-16 USD for one
//! whole base unit. A rate is quoted in ppm for 8 hours and a mark in 1e-8 USD, so one step is
//! rate x gap x mark x 1e8 / (28,800 x 1e6) = rate x gap x mark / 288, rounded toward minus
//! infinity.

use core::num::traits::CheckedAdd;
use core::poseidon::hades_permutation;

/// `FUNDING_PERIOD` x `PPM` / 1e8, see above.
const DIVISOR: u128 = 288;
const TWO_120: NonZero<u128> = 0x1000000000000000000000000000000;
const TWO_128: felt252 = 0x100000000000000000000000000000000;
/// Stored growth is biased by this, so that it is never negative.
const BIAS: felt252 = 0x80000000000000000000000000000000;
/// Rates are biased by this where they are ordered or packed.
const RATE_BIAS: i64 = 0x80000000;

/// A rate as a number that orders like it and is never negative.
pub fn bias_rate(rate_ppm: i32) -> u64 {
    // -2^31 <= rate < 2^31, so the sum is in [0, 2^32) and the default is never taken.
    (rate_ppm.into() + RATE_BIAS).try_into().unwrap_or(0)
}

pub fn unbias_rate(biased: u64) -> i32 {
    let wide: i64 = biased.try_into().unwrap_or(RATE_BIAS);
    (wide - RATE_BIAS).try_into().unwrap_or(0)
}

/// The rate bounded to [-max_rate, +max_rate].
pub fn bound_rate(rate_ppm: i32, max_rate: u32) -> i32 {
    let limit: i64 = max_rate.into();
    let rate: i64 = rate_ppm.into();
    let bounded = if rate > limit {
        limit
    } else if rate < -limit {
        -limit
    } else {
        rate
    };
    // Bounded by an i32 on one side or the other.
    bounded.try_into().unwrap_or(rate_ppm)
}

/// The step of growth for `gap` seconds at `rate_ppm`, of which at most `max_gap` count.
pub fn accrual(rate_ppm: i32, max_rate: u32, gap: u64, max_gap: u32, mark: u64) -> i128 {
    let rate: i64 = bound_rate(rate_ppm, max_rate).into();
    let secs: u128 = if gap > max_gap.into() {
        max_gap.into()
    } else {
        gap.into()
    };
    let negative = rate < 0;
    let size: u64 = (if negative {
        -rate
    } else {
        rate
    }).try_into().unwrap_or(0);
    // At most 2^31 x 2^32 x 2^64 < 2^128: never overflows.
    let product: u128 = size.into() * secs * mark.into();
    let (down, rest) = DivRem::div_rem(product, DIVISOR.try_into().unwrap());
    let down: i128 = down.try_into().unwrap_or(0);
    if !negative {
        down
    } else if rest == 0 {
        -down
    } else {
        -down - 1
    }
}

/// growth + step; growth as it was in the case, out of reach of any sound guard, that the sum does
/// not fit.
pub fn grow(growth: i128, step: i128) -> i128 {
    match growth.checked_add(step) {
        Option::Some(sum) => sum,
        Option::None => growth,
    }
}

/// 120 bits over (contract, market, fields): what a write outside a transaction of this contract
/// would have to guess.
pub fn checksum(contract: felt252, market: u8, fields: felt252) -> u128 {
    let (hash, _, _) = hades_permutation(
        contract, fields, 'TRUEMARK:FUNDING' * 256 + market.into(),
    );
    let wide: u256 = hash.into();
    let (_, low) = DivRem::div_rem(wide.low, TWO_120);
    low
}

/// The slot for `growth`. The all-zero slot is not the seal of any growth.
pub fn seal(contract: felt252, market: u8, growth: i128) -> felt252 {
    let biased = growth.into() + BIAS;
    biased + checksum(contract, market, biased).into() * TWO_128
}

/// The growth in a slot; None if the slot is not what `seal` made for this contract and market.
pub fn unseal(contract: felt252, market: u8, slot: felt252) -> Option<i128> {
    let wide: u256 = slot.into();
    let biased: felt252 = wide.low.into();
    if checksum(contract, market, biased) != wide.high {
        return Option::None;
    }
    (biased - BIAS).try_into()
}

#[cfg(test)]
mod tests {
    use core::num::traits::Bounded;
    use super::{accrual, bias_rate, bound_rate, grow, seal, unbias_rate, unseal};

    const BTC: u64 = 4_350_000_000_000;

    #[test]
    fn eight_hours_at_one_percent_is_one_percent_of_the_mark() {
        // 10,000 ppm over 28,800 s of a mark of 43,500 USD: 435 USD = 435e16.
        assert_eq!(accrual(10_000, 20_000, 28_800, 28_800, BTC), 4_350_000_000_000_000_000);
        assert_eq!(accrual(-10_000, 20_000, 28_800, 28_800, BTC), -4_350_000_000_000_000_000);
    }

    #[test]
    fn gap_is_capped() {
        assert_eq!(accrual(100, 20_000, 31, 30, BTC), accrual(100, 20_000, 30, 30, BTC));
        assert!(accrual(100, 20_000, 29, 30, BTC) < accrual(100, 20_000, 30, 30, BTC));
        assert_eq!(accrual(100, 20_000, 0, 30, BTC), 0);
    }

    #[test]
    fn rate_is_bounded_on_both_sides() {
        assert_eq!(bound_rate(20_000, 20_000), 20_000);
        assert_eq!(bound_rate(20_001, 20_000), 20_000);
        assert_eq!(bound_rate(-20_001, 20_000), -20_000);
        assert_eq!(bound_rate(5, 0), 0);
        assert_eq!(bound_rate(Bounded::MIN, Bounded::MAX), Bounded::MIN);
    }

    #[test]
    fn rounds_toward_minus_infinity() {
        assert_eq!(accrual(1, 1, 1, 1, 287), 0);
        assert_eq!(accrual(1, 1, 1, 1, 288), 1);
        assert_eq!(accrual(-1, 1, 1, 1, 1), -1);
        assert_eq!(accrual(-1, 1, 1, 1, 288), -1);
        assert_eq!(accrual(-1, 1, 1, 1, 289), -2);
    }

    #[test]
    fn largest_inputs_do_not_panic() {
        let most = accrual(Bounded::MAX, Bounded::MAX, Bounded::MAX, Bounded::MAX, Bounded::MAX);
        let least = accrual(Bounded::MIN, Bounded::MAX, Bounded::MAX, Bounded::MAX, Bounded::MAX);
        assert!(most > 0 && least < 0);
        assert_eq!(grow(Bounded::MAX, most), Bounded::MAX);
        assert_eq!(grow(Bounded::MIN, least), Bounded::MIN);
    }

    #[test]
    fn biased_rates_keep_their_order_and_come_back() {
        let rates: Array<i32> = array![Bounded::MIN, -20_000, -1, 0, 1, 20_000, Bounded::MAX];
        let mut last: u64 = 0;
        for rate in rates {
            let biased = bias_rate(rate);
            assert!(biased >= last);
            last = biased;
            assert_eq!(unbias_rate(biased), rate);
        }
    }

    #[test]
    fn a_sealed_slot_opens_only_where_it_was_made() {
        let cases: Array<i128> = array![0, 1, -1, Bounded::MAX, Bounded::MIN];
        for growth in cases {
            let slot = seal(0x123, 7, growth);
            assert_eq!(unseal(0x123, 7, slot), Option::Some(growth));
            assert_eq!(unseal(0x124, 7, slot), Option::None);
            assert_eq!(unseal(0x123, 8, slot), Option::None);
            assert_eq!(unseal(0x123, 7, slot + 1), Option::None);
        }
    }

    #[test]
    fn zero_is_not_valid_by_accident() {
        assert_eq!(unseal(0x123, 0, 0), Option::None);
        // The growth 0 without its checksum.
        assert_eq!(unseal(0x123, 0, 0x80000000000000000000000000000000), Option::None);
    }
}
