//! The deployed contract: who may call what, what a report does, what a reader sees.

use core::num::traits::Zero;
use starknet::syscalls::deploy_syscall;
use starknet::testing::{set_block_timestamp, set_contract_address};
use starknet::{ContractAddress, SyscallResultTrait};
use crate::access::GUARDIAN;
use crate::access::interface::{IAccessDispatcher, IAccessDispatcherTrait};
use crate::oracle::contract::Oracle;
use crate::oracle::entries::pack;
use crate::oracle::interface::{
    Guard, IOracleDispatcher, IOracleDispatcherTrait, IOracleSafeDispatcher,
    IOracleSafeDispatcherTrait, MarketStatus, PriceEntry,
};
use crate::oracle::sight;

const START: u64 = 1_700_000_000;
const BTC: felt252 = 'BTC-USD-PERP';

/// Stands where the clearinghouse does and counts what it is told.
#[starknet::interface]
trait IListener<TState> {
    fn end_silence(ref self: TState);
    fn told(self: @TState) -> u32;
}

#[starknet::contract]
mod Listener {
    use starknet::storage::{StoragePointerReadAccess, StoragePointerWriteAccess};

    #[storage]
    struct Storage {
        told: u32,
    }

    #[abi(embed_v0)]
    impl ListenerImpl of super::IListener<ContractState> {
        fn end_silence(ref self: ContractState) {
            self.told.write(self.told.read() + 1);
        }

        fn told(self: @ContractState) -> u32 {
            self.told.read()
        }
    }
}

fn person(name: felt252) -> ContractAddress {
    name.try_into().unwrap()
}

fn usual() -> Guard {
    Guard {
        min_price: 1_000,
        max_price: 10_000_000,
        max_age: 60,
        max_ahead: 30,
        max_skew: 60,
        max_mark_age: 60,
        max_gap: 30,
        drift_window: 300,
        confirm_gap: 5,
        liq_gap: 10,
        confirm_rounds: 3,
        max_confidence_bps: 200,
        max_spread_bps: 100,
        max_step_bps: 500,
        max_drift_bps: 3000,
        max_funding_rate_ppm: 20_000,
    }
}

fn deploy() -> IOracleDispatcher {
    let mut calldata = array![];
    person('admin').serialize(ref calldata);
    2_u8.serialize(ref calldata);
    120_u64.serialize(ref calldata);
    array![person('r1'), person('r2'), person('r3')].span().serialize(ref calldata);
    let (contract_address, _) = deploy_syscall(
        Oracle::TEST_CLASS_HASH.try_into().unwrap(), 0, calldata.span(), false,
    )
        .unwrap_syscall();
    set_block_timestamp(START);
    IOracleDispatcher { contract_address }
}

fn listed() -> IOracleDispatcher {
    let oracle = deploy();
    by('admin');
    oracle.list_market(BTC, usual());
    oracle
}

fn by(name: felt252) {
    set_contract_address(person(name));
}

fn at(second: u64) {
    set_block_timestamp(START + second);
}

fn entry(market: u8, price: u64, second: u64) -> PriceEntry {
    PriceEntry {
        market, price, confidence_bps: 10, observed_at: START + second, funding_rate_ppm: 288,
    }
}

fn all(oracle: IOracleDispatcher, price: u64, second: u64) {
    at(second);
    for name in array!['r1', 'r2', 'r3'] {
        by(name);
        oracle.report(oracle.epoch(), pack(array![entry(0, price, second)].span()));
    }
}

fn safe(oracle: IOracleDispatcher) -> IOracleSafeDispatcher {
    IOracleSafeDispatcher { contract_address: oracle.contract_address }
}

fn refused<T, +Drop<T>>(result: Result<T, Array<felt252>>, reason: felt252) {
    match result {
        Result::Ok(_) => panic!("not refused"),
        Result::Err(reasons) => assert_eq!(*reasons[0], reason),
    }
}

