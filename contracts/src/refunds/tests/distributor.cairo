//! The deployed distributor with the real token, on a stand-in of the clearinghouse.

use core::num::traits::Zero;
use starknet::syscalls::deploy_syscall;
use starknet::testing::{
    pop_log, pop_log_raw, set_block_timestamp, set_chain_id, set_contract_address,
};
use starknet::{ContractAddress, SyscallResultTrait};
use crate::refunds::contract::RefundDistributor;
use crate::refunds::contract::RefundDistributor::{
    RefundRefused, Refunded, RefundsClosed, RefundsOpened,
};
use crate::refunds::interface::{
    IRefundDistributorDispatcher, IRefundDistributorDispatcherTrait,
    IRefundDistributorSafeDispatcher, IRefundDistributorSafeDispatcherTrait, Incident, Refund,
};
use crate::refunds::tree::{Domain, leaf_hash, node_hash, root_hash};
use crate::token::contract::CollateralToken;
use crate::token::interface::{
    IBridgedTokenDispatcher, IBridgedTokenDispatcherTrait, IERC20Dispatcher, IERC20DispatcherTrait,
};
use crate::vault::mocks::{IMockHouseDispatcher, IMockHouseDispatcherTrait, MockHouse};

const START: u64 = 1_700_000_000;
const EXPIRY: u64 = START + 86_400;
const INCIDENT: felt252 = 'second wave';
const CHAIN: felt252 = 'TEST';

#[derive(Copy, Drop)]
struct Desk {
    refunds: IRefundDistributorDispatcher,
    token: IERC20Dispatcher,
    house: IMockHouseDispatcher,
}

fn person(name: felt252) -> ContractAddress {
    name.try_into().unwrap()
}

fn by(name: felt252) {
    set_contract_address(person(name));
}

fn deployed(class: starknet::ClassHash, salt: felt252, calldata: Span<felt252>) -> ContractAddress {
    let (address, _) = deploy_syscall(class, salt, calldata, false).unwrap_syscall();
    address
}

/// The admin has 1,000 and approved them.
fn desk() -> Desk {
    set_block_timestamp(START);
    set_chain_id(CHAIN);
    let mut calldata = array![];
    let (name, symbol): (ByteArray, ByteArray) = ("Truemark USDC", "tmUSDC");
    name.serialize(ref calldata);
    symbol.serialize(ref calldata);
    calldata.append('bridge');
    let token = deployed(CollateralToken::TEST_CLASS_HASH, 0, calldata.span());
    let house = deployed(MockHouse::TEST_CLASS_HASH, 0, array![token.into(), 0].span());
    by('bridge');
    IBridgedTokenDispatcher { contract_address: token }.mint(person('admin'), 1_000);
    let desk = Desk {
        refunds: another(house, 0),
        token: IERC20Dispatcher { contract_address: token },
        house: IMockHouseDispatcher { contract_address: house },
    };
    by('admin');
    desk.token.approve(desk.refunds.contract_address, 1_000);
    pass_logs(desk);
    desk
}

fn another(house: ContractAddress, salt: felt252) -> IRefundDistributorDispatcher {
    let calldata = array!['admin', house.into()].span();
    let contract_address = deployed(RefundDistributor::TEST_CLASS_HASH, salt, calldata);
    IRefundDistributorDispatcher { contract_address }
}

fn safe(desk: Desk) -> IRefundDistributorSafeDispatcher {
    IRefundDistributorSafeDispatcher { contract_address: desk.refunds.contract_address }
}

fn refused<T, +Drop<T>>(result: Result<T, Array<felt252>>, reason: felt252) {
    match result {
        Ok(_) => panic!("not refused: {}", reason),
        Err(reasons) => assert_eq!(*reasons[0], reason),
    }
}

fn pass_logs(desk: Desk) {
    while pop_log_raw(desk.refunds.contract_address).is_some() {}
}

fn happened(desk: Desk, event: RefundDistributor::Event) {
    assert!(pop_log(desk.refunds.contract_address) == Some(event));
}

fn leaf(desk: Desk, incident: felt252, index: u32, account: felt252, amount: u128) -> felt252 {
    let distributor = desk.refunds.contract_address;
    leaf_hash(Domain { chain_id: CHAIN, distributor, incident }, index, person(account), amount)
}

/// Refunds of alice 10, bob 20 and the house itself 30, to whom nobody can pay.
#[derive(Drop)]
struct Tree {
    root: felt252,
    refunds: Span<Refund>,
}

