//! Every boundary of rules 1 to 6, the published incidents second by second, and the bound on
//! faulty reporters.

use core::num::traits::Bounded;
use core::poseidon::hades_permutation;
use crate::oracle::interface::{Guard, MarketStatus, Outcome, PriceEntry};
use crate::rules::funding::bias_rate;
use super::guard::{
    Panel, Seen, State, Verdict, agree, bits, freeze, is_sound, judge, keeps_mark, propose, refusal,
    release, settle, settlement, start_settlement, status, within,
};

/// A venue of one market and `count` reporters that say what a test lets them say.
#[derive(Drop)]
struct Desk {
    guard: Guard,
    panel: Panel,
    state: State,
    seen: Span<Seen>,
    last: Outcome,
    growth: i128,
}

fn usual() -> Guard {
    Guard {
        min_price: 1_000,
        max_price: 10_000_000,
        max_age: 60,
        max_ahead: 30,
        max_skew: 60,
        max_mark_age: 60,
        max_gap: 30,
        drift_window: 300,
        confirm_gap: 5,
        liq_gap: 10,
        confirm_rounds: 3,
        max_confidence_bps: 200,
        max_spread_bps: 100,
        max_step_bps: 500,
        max_drift_bps: 3000,
        max_funding_rate_ppm: 20_000,
    }
}

fn venue_of(count: u8, quorum: u8) -> Desk {
    let mut seen = array![];
    let mut seats = 0;
    let mut bit: u16 = 1;
    for _ in 0..count {
        seen.append(Seen { bit, price: 0, observed_at: 0, rate: bias_rate(0) });
        seats = seats | bit;
        bit *= 2;
    }
    Desk {
        guard: usual(),
        panel: Panel { seats, quorum },
        state: Default::default(),
        seen: seen.span(),
        last: Default::default(),
        growth: 0,
    }
}

#[generate_trait]
impl DeskImpl of DeskTrait {
    /// The reporter with this index says `price`, seen at `observed_at`.
    fn say(
        ref self: Desk, index: u32, price: u64, rate_ppm: i32, observed_at: u64, now: u64,
    ) -> Verdict {
        let mut seen = array![];
        let mut bit = 0;
        let mut at = 0;
        for old in self.seen {
            if at == index {
                bit = *old.bit;
                seen.append(Seen { bit, price, observed_at, rate: bias_rate(rate_ppm) });
            } else {
                seen.append(*old);
            }
            at += 1;
        }
        self.seen = seen.span();
        let verdict = judge(@self.guard, self.panel, self.state, self.seen, bit, now);
        self.state = verdict.state;
        self.last = verdict.outcome;
        self.growth += verdict.growth;
        verdict
    }

    /// r1, r2, ... in this order within the second; 0: silent.
    fn round(ref self: Desk, now: u64, prices: Span<u64>) {
        let mut index = 0;
        for price in prices {
            if *price != 0 {
                self.say(index, *price, 0, now, now);
            }
            index += 1;
        }
    }

    fn all(ref self: Desk, now: u64, price: u64) {
        let mut prices = array![];
        for _ in self.seen {
            prices.append(price);
        }
        self.round(now, prices.span());
    }

    fn reads(self: @Desk, now: u64) -> MarketStatus {
        status(self.state, *self.guard.max_mark_age, now)
    }
}

fn three() -> Desk {
    let mut desk = venue_of(3, 2);
    desk.all(1000, 100_000);
    assert_eq!(desk.state.price, 100_000);
    assert_eq!(desk.state.status, MarketStatus::Valid);
    desk
}

fn entry(price: u64, confidence_bps: u16, observed_at: u64) -> PriceEntry {
    PriceEntry { market: 0, price, confidence_bps, observed_at, funding_rate_ppm: 0 }
}

