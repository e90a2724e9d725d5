//! A withdrawal that a rollback erased and L1 pays all the same: from the account as far as it is
//! free, from insurance beyond that, which is owed it.

use core::num::traits::Zero;
use starknet::testing::pop_log;
use crate::clearinghouse::interface::{IClearinghouseSafeDispatcherTrait, Mode};
use crate::clearinghouse::money::Money;
use crate::clearinghouse::tests::here::{HereTrait, TokenHereTrait, by};
use crate::clearinghouse::tests::setup::{
    BTC, BTC_PRICE, House, ONE, USD, accepted, assert_balanced, clear, collateral, go_up_to, open,
    person, refused, safe, trade,
};

const PEOPLE: [felt252; 3] = ['alice', 'bob', 'carol'];

#[feature("safe_dispatcher")]
fn reconciled(house: House, name: felt252, amount: u128) {
    by('bridge');
    accepted(safe(house).reconcile(person(name), amount));
}

#[test]
#[feature("safe_dispatcher")]
fn what_is_free_is_debited_and_given_to_the_bridge() {
    let house = open();
    clear(house);
    reconciled(house, 'alice', 300 * USD);
    let said = pop_log::<Money::Event>(house.venue.address).unwrap();
    match said {
        Money::Event::Reconciled(said) => {
            assert!(said.account == person('alice') && said.amount == 300 * USD);
            assert!(said.from_margin == 300 * USD && said.shortfall == 0 && said.owed == 0);
        },
        _ => panic!("no Reconciled"),
    }
    assert!(collateral(house, 'alice') == 700_000_000);
    assert!(house.token.balance_of(person('bridge')) == (300 * USD).into());
    assert!(safe(house).receivable(person('alice')).unwrap() == 0);
    assert_balanced(house, PEOPLE.span());
}

#[test]
#[ignore]
#[feature("safe_dispatcher")]
fn an_account_keeps_its_initial_margin_and_owes_the_rest() {
    let house = open();
    trade(house, BTC, 'alice', 'bob', 5 * ONE, BTC_PRICE);
    // alice: V = 995, initial = 500.
    reconciled(house, 'alice', 600 * USD);
    let margin = house.venue.margin_of(person('alice'));
    assert!(margin.value == margin.initial);
    assert!(house.venue.ledger().insurance == -105_000_000);
    assert!(house.token.balance_of(person('bridge')) == (600 * USD).into());
    assert!(safe(house).receivable(person('alice')).unwrap() == 105 * USD);
    assert_balanced(house, PEOPLE.span());
    let safe = safe(house);
    by('stranger');
    refused(safe.collect_receivable(person('alice')), 'MONEY: nothing free');
    refused(safe.collect_receivable(person('bob')), 'MONEY: owes nothing');
    // Freed, it is insurance's before it is hers.
    trade(house, BTC, 'bob', 'alice', 3 * ONE, BTC_PRICE);
    by('alice');
    refused(safe.withdraw(0, USD), 'MONEY: owes insurance');
    refused(safe.fund_insurance(USD), 'MONEY: owes insurance');
    by('stranger');
    accepted(safe.collect_receivable(person('alice')));
    assert!(safe.receivable(person('alice')).unwrap() == 0);
    assert!(house.venue.ledger().insurance == 0);
    by('alice');
    accepted(safe.withdraw(0, USD));
    assert_balanced(house, PEOPLE.span());
}

#[test]
#[feature("safe_dispatcher")]
fn a_debt_is_collected_as_it_comes_free() {
    let house = open();
    trade(house, BTC, 'alice', 'bob', 5 * ONE, BTC_PRICE);
    reconciled(house, 'alice', 700 * USD);
    trade(house, BTC, 'bob', 'alice', ONE, BTC_PRICE);
    let safe = safe(house);
    // 100 of margin are free, less what the fill cost her.
    let collected = safe.collect_receivable(person('alice')).unwrap();
    assert!(collected > 0 && collected <= 100 * USD);
    assert!(safe.receivable(person('alice')).unwrap() == 205 * USD - collected);
    refused(safe.collect_receivable(person('alice')), 'MONEY: nothing free');
    assert_balanced(house, PEOPLE.span());
}

#[test]
#[feature("safe_dispatcher")]
fn in_halted_too_and_of_nobody_that_is_known() {
    let house = open();
    by('guardian');
    house.venue.set_mode(Mode::Halted, 0);
    reconciled(house, 'alice', 10 * USD);
    reconciled(house, 0, 20 * USD);
    assert!(collateral(house, 'alice') == 990_000_000);
    assert!(house.venue.ledger().insurance == -20_000_000);
    assert!(safe(house).receivable(Zero::zero()).unwrap() == 20 * USD);
    assert_balanced(house, PEOPLE.span());
    go_up_to(house, Mode::CancelOnly);
}

#[test]
#[feature("safe_dispatcher")]
fn only_the_bridge_reconciles_and_no_more_than_is_held() {
    let house = open();
    let safe = safe(house);
    by('admin');
    refused(safe.reconcile(person('alice'), 1), 'MONEY: not the bridge');
    by('bridge');
    refused(safe.reconcile(person('alice'), 0), 'MONEY: amount is zero');
    refused(safe.reconcile(person('alice'), 3_000 * USD + 1), 'MONEY: more than is held');
    assert!(collateral(house, 'alice') == 1_000_000_000);
    reconciled(house, 'alice', 3_000 * USD);
    assert!(collateral(house, 'alice') == 0);
    assert!(house.venue.ledger().total == 0);
    assert_balanced(house, PEOPLE.span());
}
