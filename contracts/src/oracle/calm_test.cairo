//! The calm path against `guard::judge`, which is the specification, on random inputs.

use core::poseidon::hades_permutation;
use starknet::storage_access::StorePacking;
use crate::oracle::calm::{self, Moment, Said};
use crate::oracle::entries::{entry_of, half_of};
use crate::oracle::interface::{Guard, MarketStatus, Outcome, PriceEntry};
use crate::oracle::packing::{MarkSlot, mark_slot};
use crate::rules::funding::{accrual, bias_rate};
use crate::rules::guard::{Panel, Seen, State, bits, judge, refusal};

const START: u64 = 1_700_000_000;

/// A linear congruential generator over the hash of its seed.
#[derive(Drop)]
struct Dice {
    state: u128,
}

#[generate_trait]
impl DiceImpl of DiceTrait {
    fn seeded(seed: felt252) -> Dice {
        let (hash, _, _) = hades_permutation(seed, 'calm', 0);
        let wide: u256 = hash.into();
        Dice { state: wide.low & 0xffffffffffffffff }
    }

    /// 0 .. limit - 1.
    fn roll(ref self: Dice, limit: u64) -> u64 {
        self.state = (self.state * 6364136223846793005 % 0x10000000000000000 + 1442695040888963407)
            & 0xffffffffffffffff;
        ((self.state / 0x100000000) % limit.into()).try_into().unwrap()
    }

    /// The first of `values`, or in one of four cases any of them.
    fn pick(ref self: Dice, values: Span<u64>) -> u64 {
        if self.roll(4) == 0 {
            *values[self.roll(values.len().into()).try_into().unwrap()]
        } else {
            *values[0]
        }
    }
}

fn guard(ref dice: Dice) -> Guard {
    Guard {
        min_price: 1_000,
        max_price: 10_000_000,
        max_age: dice.pick(array![60, 4_095].span()).try_into().unwrap(),
        max_ahead: dice.pick(array![30, 0, 255].span()).try_into().unwrap(),
        max_skew: dice.pick(array![60, 5, 4_095].span()).try_into().unwrap(),
        max_mark_age: dice.pick(array![60, 4_095].span()).try_into().unwrap(),
        max_gap: 30,
        drift_window: dice.pick(array![300, 65_535].span()).try_into().unwrap(),
        confirm_gap: dice.pick(array![5, 0, 255].span()).try_into().unwrap(),
        liq_gap: dice.pick(array![10, 0, 255].span()).try_into().unwrap(),
        confirm_rounds: 3,
        max_confidence_bps: 200,
        max_spread_bps: 100,
        max_step_bps: dice.pick(array![500, 10_000].span()).try_into().unwrap(),
        max_drift_bps: dice.pick(array![3_000, 10_000, 65_535].span()).try_into().unwrap(),
        max_funding_rate_ppm: 20_000,
    }
}

fn entry(ref dice: Dice, price: u64, now: u64) -> PriceEntry {
    let around = array![0, 1, 2, 5, 6, 30, 59, 60].span();
    PriceEntry {
        market: 0,
        price: match dice.roll(20) {
            0 => 0,
            1 => price * 2,
            _ => price + dice.roll(price / 10) - price / 20,
        },
        confidence_bps: if dice.roll(20) == 0 {
            201
        } else {
            200
        },
        observed_at: match dice.roll(30) {
            0 => now + dice.pick(around),
            1 => now - 61,
            _ => now - dice.pick(around),
        },
        funding_rate_ppm: dice.roll(40_000).try_into().unwrap() - 20_000_i32,
    }
}

/// A market that is mostly calm.
fn market(ref dice: Dice, now: u64) -> State {
    let price = dice.pick(array![100_000, 1_000, 1_030, 9_900_000, 10_000_000].span());
    let back = array![1, 0, 4, 5, 9, 10, 59, 60, 61].span();
    State {
        status: match dice.roll(20) {
            0 => MarketStatus::Suspect,
            1 => MarketStatus::Frozen,
            _ => MarketStatus::Valid,
        },
        price,
        accepted_at: now - dice.pick(back),
        valid_since: now - 1_000,
        checkpoint: price - 1,
        checkpoint_at: now - 80,
        pend: price + 1,
        pend_at: now - dice.pick(back),
        anchor: price - dice.roll(price / 4),
        anchor_at: now - dice.pick(array![1, 0, 299, 300, 65_534].span()),
        round: dice.roll(7).try_into().unwrap(),
        round_at: now - dice.pick(back),
        ..Default::default(),
    }
}

