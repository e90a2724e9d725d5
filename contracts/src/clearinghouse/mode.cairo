//! The one function that writes the mode, for every class that may.

use starknet::syscalls::emit_event_syscall;
use starknet::{Event, SyscallResultTrait, get_block_timestamp, get_caller_address};
use crate::clearinghouse::events::{FundingBroken, FundingRebased, ModeChanged};
use crate::clearinghouse::funding::rebase;
use crate::clearinghouse::interface::Mode;
use crate::clearinghouse::slots::VenueSlot;
use crate::clearinghouse::state::{WriteState, write_venue};

/// `venue` is what is stored now; `reason` is 0 where a caller asked for the mode.
pub fn change_mode(
    state: WriteState, venue: VenueSlot, to: Mode, report_hash: felt252, reason: felt252,
) {
    let from = venue.mode;
    let now = get_block_timestamp();
    let full_since = if to == Mode::Full {
        now
    } else {
        venue.full_since
    };
    write_venue(state, VenueSlot { mode: to, mode_since: now, full_since, ..venue });
    let changed = ModeChanged { from, to, caller: get_caller_address(), report_hash, reason };
    emit_as(selector!("ModeChanged"), @changed);
    if from == Mode::Full || to == Mode::Full {
        let live = to == Mode::Full;
        for rebased in rebase(state, live) {
            let market = *rebased.market;
            match *rebased.index {
                Some(index) => emit_as(
                    selector!("FundingRebased"), @FundingRebased { market, index, live },
                ),
                None => emit_as(selector!("FundingBroken"), @FundingBroken { market }),
            }
        }
    }
}

/// An event of the clearinghouse from code that belongs to no class; `name` is the selector of its
/// variant.
pub fn emit_as<T, +Event<T>>(name: felt252, event: @T) {
    let mut keys = array![name];
    let mut data = array![];
    event.append_keys_and_data(ref keys, ref data);
    emit_event_syscall(keys.span(), data.span()).unwrap_syscall();
}
