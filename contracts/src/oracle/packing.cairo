//! The slots of the oracle, and how they are packed: 251 bits each. Times have 32 bits, until the
//! year 2106.
//!
//! | slot       | low 128 bits                  | high 123 bits                            |
//! |------------|-------------------------------|------------------------------------------|
//! | MarkSlot   | price 56, checkpoint 56,      | stale at 32, round at 32, round 16,      |
//! |            | status 3                      | valid since 32                           |
//! | calm slot  | see `oracle::calm`            |                                          |
//! | TrackSlot  | pend 64, anchor 64            | pend, anchor, checkpoint at 32 each      |
//! | DoubtSlot  | candidate 64, since 32,       |                                          |
//! |            | count 4, own round 1          |                                          |
//! | entries    | see `oracle::entries`         |                                          |
//! | BoundsSlot | min 64, max 64                | max_gap 32, rate 32, max_age,            |
//! |            |                               | max_ahead 16 each                        |
//! | RulesSlot  | max_skew, max_mark_age,       | confirm_gap 32, liq_gap 32, spread,      |
//! |            | confidence, drift_window,     | step, drift 16 each, rounds 8            |
//! |            | 32 each                       |                                          |
//! | VenueSlot  | epoch 64, accepted 32,        | seats 16, max_silence 32                 |
//! |            | quorum 8, markets 8, told 1   |                                          |

use starknet::storage_access::StorePacking;
use crate::oracle::entries::PRICE_LIMIT;
use crate::oracle::interface::{Guard, MarketStatus, Outcome};
use crate::rules::guard::State;

const TWO_8: NonZero<u128> = 0x100;
const TWO_4: NonZero<u128> = 0x10;
const TWO_16: NonZero<u128> = 0x10000;
const TWO_32: NonZero<u128> = 0x100000000;
const TWO_56: NonZero<u128> = 0x100000000000000;
const TWO_64: NonZero<u128> = 0x10000000000000000;

const SHIFT_8: felt252 = 0x100;
const SHIFT_16: felt252 = 0x10000;
const SHIFT_32: felt252 = 0x100000000;
const SHIFT_56: felt252 = 0x100000000000000;
const SHIFT_64: felt252 = 0x10000000000000000;
const SHIFT_128: felt252 = 0x100000000000000000000000000000000;

#[derive(Copy, Drop, PartialEq, Debug)]
pub struct MarkSlot {
    pub price: u64,
    pub checkpoint: u64,
    pub status: MarketStatus,
    /// The last moment at which the mark is fresh: when it was accepted + max_mark_age; 0 without a
    /// mark.
    pub stale_at: u64,
    pub round_at: u64,
    pub round: u16,
    pub valid_since: u64,
}

#[derive(Copy, Drop, PartialEq, Debug)]
pub struct TrackSlot {
    pub pend: u64,
    pub anchor: u64,
    pub pend_at: u64,
    pub anchor_at: u64,
    pub checkpoint_at: u64,
}

#[derive(Copy, Drop, PartialEq, Debug)]
pub struct DoubtSlot {
    pub candidate: u64,
    pub since: u64,
    pub count: u8,
    pub own_round: bool,
}

#[derive(Copy, Drop, PartialEq, Debug)]
pub struct BoundsSlot {
    pub min_price: u64,
    pub max_price: u64,
    pub max_age: u32,
    pub max_ahead: u32,
    pub max_funding_rate_ppm: u32,
    pub max_gap: u32,
}

#[derive(Copy, Drop, PartialEq, Debug)]
pub struct RulesSlot {
    pub max_skew: u32,
    pub max_mark_age: u32,
    pub max_confidence_bps: u16,
    pub drift_window: u32,
    pub confirm_gap: u32,
    pub liq_gap: u32,
    pub max_spread_bps: u16,
    pub max_step_bps: u16,
    pub max_drift_bps: u16,
    pub confirm_rounds: u8,
}

