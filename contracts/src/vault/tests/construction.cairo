//! What a vault is made of.

use core::num::traits::Zero;
use starknet::syscalls::deploy_syscall;
use crate::token::interface::IERC20DispatcherTrait;
use crate::vault::contract::Vault;
use crate::vault::interface::IVaultDispatcherTrait;
use crate::vault::tests::desk::{LOCK, open, person, refused, vault_calldata};

#[test]
fn a_vault_is_a_share_of_a_margin_account() {
    let desk = open();
    assert!(desk.shares.name() == "Truemark Vault" && desk.shares.symbol() == "tmV");
    assert_eq!((desk.shares.decimals(), desk.shares.total_supply()), (12, 0));
    assert_eq!(desk.vault.asset(), desk.token.contract_address);
    assert_eq!(desk.vault.clearinghouse(), desk.house.contract_address);
    assert_eq!((desk.vault.lock_secs(), desk.vault.total_assets()), (LOCK, 0));
}

#[test]
fn a_vault_needs_its_contracts_an_admin_and_a_lock_that_ends() {
    let cases = array![
        (vault_calldata(Zero::zero(), person('a'), person('b'), LOCK), 'ACCESS: zero admin'),
        (vault_calldata(person('admin'), Zero::zero(), person('b'), LOCK), 'VAULT: zero address'),
        (vault_calldata(person('admin'), person('a'), Zero::zero(), LOCK), 'VAULT: zero address'),
        (
            vault_calldata(person('admin'), person('a'), person('b'), 2_592_001),
            'VAULT: lock too long',
        ),
    ];
    for (calldata, reason) in cases {
        refused(deploy_syscall(Vault::TEST_CLASS_HASH, 0, calldata, false), reason);
    }
}