fn tree(desk: Desk, incident: felt252) -> Tree {
    let house: felt252 = 0;
    let first = leaf(desk, incident, 0, 'alice', 10);
    let second = leaf(desk, incident, 1, 'bob', 20);
    let third = leaf(desk, incident, 2, house, 30);
    let pair = node_hash(first, second);
    Tree {
        root: root_hash(3, 60, node_hash(pair, third)),
        refunds: array![
            Refund {
                index: 0, account: person('alice'), amount: 10, proof: array![second, third].span(),
            },
            Refund {
                index: 1, account: person('bob'), amount: 20, proof: array![first, third].span(),
            },
            Refund { index: 2, account: person(0), amount: 30, proof: array![pair].span() },
        ]
            .span(),
    }
}

fn open(desk: Desk) -> Tree {
    let tree = tree(desk, INCIDENT);
    by('admin');
    desk.refunds.open(INCIDENT, tree.root, 60, 3, "ipfs://report", EXPIRY);
    pass_logs(desk);
    tree
}

fn claim(desk: Desk, refund: @Refund) -> bool {
    let Refund { index, account, amount, proof } = *refund;
    desk.refunds.claim(INCIDENT, index, account, amount, proof)
}

#[feature("safe_dispatcher")]
fn refuses(desk: Desk, refund: Refund, reason: felt252) {
    let Refund { index, account, amount, proof } = refund;
    refused(safe(desk).claim(INCIDENT, index, account, amount, proof), reason);
}

/// What is owed is there, to the unit.
fn assert_funded(desk: Desk) {
    let found = desk.refunds.incident(INCIDENT);
    let left: u256 = (found.total - found.claimed).into();
    let here = desk.refunds.contract_address;
    let owed = if found.closed {
        0
    } else {
        left
    };
    assert_eq!(desk.token.balance_of(here), owed);
    assert_eq!(desk.refunds.owed().into(), owed);
    assert_eq!(desk.token.allowance(here, desk.house.contract_address), 0);
}

// --- opening

#[test]
#[feature("safe_dispatcher")]
fn an_incident_is_opened_by_the_admin_and_funded_in_full() {
    let desk = desk();
    let root = tree(desk, INCIDENT).root;
    let safe = safe(desk);
    by('alice');
    refused(safe.open(INCIDENT, root, 60, 3, "", EXPIRY), 'ACCESS: not the admin');
    by('admin');
    refused(safe.open(0, root, 60, 3, "", EXPIRY), 'REFUND: zero incident');
    refused(safe.open(INCIDENT, 0, 60, 3, "", EXPIRY), 'REFUND: zero root');
    refused(safe.open(INCIDENT, root, 0, 3, "", EXPIRY), 'REFUND: nothing to refund');
    refused(safe.open(INCIDENT, root, 60, 0, "", EXPIRY), 'REFUND: nothing to refund');
    refused(safe.open(INCIDENT, root, 60, 3, "", EXPIRY - 1), 'REFUND: expiry too soon');
    refused(safe.open(INCIDENT, root, 1_001, 3, "", EXPIRY), 'ERC20: allowance too low');
    assert_eq!(desk.refunds.incident(INCIDENT).root, 0);
    desk.refunds.open(INCIDENT, root, 60, 3, "ipfs://report", EXPIRY);
    let opener = person('admin');
    let expected = RefundsOpened {
        incident: INCIDENT, opener, root, total: 60, count: 3, expiry: EXPIRY, uri: "ipfs://report",
    };
    happened(desk, RefundDistributor::Event::RefundsOpened(expected));
    let stored = Incident {
        root, opener, count: 3, expiry: EXPIRY, total: 60, claimed: 0, closed: false,
    };
    assert_eq!(desk.refunds.incident(INCIDENT), stored);
    assert_eq!(desk.refunds.uri(INCIDENT), "ipfs://report");
    assert_eq!(desk.token.balance_of(opener), 940);
    assert_funded(desk);
    refused(safe.open(INCIDENT, root, 60, 3, "", EXPIRY), 'REFUND: already open');
    assert_eq!(desk.refunds.token(), desk.token.contract_address);
    assert_eq!(desk.refunds.clearinghouse(), desk.house.contract_address);
}

#[test]
#[should_panic(expected: ('REFUND: zero address', 'CONSTRUCTOR_FAILED'))]
fn a_distributor_needs_a_clearinghouse() {
    another(Zero::zero(), 0);
}

// --- claiming