#[test]
fn a_quorum_makes_the_first_mark() {
    let oracle = listed();
    assert_eq!(oracle.mark(0).status, MarketStatus::Pending);
    at(0);
    by('r1');
    oracle.report(0, pack(array![entry(0, 100_000, 0)].span()));
    assert_eq!(oracle.mark(0).status, MarketStatus::Pending);
    by('r2');
    oracle.report(0, pack(array![entry(0, 100_100, 0)].span()));
    let mark = oracle.mark(0);
    assert_eq!((mark.status, mark.price, mark.accepted_at), (MarketStatus::Valid, 100_000, START));
    assert_eq!((mark.anchor, mark.valid_since, mark.checkpoint), (100_000, 0, 0));
    assert_eq!(oracle.last_accepted_at(), START);
    let last = oracle.last_entry(0, person('r2'));
    assert_eq!(last, entry(0, 100_100, 0));
    assert_eq!(
        oracle.last_entry(0, person('r3')),
        PriceEntry { observed_at: 0, confidence_bps: 0, price: 0, market: 0, funding_rate_ppm: 0 },
    );
}

#[test]
fn a_valid_market_reads_stale_after_max_mark_age() {
    let oracle = listed();
    all(oracle, 100_000, 0);
    at(60);
    assert_eq!(oracle.mark(0).status, MarketStatus::Valid);
    at(61);
    assert_eq!(oracle.mark(0).status, MarketStatus::Stale);
    let marks = oracle.marks(1);
    assert_eq!((*marks.marks[0]).status, MarketStatus::Stale);
    assert_eq!((*marks.marks[0]).anchor, 100_000);
    all(oracle, 100_000, 62);
    assert_eq!(oracle.mark(0).valid_since, START + 62);
}

#[test]
fn a_jump_is_suspect_and_then_confirmed() {
    let oracle = listed();
    all(oracle, 100_000, 0);
    all(oracle, 92_000, 10);
    let mark = oracle.mark(0);
    assert_eq!((mark.status, mark.price, mark.candidate), (MarketStatus::Suspect, 100_000, 92_000));
    assert_eq!((*oracle.marks(1).marks[0]).candidate, 92_000);
    all(oracle, 92_000, 20);
    all(oracle, 92_000, 30);
    all(oracle, 92_000, 40);
    let mark = oracle.mark(0);
    assert_eq!((mark.status, mark.price, mark.candidate), (MarketStatus::Valid, 92_000, 0));
    assert_eq!(mark.valid_since, START + 40);
    // A second doubt does not find what was left of the first.
    all(oracle, 80_000, 50);
    assert_eq!(oracle.mark(0).candidate, 80_000);
    all(oracle, 80_000, 60);
    all(oracle, 80_000, 70);
    assert_eq!(oracle.mark(0).status, MarketStatus::Suspect);
    all(oracle, 80_000, 80);
    assert_eq!(oracle.mark(0).price, 80_000);
}

#[test]
fn funding_growth_accrues_and_is_read_with_its_checksum() {
    let oracle = listed();
    all(oracle, 100_000, 0);
    assert_eq!(oracle.mark(0).funding_growth, 0);
    all(oracle, 100_000, 10);
    // 288 ppm for 10 s at 100,000 is 1,000,000 exactly.
    assert_eq!(oracle.mark(0).funding_growth, 1_000_000);
    assert_eq!(*oracle.growths(1)[0], Option::Some(1_000_000));
    assert_eq!((*oracle.marks(1).marks[0]).funding_growth, 1_000_000);
}

