//! What ERC-4626 and ERC-7540 ask of a vault beyond its calls; docs/vault.md has the table.

use core::num::traits::{Bounded, Zero};
use crate::clearinghouse::interface::Mode;
use crate::vault::interface::{
    ERC165_ID, ERC7540_OPERATOR_ID, ERC7540_REDEEM_ID, ERC7575_ID, IVaultDispatcherTrait,
    IVaultSafeDispatcherTrait, SRC5_ID,
};
use crate::vault::mocks::IMockHouseDispatcherTrait;
use crate::vault::tests::desk::{DeskTrait, ONE, USD, by, claimable, funded, open, person, refused};

#[test]
fn the_share_token_is_the_vault() {
    let desk = open();
    assert_eq!(desk.vault.share(), desk.here());
    assert_eq!(desk.vault.asset(), desk.token.contract_address);
}

#[test]
fn a_vault_says_what_it_supports() {
    let desk = open();
    for id in array![SRC5_ID, ERC165_ID, ERC7540_OPERATOR_ID, ERC7540_REDEEM_ID, ERC7575_ID] {
        assert!(desk.vault.supports_interface(id));
    }
    // Asynchronous deposits, ERC-165's id of nothing, and 0.
    for id in array![0xce3bbe50, 0xffffffff, 0] {
        assert!(!desk.vault.supports_interface(id));
    }
}

#[test]
#[feature("safe_dispatcher")]
fn a_redemption_has_no_preview() {
    let desk = claimable();
    for amount in array![0, 1, ONE, Bounded::MAX] {
        refused(desk.safe().preview_redeem(amount), 'VAULT: priced at the claim');
        refused(desk.safe().preview_withdraw(amount), 'VAULT: priced at the claim');
    }
}

/// Whoever asks, and whatever may be deposited or claimed just now.
#[test]
fn conversions_depend_on_no_caller_and_no_limit() {
    let desk = funded();
    desk.gain(50 * USD);
    let (shares, assets) = (desk.vault.convert_to_shares(ONE), desk.vault.convert_to_assets(ONE));
    let (bought, cost) = (desk.vault.preview_deposit(ONE), desk.vault.preview_mint(ONE));
    by('nobody');
    for mode in array![Mode::Halted, Mode::Full] {
        desk.house.put_mode(mode);
        assert_eq!(
            (desk.vault.convert_to_shares(ONE), desk.vault.convert_to_assets(ONE)),
            (shares, assets),
        );
        assert_eq!((desk.vault.preview_deposit(ONE), desk.vault.preview_mint(ONE)), (bought, cost));
    }
}

/// In pools as odd as they get: empty, in ruins, enormous.
#[test]
#[ignore]
#[feature("safe_dispatcher")]
fn limits_never_panic_and_are_accepted() {
    let alice = person('alice');
    for gain in array![
        0, -100 * USD, -101 * USD, -99 * USD - 9_999_990_000_000_000, 9_000_000_000 * USD,
    ] {
        // Another deployer, other addresses.
        by('deployer ' + gain.into());
        let desk = claimable();
        desk.gain(gain);
        let safe = desk.safe();
        for account in array![alice, person('bob'), Zero::zero(), desk.here()] {
            safe.max_deposit(account).unwrap();
            safe.max_mint(account).unwrap();
            safe.max_redeem(account).unwrap();
            safe.max_withdraw(account).unwrap();
        }
        safe.total_assets().unwrap();
        // A unit's worth of shares up to the limit is accepted.
        if desk.vault.max_mint(alice) != 0 {
            let shares = desk.vault.preview_deposit(ONE);
            assert!(shares <= desk.vault.max_mint(alice));
            desk.vault.mint(shares, alice);
        }
    }
}
