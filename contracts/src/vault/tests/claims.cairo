//! Claims: who, when, how much, at which price.

use core::num::traits::{Bounded, Zero};
use crate::token::interface::IERC20DispatcherTrait;
use crate::vault::contract::Vault;
use crate::vault::interface::{IVaultDispatcherTrait, IVaultSafeDispatcherTrait};
use crate::vault::mocks::IMockHouseDispatcherTrait;
use crate::vault::tests::desk::{
    DeskTrait, LOCK, ONE, SHARES_OF_ONE, START, USD, at, by, claimable, funded, next_event,
    pass_logs, person, refused,
};

#[test]
fn a_claim_is_paid_at_the_price_of_its_moment() {
    let desk = claimable();
    let (alice, carol) = (person('alice'), person('carol'));
    desk.gain(50 * USD);
    pass_logs(desk);
    let assets = desk.vault.redeem(40 * SHARES_OF_ONE, carol, alice);
    // 40 of 100 shares of 150 USD, less what the virtual shares hold.
    assert_eq!(assets, 60 * ONE - 1);
    let _burn = next_event(desk);
    let expected = Vault::Withdraw {
        sender: alice, receiver: carol, owner: alice, assets, shares: 40 * SHARES_OF_ONE,
    };
    assert!(next_event(desk) == Some(Vault::Event::Withdraw(expected)));
    assert_eq!((desk.token.balance_of(carol), desk.token.balance_of(desk.here())), (assets, 0));
    assert_eq!(desk.shares.total_supply(), 60 * SHARES_OF_ONE);
    assert_eq!(desk.vault.total_assets(), 150 * ONE - assets);
    // Those who wait lose with the others too.
    desk.gain(-90 * USD);
    assert_eq!(desk.vault.redeem(60 * SHARES_OF_ONE, carol, alice), 1);
}

#[test]
fn a_claim_by_assets_burns_shares_rounded_up() {
    let desk = claimable();
    let alice = person('alice');
    desk.gain(50 * USD);
    let before = desk.shares.total_supply();
    let shares = desk.vault.withdraw(7, alice, alice);
    // 7 x (1e14 + 1e6) / (150e6 + 1) is 4,666,666.68.
    assert_eq!((shares, before - desk.shares.total_supply()), (4_666_667, 4_666_667));
    assert_eq!(desk.token.balance_of(alice), 900 * ONE + 7);
}

#[test]
#[feature("safe_dispatcher")]
fn the_oldest_request_is_claimed_first() {
    let desk = funded();
    let alice = person('alice');
    desk.vault.request_redeem(10 * SHARES_OF_ONE, alice, alice);
    at(100);
    desk.vault.request_redeem(20 * SHARES_OF_ONE, alice, alice);
    at(LOCK + 99);
    assert_eq!(desk.vault.max_redeem(alice), 10 * SHARES_OF_ONE);
    refused(
        desk.safe().redeem(10 * SHARES_OF_ONE + 1, alice, alice), 'VAULT: more than is claimable',
    );
    at(LOCK + 100);
    assert_eq!(desk.vault.max_redeem(alice), 30 * SHARES_OF_ONE);
    desk.vault.redeem(15 * SHARES_OF_ONE, alice, alice);
    assert_eq!(desk.vault.redemption(1).shares, 0);
    assert_eq!(desk.vault.redemption(2).shares, 15 * SHARES_OF_ONE);
    desk.vault.redeem(15 * SHARES_OF_ONE, alice, alice);
    refused(desk.safe().redeem(1, alice, alice), 'VAULT: assets are zero');
    refused(desk.safe().redeem(SHARES_OF_ONE, alice, alice), 'VAULT: more than is claimable');
}

/// A lock that the admin shortened is shorter for those who begin to wait; of one controller the
/// older request still goes first.
#[test]
#[feature("safe_dispatcher")]
fn a_shorter_lock_overtakes_no_older_request() {
    let desk = funded();
    let (alice, bob) = (person('alice'), person('bob'));
    desk.shares.transfer(bob, 20 * SHARES_OF_ONE);
    desk.vault.request_redeem(10 * SHARES_OF_ONE, alice, alice);
    by('admin');
    desk.vault.set_lock_secs(60);
    by('alice');
    desk.vault.request_redeem(20 * SHARES_OF_ONE, alice, alice);
    by('bob');
    desk.vault.request_redeem(20 * SHARES_OF_ONE, bob, bob);
    assert_eq!(desk.vault.redemption(2).claimable_at, START + LOCK);
    at(60);
    assert_eq!(desk.vault.redeem(20 * SHARES_OF_ONE, bob, bob), 20 * ONE);
    assert_eq!(desk.vault.max_redeem(alice), 0);
    by('alice');
    refused(desk.safe().redeem(SHARES_OF_ONE, alice, alice), 'VAULT: more than is claimable');
    at(LOCK);
    assert_eq!(desk.vault.redeem(30 * SHARES_OF_ONE, alice, alice), 30 * ONE);
    desk.vault.request_redeem(SHARES_OF_ONE, alice, alice);
    at(LOCK + 60);
    assert_eq!(desk.vault.max_redeem(alice), SHARES_OF_ONE);
}

