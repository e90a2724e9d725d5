//! When the vault takes and pays nothing.

use crate::clearinghouse::interface::Mode;
use crate::token::interface::IERC20DispatcherTrait;
use crate::vault::interface::{IVaultDispatcherTrait, IVaultSafeDispatcherTrait};
use crate::vault::mocks::IMockHouseDispatcherTrait;
use crate::vault::tests::desk::{
    DeskTrait, LOCK, ONE, SHARES_OF_ONE, USD, at, claimable, funded, person, refused,
};

#[test]
#[ignore]
#[feature("safe_dispatcher")]
fn below_post_only_the_vault_is_closed() {
    let desk = claimable();
    let safe = desk.safe();
    let alice = person('alice');
    for mode in array![Mode::Halted, Mode::CancelOnly] {
        desk.house.put_mode(mode);
        assert_eq!((desk.vault.max_deposit(alice), desk.vault.max_mint(alice)), (0, 0));
        assert_eq!((desk.vault.max_redeem(alice), desk.vault.max_withdraw(alice)), (0, 0));
        refused(safe.deposit(ONE, alice), 'VAULT: closed');
        refused(safe.mint(SHARES_OF_ONE, alice), 'VAULT: closed');
        refused(safe.redeem(SHARES_OF_ONE, alice, alice), 'VAULT: closed');
        refused(safe.withdraw(ONE, alice, alice), 'VAULT: closed');
    }
    for mode in array![Mode::PostOnly, Mode::Full] {
        desk.house.put_mode(mode);
        assert!(desk.vault.max_deposit(alice) != 0 && desk.vault.max_mint(alice) != 0);
        assert_eq!(desk.vault.max_redeem(alice), desk.vault.claimable_redeem_request(1, alice));
        desk.vault.deposit(ONE, alice);
        desk.vault.redeem(SHARES_OF_ONE, alice, alice);
    }
}

#[test]
#[feature("safe_dispatcher")]
fn a_vault_with_a_market_that_is_not_valid_is_closed() {
    let desk = claimable();
    let safe = desk.safe();
    let alice = person('alice');
    desk.house.put_invalid(2, 30 * USD);
    // It holds market 0 only.
    desk.house.hold(desk.here(), 1, 0);
    desk.vault.deposit(ONE, alice);
    desk.house.hold(desk.here(), 3, 0);
    // At its worst the account is worth 30 USD less.
    assert_eq!(
        (desk.vault.total_assets(), desk.vault.convert_to_assets(SHARES_OF_ONE)),
        (71 * ONE, 702_970),
    );
    assert_eq!((desk.vault.max_deposit(alice), desk.vault.max_mint(alice)), (0, 0));
    assert_eq!((desk.vault.max_redeem(alice), desk.vault.max_withdraw(alice)), (0, 0));
    refused(safe.deposit(ONE, alice), 'VAULT: closed');
    refused(safe.mint(ONE, alice), 'VAULT: closed');
    refused(safe.withdraw(ONE, alice, alice), 'VAULT: closed');
    refused(safe.redeem(SHARES_OF_ONE, alice, alice), 'VAULT: closed');
    desk.house.put_invalid(0, 0);
    desk.vault.deposit(ONE, alice);
    desk.vault.redeem(SHARES_OF_ONE, alice, alice);
}

/// Where the venue does not answer nothing is known: closed, worth nothing, and no view panics.
#[test]
#[feature("safe_dispatcher")]
fn a_venue_that_does_not_answer_closes_the_vault() {
    let desk = claimable();
    let safe = desk.safe();
    let alice = person('alice');
    desk.house.put_broken(true);
    assert_eq!((desk.vault.total_assets(), desk.vault.convert_to_assets(SHARES_OF_ONE)), (0, 0));
    assert_eq!((desk.vault.max_deposit(alice), desk.vault.max_mint(alice)), (0, 0));
    assert_eq!((desk.vault.max_redeem(alice), desk.vault.max_withdraw(alice)), (0, 0));
    refused(safe.deposit(ONE, alice), 'VAULT: closed');
    refused(safe.mint(SHARES_OF_ONE, alice), 'VAULT: closed');
    refused(safe.redeem(SHARES_OF_ONE, alice, alice), 'VAULT: closed');
    refused(safe.withdraw(ONE, alice, alice), 'VAULT: closed');
    refused(safe.request_redeem(SHARES_OF_ONE, alice, alice), 'VAULT: venue is halted');
    desk.house.put_broken(false);
    assert_eq!(desk.vault.redeem(SHARES_OF_ONE, alice, alice), ONE);
}

/// A venue that winds down never opens again: its vault pays once its positions are closed, and
/// takes requests, but no deposits.
#[test]
#[feature("safe_dispatcher")]
fn in_a_wind_down_the_vault_pays_once_it_is_flat() {
    let desk = claimable();
    let safe = desk.safe();
    let alice = person('alice');
    desk.house.hold(desk.here(), 1, 0);
    desk.house.wind_down();
    assert_eq!((desk.vault.max_redeem(alice), desk.vault.max_withdraw(alice)), (0, 0));
    refused(safe.redeem(SHARES_OF_ONE, alice, alice), 'VAULT: closed');
    refused(safe.withdraw(ONE, alice, alice), 'VAULT: closed');
    refused(safe.request_redeem(SHARES_OF_ONE, alice, alice), 'VAULT: venue is halted');
    desk.house.hold(desk.here(), 0, 0);
    assert_eq!((desk.vault.max_deposit(alice), desk.vault.max_mint(alice)), (0, 0));
    refused(safe.deposit(ONE, alice), 'VAULT: closed');
    refused(safe.mint(SHARES_OF_ONE, alice), 'VAULT: closed');
    desk.house.put_room(30 * 1_000_000);
    assert_eq!(desk.vault.max_withdraw(alice), 30 * ONE);
    assert_eq!(desk.vault.withdraw(30 * ONE, alice, alice), 30 * SHARES_OF_ONE);
    refused(safe.withdraw(30 * ONE + 1, alice, alice), 'MOCK: quota');
    assert_eq!(desk.vault.redeem(10 * SHARES_OF_ONE, alice, alice), 10 * ONE);
    assert_eq!(desk.token.balance_of(alice), 940 * ONE);
}

#[test]
fn in_a_wind_down_shares_can_still_be_asked_for() {
    let desk = funded();
    let alice = person('alice');
    desk.house.wind_down();
    desk.vault.request_redeem(100 * SHARES_OF_ONE, alice, alice);
    assert_eq!(desk.vault.max_redeem(alice), 0);
    at(LOCK);
    assert_eq!(desk.vault.redeem(100 * SHARES_OF_ONE, alice, alice), 100 * ONE);
    assert_eq!((desk.vault.total_assets(), desk.shares.total_supply()), (0, 0));
}
