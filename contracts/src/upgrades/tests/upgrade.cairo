//! Upgrades of the smallest contract that can be upgraded, to versions good and bad.

use core::num::traits::Zero;
use starknet::syscalls::{deploy_syscall, get_class_hash_at_syscall};
use starknet::testing::{pop_log, pop_log_raw, set_block_timestamp, set_contract_address};
use starknet::{ClassHash, ContractAddress, SyscallResultTrait};
use crate::access::interface::{IAccessDispatcher, IAccessDispatcherTrait};
use crate::access::{GUARDIAN, SENTINEL};
use crate::upgrades::component::UpgradeComponent;
use crate::upgrades::interface::{
    IUpgradeableDispatcher, IUpgradeableDispatcherTrait, IUpgradeableSafeDispatcher,
    IUpgradeableSafeDispatcherTrait, ScheduledUpgrade, UpgradePlan,
};
use crate::upgrades::rules::{is_kept, plan_hash};
use crate::upgrades::tests::versions::{
    First, Forgetful, ILedgerDispatcher, ILedgerDispatcherTrait, Second, Stranger, Thief,
};
use crate::upgrades::{EXPIRY, MAX_DELAY, MIN_DELAY};

const START: u64 = 1_700_000_000;

#[derive(Copy, Drop)]
struct Case {
    address: ContractAddress,
    upgrades: IUpgradeableDispatcher,
    safe: IUpgradeableSafeDispatcher,
    ledger: ILedgerDispatcher,
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

fn plan_of(class_hash: ClassHash) -> UpgradePlan {
    UpgradePlan { class_hash, classes: array![].span(), migration: array![].span() }
}

/// The first version, its sum 100, the venue Halted; the admin is the caller.
fn deployed() -> Case {
    at(0);
    let (address, _) = deploy_syscall(First::TEST_CLASS_HASH, 0, array!['admin'].span(), false)
        .unwrap_syscall();
    by('admin');
    let access = IAccessDispatcher { contract_address: address };
    access.grant_role(GUARDIAN, person('greta'));
    access.grant_role(SENTINEL, person('sam'));
    let ledger = ILedgerDispatcher { contract_address: address };
    ledger.put(true, 100);
    Case {
        address,
        upgrades: IUpgradeableDispatcher { contract_address: address },
        safe: IUpgradeableSafeDispatcher { contract_address: address },
        ledger,
    }
}

/// Scheduled, and its delay over.
fn ready(plan: UpgradePlan) -> Case {
    let case = deployed();
    case.upgrades.schedule_upgrade(plan, MIN_DELAY);
    at(MIN_DELAY);
    case
}

fn refused<T, +Drop<T>>(result: Result<T, Array<felt252>>, reason: felt252) {
    match result {
        Ok(_) => panic!("not refused: {}", reason),
        Err(reasons) => assert_eq!(*reasons[0], reason),
    }
}

fn class_of(case: Case) -> ClassHash {
    get_class_hash_at_syscall(case.address).unwrap_syscall()
}

#[test]
fn an_upgrade_is_scheduled_waited_for_and_made() {
    let case = deployed();
    let mut plan = plan_of(Second::TEST_CLASS_HASH);
    plan.migration = array![7].span();
    while pop_log_raw(case.address).is_some() {}
    case.upgrades.schedule_upgrade(plan, MIN_DELAY + 1);
    let (ready_at, expires_at) = (START + MIN_DELAY + 1, START + MIN_DELAY + 1 + EXPIRY);
    let (class_hash, plan_hash) = (plan.class_hash, plan_hash(@plan));
    let scheduled = ScheduledUpgrade { plan_hash, class_hash, ready_at, expires_at };
    assert!(case.upgrades.scheduled_upgrade() == scheduled);
    let event = UpgradeComponent::UpgradeScheduled {
        class_hash,
        plan_hash,
        ready_at,
        expires_at,
        classes: plan.classes,
        migration: plan.migration,
    };
    assert!(pop_log(case.address) == Some(UpgradeComponent::Event::UpgradeScheduled(event)));

    at(MIN_DELAY + 1);
    case.upgrades.upgrade(plan);
    assert!(class_of(case) == Second::TEST_CLASS_HASH);
    assert_eq!((case.ledger.sum(), case.ledger.figure()), (100, 7));
    assert!(case.upgrades.conserved() == array![100, 7].span());
    assert_eq!(case.upgrades.scheduled_upgrade().plan_hash, 0);
    let event = UpgradeComponent::Upgraded {
        previous: First::TEST_CLASS_HASH,
        class_hash,
        classes: plan.classes,
        conserved: core::poseidon::poseidon_hash_span(array![100].span()),
    };
    assert!(pop_log(case.address) == Some(UpgradeComponent::Event::Upgraded(event)));
    // And back again, by the new class: what it added is let go of.
    let back = plan_of(First::TEST_CLASS_HASH);
    case.upgrades.schedule_upgrade(back, MIN_DELAY);
    at(2 * MIN_DELAY + 1);
    let safe = case.safe;
    safe_refusal(safe, back, 'UPGRADE: not conserved');
}

#[feature("safe_dispatcher")]
fn safe_refusal(safe: IUpgradeableSafeDispatcher, plan: UpgradePlan, reason: felt252) {
    refused(safe.upgrade(plan), reason);
}

#[test]
#[feature("safe_dispatcher")]
fn only_the_admin_schedules_and_upgrades() {
    let plan = plan_of(Second::TEST_CLASS_HASH);
    let case = ready(plan);
    for name in array!['greta', 'sam', 'nobody'] {
        by(name);
        refused(case.safe.schedule_upgrade(plan, MIN_DELAY), 'ACCESS: not the admin');
        refused(case.safe.upgrade(plan), 'ACCESS: not the admin');
    }
    for name in array!['sam', 'nobody'] {
        by(name);
        refused(case.safe.cancel_upgrade(), 'ACCESS: not admin or guardian');
    }
    // Nobody migrates by itself, not the admin either.
    by('admin');
    refused(case.safe.migrate(array![].span(), array![].span()), 'UPGRADE: none is running');
}

#[test]
#[feature("safe_dispatcher")]
fn a_bad_schedule_is_refused() {
    let case = deployed();
    let plan = plan_of(Second::TEST_CLASS_HASH);
    refused(case.safe.schedule_upgrade(plan_of(Zero::zero()), MIN_DELAY), 'UPGRADE: zero class');
    refused(case.safe.schedule_upgrade(plan, 0), 'UPGRADE: delay too short');
    refused(case.safe.schedule_upgrade(plan, MIN_DELAY - 1), 'UPGRADE: delay too short');
    refused(case.safe.schedule_upgrade(plan, MAX_DELAY + 1), 'UPGRADE: delay too long');
    refused(case.safe.cancel_upgrade(), 'UPGRADE: none is scheduled');
    refused(case.safe.upgrade(plan), 'UPGRADE: not scheduled');
    case.upgrades.schedule_upgrade(plan, MAX_DELAY);
    // Not in the place of another.
    refused(case.safe.schedule_upgrade(plan, MIN_DELAY), 'UPGRADE: one is scheduled');
}

#[test]
#[feature("safe_dispatcher")]
fn the_admin_or_a_guardian_takes_an_upgrade_back() {
    let plan = plan_of(Second::TEST_CLASS_HASH);
    for name in array!['admin', 'greta'] {
        by(name);
        let case = ready(plan);
        while pop_log_raw(case.address).is_some() {}
        by(name);
        case.upgrades.cancel_upgrade();
        let event = UpgradeComponent::UpgradeCancelled {
            class_hash: plan.class_hash, caller: person(name),
        };
        assert!(pop_log(case.address) == Some(UpgradeComponent::Event::UpgradeCancelled(event)));
        assert!(case.upgrades.scheduled_upgrade().class_hash.is_zero());
        by('admin');
        refused(case.safe.upgrade(plan), 'UPGRADE: not scheduled');
        // Its delay begins anew.
        case.upgrades.schedule_upgrade(plan, MIN_DELAY);
        refused(case.safe.upgrade(plan), 'UPGRADE: too early');
    }
}

#[test]
#[feature("safe_dispatcher")]
fn an_upgrade_has_its_time() {
    let plan = plan_of(First::TEST_CLASS_HASH);
    let case = ready(plan);
    at(MIN_DELAY - 1);
    refused(case.safe.upgrade(plan), 'UPGRADE: too early');
    at(MIN_DELAY + EXPIRY + 1);
    refused(case.safe.upgrade(plan), 'UPGRADE: expired');
    // An expired one is in nobody's way.
    case.upgrades.schedule_upgrade(plan, MIN_DELAY);
    at(2 * MIN_DELAY + 2 * EXPIRY + 1);
    case.upgrades.upgrade(plan);
}

#[test]
#[feature("safe_dispatcher")]
fn an_upgrade_is_the_one_that_was_scheduled() {
    let case = ready(plan_of(First::TEST_CLASS_HASH));
    let mut other = plan_of(First::TEST_CLASS_HASH);
    other.migration = array![0].span();
    refused(case.safe.upgrade(other), 'UPGRADE: not scheduled');
    other.migration = array![].span();
    other.classes = array![First::TEST_CLASS_HASH].span();
    refused(case.safe.upgrade(other), 'UPGRADE: not scheduled');
    refused(case.safe.upgrade(plan_of(Second::TEST_CLASS_HASH)), 'UPGRADE: not scheduled');
}

#[test]
#[feature("safe_dispatcher")]
fn an_upgrade_needs_the_venue_halted() {
    let plan = plan_of(First::TEST_CLASS_HASH);
    let case = ready(plan);
    case.ledger.put(false, 100);
    refused(case.safe.upgrade(plan), 'UPGRADE: venue is not halted');
    case.ledger.put(true, 100);
    case.upgrades.upgrade(plan);
}

#[test]
#[feature("safe_dispatcher")]
fn a_class_of_another_name_does_not_take_over() {
    let plan = plan_of(Stranger::TEST_CLASS_HASH);
    let case = ready(plan);
    refused(case.safe.upgrade(plan), 'UPGRADE: another interface');
    assert!(class_of(case) == First::TEST_CLASS_HASH);
}

/// All of it is undone: class, storage, schedule.
#[test]
#[feature("safe_dispatcher")]
fn a_class_that_takes_or_forgets_does_not_take_over() {
    let mut thief = plan_of(Thief::TEST_CLASS_HASH);
    thief.migration = array![99].span();
    let case = ready(thief);
    refused(case.safe.upgrade(thief), 'UPGRADE: not conserved');
    by('another');
    let forgetful = plan_of(Forgetful::TEST_CLASS_HASH);
    let case = ready(forgetful);
    refused(case.safe.upgrade(forgetful), 'UPGRADE: not conserved');
    // Whose migration leaves the sum alone is let in.
    by('a third');
    thief.migration = array![100].span();
    let case = ready(thief);
    case.upgrades.upgrade(thief);
    assert!(class_of(case) == Thief::TEST_CLASS_HASH);
}

#[test]
#[feature("safe_dispatcher")]
fn what_a_class_has_no_use_for_is_refused() {
    let mut plan = plan_of(First::TEST_CLASS_HASH);
    plan.migration = array![1].span();
    let case = ready(plan);
    refused(case.safe.upgrade(plan), 'UPGRADE: no migration');
    by('another');
    plan = plan_of(First::TEST_CLASS_HASH);
    plan.classes = array![First::TEST_CLASS_HASH].span();
    let case = ready(plan);
    refused(case.safe.upgrade(plan), 'UPGRADE: runs no classes');
}

#[test]
fn figures_are_kept_in_their_order() {
    let before = array![1, 2].span();
    assert!(is_kept(before, before) && is_kept(before, array![1, 2, 3].span()));
    assert!(is_kept(array![].span(), array![].span()));
    for after in array![
        array![].span(), array![1].span(), array![1, 3].span(), array![2, 1].span(),
        array![0, 1, 2].span(),
    ] {
        assert!(!is_kept(before, after));
    }
}
