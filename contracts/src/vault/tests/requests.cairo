//! Requests: shares locked for a controller.

use core::num::traits::{Bounded, Zero};
use crate::clearinghouse::interface::Mode;
use crate::token::interface::IERC20DispatcherTrait;
use crate::vault::contract::Vault;
use crate::vault::interface::{IVaultDispatcherTrait, IVaultSafeDispatcherTrait, Redemption};
use crate::vault::mocks::IMockHouseDispatcherTrait;
use crate::vault::tests::desk::{
    DeskTrait, LOCK, ONE, SHARES_OF_ONE, START, at, by, funded, next_event, pass_logs, person,
    refused,
};

#[test]
fn a_request_locks_the_shares() {
    let desk = funded();
    let (alice, carol) = (person('alice'), person('carol'));
    pass_logs(desk);
    assert_eq!(desk.vault.request_redeem(30 * SHARES_OF_ONE, alice, alice), 1);
    let _transfer = next_event(desk);
    let expected = Vault::RedeemRequest {
        controller: alice,
        owner: alice,
        request_id: 1,
        sender: alice,
        shares: 30 * SHARES_OF_ONE,
        claimable_at: START + LOCK,
    };
    assert!(next_event(desk) == Some(Vault::Event::RedeemRequest(expected)));
    assert_eq!(desk.shares.balance_of(alice), 70 * SHARES_OF_ONE);
    assert_eq!(desk.shares.balance_of(desk.here()), 30 * SHARES_OF_ONE);
    assert_eq!(desk.shares.total_supply(), 100 * SHARES_OF_ONE);
    assert_eq!(
        desk.vault.redemption(1),
        Redemption {
            controller: alice, owner: alice, shares: 30 * SHARES_OF_ONE, claimable_at: START + LOCK,
        },
    );
    // The last second of the lock, then its end.
    at(LOCK - 1);
    assert_eq!(desk.vault.pending_redeem_request(1, alice), 30 * SHARES_OF_ONE);
    assert_eq!(
        (desk.vault.claimable_redeem_request(1, alice), desk.vault.max_redeem(alice)), (0, 0),
    );
    at(LOCK);
    assert_eq!(desk.vault.pending_redeem_request(1, alice), 0);
    assert_eq!(desk.vault.claimable_redeem_request(1, alice), 30 * SHARES_OF_ONE);
    assert_eq!(desk.vault.max_redeem(alice), 30 * SHARES_OF_ONE);
    assert_eq!(desk.vault.max_withdraw(alice), 30 * ONE);
    // To others, and under another number, it is nothing.
    assert_eq!(
        (desk.vault.claimable_redeem_request(1, carol), desk.vault.max_redeem(carol)), (0, 0),
    );
    assert_eq!(desk.vault.claimable_redeem_request(2, alice), 0);
    assert_eq!(desk.vault.request_redeem(1, alice, alice), 2);
}

#[test]
#[feature("safe_dispatcher")]
fn a_bad_request_is_refused() {
    let desk = funded();
    let safe = desk.safe();
    let (alice, bob) = (person('alice'), person('bob'));
    refused(safe.request_redeem(0, alice, alice), 'VAULT: shares are zero');
    refused(safe.request_redeem(100 * SHARES_OF_ONE + 1, alice, alice), 'ERC20: balance too low');
    for controller in array![Zero::zero(), desk.here()] {
        refused(safe.request_redeem(1, controller, alice), 'VAULT: bad controller');
    }
    refused(safe.request_redeem(1, alice, bob), 'ERC20: allowance too low');
    by('bob');
    refused(safe.request_redeem(1, bob, alice), 'ERC20: allowance too low');
    refused(safe.request_redeem(1, alice, alice), 'ERC20: allowance too low');
    by('alice');
    desk.house.put_mode(Mode::Halted);
    refused(safe.request_redeem(1, alice, alice), 'VAULT: venue is halted');
    desk.house.put_mode(Mode::CancelOnly);
    desk.vault.request_redeem(1, alice, alice);
    for none in array![0, 2, 0x10000000000000000, Bounded::MAX] {
        assert_eq!(desk.vault.redemption(none).shares, 0);
        assert_eq!(desk.vault.claimable_redeem_request(none, alice), 0);
        assert_eq!(desk.vault.claimable_redeem_request(none, Zero::zero()), 0);
    }
}

/// ERC-7540: an allowance over the shares is enough, and is spent.
#[test]
#[feature("safe_dispatcher")]
fn an_allowance_over_the_shares_requests() {
    let desk = funded();
    let (alice, bob) = (person('alice'), person('bob'));
    desk.shares.approve(bob, 3 * SHARES_OF_ONE);
    by('bob');
    assert_eq!(desk.vault.request_redeem(2 * SHARES_OF_ONE, bob, alice), 1);
    assert_eq!(desk.shares.allowance(alice, bob), SHARES_OF_ONE);
    refused(desk.safe().request_redeem(SHARES_OF_ONE + 1, bob, alice), 'ERC20: allowance too low');
    assert_eq!((desk.vault.redemption(1).controller, desk.vault.redemption(1).owner), (bob, alice));
    // An operator spends none.
    by('alice');
    desk.vault.set_operator(bob, true);
    by('bob');
    desk.vault.request_redeem(5 * SHARES_OF_ONE, alice, alice);
    assert_eq!(desk.shares.allowance(alice, bob), SHARES_OF_ONE);
}

/// Anybody may request for another controller: what it adds is the controller's, and nothing that
/// was there waits for it.
#[test]
#[ignore]
#[feature("safe_dispatcher")]
fn requests_by_others_do_not_bar_a_controllers_claims() {
    let desk = funded();
    let (alice, bob) = (person('alice'), person('bob'));
    desk.shares.transfer(bob, 50 * SHARES_OF_ONE);
    desk.vault.request_redeem(50 * SHARES_OF_ONE, alice, alice);
    at(LOCK / 2);
    by('bob');
    for _ in 0..40_u8 {
        desk.vault.request_redeem(1, alice, bob);
    }
    at(LOCK);
    assert_eq!(desk.vault.max_redeem(alice), 50 * SHARES_OF_ONE);
    by('alice');
    assert_eq!(desk.vault.redeem(50 * SHARES_OF_ONE, alice, alice), 50 * ONE);
    at(LOCK / 2 + LOCK);
    assert_eq!(desk.vault.claimable_redeem_request(41, alice), 1);
    // What is given away so is not the giver's any more.
    by('bob');
    refused(desk.safe().redeem(1, bob, alice), 'VAULT: not controller or op');
}
