use core::num::traits::{Bounded, Zero};
use starknet::ContractAddress;
use starknet::syscalls::deploy_syscall;
use starknet::testing::{pop_log, set_block_timestamp, set_contract_address};
use crate::access::GUARDIAN;
use crate::clearinghouse::interface::Mode;
use crate::token::contract::CollateralToken;
use crate::token::erc20::ERC20Component;
use crate::token::interface::{
    IBridgedTokenDispatcher, IBridgedTokenDispatcherTrait, IERC20Dispatcher, IERC20DispatcherTrait,
};
use crate::upgrades::MIN_DELAY;
use crate::upgrades::interface::{
    IUpgradeableDispatcher, IUpgradeableDispatcherTrait, IUpgradeableSafeDispatcher,
    IUpgradeableSafeDispatcherTrait, UpgradePlan,
};
use crate::vault::mocks::{IMockHouseDispatcher, IMockHouseDispatcherTrait, MockHouse};

fn address(value: felt252) -> ContractAddress {
    value.try_into().unwrap()
}

/// A token whose bridge is the address 'bridge'.
fn deploy() -> (IERC20Dispatcher, IBridgedTokenDispatcher) {
    let mut calldata = array![];
    let (name, symbol): (ByteArray, ByteArray) = ("Test USDC", "tUSDC");
    name.serialize(ref calldata);
    symbol.serialize(ref calldata);
    calldata.append('bridge');
    let (token, _) = deploy_syscall(CollateralToken::TEST_CLASS_HASH, 0, calldata.span(), false)
        .unwrap();
    (
        IERC20Dispatcher { contract_address: token },
        IBridgedTokenDispatcher { contract_address: token },
    )
}

fn minted(account: felt252, amount: u256) -> (IERC20Dispatcher, IBridgedTokenDispatcher) {
    let (token, bridged) = deploy();
    set_contract_address(address('bridge'));
    bridged.mint(address(account), amount);
    (token, bridged)
}

#[test]
fn has_its_name_and_six_decimals() {
    let (token, bridged) = deploy();
    assert!(token.name() == "Test USDC" && token.symbol() == "tUSDC");
    assert!(token.decimals() == 6 && token.total_supply() == 0);
    assert!(bridged.bridge() == address('bridge'));
}

#[test]
fn the_bridge_mints_and_burns() {
    let (token, bridged) = minted('alice', 100);
    assert!(token.balance_of(address('alice')) == 100 && token.total_supply() == 100);
    bridged.burn(address('alice'), 40);
    assert!(token.balance_of(address('alice')) == 60 && token.total_supply() == 60);
    let token = token.contract_address;
    let mint = ERC20Component::Transfer { from: Zero::zero(), to: address('alice'), value: 100 };
    assert!(pop_log(token) == Some(ERC20Component::Event::Transfer(mint)));
    let burn = ERC20Component::Transfer { from: address('alice'), to: Zero::zero(), value: 40 };
    assert!(pop_log(token) == Some(ERC20Component::Event::Transfer(burn)));
}

#[test]
#[should_panic(expected: ('TOKEN: not the bridge', 'ENTRYPOINT_FAILED'))]
fn nobody_else_mints() {
    let (_, bridged) = deploy();
    set_contract_address(address('alice'));
    bridged.mint(address('alice'), 1);
}

#[test]
#[should_panic(expected: ('TOKEN: not the bridge', 'ENTRYPOINT_FAILED'))]
fn nobody_else_burns() {
    let (_, bridged) = minted('alice', 100);
    set_contract_address(address('alice'));
    bridged.burn(address('alice'), 1);
}

#[test]
#[should_panic(expected: ('ERC20: balance too low', 'ENTRYPOINT_FAILED'))]
fn does_not_burn_more_than_there_is() {
    let (_, bridged) = minted('alice', 100);
    bridged.burn(address('alice'), 101);
}

#[test]
#[should_panic(expected: ('ERC20: zero recipient', 'ENTRYPOINT_FAILED'))]
fn does_not_mint_to_zero() {
    let (_, bridged) = deploy();
    set_contract_address(address('bridge'));
    bridged.mint(Zero::zero(), 1);
}

#[test]
#[should_panic(expected: ('ERC20: supply too large', 'ENTRYPOINT_FAILED'))]
fn does_not_mint_beyond_the_bound() {
    let (_, bridged) = minted('alice', 1);
    bridged.mint(address('alice'), Bounded::MAX);
}

#[test]
fn transfers() {
    let (token, _) = minted('alice', 100);
    set_contract_address(address('alice'));
    assert!(token.transfer(address('bob'), 30));
    // To oneself: nothing changes.
    assert!(token.transfer(address('alice'), 70));
    assert!(token.balance_of(address('alice')) == 70 && token.balance_of(address('bob')) == 30);
    assert!(token.total_supply() == 100);
}

#[test]
#[should_panic(expected: ('ERC20: balance too low', 'ENTRYPOINT_FAILED'))]
fn does_not_transfer_more_than_there_is() {
    let (token, _) = minted('alice', 100);
    set_contract_address(address('alice'));
    token.transfer(address('bob'), 101);
}

#[test]
#[should_panic(expected: ('ERC20: zero recipient', 'ENTRYPOINT_FAILED'))]
fn does_not_transfer_to_zero() {
    let (token, _) = minted('alice', 100);
    set_contract_address(address('alice'));
    token.transfer(Zero::zero(), 1);
}