#[test]
#[feature("safe_dispatcher")]
fn a_report_of_a_stranger_an_old_epoch_or_a_wrong_market_is_refused() {
    let oracle = listed();
    let safe = safe(oracle);
    by('stranger');
    refused(safe.report(0, pack(array![entry(0, 100_000, 0)].span())), 'ORACLE: not a reporter');
    by('r1');
    refused(safe.report(1, pack(array![entry(0, 100_000, 0)].span())), 'ORACLE: wrong epoch');
    refused(safe.report(0, pack(array![entry(1, 100_000, 0)].span())), 'ORACLE: unknown market');
    refused(
        safe.report(0, pack(array![entry(0, 100_000, 0), entry(0, 100_000, 1)].span())),
        'ORACLE: markets must rise',
    );
    refused(safe.mark(1), 'ORACLE: unknown market');
    refused(safe.marks(2), 'ORACLE: unknown market');
    refused(safe.growths(2), 'ORACLE: unknown market');
    refused(safe.market_index('ETH-USD-PERP'), 'ORACLE: unknown market');
    refused(safe.last_entry(0, person('stranger')), 'ORACLE: not a reporter');
}

#[test]
fn an_entry_is_dropped_alone() {
    let oracle = listed();
    by('admin');
    assert_eq!(oracle.list_market('ETH-USD-PERP', usual()), 1);
    at(0);
    for name in array!['r1', 'r2'] {
        by(name);
        oracle.report(0, pack(array![entry(0, 0, 0), entry(1, 50_000, 0)].span()));
    }
    assert_eq!(oracle.mark(0).status, MarketStatus::Pending);
    assert_eq!((oracle.mark(1).status, oracle.mark(1).price), (MarketStatus::Valid, 50_000));
    assert_eq!(oracle.marks(3).marks.len(), 2);
    assert_eq!((oracle.market_index('ETH-USD-PERP'), oracle.market_name(1)), (1, 'ETH-USD-PERP'));
}

#[test]
fn zero_and_going_back_in_time_leave_what_was_said_before() {
    let oracle = listed();
    all(oracle, 100_000, 0);
    at(10);
    by('r1');
    for dropped in array![
        entry(0, 0, 10), entry(0, 99_000, 0), entry(0, 99_000, 41),
        PriceEntry { confidence_bps: 201, ..entry(0, 99_000, 10) },
    ] {
        oracle.report(0, pack(array![dropped].span()));
        assert_eq!(oracle.last_entry(0, person('r1')).price, 100_000);
    }
    // A dropped entry does not make the mark any younger.
    assert_eq!(oracle.mark(0).accepted_at, START);
}

#[test]
fn a_silence_is_told_once_and_before_the_report() {
    let (listener, _) = deploy_syscall(
        Listener::TEST_CLASS_HASH.try_into().unwrap(), 0, array![].span(), false,
    )
        .unwrap_syscall();
    let clearinghouse = IListenerDispatcher { contract_address: listener };
    let oracle = listed();
    by('admin');
    oracle.connect(listener, person('bridge'));
    // Nothing was ever accepted: that is no silence.
    at(500);
    assert!(!oracle.silent());
    all(oracle, 100_000, 500);
    assert_eq!(clearinghouse.told(), 0);
    at(620);
    assert!(!oracle.silent());
    at(621);
    assert!(oracle.silent());
    assert!(oracle.marks(1).silent);
    by('r1');
    oracle.report(0, pack(array![entry(0, 100_000, 621)].span()));
    // r1 alone is no quorum: the silence goes on, but it was told.
    assert!(oracle.silent());
    assert_eq!(clearinghouse.told(), 1);
    all(oracle, 100_000, 630);
    assert!(!oracle.silent());
    assert_eq!(clearinghouse.told(), 1);
    all(oracle, 100_000, 900);
    assert_eq!(clearinghouse.told(), 2);
}

#[test]
fn a_silence_before_connect_is_nobodys() {
    let oracle = listed();
    all(oracle, 100_000, 0);
    all(oracle, 100_000, 500);
    assert_eq!(oracle.mark(0).accepted_at, START + 500);
}

