//! The slots of the oracle, and how they are packed: 251 bits each. A 34-bit time lasts until the
//! year 2514; packing one beyond that panics, so that it cannot run into the field beside it.
//!
//! | slot       | low 128 bits                  | high 123 bits                           |
//! |------------|-------------------------------|-----------------------------------------|
//! | MarkSlot   | price 64, checkpoint 64       | accepted, valid since, checkpoint at    |
//! |            |                               | 34 each, status 3, max_mark_age 18      |
//! | TrackSlot  | pend 64, anchor 64            | pend at, anchor at, round at 34 each,   |
//! |            |                               | round 16                                |
//! | DoubtSlot  | candidate 64, since 34,       |                                         |
//! |            | count 4, own round 1          |                                         |
//! | EntrySlot  | price 64, observed at 34      | rate 32, confidence 16                  |
//! | BoundsSlot | min 64, max 64                | max_age 32, max_ahead 32, rate 32,      |
//! |            |                               | confidence 16                           |
//! | RulesSlot  | max_skew, max_mark_age,       | confirm_gap 32, liq_gap 32, spread,     |
//! |            | max_gap, drift_window 32 each | step, drift 16 each, rounds 8           |
//! | VenueSlot  | epoch 64, accepted 34,        | seats 16, max_silence 34                |
//! |            | quorum 8, markets 8, told 1   |                                         |

use starknet::storage_access::StorePacking;
use crate::oracle::interface::{Guard, MarketStatus};
use crate::rules::guard::State;

const TWO_8: NonZero<u128> = 0x100;
const TWO_3: NonZero<u128> = 8;
const TWO_4: NonZero<u128> = 0x10;
const TWO_16: NonZero<u128> = 0x10000;
const TWO_32: NonZero<u128> = 0x100000000;
const TWO_34: NonZero<u128> = 0x400000000;
const TWO_64: NonZero<u128> = 0x10000000000000000;

const SHIFT_8: felt252 = 0x100;
const SHIFT_3: felt252 = 8;
const SHIFT_16: felt252 = 0x10000;
const SHIFT_32: felt252 = 0x100000000;
const SHIFT_34: felt252 = 0x400000000;
const SHIFT_64: felt252 = 0x10000000000000000;
const SHIFT_128: felt252 = 0x100000000000000000000000000000000;

#[derive(Copy, Drop, PartialEq, Debug)]
pub struct MarkSlot {
    pub price: u64,
    pub checkpoint: u64,
    pub accepted_at: u64,
    pub valid_since: u64,
    pub checkpoint_at: u64,
    pub status: MarketStatus,
    /// The guard's, again: so that one slot says whether the mark is stale.
    pub max_mark_age: u32,
}

#[derive(Copy, Drop, PartialEq, Debug)]
pub struct TrackSlot {
    pub pend: u64,
    pub anchor: u64,
    pub pend_at: u64,
    pub anchor_at: u64,
    pub round_at: u64,
    pub round: u16,
}

#[derive(Copy, Drop, PartialEq, Debug)]
pub struct DoubtSlot {
    pub candidate: u64,
    pub since: u64,
    pub count: u8,
    pub own_round: bool,
}

#[derive(Copy, Drop, PartialEq, Debug)]
pub struct EntrySlot {
    pub price: u64,
    pub observed_at: u64,
    /// Biased, see `funding::bias_rate`.
    pub rate: u64,
    pub confidence_bps: u16,
}

#[derive(Copy, Drop, PartialEq, Debug)]
pub struct BoundsSlot {
    pub min_price: u64,
    pub max_price: u64,
    pub max_age: u32,
    pub max_ahead: u32,
    pub max_funding_rate_ppm: u32,
    pub max_confidence_bps: u16,
}

#[derive(Copy, Drop, PartialEq, Debug)]
pub struct RulesSlot {
    pub max_skew: u32,
    pub max_mark_age: u32,
    pub max_gap: u32,
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
        accepted_at: *state.accepted_at,
        valid_since: *state.valid_since,
        checkpoint_at: *state.checkpoint_at,
        status: *state.status,
        max_mark_age,
    }
}