/// How many of `count` random reports were calm.
fn compare(seed: felt252, count: u32) -> u32 {
    let mut dice = DiceTrait::seeded(seed);
    let mut quiet = 0;
    for _ in 0..count {
        let now = START + dice.roll(100_000);
        let guard = guard(ref dice);
        let state = market(ref dice, now);
        let bit: u16 = dice.pick(array![1, 2, 4].span()).try_into().unwrap();
        let panel = Panel { seats: 7, quorum: 2 };
        let own = entry(ref dice, state.price, now);
        let mut others = array![];
        let mut seen = array![];
        for other in array![1_u16, 2, 4] {
            let said = if other == bit {
                own
            } else {
                // What is kept was good when it was said: never 0.
                let said = entry(ref dice, state.price, now);
                let said = PriceEntry {
                    price: if said.price == 0 {
                        1
                    } else {
                        said.price
                    }, ..said,
                };
                others.append(half_of(@said));
                said
            };
            seen
                .append(
                    Seen {
                        bit: other,
                        price: said.price,
                        observed_at: said.observed_at,
                        rate: bias_rate(said.funding_rate_ppm),
                    },
                );
        }
        let last = PriceEntry {
            observed_at: own.observed_at - dice.pick(array![1, 0, 2].span()), ..own,
        };
        let said = Said {
            own: half_of(@own), last: half_of(@last), first: *others[0], second: *others[1],
        };
        let band = calm::open_band(calm::pack(@guard, @state));
        let terms = calm::open_terms(band.terms, now.into());
        let moment = Moment { now: now.into(), bit: bit.into(), seats: 7 };
        let mark: felt252 = StorePacking::pack(mark_slot(@state, guard.max_mark_age));
        let Some(found) = calm::judge(@moment, mark, @band, @terms, @said) else {
            continue;
        };
        quiet += 1;
        assert_eq!(refusal(@guard, @own, last.observed_at, now), Option::None);
        let verdict = judge(@guard, panel, state, seen.span(), bit, now);
        assert_eq!(verdict.outcome, Outcome::Accepted);
        assert_eq!(found.found, verdict.median.into());
        assert_eq!(found.before, state.price.into());
        assert_eq!(found.gap, (now - state.accepted_at).into());
        let after = verdict.state;
        let expected: MarkSlot = mark_slot(@after, guard.max_mark_age);
        let mut unpacked: MarkSlot = StorePacking::unpack(found.mark);
        // The contract does the same when the mark that waits is due.
        let mut done = state;
        if found.pend_age == 0 {
            done.pend = verdict.median;
        } else if found.pend_age >= terms.liq_gap {
            unpacked.checkpoint = state.pend;
            done.checkpoint_at = state.pend_at;
            done.pend = verdict.median;
            done.pend_at = now;
        }
        assert_eq!(unpacked, expected);
        assert_eq!(
            (done.pend, done.pend_at, done.checkpoint_at),
            (after.pend, after.pend_at, after.checkpoint_at),
        );
        assert_eq!((after.anchor, after.anchor_at), (state.anchor, state.anchor_at));
        assert_eq!((after.candidate, after.count, after.own_round), (0, 0, false));
        let rate: felt252 = calm::central_rate(@said).into() - 0x40000;
        let gap: u64 = found.gap.try_into().unwrap();
        let growth = accrual(
            rate.try_into().unwrap(),
            guard.max_funding_rate_ppm,
            gap,
            guard.max_gap,
            verdict.median,
        );
        assert_eq!(growth, verdict.growth);
        if done.pend_at != state.pend_at {
            let moved = calm::with_pend_at(calm::pack(@guard, @state), @band, now.into());
            assert_eq!(moved, calm::pack(@guard, @after));
        }
    }
    quiet
}

#[test]
fn the_calm_path_is_the_rules() {
    assert!(compare('a', 300) > 40);
}

#[test]
fn the_calm_path_is_the_rules_on_other_inputs() {
    assert!(compare('b', 300) > 40);
    assert!(compare('c', 300) > 40);
}

/// A report of everybody, seconds apart, within a hair of the last mark: all calm.
#[test]
fn a_usual_report_is_calm() {
    let mut dice = DiceTrait::seeded('usual');
    let guard = Guard { liq_gap: 10, confirm_gap: 5, max_step_bps: 500, ..guard(ref dice) };
    let now = START;
    let state = State {
        status: MarketStatus::Valid,
        price: 100_000,
        accepted_at: now - 3,
        pend: 100_000,
        pend_at: now - 9,
        anchor: 100_000,
        anchor_at: now - 200,
        round: 1,
        round_at: now - 1,
        ..Default::default(),
    };
    let said = |
        price: u64, at: u64,
    | half_of(
        @PriceEntry { market: 0, price, confidence_bps: 5, observed_at: at, funding_rate_ppm: 0 },
    );
    let band = calm::open_band(calm::pack(@guard, @state));
    let terms = calm::open_terms(band.terms, now.into());
    let moment = Moment { now: now.into(), bit: 2, seats: 7 };
    let mark: felt252 = StorePacking::pack(mark_slot(@state, guard.max_mark_age));
    let said = Said {
        own: said(100_010, now), last: said(100_000, now - 3), first: said(100_020, now), second: 0,
    };
    // The third has never said anything.
    assert!(calm::judge(@moment, mark, @band, @terms, @said).is_none());
    let said = Said { second: said.last, ..said };
    let found = calm::judge(@moment, mark, @band, @terms, @said).expect('calm');
    assert_eq!((found.found, found.gap, found.pend_age), (100_010, 3, 9));
    let after: MarkSlot = StorePacking::unpack(found.mark);
    assert_eq!((after.round, after.round_at), (3, now - 1));
    assert_eq!((bits(7), entry_of(0, said.own).price), (3, 100_010));
}
