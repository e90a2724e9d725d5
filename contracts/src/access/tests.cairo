//! The roles of a contract, on the smallest contract that has them.

use core::num::traits::Zero;
use starknet::syscalls::deploy_syscall;
use starknet::testing::{pop_log, set_contract_address};
use starknet::{ContractAddress, SyscallResultTrait};
use crate::access::component::AccessComponent;
use crate::access::interface::{
    IAccessDispatcher, IAccessDispatcherTrait, IAccessSafeDispatcher, IAccessSafeDispatcherTrait,
};
use crate::access::{GUARDIAN, OPERATOR, SENTINEL};

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

fn guarded() -> (IAccessDispatcher, IAccessSafeDispatcher, IGuardedSafeDispatcher) {
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
    let role = OPERATOR;
    happened(
        access, AccessComponent::Event::RoleGranted(AccessComponent::RoleGranted { role, account }),
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

#[test]
#[feature("safe_dispatcher")]
fn an_admin_is_handed_over_in_two_steps() {
    let (access, safe, guarded) = guarded();
    by('anna');
    refused(safe.accept_admin(), 'ACCESS: not proposed');
    refused(safe.propose_admin(person('anna')), 'ACCESS: not the admin');
    by('admin');
    pop_log::<AccessComponent::Event>(access.contract_address).unwrap();
    access.propose_admin(person('anna'));
    let account = person('anna');
    happened(
        access, AccessComponent::Event::AdminProposed(AccessComponent::AdminProposed { account }),
    );
    // Nothing has changed yet.
    guarded.administer().unwrap();
    refused(safe.accept_admin(), 'ACCESS: not proposed');
    by('anna');
    access.accept_admin();
    happened(
        access, AccessComponent::Event::AdminChanged(AccessComponent::AdminChanged { account }),
    );
    assert_eq!(access.admin(), account);
    guarded.administer().unwrap();
    refused(safe.accept_admin(), 'ACCESS: not proposed');
    by('admin');
    refused(guarded.administer(), 'ACCESS: not the admin');
}

#[test]
#[feature("safe_dispatcher")]
fn a_proposed_admin_can_be_taken_back() {
    let (access, safe, _) = guarded();
    access.propose_admin(person('anna'));
    access.propose_admin(Zero::zero());
    by('anna');
    refused(safe.accept_admin(), 'ACCESS: not proposed');
    // Nobody becomes the admin by having no name.
    set_contract_address(Zero::zero());
    refused(safe.accept_admin(), 'ACCESS: zero account');
}
