//! The storm bucket: how much of a market is liquidated in one window. A wave of liquidations is
//! either a crash, which the venue survives more slowly, or a wrong price, which it does not
//! survive at all; so a market is rationed, and a wave over two markets stops the venue.
//!
//! The ration is the larger of a share of the market's open interest and a floor. The window
//! tumbles: it opens with the first liquidation after the last one closed. `truemark.waterfall`
//! mirrors these functions under the same names, equal to the unit.

use core::num::traits::WideMul;

const BPS: u256 = 10_000;

/// One market's window. `used` is what was liquidated since it opened, 1e-16 USD; dry: a
/// liquidation was cut or refused.
#[derive(Copy, Drop, Serde, PartialEq, Debug, Default)]
pub struct Storm {
    pub used: u128,
    pub since: u64,
    pub dry: bool,
}

/// `window` in seconds, `floor` in 1e-16 USD.
#[derive(Copy, Drop, Serde, PartialEq, Debug)]
pub struct StormTerms {
    pub window: u64,
    pub bps: u16,
    pub floor: u128,
}

/// The window at `now`: a fresh one once it is over. A time before its own changes nothing.
pub fn storm_now(storm: Storm, terms: StormTerms, now: u64) -> Storm {
    if now >= storm.since && now - storm.since >= terms.window {
        Storm { used: 0, since: now, dry: false }
    } else {
        storm
    }
}

/// max(bps of the open interest at the mark, floor); `interest` is one side, 1e-8 of the base
/// asset; 1e-16 USD.
pub fn storm_limit(terms: StormTerms, interest: u64, mark: u64) -> u128 {
    let value: u128 = interest.wide_mul(mark);
    let share: u256 = value.wide_mul(terms.bps.into()) / BPS;
    // Beyond u128 only with more than 10,000 bps.
    let share: u128 = share.try_into().unwrap_or(0xffffffffffffffffffffffffffffffff);
    core::cmp::max(share, terms.floor)
}

/// What is left of the ration; `storm` is `storm_now`.
pub fn storm_left(storm: Storm, limit: u128) -> u128 {
    if limit > storm.used {
        limit - storm.used
    } else {
        0
    }
}

/// The most of `size`, which is worth more than `left`, that is not: a multiple of 20% of `whole`,
/// rounded up to the lot, where one fits, else whole lots; 0 where not even one does.
pub fn storm_cut(size: u64, whole: u64, lot: u64, price: u64, left: u128) -> u64 {
    if price == 0 || lot == 0 {
        return 0;
    }
    let fits: u128 = left / price.into();
    if fits >= size.into() {
        return size;
    }
    // Below size, so it fits.
    let most: u64 = fits.try_into().unwrap();
    let mut best = most - most % lot;
    let (whole, lot): (u128, u128) = (whole.into(), lot.into());
    let mut fifths: u128 = 4;
    while fifths != 0 {
        let step = (whole * fifths + 5 * lot - 1) / (5 * lot) * lot;
        if step <= most.into() {
            best = step.try_into().unwrap();
            break;
        }
        fifths -= 1;
    }
    best
}

/// The window after `notional` was liquidated, which is at most what was left; `short`: it was less
/// than it should have been.
pub fn storm_after(storm: Storm, notional: u128, short: bool) -> Storm {
    Storm { used: storm.used + notional, since: storm.since, dry: storm.dry || short }
}

#[cfg(test)]
mod tests {
    use core::num::traits::Bounded;
    use super::{Storm, StormTerms, storm_after, storm_cut, storm_left, storm_limit, storm_now};

    const TERMS: StormTerms = StormTerms { window: 300, bps: 1_000, floor: 500 };

    #[test]
    fn the_window_tumbles_at_its_end() {
        let storm = Storm { used: 7, since: 1_000, dry: true };
        assert!(storm_now(storm, TERMS, 1_299) == storm);
        assert!(storm_now(storm, TERMS, 1_300) == Storm { used: 0, since: 1_300, dry: false });
        assert!(storm_now(storm, TERMS, 999) == storm);
        assert!(storm_now(Default::default(), TERMS, 1_000).since == 1_000);
    }

    #[test]
    fn the_ration_is_the_larger_of_share_and_floor() {
        assert!(storm_limit(TERMS, 100, 49) == 500);
        assert!(storm_limit(TERMS, 100, 50) == 500);
        assert!(storm_limit(TERMS, 100, 51) == 510);
        assert!(storm_limit(TERMS, 0, 51) == 500);
        // Rounded down: 5,019 x 10% is 501.
        assert!(storm_limit(TERMS, 5_019, 1) == 501);
        let most: u64 = Bounded::MAX;
        let whole = StormTerms { bps: 10_000, ..TERMS };
        assert!(storm_limit(whole, most, most) == 0xfffffffffffffffe0000000000000001);
        let beyond = StormTerms { bps: Bounded::MAX, ..TERMS };
        assert!(storm_limit(beyond, most, most) == Bounded::MAX);
    }

    #[test]
    fn what_is_left_is_never_below_zero() {
        let storm = Storm { used: 400, since: 0, dry: false };
        assert!(storm_left(storm, 500) == 100);
        assert!(storm_left(storm, 400) == 0 && storm_left(storm, 399) == 0);
    }

    #[test]
    fn a_cut_is_a_step_where_one_fits_and_lots_where_none_does() {
        // 100 in lots of 1 at 10: steps of 20.
        assert!(storm_cut(100, 100, 1, 10, 1_000) == 100);
        assert!(storm_cut(100, 100, 1, 10, 999) == 80);
        assert!(storm_cut(100, 100, 1, 10, 800) == 80);
        assert!(storm_cut(100, 100, 1, 10, 799) == 60);
        assert!(storm_cut(60, 100, 1, 10, 599) == 40);
        assert!(storm_cut(20, 100, 1, 10, 199) == 19);
        assert!(storm_cut(20, 100, 7, 10, 199) == 14);
        assert!(storm_cut(20, 100, 7, 10, 69) == 0);
        assert!(storm_cut(20, 100, 1, 10, 9) == 0);
        // A step is rounded up to the lot: 20 is 21.
        assert!(storm_cut(42, 100, 7, 10, 210) == 21 && storm_cut(42, 100, 7, 10, 209) == 14);
        assert!(storm_cut(5, 5, 0, 10, 1) == 0 && storm_cut(5, 5, 1, 0, 1) == 0);
    }

    #[test]
    fn dry_stays_until_the_window_ends() {
        let storm = storm_after(Storm { used: 1, since: 5, dry: false }, 2, true);
        assert!(storm == Storm { used: 3, since: 5, dry: true });
        assert!(storm_after(storm, 0, false).dry);
        assert!(!storm_now(storm, TERMS, 305).dry);
    }
}
