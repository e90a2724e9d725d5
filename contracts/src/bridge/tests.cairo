//! The deployed bridge with the real token and vault, on a stand-in of the clearinghouse and the
//! oracle: what a message from L1 does, what is parked and how it leaves, what goes back to L1.

use core::num::traits::Zero;
use starknet::syscalls::deploy_syscall;
use starknet::testing::{
    pop_l2_to_l1_message, pop_log, pop_log_raw, set_block_timestamp, set_contract_address,
    set_nonce,
};
use starknet::{ContractAddress, EthAddress, SyscallResultTrait};
use crate::bridge::contract::Bridge;
use crate::bridge::interface::{
    Destination, IBridgeDispatcher, IBridgeDispatcherTrait, IBridgeSafeDispatcher,
    IBridgeSafeDispatcherTrait, ParkedDeposit,
};
use crate::clearinghouse::interface::Mode;
use crate::token::contract::CollateralToken;
use crate::token::interface::{IERC20Dispatcher, IERC20DispatcherTrait};
use crate::vault::contract::Vault;
use crate::vault::mocks::{
    IMockHouseDispatcher, IMockHouseDispatcherTrait, IMockOracleDispatcher,
    IMockOracleDispatcherTrait, MockHouse, MockOracle,
};

const START: u64 = 1_700_000_000;
const RETURN_DELAY: u64 = 86_400;
const L1_BRIDGE: felt252 = 0xb41d6e;
const L1_TOKEN: felt252 = 0x70ce7;
const DEPOSITOR: felt252 = 0xde905;
const WALLET: felt252 = 0;
const MARGIN: felt252 = 1;
const VAULT: felt252 = 2;

#[derive(Copy, Drop)]
struct Desk {
    bridge: IBridgeDispatcher,
    token: IERC20Dispatcher,
    house: IMockHouseDispatcher,
    oracle: IMockOracleDispatcher,
    /// The vault as a token.
    shares: IERC20Dispatcher,
}

fn person(name: felt252) -> ContractAddress {
    name.try_into().unwrap()
}

