//! Where the slots of a market are: a pair of markets (2n, 2n + 1) has 256 addresses of its own, so
//! that reaching one costs no hash.
//!
//! | offset | slot                                            |
//! |--------|-------------------------------------------------|
//! | 0 .. 15| the last entries of the reporter in that seat   |
//! | 16 ..  | mark, calm, track, doubt, funding, bounds, rules of 2n     |
//! | 32 ..  | the same of 2n + 1                              |

use starknet::SyscallResultTrait;
use starknet::storage_access::{
    StorageBaseAddress, StorePacking, storage_address_from_base_and_offset,
    storage_base_address_from_felt252,
};
use starknet::syscalls::{storage_read_syscall, storage_write_syscall};
use crate::oracle::calm;
use crate::oracle::interface::{Guard, MarketStatus};
use crate::oracle::packing::{
    BoundsSlot, DoubtSlot, MarkSlot, RulesSlot, TrackSlot, doubt_slot, guard_of, guard_slots,
    mark_slot, state_of, track_slot,
};
use crate::rules::guard::{Panel, State};

/// Far from any address that a storage variable has.
const MARKETS: felt252 = selector!("truemark.oracle.markets");

const MARK: u8 = 0;
const CALM: u8 = 1;
const TRACK: u8 = 2;
const DOUBT: u8 = 3;
const FUNDING: u8 = 4;
const BOUNDS: u8 = 5;
const RULES: u8 = 6;

/// As many as a round's bitmap has bits.
pub const MAX_REPORTERS: u8 = 16;

pub const SEAT_BITS: [u16; 16] = [
    0x1, 0x2, 0x4, 0x8, 0x10, 0x20, 0x40, 0x80, 0x100, 0x200, 0x400, 0x800, 0x1000, 0x2000, 0x4000,
    0x8000,
];

const NO_DOUBT: DoubtSlot = DoubtSlot { candidate: 0, since: 0, count: 0, own_round: false };

/// The slots of one market.
#[derive(Copy, Drop)]
pub struct Place {
    pub pair: StorageBaseAddress,
    pub offset: u8,
}

#[inline(always)]
pub fn pair_at(pair: felt252) -> StorageBaseAddress {
    storage_base_address_from_felt252(MARKETS + pair * 256)
}

#[inline(always)]
pub fn even(pair: StorageBaseAddress) -> Place {
    Place { pair, offset: 16 }
}

#[inline(always)]
pub fn odd(pair: StorageBaseAddress) -> Place {
    Place { pair, offset: 32 }
}

pub fn place(market: u8) -> Place {
    let (pair, is_odd) = DivRem::div_rem(market, 2);
    let pair = pair_at(pair.into());
    if is_odd == 0 {
        even(pair)
    } else {
        odd(pair)
    }
}

pub fn seat_bit(seat: u8) -> u16 {
    *SEAT_BITS.span()[seat.into()]
}

/// As `calm` and `packing::MarkSlot` take it apart.
#[inline(always)]
pub fn mark_felt(at: Place) -> felt252 {
    read_felt(at, MARK)
}

#[inline(always)]
pub fn put_mark_felt(at: Place, slot: felt252) {
    write_felt(at, MARK, slot);
}

#[inline(always)]
pub fn calm_felt(at: Place) -> felt252 {
    read_felt(at, CALM)
}

#[inline(always)]
pub fn put_calm_felt(at: Place, slot: felt252) {
    write_felt(at, CALM, slot);
}

pub fn bounds_felt(at: Place) -> felt252 {
    read_felt(at, BOUNDS)
}

pub fn read_mark(at: Place) -> MarkSlot {
    read(at, MARK)
}

pub fn read_track(at: Place) -> TrackSlot {
    read(at, TRACK)
}

pub fn write_track(at: Place, track: TrackSlot) {
    write(at, TRACK, track);
}

/// The state as it is stored. The doubt slot has a meaning in Suspect and Frozen only.
pub fn read_state(at: Place, max_mark_age: u32) -> State {
    let mark = read_mark(at);
    state_of(mark, read_track(at), read_doubt(at, mark.status), max_mark_age)
}

