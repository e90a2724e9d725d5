/// Roles of one contract. Embedded under the name `access`, so every class of a contract sees the
/// same slots.
#[starknet::component]
pub mod AccessComponent {
    use core::num::traits::Zero;
    use starknet::storage::{
        Map, StorageMapReadAccess, StorageMapWriteAccess, StoragePointerReadAccess,
        StoragePointerWriteAccess,
    };
    use starknet::{ContractAddress, get_caller_address};
    use crate::access::interface::IAccess;

    #[storage]
    pub struct Storage {
        Access_admin: ContractAddress,
        Access_proposed_admin: ContractAddress,
        Access_roles: Map<(felt252, ContractAddress), bool>,
    }

    #[event]
    #[derive(Drop, Debug, PartialEq, starknet::Event)]
    pub enum Event {
        RoleGranted: RoleGranted,
        RoleRevoked: RoleRevoked,
        AdminProposed: AdminProposed,
        AdminChanged: AdminChanged,
    }

    #[derive(Drop, Debug, PartialEq, starknet::Event)]
    pub struct RoleGranted {
        #[key]
        pub role: felt252,
        #[key]
        pub account: ContractAddress,
    }

    #[derive(Drop, Debug, PartialEq, starknet::Event)]
    pub struct RoleRevoked {
        #[key]
        pub role: felt252,
        #[key]
        pub account: ContractAddress,
    }

    #[derive(Drop, Debug, PartialEq, starknet::Event)]
    pub struct AdminProposed {
        #[key]
        pub account: ContractAddress,
    }

    #[derive(Drop, Debug, PartialEq, starknet::Event)]
    pub struct AdminChanged {
        #[key]
        pub account: ContractAddress,
    }

    #[embeddable_as(AccessImpl)]
    pub impl Access<
        TContractState, +HasComponent<TContractState>, +Drop<TContractState>,
    > of IAccess<ComponentState<TContractState>> {
        fn admin(self: @ComponentState<TContractState>) -> ContractAddress {
            self.Access_admin.read()
        }

        fn has_role(
            self: @ComponentState<TContractState>, role: felt252, account: ContractAddress,
        ) -> bool {
            self.Access_roles.read((role, account))
        }

        fn grant_role(
            ref self: ComponentState<TContractState>, role: felt252, account: ContractAddress,
        ) {
            self.assert_admin();
            assert(account.is_non_zero(), 'ACCESS: zero account');
            self.Access_roles.write((role, account), true);
            self.emit(RoleGranted { role, account });
        }

        fn revoke_role(
            ref self: ComponentState<TContractState>, role: felt252, account: ContractAddress,
        ) {
            self.assert_admin();
            self.Access_roles.write((role, account), false);
            self.emit(RoleRevoked { role, account });
        }

        fn propose_admin(ref self: ComponentState<TContractState>, account: ContractAddress) {
            self.assert_admin();
            self.Access_proposed_admin.write(account);
            self.emit(AdminProposed { account });
        }

        fn accept_admin(ref self: ComponentState<TContractState>) {
            let account = get_caller_address();
            assert(account == self.Access_proposed_admin.read(), 'ACCESS: not proposed');
            assert(account.is_non_zero(), 'ACCESS: zero account');
            self.Access_admin.write(account);
            self.Access_proposed_admin.write(Zero::zero());
            self.emit(AdminChanged { account });
        }
    }

    #[generate_trait]
    pub impl InternalImpl<
        TContractState, +HasComponent<TContractState>, +Drop<TContractState>,
    > of InternalTrait<TContractState> {
        /// Called once, by the constructor.
        fn initializer(ref self: ComponentState<TContractState>, admin: ContractAddress) {
            assert(admin.is_non_zero(), 'ACCESS: zero admin');
            self.Access_admin.write(admin);
            self.emit(AdminChanged { account: admin });
        }

        fn assert_admin(self: @ComponentState<TContractState>) {
            assert(get_caller_address() == self.Access_admin.read(), 'ACCESS: not the admin');
        }

        fn assert_role(self: @ComponentState<TContractState>, role: felt252, error: felt252) {
            assert(self.Access_roles.read((role, get_caller_address())), error);
        }

        /// The admin, the guardian or the sentinel: those who may stop.
        fn assert_can_stop(self: @ComponentState<TContractState>) {
            let caller = get_caller_address();
            assert(
                caller == self.Access_admin.read()
                    || self.Access_roles.read((crate::access::GUARDIAN, caller))
                    || self.Access_roles.read((crate::access::SENTINEL, caller)),
                'ACCESS: may not stop',
            );
        }
    }
}