#[test]
fn an_entry_at_each_limit_counts_and_one_beyond_does_not() {
    let guard = usual();
    let now = 1000;
    assert_eq!(refusal(@guard, @entry(1, 200, 940), 0, now), Option::None);
    assert_eq!(refusal(@guard, @entry(1, 200, 939), 0, now), Option::Some(Outcome::DroppedStale));
    assert_eq!(refusal(@guard, @entry(1, 200, 1030), 0, now), Option::None);
    assert_eq!(refusal(@guard, @entry(1, 200, 1031), 0, now), Option::Some(Outcome::DroppedAhead));
    assert_eq!(
        refusal(@guard, @entry(1, 201, 1000), 0, now), Option::Some(Outcome::DroppedUncertain),
    );
    assert_eq!(refusal(@guard, @entry(0, 0, 1000), 0, now), Option::Some(Outcome::DroppedZero));
    assert_eq!(refusal(@guard, @entry(1, 0, 1000), 999, now), Option::None);
    assert_eq!(
        refusal(@guard, @entry(1, 0, 1000), 1000, now), Option::Some(Outcome::DroppedNotNewer),
    );
    assert_eq!(
        refusal(@guard, @entry(1, 0, 1000), 1001, now), Option::Some(Outcome::DroppedNotNewer),
    );
}

#[test]
fn a_step_of_exactly_max_step_is_taken_and_one_more_is_not() {
    let mut desk = three();
    desk.all(1010, 105_000);
    assert_eq!((desk.state.price, desk.last), (105_000, Outcome::Accepted));
    let mut desk = three();
    desk.all(1010, 105_001);
    assert_eq!((desk.state.price, desk.state.candidate), (100_000, 105_001));
    assert_eq!(desk.reads(1010), MarketStatus::Suspect);
    let mut desk = three();
    desk.all(1010, 95_000);
    assert_eq!(desk.state.price, 95_000);
    let mut desk = three();
    desk.all(1010, 94_999);
    assert_eq!(desk.state.price, 100_000);
}

#[test]
fn one_of_three_never_moves_the_mark() {
    let mut desk = three();
    desk.round(1010, array![1, 100_000, 100_010].span());
    assert_eq!((desk.state.price, desk.reads(1010)), (100_000, MarketStatus::Valid));
}

#[test]
fn fewer_than_a_quorum_change_nothing() {
    let mut desk = venue_of(3, 2);
    desk.say(0, 100_000, 0, 1000, 1000);
    assert_eq!((desk.state.status, desk.last), (MarketStatus::Pending, Outcome::NoQuorum));
    desk.say(1, 100_000, 0, 1000, 1000);
    assert_eq!(desk.state.status, MarketStatus::Valid);
    // 61 s later the first two are too old to count.
    let before = desk.state;
    desk.say(2, 100_500, 0, 1061, 1061);
    assert_eq!((desk.state.price, desk.last), (before.price, Outcome::NoQuorum));
    assert_eq!(desk.reads(1060), MarketStatus::Valid);
    assert_eq!(desk.reads(1061), MarketStatus::Stale);
}

#[test]
fn an_entry_that_lags_the_newest_by_more_than_max_skew_does_not_count() {
    let mut desk = venue_of(3, 2);
    desk.guard.max_skew = 20;
    desk.say(0, 100_000, 0, 1000, 1000);
    desk.say(1, 100_000, 0, 1021, 1021);
    assert_eq!(desk.last, Outcome::NoQuorum);
    let mut desk = venue_of(3, 2);
    desk.guard.max_skew = 20;
    desk.say(0, 100_000, 0, 1000, 1000);
    desk.say(1, 100_000, 0, 1020, 1020);
    assert_eq!(desk.last, Outcome::Accepted);
}

#[test]
fn two_values_at_max_spread_agree_and_one_further_do_not() {
    assert_eq!(agree(array![100_000, 101_000].span(), 2, 100, 1), Result::Ok(100_000));
    assert_eq!(agree(array![101_000, 100_000].span(), 2, 100, 999_999), Result::Ok(101_000));
    assert_eq!(agree(array![100_000, 101_000].span(), 2, 100, 100_300), Result::Ok(100_300));
    assert_eq!(
        agree(array![100_000, 101_001].span(), 2, 100, 100_300), Result::Err(Outcome::Spread),
    );
    assert_eq!(agree(array![].span(), 0, 100, 5), Result::Err(Outcome::NoQuorum));
    // Of the first mark there is no last good one: the lower of the two.
    assert_eq!(agree(array![100_000, 100_100].span(), 2, 100, 0), Result::Ok(100_000));
}

