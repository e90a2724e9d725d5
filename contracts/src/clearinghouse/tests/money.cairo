//! Collateral in and out, and the books.

use core::num::traits::Zero;
use crate::clearinghouse::interface::{IClearinghouseSafeDispatcherTrait, Mode};
use crate::clearinghouse::tests::here::{HereTrait, OracleHereTrait, TokenHereTrait, by};
use crate::clearinghouse::tests::setup::{
    BTC, BTC_PRICE, ETH_PRICE, ONE, USD, accepted, after, assert_balanced, collateral, go_up_to,
    mint, move_to, open, person, refused, report, report_one, safe, trade,
};
use crate::oracle::interface::MarketStatus;

const PEOPLE: [felt252; 4] = ['alice', 'bob', 'carol', 'dave'];

#[test]
#[feature("safe_dispatcher")]
fn a_deposit_is_paid_by_the_caller_and_credited_to_anyone() {
    let house = open();
    mint(house, 'dave', 100);
    by('dave');
    house.venue.deposit_for(person('dave'), 40 * USD);
    house.venue.deposit_for(person('bob'), 60 * USD);
    assert!(collateral(house, 'dave') == 40_000_000 && collateral(house, 'bob') == 1_060_000_000);
    assert!(house.token.balance_of(person('dave')) == 0);
    refused(safe(house).deposit(1), 'ERC20: allowance too low');
    refused(safe(house).deposit(0), 'MONEY: amount is zero');
    refused(safe(house).deposit_for(Zero::zero(), 1), 'MONEY: not an account');
    let here = house.venue.address;
    refused(safe(house).deposit_for(here, 1), 'MONEY: not an account');
    assert_balanced(house, PEOPLE.span());
}

#[test]
#[feature("safe_dispatcher")]
fn a_deposit_in_halted_waits() {
    let house = open();
    by('guardian');
    house.venue.set_mode(Mode::Halted, 0);
    mint(house, 'dave', 50);
    by('dave');
    house.venue.deposit_for(person('dave'), 50 * USD);
    assert!(collateral(house, 'dave') == 0);
    assert!(house.venue.pending_deposit(person('dave')) == 50 * USD);
    assert!(house.venue.ledger().pending == 50_000_000);
    assert_balanced(house, PEOPLE.span());
    refused(safe(house).credit_pending(person('dave')), 'MODE: halted');
    go_up_to(house, Mode::CancelOnly);
    by('stranger');
    house.venue.credit_pending(person('dave'));
    assert!(collateral(house, 'dave') == 50_000_000);
    refused(safe(house).credit_pending(person('dave')), 'MONEY: nothing pending');
    assert_balanced(house, PEOPLE.span());
}

#[test]
#[feature("safe_dispatcher")]
fn a_withdrawal_leaves_initial_margin() {
    let house = open();
    trade(house, BTC, 'alice', 'bob', 5 * ONE, BTC_PRICE);
    let safe = safe(house);
    // alice: V = 995, initial = 500.
    by('alice');
    refused(safe.withdraw(1, USD), 'EPOCH: another epoch');
    refused(safe.withdraw(0, 0), 'MONEY: amount is zero');
    refused(safe.withdraw(0, 495 * USD + 1), 'MARGIN: below initial');
    house.venue.withdraw(0, 495 * USD);
    assert!(house.token.balance_of(person('alice')) == (495 * USD).into());
    refused(safe.withdraw(0, 1), 'MARGIN: below initial');
    let margin = house.venue.margin_of(person('alice'));
    assert!(margin.value == margin.initial);
    // carol has nothing open: all of it, and no unit more.
    by('carol');
    refused(safe.withdraw(0, 1_000 * USD + 1), 'MARGIN: below initial');
    house.venue.withdraw(0, 1_000 * USD);
    assert!(collateral(house, 'carol') == 0);
    assert_balanced(house, PEOPLE.span());
}

#[test]
#[feature("safe_dispatcher")]
fn what_is_not_valid_counts_at_its_worst_for_a_withdrawal() {
    let house = open();
    trade(house, BTC, 'alice', 'bob', 2 * ONE, BTC_PRICE);
    // Suspect: last good 1,000, candidate 650. A long counts at 650, a short at 1,000.
    after(1);
    report(house, 650 * ONE, ETH_PRICE, 0);
    assert!(house.oracle.mark(0).status == MarketStatus::Suspect);
    let safe = safe(house);
    by('alice');
    // V = 998 - 700 = 298, initial = 130.
    refused(safe.withdraw(0, 168 * USD + 1), 'MARGIN: below initial');
    accepted(safe.withdraw(0, 168 * USD));
    by('bob');
    // V = 1,000, initial = 200.
    refused(safe.withdraw(0, 800 * USD + 1), 'MARGIN: below initial');
    accepted(safe.withdraw(0, 800 * USD));
    // The view is at the last good mark.
    let margin = house.venue.margin_of(person('alice'));
    assert!(margin.value == (998 - 168) * 10_000_000_000_000_000);
}