pub fn track_slot(state: @State) -> TrackSlot {
    TrackSlot {
        pend: *state.pend,
        anchor: *state.anchor,
        pend_at: *state.pend_at,
        anchor_at: *state.anchor_at,
        round_at: *state.round_at,
        round: *state.round,
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

pub fn state_of(mark: MarkSlot, track: TrackSlot, doubt: DoubtSlot) -> State {
    State {
        status: mark.status,
        price: mark.price,
        accepted_at: mark.accepted_at,
        valid_since: mark.valid_since,
        checkpoint: mark.checkpoint,
        checkpoint_at: mark.checkpoint_at,
        pend: track.pend,
        pend_at: track.pend_at,
        anchor: track.anchor,
        anchor_at: track.anchor_at,
        round: track.round,
        round_at: track.round_at,
        candidate: doubt.candidate,
        since: doubt.since,
        count: doubt.count,
        own_round: doubt.own_round,
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
            max_confidence_bps: *guard.max_confidence_bps,
        },
        RulesSlot {
            max_skew: *guard.max_skew,
            max_mark_age: *guard.max_mark_age,
            max_gap: *guard.max_gap,
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
        max_gap: rules.max_gap,
        drift_window: rules.drift_window,
        confirm_gap: rules.confirm_gap,
        liq_gap: rules.liq_gap,
        confirm_rounds: rules.confirm_rounds,
        max_confidence_bps: bounds.max_confidence_bps,
        max_spread_bps: rules.max_spread_bps,
        max_step_bps: rules.max_step_bps,
        max_drift_bps: rules.max_drift_bps,
        max_funding_rate_ppm: bounds.max_funding_rate_ppm,
    }
}

pub impl MarkSlotPacking of StorePacking<MarkSlot, felt252> {
    fn pack(value: MarkSlot) -> felt252 {
        assert(value.max_mark_age < 0x40000, 'ORACLE: max_mark_age too long');
        let low = value.price.into() + value.checkpoint.into() * SHIFT_64;
        let ages = status_code(value.status) + value.max_mark_age.into() * SHIFT_3;
        let high = time(value.accepted_at)
            + SHIFT_34
                * (time(value.valid_since)
                    + SHIFT_34 * (time(value.checkpoint_at) + SHIFT_34 * ages));
        low + high * SHIFT_128
    }

    fn unpack(value: felt252) -> MarkSlot {
        let wide: u256 = value.into();
        let (checkpoint, price) = DivRem::div_rem(wide.low, TWO_64);
        let (rest, accepted_at) = DivRem::div_rem(wide.high, TWO_34);
        let (rest, valid_since) = DivRem::div_rem(rest, TWO_34);
        let (rest, checkpoint_at) = DivRem::div_rem(rest, TWO_34);
        let (max_mark_age, status) = DivRem::div_rem(rest, TWO_3);
        MarkSlot {
            price: price.try_into().unwrap(),
            checkpoint: checkpoint.try_into().unwrap(),
            accepted_at: accepted_at.try_into().unwrap(),
            valid_since: valid_since.try_into().unwrap(),
            checkpoint_at: checkpoint_at.try_into().unwrap(),
            status: status_from(status),
            max_mark_age: max_mark_age.try_into().unwrap(),
        }
    }
}

pub impl TrackSlotPacking of StorePacking<TrackSlot, felt252> {
    fn pack(value: TrackSlot) -> felt252 {
        let low = value.pend.into() + value.anchor.into() * SHIFT_64;
        let high = time(value.pend_at)
            + SHIFT_34
                * (time(value.anchor_at)
                    + SHIFT_34 * (time(value.round_at) + SHIFT_34 * value.round.into()));
        low + high * SHIFT_128
    }

    fn unpack(value: felt252) -> TrackSlot {
        let wide: u256 = value.into();
        let (anchor, pend) = DivRem::div_rem(wide.low, TWO_64);
        let (rest, pend_at) = DivRem::div_rem(wide.high, TWO_34);
        let (rest, anchor_at) = DivRem::div_rem(rest, TWO_34);
        let (round, round_at) = DivRem::div_rem(rest, TWO_34);
        TrackSlot {
            pend: pend.try_into().unwrap(),
            anchor: anchor.try_into().unwrap(),
            pend_at: pend_at.try_into().unwrap(),
            anchor_at: anchor_at.try_into().unwrap(),
            round_at: round_at.try_into().unwrap(),
            round: round.try_into().unwrap(),
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
            + SHIFT_64 * (time(value.since) + SHIFT_34 * (value.count.into() + 16 * own))
    }

    fn unpack(value: felt252) -> DoubtSlot {
        let low: u128 = value.try_into().unwrap();
        let (rest, candidate) = DivRem::div_rem(low, TWO_64);
        let (rest, since) = DivRem::div_rem(rest, TWO_34);
        let (own, count) = DivRem::div_rem(rest, TWO_4);
        DoubtSlot {
            candidate: candidate.try_into().unwrap(),
            since: since.try_into().unwrap(),
            count: count.try_into().unwrap(),
            own_round: own != 0,
        }
    }
}

pub impl EntrySlotPacking of StorePacking<EntrySlot, felt252> {
    fn pack(value: EntrySlot) -> felt252 {
        assert(value.rate < 0x100000000, 'ORACLE: rate too big');
        let low = value.price.into() + time(value.observed_at) * SHIFT_64;
        low + SHIFT_128 * (value.rate.into() + SHIFT_32 * value.confidence_bps.into())
    }

    fn unpack(value: felt252) -> EntrySlot {
        let wide: u256 = value.into();
        let (observed_at, price) = DivRem::div_rem(wide.low, TWO_64);
        let (confidence_bps, rate) = DivRem::div_rem(wide.high, TWO_32);
        EntrySlot {
            price: price.try_into().unwrap(),
            observed_at: observed_at.try_into().unwrap(),
            rate: rate.try_into().unwrap(),
            confidence_bps: confidence_bps.try_into().unwrap(),
        }
    }
}

pub impl BoundsSlotPacking of StorePacking<BoundsSlot, felt252> {
    fn pack(value: BoundsSlot) -> felt252 {
        let low = value.min_price.into() + value.max_price.into() * SHIFT_64;
        let high = value.max_age.into()
            + SHIFT_32
                * (value.max_ahead.into()
                    + SHIFT_32
                        * (value.max_funding_rate_ppm.into()
                            + SHIFT_32 * value.max_confidence_bps.into()));
        low + high * SHIFT_128
    }

    fn unpack(value: felt252) -> BoundsSlot {
        let wide: u256 = value.into();
        let (max_price, min_price) = DivRem::div_rem(wide.low, TWO_64);
        let (rest, max_age) = DivRem::div_rem(wide.high, TWO_32);
        let (rest, max_ahead) = DivRem::div_rem(rest, TWO_32);
        let (max_confidence_bps, max_funding_rate_ppm) = DivRem::div_rem(rest, TWO_32);
        BoundsSlot {
            min_price: min_price.try_into().unwrap(),
            max_price: max_price.try_into().unwrap(),
            max_age: max_age.try_into().unwrap(),
            max_ahead: max_ahead.try_into().unwrap(),
            max_funding_rate_ppm: max_funding_rate_ppm.try_into().unwrap(),
            max_confidence_bps: max_confidence_bps.try_into().unwrap(),
        }
    }
}

pub impl RulesSlotPacking of StorePacking<RulesSlot, felt252> {
    fn pack(value: RulesSlot) -> felt252 {
        let low = value.max_skew.into()
            + SHIFT_32
                * (value.max_mark_age.into()
                    + SHIFT_32 * (value.max_gap.into() + SHIFT_32 * value.drift_window.into()));
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
        let (drift_window, max_gap) = DivRem::div_rem(rest, TWO_32);
        let (rest, confirm_gap) = DivRem::div_rem(wide.high, TWO_32);
        let (rest, liq_gap) = DivRem::div_rem(rest, TWO_32);
        let (rest, max_spread_bps) = DivRem::div_rem(rest, TWO_16);
        let (rest, max_step_bps) = DivRem::div_rem(rest, TWO_16);
        let (confirm_rounds, max_drift_bps) = DivRem::div_rem(rest, TWO_16);
        RulesSlot {
            max_skew: max_skew.try_into().unwrap(),
            max_mark_age: max_mark_age.try_into().unwrap(),
            max_gap: max_gap.try_into().unwrap(),
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
            + SHIFT_64 * (time(value.last_accepted_at) + SHIFT_34 * counts);
        low + SHIFT_128 * (value.seats.into() + SHIFT_16 * time(value.max_silence))
    }

    fn unpack(value: felt252) -> VenueSlot {
        let wide: u256 = value.into();
        let (rest, epoch) = DivRem::div_rem(wide.low, TWO_64);
        let (rest, last_accepted_at) = DivRem::div_rem(rest, TWO_34);
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
    assert(at < 0x400000000, 'ORACLE: time too big');
    at.into()
}

/// `Stale` is never stored; it would read back as Valid, which is what it is.
fn status_code(status: MarketStatus) -> felt252 {
    match status {
        MarketStatus::Pending => 0,
        MarketStatus::Valid | MarketStatus::Stale => 1,
        MarketStatus::Suspect => 2,
        MarketStatus::Frozen => 3,
        MarketStatus::Settling => 4,
        MarketStatus::Settled => 5,
    }
}

fn status_from(code: u128) -> MarketStatus {
    // What no code stands for is what stops the market.
    if code == 1 {
        MarketStatus::Valid
    } else if code == 0 {
        MarketStatus::Pending
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
