//! The funding index: it runs while Full, it never jumps, nobody can write it.

use starknet::storage::{
    StorageAsPath, StorageAsPointer, StoragePathEntry, StoragePointerReadAccess,
    StoragePointerWriteAccess,
};
use starknet::testing::set_contract_address;
use crate::clearinghouse::contract::Clearinghouse;
use crate::clearinghouse::interface::{IClearinghouseSafeDispatcherTrait, Mode};
use crate::clearinghouse::tests::here::{HereTrait, OracleHereTrait, by, enter};
use crate::clearinghouse::tests::setup::{
    BTC, BTC_PRICE, ETH_PRICE, House, ONE, accepted, after, assert_balanced, buying, collateral,
    go_up_to, guard, listed, open, params, person, refused, report, report_one, safe, trade,
};

const PEOPLE: [felt252; 3] = ['alice', 'bob', 'carol'];
/// 288 ppm for 8 hours at 1,000 USD: 1e11 a second for one BTC, 1e-16 USD.
const RATE: i32 = 288;
const STEP: i128 = 100_000_000_000;

fn accrue(house: House, secs: u64) {
    after(secs);
    report(house, BTC_PRICE, ETH_PRICE, RATE);
}

/// The rate is that of the median when the first of a round reports: of the round before.
fn paying() -> House {
    let house = open();
    accrue(house, 1);
    assert!(house.venue.funding_index(0) == 0);
    house
}

#[test]
fn the_index_grows_by_rate_time_and_mark() {
    let house = paying();
    accrue(house, 10);
    assert!(house.venue.funding_index(0) == 10 * STEP);
    assert!(house.venue.funding_index(1) == STEP);
    // At most max_gap counts.
    accrue(house, 60);
    assert!(house.venue.funding_index(0) == 40 * STEP);
}

#[test]
fn it_stands_still_below_full_and_goes_on_where_it_stood() {
    let house = paying();
    accrue(house, 10);
    for mode in array![Mode::PostOnly, Mode::Halted] {
        let index = house.venue.funding_index(0);
        by('guardian');
        house.venue.set_mode(mode, 0);
        assert!(house.venue.funding_index(0) == index);
        accrue(house, 20);
        assert!(house.venue.funding_index(0) == index);
        go_up_to(house, Mode::Full);
        assert!(house.venue.funding_index(0) == index);
        // `go_up_to` reports a rate of 0.
        accrue(house, 10);
        assert!(house.venue.funding_index(0) == index);
        accrue(house, 10);
        assert!(house.venue.funding_index(0) == index + 10 * STEP);
    }
    assert!(house.oracle.mark(0).funding_growth > house.venue.funding_index(0));
}

#[test]
fn it_stands_still_over_a_silence() {
    let house = paying();
    accrue(house, 10);
    accrue(house, 500);
    assert!(house.venue.funding_index(0) == 10 * STEP);
    accrue(house, 10);
    assert!(house.venue.mode() == Mode::CancelOnly);
    assert!(house.venue.funding_index(0) == 10 * STEP);
}

#[test]
fn a_market_listed_late_starts_at_zero() {
    for full in array![false, true] {
        let house = if full {
            open()
        } else {
            listed()
        };
        by('admin');
        house.oracle.list_market('X', guard());
        report_one(house, 2, BTC_PRICE, RATE);
        after(10);
        report_one(house, 2, BTC_PRICE, RATE);
        assert!(house.oracle.mark(2).funding_growth == 10 * STEP);
        by('admin');
        house.venue.list_market('X', params());
        assert!(house.venue.funding_index(2) == 0);
    }
}

#[test]
fn longs_pay_shorts_when_they_settle_it() {
    let house = paying();
    trade(house, BTC, 'alice', 'bob', 4 * ONE, BTC_PRICE);
    let (alice, bob) = (collateral(house, 'alice'), collateral(house, 'bob'));
    accrue(house, 30);
    accrue(house, 30);
    // 60e11 x 4 = 24e12 of 1e-16 USD: 2,400 units.
    let owed = house.venue.margin_of(person('alice')).value;
    assert!(owed == alice * 10_000_000_000 + 4_000 * 10_000_000_000_000_000 - 24_000_000_000_000);
    trade(house, BTC, 'carol', 'alice', 4 * ONE, BTC_PRICE);
    assert!(collateral(house, 'alice') == alice - 2_400 + 4_000_000_000);
    assert!(house.venue.ledger().funding == 2_400);
    assert_balanced(house, PEOPLE.span());
    // carol came later: she owes nothing of it. bob gets his when he closes.
    trade(house, BTC, 'bob', 'carol', 4 * ONE, BTC_PRICE);
    assert!(collateral(house, 'bob') == bob + 2_400 - 4_000_000_000 - 4_000_000);
    assert!(house.venue.ledger().funding == 0);
    assert_balanced(house, PEOPLE.span());
}

/// As something outside a transaction would write it.
fn write_funding(house: House, market: u8, slot: felt252) {
    let before = enter(house.venue.address);
    let mut contract = Clearinghouse::contract_state_for_testing();
    contract.state.as_path().markets.entry(market).as_ptr().funding.write(slot);
    set_contract_address(before);
}

fn read_funding(house: House, market: u8) -> felt252 {
    let before = enter(house.venue.address);
    let contract = @Clearinghouse::contract_state_for_testing();
    let slot = contract.state.as_path().markets.entry(market).as_ptr().funding.read();
    set_contract_address(before);
    slot
}

/// The incident's fault: an index of 0 that came from no transaction.
#[test]
#[feature("safe_dispatcher")]
fn an_index_that_was_written_from_outside_is_refused_and_stopping_still_works() {
    let house = open();
    trade(house, BTC, 'alice', 'bob', 4 * ONE, BTC_PRICE);
    accrue(house, 10);
    let good = read_funding(house, 0);
    let safe = safe(house);
    // 0; an empty index with a seal of another market; the base changed under the old seal.
    for bad in array![0, read_funding(house, 1), good + 1] {
        write_funding(house, 0, bad);
        by('alice');
        refused(safe.withdraw(0, 1), 'FUNDING: checksum');
    }
    refused(safe.margin_of(person('alice')), 'FUNDING: checksum');
    by('carol');
    refused(safe.liquidate(0, buying('alice', 0)), 'FUNDING: checksum');
    accepted(safe.withdraw(0, 1));
    by('sentinel');
    house.venue.set_mode(Mode::Halted, 0);
    assert!(read_funding(house, 0) == good + 1);
    // ETH was stopped all the same.
    let eth = house.venue.funding_index(1);
    accrue(house, 10);
    assert!(house.venue.funding_index(1) == eth);
    after(60);
    report(house, BTC_PRICE, ETH_PRICE, 0);
    by('admin');
    refused(safe.set_mode(Mode::CancelOnly, 'report'), 'FUNDING: checksum');
}
