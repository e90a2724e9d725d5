//! The calm path: what `guard::judge` decides when nothing is in doubt, on three felts of state.
//!
//! Three reporters, all three fresh; the market Valid, inside its drift window, the median within a
//! step, the bounds and the drift: the median is the mark. Whatever is not exactly that is left to
//! `guard`, which is the specification; a test holds the two to each other on random inputs.
//!
//! What this path needs of the guard and of the window is kept in one slot:
//!
//! | bits      | field        |                                                                 |
//! |-----------|--------------|-----------------------------------------------------------------|
//! | 0 .. 55   | floor        | least price inside bounds and drift, 1e-8 USD                   |
//! | 56 .. 111 | ceiling      | the most                                                        |
//! | 112 ..    | confirm_gap, liq_gap | 8 bits each, seconds                                    |
//! | 128 ..    | window_end   | 32 bits: when the drift window rolls; 0: there is no anchor     |
//! | 160 ..    | pend_back    | 17 bits: window_end - pend_at, at most 2^17 - 1                 |
//! | 177 ..    | max_age 12, max_ahead 8, max_skew 12, max_mark_age 12, max_step 14,            |
//! |           | max_confidence 14                                                              |

use core::cmp::{max, min};
use crate::oracle::entries::{open_half, rate_of, seen_and_price, seen_at};
use crate::oracle::interface::Guard;
use crate::rules::guard::State;

const TWO_8: NonZero<u128> = 0x100;
const TWO_12: NonZero<u128> = 0x1000;
const TWO_14: NonZero<u128> = 0x4000;
const TWO_16: NonZero<u128> = 0x10000;
const TWO_17: NonZero<u128> = 0x20000;
const TWO_32: NonZero<u128> = 0x100000000;
const TWO_56: NonZero<u128> = 0x100000000000000;
/// A status other than Pending and Valid lies above the checkpoint.
const STATUS: u128 = 0x100000000000000;
const FARTHEST_BACK: u64 = 0x1ffff;

const SHIFT_8: felt252 = 0x100;
const SHIFT_12: felt252 = 0x1000;
const SHIFT_14: felt252 = 0x4000;
const SHIFT_16: felt252 = 0x10000;
const SHIFT_17: felt252 = 0x20000;
const SHIFT_32: felt252 = 0x100000000;
const SHIFT_56: felt252 = 0x100000000000000;
const SHIFT_128: felt252 = 0x100000000000000000000000000000000;

/// The calm slot, taken apart.
#[derive(Copy, Drop, PartialEq, Debug)]
pub struct Band {
    pub floor: u128,
    pub ceiling: u128,
    pub window_end: u128,
    pub pend_back: u128,
    /// The numbers of the guard, still packed: many markets have the same.
    pub terms: felt252,
}

/// The numbers of the guard as a report at one moment needs them.
#[derive(Copy, Drop)]
pub struct Terms {
    /// As in `Band`.
    pub packed: felt252,
    /// now - max_age and now + max_ahead.
    pub oldest: u128,
    pub latest: u128,
    pub max_skew: u128,
    /// now + max_mark_age.
    pub stale_at: u128,
    pub max_step: felt252,
    pub max_confidence: u128,
    pub confirm_gap: u128,
    pub liq_gap: u128,
}

/// Who reports when: the same for all entries of a report.
#[derive(Copy, Drop)]
pub struct Moment {
    pub now: u128,
    /// The reporter's bit, and everybody's.
    pub bit: u128,
    pub seats: u128,
}

/// The halves of the three reporters: what is said now, the same reporter's last, the others' last.
#[derive(Copy, Drop)]
pub struct Said {
    pub own: u128,
    pub last: u128,
    pub first: u128,
    pub second: u128,
}

/// The mark is accepted.
#[derive(Copy, Drop, PartialEq, Debug)]
pub struct Calm {
    pub found: u128,
    /// The last good mark before.
    pub before: u128,
    /// The mark's slot from now on, but for a new checkpoint.
    pub mark: felt252,
    /// Seconds since the last accepted mark, and since the one that waits to be the checkpoint.
    pub gap: u128,
    pub pend_age: u128,
}

/// The calm slot of a market.
pub fn pack(guard: @Guard, state: @State) -> felt252 {
    let (floor, ceiling, window_end, back) = if *state.anchor_at == 0 {
        (0, 0, 0, 0)
    } else {
        let anchor: u128 = (*state.anchor).into();
        let reach = anchor * (*guard.max_drift_bps).into() / 10_000;
        let lowest = if reach > anchor {
            0
        } else {
            anchor - reach
        };
        let end = *state.anchor_at + (*guard.drift_window).into();
        let back = if end > *state.pend_at {
            min(end - *state.pend_at, FARTHEST_BACK)
        } else {
            0
        };
        (
            max(lowest, (*guard.min_price).into()),
            min(anchor + reach, (*guard.max_price).into()),
            end,
            back,
        )
    };
    // A guard that `is_sound` does not let pass could run into the next field.
    assert(ceiling < 0x100000000000000 && floor < 0x100000000000000, 'ORACLE: price too big');
    assert(window_end < 0x100000000, 'ORACLE: time too big');
    let gaps = (*guard.confirm_gap).into() + SHIFT_8 * (*guard.liq_gap).into();
    let low: felt252 = floor.into() + SHIFT_56 * (ceiling.into() + SHIFT_56 * gaps);
    let ages = (*guard.max_age).into()
        + SHIFT_12
            * ((*guard.max_ahead).into()
                + SHIFT_8
                    * ((*guard.max_skew).into()
                        + SHIFT_12
                            * ((*guard.max_mark_age).into()
                                + SHIFT_12
                                    * ((*guard.max_step_bps).into()
                                        + SHIFT_14 * (*guard.max_confidence_bps).into()))));
    let high: felt252 = window_end.into() + SHIFT_32 * (back.into() + SHIFT_17 * ages);
    low + SHIFT_128 * high
}

