//! The funding index: it runs while Full, it never jumps, nobody can write it.

use crate::clearinghouse::interface::{IClearinghouseSafeDispatcherTrait, Mode, Order};
use crate::clearinghouse::tests::damage::{read_funding, write_funding, write_growth};
use crate::clearinghouse::tests::here::{HereTrait, OracleHereTrait, by};
use crate::clearinghouse::tests::setup::{
    BTC, BTC_PRICE, ETH, ETH_PRICE, House, ONE, accepted, after, assert_balanced, assert_refused,
    buying, collateral, fill, fund, go_up_to, guard, listed, move_to, open, order, params, person,
    refused, report, report_one, safe, size, trade,
};
use crate::oracle::interface::MarketStatus;

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
#[ignore]
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

/// The incident's fault: an index of 0 that came from no transaction.
#[test]
#[ignore]
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
        refused(safe.withdraw(0, 1), 'FUNDING: broken');
    }
    refused(safe.margin_of(person('alice')), 'FUNDING: broken');
    refused(safe.funding_index(0), 'FUNDING: broken');
    by('carol');
    refused(safe.liquidate(0, buying('alice', 0)), 'LIQUIDATION: market not valid');
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
    refused(safe.set_mode(Mode::CancelOnly, 'report'), 'FUNDING: broken');
}

/// alice and bob hold BTC, carol and dave hold ETH; then the oracle's slot of BTC's growth breaks.
fn half_broken() -> House {
    let house = paying();
    fund(house, 'dave', 1_000);
    trade(house, BTC, 'alice', 'bob', 4 * ONE, BTC_PRICE);
    trade(house, ETH, 'carol', 'dave', 40 * ONE, ETH_PRICE);
    accrue(house, 10);
    write_growth(house, 0, 0);
    house
}

#[test]
#[feature("safe_dispatcher")]
fn a_broken_growth_stops_its_market_and_no_other() {
    let house = half_broken();
    let safe = safe(house);
    assert!(house.oracle.mark(0).funding_broken && !house.oracle.mark(1).funding_broken);
    assert!(house.oracle.mark(0).status == MarketStatus::Valid);
    // Reports go on, and leave the slot as it is.
    accrue(house, 10);
    assert!(house.oracle.mark(0).funding_broken && house.oracle.mark(0).funding_growth == 0);
    refused(safe.funding_index(0), 'FUNDING: broken');
    assert!(house.venue.funding_index(1) == 2 * STEP);
    // Of one batch: a fill in BTC, one that opens in ETH for a holder of BTC, one of others.
    let buy = |name: felt252, salt: felt252| -> Order {
        Order { market: ETH, salt, ..order(house, name, true, ONE, ETH_PRICE) }
    };
    let sell = |name: felt252, salt: felt252| -> Order {
        Order { market: ETH, salt, ..order(house, name, false, ONE, ETH_PRICE) }
    };
    let btc = fill(
        house,
        order(house, 'bob', true, ONE, BTC_PRICE),
        order(house, 'alice', false, ONE, BTC_PRICE),
        ONE,
        BTC_PRICE,
    );
    let opens = fill(house, sell('alice', 1), buy('dave', 1), ONE, ETH_PRICE);
    let others = fill(house, sell('carol', 2), buy('dave', 2), ONE, ETH_PRICE);
    let reasons = array!['FUNDING: broken', 'FUNDING: broken'];
    assert_refused(house, array![btc, opens, others].span(), reasons.span());
    assert!(size(house, 'carol', 1) == 39 * ONE.try_into().unwrap());
    by('alice');
    refused(safe.withdraw(0, 1), 'FUNDING: broken');
    by('carol');
    accepted(safe.withdraw(0, 1));
    assert_balanced(house, array!['alice', 'bob', 'carol', 'dave'].span());
}

#[test]
#[feature("safe_dispatcher")]
fn nobody_is_liquidated_who_holds_a_broken_market_and_who_does_takes_nothing_over() {
    let house = open();
    fund(house, 'dave', 1_000);
    fund(house, 'erin', 100_000);
    trade(house, ETH, 'alice', 'bob', 90 * ONE, ETH_PRICE);
    trade(house, ETH, 'carol', 'dave', 90 * ONE, ETH_PRICE);
    trade(house, BTC, 'alice', 'erin', ONE / 100, BTC_PRICE);
    move_to(house, BTC_PRICE, 93 * ONE);
    write_growth(house, 0, 0);
    by('dave');
    refused(safe(house).liquidate(0, buying('alice', 1)), 'FUNDING: broken');
    by('erin');
    refused(safe(house).liquidate(0, buying('carol', 1)), 'FUNDING: broken');
    fund(house, 'frank', 100_000);
    by('frank');
    accepted(safe(house).liquidate(0, buying('carol', 1)));
}

#[test]
#[feature("safe_dispatcher")]
fn stopping_works_with_a_broken_growth_and_going_up_does_not() {
    let house = half_broken();
    let before = read_funding(house, 0);
    by('guardian');
    house.venue.set_mode(Mode::Halted, 0);
    assert!(read_funding(house, 0) == before);
    after(60);
    report(house, BTC_PRICE, ETH_PRICE, 0);
    by('admin');
    refused(safe(house).set_mode(Mode::CancelOnly, 'report'), 'FUNDING: broken');
}
