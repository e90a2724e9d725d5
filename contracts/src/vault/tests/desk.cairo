//! The deployed vault on a stand-in of the venue, and what the tests of it share.

use core::num::traits::Bounded;
use starknet::syscalls::deploy_syscall;
use starknet::testing::{pop_log, pop_log_raw, set_block_timestamp, set_contract_address};
use starknet::{ContractAddress, SyscallResultTrait};
use crate::token::contract::CollateralToken;
use crate::token::interface::{
    IBridgedTokenDispatcher, IBridgedTokenDispatcherTrait, IERC20Dispatcher, IERC20DispatcherTrait,
};
use crate::vault::contract::Vault;
use crate::vault::interface::{IVaultDispatcher, IVaultDispatcherTrait, IVaultSafeDispatcher};
use crate::vault::mocks::{IMockHouseDispatcher, IMockHouseDispatcherTrait, MockHouse};

pub const START: u64 = 1_700_000_000;
pub const LOCK: u64 = 86_400;
/// 1 USD in 1e-16 USD.
pub const USD: i128 = 10_000_000_000_000_000;
/// 1 USD of collateral, and the shares of the first one.
pub const ONE: u256 = 1_000_000;
pub const SHARES_OF_ONE: u256 = 1_000_000_000_000;

#[derive(Copy, Drop)]
pub struct Desk {
    pub vault: IVaultDispatcher,
    /// The vault as a token.
    pub shares: IERC20Dispatcher,
    pub token: IERC20Dispatcher,
    pub house: IMockHouseDispatcher,
}

pub fn person(name: felt252) -> ContractAddress {
    name.try_into().unwrap()
}

pub fn by(name: felt252) {
    set_contract_address(person(name));
}

pub fn at(second: u64) {
    set_block_timestamp(START + second);
}

pub fn deployed(class: starknet::ClassHash, calldata: Span<felt252>) -> ContractAddress {
    let (address, _) = deploy_syscall(class, 0, calldata, false).unwrap_syscall();
    address
}

pub fn vault_calldata(
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
pub fn open() -> Desk {
    at(0);
    let mut calldata = array![];
    let (name, symbol): (ByteArray, ByteArray) = ("Truemark USDC", "tmUSDC");
    name.serialize(ref calldata);
    symbol.serialize(ref calldata);
    person('bridge').serialize(ref calldata);
    let token = deployed(CollateralToken::TEST_CLASS_HASH, calldata.span());
    let house = deployed(MockHouse::TEST_CLASS_HASH, array![token.into(), 'oracle'].span());
    let vault = deployed(
        Vault::TEST_CLASS_HASH, vault_calldata(person('admin'), token, house, LOCK),
    );
    let desk = Desk {
        vault: IVaultDispatcher { contract_address: vault },
        shares: IERC20Dispatcher { contract_address: vault },
        token: IERC20Dispatcher { contract_address: token },
        house: IMockHouseDispatcher { contract_address: house },
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
pub fn funded() -> Desk {
    let desk = open();
    desk.vault.deposit(100 * ONE, person('alice'));
    desk
}

/// A funded vault in which all of Alice's shares can be claimed.
pub fn claimable() -> Desk {
    let desk = funded();
    desk.vault.request_redeem(100 * SHARES_OF_ONE, person('alice'), person('alice'));
    at(LOCK);
    desk
}

#[generate_trait]
pub impl DeskImpl of DeskTrait {
    fn safe(self: @Desk) -> IVaultSafeDispatcher {
        IVaultSafeDispatcher { contract_address: self.here() }
    }

    fn here(self: @Desk) -> ContractAddress {
        *self.vault.contract_address
    }

    /// Tokens out of nothing; the caller is the bridge afterwards.
    fn mint(self: @Desk, recipient: ContractAddress, amount: u256) {
        by('bridge');
        IBridgedTokenDispatcher { contract_address: *self.token.contract_address }
            .mint(recipient, amount);
    }

    fn gain(self: @Desk, value: i128) {
        (*self.house).gain(self.here(), value);
    }
}

pub fn refused<T, +Drop<T>>(result: Result<T, Array<felt252>>, reason: felt252) {
    match result {
        Ok(_) => panic!("not refused: {}", reason),
        Err(reasons) => assert_eq!(*reasons[0], reason),
    }
}

/// Passes over the logs of the vault so far.
pub fn pass_logs(desk: Desk) {
    while pop_log_raw(desk.here()).is_some() {}
}

pub fn next_event(desk: Desk) -> Option<Vault::Event> {
    pop_log(desk.here())
}

