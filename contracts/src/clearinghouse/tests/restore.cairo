//! A broken funding index goes back to its last checkpoint: slowly, in Halted, for all to see.

use starknet::get_block_timestamp;
use starknet::testing::pop_log;
use crate::clearinghouse::contract::Clearinghouse;
use crate::clearinghouse::events::FundingRestored;
use crate::clearinghouse::interface::{FundingCheckpoint, IClearinghouseSafeDispatcherTrait, Mode};
use crate::clearinghouse::tests::damage::{
    read_funding, write_checkpoint, write_funding, write_growth,
};
use crate::clearinghouse::tests::here::{HereTrait, OracleHereTrait, by};
use crate::clearinghouse::tests::setup::{
    BTC, BTC_PRICE, ETH_PRICE, House, ONE, RESTORE, after, assert_balanced, clear, collateral,
    go_up_to, open, refused, report, safe, trade,
};

/// 288 ppm for 8 hours at 1,000 USD: 1e11 a second for one BTC, 1e-16 USD.
const RATE: i32 = 288;
const STEP: i128 = 100_000_000_000;

fn accrue(house: House, secs: u64) {
    after(secs);
    report(house, BTC_PRICE, ETH_PRICE, RATE);
}

/// alice is long and bob is short; the checkpoint is at 10 steps and the index at 15.
fn running() -> House {
    let house = open();
    accrue(house, 1);
    trade(house, BTC, 'alice', 'bob', 4 * ONE, BTC_PRICE);
    accrue(house, 10);
    by('stranger');
    house.venue.checkpoint_funding(3);
    accrue(house, 5);
    assert!(house.venue.funding_index(0) == 15 * STEP);
    house
}

fn halt(house: House) {
    by('guardian');
    house.venue.set_mode(Mode::Halted, 0);
    clear(house);
}

fn restored(house: House) -> FundingRestored {
    let mut last = None;
    while let Some(event) = pop_log::<Clearinghouse::Event>(house.venue.address) {
        if let Clearinghouse::Event::FundingRestored(event) = event {
            last = Some(event);
        }
    }
    last.expect('nothing was restored')
}

fn mend(house: House) -> FundingRestored {
    by('admin');
    house.venue.announce_restore(0);
    after(RESTORE);
    clear(house);
    house.venue.restore(0);
    restored(house)
}

#[test]
fn checkpoints_are_taken_at_changes_of_mode_and_by_anyone() {
    let house = running();
    let at = get_block_timestamp() - 5;
    let taken = FundingCheckpoint { index: Some(10 * STEP), at, restore_from: 0 };
    assert!(house.venue.funding_checkpoint(0) == taken);
    halt(house);
    accrue(house, 20);
    let at = get_block_timestamp() - 20;
    let taken = FundingCheckpoint { index: Some(15 * STEP), at, restore_from: 0 };
    assert!(house.venue.funding_checkpoint(0) == taken);
    by('stranger');
    house.venue.checkpoint_funding(1);
    let at = get_block_timestamp();
    let taken = FundingCheckpoint { index: Some(15 * STEP), at, restore_from: 0 };
    assert!(house.venue.funding_checkpoint(0) == taken);
}

#[test]
#[feature("safe_dispatcher")]
fn a_checkpoint_is_of_what_is_whole_and_listed() {
    let house = running();
    refused(safe(house).checkpoint_funding(4), 'MARKET: not listed');
    refused(safe(house).checkpoint_funding(5), 'MARKET: not listed');
    write_growth(house, 0, 0);
    after(1);
    house.venue.checkpoint_funding(3);
    assert!(house.venue.funding_checkpoint(0).index == Some(10 * STEP));
    assert!(house.venue.funding_checkpoint(0).at == get_block_timestamp() - 6);
    assert!(house.venue.funding_checkpoint(1).at == get_block_timestamp());
    write_checkpoint(house, 1, 0);
    assert!(house.venue.funding_checkpoint(1).index == None);
}