#[test]
#[feature("safe_dispatcher")]
fn configure_keeps_the_mark() {
    let oracle = listed();
    all(oracle, 100_000, 0);
    by('admin');
    let safe = safe(oracle);
    refused(
        safe.configure(0, Guard { min_price: 100_001, ..usual() }), 'ORACLE: would void the mark',
    );
    refused(
        safe.configure(0, Guard { max_price: 99_999, ..usual() }), 'ORACLE: would void the mark',
    );
    refused(safe.configure(0, Guard { min_price: 0, ..usual() }), 'ORACLE: guard is not sound');
    refused(safe.configure(1, usual()), 'ORACLE: unknown market');
    refused(safe.list_market(BTC, usual()), 'ORACLE: market is listed');
    refused(safe.list_market('X', Guard { min_price: 0, ..usual() }), 'ORACLE: guard is not sound');
    let guard = Guard { min_price: 100_000, max_mark_age: 100, ..usual() };
    oracle.configure(0, guard);
    assert_eq!(oracle.guard(0), guard);
    assert_eq!(oracle.mark(0).price, 100_000);
    at(100);
    assert_eq!(oracle.mark(0).status, MarketStatus::Valid);
    at(101);
    assert_eq!(oracle.mark(0).status, MarketStatus::Stale);
}

#[test]
#[feature("safe_dispatcher")]
fn a_frozen_market_waits_for_people() {
    let oracle = listed();
    let safe = safe(oracle);
    all(oracle, 100_000, 0);
    by('admin');
    IAccessDispatcher { contract_address: oracle.contract_address }
        .grant_role(GUARDIAN, person('guardian'));
    refused(safe.release(0), 'ORACLE: not frozen');
    by('guardian');
    refused(safe.freeze(1), 'ORACLE: unknown market');
    oracle.freeze(0);
    assert_eq!(oracle.mark(0).status, MarketStatus::Frozen);
    refused(safe.release(0), 'ACCESS: not the admin');
    all(oracle, 100_000, 50);
    assert_eq!(oracle.mark(0).accepted_at, START);
    by('admin');
    at(59);
    refused(safe.release(0), 'ORACLE: frozen too short');
    // The guardian stops the release: the dwell time starts anew.
    by('guardian');
    oracle.freeze(0);
    by('admin');
    at(60);
    refused(safe.release(0), 'ORACLE: frozen too short');
    at(119);
    oracle.release(0);
    assert_eq!(oracle.mark(0).status, MarketStatus::Suspect);
    all(oracle, 101_000, 120);
    assert_eq!((oracle.mark(0).status, oracle.mark(0).price), (MarketStatus::Valid, 101_000));
}

#[test]
#[feature("safe_dispatcher")]
fn reporters_come_late_and_go_at_once() {
    let oracle = listed();
    let safe = safe(oracle);
    all(oracle, 100_000, 0);
    by('admin');
    refused(safe.add_reporter(person('r1')), 'ORACLE: already a reporter');
    refused(safe.add_reporter(Zero::zero()), 'ORACLE: zero reporter');
    refused(safe.seat_reporter(person('r4')), 'ORACLE: not announced');
    oracle.add_reporter(person('r4'));
    at(3_599);
    refused(safe.seat_reporter(person('r4')), 'ORACLE: announced too late');
    oracle.remove_reporter(person('r1'));
    assert_eq!(oracle.reporters(), array![person('r2'), person('r3')].span());
    refused(safe.remove_reporter(person('r2')), 'ORACLE: below the quorum');
    refused(safe.remove_reporter(person('stranger')), 'ORACLE: not a reporter');
    refused(safe.set_quorum(3), 'ORACLE: quorum of too many');
    refused(safe.set_quorum(0), 'ORACLE: quorum is zero');
    at(3_600);
    oracle.seat_reporter(person('r4'));
    assert_eq!(oracle.reporters(), array![person('r4'), person('r2'), person('r3')].span());
    // The new one sits where r1 sat, and has said nothing.
    assert_eq!(oracle.last_entry(0, person('r4')).price, 0);
    oracle.set_quorum(3);
    assert_eq!(oracle.quorum(), 3);
    by('r1');
    refused(
        safe.report(0, pack(array![entry(0, 100_000, 3_600)].span())), 'ORACLE: not a reporter',
    );
    // An announcement can be taken back.
    by('admin');
    oracle.add_reporter(person('r5'));
    oracle.remove_reporter(person('r5'));
    at(9_000);
    refused(safe.seat_reporter(person('r5')), 'ORACLE: not announced');
}