#[test]
#[feature("safe_dispatcher")]
fn a_bad_claim_is_refused() {
    let desk = claimable();
    let safe = desk.safe();
    let (alice, bob) = (person('alice'), person('bob'));
    refused(safe.redeem(0, alice, alice), 'VAULT: shares are zero');
    refused(safe.redeem(1, alice, alice), 'VAULT: assets are zero');
    refused(safe.withdraw(0, alice, alice), 'VAULT: assets are zero');
    for receiver in array![Zero::zero(), desk.here()] {
        refused(safe.redeem(SHARES_OF_ONE, receiver, alice), 'VAULT: bad receiver');
        refused(safe.withdraw(ONE, receiver, alice), 'VAULT: bad receiver');
    }
    refused(safe.redeem(SHARES_OF_ONE, bob, bob), 'VAULT: not controller or op');
    by('bob');
    refused(safe.redeem(SHARES_OF_ONE, bob, alice), 'VAULT: not controller or op');
    refused(safe.withdraw(ONE, bob, alice), 'VAULT: not controller or op');
    refused(safe.redeem(SHARES_OF_ONE, bob, bob), 'VAULT: more than is claimable');
    refused(safe.withdraw(Bounded::MAX, bob, bob), 'VAULT: amount too large');
}

#[test]
#[feature("safe_dispatcher")]
fn a_claim_leaves_the_initial_margin_of_what_the_vault_holds() {
    let desk = claimable();
    let alice = person('alice');
    desk.house.hold(desk.here(), 1, 40 * USD);
    let most = desk.vault.max_redeem(alice);
    assert_eq!((desk.vault.max_withdraw(alice), most / SHARES_OF_ONE), (60 * ONE, 60));
    refused(desk.safe().withdraw(60 * ONE + 1, alice, alice), 'MOCK: initial margin');
    refused(desk.safe().redeem(61 * SHARES_OF_ONE, alice, alice), 'MOCK: initial margin');
    // What could not be paid is still there.
    assert_eq!(desk.vault.claimable_redeem_request(1, alice), 100 * SHARES_OF_ONE);
    assert_eq!(desk.vault.redeem(most, alice, alice), 60 * ONE);
    assert_eq!((desk.vault.max_redeem(alice), desk.vault.max_withdraw(alice)), (0, 0));
    // Under water even the margin is missing: nothing, and no panic.
    desk.gain(-100 * USD);
    assert_eq!((desk.vault.max_redeem(alice), desk.vault.max_withdraw(alice)), (0, 0));
}

#[test]
fn a_claim_carries_the_epoch_of_the_venue() {
    let desk = claimable();
    desk.house.set_epoch(7);
    assert_eq!(desk.vault.redeem(SHARES_OF_ONE, person('alice'), person('alice')), ONE);
}

/// What is said to be claimable is: the whole of it goes, one more does not.
#[test]
#[ignore]
#[feature("safe_dispatcher")]
fn the_limits_of_a_claim_are_exact() {
    for (gain, initial) in array![
        (0, 0), (33 * USD + 3_333_333_333, 0), (-99 * USD - 9_999_990_000_000_000, 0),
        (7 * USD, 41 * USD + 77), (-30 * USD - 1, 69 * USD), (-100 * USD, 0),
    ] {
        // Another deployer, other addresses.
        by('deployer ' + gain.into());
        let desk = claimable();
        desk.mint(desk.house.contract_address, 1_000 * ONE);
        let (safe, alice) = (desk.safe(), person('alice'));
        by('alice');
        desk.gain(gain);
        desk.house.hold(desk.here(), 1, initial);
        let (shares, assets) = (desk.vault.max_redeem(alice), desk.vault.max_withdraw(alice));
        assert!(safe.redeem(shares + SHARES_OF_ONE, alice, alice).is_err());
        assert!(safe.withdraw(assets + 1, alice, alice).is_err());
        if assets == 0 {
            assert_eq!(shares, 0);
        } else {
            // As shares it is the same.
            assert_eq!(desk.vault.convert_to_assets(shares), assets);
            assert_eq!(desk.vault.redeem(shares, alice, alice), assets);
            assert_eq!(desk.vault.max_withdraw(alice), 0);
        }
    }
}

/// What the venue lets out at once bounds a claim, not what it is worth.
#[test]
#[feature("safe_dispatcher")]
fn a_claim_stays_under_the_venues_quota() {
    let desk = claimable();
    let (safe, alice) = (desk.safe(), person('alice'));
    desk.house.put_room(30_000_000);
    assert_eq!((desk.vault.total_assets(), desk.vault.max_withdraw(alice)), (100 * ONE, 30 * ONE));
    refused(safe.withdraw(30 * ONE + 1, alice, alice), 'MOCK: quota');
    let shares = desk.vault.max_redeem(alice);
    refused(safe.redeem(shares + SHARES_OF_ONE, alice, alice), 'MOCK: quota');
    assert_eq!(desk.vault.redeem(shares, alice, alice), 30 * ONE);
    desk.house.put_room(0);
    assert_eq!((desk.vault.max_redeem(alice), desk.vault.max_withdraw(alice)), (0, 0));
}
