//! What L1 attests of withdrawals that a rollback erased: each is debited again, once.

use starknet::EthAddress;
use crate::bridge::contract::Bridge;
use crate::bridge::events::{AttestationIgnored, AttestationSettled, Debit, WithdrawalAttested};
use crate::bridge::interface::{Due, IBridgeDispatcherTrait, IBridgeSafeDispatcherTrait};
use crate::bridge::tests::setup::{
    DEPOSITOR, Desk, Handler, L1_BRIDGE, L1_TOKEN, MARGIN, RETURNED, WALLET, by, connected, deposit,
    eth, from_l1, happened, new_epoch, pass_logs, person, refused, safe,
};
use crate::token::interface::IERC20DispatcherTrait;
use crate::vault::mocks::IMockHouseDispatcherTrait;

const RECIPIENT: felt252 = 0xa11ce;

fn attest(desk: Desk, source: felt252, amount: felt252, epoch: felt252, counter: felt252) {
    let arguments = array![L1_TOKEN, RECIPIENT, amount, epoch, counter, source, 1].span();
    from_l1(desk, 99, L1_BRIDGE, arguments, Handler::Attestation);
}

/// What the last attestation of withdrawal 5 of epoch 0 found.
fn found(desk: Desk, source: felt252, amount: u128, debit: Debit) {
    let l1_recipient: EthAddress = eth(RECIPIENT);
    let expected = WithdrawalAttested {
        source, l1_recipient, epoch: 0, counter: 5, amount, paid: true, debit,
    };
    happened(desk, Bridge::Event::WithdrawalAttested(expected));
}

/// Alice has 100 in her wallet and 200 in her margin account; withdrawal 1 of epoch 0 is known.
fn rolled_back() -> Desk {
    let desk = connected();
    deposit(desk, 7, WALLET, 'alice', 101);
    deposit(desk, 8, MARGIN, 'alice', 200);
    by('alice');
    desk.bridge.withdraw(0, eth(RECIPIENT), 1);
    new_epoch(desk, 1);
    pass_logs(desk);
    desk
}

#[test]
fn an_erased_withdrawal_is_debited_from_the_wallet_first() {
    let desk = rolled_back();
    attest(desk, 'alice', 70, 0, 5);
    found(desk, 'alice', 70, Debit { wallet: 70, venue: 0, deposit: 0, due: 0 });
    assert!(desk.bridge.attested(0, 5));
    assert_eq!(desk.token.balance_of(person('alice')), 30);
    assert_eq!(desk.token.total_supply(), 230);
    attest(desk, 'alice', 90, 0, 6);
    assert_eq!(desk.token.balance_of(person('alice')), 0);
    assert_eq!(desk.house.account(person('alice')).collateral, 140);
    assert_eq!(desk.token.total_supply(), 140);
    assert_eq!(desk.token.balance_of(desk.house.contract_address), 140);
    assert_eq!(desk.token.balance_of(desk.bridge.contract_address), 0);
}

#[test]
fn a_withdrawal_is_attested_once() {
    let desk = rolled_back();
    attest(desk, 'alice', 70, 0, 5);
    pass_logs(desk);
    // Again, and after another epoch.
    attest(desk, 'alice', 70, 0, 5);
    let again = AttestationIgnored { epoch: 0, counter: 5 };
    happened(desk, Bridge::Event::AttestationIgnored(again));
    new_epoch(desk, 2);
    attest(desk, 'alice', 70, 0, 5);
    assert_eq!(desk.token.total_supply(), 230);
}

#[test]
fn what_this_chain_remembers_is_not_debited_twice() {
    let desk = rolled_back();
    assert_eq!((desk.bridge.last_counter(0), desk.bridge.last_counter(1)), (1, 1));
    attest(desk, 'alice', 1, 0, 1);
    let known = AttestationIgnored { epoch: 0, counter: 1 };
    happened(desk, Bridge::Event::AttestationIgnored(known));
    assert!(!desk.bridge.attested(0, 1));
    assert_eq!(desk.token.total_supply(), 300);
    // One beyond it is not remembered.
    attest(desk, 'alice', 1, 0, 2);
    assert_eq!(desk.token.total_supply(), 299);
}

#[test]
fn of_an_epoch_that_was_erased_whole_nothing_is_remembered() {
    let desk = rolled_back();
    // L1 went on to epoch 3 before this chain heard of 2.
    new_epoch(desk, 3);
    assert_eq!(desk.bridge.last_counter(2), 0);
    attest(desk, 'alice', 1, 2, 1);
    assert_eq!(desk.token.total_supply(), 299);
    by('alice');
    assert_eq!(desk.bridge.withdraw(3, eth(RECIPIENT), 1), 2);
    assert_eq!((desk.bridge.last_counter(1), desk.bridge.last_counter(3)), (1, 2));
}