#[test]
fn the_won_with_two_of_three_sources() {
    let mut desk = venue_of(3, 2);
    desk.guard.min_price = 864;
    desk.guard.max_price = 8_640_000;
    desk.all(1000, 86_400);
    let steps: Array<(u64, u64, u64, u64)> = array![
        (1070, 86_400, 86_400_000, 86_400), (1080, 86_400, 4_320_000, 86_400),
        (1090, 86_400, 90_000, 86_400), (1100, 86_500, 86_600, 86_500),
        (1110, 86_200, 86_900, 86_500), (1120, 86_200, 86_300, 86_300),
    ];
    for (at, one, two, mark) in steps {
        desk.round(at, array![one, two].span());
        assert_eq!((desk.state.price, desk.state.status), (mark, MarketStatus::Valid));
    }
}

#[test]
fn outside_the_bounds_is_frozen_at_the_last_good_mark() {
    let mut desk = three();
    desk.round(1010, array![999, 999].span());
    assert_eq!((desk.state.status, desk.last), (MarketStatus::Frozen, Outcome::OutOfBounds));
    desk.all(1020, 100_000);
    assert_eq!(
        (desk.state.status, desk.last, desk.state.price),
        (MarketStatus::Frozen, Outcome::Closed, 100_000),
    );
    // A market without a mark goes on waiting.
    let mut desk = venue_of(3, 2);
    desk.all(1000, 999);
    assert_eq!((desk.state.status, desk.last), (MarketStatus::Pending, Outcome::OutOfBounds));
    desk.all(1010, 1_000);
    assert_eq!(desk.state.status, MarketStatus::Valid);
    let mut desk = three();
    desk.guard.max_price = 100_100;
    desk.all(1010, 100_100);
    assert_eq!(desk.last, Outcome::Accepted);
    desk.round(1020, array![100_101, 100_101].span());
    assert_eq!((desk.state.status, desk.last), (MarketStatus::Frozen, Outcome::OutOfBounds));
}

#[test]
fn three_rounds_after_its_own_confirm_a_jump() {
    let mut desk = three();
    desk.all(1010, 92_000);
    assert_eq!((desk.state.count, desk.state.own_round), (0, false));
    desk.all(1020, 92_000);
    assert_eq!((desk.state.count, desk.last), (1, Outcome::Counted));
    desk.all(1030, 92_000);
    assert_eq!((desk.state.count, desk.state.price), (2, 100_000));
    desk.all(1040, 92_000);
    assert_eq!(
        (desk.state.price, desk.last, desk.state.candidate), (92_000, Outcome::Confirmed, 0),
    );
    assert_eq!(desk.state.valid_since, 1040);
}

#[test]
fn rounds_that_count_are_at_least_confirm_gap_apart() {
    let mut desk = three();
    desk.all(1010, 92_000);
    desk.all(1014, 92_000);
    assert_eq!((desk.state.count, desk.last), (0, Outcome::Waiting));
    desk.all(1015, 92_000);
    assert_eq!(desk.state.count, 1);
    desk.all(1019, 92_000);
    assert_eq!(desk.state.count, 1);
    desk.all(1020, 92_000);
    assert_eq!(desk.state.count, 2);
    desk.all(1025, 92_000);
    assert_eq!(desk.state.price, 92_000);
}

#[test]
fn a_quorum_closes_a_round_after_confirm_gap() {
    // The third reporter is down: the market of moonwell-cbeth-unit.twin, at 25, 50, 60, ... 90 s.
    let mut desk = three();
    desk.round(1025, array![94_000, 94_000].span());
    assert_eq!((desk.state.status, desk.state.own_round), (MarketStatus::Suspect, true));
    desk.round(1035, array![94_000, 94_000].span());
    assert_eq!((desk.state.own_round, desk.state.count), (false, 0));
    desk.round(1045, array![94_000, 94_000].span());
    desk.round(1055, array![94_000, 94_000].span());
    assert_eq!((desk.state.count, desk.state.price), (2, 100_000));
    desk.round(1065, array![94_000, 94_000].span());
    assert_eq!((desk.state.price, desk.state.status), (94_000, MarketStatus::Valid));
}

#[test]
fn a_round_of_a_quorum_stays_open_for_confirm_gap() {
    let mut desk = three();
    desk.round(1025, array![94_000, 94_000].span());
    desk.say(0, 94_000, 0, 1029, 1029);
    assert!(desk.state.own_round);
    desk.say(1, 94_000, 0, 1030, 1030);
    assert!(!desk.state.own_round);
}

