//! What the clearinghouse reads of a market: three felts, so that a fill with twenty markets in
//! view stays cheap.
//!
//! 1. the mark's slot as it is stored (`packing::MarkSlot`)
//! 2. the funding growth; out of an i128's range where its slot is broken
//! 3. 0 if the market is Valid now; else 2^128 + candidate + anchor x 2^64

use crate::gas::rare_path;

const TWO_32: NonZero<u128> = 0x100000000;
const TWO_56: NonZero<u128> = 0x100000000000000;
const TWO_64: NonZero<u128> = 0x10000000000000000;
const TWO_80: NonZero<u128> = 0x100000000000000000000;
const SHIFT_64: felt252 = 0x10000000000000000;
const SHIFT_128: felt252 = 0x100000000000000000000000000000000;
const BROKEN: felt252 = 0x200000000000000000000000000000000;
const SETTLED: u128 = 5;
/// Statuses other than Pending and Valid lie above bit 112.
const OTHER_STATUS: u128 = 0x10000000000000000000000000000;

#[derive(Drop, Serde)]
pub struct Sights {
    /// No mark of any market was accepted for `max_silence`.
    pub silent: bool,
    /// Three felts for each bit asked for, in rising order of market.
    pub slots: Span<felt252>,
}

/// A market as a valuation needs it.
#[derive(Copy, Drop, PartialEq, Debug)]
pub struct Sight {
    pub valid: bool,
    pub settled: bool,
    pub price: u64,
    pub checkpoint: u64,
    pub valid_since: u64,
    /// Of a market that is not Valid; else 0.
    pub candidate: u64,
    pub anchor: u64,
    /// None: its slot is broken.
    pub growth: Option<i128>,
}

pub fn growth_felt(growth: Option<i128>) -> felt252 {
    match growth {
        Some(growth) => growth.into(),
        None => BROKEN,
    }
}

pub fn doubt_felt(candidate: u64, anchor: u64) -> felt252 {
    SHIFT_128 + candidate.into() + anchor.into() * SHIFT_64
}

/// Whether the market of a mark's slot is Valid at `now`.
#[inline(always)]
pub fn is_valid(mark: felt252, now: u128) -> bool {
    let wide: u256 = mark.into();
    if wide.low >= OTHER_STATUS {
        return false;
    }
    let (_, stale_at) = DivRem::div_rem(wide.high, TWO_32);
    // A Pending market is stale since 1970.
    now <= stale_at
}

#[inline(always)]
pub fn open(mark: felt252, growth: felt252, doubt: felt252) -> Sight {
    let wide: u256 = mark.into();
    let (rest, price) = DivRem::div_rem(wide.low, TWO_56);
    let (valid_since, _) = DivRem::div_rem(wide.high, TWO_80);
    let growth: Option<i128> = growth.try_into();
    // Fields are narrower than their types.
    let price: u64 = price.try_into().unwrap();
    let valid_since = valid_since.try_into().unwrap();
    // 0 is no price, whatever else the slot says.
    if doubt == 0 && price != 0 {
        return Sight {
            valid: true,
            settled: false,
            price,
            checkpoint: rest.try_into().unwrap(),
            valid_since,
            candidate: 0,
            anchor: 0,
            growth,
        };
    }
    rare_path();
    let (status, checkpoint) = DivRem::div_rem(rest, TWO_56);
    let wide: u256 = doubt.into();
    let (anchor, candidate) = DivRem::div_rem(wide.low, TWO_64);
    Sight {
        valid: false,
        settled: status == SETTLED,
        price,
        checkpoint: checkpoint.try_into().unwrap(),
        valid_since,
        candidate: candidate.try_into().unwrap(),
        anchor: anchor.try_into().unwrap(),
        growth,
    }
}
