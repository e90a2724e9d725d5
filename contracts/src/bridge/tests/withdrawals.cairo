//! What is burnt and registered on L1.

use starknet::SyscallResultTrait;
use starknet::syscalls::deploy_syscall;
use starknet::testing::pop_l2_to_l1_message;
use crate::bridge::contract::Bridge;
use crate::bridge::events::{QuotaConfigured, WithdrawalRegistered};
use crate::bridge::interface::{IBridgeDispatcherTrait, IBridgeSafeDispatcherTrait};
use crate::bridge::tests::setup::{
    L1_BRIDGE, L1_TOKEN, LIMIT, WALLET, WINDOW, at, by, connected, deposit, eth, happened,
    new_epoch, pass_logs, person, refused, safe, sent,
};
use crate::clearinghouse::interface::Mode;
use crate::rules::bucket::{Bucket, Limit};
use crate::token::interface::IERC20DispatcherTrait;
use crate::vault::mocks::IMockHouseDispatcherTrait;

#[test]
fn a_withdrawal_burns_and_registers_its_payment() {
    let desk = connected();
    deposit(desk, 7, WALLET, 'alice', 100);
    new_epoch(desk, 2);
    pass_logs(desk);
    by('alice');
    assert_eq!(desk.bridge.withdraw(2, eth(0xa11ce), 30), 1);
    let expected = WithdrawalRegistered {
        account: person('alice'),
        l1_recipient: eth(0xa11ce),
        amount: 30,
        epoch: 2,
        counter: 1,
        source: 'alice',
    };
    happened(desk, Bridge::Event::WithdrawalRegistered(expected));
    assert_eq!(desk.bridge.withdraw(2, eth(0xa11ce), 70), 2);
    sent(desk, 0xa11ce, 30, 2, 1, 'alice');
    sent(desk, 0xa11ce, 70, 2, 2, 'alice');
    assert_eq!((desk.bridge.withdrawal_count(), desk.token.total_supply()), (2, 0));
}

#[test]
#[feature("safe_dispatcher")]
fn a_bad_withdrawal_is_refused() {
    let desk = connected();
    deposit(desk, 7, WALLET, 'alice', 100);
    new_epoch(desk, 1);
    by('alice');
    let safe = safe(desk);
    refused(safe.withdraw(0, eth(0xa11ce), 1), 'BRIDGE: another epoch');
    refused(safe.withdraw(2, eth(0xa11ce), 1), 'BRIDGE: another epoch');
    refused(safe.withdraw(1, eth(0), 1), 'BRIDGE: zero L1 recipient');
    // Paid there, it would be nobody's.
    refused(safe.withdraw(1, eth(L1_BRIDGE), 1), 'BRIDGE: bad L1 recipient');
    refused(safe.withdraw(1, eth(L1_TOKEN), 1), 'BRIDGE: bad L1 recipient');
    refused(safe.withdraw(1, eth(0xa11ce), 0), 'BRIDGE: amount is zero');
    refused(safe.withdraw(1, eth(0xa11ce), 101), 'ERC20: balance too low');
    assert_eq!(desk.bridge.withdrawal_count(), 0);
    assert!(pop_l2_to_l1_message(desk.bridge.contract_address).is_none());
}

#[test]
#[feature("safe_dispatcher")]
fn what_is_parked_cannot_be_withdrawn_by_others() {
    let desk = connected();
    deposit(desk, 7, 3, 'alice', 100);
    by('bob');
    refused(safe(desk).withdraw(0, eth(0xb0b), 100), 'ERC20: balance too low');
}

#[test]
#[should_panic(expected: ('ACCESS: zero admin', 'CONSTRUCTOR_FAILED'))]
fn a_bridge_needs_an_admin() {
    deploy_syscall(Bridge::TEST_CLASS_HASH, 0, array![0, 1, 1].span(), false).unwrap_syscall();
}

#[test]
#[should_panic(expected: ('BRIDGE: bad window', 'CONSTRUCTOR_FAILED'))]
fn a_bridge_needs_a_quota_that_runs_out() {
    deploy_syscall(Bridge::TEST_CLASS_HASH, 0, array!['admin', 1, 0].span(), false)
        .unwrap_syscall();
}

// --- the quota

