//! The storm bucket's slots: each market's window, and which market went dry last.

use starknet::storage::{
    StorageAsPointer, StoragePathEntry, StoragePathMutableConversion, StoragePointerReadAccess,
    StoragePointerWriteAccess,
};
use crate::clearinghouse::events::StormDry;
use crate::clearinghouse::interface::{Mode, WaterfallParams};
use crate::clearinghouse::mode::{change_mode, emit_as};
use crate::clearinghouse::slots::{DrySlot, pack_dry, pack_storm, unpack_dry, unpack_storm};
use crate::clearinghouse::state::{ReadState, WriteState, read_venue};
use crate::rules::modes::is_down;
use crate::rules::storm::{Storm, StormTerms, storm_now};

/// Nothing of the market's ration is left: refused, and the market is dry.
pub const NOTHING_LEFT: felt252 = 'STORM: nothing left';

/// 1e-16 USD in one unit of collateral.
const VALUE_PER_COLLATERAL: u128 = 10_000_000_000;

pub fn storm_terms(params: @WaterfallParams) -> StormTerms {
    StormTerms {
        window: (*params.storm_window).into(),
        bps: *params.storm_bps,
        floor: (*params.storm_floor).into() * VALUE_PER_COLLATERAL,
    }
}

/// The market's window at `now`.
pub fn read_storm(state: ReadState, market: u8, terms: StormTerms, now: u64) -> Storm {
    storm_now(unpack_storm(state.markets.entry(market).as_ptr().storm.read()), terms, now)
}

pub fn write_storm(state: WriteState, market: u8, storm: Storm) {
    state.markets.entry(market).as_ptr().storm.write(pack_storm(storm));
}

/// The market has just gone dry; its slot is written by the caller. If another one is dry too, the
/// venue goes down to CancelOnly: whether it did. The last one that went dry is enough to know: as
/// soon as there is a second one, the venue stops.
pub fn went_dry(
    state: WriteState, market: u8, storm: Storm, terms: StormTerms, limit: u128, now: u64,
) -> bool {
    let until = storm.since + terms.window;
    emit_as(selector!("StormDry"), @StormDry { market, used: storm.used, limit, until });
    let other = unpack_dry(state.dry.read());
    state.dry.write(pack_dry(DrySlot { market, until }));
    if other.market == market || other.until <= now {
        return false;
    }
    let venue = read_venue(state.as_non_mut());
    if !is_down(venue.mode, Mode::CancelOnly) {
        return false;
    }
    change_mode(state, venue, Mode::CancelOnly, 0, 'STORM');
    true
}
