//! When the vault takes and pays nothing.

use crate::clearinghouse::interface::Mode;
use crate::vault::interface::{IVaultDispatcherTrait, IVaultSafeDispatcherTrait};
use crate::vault::mocks::IMockHouseDispatcherTrait;
use crate::vault::tests::desk::{DeskTrait, ONE, SHARES_OF_ONE, USD, claimable, person, refused};

#[test]
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
