//! What leaves: the quota, its configuration, and what a withdrawal must leave behind.

use crate::clearinghouse::interface::{
    IClearinghouseSafeDispatcherTrait, Mode, OutflowParams, OutflowView,
};
use crate::clearinghouse::tests::here::{HereTrait, OracleHereTrait, TokenHereTrait, by};
use crate::clearinghouse::tests::setup::{
    BTC, BTC_PRICE, ETH_PRICE, ONE, USD, accepted, after, assert_balanced, collateral, fund, mint,
    move_to, open, outflow_params, person, refused, report, safe, trade,
};
use crate::oracle::interface::MarketStatus;

const PEOPLE: [felt252; 4] = ['alice', 'bob', 'carol', 'dave'];

#[test]
#[feature("safe_dispatcher")]
fn what_leaves_is_under_one_quota_that_runs_out() {
    let house = open();
    let safe = safe(house);
    assert!(house.venue.outflow() == OutflowView { level: 0, room: 2_000 * USD });
    by('alice');
    house.venue.withdraw(0, 1_000 * USD);
    by('bob');
    house.venue.withdraw(0, 1_000 * USD);
    assert!(house.venue.outflow() == OutflowView { level: 2_000 * USD, room: 0 });
    by('carol');
    refused(safe.withdraw(0, 1), 'MONEY: over the quota');
    assert!(collateral(house, 'carol') == 1_000_000_000);
    assert!(house.token.balance_of(person('carol')) == 0);
    assert!(house.venue.outflow() == OutflowView { level: 2_000 * USD, room: 0 });
    assert_balanced(house, PEOPLE.span());
    // 2 USD a second.
    after(3);
    refused(safe.withdraw(0, 6 * USD + 1), 'MONEY: over the quota');
    accepted(safe.withdraw(0, 6 * USD));
    refused(safe.withdraw(0, 1), 'MONEY: over the quota');
    after(1_000);
    report(house, BTC_PRICE, ETH_PRICE, 0);
    assert!(house.venue.outflow() == OutflowView { level: 0, room: 2_000 * USD });
    assert_balanced(house, PEOPLE.span());
}

#[test]
fn another_quota_leaves_what_has_run_out_so_far() {
    let house = open();
    by('alice');
    house.venue.withdraw(0, 1_000 * USD);
    // 2 USD a second, then 20.
    after(100);
    by('admin');
    let params = OutflowParams { outflow_limit: 20_000 * USD, ..outflow_params() };
    house.venue.configure_outflow(params);
    assert!(house.venue.outflow() == OutflowView { level: 800 * USD, room: 19_200 * USD });
    after(10);
    assert!(house.venue.outflow().level == 600 * USD);
}

#[test]
fn what_stays_in_the_venue_is_under_no_quota() {
    let house = open();
    fund(house, 'dave', 3_000);
    by('dave');
    house.venue.withdraw(0, 2_000 * USD);
    house.venue.fund_insurance(1_000 * USD);
    trade(house, BTC, 'alice', 'bob', ONE, BTC_PRICE);
    by('admin');
    house.venue.collect_fees(person('dave'), USD);
    assert!(house.venue.outflow().room == 0);
    assert_balanced(house, PEOPLE.span());
}

#[test]
#[feature("safe_dispatcher")]
fn a_held_deposit_goes_back_to_its_account_under_the_quota() {
    let house = open();
    let safe = safe(house);
    mint(house, 'dave', 50);
    by('guardian');
    house.venue.set_mode(Mode::Halted, 0);
    by('dave');
    refused(safe.return_pending(), 'MONEY: nothing pending');
    house.venue.deposit_for(person('dave'), 20 * USD);
    house.venue.deposit_for(person('alice'), 30 * USD);
    by('bob');
    refused(safe.return_pending(), 'MONEY: nothing pending');
    by('dave');
    house.venue.return_pending();
    assert!(house.token.balance_of(person('dave')) == (20 * USD).into());
    assert!(house.venue.pending_deposit(person('dave')) == 0);
    assert!(house.venue.ledger().pending == 30_000_000);
    assert!(house.venue.outflow().level == 20 * USD);
    refused(safe.return_pending(), 'MONEY: nothing pending');
    assert_balanced(house, PEOPLE.span());
    // What is pending for others is not there for a withdrawal, and the quota holds here too.
    mint(house, 'dave', 3_000);
    by('dave');
    house.venue.deposit_for(person('dave'), 3_000 * USD);
    refused(safe.return_pending(), 'MONEY: over the quota');
    assert!(house.venue.pending_deposit(person('dave')) == 3_000 * USD);
    assert_balanced(house, PEOPLE.span());
}