#[test]
fn a_refund_is_paid_once_into_the_margin_account_whoever_asks() {
    let desk = desk();
    let tree = open(desk);
    by('stranger');
    let refund = *tree.refunds[0];
    assert!(desk.refunds.is_refund(INCIDENT, 0, refund.account, 10, refund.proof));
    assert!(!desk.refunds.is_claimed(INCIDENT, 0));
    assert!(claim(desk, @refund));
    let expected = Refunded {
        incident: INCIDENT,
        account: person('alice'),
        index: 0,
        amount: 10,
        recipient: Zero::zero(),
        caller: person('stranger'),
    };
    happened(desk, RefundDistributor::Event::Refunded(expected));
    assert_eq!(desk.house.account(person('alice')).collateral, 10);
    assert!(desk.refunds.is_claimed(INCIDENT, 0) && !desk.refunds.is_claimed(INCIDENT, 1));
    assert_funded(desk);
    // Again: nothing, and no harm.
    assert!(!claim(desk, @refund));
    assert_eq!(desk.house.account(person('alice')).collateral, 10);
    assert!(pop_log_raw(desk.refunds.contract_address).is_none());
    assert!(claim(desk, tree.refunds[1]));
    assert_eq!(desk.refunds.incident(INCIDENT).claimed, 30);
    assert_funded(desk);
}

#[test]
#[feature("safe_dispatcher")]
fn what_is_not_in_the_tree_is_not_paid() {
    let desk = desk();
    let tree = open(desk);
    let good = *tree.refunds[0];
    let other = *tree.refunds[1];
    for bad in array![
        Refund { amount: 11, ..good }, Refund { account: person('bob'), ..good },
        Refund { index: 1, ..good }, Refund { index: 3, ..good },
        Refund { proof: other.proof, ..good }, Refund { proof: array![].span(), ..good },
        Refund { proof: array![*good.proof[0], *good.proof[1], 0].span(), ..good },
        Refund { proof: array![*good.proof[1], *good.proof[0]].span(), ..good },
    ] {
        refuses(desk, bad, 'REFUND: bad proof');
        let Refund { index, account, amount, proof } = bad;
        assert!(!desk.refunds.is_refund(INCIDENT, index, account, amount, proof));
    }
    let Refund { index, account, amount, proof } = good;
    refused(safe(desk).claim('another', index, account, amount, proof), 'REFUND: no such incident');
    assert!(!desk.refunds.is_refund('another', index, account, amount, proof));
    assert_funded(desk);
}

#[test]
#[feature("safe_dispatcher")]
fn a_refund_is_worth_nothing_elsewhere() {
    let desk = desk();
    let tree = open(desk);
    let good = *tree.refunds[0];
    let Refund { index, account, amount, proof } = good;
    // The same root for another incident.
    by('admin');
    desk.refunds.open('another', tree.root, 60, 3, "", EXPIRY);
    refused(safe(desk).claim('another', index, account, amount, proof), 'REFUND: bad proof');
    // At another distributor.
    let second = another(desk.house.contract_address, 1);
    desk.token.approve(second.contract_address, 60);
    second.open(INCIDENT, tree.root, 60, 3, "", EXPIRY);
    let elsewhere = IRefundDistributorSafeDispatcher { contract_address: second.contract_address };
    refused(elsewhere.claim(INCIDENT, index, account, amount, proof), 'REFUND: bad proof');
    // On another chain.
    set_chain_id('OTHER');
    refuses(desk, good, 'REFUND: bad proof');
    set_chain_id(CHAIN);
    assert!(claim(desk, @good));
}

#[test]
#[feature("safe_dispatcher")]
fn refunds_end_with_their_expiry() {
    let desk = desk();
    let tree = open(desk);
    let safe = safe(desk);
    set_block_timestamp(EXPIRY - 1);
    refused(safe.close(INCIDENT), 'REFUND: not expired');
    assert!(claim(desk, tree.refunds[0]));
    set_block_timestamp(EXPIRY);
    refuses(desk, *tree.refunds[1], 'REFUND: expired');
    refused(safe.push(INCIDENT, tree.refunds), 'REFUND: expired');
    by('bob');
    let bobs = *tree.refunds[1];
    refused(safe.claim_to(INCIDENT, 1, 20, bobs.proof, person('bob')), 'REFUND: expired');
    refused(safe.close('another'), 'REFUND: no such incident');
    pass_logs(desk);
    assert_eq!(desk.refunds.close(INCIDENT), 50);
    let expected = RefundsClosed {
        incident: INCIDENT, opener: person('admin'), claimed: 10, left: 50,
    };
    happened(desk, RefundDistributor::Event::RefundsClosed(expected));
    assert_eq!(desk.token.balance_of(person('admin')), 990);
    assert_funded(desk);
    refused(safe.close(INCIDENT), 'REFUND: closed');
    by('admin');
    refused(safe.open(INCIDENT, tree.root, 60, 3, "", EXPIRY + 86_400), 'REFUND: already open');
}

