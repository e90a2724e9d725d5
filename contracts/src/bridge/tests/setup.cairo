//! The deployed bridge with the real token and vault, on a stand-in of the clearinghouse and the
//! oracle.

use starknet::syscalls::deploy_syscall;
use starknet::testing::{
    pop_l2_to_l1_message, pop_log, pop_log_raw, set_block_timestamp, set_contract_address,
    set_nonce,
};
use starknet::{ContractAddress, EthAddress, SyscallResultTrait};
use crate::bridge::contract::Bridge;
use crate::bridge::events::DepositParked;
use crate::bridge::interface::{
    IBridgeDispatcher, IBridgeDispatcherTrait, IBridgeSafeDispatcher, ParkedDeposit,
};
use crate::token::contract::CollateralToken;
use crate::token::interface::{IERC20Dispatcher, IERC20DispatcherTrait};
use crate::vault::contract::Vault;
use crate::vault::mocks::{IMockHouseDispatcher, IMockOracleDispatcher, MockHouse, MockOracle};

pub const START: u64 = 1_700_000_000;
/// The quota of most tests: 10 units a second.
pub const LIMIT: u128 = 1_000;
pub const WINDOW: u64 = 100;
/// 2^251.
pub const RETURNED: felt252 = 0x800000000000000000000000000000000000000000000000000000000000000;
pub const RETURN_DELAY: u64 = 86_400;
pub const L1_BRIDGE: felt252 = 0xb41d6e;
pub const L1_TOKEN: felt252 = 0x70ce7;
pub const DEPOSITOR: felt252 = 0xde905;
pub const WALLET: felt252 = 0;
pub const MARGIN: felt252 = 1;
pub const VAULT: felt252 = 2;

#[derive(Copy, Drop)]
pub enum Handler {
    Deposit,
    Epoch,
    Attestation,
}

#[derive(Copy, Drop)]
pub struct Desk {
    pub bridge: IBridgeDispatcher,
    pub token: IERC20Dispatcher,
    pub house: IMockHouseDispatcher,
    pub oracle: IMockOracleDispatcher,
    /// The vault as a token.
    pub shares: IERC20Dispatcher,
}

pub fn person(name: felt252) -> ContractAddress {
    name.try_into().unwrap()
}