#[derive(Copy, Drop, PartialEq, Debug)]
pub struct VenueSlot {
    pub epoch: u64,
    /// When the last mark of any market was accepted; 0: none ever was.
    pub last_accepted_at: u64,
    pub quorum: u8,
    pub market_count: u8,
    /// The clearinghouse was told of the silence that lasts.
    pub told: bool,
    /// Registered reporters, a bit each.
    pub seats: u16,
    pub max_silence: u64,
}

pub fn mark_slot(state: @State, max_mark_age: u32) -> MarkSlot {
    MarkSlot {
        price: *state.price,
        checkpoint: *state.checkpoint,
        status: *state.status,
        stale_at: if *state.accepted_at == 0 {
            0
        } else {
            *state.accepted_at + max_mark_age.into()
        },
        round_at: *state.round_at,
        round: *state.round,
        valid_since: *state.valid_since,
    }
}

pub fn track_slot(state: @State) -> TrackSlot {
    TrackSlot {
        pend: *state.pend,
        anchor: *state.anchor,
        pend_at: *state.pend_at,
        anchor_at: *state.anchor_at,
        checkpoint_at: *state.checkpoint_at,
    }
}

pub fn doubt_slot(state: @State) -> DoubtSlot {
    DoubtSlot {
        candidate: *state.candidate,
        since: *state.since,
        count: *state.count,
        own_round: *state.own_round,
    }
}

/// `max_mark_age` as it was when the mark was written.
pub fn state_of(mark: MarkSlot, track: TrackSlot, doubt: DoubtSlot, max_mark_age: u32) -> State {
    State {
        status: mark.status,
        price: mark.price,
        accepted_at: accepted_at(@mark, max_mark_age),
        valid_since: mark.valid_since,
        checkpoint: mark.checkpoint,
        checkpoint_at: track.checkpoint_at,
        pend: track.pend,
        pend_at: track.pend_at,
        anchor: track.anchor,
        anchor_at: track.anchor_at,
        round: mark.round,
        round_at: mark.round_at,
        candidate: doubt.candidate,
        since: doubt.since,
        count: doubt.count,
        own_round: doubt.own_round,
    }
}

pub fn accepted_at(mark: @MarkSlot, max_mark_age: u32) -> u64 {
    // The empty slot has no mark; a slot that was not written here must not panic.
    if *mark.stale_at > max_mark_age.into() {
        *mark.stale_at - max_mark_age.into()
    } else {
        0
    }
}

pub fn guard_slots(guard: @Guard) -> (BoundsSlot, RulesSlot) {
    (
        BoundsSlot {
            min_price: *guard.min_price,
            max_price: *guard.max_price,
            max_age: *guard.max_age,
            max_ahead: *guard.max_ahead,
            max_funding_rate_ppm: *guard.max_funding_rate_ppm,
            max_gap: *guard.max_gap,
        },
        RulesSlot {
            max_skew: *guard.max_skew,
            max_mark_age: *guard.max_mark_age,
            max_confidence_bps: *guard.max_confidence_bps,
            drift_window: *guard.drift_window,
            confirm_gap: *guard.confirm_gap,
            liq_gap: *guard.liq_gap,
            max_spread_bps: *guard.max_spread_bps,
            max_step_bps: *guard.max_step_bps,
            max_drift_bps: *guard.max_drift_bps,
            confirm_rounds: *guard.confirm_rounds,
        },
    )
}

pub fn guard_of(bounds: BoundsSlot, rules: RulesSlot) -> Guard {
    Guard {
        min_price: bounds.min_price,
        max_price: bounds.max_price,
        max_age: bounds.max_age,
        max_ahead: bounds.max_ahead,
        max_skew: rules.max_skew,
        max_mark_age: rules.max_mark_age,
        max_gap: bounds.max_gap,
        drift_window: rules.drift_window,
        confirm_gap: rules.confirm_gap,
        liq_gap: rules.liq_gap,
        confirm_rounds: rules.confirm_rounds,
        max_confidence_bps: rules.max_confidence_bps,
        max_spread_bps: rules.max_spread_bps,
        max_step_bps: rules.max_step_bps,
        max_drift_bps: rules.max_drift_bps,
        max_funding_rate_ppm: bounds.max_funding_rate_ppm,
    }
}