pub fn read_doubt(at: Place, status: MarketStatus) -> DoubtSlot {
    match status {
        MarketStatus::Suspect | MarketStatus::Frozen | MarketStatus::Settling => read(at, DOUBT),
        _ => NO_DOUBT,
    }
}

/// Writes the slots of which something differs from `before`.
pub fn write_state(at: Place, before: @State, after: @State, guard: @Guard) {
    let max_mark_age = *guard.max_mark_age;
    let mark = mark_slot(after, max_mark_age);
    if mark != mark_slot(before, max_mark_age) {
        write(at, MARK, mark);
    }
    let track = track_slot(after);
    if track != track_slot(before) {
        write(at, TRACK, track);
        write_felt(at, CALM, calm::pack(guard, after));
    }
    let meant = *after.status == MarketStatus::Suspect
        || *after.status == MarketStatus::Frozen
        || *after.status == MarketStatus::Settling;
    // A slot without meaning is left as it is; entering such a status writes it whatever is in it.
    if meant && (doubt_slot(after) != doubt_slot(before) || *after.status != *before.status) {
        write(at, DOUBT, doubt_slot(after));
    }
}

/// The guard and the slots that follow from it and the state, whatever was there.
pub fn write_guard(at: Place, guard: @Guard, state: @State) {
    let (bounds, rules) = guard_slots(guard);
    write(at, BOUNDS, bounds);
    write(at, RULES, rules);
    write(at, MARK, mark_slot(state, *guard.max_mark_age));
    write_felt(at, CALM, calm::pack(guard, state));
}

pub fn read_guard(at: Place) -> Guard {
    let bounds: BoundsSlot = read(at, BOUNDS);
    let rules: RulesSlot = read(at, RULES);
    guard_of(bounds, rules)
}

/// As `funding::seal` made it.
pub fn read_funding(at: Place) -> felt252 {
    read_felt(at, FUNDING)
}

pub fn write_funding(at: Place, sealed: felt252) {
    write_felt(at, FUNDING, sealed);
}

/// The halves that the reporter in a seat said last: of the even market, of the odd one.
#[inline(always)]
pub fn read_entries(pair: StorageBaseAddress, seat: u8) -> u256 {
    storage_read_syscall(0, storage_address_from_base_and_offset(pair, seat))
        .unwrap_syscall()
        .into()
}

#[inline(always)]
pub fn write_entries(pair: StorageBaseAddress, seat: u8, entries: felt252) {
    storage_write_syscall(0, storage_address_from_base_and_offset(pair, seat), entries)
        .unwrap_syscall();
}

/// The half of one market.
pub fn read_half(at: Place, seat: u8) -> u128 {
    let entries = read_entries(at.pair, seat);
    if at.offset == 16 {
        entries.low
    } else {
        entries.high
    }
}

/// The seats that are taken, rising.
pub fn seats_of(panel: Panel) -> Array<u8> {
    let mut seats = array![];
    let mut seat = 0;
    while seat < MAX_REPORTERS {
        if panel.seats & seat_bit(seat) != 0 {
            seats.append(seat);
        }
        seat += 1;
    }
    seats
}

fn read<T, +StorePacking<T, felt252>>(at: Place, slot: u8) -> T {
    StorePacking::unpack(read_felt(at, slot))
}

fn write<T, +StorePacking<T, felt252>, +Drop<T>>(at: Place, slot: u8, value: T) {
    write_felt(at, slot, StorePacking::pack(value));
}

#[inline(always)]
fn read_felt(at: Place, slot: u8) -> felt252 {
    storage_read_syscall(0, storage_address_from_base_and_offset(at.pair, at.offset + slot))
        .unwrap_syscall()
}

#[inline(always)]
fn write_felt(at: Place, slot: u8, value: felt252) {
    storage_write_syscall(0, storage_address_from_base_and_offset(at.pair, at.offset + slot), value)
        .unwrap_syscall();
}
