//! Operators, the shares as a token, the admin's one setting.

use core::num::traits::Zero;
use crate::token::interface::{
    IERC20DispatcherTrait, IERC20SafeDispatcher, IERC20SafeDispatcherTrait,
};
use crate::vault::contract::Vault;
use crate::vault::interface::{IVaultDispatcherTrait, IVaultSafeDispatcherTrait};
use crate::vault::tests::desk::{
    DeskTrait, LOCK, ONE, SHARES_OF_ONE, at, by, funded, next_event, pass_logs, person, refused,
};

#[test]
#[feature("safe_dispatcher")]
fn an_operator_acts_until_it_is_removed() {
    let desk = funded();
    let safe = desk.safe();
    let (alice, bob, carol) = (person('alice'), person('bob'), person('carol'));
    pass_logs(desk);
    assert!(desk.vault.set_operator(bob, true));
    let expected = Vault::OperatorSet { controller: alice, operator: bob, approved: true };
    assert!(next_event(desk) == Some(Vault::Event::OperatorSet(expected)));
    assert!(desk.vault.is_operator(alice, bob) && !desk.vault.is_operator(bob, alice));
    by('bob');
    // For its principal, for itself as the controller.
    assert_eq!(desk.vault.request_redeem(SHARES_OF_ONE, alice, alice), 1);
    assert_eq!(desk.vault.request_redeem(SHARES_OF_ONE, bob, alice), 2);
    assert_eq!((desk.vault.redemption(2).controller, desk.vault.redemption(2).owner), (bob, alice));
    at(LOCK);
    desk.vault.redeem(SHARES_OF_ONE / 2, carol, alice);
    desk.vault.redeem(SHARES_OF_ONE, bob, bob);
    assert_eq!(desk.token.balance_of(carol), ONE / 2);
    // The claim is the controller's, not the owner's.
    by('alice');
    refused(safe.redeem(SHARES_OF_ONE, alice, alice), 'VAULT: more than is claimable');
    desk.vault.set_operator(bob, false);
    by('bob');
    refused(safe.redeem(SHARES_OF_ONE / 2, bob, alice), 'VAULT: not controller or op');
    refused(safe.request_redeem(1, alice, alice), 'ERC20: allowance too low');
    refused(safe.set_operator(Zero::zero(), true), 'VAULT: zero operator');
}

#[test]
#[feature("safe_dispatcher")]
fn shares_are_a_token_and_locked_ones_do_not_move() {
    let desk = funded();
    let safe = IERC20SafeDispatcher { contract_address: desk.here() };
    let (alice, bob) = (person('alice'), person('bob'));
    desk.vault.request_redeem(90 * SHARES_OF_ONE, alice, alice);
    refused(safe.transfer(bob, 10 * SHARES_OF_ONE + 1), 'ERC20: balance too low');
    desk.shares.transfer(bob, 4 * SHARES_OF_ONE);
    desk.shares.approve(bob, SHARES_OF_ONE);
    by('bob');
    desk.shares.transfer_from(alice, bob, SHARES_OF_ONE);
    assert_eq!(desk.shares.balance_of(bob), 5 * SHARES_OF_ONE);
    refused(safe.transfer_from(alice, bob, 1), 'ERC20: allowance too low');
    desk.vault.request_redeem(5 * SHARES_OF_ONE, bob, bob);
    at(LOCK);
    assert_eq!(desk.vault.redeem(5 * SHARES_OF_ONE, bob, bob), 5 * ONE);
}

#[test]
#[feature("safe_dispatcher")]
fn only_the_admin_sets_the_lock() {
    let desk = funded();
    let safe = desk.safe();
    refused(safe.set_lock_secs(0), 'ACCESS: not the admin');
    by('admin');
    refused(safe.set_lock_secs(2_592_001), 'VAULT: lock too long');
    pass_logs(desk);
    desk.vault.set_lock_secs(2_592_000);
    assert!(
        next_event(desk) == Some(Vault::Event::LockChanged(Vault::LockChanged { secs: 2_592_000 })),
    );
    desk.vault.set_lock_secs(0);
    by('alice');
    desk.vault.request_redeem(SHARES_OF_ONE, person('alice'), person('alice'));
    assert_eq!(desk.vault.redeem(SHARES_OF_ONE, person('alice'), person('alice')), ONE);
}