pub impl MarkSlotPacking of StorePacking<MarkSlot, felt252> {
    fn pack(value: MarkSlot) -> felt252 {
        assert(value.price < PRICE_LIMIT, 'ORACLE: price too big');
        assert(value.checkpoint < PRICE_LIMIT, 'ORACLE: price too big');
        let low = value.price.into()
            + SHIFT_56 * (value.checkpoint.into() + SHIFT_56 * status_code(value.status));
        let high = time(value.stale_at)
            + SHIFT_32
                * (time(value.round_at)
                    + SHIFT_32 * (value.round.into() + SHIFT_16 * time(value.valid_since)));
        low + high * SHIFT_128
    }

    fn unpack(value: felt252) -> MarkSlot {
        let wide: u256 = value.into();
        let (rest, price) = DivRem::div_rem(wide.low, TWO_56);
        let (status, checkpoint) = DivRem::div_rem(rest, TWO_56);
        let (rest, stale_at) = DivRem::div_rem(wide.high, TWO_32);
        let (rest, round_at) = DivRem::div_rem(rest, TWO_32);
        let (valid_since, round) = DivRem::div_rem(rest, TWO_16);
        MarkSlot {
            price: price.try_into().unwrap(),
            checkpoint: checkpoint.try_into().unwrap(),
            status: status_from(status, price),
            stale_at: stale_at.try_into().unwrap(),
            round_at: round_at.try_into().unwrap(),
            round: round.try_into().unwrap(),
            valid_since: valid_since.try_into().unwrap(),
        }
    }
}

pub impl TrackSlotPacking of StorePacking<TrackSlot, felt252> {
    fn pack(value: TrackSlot) -> felt252 {
        let low = value.pend.into() + value.anchor.into() * SHIFT_64;
        let high = time(value.pend_at)
            + SHIFT_32 * (time(value.anchor_at) + SHIFT_32 * time(value.checkpoint_at));
        low + high * SHIFT_128
    }

    fn unpack(value: felt252) -> TrackSlot {
        let wide: u256 = value.into();
        let (anchor, pend) = DivRem::div_rem(wide.low, TWO_64);
        let (rest, pend_at) = DivRem::div_rem(wide.high, TWO_32);
        let (checkpoint_at, anchor_at) = DivRem::div_rem(rest, TWO_32);
        TrackSlot {
            pend: pend.try_into().unwrap(),
            anchor: anchor.try_into().unwrap(),
            pend_at: pend_at.try_into().unwrap(),
            anchor_at: anchor_at.try_into().unwrap(),
            checkpoint_at: checkpoint_at.try_into().unwrap(),
        }
    }
}

pub impl DoubtSlotPacking of StorePacking<DoubtSlot, felt252> {
    fn pack(value: DoubtSlot) -> felt252 {
        assert(value.count < 16, 'ORACLE: count too big');
        let own: felt252 = if value.own_round {
            1
        } else {
            0
        };
        value.candidate.into()
            + SHIFT_64 * (time(value.since) + SHIFT_32 * (value.count.into() + 16 * own))
    }

    fn unpack(value: felt252) -> DoubtSlot {
        let low: u128 = value.try_into().unwrap();
        let (rest, candidate) = DivRem::div_rem(low, TWO_64);
        let (rest, since) = DivRem::div_rem(rest, TWO_32);
        let (own, count) = DivRem::div_rem(rest, TWO_4);
        DoubtSlot {
            candidate: candidate.try_into().unwrap(),
            since: since.try_into().unwrap(),
            count: count.try_into().unwrap(),
            own_round: own != 0,
        }
    }
}