#[test]
fn a_fall_that_goes_on_is_compared_round_by_round() {
    // pyth-btc-confidence.twin: each round agrees with the one before, not with the first.
    let mut desk = venue_of(3, 2);
    desk.all(1025, 435_000);
    desk.all(1050, 412_000);
    desk.all(1060, 403_000);
    desk.all(1070, 390_000);
    assert_eq!((desk.state.count, desk.state.price), (2, 435_000));
    desk.all(1080, 382_800);
    assert_eq!((desk.state.price, desk.reads(1080)), (382_800, MarketStatus::Valid));
}

#[test]
fn a_round_that_does_not_agree_starts_the_count_again() {
    let mut desk = three();
    desk.all(1010, 92_000);
    desk.all(1020, 92_000);
    desk.all(1030, 92_000);
    assert_eq!(desk.state.count, 2);
    desk.all(1040, 87_399);
    assert_eq!(
        (desk.state.count, desk.state.candidate, desk.last), (0, 87_399, Outcome::Restarted),
    );
    desk.all(1050, 87_399);
    desk.all(1060, 87_399);
    assert_eq!((desk.state.count, desk.state.price), (2, 100_000));
}

#[test]
fn a_median_back_within_a_step_clears_the_candidate() {
    // binance-usde-own-book, 120 to 150 s.
    let mut desk = venue_of(3, 2);
    desk.guard.min_price = 10;
    desk.round(1090, array![78_000, 99_980, 99_900].span());
    desk.round(1120, array![66_510, 99_980, 92_000].span());
    assert_eq!((desk.state.status, desk.state.price), (MarketStatus::Suspect, 99_900));
    desk.round(1133, array![66_000, 99_980, 86_000].span());
    desk.round(1139, array![67_000, 99_980, 93_000].span());
    desk.round(1145, array![66_000, 99_980, 86_000].span());
    assert_eq!((desk.state.status, desk.state.count), (MarketStatus::Suspect, 0));
    desk.round(1150, array![67_000, 99_980, 99_900].span());
    assert_eq!(
        (desk.state.status, desk.state.price, desk.state.candidate),
        (MarketStatus::Valid, 99_900, 0),
    );
    assert_eq!(desk.state.valid_since, 1150);
}

#[test]
fn a_candidate_lapses_after_max_mark_age_without_a_round() {
    let mut desk = three();
    desk.all(1010, 92_000);
    desk.all(1020, 92_000);
    desk.all(1080, 92_000);
    assert_eq!(desk.state.count, 2);
    let mut desk = three();
    desk.all(1010, 92_000);
    desk.all(1020, 92_000);
    // One reporter alone at 1081: the candidate is gone, the market stays Suspect.
    desk.say(0, 92_000, 0, 1081, 1081);
    assert_eq!((desk.state.candidate, desk.state.count), (0, 0));
    assert_eq!(desk.state.status, MarketStatus::Suspect);
    desk.say(1, 92_000, 0, 1081, 1081);
    assert_eq!(
        (desk.state.candidate, desk.state.count, desk.last), (92_000, 0, Outcome::Suspected),
    );
}

#[test]
fn drift_of_exactly_max_drift_is_taken_and_one_more_freezes() {
    let mut desk = three();
    let mut at = 1010;
    for price in array![96_000, 92_000, 88_000, 84_000, 80_000, 76_000, 73_000, 70_000] {
        desk.all(at, price);
        assert_eq!(desk.state.price, price);
        at += 10;
    }
    let floor = desk.state;
    desk.all(at, 69_999);
    assert_eq!(
        (desk.state.status, desk.state.price, desk.last),
        (MarketStatus::Frozen, 70_000, Outcome::Closed),
    );
    assert_eq!((desk.state.anchor, floor.status), (100_000, MarketStatus::Valid));
}

#[test]
fn the_window_tumbles_and_the_last_good_mark_is_the_anchor() {
    let mut desk = three();
    desk.all(1200, 97_000);
    desk.all(1299, 95_000);
    assert_eq!((desk.state.anchor, desk.state.anchor_at), (100_000, 1000));
    desk.all(1300, 94_000);
    assert_eq!((desk.state.anchor, desk.state.anchor_at), (95_000, 1300));
    // Two windows and a bit later: the grid of windows stays.
    desk.all(1950, 94_000);
    assert_eq!((desk.state.anchor, desk.state.anchor_at), (94_000, 1900));
}