#[test]
fn spends_an_allowance_once() {
    let (token, _) = minted('alice', 100);
    set_contract_address(address('alice'));
    assert!(token.approve(address('bob'), 60));
    set_contract_address(address('bob'));
    assert!(token.transfer_from(address('alice'), address('carol'), 50));
    assert!(token.allowance(address('alice'), address('bob')) == 10);
    assert!(token.balance_of(address('carol')) == 50);
}

#[test]
#[should_panic(expected: ('ERC20: allowance too low', 'ENTRYPOINT_FAILED'))]
fn does_not_spend_more_than_allowed() {
    let (token, _) = minted('alice', 100);
    set_contract_address(address('alice'));
    token.approve(address('bob'), 60);
    set_contract_address(address('bob'));
    token.transfer_from(address('alice'), address('bob'), 61);
}

#[test]
fn an_allowance_of_all_bits_is_without_end() {
    let (token, _) = minted('alice', 100);
    set_contract_address(address('alice'));
    token.approve(address('bob'), Bounded::MAX);
    set_contract_address(address('bob'));
    token.transfer_from(address('alice'), address('bob'), 100);
    assert!(token.allowance(address('alice'), address('bob')) == Bounded::MAX);
}

#[test]
#[should_panic(expected: ('ERC20: zero spender', 'ENTRYPOINT_FAILED'))]
fn does_not_approve_zero() {
    let (token, _) = deploy();
    set_contract_address(address('alice'));
    token.approve(Zero::zero(), 1);
}

#[test]
#[should_panic(expected: ('ERC20: balance too low', 'ENTRYPOINT_FAILED'))]
fn an_allowance_is_no_balance() {
    let (token, _) = minted('alice', 100);
    set_contract_address(address('alice'));
    token.approve(address('bob'), Bounded::MAX);
    set_contract_address(address('bob'));
    token.transfer_from(address('alice'), address('bob'), 101);
}

#[starknet::interface]
trait IRoles<TState> {
    fn admin(self: @TState) -> ContractAddress;
    fn has_role(self: @TState, role: felt252, account: ContractAddress) -> bool;
    fn clearinghouse(self: @TState) -> ContractAddress;
}

/// What the token asks of its bridge: the admin is 'admin', the guardian 'greta'.
#[starknet::contract]
mod MockBridge {
    use starknet::ContractAddress;
    use starknet::storage::{StoragePointerReadAccess, StoragePointerWriteAccess};

    #[storage]
    struct Storage {
        clearinghouse: ContractAddress,
    }

    #[constructor]
    fn constructor(ref self: ContractState, clearinghouse: ContractAddress) {
        self.clearinghouse.write(clearinghouse);
    }

    #[abi(embed_v0)]
    impl Roles of super::IRoles<ContractState> {
        fn admin(self: @ContractState) -> ContractAddress {
            'admin'.try_into().unwrap()
        }

        fn has_role(self: @ContractState, role: felt252, account: ContractAddress) -> bool {
            role == super::GUARDIAN && account == 'greta'.try_into().unwrap()
        }

        fn clearinghouse(self: @ContractState) -> ContractAddress {
            self.clearinghouse.read()
        }
    }
}

fn refused<T, +Drop<T>>(result: Result<T, Array<felt252>>, reason: felt252) {
    match result {
        Ok(_) => panic!("not refused: {}", reason),
        Err(reasons) => assert!(*reasons[0] == reason),
    }
}

#[test]
#[feature("safe_dispatcher")]
fn the_bridges_admin_upgrades_the_token() {
    set_block_timestamp(1_700_000_000);
    let (house, _) = deploy_syscall(MockHouse::TEST_CLASS_HASH, 0, array![1, 2].span(), false)
        .unwrap();
    let (bridge, _) = deploy_syscall(
        MockBridge::TEST_CLASS_HASH, 0, array![house.into()].span(), false,
    )
        .unwrap();
    let mut calldata = array![];
    let (name, symbol): (ByteArray, ByteArray) = ("Test USDC", "tUSDC");
    name.serialize(ref calldata);
    symbol.serialize(ref calldata);
    bridge.serialize(ref calldata);
    let (token, _) = deploy_syscall(CollateralToken::TEST_CLASS_HASH, 0, calldata.span(), false)
        .unwrap();
    let token = IUpgradeableDispatcher { contract_address: token };
    let safe = IUpgradeableSafeDispatcher { contract_address: token.contract_address };
    let house = IMockHouseDispatcher { contract_address: house };
    let plan = UpgradePlan {
        class_hash: CollateralToken::TEST_CLASS_HASH,
        classes: array![].span(),
        migration: array![].span(),
    };

    set_contract_address(address('greta'));
    refused(safe.schedule_upgrade(plan, MIN_DELAY), 'ACCESS: not the admin');
    set_contract_address(address('admin'));
    token.schedule_upgrade(plan, MIN_DELAY);
    set_contract_address(address('alice'));
    refused(safe.cancel_upgrade(), 'ACCESS: not admin or guardian');
    set_contract_address(address('greta'));
    token.cancel_upgrade();
    refused(safe.upgrade(plan), 'ACCESS: not the admin');
    set_contract_address(address('admin'));
    token.schedule_upgrade(plan, MIN_DELAY);
    set_block_timestamp(1_700_000_000 + MIN_DELAY);
    refused(safe.upgrade(plan), 'UPGRADE: venue is not halted');
    house.put_mode(Mode::Halted);
    token.upgrade(plan);
    assert!(token.conserved() == array![bridge.into(), 0, 6].span());
}