pub impl BoundsSlotPacking of StorePacking<BoundsSlot, felt252> {
    fn pack(value: BoundsSlot) -> felt252 {
        let low = value.min_price.into() + value.max_price.into() * SHIFT_64;
        let ages = value.max_age.into() + SHIFT_16 * value.max_ahead.into();
        let high = value.max_gap.into()
            + SHIFT_32 * (value.max_funding_rate_ppm.into() + SHIFT_32 * ages);
        low + high * SHIFT_128
    }

    fn unpack(value: felt252) -> BoundsSlot {
        let wide: u256 = value.into();
        let (max_price, min_price) = DivRem::div_rem(wide.low, TWO_64);
        let (rest, max_gap) = DivRem::div_rem(wide.high, TWO_32);
        let (ages, max_funding_rate_ppm) = DivRem::div_rem(rest, TWO_32);
        let (max_ahead, max_age) = DivRem::div_rem(ages, TWO_16);
        BoundsSlot {
            min_price: min_price.try_into().unwrap(),
            max_price: max_price.try_into().unwrap(),
            max_age: max_age.try_into().unwrap(),
            max_ahead: max_ahead.try_into().unwrap(),
            max_funding_rate_ppm: max_funding_rate_ppm.try_into().unwrap(),
            max_gap: max_gap.try_into().unwrap(),
        }
    }
}

/// Of a bounds slot what an accrual needs: max_gap and max_funding_rate_ppm.
pub fn accrual_terms(bounds: felt252) -> (u32, u32) {
    let wide: u256 = bounds.into();
    let (rest, max_gap) = DivRem::div_rem(wide.high, TWO_32);
    let (_, rate) = DivRem::div_rem(rest, TWO_32);
    (max_gap.try_into().unwrap(), rate.try_into().unwrap())
}

pub impl RulesSlotPacking of StorePacking<RulesSlot, felt252> {
    fn pack(value: RulesSlot) -> felt252 {
        let low = value.max_skew.into()
            + SHIFT_32
                * (value.max_mark_age.into()
                    + SHIFT_32
                        * (value.max_confidence_bps.into() + SHIFT_32 * value.drift_window.into()));
        let bps = value.max_spread_bps.into()
            + SHIFT_16
                * (value.max_step_bps.into()
                    + SHIFT_16
                        * (value.max_drift_bps.into() + SHIFT_16 * value.confirm_rounds.into()));
        let high = value.confirm_gap.into() + SHIFT_32 * (value.liq_gap.into() + SHIFT_32 * bps);
        low + high * SHIFT_128
    }

    fn unpack(value: felt252) -> RulesSlot {
        let wide: u256 = value.into();
        let (rest, max_skew) = DivRem::div_rem(wide.low, TWO_32);
        let (rest, max_mark_age) = DivRem::div_rem(rest, TWO_32);
        let (drift_window, max_confidence_bps) = DivRem::div_rem(rest, TWO_32);
        let (rest, confirm_gap) = DivRem::div_rem(wide.high, TWO_32);
        let (rest, liq_gap) = DivRem::div_rem(rest, TWO_32);
        let (rest, max_spread_bps) = DivRem::div_rem(rest, TWO_16);
        let (rest, max_step_bps) = DivRem::div_rem(rest, TWO_16);
        let (confirm_rounds, max_drift_bps) = DivRem::div_rem(rest, TWO_16);
        RulesSlot {
            max_skew: max_skew.try_into().unwrap(),
            max_mark_age: max_mark_age.try_into().unwrap(),
            max_confidence_bps: max_confidence_bps.try_into().unwrap(),
            drift_window: drift_window.try_into().unwrap(),
            confirm_gap: confirm_gap.try_into().unwrap(),
            liq_gap: liq_gap.try_into().unwrap(),
            max_spread_bps: max_spread_bps.try_into().unwrap(),
            max_step_bps: max_step_bps.try_into().unwrap(),
            max_drift_bps: max_drift_bps.try_into().unwrap(),
            confirm_rounds: confirm_rounds.try_into().unwrap(),
        }
    }
}