#[test]
#[feature("safe_dispatcher")]
fn a_root_that_lies_about_its_total_takes_nothing_from_another_incident() {
    let desk = desk();
    open(desk);
    let first = leaf(desk, 'liar', 0, 'alice', 30);
    let second = leaf(desk, 'liar', 1, 'bob', 11);
    let third = leaf(desk, 'liar', 2, 'carol', 0);
    let pair = node_hash(first, second);
    let root = root_hash(3, 40, node_hash(pair, third));
    by('admin');
    desk.refunds.open('liar', root, 40, 3, "", EXPIRY);
    let safe = safe(desk);
    assert!(desk.refunds.claim('liar', 0, person('alice'), 30, array![second, third].span()));
    refused(
        safe.claim('liar', 1, person('bob'), 11, array![first, third].span()),
        'REFUND: more than the total',
    );
    refused(
        safe.claim('liar', 2, person('carol'), 0, array![pair].span()), 'REFUND: amount is zero',
    );
    // What was paid before is no more than the total.
    assert!(!desk.refunds.claim('liar', 0, person('alice'), 30, array![second, third].span()));
    assert_eq!(desk.token.balance_of(desk.refunds.contract_address), 70);
}

// --- to another address

#[test]
#[feature("safe_dispatcher")]
fn only_its_owner_takes_a_refund_to_a_wallet() {
    let desk = desk();
    let tree = open(desk);
    let safe = safe(desk);
    let proof = *tree.refunds[0].proof;
    by('bob');
    refused(safe.claim_to(INCIDENT, 0, 10, proof, person('bob')), 'REFUND: bad proof');
    by('alice');
    let nowhere = array![
        Zero::zero(), desk.refunds.contract_address, desk.token.contract_address,
        desk.house.contract_address,
    ];
    for recipient in nowhere {
        refused(safe.claim_to(INCIDENT, 0, 10, proof, recipient), 'REFUND: bad recipient');
    }
    assert!(desk.refunds.claim_to(INCIDENT, 0, 10, proof, person('wallet')));
    let expected = Refunded {
        incident: INCIDENT,
        account: person('alice'),
        index: 0,
        amount: 10,
        recipient: person('wallet'),
        caller: person('alice'),
    };
    happened(desk, RefundDistributor::Event::Refunded(expected));
    assert_eq!(desk.token.balance_of(person('wallet')), 10);
    assert!(!desk.refunds.claim_to(INCIDENT, 0, 10, proof, person('wallet')));
    assert!(!claim(desk, tree.refunds[0]));
    assert_funded(desk);
}

// --- in batches

#[test]
fn a_batch_skips_and_names_what_cannot_be_paid() {
    let desk = desk();
    let tree = open(desk);
    let good = *tree.refunds[0];
    claim(desk, @good);
    // The venue takes no deposit for the zero account, and one proof is of another leaf.
    desk.house.refuse_account(person(0));
    pass_logs(desk);
    by('stranger');
    let wrong = Refund { amount: 21, ..*tree.refunds[1] };
    let batch = array![good, wrong, *tree.refunds[2], *tree.refunds[1], *tree.refunds[1]];
    assert_eq!(desk.refunds.push(INCIDENT, batch.span()), 1);
    let refused = RefundRefused {
        incident: INCIDENT, account: person('bob'), index: 1, reason: 'REFUND: bad proof',
    };
    happened(desk, RefundDistributor::Event::RefundRefused(refused));
    let refused = RefundRefused {
        incident: INCIDENT, account: person(0), index: 2, reason: 'MOCK: no such account',
    };
    happened(desk, RefundDistributor::Event::RefundRefused(refused));
    let paid = Refunded {
        incident: INCIDENT,
        account: person('bob'),
        index: 1,
        amount: 20,
        recipient: Zero::zero(),
        caller: person('stranger'),
    };
    happened(desk, RefundDistributor::Event::Refunded(paid));
    assert!(pop_log_raw(desk.refunds.contract_address).is_none());
    assert!(!desk.refunds.is_claimed(INCIDENT, 2) && desk.refunds.is_claimed(INCIDENT, 1));
    assert_eq!(desk.refunds.incident(INCIDENT).claimed, 30);
    assert_funded(desk);
    // An empty batch, and one that is done, pay nothing.
    assert_eq!(desk.refunds.push(INCIDENT, array![].span()), 0);
    assert_eq!(desk.refunds.push(INCIDENT, array![good].span()), 0);
}
