//! A rolling limit, as a bucket that leaks: what passes is poured in, and `limit` runs out in
//! `window` seconds. So no hour of the clock has a fresh quota: in any t seconds at most limit x (1
//! + t / window) passes.

use core::cmp::max;
use core::num::traits::{Bounded, CheckedMul};
use starknet::storage_access::StorePacking;
use crate::gas::rare_path;

const TWO_128: felt252 = 0x100000000000000000000000000000000;

/// What is in the bucket and when that was so. The empty bucket is all 0.
#[derive(Copy, Drop, Serde, PartialEq, Debug, Default)]
pub struct Bucket {
    pub level: u128,
    pub at: u64,
}

/// `limit` 0: nothing passes. `window` in seconds, never 0 in a sound configuration; with 0 nothing
/// ever runs out.
#[derive(Copy, Drop, Serde, PartialEq, Debug)]
pub struct Limit {
    pub limit: u128,
    pub window: u64,
}

/// The bucket at `now`. What runs out is rounded down, and a fraction of a unit is not lost to
/// frequent calls: until a whole unit has run out, the time stays. A time before the bucket's own
/// changes nothing.
pub fn leaked(bucket: Bucket, terms: Limit, now: u64) -> Bucket {
    if bucket.level == 0 {
        return Bucket { level: 0, at: now };
    }
    if now <= bucket.at || terms.window == 0 {
        return bucket;
    }
    let gone = run_out(terms, now - bucket.at);
    if gone == 0 {
        return bucket;
    }
    if gone >= bucket.level {
        return Bucket { level: 0, at: now };
    }
    Bucket { level: bucket.level - gone, at: now }
}

/// The bucket as other terms find it: what ran out did so under the old ones, and all that runs out
/// from now on does so under the new, also where nothing had run out (a limit of 0).
pub fn settled(bucket: Bucket, old: Limit, now: u64) -> Bucket {
    let Bucket { level, at } = leaked(bucket, old, now);
    Bucket { level, at: max(at, now) }
}

/// limit x elapsed / window, at most what a u128 holds.
fn run_out(terms: Limit, elapsed: u64) -> u128 {
    let product: Option<u128> = terms.limit.checked_mul(elapsed.into());
    match product {
        Some(product) => product / terms.window.into(),
        None => {
            rare_path();
            let wide: u256 = terms.limit.into() * elapsed.into() / terms.window.into();
            wide.try_into().unwrap_or(Bounded::MAX)
        },
    }
}

/// How much more passes at `now`.
pub fn room(bucket: Bucket, terms: Limit, now: u64) -> u128 {
    room_above(leaked(bucket, terms, now).level, terms)
}

fn room_above(level: u128, terms: Limit) -> u128 {
    if level >= terms.limit {
        0
    } else {
        terms.limit - level
    }
}

/// The bucket after `amount` passed; None: there is no room for it.
pub fn pour(bucket: Bucket, terms: Limit, now: u64, amount: u128) -> Option<Bucket> {
    let before = leaked(bucket, terms, now);
    if amount > room_above(before.level, terms) {
        return None;
    }
    Some(Bucket { level: before.level + amount, at: before.at })
}

/// Level (128 bits), time (64).
pub impl BucketPacking of StorePacking<Bucket, felt252> {
    fn pack(value: Bucket) -> felt252 {
        value.level.into() + value.at.into() * TWO_128
    }

    fn unpack(value: felt252) -> Bucket {
        let wide: u256 = value.into();
        Bucket { level: wide.low, at: wide.high.try_into().unwrap() }
    }
}

#[cfg(test)]
mod tests {
    use core::num::traits::Bounded;
    use starknet::storage_access::StorePacking;
    use super::{Bucket, Limit, leaked, pour, room, settled};

    const DAY: Limit = Limit { limit: 1_000, window: 100 };

    #[test]
    fn what_is_poured_runs_out_evenly() {
        let full = pour(Default::default(), DAY, 50, 1_000).unwrap();
        assert_eq!(room(full, DAY, 50), 0);
        assert_eq!(room(full, DAY, 51), 10);
        assert_eq!(room(full, DAY, 149), 990);
        assert_eq!(room(full, DAY, 150), 1_000);
        assert_eq!(room(full, DAY, 1_000_000), 1_000);
    }

    #[test]
    fn one_unit_beyond_the_room_does_not_pass() {
        assert!(pour(Default::default(), DAY, 7, 1_001).is_none());
        let some = pour(Default::default(), DAY, 7, 600).unwrap();
        assert!(pour(some, DAY, 7, 401).is_none());
        assert_eq!(pour(some, DAY, 7, 400), Some(Bucket { level: 1_000, at: 7 }));
        assert_eq!(pour(some, DAY, 17, 500), Some(Bucket { level: 1_000, at: 17 }));
        assert!(pour(some, DAY, 17, 501).is_none());
    }

    #[test]
    fn around_midnight_no_second_quota_passes() {
        let before = pour(Default::default(), DAY, 99, 1_000).unwrap();
        assert!(pour(before, DAY, 100, 11).is_none());
        assert!(pour(before, DAY, 100, 10).is_some());
    }

    #[test]
    fn frequent_calls_do_not_stop_the_leak() {
        let slow = Limit { limit: 1, window: 100 };
        let mut bucket = Bucket { level: 1, at: 0 };
        for now in 1..100_u64 {
            bucket = leaked(bucket, slow, now);
            assert_eq!(bucket.level, 1);
        }
        assert_eq!(leaked(bucket, slow, 100).level, 0);
    }

    #[test]
    fn limits_of_0_and_windows_of_0_let_nothing_through() {
        assert_eq!(room(Default::default(), Limit { limit: 0, window: 100 }, 5), 0);
        let stuck = Limit { limit: 10, window: 0 };
        let full = pour(Default::default(), stuck, 5, 10).unwrap();
        assert_eq!(room(full, stuck, Bounded::MAX), 0);
    }

    #[test]
    fn a_lowered_limit_waits_for_the_level_to_run_out() {
        let full = pour(Default::default(), DAY, 0, 1_000).unwrap();
        let lower = Limit { limit: 100, window: 100 };
        assert_eq!(room(full, lower, 0), 0);
        assert_eq!(room(full, lower, 900), 0);
        assert_eq!(room(full, lower, 950), 50);
    }

    #[test]
    fn new_terms_do_not_reach_back() {
        let shut = Limit { limit: 0, window: 100 };
        let full = pour(Default::default(), DAY, 50, 1_000).unwrap();
        assert_eq!(settled(full, shut, 149), Bucket { level: 1_000, at: 149 });
        assert_eq!(room(settled(full, shut, 149), DAY, 159), 100);
        assert_eq!(settled(full, DAY, 60), Bucket { level: 900, at: 60 });
        // Time does not run back.
        assert_eq!(settled(full, DAY, 49), full);
    }

    #[test]
    fn largest_numbers_do_not_panic_and_time_does_not_run_back() {
        let most = Limit { limit: Bounded::MAX, window: Bounded::MAX };
        let full = pour(Default::default(), most, 10, Bounded::MAX).unwrap();
        assert_eq!(leaked(full, most, 9), full);
        assert_eq!(
            room(full, most, Bounded::MAX), Bounded::MAX - leaked(full, most, Bounded::MAX).level,
        );
    }

    #[test]
    fn packed_and_back() {
        for bucket in array![
            Default::default(), Bucket { level: 5, at: 7 },
            Bucket { level: Bounded::MAX, at: Bounded::MAX },
        ] {
            assert_eq!(StorePacking::unpack(StorePacking::pack(bucket)), bucket);
        }
    }
}
