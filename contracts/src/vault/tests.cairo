//! The deployed vault on a stand-in of the venue: what each call does, who may make it, and when it
//! is closed.

use core::num::traits::{Bounded, Zero};
use core::poseidon::poseidon_hash_span;
use starknet::syscalls::deploy_syscall;
use starknet::testing::{pop_log, pop_log_raw, set_block_timestamp, set_contract_address};
use starknet::{ContractAddress, SyscallResultTrait};
use crate::clearinghouse::interface::Mode;
use crate::token::contract::CollateralToken;
use crate::token::interface::{
    IBridgedTokenDispatcher, IBridgedTokenDispatcherTrait, IERC20Dispatcher, IERC20DispatcherTrait,
    IERC20SafeDispatcher, IERC20SafeDispatcherTrait,
};
use crate::vault::contract::Vault;
use crate::vault::interface::{
    IVaultDispatcher, IVaultDispatcherTrait, IVaultSafeDispatcher, IVaultSafeDispatcherTrait,
    Redemption,
};
use crate::vault::mocks::{
    IMockHouseDispatcher, IMockHouseDispatcherTrait, IMockOracleDispatcher,
    IMockOracleDispatcherTrait, MockHouse, MockOracle,
};

const START: u64 = 1_700_000_000;
const LOCK: u64 = 86_400;
/// 1 USD in 1e-16 USD.
const USD: i128 = 10_000_000_000_000_000;
/// 1 USD of collateral, and the shares of the first one.
const ONE: u256 = 1_000_000;
const SHARES_OF_ONE: u256 = 1_000_000_000_000;

#[derive(Copy, Drop)]
struct Desk {
    vault: IVaultDispatcher,
    /// The vault as a token.
    shares: IERC20Dispatcher,
    token: IERC20Dispatcher,
    house: IMockHouseDispatcher,
    oracle: IMockOracleDispatcher,
}

fn person(name: felt252) -> ContractAddress {
    name.try_into().unwrap()
}

fn by(name: felt252) {
    set_contract_address(person(name));
}

fn at(second: u64) {
    set_block_timestamp(START + second);
}

fn deployed(class: starknet::ClassHash, calldata: Span<felt252>) -> ContractAddress {
    let (address, _) = deploy_syscall(class, 0, calldata, false).unwrap_syscall();
    address
}

fn vault_calldata(
    admin: ContractAddress, asset: ContractAddress, clearinghouse: ContractAddress, lock_secs: u64,
) -> Span<felt252> {
    let mut calldata = array![];
    let (name, symbol): (ByteArray, ByteArray) = ("Truemark Vault", "tmV");
    admin.serialize(ref calldata);
    name.serialize(ref calldata);
    symbol.serialize(ref calldata);
    asset.serialize(ref calldata);
    clearinghouse.serialize(ref calldata);
    lock_secs.serialize(ref calldata);
    calldata.span()
}

/// An empty vault, and Alice and Bob with 1,000 USD each that the vault may take.
fn open() -> Desk {
    at(0);
    let mut calldata = array![];
    let (name, symbol): (ByteArray, ByteArray) = ("Truemark USDC", "tmUSDC");
    name.serialize(ref calldata);
    symbol.serialize(ref calldata);
    person('bridge').serialize(ref calldata);
    let token = deployed(CollateralToken::TEST_CLASS_HASH, calldata.span());
    let oracle = deployed(MockOracle::TEST_CLASS_HASH, array![].span());
    let house = deployed(MockHouse::TEST_CLASS_HASH, array![token.into(), oracle.into()].span());
    let vault = deployed(
        Vault::TEST_CLASS_HASH, vault_calldata(person('admin'), token, house, LOCK),
    );
    let desk = Desk {
        vault: IVaultDispatcher { contract_address: vault },
        shares: IERC20Dispatcher { contract_address: vault },
        token: IERC20Dispatcher { contract_address: token },
        house: IMockHouseDispatcher { contract_address: house },
        oracle: IMockOracleDispatcher { contract_address: oracle },
    };
    for name in array!['alice', 'bob'] {
        by('bridge');
        IBridgedTokenDispatcher { contract_address: token }.mint(person(name), 1_000 * ONE);
        by(name);
        desk.token.approve(vault, Bounded::MAX);
    }
    by('alice');
    desk
}

