/// Roles of one contract. Embedded under the name `access`, so every class of a contract sees the
/// same slots.
#[starknet::component]
pub mod AccessComponent {
    use core::num::traits::Zero;
    use starknet::storage::{
        Map, StorageMapReadAccess, StorageMapWriteAccess, StoragePointerReadAccess,
        StoragePointerWriteAccess,
    };
    use starknet::{ContractAddress, get_block_timestamp, get_caller_address};
    use crate::access::interface::IAccess;
    use crate::access::{ADMIN_DELAY, GUARDIAN, ROLE_DELAY, SENTINEL};

    #[storage]
    pub struct Storage {
        pub Access_admin: ContractAddress,
        Access_proposed_admin: ContractAddress,
        /// When the proposed admin can accept.
        Access_accepts_from: u64,
        /// When the role begins to hold; 0: never.
        Access_roles: Map<(felt252, ContractAddress), u64>,
        /// Whether anybody was ever granted the role.
        Access_held: Map<felt252, bool>,
    }

    #[event]
    #[derive(Drop, Debug, PartialEq, starknet::Event)]
    pub enum Event {
        RoleGranted: RoleGranted,
        RoleRevoked: RoleRevoked,
        AdminProposed: AdminProposed,
        AdminCancelled: AdminCancelled,
        AdminChanged: AdminChanged,
    }

    #[derive(Drop, Debug, PartialEq, starknet::Event)]
    pub struct RoleGranted {
        #[key]
        pub role: felt252,
        #[key]
        pub account: ContractAddress,
        /// From when it holds.
        pub since: u64,
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
        pub accepts_from: u64,
    }

    /// The proposal was taken back.
    #[derive(Drop, Debug, PartialEq, starknet::Event)]
    pub struct AdminCancelled {
        #[key]
        pub account: ContractAddress,
        pub caller: ContractAddress,
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

        fn pending_admin(self: @ComponentState<TContractState>) -> (ContractAddress, u64) {
            (self.Access_proposed_admin.read(), self.Access_accepts_from.read())
        }

        fn has_role(
            self: @ComponentState<TContractState>, role: felt252, account: ContractAddress,
        ) -> bool {
            self.holds(role, account)
        }

        fn role_since(
            self: @ComponentState<TContractState>, role: felt252, account: ContractAddress,
        ) -> u64 {
            self.Access_roles.read((role, account))
        }

        fn grant_role(
            ref self: ComponentState<TContractState>, role: felt252, account: ContractAddress,
        ) {
            self.assert_admin();
            assert(role != 0, 'ACCESS: zero role');
            assert(account.is_non_zero(), 'ACCESS: zero account');
            if self.Access_roles.read((role, account)) != 0 {
                return;
            }
            let now = get_block_timestamp();
            let since = if role == GUARDIAN || role == SENTINEL {
                now
            } else if !self.Access_held.read(role) {
                self.Access_held.write(role, true);
                now
            } else {
                now + ROLE_DELAY
            };
            self.Access_roles.write((role, account), since);
            self.emit(RoleGranted { role, account, since });
        }

        fn revoke_role(
            ref self: ComponentState<TContractState>, role: felt252, account: ContractAddress,
        ) {
            self.assert_admin();
            self.Access_roles.write((role, account), 0);
            self.emit(RoleRevoked { role, account });
        }

        fn propose_admin(ref self: ComponentState<TContractState>, account: ContractAddress) {
            self.assert_admin();
            assert(account.is_non_zero(), 'ACCESS: zero account');
            let accepts_from = get_block_timestamp() + ADMIN_DELAY;
            self.Access_proposed_admin.write(account);
            self.Access_accepts_from.write(accepts_from);
            self.emit(AdminProposed { account, accepts_from });
        }

        fn cancel_admin(ref self: ComponentState<TContractState>) {
            self.assert_admin_or_guardian();
            let account = self.Access_proposed_admin.read();
            assert(account.is_non_zero(), 'ACCESS: nobody proposed');
            self.forget_proposal();
            self.emit(AdminCancelled { account, caller: get_caller_address() });
        }

        fn accept_admin(ref self: ComponentState<TContractState>) {
            let account = get_caller_address();
            // Nobody is the zero address, so nobody accepts where nothing is proposed.
            assert(
                account.is_non_zero() && account == self.Access_proposed_admin.read(),
                'ACCESS: not proposed',
            );
            assert(get_block_timestamp() >= self.Access_accepts_from.read(), 'ACCESS: too early');
            self.Access_admin.write(account);
            self.forget_proposal();
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
            assert(self.holds(role, get_caller_address()), error);
        }

        /// Those who may take back what the admin announced.
        fn assert_admin_or_guardian(self: @ComponentState<TContractState>) {
            let caller = get_caller_address();
            assert(
                caller == self.Access_admin.read() || self.holds(GUARDIAN, caller),
                'ACCESS: not admin or guardian',
            );
        }

        /// The admin, the guardian or the sentinel: those who may stop.
        fn assert_can_stop(self: @ComponentState<TContractState>) {
            let caller = get_caller_address();
            assert(
                caller == self.Access_admin.read()
                    || self.holds(GUARDIAN, caller)
                    || self.holds(SENTINEL, caller),
                'ACCESS: may not stop',
            );
        }

        fn holds(
            self: @ComponentState<TContractState>, role: felt252, account: ContractAddress,
        ) -> bool {
            let since = self.Access_roles.read((role, account));
            since != 0 && since <= get_block_timestamp()
        }

        fn forget_proposal(ref self: ComponentState<TContractState>) {
            self.Access_proposed_admin.write(Zero::zero());
            self.Access_accepts_from.write(0);
        }
    }
}
