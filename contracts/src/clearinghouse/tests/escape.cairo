//! The way out of a venue that stays Halted.

use core::num::traits::Bounded;
use starknet::testing::pop_log;
use crate::clearinghouse::contract::Clearinghouse;
use crate::clearinghouse::interface::{
    Closing, IClearinghouseSafeDispatcherTrait, Mode, OpenInterest,
};
use crate::clearinghouse::tests::damage::{write_checkpoint, write_funding};
use crate::clearinghouse::tests::here::{HereTrait, OracleHereTrait, TokenHereTrait, by};
use crate::clearinghouse::tests::setup::{
    BTC, BTC_PRICE, DWELL, ESCAPE, ETH, ETH_PRICE, House, ONE, USD, accepted, after,
    assert_balanced, assert_booked, clear, collateral, fund, list, mint, open, person, refused,
    report, safe, size, trade,
};
use crate::oracle::interface::MarketStatus;

const PEOPLE: [felt252; 4] = ['alice', 'bob', 'carol', 'dave'];

/// alice is long 4 and bob short 4 of BTC, carol long 10 and bob short 10 of ETH; Halted for so
/// long.
fn halted_for(secs: u64) -> House {
    let house = open();
    fund(house, 'dave', 500);
    trade(house, BTC, 'alice', 'bob', 4 * ONE, BTC_PRICE);
    trade(house, ETH, 'carol', 'bob', 10 * ONE, ETH_PRICE);
    by('guardian');
    house.venue.set_mode(Mode::Halted, 0);
    after(secs);
    clear(house);
    house
}

#[test]
#[ignore]
#[feature("safe_dispatcher")]
fn only_from_halted_after_the_delay_in_the_epoch() {
    for mode in array![Mode::CancelOnly, Mode::PostOnly, Mode::Full] {
        let house = open();
        if mode != Mode::Full {
            by('guardian');
            house.venue.set_mode(mode, 0);
        }
        after(ESCAPE);
        by('alice');
        refused(safe(house).escape(0, USD), 'ESCAPE: not halted');
    }
    let house = halted_for(ESCAPE - 1);
    by('dave');
    refused(safe(house).escape(0, USD), 'ESCAPE: too early');
    refused(safe(house).escape(1, USD), 'EPOCH: another epoch');
    after(1);
    accepted(safe(house).escape(0, USD));
}

#[test]
#[feature("safe_dispatcher")]
fn who_has_nothing_open_leaves_and_the_venue_can_still_reopen() {
    let house = halted_for(ESCAPE);
    let safe = safe(house);
    assert!(house.oracle.mark(0).status == MarketStatus::Stale);
    by('dave');
    refused(safe.escape(0, 500 * USD + 1), 'ESCAPE: more than is left');
    refused(safe.escape(0, Bounded::MAX), 'MONEY: amount too large');
    house.venue.escape(0, 200 * USD);
    assert!(collateral(house, 'dave') == 300_000_000);
    assert!(house.token.balance_of(person('dave')) == (200 * USD).into());
    assert!(house.venue.wound_down_at() == 0 && house.venue.closing(0) == None);
    assert_balanced(house, PEOPLE.span());
    report(house, BTC_PRICE, ETH_PRICE, 0);
    by('stranger');
    refused(safe.settle_positions(0, array![person('alice')].span()), 'MODE: halted');
    by('admin');
    house.venue.set_mode(Mode::CancelOnly, 'report');
    by('dave');
    refused(safe.escape(0, USD), 'ESCAPE: not halted');
}

