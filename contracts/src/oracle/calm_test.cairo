//! The calm path against `guard::judge`, which is the specification, on random inputs.

use core::poseidon::hades_permutation;
use starknet::storage_access::StorePacking;
use crate::oracle::calm::{self, Calm, Moment, Said};
use crate::oracle::entries::half_of;
use crate::oracle::interface::{Guard, MarketStatus, Outcome, PriceEntry};
use crate::oracle::packing::{MarkSlot, mark_slot};
use crate::rules::funding::{accrual, bias_rate};
use crate::rules::guard::{Panel, Seen, State, judge, refusal};

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

/// Within `reach` of the price, mostly.
fn entry(ref dice: Dice, price: u64, reach: u64, now: u64) -> PriceEntry {
    let around = array![0, 1, 2, 5, 6, 30, 59, 60].span();
    PriceEntry {
        market: 0,
        price: match dice.roll(20) {
            0 => 0,
            1 => price * 2,
            _ => price + dice.roll(2 * reach + 1) - reach,
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
        // In one of three cases all say what lies at the line of a step of 5%.
        let (price, reach) = match dice.roll(6) {
            0 => (state.price + state.price / 20, 2),
            1 => (state.price - state.price / 20, 2),
            _ => (state.price, state.price / 20),
        };
        let own = entry(ref dice, price, reach, now);
        let mut others = array![];
        let mut seen = array![];
        for other in array![1_u16, 2, 4] {
            let said = if other == bit {
                own
            } else {
                // What is kept was good when it was said: never 0.
                let said = entry(ref dice, price, reach, now);
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

/// A report and what it meets.
#[derive(Copy, Drop)]
struct Case {
    guard: Guard,
    state: State,
    now: u64,
    own: PriceEntry,
    /// When the same reporter last saw something.
    last_at: u64,
    first: PriceEntry,
    second: PriceEntry,
}

fn usual() -> Case {
    let mut dice = DiceTrait::seeded('usual');
    let now = START;
    let said = PriceEntry {
        market: 0, price: 100_000, confidence_bps: 5, observed_at: now, funding_rate_ppm: 0,
    };
    Case {
        guard: Guard {
            max_age: 60,
            max_ahead: 30,
            max_skew: 20,
            max_mark_age: 60,
            drift_window: 300,
            confirm_gap: 5,
            liq_gap: 10,
            max_step_bps: 500,
            max_drift_bps: 3_000,
            ..guard(ref dice),
        },
        state: State {
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
        },
        now,
        own: said,
        last_at: now - 100,
        first: said,
        second: said,
    }
}

/// All three say the price.
fn at_price(case: Case, price: u64) -> Case {
    Case {
        own: PriceEntry { price, ..case.own },
        first: PriceEntry { price, ..case.first },
        second: PriceEntry { price, ..case.second },
        ..case,
    }
}

/// All three saw it then.
fn seen_at(case: Case, at: u64) -> Case {
    Case {
        own: PriceEntry { observed_at: at, ..case.own },
        first: PriceEntry { observed_at: at, ..case.first },
        second: PriceEntry { observed_at: at, ..case.second },
        ..case,
    }
}

/// What the calm path makes of a report of the second of three reporters.
fn judged(case: Case) -> Option<Calm> {
    let last = PriceEntry { observed_at: case.last_at, ..case.own };
    let said = Said {
        own: half_of(@case.own),
        last: half_of(@last),
        first: half_of(@case.first),
        second: half_of(@case.second),
    };
    let band = calm::open_band(calm::pack(@case.guard, @case.state));
    let terms = calm::open_terms(band.terms, case.now.into());
    let moment = Moment { now: case.now.into(), bit: 2, seats: 7 };
    let mark: felt252 = StorePacking::pack(mark_slot(@case.state, case.guard.max_mark_age));
    calm::judge(@moment, mark, @band, @terms, @said)
}

fn is_calm(case: Case) -> bool {
    judged(case).is_some()
}

/// A report of everybody, seconds apart, within a hair of the last mark.
#[test]
fn a_usual_report_is_calm() {
    let case = at_price(usual(), 100_010);
    let first = PriceEntry { price: 100_020, ..case.first };
    let second = PriceEntry { price: 100_000, observed_at: case.now - 3, ..case.second };
    let found = judged(Case { first, second, ..case }).expect('calm');
    assert_eq!((found.found, found.gap, found.pend_age), (100_010, 3, 9));
    let after: MarkSlot = StorePacking::unpack(found.mark);
    assert_eq!((after.round, after.round_at), (3, case.now - 1));
    // The third has never said anything.
    let second = PriceEntry { price: 0, observed_at: 0, ..case.second };
    assert!(!is_calm(Case { second, ..case }));
}

#[test]
fn an_entry_that_may_not_count_is_not_calm() {
    let case = usual();
    assert!(is_calm(case));
    assert!(!is_calm(Case { own: PriceEntry { price: 0, ..case.own }, ..case }));
    assert!(is_calm(Case { last_at: case.now - 1, ..case }));
    assert!(!is_calm(Case { last_at: case.now, ..case }));
    assert!(is_calm(Case { own: PriceEntry { confidence_bps: 200, ..case.own }, ..case }));
    assert!(!is_calm(Case { own: PriceEntry { confidence_bps: 201, ..case.own }, ..case }));
}

#[test]
fn all_three_must_be_fresh() {
    let case = usual();
    let old = seen_at(case, case.now - 60);
    assert!(is_calm(old));
    let first = PriceEntry { observed_at: case.now - 61, ..case.first };
    assert!(!is_calm(Case { first, ..old }));
    let ahead = seen_at(case, case.now + 30);
    assert!(is_calm(ahead));
    let second = PriceEntry { observed_at: case.now + 31, ..case.second };
    assert!(!is_calm(Case { second, ..ahead }));
    let first = PriceEntry { observed_at: case.now - 20, ..case.first };
    assert!(is_calm(Case { first, ..case }));
    let first = PriceEntry { observed_at: case.now - 21, ..case.first };
    assert!(!is_calm(Case { first, ..case }));
}

#[test]
fn a_step_too_far_is_not_calm() {
    let case = usual();
    for price in array![95_000, 105_000] {
        assert!(is_calm(at_price(case, price)));
    }
    for price in array![94_999, 105_001] {
        assert!(!is_calm(at_price(case, price)));
    }
}

#[test]
fn bounds_and_drift_end_the_calm() {
    let case = usual();
    let narrow = Case {
        guard: Guard { min_price: 99_000, max_price: 101_000, ..case.guard }, ..case,
    };
    for price in array![99_000, 101_000] {
        assert!(is_calm(at_price(narrow, price)));
    }
    for price in array![98_999, 101_001] {
        assert!(!is_calm(at_price(narrow, price)));
    }
    let risen = Case { state: State { anchor: 75_000, price: 95_000, ..case.state }, ..case };
    assert!(is_calm(at_price(risen, 97_500)));
    assert!(!is_calm(at_price(risen, 97_501)));
    let fallen = Case { state: State { anchor: 125_000, price: 90_000, ..case.state }, ..case };
    assert!(is_calm(at_price(fallen, 87_500)));
    assert!(!is_calm(at_price(fallen, 87_499)));
    let end = case.now - 299;
    assert!(is_calm(Case { state: State { anchor_at: end, ..case.state }, ..case }));
    assert!(!is_calm(Case { state: State { anchor_at: end - 1, ..case.state }, ..case }));
}

#[test]
fn only_a_valid_market_is_calm() {
    let case = usual();
    for status in array![
        MarketStatus::Suspect, MarketStatus::Frozen, MarketStatus::Settling, MarketStatus::Settled,
    ] {
        assert!(!is_calm(Case { state: State { status, ..case.state }, ..case }));
    }
    // Pending: no mark yet.
    let listed = State { status: MarketStatus::Pending, price: 0, accepted_at: 0, ..case.state };
    assert!(!is_calm(Case { state: listed, ..case }));
    let stale = State { accepted_at: case.now - 60, ..case.state };
    assert!(is_calm(Case { state: stale, ..case }));
    let stale = State { accepted_at: case.now - 61, ..case.state };
    assert!(!is_calm(Case { state: stale, ..case }));
}

#[test]
fn a_round_that_was_open_too_long_is_not_calm() {
    let case = usual();
    assert!(is_calm(Case { state: State { round_at: case.now - 4, ..case.state }, ..case }));
    assert!(!is_calm(Case { state: State { round_at: case.now - 5, ..case.state }, ..case }));
    // The last of the three closes it, whenever it began; the first of the next one opens it.
    let late = State { round: 5, round_at: case.now - 100, ..case.state };
    assert!(is_calm(Case { state: late, ..case }));
    let between = State { round: 0, round_at: case.now - 100, ..case.state };
    assert!(is_calm(Case { state: between, ..case }));
}