pub fn eth(address: felt252) -> EthAddress {
    address.try_into().unwrap()
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

pub fn token_of(bridge: ContractAddress) -> ContractAddress {
    let mut calldata = array![];
    let (name, symbol): (ByteArray, ByteArray) = ("Truemark USDC", "tmUSDC");
    name.serialize(ref calldata);
    symbol.serialize(ref calldata);
    bridge.serialize(ref calldata);
    deployed(CollateralToken::TEST_CLASS_HASH, calldata.span())
}

pub fn house_of(token: ContractAddress, oracle: ContractAddress) -> ContractAddress {
    deployed(MockHouse::TEST_CLASS_HASH, array![token.into(), oracle.into()].span())
}

pub fn vault_of(token: ContractAddress, house: ContractAddress) -> ContractAddress {
    let mut calldata = array!['admin'];
    let (name, symbol): (ByteArray, ByteArray) = ("Truemark Vault", "tmV");
    name.serialize(ref calldata);
    symbol.serialize(ref calldata);
    token.serialize(ref calldata);
    house.serialize(ref calldata);
    calldata.append(0);
    deployed(Vault::TEST_CLASS_HASH, calldata.span())
}

/// Everything is there, nothing is connected; the admin is the caller.
pub fn unconnected() -> Desk {
    at(0);
    let bridge = deployed(
        Bridge::TEST_CLASS_HASH, array!['admin', LIMIT.into(), WINDOW.into()].span(),
    );
    let token = token_of(bridge);
    let oracle = deployed(MockOracle::TEST_CLASS_HASH, array![].span());
    let house = house_of(token, oracle);
    by('admin');
    Desk {
        bridge: IBridgeDispatcher { contract_address: bridge },
        token: IERC20Dispatcher { contract_address: token },
        house: IMockHouseDispatcher { contract_address: house },
        oracle: IMockOracleDispatcher { contract_address: oracle },
        shares: IERC20Dispatcher { contract_address: vault_of(token, house) },
    }
}

pub fn connected() -> Desk {
    let desk = unconnected();
    desk
        .bridge
        .connect(
            desk.token.contract_address,
            eth(L1_BRIDGE),
            eth(L1_TOKEN),
            desk.oracle.contract_address,
            desk.house.contract_address,
            desk.shares.contract_address,
        );
    pass_logs(desk);
    desk
}

/// As the sequencer runs a message from L1: the handler as the outermost call, on the bridge's
/// storage.
pub fn from_l1(
    desk: Desk, nonce: felt252, sender: felt252, arguments: Span<felt252>, handler: Handler,
) {
    set_nonce(nonce);
    let mut calldata = array![sender];
    calldata.append_span(arguments);
    set_contract_address(desk.bridge.contract_address);
    match handler {
        Handler::Deposit => { Bridge::__l1_handler::handle_deposit(calldata.span()); },
        Handler::Epoch => { Bridge::__l1_handler::handle_epoch(calldata.span()); },
        Handler::Attestation => { Bridge::__l1_handler::handle_attestation(calldata.span()); },
    }
    by('nobody');
}

pub fn deposit(
    desk: Desk, nonce: felt252, destination: felt252, recipient: felt252, amount: felt252,
) {
    let arguments = array![L1_TOKEN, DEPOSITOR, destination, recipient, amount].span();
    from_l1(desk, nonce, L1_BRIDGE, arguments, Handler::Deposit);
}

pub fn new_epoch(desk: Desk, epoch: felt252) {
    from_l1(desk, 0, L1_BRIDGE, array![epoch].span(), Handler::Epoch);
}

pub fn safe(desk: Desk) -> IBridgeSafeDispatcher {
    IBridgeSafeDispatcher { contract_address: desk.bridge.contract_address }
}

pub fn refused<T, +Drop<T>>(result: Result<T, Array<felt252>>, reason: felt252) {
    match result {
        Ok(_) => panic!("not refused: {}", reason),
        Err(reasons) => assert_eq!(*reasons[0], reason),
    }
}

pub fn pass_logs(desk: Desk) {
    while pop_log_raw(desk.bridge.contract_address).is_some() {}
}

pub fn happened(desk: Desk, event: Bridge::Event) {
    assert!(pop_log(desk.bridge.contract_address) == Some(event));
}

/// The next payment registered on L1.
pub fn sent(
    desk: Desk,
    recipient: felt252,
    amount: felt252,
    epoch: felt252,
    counter: felt252,
    source: felt252,
) {
    let payload = array![L1_TOKEN, recipient, amount, epoch, counter, source].span();
    assert!(pop_l2_to_l1_message(desk.bridge.contract_address) == Some((L1_BRIDGE, payload)));
}

pub fn parked(desk: Desk, recipient: felt252, destination: felt252, amount: u128, reason: felt252) {
    let id = desk.bridge.parked_count();
    assert_eq!(
        desk.bridge.parked(id),
        ParkedDeposit {
            depositor: eth(DEPOSITOR), recipient, destination, amount, parked_at: START, nonce: 7,
        },
    );
    let expected = DepositParked {
        recipient, depositor: eth(DEPOSITOR), id, nonce: 7, destination, amount, reason,
    };
    happened(desk, Bridge::Event::DepositParked(expected));
    assert!(desk.bridge.delivered(7));
    assert_eq!(desk.bridge.parked_total(), amount);
    assert_eq!(desk.token.balance_of(desk.bridge.contract_address), amount.into());
    // Nobody can take what is parked.
    let here = desk.bridge.contract_address;
    assert_eq!(desk.token.allowance(here, desk.house.contract_address), 0);
    assert_eq!(desk.token.allowance(here, desk.shares.contract_address), 0);
}
