//! The slots of one market: they follow each other from the market's address on, so that reaching
//! one costs no hash.

use starknet::SyscallResultTrait;
use starknet::storage_access::{
    StorageBaseAddress, StorePacking, storage_address_from_base_and_offset,
};
use starknet::syscalls::{storage_read_syscall, storage_write_syscall};
use crate::oracle::interface::{Guard, MarketStatus};
use crate::oracle::packing::{
    BoundsSlot, DoubtSlot, EntrySlot, MarkSlot, RulesSlot, TrackSlot, doubt_slot, guard_of,
    guard_slots, mark_slot, state_of, track_slot,
};
use crate::rules::guard::{Panel, Seen, State};

const MARK: u8 = 0;
const TRACK: u8 = 1;
const DOUBT: u8 = 2;
const FUNDING: u8 = 3;
const BOUNDS: u8 = 4;
const RULES: u8 = 5;
/// The entry of the reporter in seat n is at ENTRIES + n.
const ENTRIES: u8 = 16;

/// As many as a round's bitmap has bits.
pub const MAX_REPORTERS: u8 = 16;

pub const SEAT_BITS: [u16; 16] = [
    0x1, 0x2, 0x4, 0x8, 0x10, 0x20, 0x40, 0x80, 0x100, 0x200, 0x400, 0x800, 0x1000, 0x2000, 0x4000,
    0x8000,
];

const NO_DOUBT: DoubtSlot = DoubtSlot { candidate: 0, since: 0, count: 0, own_round: false };

pub fn seat_bit(seat: u8) -> u16 {
    *SEAT_BITS.span()[seat.into()]
}

pub fn read_mark(base: StorageBaseAddress) -> MarkSlot {
    read(base, MARK)
}

/// The state as it is stored. The doubt slot has a meaning in Suspect and Frozen only.
pub fn read_state(base: StorageBaseAddress) -> (State, u32) {
    let mark: MarkSlot = read(base, MARK);
    let track: TrackSlot = read(base, TRACK);
    (state_of(mark, track, read_doubt(base, mark.status)), mark.max_mark_age)
}

pub fn read_doubt(base: StorageBaseAddress, status: MarketStatus) -> DoubtSlot {
    match status {
        MarketStatus::Suspect | MarketStatus::Frozen => read(base, DOUBT),
        _ => NO_DOUBT,
    }
}

/// Writes the slots that differ from `before`.
pub fn write_state(base: StorageBaseAddress, before: @State, after: @State, max_mark_age: u32) {
    let mark = mark_slot(after, max_mark_age);
    if mark != mark_slot(before, max_mark_age) {
        write(base, MARK, mark);
    }
    let track = track_slot(after);
    if track != track_slot(before) {
        write(base, TRACK, track);
    }
    let meant = *after.status == MarketStatus::Suspect || *after.status == MarketStatus::Frozen;
    // A slot without meaning is left as it is; entering Suspect or Frozen writes it whatever is in
    // it.
    if meant && (doubt_slot(after) != doubt_slot(before) || *after.status != *before.status) {
        write(base, DOUBT, doubt_slot(after));
    }
}

/// The state and its copy of max_mark_age, whatever was there.
pub fn write_mark(base: StorageBaseAddress, state: @State, max_mark_age: u32) {
    write(base, MARK, mark_slot(state, max_mark_age));
}

pub fn read_guard(base: StorageBaseAddress) -> Guard {
    let bounds: BoundsSlot = read(base, BOUNDS);
    let rules: RulesSlot = read(base, RULES);
    guard_of(bounds, rules)
}

pub fn write_guard(base: StorageBaseAddress, guard: @Guard) {
    let (bounds, rules) = guard_slots(guard);
    write(base, BOUNDS, bounds);
    write(base, RULES, rules);
}

/// As `funding::seal` made it.
pub fn read_funding(base: StorageBaseAddress) -> felt252 {
    read_felt(base, FUNDING)
}

pub fn write_funding(base: StorageBaseAddress, sealed: felt252) {
    write_felt(base, FUNDING, sealed);
}

pub fn read_entry(base: StorageBaseAddress, seat: u8) -> EntrySlot {
    read(base, ENTRIES + seat)
}

pub fn write_entry(base: StorageBaseAddress, seat: u8, entry: EntrySlot) {
    write(base, ENTRIES + seat, entry);
}

pub fn clear_entry(base: StorageBaseAddress, seat: u8) {
    write_felt(base, ENTRIES + seat, 0);
}

/// The last entry of everyone else, then `own`, which was just taken.
pub fn panel_entries(
    base: StorageBaseAddress, seats: Span<u8>, own_seat: u8, own: @EntrySlot,
) -> Array<Seen> {
    let mut entries = array![];
    for seat in seats {
        let seat = *seat;
        let entry = if seat == own_seat {
            *own
        } else {
            read_entry(base, seat)
        };
        entries
            .append(
                Seen {
                    bit: seat_bit(seat),
                    price: entry.price,
                    observed_at: entry.observed_at,
                    rate: entry.rate,
                },
            );
    }
    entries
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

fn read<T, +StorePacking<T, felt252>>(base: StorageBaseAddress, offset: u8) -> T {
    StorePacking::unpack(read_felt(base, offset))
}

fn write<T, +StorePacking<T, felt252>, +Drop<T>>(base: StorageBaseAddress, offset: u8, value: T) {
    write_felt(base, offset, StorePacking::pack(value));
}

fn read_felt(base: StorageBaseAddress, offset: u8) -> felt252 {
    storage_read_syscall(0, storage_address_from_base_and_offset(base, offset)).unwrap_syscall()
}

fn write_felt(base: StorageBaseAddress, offset: u8, value: felt252) {
    storage_write_syscall(0, storage_address_from_base_and_offset(base, offset), value)
        .unwrap_syscall();
}