#[test]
fn a_confirmed_jump_beyond_the_drift_freezes() {
    let mut desk = three();
    desk.all(1010, 69_000);
    desk.all(1020, 69_000);
    desk.all(1030, 69_000);
    assert_eq!(desk.state.status, MarketStatus::Suspect);
    desk.say(0, 69_000, 0, 1040, 1040);
    desk.say(1, 69_000, 0, 1040, 1040);
    desk.say(2, 69_000, 0, 1040, 1040);
    assert_eq!(
        (desk.state.status, desk.state.price, desk.last),
        (MarketStatus::Frozen, 100_000, Outcome::Drifted),
    );
    assert_eq!(desk.state.candidate, 0);
}

#[test]
fn slow_walk_to_the_second() {
    let mut desk = venue_of(3, 2);
    desk.guard.min_price = 11_437_220;
    desk.guard.max_price = 114_372_200_000;
    desk.all(1000, 1_143_722_000);
    desk.all(1025, 1_143_722_000);
    let mut at = 1033;
    for price in array![
        1_115_129_000, 1_087_251_000, 1_060_070_000, 1_033_569_000, 1_007_730_000, 982_537_000,
        957_974_000, 934_025_000, 910_675_000, 887_909_000, 865_712_000, 844_070_000, 822_969_000,
        802_395_000, 782_336_000,
    ] {
        desk.all(at, price);
        at += 3;
    }
    assert_eq!((desk.state.status, desk.state.price), (MarketStatus::Frozen, 802_395_000));
    desk.all(1105, 1_143_722_000);
    assert_eq!((desk.state.status, desk.state.price), (MarketStatus::Frozen, 802_395_000));
}

#[test]
fn a_released_market_takes_a_step_at_once_and_a_jump_after_its_rounds() {
    let frozen = freeze(three().state, 1010);
    assert_eq!(frozen.since, 1010);
    let mut desk = three();
    desk.state = release(frozen);
    assert_eq!(desk.state.status, MarketStatus::Suspect);
    desk.all(1200, 101_000);
    assert_eq!(
        (desk.state.status, desk.state.price, desk.state.valid_since),
        (MarketStatus::Valid, 101_000, 1200),
    );
    // Half the price, beyond the drift: confirmed, and the new anchor.
    let mut desk = three();
    desk.state = release(frozen);
    desk.all(1200, 50_000);
    desk.all(1210, 50_000);
    desk.all(1220, 50_000);
    assert_eq!(desk.state.status, MarketStatus::Suspect);
    desk.all(1230, 50_000);
    assert_eq!((desk.state.price, desk.state.anchor), (50_000, 50_000));
    // Never had a mark.
    let empty: State = Default::default();
    assert_eq!(release(freeze(empty, 5)).status, MarketStatus::Pending);
}

#[test]
fn checkpoint_is_an_accepted_mark_at_least_liq_gap_older() {
    let mut desk = three();
    assert_eq!((desk.state.checkpoint, desk.state.pend, desk.state.pend_at), (0, 100_000, 1000));
    desk.all(1009, 101_000);
    assert_eq!((desk.state.checkpoint, desk.state.pend), (0, 100_000));
    desk.all(1010, 102_000);
    assert_eq!((desk.state.checkpoint, desk.state.checkpoint_at), (100_000, 1000));
    // The three reports of 1010 are one observation: the last of them.
    assert_eq!((desk.state.pend, desk.state.pend_at), (102_000, 1010));
    desk.all(1020, 103_000);
    assert_eq!((desk.state.checkpoint, desk.state.checkpoint_at), (102_000, 1010));
}

#[test]
fn valid_since_is_set_when_a_market_is_valid_again() {
    let mut desk = three();
    desk.all(1060, 100_000);
    assert_eq!(desk.state.valid_since, 0);
    desk.all(1121, 100_000);
    assert_eq!(desk.state.valid_since, 1121);
}