#[test]
#[feature("safe_dispatcher")]
fn the_bridge_counts_epochs() {
    let oracle = listed();
    let safe = safe(oracle);
    by('admin');
    refused(safe.set_epoch(1), 'ORACLE: not the bridge');
    refused(safe.connect(Zero::zero(), person('bridge')), 'ORACLE: zero address');
    oracle.connect(person('house'), person('bridge'));
    refused(safe.connect(person('house'), person('bridge')), 'ORACLE: already connected');
    by('bridge');
    oracle.set_epoch(2);
    refused(safe.set_epoch(2), 'ORACLE: epoch only rises');
    refused(safe.set_epoch(1), 'ORACLE: epoch only rises');
    assert_eq!(oracle.epoch(), 2);
    at(0);
    by('r1');
    refused(safe.report(0, pack(array![entry(0, 100_000, 0)].span())), 'ORACLE: wrong epoch');
    refused(safe.report(1, pack(array![entry(0, 100_000, 0)].span())), 'ORACLE: wrong epoch');
    oracle.report(2, pack(array![entry(0, 100_000, 0)].span()));
}

/// A market with a mark, its settlement started, the guardian known.
fn settling() -> IOracleDispatcher {
    let oracle = listed();
    all(oracle, 100_000, 0);
    by('admin');
    IAccessDispatcher { contract_address: oracle.contract_address }
        .grant_role(GUARDIAN, person('guardian'));
    at(10);
    oracle.start_settlement(0);
    oracle
}

fn ends_at(oracle: IOracleDispatcher, name: felt252, price: u64) {
    by(name);
    oracle.report_settlement(0, 0, price);
}

#[test]
#[feature("safe_dispatcher")]
fn a_dead_asset_is_settled_by_a_quorum_after_a_delay() {
    let oracle = settling();
    let safe = safe(oracle);
    assert_eq!(oracle.mark(0).status, MarketStatus::Settling);
    // Ordinary reports are closed.
    all(oracle, 100_000, 20);
    assert_eq!(
        (oracle.mark(0).status, oracle.mark(0).accepted_at), (MarketStatus::Settling, START),
    );
    ends_at(oracle, 'r1', 3_000);
    assert_eq!(oracle.mark(0).candidate, 0);
    refused(safe.settle_market(0), 'ORACLE: no settlement price');
    at(30);
    ends_at(oracle, 'r2', 3_010);
    // Of two the one nearest to the last good mark.
    assert_eq!((oracle.mark(0).candidate, oracle.mark(0).price), (3_010, 100_000));
    at(30 + 86_399);
    refused(safe.settle_market(0), 'ORACLE: settled too soon');
    at(30 + 86_400);
    by('stranger');
    oracle.settle_market(0);
    let mark = oracle.mark(0);
    assert_eq!((mark.status, mark.price, mark.candidate), (MarketStatus::Settled, 3_010, 0));
    // For good.
    at(200_000);
    assert_eq!((oracle.mark(0).status, oracle.mark(0).price), (MarketStatus::Settled, 3_010));
    all(oracle, 100_000, 200_000);
    assert_eq!(oracle.mark(0).price, 3_010);
    by('admin');
    refused(safe.freeze(0), 'ORACLE: settled');
    refused(safe.start_settlement(0), 'ORACLE: settled');
    refused(safe.release(0), 'ORACLE: not frozen');
    refused(safe.settle_market(0), 'ORACLE: not settling');
    by('r1');
    refused(safe.report_settlement(0, 0, 3_000), 'ORACLE: not settling');
}

