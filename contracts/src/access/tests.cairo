//! The roles of a contract, on the smallest contract that has them.

use core::num::traits::Zero;
use starknet::syscalls::deploy_syscall;
use starknet::testing::{pop_log, set_block_timestamp, set_contract_address};
use starknet::{ContractAddress, SyscallResultTrait};
use crate::access::component::AccessComponent;
use crate::access::interface::{
    IAccessDispatcher, IAccessDispatcherTrait, IAccessSafeDispatcher, IAccessSafeDispatcherTrait,
};
use crate::access::{ADMIN_DELAY, GUARDIAN, OPERATOR, ROLE_DELAY, SENTINEL};

const START: u64 = 1_700_000_000;

#[starknet::interface]
trait IGuarded<TState> {
    fn administer(self: @TState);
    fn operate(self: @TState);
    fn stop(self: @TState);
}

#[starknet::contract]
mod Guarded {
    use starknet::ContractAddress;
    use crate::access::OPERATOR;
    use crate::access::component::AccessComponent;

    component!(path: AccessComponent, storage: access, event: AccessEvent);

    #[abi(embed_v0)]
    impl AccessImpl = AccessComponent::AccessImpl<ContractState>;
    impl AccessInternal = AccessComponent::InternalImpl<ContractState>;

    #[storage]
    struct Storage {
        #[substorage(v0)]
        access: AccessComponent::Storage,
    }

    #[event]
    #[derive(Drop, starknet::Event)]
    enum Event {
        #[flat]
        AccessEvent: AccessComponent::Event,
    }

    #[constructor]
    fn constructor(ref self: ContractState, admin: ContractAddress) {
        self.access.initializer(admin);
    }

    #[abi(embed_v0)]
    impl GuardedImpl of super::IGuarded<ContractState> {
        fn administer(self: @ContractState) {
            self.access.assert_admin();
        }

        fn operate(self: @ContractState) {
            self.access.assert_role(OPERATOR, 'GUARDED: not an operator');
        }

