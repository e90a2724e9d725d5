//! Writes that no transaction of the venue makes: a database that was migrated wrongly, a market
//! that the oracle settled.

use starknet::storage::{
    StorageAsPath, StorageAsPointer, StoragePathEntry, StoragePointerReadAccess,
    StoragePointerWriteAccess,
};
use starknet::testing::set_contract_address;
use crate::clearinghouse::contract::Clearinghouse;
use crate::clearinghouse::tests::here::enter;
use crate::clearinghouse::tests::setup::House;
use crate::oracle::book;
use crate::oracle::interface::MarketStatus;
use crate::rules::guard::State;

/// As something outside a transaction would write it.
pub fn write_funding(house: House, market: u8, slot: felt252) {
    let before = enter(house.venue.address);
    let mut contract = Clearinghouse::contract_state_for_testing();
    contract.state.as_path().markets.entry(market).as_ptr().funding.write(slot);
    set_contract_address(before);
}

pub fn read_funding(house: House, market: u8) -> felt252 {
    let before = enter(house.venue.address);
    let contract = @Clearinghouse::contract_state_for_testing();
    let slot = contract.state.as_path().markets.entry(market).as_ptr().funding.read();
    set_contract_address(before);
    slot
}

/// The oracle's slot of a market's growth, likewise.
pub fn write_growth(house: House, market: u8, slot: felt252) {
    let before = enter(house.oracle.address);
    book::write_funding(book::place(market), slot);
    set_contract_address(before);
}

/// The checkpoint of a market's index, likewise.
pub fn write_checkpoint(house: House, market: u8, slot: felt252) {
    let before = enter(house.venue.address);
    let mut contract = Clearinghouse::contract_state_for_testing();
    contract.state.as_path().restores.entry(market).as_ptr().checkpoint.write(slot);
    set_contract_address(before);
}

/// The oracle has this status for the market, and this as its last good mark.
pub fn put_status(house: House, market: u8, status: MarketStatus, price: u64) {
    let before = enter(house.oracle.address);
    let at = book::place(market);
    let guard = book::read_guard(at);
    let state = book::read_state(at, guard.max_mark_age);
    book::write_state(at, @state, @State { status, price, ..state }, @guard);
    set_contract_address(before);
}