fn eth(address: felt252) -> EthAddress {
    address.try_into().unwrap()
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

fn token_of(bridge: ContractAddress) -> ContractAddress {
    let mut calldata = array![];
    let (name, symbol): (ByteArray, ByteArray) = ("Truemark USDC", "tmUSDC");
    name.serialize(ref calldata);
    symbol.serialize(ref calldata);
    bridge.serialize(ref calldata);
    deployed(CollateralToken::TEST_CLASS_HASH, calldata.span())
}

fn house_of(token: ContractAddress, oracle: ContractAddress) -> ContractAddress {
    deployed(MockHouse::TEST_CLASS_HASH, array![token.into(), oracle.into()].span())
}

fn vault_of(token: ContractAddress, house: ContractAddress) -> ContractAddress {
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
fn unconnected() -> Desk {
    at(0);
    let bridge = deployed(Bridge::TEST_CLASS_HASH, array!['admin'].span());
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

fn connected() -> Desk {
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
fn from_l1(desk: Desk, nonce: felt252, sender: felt252, arguments: Span<felt252>, epoch: bool) {
    set_nonce(nonce);
    let mut calldata = array![sender];
    calldata.append_span(arguments);
    set_contract_address(desk.bridge.contract_address);
    if epoch {
        Bridge::__l1_handler::handle_epoch(calldata.span());
    } else {
        Bridge::__l1_handler::handle_deposit(calldata.span());
    }
    by('nobody');
}

fn deposit(desk: Desk, nonce: felt252, destination: felt252, recipient: felt252, amount: felt252) {
    let arguments = array![L1_TOKEN, DEPOSITOR, destination, recipient, amount].span();
    from_l1(desk, nonce, L1_BRIDGE, arguments, false);
}

fn new_epoch(desk: Desk, epoch: felt252) {
    from_l1(desk, 0, L1_BRIDGE, array![epoch].span(), true);
}

fn safe(desk: Desk) -> IBridgeSafeDispatcher {
    IBridgeSafeDispatcher { contract_address: desk.bridge.contract_address }
}

fn refused<T, +Drop<T>>(result: Result<T, Array<felt252>>, reason: felt252) {
    match result {
        Ok(_) => panic!("not refused: {}", reason),
        Err(reasons) => assert_eq!(*reasons[0], reason),
    }
}

fn pass_logs(desk: Desk) {
    while pop_log_raw(desk.bridge.contract_address).is_some() {}
}

fn happened(desk: Desk, event: Bridge::Event) {
    assert!(pop_log(desk.bridge.contract_address) == Some(event));
}

/// The next payment registered on L1.
fn sent(desk: Desk, recipient: felt252, amount: felt252, epoch: felt252, counter: felt252) {
    let payload = array![L1_TOKEN, recipient, amount, epoch, counter].span();
    assert!(pop_l2_to_l1_message(desk.bridge.contract_address) == Some((L1_BRIDGE, payload)));
}

fn parked(desk: Desk, recipient: felt252, destination: felt252, amount: u128, reason: felt252) {
    let id = desk.bridge.parked_count();
    assert_eq!(
        desk.bridge.parked(id),
        ParkedDeposit {
            depositor: eth(DEPOSITOR), recipient, destination, amount, parked_at: START,
        },
    );
    let expected = Bridge::DepositParked {
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

// --- connecting

#[test]
#[feature("safe_dispatcher")]
fn a_bridge_is_connected_once_by_its_admin() {
    let desk = unconnected();
    let (token, oracle) = (desk.token.contract_address, desk.oracle.contract_address);
    let (house, vault) = (desk.house.contract_address, desk.shares.contract_address);
    let safe = safe(desk);
    let (l1_bridge, l1_token) = (eth(L1_BRIDGE), eth(L1_TOKEN));
    by('nobody');
    refused(
        safe.connect(token, l1_bridge, l1_token, oracle, house, vault), 'ACCESS: not the admin',
    );
    by('admin');
    let zero = Zero::zero();
    for (token, l1_bridge, l1_token, oracle, house, vault) in array![
        (zero, l1_bridge, l1_token, oracle, house, vault),
        (token, eth(0), l1_token, oracle, house, vault),
        (token, l1_bridge, eth(0), oracle, house, vault),
        (token, l1_bridge, l1_token, zero, house, vault),
        (token, l1_bridge, l1_token, oracle, zero, vault),
        (token, l1_bridge, l1_token, oracle, house, zero),
    ] {
        refused(
            safe.connect(token, l1_bridge, l1_token, oracle, house, vault), 'BRIDGE: zero address',
        );
    }
    pass_logs(desk);
    desk.bridge.connect(token, l1_bridge, l1_token, oracle, house, vault);
    let expected = Bridge::Connected {
        token, l1_bridge, l1_token, oracle, clearinghouse: house, vault,
    };
    happened(desk, Bridge::Event::Connected(expected));
    assert_eq!((desk.bridge.token(), desk.bridge.oracle()), (token, oracle));
    assert_eq!((desk.bridge.clearinghouse(), desk.bridge.vault()), (house, vault));
    assert_eq!((desk.bridge.l1_bridge(), desk.bridge.l1_token()), (l1_bridge, l1_token));
    assert_eq!((desk.bridge.epoch(), desk.bridge.return_delay()), (0, RETURN_DELAY));
    refused(
        safe.connect(token, l1_bridge, l1_token, oracle, house, vault), 'BRIDGE: already connected',
    );
}

#[test]
#[feature("safe_dispatcher")]
fn a_bridge_and_its_venue_share_one_token() {
    let desk = unconnected();
    let (token, oracle) = (desk.token.contract_address, desk.oracle.contract_address);
    let (house, vault) = (desk.house.contract_address, desk.shares.contract_address);
    // A token of another bridge, and a clearinghouse and a vault on it.
    let other = token_of(person('other'));
    let other_house = house_of(other, oracle);
    let other_vault = vault_of(other, other_house);
    for (token, house, vault) in array![
        (other, other_house, other_vault), (token, other_house, vault), (token, house, other_vault),
    ] {
        refused(
            safe(desk).connect(token, eth(L1_BRIDGE), eth(L1_TOKEN), oracle, house, vault),
            'BRIDGE: another token',
        );
    }
}

#[test]
#[should_panic(expected: ('BRIDGE: not connected',))]
fn an_unconnected_bridge_takes_no_deposit() {
    deposit(unconnected(), 7, WALLET, 'alice', 100);
}

#[test]
#[should_panic(expected: ('BRIDGE: not connected',))]
fn an_unconnected_bridge_takes_no_epoch() {
    new_epoch(unconnected(), 1);
}

#[test]
#[should_panic(expected: ('BRIDGE: not connected', 'ENTRYPOINT_FAILED'))]
fn an_unconnected_bridge_pays_nothing() {
    unconnected().bridge.withdraw(0, eth(DEPOSITOR), 1);
}

// --- deposits from L1

#[test]
fn a_deposit_reaches_each_destination() {
    let desk = connected();
    let alice = person('alice');
    let cases = array![
        (7, WALLET, Destination::Wallet), (8, MARGIN, Destination::Margin),
        (9, VAULT, Destination::Vault),
    ];
    for (nonce, code, destination) in cases {
        deposit(desk, nonce, code, 'alice', 5_000_000);
        let expected = Bridge::DepositDelivered {
            recipient: alice, depositor: eth(DEPOSITOR), nonce, destination, amount: 5_000_000,
        };
        happened(desk, Bridge::Event::DepositDelivered(expected));
        assert!(desk.bridge.delivered(nonce));
    }
    assert_eq!(desk.token.balance_of(alice), 5_000_000);
    assert_eq!(desk.house.account(alice).collateral, 5_000_000);
    assert_eq!(desk.shares.balance_of(alice), 5_000_000_000_000);
    assert_eq!(desk.house.account(desk.shares.contract_address).collateral, 5_000_000);
    // One for one, and nothing stays at the bridge.
    assert_eq!(
        (desk.token.total_supply(), desk.token.balance_of(desk.bridge.contract_address)),
        (15_000_000, 0),
    );
    assert_eq!((desk.bridge.parked_count(), desk.bridge.parked_total()), (0, 0));
    assert!(!desk.bridge.delivered(10));
}

#[test]
#[should_panic(expected: ('BRIDGE: not the L1 bridge',))]
fn another_l1_contract_makes_no_deposit() {
    let desk = connected();
    from_l1(
        desk, 7, L1_BRIDGE + 1, array![L1_TOKEN, DEPOSITOR, WALLET, 'alice', 100].span(), false,
    );
}

#[test]
#[should_panic(expected: ('BRIDGE: another token',))]
fn another_l1_token_makes_no_deposit() {
    let desk = connected();
    from_l1(
        desk, 7, L1_BRIDGE, array![L1_TOKEN + 1, DEPOSITOR, WALLET, 'alice', 100].span(), false,
    );
}

#[test]
#[should_panic(expected: ('BRIDGE: amount is zero',))]
fn nothing_is_no_deposit() {
    deposit(connected(), 7, WALLET, 'alice', 0);
}

#[test]
#[should_panic(expected: ('BRIDGE: already delivered',))]
fn a_deposit_is_delivered_once() {
    let desk = connected();
    deposit(desk, 7, WALLET, 'alice', 100);
    deposit(desk, 7, WALLET, 'alice', 100);
}

#[test]
#[should_panic(expected: ('BRIDGE: already delivered',))]
fn a_parked_deposit_is_not_delivered_again() {
    let desk = connected();
    deposit(desk, 7, MARGIN, 0, 100);
    deposit(desk, 7, MARGIN, 'alice', 100);
}

// --- parking

#[test]
fn a_recipient_that_could_never_claim_is_parked() {
    let desk = connected();
    // Zero, beyond the addresses, and the venue's own contracts.
    let recipients = array![
        0, -1, desk.bridge.contract_address.into(), desk.token.contract_address.into(),
        desk.house.contract_address.into(), desk.shares.contract_address.into(),
        desk.oracle.contract_address.into(),
    ];
    let mut nonce = 20;
    for recipient in recipients {
        deposit(desk, nonce, WALLET, recipient, 100);
        let parked = desk.bridge.parked(desk.bridge.parked_count());
        assert_eq!((parked.recipient, parked.amount), (recipient, 100));
        nonce += 1;
    }
    assert_eq!((desk.bridge.parked_count(), desk.bridge.parked_total()), (7, 700));
    assert_eq!(desk.token.balance_of(desk.bridge.contract_address), 700);
}

#[test]
fn a_bad_recipient_is_parked_with_its_reason() {
    let desk = connected();
    deposit(desk, 7, MARGIN, 0, 100);
    parked(desk, 0, MARGIN, 100, 'BRIDGE: bad recipient');
}

#[test]
fn a_bad_destination_is_parked() {
    let desk = connected();
    deposit(desk, 7, 3, 'alice', 100);
    parked(desk, 'alice', 3, 100, 'BRIDGE: bad destination');
}

#[test]
fn a_margin_deposit_to_a_halted_venue_is_parked() {
    let desk = connected();
    desk.house.put_mode(Mode::Halted);
    deposit(desk, 7, MARGIN, 'alice', 100);
    parked(desk, 'alice', MARGIN, 100, 'BRIDGE: venue is halted');
}

#[test]
fn a_deposit_to_a_closed_vault_is_parked() {
    let desk = connected();
    desk.house.put_mode(Mode::CancelOnly);
    deposit(desk, 7, VAULT, 'alice', 100);
    parked(desk, 'alice', VAULT, 100, 'VAULT: closed');
    // A margin account takes deposits in this mode.
    deposit(desk, 8, MARGIN, 'alice', 100);
    assert_eq!(desk.house.account(person('alice')).collateral, 100);
}

#[test]
fn a_deposit_that_the_venue_refuses_is_parked() {
    let desk = connected();
    desk.house.refuse('MOCK: full');
    deposit(desk, 7, MARGIN, 'alice', 100);
    parked(desk, 'alice', MARGIN, 100, 'MOCK: full');
}

#[test]
fn a_wallet_deposit_needs_no_venue() {
    let desk = connected();
    desk.house.put_mode(Mode::Halted);
    deposit(desk, 7, WALLET, 'alice', 100);
    assert_eq!(desk.token.balance_of(person('alice')), 100);
}

#[test]
#[feature("safe_dispatcher")]
fn a_parked_deposit_is_claimed_once_by_its_recipient() {
    let desk = connected();
    deposit(desk, 7, 3, 'alice', 100);
    pass_logs(desk);
    by('bob');
    refused(safe(desk).claim_parked(1), 'BRIDGE: not the recipient');
    by('alice');
    refused(safe(desk).claim_parked(2), 'BRIDGE: nothing parked');
    desk.bridge.claim_parked(1);
    let expected = Bridge::ParkedClaimed { recipient: person('alice'), id: 1, amount: 100 };
    happened(desk, Bridge::Event::ParkedClaimed(expected));
    assert_eq!(desk.token.balance_of(person('alice')), 100);
    assert_eq!((desk.bridge.parked(1).amount, desk.bridge.parked_total()), (0, 0));
    refused(safe(desk).claim_parked(1), 'BRIDGE: nothing parked');
    at(RETURN_DELAY);
    refused(safe(desk).return_parked(1), 'BRIDGE: nothing parked');
}

#[test]
#[feature("safe_dispatcher")]
fn a_parked_deposit_is_returned_by_anyone_after_the_delay() {
    let desk = connected();
    deposit(desk, 7, 3, 'alice', 100);
    pass_logs(desk);
    by('bob');
    at(RETURN_DELAY - 1);
    refused(safe(desk).return_parked(1), 'BRIDGE: return delay not over');
    at(RETURN_DELAY);
    desk.bridge.return_parked(1);
    let bridge = desk.bridge.contract_address;
    let registered = Bridge::WithdrawalRegistered {
        account: bridge, l1_recipient: eth(DEPOSITOR), amount: 100, epoch: 0, counter: 1,
    };
    happened(desk, Bridge::Event::WithdrawalRegistered(registered));
    let returned = Bridge::ParkedReturned {
        depositor: eth(DEPOSITOR), id: 1, amount: 100, counter: 1,
    };
    happened(desk, Bridge::Event::ParkedReturned(returned));
    sent(desk, DEPOSITOR, 100, 0, 1);
    assert_eq!((desk.token.total_supply(), desk.bridge.parked_total()), (0, 0));
    refused(safe(desk).return_parked(1), 'BRIDGE: nothing parked');
    by('alice');
    refused(safe(desk).claim_parked(1), 'BRIDGE: nothing parked');
}

#[test]
fn its_recipient_returns_a_parked_deposit_at_once() {
    let desk = connected();
    deposit(desk, 7, 3, 'alice', 100);
    by('alice');
    desk.bridge.return_parked(1);
    sent(desk, DEPOSITOR, 100, 0, 1);
}

#[test]
fn a_deposit_that_nobody_could_claim_is_returned_at_once() {
    let desk = connected();
    deposit(desk, 7, MARGIN, 0, 100);
    deposit(desk, 8, MARGIN, desk.shares.contract_address.into(), 50);
    by('bob');
    desk.bridge.return_parked(2);
    desk.bridge.return_parked(1);
    sent(desk, DEPOSITOR, 50, 0, 1);
    sent(desk, DEPOSITOR, 100, 0, 2);
}

// --- the epoch

#[test]
fn an_epoch_is_told_to_the_oracle_and_the_clearinghouse() {
    let desk = connected();
    new_epoch(desk, 3);
    happened(desk, Bridge::Event::EpochChanged(Bridge::EpochChanged { from: 0, to: 3 }));
    assert_eq!((desk.bridge.epoch(), desk.oracle.epoch(), desk.house.epoch()), (3, 3, 3));
    // Late ones change nothing, and do not stop the messages behind them.
    for late in array![2, 3] {
        new_epoch(desk, late.into());
        happened(
            desk, Bridge::Event::EpochIgnored(Bridge::EpochIgnored { epoch: late, current: 3 }),
        );
    }
    assert_eq!((desk.bridge.epoch(), desk.oracle.epoch(), desk.house.epoch()), (3, 3, 3));
    new_epoch(desk, 4);
    assert_eq!((desk.bridge.epoch(), desk.oracle.epoch(), desk.house.epoch()), (4, 4, 4));
}

#[test]
#[should_panic(expected: ('BRIDGE: not the L1 bridge',))]
fn another_l1_contract_counts_no_epoch() {
    from_l1(connected(), 7, L1_BRIDGE + 1, array![1].span(), true);
}

#[test]
#[should_panic(expected: ('MOCK: no', 'ENTRYPOINT_FAILED'))]
fn an_epoch_is_known_to_all_or_to_none() {
    let desk = connected();
    desk.oracle.refuse('MOCK: no');
    new_epoch(desk, 1);
}

// --- withdrawals to L1

#[test]
fn a_withdrawal_burns_and_registers_its_payment() {
    let desk = connected();
    deposit(desk, 7, WALLET, 'alice', 100);
    new_epoch(desk, 2);
    pass_logs(desk);
    by('alice');
    assert_eq!(desk.bridge.withdraw(2, eth(0xa11ce), 30), 1);
    let expected = Bridge::WithdrawalRegistered {
        account: person('alice'), l1_recipient: eth(0xa11ce), amount: 30, epoch: 2, counter: 1,
    };
    happened(desk, Bridge::Event::WithdrawalRegistered(expected));
    assert_eq!(desk.bridge.withdraw(2, eth(0xa11ce), 70), 2);
    sent(desk, 0xa11ce, 30, 2, 1);
    sent(desk, 0xa11ce, 70, 2, 2);
    assert_eq!((desk.bridge.withdrawal_count(), desk.token.total_supply()), (2, 0));
}

#[test]
#[feature("safe_dispatcher")]
fn a_bad_withdrawal_is_refused() {
    let desk = connected();
    deposit(desk, 7, WALLET, 'alice', 100);
    new_epoch(desk, 1);
    by('alice');
    let safe = safe(desk);
    refused(safe.withdraw(0, eth(0xa11ce), 1), 'BRIDGE: another epoch');
    refused(safe.withdraw(2, eth(0xa11ce), 1), 'BRIDGE: another epoch');
    refused(safe.withdraw(1, eth(0), 1), 'BRIDGE: zero L1 recipient');
    // Paid there, it would be nobody's.
    refused(safe.withdraw(1, eth(L1_BRIDGE), 1), 'BRIDGE: bad L1 recipient');
    refused(safe.withdraw(1, eth(L1_TOKEN), 1), 'BRIDGE: bad L1 recipient');
    refused(safe.withdraw(1, eth(0xa11ce), 0), 'BRIDGE: amount is zero');
    refused(safe.withdraw(1, eth(0xa11ce), 101), 'ERC20: balance too low');
    assert_eq!(desk.bridge.withdrawal_count(), 0);
    assert!(pop_l2_to_l1_message(desk.bridge.contract_address).is_none());
}

#[test]
#[feature("safe_dispatcher")]
fn what_is_parked_cannot_be_withdrawn_by_others() {
    let desk = connected();
    deposit(desk, 7, 3, 'alice', 100);
    by('bob');
    refused(safe(desk).withdraw(0, eth(0xb0b), 100), 'ERC20: balance too low');
}

#[test]
#[should_panic(expected: ('ACCESS: zero admin', 'CONSTRUCTOR_FAILED'))]
fn a_bridge_needs_an_admin() {
    deploy_syscall(Bridge::TEST_CLASS_HASH, 0, array![0].span(), false).unwrap_syscall();
}
