//! What a deposit from L1 does, what is parked, and how that leaves.

use crate::bridge::contract::Bridge;
use crate::bridge::events::{DepositDelivered, ParkedClaimed, ParkedReturned, WithdrawalRegistered};
use crate::bridge::interface::{Destination, IBridgeDispatcherTrait, IBridgeSafeDispatcherTrait};
use crate::bridge::tests::setup::{
    DEPOSITOR, Handler, L1_BRIDGE, L1_TOKEN, MARGIN, RETURNED, RETURN_DELAY, VAULT, WALLET, at, by,
    connected, deposit, eth, from_l1, happened, parked, pass_logs, person, refused, safe, sent,
};
use crate::clearinghouse::interface::Mode;
use crate::token::interface::IERC20DispatcherTrait;
use crate::vault::mocks::IMockHouseDispatcherTrait;

#[test]
fn a_deposit_reaches_each_destination() {
    let desk = connected();
    let alice = person('alice');
    let cases = array![
        (7, WALLET, Destination::Wallet), (8, MARGIN, Destination::Margin),
        (9, VAULT, Destination::Vault),
    ];
    for (nonce, code, destination) in cases {
        deposit(desk, nonce, code, 'alice', 5_000_000);
        let expected = DepositDelivered {
            recipient: alice, depositor: eth(DEPOSITOR), nonce, destination, amount: 5_000_000,
        };
        happened(desk, Bridge::Event::DepositDelivered(expected));
        assert!(desk.bridge.delivered(nonce));
    }
    assert_eq!(desk.token.balance_of(alice), 5_000_000);
    assert_eq!(desk.house.account(alice).collateral, 5_000_000);
    assert_eq!(desk.shares.balance_of(alice), 5_000_000_000_000);
    assert_eq!(desk.house.account(desk.shares.contract_address).collateral, 5_000_000);
    // One for one, and nothing stays at the bridge.
    assert_eq!(
        (desk.token.total_supply(), desk.token.balance_of(desk.bridge.contract_address)),
        (15_000_000, 0),
    );
    assert_eq!((desk.bridge.parked_count(), desk.bridge.parked_total()), (0, 0));
    assert!(!desk.bridge.delivered(10));
}

#[test]
#[should_panic(expected: ('BRIDGE: not the L1 bridge',))]
fn another_l1_contract_makes_no_deposit() {
    let desk = connected();
    from_l1(
        desk,
        7,
        L1_BRIDGE + 1,
        array![L1_TOKEN, DEPOSITOR, WALLET, 'alice', 100].span(),
        Handler::Deposit,
    );
}

#[test]
#[should_panic(expected: ('BRIDGE: another token',))]
fn another_l1_token_makes_no_deposit() {
    let desk = connected();
    from_l1(
        desk,
        7,
        L1_BRIDGE,
        array![L1_TOKEN + 1, DEPOSITOR, WALLET, 'alice', 100].span(),
        Handler::Deposit,
    );
}

#[test]
#[should_panic(expected: ('BRIDGE: amount is zero',))]
fn nothing_is_no_deposit() {
    deposit(connected(), 7, WALLET, 'alice', 0);
}

#[test]
#[should_panic(expected: ('BRIDGE: already delivered',))]
fn a_deposit_is_delivered_once() {
    let desk = connected();
    deposit(desk, 7, WALLET, 'alice', 100);
    deposit(desk, 7, WALLET, 'alice', 100);
}

#[test]
#[should_panic(expected: ('BRIDGE: already delivered',))]
fn a_parked_deposit_is_not_delivered_again() {
    let desk = connected();
    deposit(desk, 7, MARGIN, 0, 100);
    deposit(desk, 7, MARGIN, 'alice', 100);
}

#[test]
fn a_recipient_that_could_never_claim_is_parked() {
    let desk = connected();
    // Zero, beyond the addresses, and the venue's own contracts.
    let recipients = array![
        0, -1, desk.bridge.contract_address.into(), desk.token.contract_address.into(),
        desk.house.contract_address.into(), desk.shares.contract_address.into(),
        desk.oracle.contract_address.into(),
    ];
    let mut nonce = 20;
    for recipient in recipients {
        deposit(desk, nonce, WALLET, recipient, 100);
        let parked = desk.bridge.parked(desk.bridge.parked_count());
        assert_eq!((parked.recipient, parked.amount), (recipient, 100));
        nonce += 1;
    }
    assert_eq!((desk.bridge.parked_count(), desk.bridge.parked_total()), (7, 700));
    assert_eq!(desk.token.balance_of(desk.bridge.contract_address), 700);
}

#[test]
fn a_bad_recipient_is_parked_with_its_reason() {
    let desk = connected();
    deposit(desk, 7, MARGIN, 0, 100);
    parked(desk, 0, MARGIN, 100, 'BRIDGE: bad recipient');
}