        fn stop(self: @ContractState) {
            self.access.assert_can_stop();
        }
    }
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

fn guarded() -> (IAccessDispatcher, IAccessSafeDispatcher, IGuardedSafeDispatcher) {
    at(0);
    let (contract_address, _) = deploy_syscall(
        Guarded::TEST_CLASS_HASH, 0, array!['admin'].span(), false,
    )
        .unwrap_syscall();
    by('admin');
    (
        IAccessDispatcher { contract_address },
        IAccessSafeDispatcher { contract_address },
        IGuardedSafeDispatcher { contract_address },
    )
}

fn refused<T, +Drop<T>>(result: Result<T, Array<felt252>>, reason: felt252) {
    match result {
        Ok(_) => panic!("not refused: {}", reason),
        Err(reasons) => assert_eq!(*reasons[0], reason),
    }
}

fn happened(access: IAccessDispatcher, event: AccessComponent::Event) {
    assert!(pop_log(access.contract_address) == Some(event));
}

#[test]
fn a_contract_has_an_admin_from_the_start() {
    let (access, _, _) = guarded();
    assert_eq!(access.admin(), person('admin'));
    let account = person('admin');
    happened(
        access, AccessComponent::Event::AdminChanged(AccessComponent::AdminChanged { account }),
    );
    let refusal = deploy_syscall(Guarded::TEST_CLASS_HASH, 0, array![0].span(), false);
    refused(refusal, 'ACCESS: zero admin');
}

#[test]
#[feature("safe_dispatcher")]
fn a_role_is_given_and_taken_by_the_admin() {
    let (access, safe, guarded) = guarded();
    let account = person('olga');
    by('olga');
    refused(guarded.operate(), 'GUARDED: not an operator');
    refused(safe.grant_role(OPERATOR, account), 'ACCESS: not the admin');
    refused(safe.revoke_role(OPERATOR, account), 'ACCESS: not the admin');
    by('admin');
    refused(guarded.operate(), 'GUARDED: not an operator');
    refused(safe.grant_role(OPERATOR, Zero::zero()), 'ACCESS: zero account');
    pop_log::<AccessComponent::Event>(access.contract_address).unwrap();
    access.grant_role(OPERATOR, account);
    let (role, since) = (OPERATOR, START);
    happened(
        access,
        AccessComponent::Event::RoleGranted(AccessComponent::RoleGranted { role, account, since }),
    );
    assert!(access.has_role(OPERATOR, account) && !access.has_role(GUARDIAN, account));
    by('olga');
    guarded.operate().unwrap();
    refused(guarded.administer(), 'ACCESS: not the admin');
    refused(guarded.stop(), 'ACCESS: may not stop');
    by('admin');
    access.revoke_role(OPERATOR, account);
    happened(
        access, AccessComponent::Event::RoleRevoked(AccessComponent::RoleRevoked { role, account }),
    );
    by('olga');
    refused(guarded.operate(), 'GUARDED: not an operator');
}

#[test]
#[feature("safe_dispatcher")]
fn the_admin_the_guardian_and_the_sentinel_may_stop() {
    let (access, _, guarded) = guarded();
    access.grant_role(GUARDIAN, person('greta'));
    access.grant_role(SENTINEL, person('sam'));
    access.grant_role(OPERATOR, person('olga'));
    for name in array!['admin', 'greta', 'sam'] {
        by(name);
        guarded.stop().unwrap();
    }
    for name in array!['olga', 'nobody'] {
        by(name);
        refused(guarded.stop(), 'ACCESS: may not stop');
    }
}

/// The first one holds at once; from then on a role that can act takes its time, one that stops
/// does not.
#[test]
#[feature("safe_dispatcher")]
fn who_comes_after_the_first_operator_waits() {
    let (access, safe, guarded) = guarded();
    let (olga, otto, greta) = (person('olga'), person('otto'), person('greta'));
    access.grant_role(OPERATOR, olga);
    assert!(access.has_role(OPERATOR, olga) && access.role_since(OPERATOR, olga) == START);
    access.grant_role(OPERATOR, otto);
    assert!(!access.has_role(OPERATOR, otto));
    assert_eq!(access.role_since(OPERATOR, otto), START + ROLE_DELAY);
    at(ROLE_DELAY - 1);
    // Granted again it is not sooner, and not later.
    access.grant_role(OPERATOR, otto);
    by('otto');
    refused(guarded.operate(), 'GUARDED: not an operator');
    at(ROLE_DELAY);
    guarded.operate().unwrap();
    by('admin');
    // Also where nobody is left, and for one who had it.
    access.revoke_role(OPERATOR, olga);
    access.revoke_role(OPERATOR, otto);
    assert_eq!(access.role_since(OPERATOR, otto), 0);
    access.grant_role(OPERATOR, otto);
    assert!(!access.has_role(OPERATOR, otto));
    // What is only announced is taken back at once.
    access.revoke_role(OPERATOR, otto);
    at(3 * ROLE_DELAY);
    by('otto');
    refused(guarded.operate(), 'GUARDED: not an operator');
    by('admin');
    for role in array![GUARDIAN, SENTINEL] {
        access.grant_role(role, olga);
        access.grant_role(role, greta);
        assert!(access.has_role(role, olga) && access.has_role(role, greta));
    }
    refused(safe.grant_role(0, olga), 'ACCESS: zero role');
    // Nobody has a role of no name.
    assert!(!access.has_role(0, olga));
}

#[test]
#[feature("safe_dispatcher")]
fn an_admin_is_handed_over_in_two_steps_with_a_delay() {
    let (access, safe, guarded) = guarded();
    let account = person('anna');
    by('anna');
    refused(safe.accept_admin(), 'ACCESS: not proposed');
    refused(safe.propose_admin(account), 'ACCESS: not the admin');
    by('admin');
    refused(safe.propose_admin(Zero::zero()), 'ACCESS: zero account');
    pop_log::<AccessComponent::Event>(access.contract_address).unwrap();
    access.propose_admin(account);
    let accepts_from = START + ADMIN_DELAY;
    let proposed = AccessComponent::AdminProposed { account, accepts_from };
    happened(access, AccessComponent::Event::AdminProposed(proposed));
    assert_eq!(access.pending_admin(), (account, accepts_from));
    // Nothing has changed yet.
    guarded.administer().unwrap();
    at(ADMIN_DELAY - 1);
    by('anna');
    refused(safe.accept_admin(), 'ACCESS: too early');
    at(ADMIN_DELAY);
    by('admin');
    refused(safe.accept_admin(), 'ACCESS: not proposed');
    by('anna');
    access.accept_admin();
    happened(
        access, AccessComponent::Event::AdminChanged(AccessComponent::AdminChanged { account }),
    );
    assert_eq!(access.admin(), account);
    assert_eq!(access.pending_admin(), (Zero::zero(), 0));
    guarded.administer().unwrap();
    refused(safe.accept_admin(), 'ACCESS: not proposed');
    by('admin');
    refused(guarded.administer(), 'ACCESS: not the admin');
}

#[test]
#[feature("safe_dispatcher")]
fn a_proposed_admin_is_taken_back_by_the_admin_or_a_guardian() {
    let (access, safe, _) = guarded();
    access.grant_role(GUARDIAN, person('greta'));
    access.grant_role(SENTINEL, person('sam'));
    refused(safe.cancel_admin(), 'ACCESS: nobody proposed');
    for name in array!['admin', 'greta'] {
        by('admin');
        access.propose_admin(person('anna'));
        for stranger in array!['anna', 'sam'] {
            by(stranger);
            refused(safe.cancel_admin(), 'ACCESS: not admin or guardian');
        }
        by(name);
        while pop_log::<AccessComponent::Event>(access.contract_address).is_some() {}
        access.cancel_admin();
        let cancelled = AccessComponent::AdminCancelled {
            account: person('anna'), caller: person(name),
        };
        happened(access, AccessComponent::Event::AdminCancelled(cancelled));
        at(2 * ADMIN_DELAY);
        by('anna');
        refused(safe.accept_admin(), 'ACCESS: not proposed');
    }
    // Nobody becomes the admin by having no name.
    set_contract_address(Zero::zero());
    refused(safe.accept_admin(), 'ACCESS: not proposed');
}

/// Another proposal takes the place of the first, and its time begins anew.
#[test]
#[feature("safe_dispatcher")]
fn the_last_proposal_counts() {
    let (access, safe, _) = guarded();
    access.propose_admin(person('anna'));
    at(ADMIN_DELAY - 1);
    access.propose_admin(person('bert'));
    at(ADMIN_DELAY);
    for name in array!['anna', 'bert'] {
        by(name);
        assert!(safe.accept_admin().is_err());
    }
    at(2 * ADMIN_DELAY - 1);
    access.accept_admin();
    assert_eq!(access.admin(), person('bert'));
}
