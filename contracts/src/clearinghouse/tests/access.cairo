//! Every entry point, called on the contract itself by someone who may not.

use crate::access::interface::{IAccessSafeDispatcher, IAccessSafeDispatcherTrait};
use crate::access::{ADMIN_DELAY, OPERATOR};
use crate::clearinghouse::interface::{IClearinghouseSafeDispatcherTrait, Mode};
use crate::clearinghouse::tests::here::by;
use crate::clearinghouse::tests::setup::{
    ONE, accepted, after, buying, open, order, params, person, refused, safe, venue_params,
    waterfall_params,
};

#[test]
#[ignore]
#[feature("safe_dispatcher")]
fn a_stranger_may_nothing() {
    let house = open();
    let safe = safe(house);
    by('stranger');
    refused(safe.settle(0, array![].span()), 'ACCESS: not the operator');
    refused(safe.deleverage(0, person('alice'), 0, array![].span()), 'ACCESS: not the operator');
    refused(safe.set_mode(Mode::Halted, 0), 'ACCESS: may not stop');
    refused(safe.set_mode(Mode::Full, 'report'), 'ACCESS: not the admin');
    refused(safe.end_silence(), 'VENUE: not the oracle');
    refused(safe.set_epoch(1), 'VENUE: not the bridge');
    refused(safe.list_market('SOL-USD-PERP', params()), 'ACCESS: not the admin');
    refused(safe.configure_market(0, params()), 'ACCESS: not the admin');
    refused(safe.configure_venue(venue_params()), 'ACCESS: not the admin');
    refused(safe.collect_fees(person('stranger'), 1), 'ACCESS: not the admin');
    refused(safe.book_surplus(), 'ACCESS: not the admin');
    refused(safe.connect(person('stranger'), person('stranger')), 'ACCESS: not the admin');
    refused(safe.configure_waterfall(waterfall_params()), 'ACCESS: not the admin');
    let other = array![person('bob')].span();
    refused(safe.deleverage(0, person('alice'), 0, other), 'ACCESS: not the operator');
}

#[test]
#[feature("safe_dispatcher")]
fn each_role_may_only_its_own() {
    let house = open();
    let safe = safe(house);
    by('operator');
    refused(safe.set_mode(Mode::Halted, 0), 'ACCESS: may not stop');
    refused(safe.configure_market(0, params()), 'ACCESS: not the admin');
    by('admin');
    refused(safe.settle(0, array![].span()), 'ACCESS: not the operator');
    refused(safe.end_silence(), 'VENUE: not the oracle');
    refused(safe.set_epoch(1), 'VENUE: not the bridge');
    for name in array!['guardian', 'sentinel'] {
        by(name);
        refused(safe.settle(0, array![].span()), 'ACCESS: not the operator');
        refused(safe.configure_venue(venue_params()), 'ACCESS: not the admin');
    }
}

#[test]
#[ignore]
#[feature("safe_dispatcher")]
fn nobody_acts_for_another_account() {
    let house = open();
    let safe = safe(house);
    let order = order(house, 'alice', true, ONE, 1_000 * ONE);
    by('bob');
    refused(safe.cancel(order), 'ORDER: not its account');
    refused(safe.approve_order(order), 'ORDER: not its account');
    refused(safe.revoke_trading_key(1), 'KEY: not registered');
    by('stranger');
    refused(safe.withdraw(0, 1), 'MARGIN: below initial');
    refused(safe.fund_insurance(1), 'MARGIN: below initial');
    refused(safe.deposit(1), 'ERC20: allowance too low');
    refused(safe.deposit_for(person('alice'), 1), 'ERC20: allowance too low');
    refused(safe.credit_pending(person('alice')), 'MONEY: nothing pending');
    by('alice');
    refused(safe.liquidate(0, buying('alice', 0)), 'LIQUIDATION: own account');
}

#[test]
#[feature("safe_dispatcher")]
fn roles_are_the_admins_to_give() {
    let house = open();
    let access = IAccessSafeDispatcher { contract_address: house.venue.address };
    by('stranger');
    refused(access.grant_role(OPERATOR, person('stranger')), 'ACCESS: not the admin');
    refused(access.revoke_role(OPERATOR, person('operator')), 'ACCESS: not the admin');
    refused(access.propose_admin(person('stranger')), 'ACCESS: not the admin');
    refused(access.accept_admin(), 'ACCESS: not proposed');
    by('admin');
    accepted(access.propose_admin(person('heir')));
    accepted(safe(house).configure_venue(venue_params()));
    by('heir');
    refused(access.accept_admin(), 'ACCESS: too early');
    after(ADMIN_DELAY);
    accepted(access.accept_admin());
    accepted(safe(house).configure_venue(venue_params()));
    by('admin');
    refused(safe(house).configure_venue(venue_params()), 'ACCESS: not the admin');
}

/// The contract hands each call on to its class, with the caller.
#[test]
#[ignore]
#[feature("safe_dispatcher")]
fn the_contract_runs_its_classes() {
    let house = open();
    let safe = safe(house);
    crate::clearinghouse::tests::setup::mint(house, 'dave', 10);
    by('dave');
    accepted(safe.deposit(4_000_000));
    accepted(safe.deposit_for(person('dave'), 6_000_000));
    let order = order(house, 'dave', true, ONE, 1_000 * ONE);
    accepted(safe.approve_order(order));
    accepted(safe.cancel(order));
    accepted(safe.cancel_all());
    let key = 0x335578e702fb8e1835ef12342af7deda51c21e030dfce0dad3283880f4f8427;
    accepted(safe.register_trading_key(key, 1_800_000_000));
    assert!(safe.trading_key_expiry(person('dave'), key).unwrap() == 1_800_000_000);
    accepted(safe.revoke_trading_key(key));
    accepted(safe.fund_insurance(1_000_000));
    accepted(safe.withdraw(0, 2_000_000));
    accepted(safe.liquidate_many(0, array![].span()));
    let account = safe.account(person('dave')).unwrap();
    assert!(account.collateral == 7_000_000 && account.account_epoch == 1);
    assert!(safe.margin_of(person('dave')).unwrap().value == 70_000_000_000_000_000);
    by('operator');
    accepted(safe.settle(0, array![].span()));
    by('sentinel');
    accepted(safe.set_mode(Mode::PostOnly, 0));
    assert!(safe.mode().unwrap() == Mode::PostOnly);
    assert!(safe.bridge().unwrap() == person('bridge'));
    assert!(safe.oracle().unwrap() == house.oracle.address);
    assert!(safe.token().unwrap() == house.token.address);
    let venue: felt252 = safe.classes().unwrap().venue.into();
    assert!(venue == crate::clearinghouse::venue::Venue::TEST_CLASS_HASH.into());
}