#[test]
#[feature("safe_dispatcher")]
fn what_is_not_found_stays_due_until_it_is() {
    let desk = rolled_back();
    desk.house.refuse('MOCK: full');
    attest(desk, 'alice', 150, 0, 5);
    found(desk, 'alice', 150, Debit { wallet: 100, venue: 0, deposit: 0, due: 50 });
    assert_eq!(desk.bridge.due(0, 5), Due { source: 'alice', amount: 50 });
    assert_eq!(desk.token.total_supply(), 200);
    let safe = safe(desk);
    by('bob');
    refused(safe.settle_attestation(0, 5), 'BRIDGE: still due');
    refused(safe.settle_attestation(0, 6), 'BRIDGE: nothing due');
    // A part of it came to the wallet.
    deposit(desk, 9, WALLET, 'alice', 20);
    pass_logs(desk);
    desk.bridge.settle_attestation(0, 5);
    let debit = Debit { wallet: 20, venue: 0, deposit: 0, due: 30 };
    let expected = AttestationSettled { epoch: 0, counter: 5, debit };
    happened(desk, Bridge::Event::AttestationSettled(expected));
    desk.house.refuse(0);
    desk.bridge.settle_attestation(0, 5);
    assert_eq!(desk.bridge.due(0, 5).amount, 0);
    assert_eq!(desk.house.account(person('alice')).collateral, 170);
    assert_eq!(desk.token.total_supply(), 170);
    refused(safe.settle_attestation(0, 5), 'BRIDGE: nothing due');
}

#[test]
fn a_return_to_l1_takes_the_deposit_that_is_parked_again() {
    let desk = rolled_back();
    deposit(desk, 20, 3, 'alice', 60);
    deposit(desk, 21, 3, 'alice', 60);
    pass_logs(desk);
    attest(desk, RETURNED + 21, 60, 0, 5);
    found(desk, RETURNED + 21, 60, Debit { wallet: 0, venue: 0, deposit: 60, due: 0 });
    assert_eq!((desk.bridge.parked(1).amount, desk.bridge.parked(2).amount), (60, 0));
    assert_eq!((desk.bridge.parked_total(), desk.token.total_supply()), (60, 360));
    assert_eq!(desk.token.balance_of(desk.bridge.contract_address), 60);
}

#[test]
fn a_return_whose_deposit_is_not_back_keeps_it_away() {
    let desk = rolled_back();
    attest(desk, RETURNED + 20, 60, 0, 5);
    found(desk, RETURNED + 20, 60, Debit { wallet: 0, venue: 0, deposit: 60, due: 0 });
    assert!(desk.bridge.delivered(20));
    assert_eq!(desk.token.total_supply(), 300);
}

#[test]
#[should_panic(expected: ('BRIDGE: already delivered',))]
fn a_deposit_that_went_back_is_not_delivered() {
    let desk = rolled_back();
    attest(desk, RETURNED + 20, 60, 0, 5);
    deposit(desk, 20, 3, 'alice', 60);
}

#[test]
fn a_return_of_what_was_claimed_this_time_is_its_recipients() {
    let desk = rolled_back();
    deposit(desk, 20, 3, 'bob', 60);
    by('bob');
    desk.bridge.claim_parked(1);
    pass_logs(desk);
    attest(desk, RETURNED + 20, 60, 0, 5);
    found(desk, RETURNED + 20, 60, Debit { wallet: 60, venue: 0, deposit: 0, due: 0 });
    assert_eq!(desk.token.balance_of(person('bob')), 0);
}

#[test]
fn a_return_of_what_was_delivered_this_time_is_insurances() {
    let desk = rolled_back();
    deposit(desk, 20, MARGIN, 'bob', 60);
    pass_logs(desk);
    attest(desk, RETURNED + 20, 60, 0, 5);
    found(desk, RETURNED + 20, 60, Debit { wallet: 0, venue: 60, deposit: 0, due: 0 });
    // The zero account: nobody is known.
    assert_eq!(desk.house.account(person(0)).collateral, -60);
    assert_eq!(desk.token.total_supply(), 300);
}

#[test]
#[should_panic(expected: ('BRIDGE: epoch not over',))]
fn of_the_current_epoch_nothing_is_attested() {
    attest(rolled_back(), 'alice', 1, 1, 5);
}

#[test]
#[should_panic(expected: ('BRIDGE: amount is zero',))]
fn nothing_is_not_attested() {
    attest(rolled_back(), 'alice', 0, 0, 5);
}

#[test]
#[should_panic(expected: ('BRIDGE: not the L1 bridge',))]
fn another_l1_contract_attests_nothing() {
    let arguments = array![L1_TOKEN, RECIPIENT, 1, 0, 5, 'alice', 1].span();
    from_l1(rolled_back(), 99, DEPOSITOR, arguments, Handler::Attestation);
}

#[test]
#[should_panic(expected: ('BRIDGE: another token',))]
fn of_another_token_nothing_is_attested() {
    let arguments = array![L1_TOKEN + 1, RECIPIENT, 1, 0, 5, 'alice', 1].span();
    from_l1(rolled_back(), 99, L1_BRIDGE, arguments, Handler::Attestation);
}
