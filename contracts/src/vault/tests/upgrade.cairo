//! The vault under an upgrade.

use crate::clearinghouse::interface::Mode;
use crate::upgrades::MIN_DELAY;
use crate::upgrades::interface::{
    IUpgradeableDispatcher, IUpgradeableDispatcherTrait, IUpgradeableSafeDispatcher,
    IUpgradeableSafeDispatcherTrait, UpgradePlan,
};
use crate::vault::contract::Vault;
use crate::vault::interface::IVaultDispatcherTrait;
use crate::vault::mocks::IMockHouseDispatcherTrait;
use crate::vault::tests::desk::{
    DeskTrait, LOCK, ONE, SHARES_OF_ONE, USD, at, by, claimable, person, refused,
};

#[test]
#[feature("safe_dispatcher")]
fn assets_shares_and_requests_are_what_they_were() {
    let desk = claimable();
    let vault = IUpgradeableDispatcher { contract_address: desk.here() };
    let safe = IUpgradeableSafeDispatcher { contract_address: desk.here() };
    let plan = UpgradePlan {
        class_hash: Vault::TEST_CLASS_HASH, classes: array![].span(), migration: array![].span(),
    };
    desk.gain(-20 * USD);
    refused(safe.schedule_upgrade(plan, MIN_DELAY), 'ACCESS: not the admin');
    refused(safe.cancel_upgrade(), 'ACCESS: not admin or guardian');
    by('admin');
    vault.schedule_upgrade(plan, MIN_DELAY);
    at(LOCK + MIN_DELAY);
    refused(safe.upgrade(plan), 'UPGRADE: venue is not halted');
    desk.house.put_mode(Mode::Halted);
    let before = vault.conserved();
    assert_eq!(*before[3], 80_000_000);
    assert_eq!((*before[4], *before[5], *before[6]), (100_000_000_000_000, 100_000_000_000_000, 1));
    vault.upgrade(plan);
    assert!(vault.conserved() == before);
    desk.house.put_mode(Mode::Full);
    by('alice');
    assert_eq!(desk.vault.redeem(100 * SHARES_OF_ONE, person('alice'), person('alice')), 80 * ONE);
}