/// A vault in which Alice deposited 100 USD; she is the caller.
fn funded() -> Desk {
    let desk = open();
    desk.vault.deposit(100 * ONE, person('alice'));
    desk
}

/// A funded vault in which all of Alice's shares can be claimed.
fn claimable() -> Desk {
    let desk = funded();
    desk.vault.request_redeem(100 * SHARES_OF_ONE, person('alice'), person('alice'));
    at(LOCK);
    desk
}

#[generate_trait]
impl DeskImpl of DeskTrait {
    fn safe(self: @Desk) -> IVaultSafeDispatcher {
        IVaultSafeDispatcher { contract_address: self.here() }
    }

    fn here(self: @Desk) -> ContractAddress {
        *self.vault.contract_address
    }

    fn gain(self: @Desk, value: i128) {
        (*self.house).gain(self.here(), value);
    }
}

fn refused<T, +Drop<T>>(result: Result<T, Array<felt252>>, reason: felt252) {
    match result {
        Ok(_) => panic!("not refused: {}", reason),
        Err(reasons) => assert_eq!(*reasons[0], reason),
    }
}

/// Passes over the logs of the vault so far.
fn pass_logs(desk: Desk) {
    while pop_log_raw(desk.here()).is_some() {}
}

fn next_event(desk: Desk) -> Option<Vault::Event> {
    pop_log(desk.here())
}

// --- construction

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

// --- deposit and mint

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

// --- closed

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
    desk.oracle.put_frozen(true);
    // It holds market 0 only.
    desk.house.hold(desk.here(), 1, 0);
    desk.vault.deposit(ONE, alice);
    desk.house.hold(desk.here(), 3, 0);
    assert_eq!((desk.vault.max_deposit(alice), desk.vault.max_redeem(alice)), (0, 0));
    refused(safe.deposit(ONE, alice), 'VAULT: closed');
    refused(safe.redeem(SHARES_OF_ONE, alice, alice), 'VAULT: closed');
    desk.oracle.put_frozen(false);
    desk.vault.deposit(ONE, alice);
    desk.vault.redeem(SHARES_OF_ONE, alice, alice);
}

// --- requests

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
    refused(safe.request_redeem(1, Zero::zero(), alice), 'VAULT: bad controller');
    // Into the queue of one who did not agree.
    refused(safe.request_redeem(1, bob, alice), 'VAULT: bad controller');
    refused(safe.request_redeem(1, alice, bob), 'VAULT: not owner or operator');
    by('bob');
    refused(safe.request_redeem(1, bob, alice), 'VAULT: not owner or operator');
    refused(safe.request_redeem(1, alice, alice), 'VAULT: not owner or operator');
    by('alice');
    desk.house.put_mode(Mode::Halted);
    refused(safe.request_redeem(1, alice, alice), 'VAULT: venue is halted');
    desk.house.put_mode(Mode::CancelOnly);
    desk.vault.request_redeem(1, alice, alice);
    refused(safe.redemption(0x10000000000000000), 'VAULT: no such request');
    refused(safe.claimable_redeem_request(0x10000000000000000, alice), 'VAULT: no such request');
}

#[test]
#[feature("safe_dispatcher")]
fn a_queue_holds_thirty_two() {
    let desk = funded();
    let alice = person('alice');
    for number in 1..33_u256 {
        assert_eq!(desk.vault.request_redeem(SHARES_OF_ONE, alice, alice), number);
    }
    refused(desk.safe().request_redeem(SHARES_OF_ONE, alice, alice), 'VAULT: too many requests');
    at(LOCK);
    // The first one whole and a part of the second: one place is free.
    desk.vault.redeem(SHARES_OF_ONE + 1, alice, alice);
    assert_eq!(
        (desk.vault.redemption(1).shares, desk.vault.redemption(2).shares), (0, SHARES_OF_ONE - 1),
    );
    desk.vault.request_redeem(SHARES_OF_ONE, alice, alice);
    refused(desk.safe().request_redeem(SHARES_OF_ONE, alice, alice), 'VAULT: too many requests');
    assert_eq!(desk.vault.max_redeem(alice), 31 * SHARES_OF_ONE - 1);
}