#[test]
#[ignore]
#[feature("safe_dispatcher")]
fn it_is_announced_waited_for_and_can_be_stopped() {
    let house = running();
    let safe = safe(house);
    by('admin');
    refused(safe.announce_restore(0), 'MODE: not halted');
    refused(safe.restore(0), 'MODE: not halted');
    halt(house);
    by('admin');
    refused(safe.announce_restore(0), 'FUNDING: not broken');
    refused(safe.announce_restore(2), 'MARKET: not listed');
    refused(safe.announce_restore(200), 'MARKET: not listed');
    refused(safe.restore(200), 'MARKET: not listed');
    refused(safe.restore(0), 'FUNDING: not announced');
    refused(safe.cancel_restore(0), 'FUNDING: not announced');
    write_funding(house, 0, 0);
    for name in array!['alice', 'operator', 'guardian', 'sentinel'] {
        by(name);
        refused(safe.announce_restore(0), 'ACCESS: not the admin');
        refused(safe.restore(0), 'ACCESS: not the admin');
    }
    by('admin');
    refused(safe.restore(0), 'FUNDING: not announced');
    house.venue.announce_restore(0);
    assert!(house.venue.funding_checkpoint(0).restore_from == get_block_timestamp() + RESTORE);
    after(RESTORE - 1);
    refused(safe.restore(0), 'FUNDING: restore too early');
    for name in array!['alice', 'operator'] {
        by(name);
        refused(safe.cancel_restore(0), 'ACCESS: may not stop');
    }
    for name in array!['guardian', 'sentinel', 'admin'] {
        by(name);
        house.venue.cancel_restore(0);
        by('admin');
        refused(safe.restore(0), 'FUNDING: not announced');
        house.venue.announce_restore(0);
    }
    after(RESTORE);
    house.venue.restore(0);
    assert!(house.venue.funding_index(0) == 15 * STEP);
    refused(safe.restore(0), 'FUNDING: not announced');
    refused(safe.announce_restore(0), 'FUNDING: not broken');
}

#[test]
#[feature("safe_dispatcher")]
fn what_mended_itself_is_not_restored_and_without_a_checkpoint_nothing_is() {
    let house = running();
    halt(house);
    let good = read_funding(house, 0);
    write_funding(house, 0, 0);
    by('admin');
    house.venue.announce_restore(0);
    after(RESTORE);
    write_funding(house, 0, good);
    refused(safe(house).restore(0), 'FUNDING: not broken');
    write_funding(house, 0, 0);
    write_checkpoint(house, 0, 7);
    refused(safe(house).restore(0), 'FUNDING: no checkpoint');
    refused(safe(house).announce_restore(0), 'FUNDING: no checkpoint');
}

#[test]
#[ignore]
fn a_base_that_broke_while_running_goes_back_to_the_checkpoint() {
    let house = running();
    write_funding(house, 0, 0);
    let taken_at = get_block_timestamp() - 5;
    halt(house);
    let event = mend(house);
    assert!(event.slot == 0 && !event.growth_broken && event.index == 10 * STEP);
    assert!(event.checkpoint_at == taken_at);
    go_on(house, 10 * STEP);
}

#[test]
#[ignore]
fn a_growth_that_broke_while_running_begins_again() {
    let house = running();
    let slot = read_funding(house, 0);
    write_growth(house, 0, 0);
    halt(house);
    let event = mend(house);
    assert!(event.slot == slot && event.growth_broken && event.index == 10 * STEP);
    assert!(house.oracle.mark(0).funding_growth == 0 && !house.oracle.mark(0).funding_broken);
    go_on(house, 10 * STEP);
}

#[test]
#[ignore]
fn a_growth_that_broke_in_halted_costs_nothing() {
    let house = running();
    halt(house);
    accrue(house, 10);
    write_growth(house, 0, 1);
    // The index stands still on its own base: it is known.
    assert!(house.venue.funding_index(0) == 15 * STEP);
    let event = mend(house);
    assert!(event.growth_broken && event.index == 15 * STEP);
    go_on(house, 15 * STEP);
}

/// Up to Full, where the index goes on from there, and positions are settled by it.
fn go_on(house: House, index: i128) {
    assert!(house.venue.funding_index(0) == index);
    accrue(house, 1);
    go_up_to(house, Mode::Full);
    assert!(house.venue.mode() == Mode::Full && house.venue.funding_index(0) == index);
    accrue(house, 10);
    accrue(house, 10);
    assert!(house.venue.funding_index(0) == index + 10 * STEP);
    let bob = collateral(house, 'bob');
    trade(house, BTC, 'bob', 'alice', 4 * ONE, BTC_PRICE);
    // A step is 40 units for 4 BTC.
    let owed = (index / STEP + 10) * 40;
    assert!(collateral(house, 'bob') == bob - 4_004_000_000 + owed);
    assert_balanced(house, array!['alice', 'bob', 'carol'].span());
}