#[inline(always)]
pub fn open_band(slot: felt252) -> Band {
    let wide: u256 = slot.into();
    let (rest, floor) = DivRem::div_rem(wide.low, TWO_56);
    let (gaps, ceiling) = DivRem::div_rem(rest, TWO_56);
    let (rest, window_end) = DivRem::div_rem(wide.high, TWO_32);
    let (ages, pend_back) = DivRem::div_rem(rest, TWO_17);
    Band { floor, ceiling, window_end, pend_back, terms: gaps.into() + SHIFT_16 * ages.into() }
}

/// The numbers of the guard at `now`.
pub fn open_terms(packed: felt252, now: u128) -> Terms {
    let all: u128 = packed.try_into().unwrap();
    let (ages, gaps) = DivRem::div_rem(all, TWO_16);
    let (liq_gap, confirm_gap) = DivRem::div_rem(gaps, TWO_8);
    let (rest, max_age) = DivRem::div_rem(ages, TWO_12);
    let (rest, max_ahead) = DivRem::div_rem(rest, TWO_8);
    let (rest, max_skew) = DivRem::div_rem(rest, TWO_12);
    let (rest, max_mark_age) = DivRem::div_rem(rest, TWO_12);
    let (max_confidence, max_step) = DivRem::div_rem(rest, TWO_14);
    Terms {
        packed,
        oldest: if now > max_age {
            now - max_age
        } else {
            0
        },
        latest: now + max_ahead,
        max_skew,
        stale_at: now + max_mark_age,
        max_step: max_step.into(),
        max_confidence,
        confirm_gap,
        liq_gap,
    }
}

/// The pend slot's moment moves to `now`: the slot from then on.
pub fn with_pend_at(slot: felt252, band: @Band, now: u128) -> felt252 {
    let back: felt252 = (*band.window_end).into() - now.into();
    slot + (back - (*band.pend_back).into()) * (SHIFT_128 * SHIFT_32)
}

/// None: not calm. `mark` is the market's mark slot; `band` and `terms` its calm slot.
pub fn judge(
    moment: @Moment, mark: felt252, band: @Band, terms: @Terms, said: @Said,
) -> Option<Calm> {
    let now = *moment.now;
    if now >= *band.window_end {
        return Option::None;
    }
    // What may count at all.
    let own = open_half(*said.own);
    if own.price == 0
        || own.observed_at <= seen_at(*said.last)
        || own.confidence_bps > *terms.max_confidence {
        return Option::None;
    }
    // Rule 1: all three. An empty half was seen in 1970.
    let (first_at, first_price) = seen_and_price(*said.first);
    let (second_at, second_price) = seen_and_price(*said.second);
    let (earliest, newest) = ends(own.observed_at, first_at, second_at);
    if earliest < *terms.oldest || newest > *terms.latest || newest - earliest > *terms.max_skew {
        return Option::None;
    }
    // Rule 2.
    let found = middle(own.price, first_price, second_price);
    // Rules 3 and 6.
    if found < *band.floor || found > *band.ceiling {
        return Option::None;
    }
    let wide: u256 = mark.into();
    let (above, before) = DivRem::div_rem(wide.low, TWO_56);
    let (rest, stale_at) = DivRem::div_rem(wide.high, TWO_32);
    let (rest, round_at) = DivRem::div_rem(rest, TWO_32);
    let (valid_since, round) = DivRem::div_rem(rest, TWO_16);
    // Not Valid, or Pending: that is stale since 1970.
    if above >= STATUS || now > stale_at {
        return Option::None;
    }
    // Rule 4: |found - before| x 1e4 <= before x max_step; 71 bits at most, so a negative
    // difference is no u128.
    let distance = if found > before {
        found - before
    } else {
        before - found
    };
    let slack: Option<u128> = (before.into() * *terms.max_step - distance.into() * 10_000)
        .try_into();
    if slack.is_none() {
        return Option::None;
    }
    // The round.
    let opened_at = if round == 0 {
        now
    } else {
        round_at
    };
    let reporting = round | *moment.bit;
    let next = if reporting == *moment.seats {
        0
    } else if now - opened_at >= *terms.confirm_gap {
        return Option::None;
    } else {
        reporting
    };
    let high = (*terms.stale_at).into()
        + SHIFT_32 * (opened_at.into() + SHIFT_32 * (next.into() + SHIFT_16 * valid_since.into()));
    Option::Some(
        Calm {
            found,
            before,
            mark: found.into() + SHIFT_56 * above.into() + SHIFT_128 * high,
            gap: *terms.stale_at - stale_at,
            pend_age: now + *band.pend_back - *band.window_end,
        },
    )
}

/// The middle of the three biased rates.
pub fn central_rate(said: @Said) -> u128 {
    middle(rate_of(*said.own), rate_of(*said.first), rate_of(*said.second))
}

/// The least and the greatest.
#[inline(always)]
fn ends(a: u128, b: u128, c: u128) -> (u128, u128) {
    let (low, high) = if a < b {
        (a, b)
    } else {
        (b, a)
    };
    if c < low {
        (c, high)
    } else if c > high {
        (low, c)
    } else {
        (low, high)
    }
}

#[inline(always)]
fn middle(a: u128, b: u128, c: u128) -> u128 {
    let (low, high) = if a < b {
        (a, b)
    } else {
        (b, a)
    };
    if c < low {
        low
    } else if c > high {
        high
    } else {
        c
    }
}
