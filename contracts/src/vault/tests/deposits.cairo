//! Deposits and mints: exact, rounded for those who are there, safe against gifts.

use core::num::traits::{Bounded, Zero};
use crate::token::interface::{
    IBridgedTokenDispatcher, IBridgedTokenDispatcherTrait, IERC20DispatcherTrait,
};
use crate::vault::contract::Vault;
use crate::vault::interface::{IVaultDispatcherTrait, IVaultSafeDispatcherTrait};
use crate::vault::mocks::IMockHouseDispatcherTrait;
use crate::vault::tests::desk::{
    DeskTrait, ONE, SHARES_OF_ONE, USD, by, funded, next_event, open, pass_logs, person, refused,
};

#[test]
fn a_deposit_is_credited_to_the_vaults_margin_account() {
    let desk = open();
    pass_logs(desk);
    let shares = desk.vault.deposit(100 * ONE, person('bob'));
    assert_eq!(shares, 100 * SHARES_OF_ONE);
    assert_eq!(
        (desk.shares.balance_of(person('bob')), desk.shares.total_supply()), (shares, shares),
    );
    assert_eq!(
        (desk.token.balance_of(person('alice')), desk.token.balance_of(desk.here())),
        (900 * ONE, 0),
    );
    assert_eq!(desk.vault.total_assets(), 100 * ONE);
    assert_eq!(desk.house.account(desk.here()).collateral, 100_000_000);
    let _mint = next_event(desk);
    let expected = Vault::Deposit {
        sender: person('alice'), owner: person('bob'), assets: 100 * ONE, shares,
    };
    assert!(next_event(desk) == Some(Vault::Event::Deposit(expected)));
    // Nothing is left that another could spend.
    assert_eq!(desk.token.allowance(desk.here(), desk.house.contract_address), 0);
}

#[test]
fn what_the_vault_gives_is_rounded_down_and_what_it_takes_up() {
    let desk = funded();
    // A third of a unit beyond 50 USD more: 150 USD in whole units.
    desk.gain(50 * USD + 3_333_333_333);
    assert_eq!(desk.vault.total_assets(), 150 * ONE);
    let shares = desk.vault.preview_deposit(7);
    // 7 x (1e14 + 1e6) / (150e6 + 1), down.
    assert_eq!((shares, desk.vault.convert_to_shares(7)), (4_666_666, 4_666_666));
    assert_eq!(desk.vault.preview_mint(shares), 7);
    assert_eq!(desk.vault.preview_mint(1), 1);
    assert_eq!(desk.vault.convert_to_assets(shares), 6);
    by('bob');
    assert_eq!(desk.vault.deposit(7, person('bob')), shares);
    assert_eq!(desk.vault.mint(1, person('bob')), 1);
    assert_eq!(desk.token.balance_of(person('bob')), 1_000 * ONE - 8);
    assert_eq!(desk.shares.balance_of(person('bob')), shares + 1);
}

#[test]
#[ignore]
fn a_preview_is_what_happens() {
    let desk = funded();
    by('bob');
    let gains = array![0, 1, 9_999_999_999, 12 * USD + 7, -30 * USD, -25 * USD - 1];
    for gain in gains {
        desk.gain(gain);
        let shares = desk.vault.preview_deposit(1_234_567);
        assert_eq!(desk.vault.deposit(1_234_567, person('bob')), shares);
        let assets = desk.vault.preview_mint(987_654_321_987);
        assert_eq!(desk.vault.mint(987_654_321_987, person('bob')), assets);
    }
}

#[test]
fn a_donation_costs_its_giver_and_not_the_next_one() {
    let desk = open();
    // The first one in for a unit, then 500 USD as a gift to raise the price.
    desk.vault.deposit(1, person('alice'));
    desk.token.approve(desk.house.contract_address, Bounded::MAX);
    desk.house.deposit_for(desk.here(), 500_000_000);
    by('bob');
    let shares = desk.vault.deposit(400 * ONE, person('bob'));
    let worth = desk.vault.convert_to_assets(shares);
    assert!(worth > 400 * ONE - 400 && worth <= 400 * ONE);
    // Half of the gift is the virtual shares' for ever.
    let left = desk.vault.convert_to_assets(desk.shares.balance_of(person('alice')));
    assert!(left < 251 * ONE);
}

#[test]
fn tokens_sent_to_the_vault_change_no_price() {
    let desk = funded();
    desk.token.transfer(desk.here(), 500 * ONE);
    assert_eq!(desk.vault.total_assets(), 100 * ONE);
    assert_eq!(desk.vault.preview_deposit(ONE), SHARES_OF_ONE);
}

#[test]
#[feature("safe_dispatcher")]
fn a_bad_deposit_is_refused() {
    let desk = funded();
    let safe = desk.safe();
    let alice = person('alice');
    refused(safe.deposit(0, alice), 'VAULT: assets are zero');
    refused(safe.mint(0, alice), 'VAULT: assets are zero');
    for receiver in array![Zero::zero(), desk.here()] {
        refused(safe.deposit(ONE, receiver), 'VAULT: bad receiver');
        refused(safe.mint(SHARES_OF_ONE, receiver), 'VAULT: bad receiver');
        assert_eq!((desk.vault.max_deposit(receiver), desk.vault.max_mint(receiver)), (0, 0));
    }
    refused(safe.deposit(900 * ONE + 1, alice), 'ERC20: balance too low');
    by('carol');
    refused(safe.deposit(ONE, person('carol')), 'ERC20: allowance too low');
    refused(safe.deposit(Bounded::MAX, person('carol')), 'VAULT: amount too large');
    // A unit that buys no share: each is worth more than a unit.
    by('alice');
    desk.gain(1_000_000_000 * USD);
    desk.gain(1_000_000_000 * USD);
    refused(safe.deposit(1, alice), 'VAULT: shares are zero');
}

#[test]
#[feature("safe_dispatcher")]
fn a_vault_takes_no_more_than_an_account_can_hold() {
    let desk = open();
    let most: u256 = 0x200000000000000000000000;
    assert_eq!(desk.vault.max_deposit(person('alice')), most);
    by('bridge');
    let token = IBridgedTokenDispatcher { contract_address: desk.token.contract_address };
    token.mint(person('alice'), most);
    by('alice');
    desk.vault.deposit(most - 5, person('alice'));
    assert_eq!(desk.vault.max_deposit(person('alice')), 5);
    assert_eq!(desk.vault.max_mint(person('alice')), 5_000_000);
    refused(desk.safe().deposit(6, person('alice')), 'VAULT: above max_deposit');
    desk.vault.deposit(5, person('alice'));
    assert_eq!(
        (desk.vault.max_deposit(person('alice')), desk.vault.max_mint(person('alice'))), (0, 0),
    );
}

#[test]
#[feature("safe_dispatcher")]
fn a_vault_that_lost_everything_takes_nothing() {
    let desk = funded();
    for loss in array![-100 * USD, -1] {
        desk.gain(loss);
        assert_eq!(desk.vault.total_assets(), 0);
        assert_eq!(
            (desk.vault.max_deposit(person('bob')), desk.vault.max_mint(person('bob'))), (0, 0),
        );
        refused(desk.safe().deposit(ONE, person('alice')), 'VAULT: nothing left');
        refused(desk.safe().mint(ONE, person('alice')), 'VAULT: nothing left');
    }
}