#[test]
fn funding_accrues_only_while_the_market_stays_valid() {
    let mut desk = venue_of(1, 1);
    desk.say(0, 100_000, 288, 1000, 1000);
    assert_eq!(desk.growth, 0);
    desk.say(0, 100_000, 288, 1010, 1010);
    assert_eq!(desk.growth, 1_000_000);
    // The gap is capped at 30 s.
    desk.say(0, 100_000, 288, 1060, 1060);
    assert_eq!(desk.growth, 4_000_000);
    // Stale in between.
    desk.say(0, 100_000, 288, 1121, 1121);
    assert_eq!(desk.growth, 4_000_000);
    // Suspect in between.
    desk.say(0, 110_000, 288, 1131, 1131);
    desk.say(0, 100_000, 288, 1141, 1141);
    assert_eq!(desk.growth, 4_000_000);
    desk.say(0, 100_000, -288, 1151, 1151);
    assert_eq!(desk.growth, 3_000_000);
}

#[test]
fn a_guard_may_not_void_the_mark() {
    let desk = three();
    let state = desk.state;
    let mut guard = usual();
    guard.min_price = 100_000;
    assert!(keeps_mark(60, @guard, @state, 1010));
    guard.min_price = 100_001;
    assert!(!keeps_mark(60, @guard, @state, 1010));
    let mut guard = usual();
    guard.max_price = 99_999;
    assert!(!keeps_mark(60, @guard, @state, 1010));
    assert!(!keeps_mark(60, @guard, @freeze(state, 1010), 1010));
    let mut guard = usual();
    guard.max_mark_age = 10;
    assert!(keeps_mark(60, @guard, @state, 1010));
    assert!(!keeps_mark(60, @guard, @state, 1011));
    // Stale already: there is nothing to void.
    assert!(keeps_mark(60, @guard, @state, 1061));
}

#[test]
fn sound_guards() {
    assert!(is_sound(@usual()));
    let mut guard = usual();
    guard.min_price = 0;
    assert!(!is_sound(@guard));
    let mut guard = usual();
    guard.max_price = 999;
    assert!(!is_sound(@guard));
    let mut guard = usual();
    guard.confirm_rounds = 16;
    assert!(!is_sound(@guard));
    let mut guard = usual();
    guard.max_mark_age = 0x1000;
    assert!(!is_sound(@guard));
    let mut guard = usual();
    guard.max_drift_bps = 499;
    assert!(!is_sound(@guard));
    let mut guard = usual();
    guard.drift_window = 0;
    assert!(!is_sound(@guard));
}

#[test]
fn small_helpers() {
    assert_eq!((bits(0), bits(0x8001), bits(0xffff)), (0, 2, 16));
    assert!(within(0, 0, 0) && !within(1, 0, 10_000));
    assert!(within(Bounded::MAX, Bounded::MAX, Bounded::MAX));
}

#[test]
fn extreme_inputs_do_not_panic() {
    let top: u64 = Bounded::MAX;
    for now in array![0, 1, top] {
        for at in array![0, 1, top] {
            for price in array![1, top] {
                let mut desk = three();
                desk.guard.max_price = top;
                desk.guard.max_ahead = Bounded::MAX;
                desk.say(0, price, Bounded::MIN, at, now);
                desk.say(1, price, Bounded::MAX, at, now);
                desk.say(2, price, Bounded::MAX, at, now);
                assert!(refusal(@desk.guard, @entry(price, Bounded::MAX, at), top, now).is_some());
            }
        }
    }
    // A guard that no list_market would take.
    let mut desk = three();
    desk.guard.drift_window = 0;
    desk.guard.confirm_rounds = 0;
    desk.guard.max_step_bps = 0;
    desk.panel = Panel { seats: 0, quorum: 0 };
    desk.all(5000, 7);
    desk.all(5100, 90_000);
    desk.all(5200, 90_000);
}