#[test]
#[feature("safe_dispatcher")]
fn another_settlement_price_begins_the_delay_anew() {
    let oracle = settling();
    let safe = safe(oracle);
    ends_at(oracle, 'r1', 3_000);
    ends_at(oracle, 'r2', 3_000);
    assert_eq!(oracle.mark(0).candidate, 3_000);
    // The same word again changes nothing, the third one within the spread neither.
    at(50_000);
    ends_at(oracle, 'r1', 3_000);
    ends_at(oracle, 'r3', 3_020);
    assert_eq!(oracle.mark(0).candidate, 3_000);
    // Two move on: the median follows, and the day begins again.
    ends_at(oracle, 'r1', 3_020);
    assert_eq!(oracle.mark(0).candidate, 3_020);
    at(86_410);
    refused(safe.settle_market(0), 'ORACLE: settled too soon');
    // No quorum within the spread of the median: there is none.
    ends_at(oracle, 'r1', 2_000);
    ends_at(oracle, 'r3', 4_000);
    assert_eq!(oracle.mark(0).candidate, 0);
    refused(safe.settle_market(0), 'ORACLE: no settlement price');
}

#[test]
#[feature("safe_dispatcher")]
fn a_settlement_is_stopped_by_the_guardian_and_begins_anew_after_it() {
    let oracle = settling();
    let safe = safe(oracle);
    ends_at(oracle, 'r1', 3_000);
    ends_at(oracle, 'r2', 3_000);
    by('guardian');
    oracle.freeze(0);
    assert_eq!((oracle.mark(0).status, oracle.mark(0).candidate), (MarketStatus::Frozen, 0));
    at(100_000);
    refused(safe.settle_market(0), 'ORACLE: not settling');
    // What was said before does not count the next time.
    by('admin');
    oracle.start_settlement(0);
    ends_at(oracle, 'r1', 3_000);
    assert_eq!(oracle.mark(0).candidate, 0);
    by('admin');
    oracle.freeze(0);
    at(100_060);
    oracle.release(0);
    all(oracle, 101_000, 100_061);
    assert_eq!((oracle.mark(0).status, oracle.mark(0).price), (MarketStatus::Valid, 101_000));
}

#[test]
fn a_removed_reporters_word_on_the_end_is_gone() {
    let oracle = settling();
    ends_at(oracle, 'r1', 3_000);
    ends_at(oracle, 'r2', 3_000);
    by('admin');
    oracle.remove_reporter(person('r2'));
    assert_eq!(oracle.mark(0).candidate, 0);
    ends_at(oracle, 'r3', 3_000);
    assert_eq!(oracle.mark(0).candidate, 3_000);
}

#[test]
#[feature("safe_dispatcher")]
fn a_settlement_is_refused_to_whom_and_what_it_must() {
    let oracle = listed();
    let safe = safe(oracle);
    by('admin');
    refused(safe.start_settlement(0), 'ORACLE: no mark');
    refused(safe.start_settlement(1), 'ORACLE: unknown market');
    let oracle = settling();
    let safe = IOracleSafeDispatcher { contract_address: oracle.contract_address };
    by('stranger');
    refused(safe.start_settlement(0), 'ACCESS: not the admin');
    refused(safe.report_settlement(0, 0, 3_000), 'ORACLE: not a reporter');
    by('r1');
    refused(safe.report_settlement(1, 0, 3_000), 'ORACLE: wrong epoch');
    refused(safe.report_settlement(0, 1, 3_000), 'ORACLE: unknown market');
    refused(safe.report_settlement(0, 0, 0), 'ORACLE: price is zero');
    refused(safe.report_settlement(0, 0, 10_000_001), 'ORACLE: price too big');
    refused(safe.settle_market(1), 'ORACLE: unknown market');
}