pub impl VenueSlotPacking of StorePacking<VenueSlot, felt252> {
    fn pack(value: VenueSlot) -> felt252 {
        let told: felt252 = if value.told {
            1
        } else {
            0
        };
        let counts = value.quorum.into() + SHIFT_8 * (value.market_count.into() + SHIFT_8 * told);
        let low = value.epoch.into()
            + SHIFT_64 * (time(value.last_accepted_at) + SHIFT_32 * counts);
        low + SHIFT_128 * (value.seats.into() + SHIFT_16 * time(value.max_silence))
    }

    fn unpack(value: felt252) -> VenueSlot {
        let wide: u256 = value.into();
        let (rest, epoch) = DivRem::div_rem(wide.low, TWO_64);
        let (rest, last_accepted_at) = DivRem::div_rem(rest, TWO_32);
        let (rest, quorum) = DivRem::div_rem(rest, TWO_8);
        let (told, market_count) = DivRem::div_rem(rest, TWO_8);
        let (max_silence, seats) = DivRem::div_rem(wide.high, TWO_16);
        VenueSlot {
            epoch: epoch.try_into().unwrap(),
            last_accepted_at: last_accepted_at.try_into().unwrap(),
            quorum: quorum.try_into().unwrap(),
            market_count: market_count.try_into().unwrap(),
            told: told != 0,
            seats: seats.try_into().unwrap(),
            max_silence: max_silence.try_into().unwrap(),
        }
    }
}

fn time(at: u64) -> felt252 {
    assert(at < 0x100000000, 'ORACLE: time too big');
    at.into()
}

/// Pending and Valid share a code, so that the calm path asks one question less: a market without a
/// mark is Pending. `Stale` is never stored; it would read back as Valid, which is what it is.
fn status_code(status: MarketStatus) -> felt252 {
    match status {
        MarketStatus::Pending | MarketStatus::Valid | MarketStatus::Stale => 0,
        MarketStatus::Suspect => 2,
        MarketStatus::Frozen => 3,
        MarketStatus::Settling => 4,
        MarketStatus::Settled => 5,
    }
}

fn status_from(code: u128, price: u128) -> MarketStatus {
    // What no code stands for is what stops the market.
    if code == 0 {
        if price == 0 {
            MarketStatus::Pending
        } else {
            MarketStatus::Valid
        }
    } else if code == 2 {
        MarketStatus::Suspect
    } else if code == 4 {
        MarketStatus::Settling
    } else if code == 5 {
        MarketStatus::Settled
    } else {
        MarketStatus::Frozen
    }
}

/// As in `MarketsReported`.
pub fn status_number(status: MarketStatus) -> u8 {
    match status {
        MarketStatus::Pending => 0,
        MarketStatus::Valid => 1,
        MarketStatus::Stale => 2,
        MarketStatus::Suspect => 3,
        MarketStatus::Frozen => 4,
        MarketStatus::Settling => 5,
        MarketStatus::Settled => 6,
    }
}

/// As in `MarketsReported`: in the order of the enum.
pub fn outcome_code(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::DroppedZero => 0,
        Outcome::DroppedStale => 1,
        Outcome::DroppedAhead => 2,
        Outcome::DroppedNotNewer => 3,
        Outcome::DroppedUncertain => 4,
        Outcome::NoQuorum => 5,
        Outcome::Spread => 6,
        Outcome::Closed => 7,
        Outcome::Suspected => 8,
        Outcome::Waiting => 9,
        Outcome::Counted => 10,
        Outcome::Restarted => 11,
        Outcome::OutOfBounds => 12,
        Outcome::Drifted => 13,
        Outcome::Accepted => 14,
        Outcome::Confirmed => 15,
    }
}