// --- claims

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

#[test]
#[feature("safe_dispatcher")]
fn a_shorter_lock_ends_later_requests_earlier() {
    let desk = funded();
    let alice = person('alice');
    desk.vault.request_redeem(10 * SHARES_OF_ONE, alice, alice);
    by('admin');
    desk.vault.set_lock_secs(60);
    by('alice');
    desk.vault.request_redeem(20 * SHARES_OF_ONE, alice, alice);
    at(60);
    assert_eq!(desk.vault.max_redeem(alice), 20 * SHARES_OF_ONE);
    desk.vault.redeem(20 * SHARES_OF_ONE, alice, alice);
    assert_eq!(desk.vault.redemption(1).shares, 10 * SHARES_OF_ONE);
    refused(desk.safe().redeem(SHARES_OF_ONE, alice, alice), 'VAULT: more than is claimable');
    at(LOCK);
    desk.vault.redeem(10 * SHARES_OF_ONE, alice, alice);
    assert_eq!(desk.vault.max_redeem(alice), 0);
    // The queue is empty again: a new request is the first in it.
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

#[test]
#[feature("safe_dispatcher")]
fn a_redemption_has_no_preview() {
    let desk = claimable();
    refused(desk.safe().preview_redeem(SHARES_OF_ONE), 'VAULT: priced at the claim');
    refused(desk.safe().preview_withdraw(ONE), 'VAULT: priced at the claim');
}

// --- operators, shares, admin

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
    // For its principal, for itself as the controller, but not for a third.
    assert_eq!(desk.vault.request_redeem(SHARES_OF_ONE, alice, alice), 1);
    assert_eq!(desk.vault.request_redeem(SHARES_OF_ONE, bob, alice), 2);
    refused(safe.request_redeem(SHARES_OF_ONE, carol, alice), 'VAULT: bad controller');
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
    refused(safe.request_redeem(1, alice, alice), 'VAULT: not owner or operator');
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

// --- over many steps

/// Deposits, requests and claims of two people, with gains between: no step of theirs lowers the
/// price, and nobody takes out more than came in.
#[test]
fn nobody_gains_from_the_others() {
    let desk = open();
    by('admin');
    desk.vault.set_lock_secs(0);
    let (mut came_in, mut went_out): (u256, u256) = (0, 0);
    let (mut assets, mut supply): (u256, u256) = (0, 0);
    for step in 0..15_u32 {
        let draw: u256 = poseidon_hash_span(array!['walk', step.into()].span()).into();
        let name = if step % 2 == 0 {
            'alice'
        } else {
            'bob'
        };
        let amount: u256 = (draw.low % 50_000_000 + 1).into();
        by(name);
        match step % 5 {
            0 | 1 => {
                desk.vault.deposit(amount, person(name));
                came_in += amount;
            },
            2 => came_in += desk.vault.mint(amount * 1_000_000, person(name)),
            3 => {
                let shares = core::cmp::min(
                    amount * 1_000_000, desk.shares.balance_of(person(name)),
                );
                desk.vault.request_redeem(shares, person(name), person(name));
                went_out += desk.vault.redeem(shares, person(name), person(name));
            },
            _ => {
                // A gain is paid for by another account of the house.
                by('bridge');
                let token = IBridgedTokenDispatcher {
                    contract_address: desk.token.contract_address,
                };
                token.mint(desk.house.contract_address, amount);
                came_in += amount;
                desk.gain((draw.low % 50_000_000 + 1).try_into().unwrap() * 10_000_000_000);
            },
        }
        let (after, shares) = (desk.vault.total_assets(), desk.shares.total_supply());
        assert!(
            (after + 1) * (supply + 1_000_000) >= (assets + 1) * (shares + 1_000_000),
            "step {}",
            step,
        );
        assert!(after + went_out <= came_in, "step {}", step);
        assets = after;
        supply = shares;
    }
    assert!(went_out != 0);
}