#[test]
fn a_delay_is_long_enough_for_people() {
    assert!(Oracle::SETTLEMENT_DELAY >= 3_600);
    assert!(Oracle::REPORTER_DELAY >= 3_600);
    assert!(Oracle::FREEZE_DWELL >= 60);
}

/// What the clearinghouse reads is what everybody reads.
#[test]
fn sights_say_what_marks_say() {
    let oracle = listed();
    by('admin');
    oracle.list_market('ETH-USD-PERP', usual());
    for (second, price) in array![(0, 100_000), (10, 101_000), (20, 92_000), (90, 92_000)] {
        all(oracle, price, second);
        for later in array![0_u64, 70] {
            at(second + later);
            let mark = *oracle.marks(1).marks[0];
            let sights = oracle.sights(1);
            let sight = sight::open(*sights.slots[0], *sights.slots[1], *sights.slots[2]);
            assert_eq!(sight.valid, mark.status == MarketStatus::Valid);
            assert_eq!((sight.price, sight.checkpoint), (mark.price, mark.checkpoint));
            assert_eq!((sight.valid_since, sight.settled), (mark.valid_since, false));
            assert_eq!(sight.growth, Option::Some(mark.funding_growth));
            if !sight.valid {
                assert_eq!((sight.candidate, sight.anchor), (mark.candidate, mark.anchor));
            }
        }
    }
    // Pending: not Valid, no price.
    let sights = oracle.sights(2);
    let sight = sight::open(*sights.slots[0], *sights.slots[1], *sights.slots[2]);
    assert_eq!((sight.valid, sight.price), (false, 0));
}

#[test]
#[feature("safe_dispatcher")]
fn only_the_admin_administers() {
    let oracle = listed();
    let safe = safe(oracle);
    for name in array!['stranger', 'r1', 'guardian'] {
        by(name);
        refused(safe.list_market('X', usual()), 'ACCESS: not the admin');
        refused(safe.configure(0, usual()), 'ACCESS: not the admin');
        refused(safe.release(0), 'ACCESS: not the admin');
        refused(safe.add_reporter(person('r4')), 'ACCESS: not the admin');
        refused(safe.seat_reporter(person('r4')), 'ACCESS: not the admin');
        refused(safe.remove_reporter(person('r1')), 'ACCESS: not the admin');
        refused(safe.set_quorum(1), 'ACCESS: not the admin');
        refused(safe.connect(person('x'), person('y')), 'ACCESS: not the admin');
        refused(safe.set_epoch(1), 'ORACLE: not the bridge');
        refused(safe.freeze(0), 'ACCESS: may not stop');
        refused(safe.restart_growth(0), 'ORACLE: not the clearinghouse');
    }
    by('admin');
    oracle.connect(person('house'), person('bridge'));
    refused(safe.restart_growth(0), 'ORACLE: not the clearinghouse');
    by('house');
    refused(safe.restart_growth(0), 'FUNDING: not broken');
    refused(safe.restart_growth(1), 'ORACLE: unknown market');
}

#[test]
fn the_gas_of_a_round_of_twenty_markets() {
    let oracle = deploy();
    by('admin');
    for market in 0..20_u8 {
        oracle.list_market('MARKET' * 256 + market.into(), usual());
    }
    for round in 0..4_u64 {
        at(round * 11);
        let mut entries = array![];
        for market in 0..20_u8 {
            entries.append(entry(market, 100_000 + round, round * 11));
        }
        for name in array!['r1', 'r2', 'r3'] {
            by(name);
            let before = core::testing::get_available_gas();
            core::gas::withdraw_gas().unwrap();
            oracle.report(0, pack(entries.span()));
            println!("{} {}", round, before - core::testing::get_available_gas());
        }
    }
    assert_eq!(oracle.mark(19).price, 100_003);
}