#[test]
#[ignore]
#[feature("safe_dispatcher")]
fn the_quota_is_configured_by_the_admin_within_reason() {
    let house = open();
    let safe = safe(house);
    assert!(house.venue.outflow_params() == outflow_params());
    for name in array!['alice', 'operator', 'guardian', 'sentinel'] {
        by(name);
        refused(safe.configure_outflow(outflow_params()), 'ACCESS: not the admin');
    }
    by('admin');
    for (bad, reason) in array![
        (OutflowParams { outflow_limit: 0, ..outflow_params() }, 'OUTFLOW: limit'),
        (OutflowParams { outflow_window: 0, ..outflow_params() }, 'OUTFLOW: window'),
        (OutflowParams { escape_delay: 2_592_001, ..outflow_params() }, 'OUTFLOW: escape delay'),
        (OutflowParams { restore_delay: 0, ..outflow_params() }, 'OUTFLOW: restore delay'),
    ] {
        refused(safe.configure_outflow(bad), reason);
    }
    let tight = OutflowParams {
        outflow_limit: 100 * USD, outflow_window: 2_000, escape_delay: 6_000, restore_delay: 9,
    };
    house.venue.configure_outflow(tight);
    assert!(house.venue.outflow_params() == tight);
    by('alice');
    refused(safe.withdraw(0, 100 * USD + 1), 'MONEY: over the quota');
    accepted(safe.withdraw(0, 100 * USD));
    // Who waits to escape is not held back.
    by('guardian');
    house.venue.set_mode(Mode::Halted, 0);
    by('admin');
    for worse in array![
        OutflowParams { outflow_limit: 100 * USD - 1, ..tight },
        OutflowParams { outflow_window: 2_001, ..tight },
        OutflowParams { escape_delay: 6_001, ..tight },
    ] {
        refused(safe.configure_outflow(worse), 'OUTFLOW: holds back in halted');
    }
    house.venue.configure_outflow(OutflowParams { restore_delay: 10, ..tight });
    house.venue.configure_outflow(outflow_params());
    assert!(house.venue.outflow_params() == outflow_params());
}

/// 2 BTC at 1,000 between alice and bob, then the mark at 900 and the anchor still at 1,000.
#[test]
#[ignore]
#[feature("safe_dispatcher")]
fn a_stale_or_frozen_market_counts_at_the_worse_of_mark_and_anchor() {
    for frozen in array![true, false] {
        let house = open();
        trade(house, BTC, 'alice', 'bob', 2 * ONE, BTC_PRICE);
        move_to(house, 900 * ONE, ETH_PRICE);
        let safe = safe(house);
        let status = if frozen {
            by('admin');
            house.oracle.freeze(0);
            MarketStatus::Frozen
        } else {
            after(91);
            MarketStatus::Stale
        };
        let mark = house.oracle.mark(0);
        assert!(mark.status == status && mark.price == 900 * ONE && mark.anchor == BTC_PRICE);
        // alice: V = 798 at 900, initial = 180; bob: V = 1,000 at 1,000, initial = 200.
        by('alice');
        refused(safe.withdraw(0, 618 * USD + 1), 'MARGIN: below initial');
        accepted(safe.withdraw(0, 618 * USD));
        by('bob');
        refused(safe.withdraw(0, 800 * USD + 1), 'MARGIN: below initial');
        accepted(safe.withdraw(0, 800 * USD));
    }
}