#[test]
#[feature("safe_dispatcher")]
fn a_withdrawal_over_the_quota_is_refused_and_changes_nothing() {
    let desk = connected();
    deposit(desk, 7, WALLET, 'alice', 5_000);
    by('alice');
    let safe = safe(desk);
    assert_eq!(desk.bridge.withdrawable(), LIMIT);
    refused(safe.withdraw(0, eth(0xa11ce), LIMIT + 1), 'BRIDGE: over the quota');
    desk.bridge.withdraw(0, eth(0xa11ce), LIMIT - 1);
    refused(safe.withdraw(0, eth(0xa11ce), 2), 'BRIDGE: over the quota');
    desk.bridge.withdraw(0, eth(0xa11ce), 1);
    assert_eq!(desk.bridge.withdrawable(), 0);
    refused(safe.withdraw(0, eth(0xa11ce), 1), 'BRIDGE: over the quota');
    assert_eq!((desk.bridge.withdrawal_count(), desk.token.total_supply()), (2, 4_000));
    assert_eq!(desk.token.balance_of(person('alice')), 4_000);
    // 10 units run out each second.
    at(1);
    refused(safe.withdraw(0, eth(0xa11ce), 11), 'BRIDGE: over the quota');
    desk.bridge.withdraw(0, eth(0xa11ce), 10);
    at(101);
    assert_eq!(desk.bridge.withdrawable(), LIMIT);
}

#[test]
#[feature("safe_dispatcher")]
fn a_quota_is_configured_by_the_admin() {
    let desk = connected();
    deposit(desk, 7, WALLET, 'alice', 5_000);
    by('alice');
    desk.bridge.withdraw(0, eth(0xa11ce), LIMIT);
    refused(safe(desk).configure_quota(Limit { limit: 1, window: 1 }), 'ACCESS: not the admin');
    by('admin');
    refused(safe(desk).configure_quota(Limit { limit: 1, window: 0 }), 'BRIDGE: bad window');
    assert_eq!(desk.bridge.quota(), Limit { limit: LIMIT, window: WINDOW });
    // What has run out so far did so under the old terms.
    at(50);
    pass_logs(desk);
    let quota = Limit { limit: 600, window: 10_000 };
    desk.bridge.configure_quota(quota);
    let expected = QuotaConfigured { limit: 600, window: 10_000 };
    happened(desk, Bridge::Event::QuotaConfigured(expected));
    assert_eq!(desk.bridge.quota(), quota);
    assert_eq!(desk.bridge.outflow().level, 500);
    assert_eq!(desk.bridge.withdrawable(), 100);
    desk.bridge.configure_quota(Limit { limit: 0, window: 1 });
    by('alice');
    refused(safe(desk).withdraw(0, eth(0xa11ce), 1), 'BRIDGE: over the quota');
}

#[test]
fn a_returned_deposit_is_outside_the_quota() {
    let desk = connected();
    deposit(desk, 7, 3, 'alice', 5_000);
    by('alice');
    desk.bridge.return_parked(1);
    assert_eq!(desk.bridge.outflow(), Bucket { level: 0, at: 0 });
    assert_eq!(desk.bridge.withdrawable(), LIMIT);
}

// --- after a new epoch

#[test]
#[feature("safe_dispatcher")]
fn nothing_leaves_a_venue_that_a_new_epoch_halted() {
    let desk = connected();
    deposit(desk, 7, WALLET, 'alice', 100);
    deposit(desk, 8, 3, 'alice', 50);
    desk.house.put_mode(Mode::Halted);
    by('alice');
    // Halted by the guardian: a wallet is its owner's.
    desk.bridge.withdraw(0, eth(0xa11ce), 1);
    new_epoch(desk, 1);
    by('alice');
    let safe = safe(desk);
    refused(safe.withdraw(1, eth(0xa11ce), 1), 'BRIDGE: being reconciled');
    refused(safe.claim_parked(1), 'BRIDGE: being reconciled');
    refused(safe.return_parked(1), 'BRIDGE: being reconciled');
    desk.house.put_mode(Mode::CancelOnly);
    desk.bridge.withdraw(1, eth(0xa11ce), 1);
    desk.house.put_mode(Mode::Halted);
    at(86_399);
    refused(safe.withdraw(1, eth(0xa11ce), 1), 'BRIDGE: being reconciled');
    at(86_400);
    desk.bridge.withdraw(1, eth(0xa11ce), 1);
    desk.bridge.return_parked(1);
}