#[test]
#[feature("safe_dispatcher")]
fn a_market_that_an_account_does_not_hold_is_not_in_its_way() {
    let house = open();
    trade(house, BTC, 'alice', 'bob', ONE, BTC_PRICE);
    after(89);
    report_one(house, 0, BTC_PRICE, 0);
    after(2);
    assert!(house.oracle.mark(1).status == MarketStatus::Stale);
    by('alice');
    accepted(safe(house).withdraw(0, 100 * USD));
}

#[test]
#[feature("safe_dispatcher")]
fn fees_and_insurance_stay_in_the_ledger() {
    let house = open();
    trade(house, BTC, 'alice', 'bob', 5 * ONE, BTC_PRICE);
    let safe = safe(house);
    by('admin');
    refused(safe.collect_fees(person('dave'), 5 * USD + 1), 'MONEY: more than the fees');
    refused(safe.collect_fees(person('dave'), 0), 'MONEY: amount is zero');
    refused(safe.collect_fees(Zero::zero(), 1), 'MONEY: not an account');
    house.venue.collect_fees(person('dave'), 5 * USD);
    assert!(collateral(house, 'dave') == 5_000_000 && house.venue.ledger().fees == 0);
    by('carol');
    house.venue.fund_insurance(100 * USD);
    assert!(house.venue.ledger().insurance == 100_000_000);
    assert!(collateral(house, 'carol') == 900_000_000);
    refused(safe.fund_insurance(900 * USD + 1), 'MARGIN: below initial');
    assert_balanced(house, PEOPLE.span());
    by('guardian');
    house.venue.set_mode(Mode::Halted, 0);
    by('admin');
    refused(safe.collect_fees(person('dave'), 1), 'MODE: halted');
}

#[test]
#[feature("safe_dispatcher")]
fn tokens_without_a_deposit_are_booked_by_the_admin() {
    let house = open();
    mint(house, 'dave', 7);
    by('dave');
    house.token.transfer(house.venue.address, (7 * USD).into());
    assert!(house.venue.ledger().total == 3_000_000_000);
    by('admin');
    assert!(house.venue.book_surplus() == 7 * USD);
    assert!(house.venue.ledger().insurance == 7_000_000);
    assert_balanced(house, PEOPLE.span());
    refused(safe(house).book_surplus(), 'MONEY: no surplus');
}

#[test]
fn one_accounts_profit_is_paid_before_the_others_loss() {
    let house = open();
    trade(house, BTC, 'alice', 'bob', 5 * ONE, BTC_PRICE);
    move_to(house, 1_100 * ONE, ETH_PRICE);
    after(1);
    trade(house, BTC, 'carol', 'alice', 5 * ONE, 1_100 * ONE);
    by('alice');
    let all: u128 = collateral(house, 'alice').try_into().unwrap();
    house.venue.withdraw(0, all);
    assert!(all == 1_000 * USD - 5 * USD + 500 * USD);
    assert_balanced(house, PEOPLE.span());
}

/// What the vault, whose own account it may be, goes by.
#[test]
#[feature("safe_dispatcher")]
fn a_standing_says_the_worst_and_whether_it_is_proven() {
    let house = open();
    trade(house, BTC, 'alice', 'bob', ONE, BTC_PRICE);
    let (long, short, none) = (person('alice'), person('bob'), person('carol'));
    let standing = safe(house).standing(long).unwrap();
    assert!(standing.valid && standing.mode == Mode::Full);
    assert!(standing.margin == house.venue.margin_of(long));
    // Beyond a step: a candidate waits, 400 USD below the mark.
    after(5);
    report(house, 600 * ONE, ETH_PRICE, 0);
    let standing = safe(house).standing(long).unwrap();
    assert!(!standing.valid);
    let loss = house.venue.margin_of(long).value - standing.margin.value;
    assert!(loss == 400 * 10_000_000_000_000_000);
    let standing = safe(house).standing(short).unwrap();
    assert!(!standing.valid && standing.margin.value == house.venue.margin_of(short).value);
    // Who holds nothing of it is not touched by it.
    assert!(safe(house).standing(none).unwrap().valid);
}
