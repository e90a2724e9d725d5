//! How a report travels and how entries are kept: one felt for a pair of markets, 2n and 2n + 1, of
//! which each has a half. The contract keeps a half as it came.
//!
//! | bits of a half | field           |                                                        |
//! |----------------|-----------------|--------------------------------------------------------|
//! | 0 .. 31        | observed_at     | seconds, until the year 2106                           |
//! | 32 .. 87       | price           | 1e-8 USD                                               |
//! | 88 .. 101      | confidence      | bps                                                    |
//! | 102 .. 120     | funding rate    | ppm for 8 hours + 2^18                                 |
//!
//! The half of 2n + 1 is the high 123 bits of the felt, the half of 2n the low 121; above that, in
//! bits 121 .. 127, is n. A half that is 0 says nothing of its market.

use crate::oracle::interface::PriceEntry;

/// 2^56.
pub const PRICE_LIMIT: u64 = 0x100000000000000;
/// 2^14.
pub const CONFIDENCE_LIMIT: u16 = 0x4000;
/// A rate is in [-2^18, 2^18).
pub const RATE_BIAS: u64 = 0x40000;

pub const TWO_32: NonZero<u128> = 0x100000000;
pub const TWO_56: NonZero<u128> = 0x100000000000000;
const TWO_14: NonZero<u128> = 0x4000;
pub const TWO_121: NonZero<u128> = 0x2000000000000000000000000000000;
const SHIFT_128: felt252 = 0x100000000000000000000000000000000;

/// One half, taken apart. All zero: nothing was said.
#[derive(Copy, Drop, PartialEq, Debug)]
pub struct Half {
    pub observed_at: u128,
    pub price: u128,
    pub confidence_bps: u128,
    /// Biased by 2^18.
    pub rate: u128,
}

pub fn open_half(half: u128) -> Half {
    let (rest, observed_at) = DivRem::div_rem(half, TWO_32);
    let (rest, price) = DivRem::div_rem(rest, TWO_56);
    let (rate, confidence_bps) = DivRem::div_rem(rest, TWO_14);
    Half { observed_at, price, confidence_bps, rate }
}

/// When the entry was seen, and its price.
#[inline(always)]
pub fn seen_and_price(half: u128) -> (u128, u128) {
    let (rest, observed_at) = DivRem::div_rem(half, TWO_32);
    let (_, price) = DivRem::div_rem(rest, TWO_56);
    (observed_at, price)
}

#[inline(always)]
pub fn seen_at(half: u128) -> u128 {
    let (_, observed_at) = DivRem::div_rem(half, TWO_32);
    observed_at
}

pub fn rate_of(half: u128) -> u128 {
    let (rate, _) = DivRem::div_rem(half, 0x40000000000000000000000000);
    rate
}

/// The entry as the rules see it.
pub fn entry_of(market: u8, half: u128) -> PriceEntry {
    let open = open_half(half);
    // Each field is narrower than its type; the empty half says nothing of a rate.
    let rate: felt252 = if half == 0 {
        0
    } else {
        open.rate.into() - RATE_BIAS.into()
    };
    PriceEntry {
        market,
        price: open.price.try_into().unwrap(),
        confidence_bps: open.confidence_bps.try_into().unwrap(),
        observed_at: open.observed_at.try_into().unwrap(),
        funding_rate_ppm: rate.try_into().unwrap(),
    }
}

/// The half of an entry. Panics if a field is wider than its place.
pub fn half_of(entry: @PriceEntry) -> u128 {
    assert(*entry.observed_at < 0x100000000, 'ENTRY: observed_at too big');
    assert(*entry.price < PRICE_LIMIT, 'ENTRY: price too big');
    assert(*entry.confidence_bps < CONFIDENCE_LIMIT, 'ENTRY: confidence too big');
    let rate: i64 = (*entry.funding_rate_ppm).into() + RATE_BIAS.try_into().unwrap();
    assert(rate >= 0 && rate < 0x80000, 'ENTRY: rate too big');
    let packed: felt252 = (*entry.observed_at).into()
        + (*entry.price).into() * 0x100000000
        + (*entry.confidence_bps).into() * 0x10000000000000000000000
        + rate.into() * 0x40000000000000000000000000;
    packed.try_into().unwrap()
}

/// The calldata of a report: entries with rising markets.
pub fn pack(mut entries: Span<PriceEntry>) -> Span<felt252> {
    let mut packed = array![];
    while let Some(entry) = entries.pop_front() {
        let (pair, odd) = DivRem::div_rem(*entry.market, 2);
        let place = pair.into() * 0x2000000000000000000000000000000;
        if odd == 1 {
            packed.append(place + half_of(entry).into() * SHIFT_128);
            continue;
        }
        let mut high = 0;
        if let Some(next) = entries.get(0) {
            let next = next.unbox();
            if *next.market == *entry.market + 1 {
                high = half_of(next).into();
                let _ = entries.pop_front();
            }
        }
        packed.append(place + half_of(entry).into() + high * SHIFT_128);
    }
    packed.span()
}

#[cfg(test)]
mod tests {
    use super::{PriceEntry, entry_of, half_of, pack};

    fn entry(market: u8, price: u64, rate: i32) -> PriceEntry {
        PriceEntry {
            market, price, confidence_bps: 0x3fff, observed_at: 0xffffffff, funding_rate_ppm: rate,
        }
    }

    #[test]
    fn every_entry_comes_back() {
        for rate in array![-0x40000_i32, -1, 0, 1, 0x3ffff] {
            for price in array![0_u64, 1, 0xffffffffffffff] {
                let said = entry(7, price, rate);
                assert_eq!(entry_of(7, half_of(@said)), said);
            }
        }
        assert_eq!(entry_of(3, 0).price, 0);
        assert_eq!(entry_of(3, 0).funding_rate_ppm, 0);
    }

    #[test]
    #[should_panic(expected: ('ENTRY: price too big',))]
    fn a_price_of_57_bits_does_not_fit() {
        half_of(@entry(0, 0x100000000000000, 0));
    }

    #[test]
    #[should_panic(expected: ('ENTRY: rate too big',))]
    fn a_rate_of_20_bits_does_not_fit() {
        half_of(@entry(0, 1, 0x40000));
    }

    #[test]
    fn two_markets_of_a_pair_share_a_felt() {
        let all = array![entry(0, 5, 1), entry(1, 6, 1), entry(3, 7, 1), entry(4, 8, 1)];
        let packed = pack(all.span());
        assert_eq!(packed.len(), 3);
        let wide: u256 = (*packed[1]).into();
        assert_eq!(wide.low, 0x2000000000000000000000000000000);
        assert_eq!(entry_of(3, wide.high), entry(3, 7, 1));
        let wide: u256 = (*packed[0]).into();
        assert_eq!((entry_of(0, wide.low).price, entry_of(1, wide.high).price), (5, 6));
    }
}