#[test]
fn a_bad_destination_is_parked() {
    let desk = connected();
    deposit(desk, 7, 3, 'alice', 100);
    parked(desk, 'alice', 3, 100, 'BRIDGE: bad destination');
}

#[test]
fn a_margin_deposit_to_a_halted_venue_is_parked() {
    let desk = connected();
    desk.house.put_mode(Mode::Halted);
    deposit(desk, 7, MARGIN, 'alice', 100);
    parked(desk, 'alice', MARGIN, 100, 'BRIDGE: venue is halted');
}

#[test]
fn a_deposit_to_a_closed_vault_is_parked() {
    let desk = connected();
    desk.house.put_mode(Mode::CancelOnly);
    deposit(desk, 7, VAULT, 'alice', 100);
    parked(desk, 'alice', VAULT, 100, 'VAULT: closed');
    // A margin account takes deposits in this mode.
    deposit(desk, 8, MARGIN, 'alice', 100);
    assert_eq!(desk.house.account(person('alice')).collateral, 100);
}

#[test]
fn a_deposit_that_the_venue_refuses_is_parked() {
    let desk = connected();
    desk.house.refuse('MOCK: full');
    deposit(desk, 7, MARGIN, 'alice', 100);
    parked(desk, 'alice', MARGIN, 100, 'MOCK: full');
}

#[test]
fn a_wallet_deposit_needs_no_venue() {
    let desk = connected();
    desk.house.put_mode(Mode::Halted);
    deposit(desk, 7, WALLET, 'alice', 100);
    assert_eq!(desk.token.balance_of(person('alice')), 100);
}

#[test]
#[feature("safe_dispatcher")]
fn a_parked_deposit_is_claimed_once_by_its_recipient() {
    let desk = connected();
    deposit(desk, 7, 3, 'alice', 100);
    pass_logs(desk);
    by('bob');
    refused(safe(desk).claim_parked(1), 'BRIDGE: not the recipient');
    by('alice');
    refused(safe(desk).claim_parked(2), 'BRIDGE: nothing parked');
    desk.bridge.claim_parked(1);
    let expected = ParkedClaimed { recipient: person('alice'), id: 1, amount: 100 };
    happened(desk, Bridge::Event::ParkedClaimed(expected));
    assert_eq!(desk.token.balance_of(person('alice')), 100);
    assert_eq!((desk.bridge.parked(1).amount, desk.bridge.parked_total()), (0, 0));
    refused(safe(desk).claim_parked(1), 'BRIDGE: nothing parked');
    at(RETURN_DELAY);
    refused(safe(desk).return_parked(1), 'BRIDGE: nothing parked');
}

#[test]
#[feature("safe_dispatcher")]
fn a_parked_deposit_is_returned_by_anyone_after_the_delay() {
    let desk = connected();
    deposit(desk, 7, 3, 'alice', 100);
    pass_logs(desk);
    by('bob');
    at(RETURN_DELAY - 1);
    refused(safe(desk).return_parked(1), 'BRIDGE: return delay not over');
    at(RETURN_DELAY);
    desk.bridge.return_parked(1);
    let bridge = desk.bridge.contract_address;
    let registered = WithdrawalRegistered {
        account: bridge,
        l1_recipient: eth(DEPOSITOR),
        amount: 100,
        epoch: 0,
        counter: 1,
        source: RETURNED + 7,
    };
    happened(desk, Bridge::Event::WithdrawalRegistered(registered));
    let returned = ParkedReturned { depositor: eth(DEPOSITOR), id: 1, amount: 100, counter: 1 };
    happened(desk, Bridge::Event::ParkedReturned(returned));
    sent(desk, DEPOSITOR, 100, 0, 1, RETURNED + 7);
    assert_eq!((desk.token.total_supply(), desk.bridge.parked_total()), (0, 0));
    refused(safe(desk).return_parked(1), 'BRIDGE: nothing parked');
    by('alice');
    refused(safe(desk).claim_parked(1), 'BRIDGE: nothing parked');
}

#[test]
fn its_recipient_returns_a_parked_deposit_at_once() {
    let desk = connected();
    deposit(desk, 7, 3, 'alice', 100);
    by('alice');
    desk.bridge.return_parked(1);
    sent(desk, DEPOSITOR, 100, 0, 1, RETURNED + 7);
}

#[test]
fn a_deposit_that_nobody_could_claim_is_returned_at_once() {
    let desk = connected();
    deposit(desk, 7, MARGIN, 0, 100);
    deposit(desk, 8, MARGIN, desk.shares.contract_address.into(), 50);
    by('bob');
    desk.bridge.return_parked(2);
    desk.bridge.return_parked(1);
    sent(desk, DEPOSITOR, 50, 0, 1, RETURNED + 8);
    sent(desk, DEPOSITOR, 100, 0, 2, RETURNED + 7);
}