/// With at most quorum/2 faulty reporters every new mark lies between the last good one and the
/// honest entries, and is never 0, whatever they say, as often, in whatever order and whenever they
/// claim to have seen it.
fn faulty_within_bounds(count: u8, quorum: u8, faulty: u32, seed: felt252) {
    let mut desk = venue_of(count, quorum);
    // The spread rule would hide most of what two of an even count can do.
    desk.guard.max_spread_bps = 10_000;
    desk.all(1000, 100_000);
    let mut now: u64 = 1000;
    let mut honest_price: u64 = 100_000;
    let mut noise = seed;
    let mut taken: u32 = 0;
    for step in 0..40_u32 {
        let (next, _, _) = hades_permutation(noise, step.into(), seed);
        noise = next;
        let draw: u256 = noise.into();
        let gap: u64 = (draw.low % 19).try_into().unwrap();
        now += gap + 1;
        let swing: u64 = (draw.low / 64 % 5_000).try_into().unwrap();
        honest_price =
            if draw.low / 65_536 % 2 == 0 {
                honest_price + swing
            } else {
                honest_price - swing
            };
        // Anything, or so near that no other rule stops it.
        let wild: u64 = if draw.high / 0x1000000 % 2 == 0 {
            (draw.high % 300_000).try_into().unwrap()
        } else {
            honest_price - 3_000 + (draw.high % 6_000).try_into().unwrap()
        };
        // From long ago to ahead of time.
        let claimed: u64 = now + 31 - (draw.low / 0x1000000 % 100).try_into().unwrap();
        let mut index = 0;
        for _ in 0..count {
            // The order in the round turns with each step; every fifth honest report is missing.
            let who = (index + step) % count.into();
            if who >= faulty && (who + step) % 5 != 0 {
                let before = desk.state.price;
                desk.say(who, honest_price, 0, now, now);
                check_bounds(@desk, faulty, before);
            }
            // One of the faulty after every report.
            let who = (index + step / 2) % faulty;
            let before = desk.state.price;
            let last = *desk.seen[who].observed_at;
            let said = entry(wild + index.into(), 0, claimed + (index / faulty).into());
            if refusal(@desk.guard, @said, last, now).is_none() {
                desk.say(who, said.price, 0, said.observed_at, now);
            }
            check_bounds(@desk, faulty, before);
            if desk.state.accepted_at == now {
                taken += 1;
            }
            index += 1;
        }
    }
    assert!(taken > 0);
}

/// The mark is in the interval of the one before and of what the honest said last.
fn check_bounds(desk: @Desk, faulty: u32, before: u64) {
    let mut low = before;
    let mut high = before;
    let mut at = 0;
    for seen in *desk.seen {
        if at >= faulty && *seen.price != 0 {
            if *seen.price < low {
                low = *seen.price;
            }
            if *seen.price > high {
                high = *seen.price;
            }
        }
        at += 1;
    }
    let price = *desk.state.price;
    assert!(price != 0 && price >= low && price <= high);
}

#[test]
fn a_settlement_price_needs_a_quorum_near_the_median() {
    let guard = usual();
    let agreed = |values: Array<u64>| settlement(@guard, 2, 100_000, values.span());
    assert_eq!(agreed(array![]), Option::None);
    assert_eq!(agreed(array![3_000]), Option::None);
    assert_eq!(agreed(array![3_000, 3_030]), Option::Some(3_030));
    assert_eq!(agreed(array![3_000, 3_031]), Option::None);
    assert_eq!(agreed(array![1, 3_000, 3_001]), Option::Some(3_000));
    assert_eq!(agreed(array![1, 3_000, 9_000]), Option::None);
    let three = three().state;
    let started = start_settlement(three, 1010);
    assert_eq!((started.status, started.since), (MarketStatus::Settling, 1010));
    let proposed = propose(started, Option::Some(3_000), 1020);
    assert_eq!((proposed.candidate, proposed.since), (3_000, 1020));
    assert_eq!(propose(proposed, Option::Some(3_000), 1030), proposed);
    assert_eq!(propose(proposed, Option::None, 1030).candidate, 0);
    let settled = settle(proposed, 2000);
    assert_eq!(
        (settled.status, settled.price, settled.candidate), (MarketStatus::Settled, 3_000, 0),
    );
}

#[test]
fn faulty_one_of_three() {
    faulty_within_bounds(3, 2, 1, 'a');
    faulty_within_bounds(3, 2, 1, 'b');
    faulty_within_bounds(3, 2, 1, 'c');
}

#[test]
fn faulty_one_of_two() {
    faulty_within_bounds(2, 2, 1, 'd');
}

#[test]
fn faulty_two_of_five_with_a_quorum_of_four() {
    faulty_within_bounds(5, 4, 2, 'e');
    faulty_within_bounds(5, 4, 2, 'f');
}

#[test]
fn faulty_three_of_seven_with_a_quorum_of_six() {
    faulty_within_bounds(7, 6, 3, 'g');
}