#[test]
#[feature("safe_dispatcher")]
fn who_has_something_open_closes_it_and_with_it_every_market() {
    let house = halted_for(ESCAPE);
    let safe = safe(house);
    // Suspect: the last good mark counts, not the candidate.
    report(house, 650 * ONE, 101 * ONE, 0);
    assert!(house.oracle.mark(0).status == MarketStatus::Suspect);
    by('alice');
    assert!(!safe.standing(person('dave')).unwrap().escapes);
    house.venue.escape(0, 0);
    for (name, escapes) in array![('alice', true), ('bob', false), ('dave', true)] {
        assert!(safe.standing(person(name)).unwrap().escapes == escapes);
    }
    assert!(size(house, 'alice', 0) == 0 && collateral(house, 'alice') == 996_000_000);
    assert!(house.venue.closing(0) == Some(Closing { price: BTC_PRICE, index: Some(0) }));
    assert!(house.venue.closing(1) == Some(Closing { price: 101 * ONE, index: Some(0) }));
    assert!(house.venue.open_interest(0) == OpenInterest { long: 0, short: 4 * ONE });
    let halted_since = starknet::get_block_timestamp() - ESCAPE;
    assert!(house.venue.wound_down_at() == starknet::get_block_timestamp());
    match pop_log::<Clearinghouse::Event>(house.venue.address) {
        Some(Clearinghouse::Event::WoundDown(event)) => {
            assert!(event.caller == person('alice') && event.halted_since == halted_since);
        },
        _ => panic!("no wind-down"),
    }
    // Later marks are of no account any more.
    for _ in 0..5_u8 {
        after(10);
        report(house, 650 * ONE, 105 * ONE, 0);
    }
    assert!(house.oracle.mark(0).price == 650 * ONE && house.oracle.mark(1).price == 105 * ONE);
    by('stranger');
    house.venue.settle_positions(0, array![person('bob')].span());
    by('bob');
    house.venue.escape(0, 10 * USD);
    by('carol');
    house.venue.escape(0, 1_009 * USD);
    assert!(collateral(house, 'carol') == 0);
    // 4 at 1,000 and 10 at 101 against what he sold them for, and what he took out.
    assert!(collateral(house, 'bob') == 980_000_000);
    for market in 0..2_u8 {
        assert!(house.venue.open_interest(market) == OpenInterest { long: 0, short: 0 });
    }
    assert_balanced(house, PEOPLE.span());
    // There is no way back.
    after(DWELL);
    report(house, 650 * ONE, 105 * ONE, 0);
    by('admin');
    refused(safe.set_mode(Mode::CancelOnly, 'report'), 'MODE: winding down');
}

#[test]
#[feature("safe_dispatcher")]
fn it_is_under_the_quota_and_never_more_than_is_left() {
    let house = halted_for(ESCAPE);
    let safe = safe(house);
    fund(house, 'erin', 3_000);
    by('erin');
    refused(safe.escape(0, 2_000 * USD + 1), 'MONEY: over the quota');
    assert!(collateral(house, 'erin') == 3_000_000_000);
    house.venue.escape(0, 2_000 * USD);
    by('alice');
    refused(safe.escape(0, 1), 'MONEY: over the quota');
    // Nothing of it happened.
    assert!(house.venue.wound_down_at() == 0 && size(house, 'alice', 0) != 0);
    // Closing needs no room.
    accepted(safe.escape(0, 0));
    after(498);
    refused(safe.escape(0, 996 * USD + 1), 'ESCAPE: more than is left');
    accepted(safe.escape(0, 996 * USD));
    assert_booked(house, array!['alice', 'bob', 'carol', 'dave', 'erin'].span());
}

#[test]
fn deposits_that_were_held_leave_with_it() {
    let house = halted_for(ESCAPE);
    mint(house, 'frank', 70);
    by('frank');
    house.venue.deposit_for(person('frank'), 70 * USD);
    house.venue.escape(0, 60 * USD);
    assert!(collateral(house, 'frank') == 10_000_000);
    assert!(house.venue.pending_deposit(person('frank')) == 0);
    assert_balanced(house, array!['alice', 'bob', 'carol', 'dave', 'frank'].span());
}

#[test]
fn it_works_with_a_broken_index_and_with_a_market_that_never_had_a_mark() {
    for checkpoint in array![true, false] {
        let house = halted_for(ESCAPE);
        list(house, 2, 'X');
        write_funding(house, 0, 0);
        if !checkpoint {
            write_checkpoint(house, 0, 0);
        }
        by('alice');
        house.venue.escape(0, 996 * USD);
        let index = if checkpoint {
            Some(0)
        } else {
            None
        };
        assert!(house.venue.closing(0) == Some(Closing { price: BTC_PRICE, index }));
        assert!(house.venue.closing(2) == None);
        assert_booked(house, PEOPLE.span());
    }
}
