//! Versions of the smallest contract that can be upgraded.

#[starknet::interface]
pub trait ILedger<TState> {
    fn put(ref self: TState, halted: bool, sum: felt252);
    fn sum(self: @TState) -> felt252;
    fn figure(self: @TState) -> felt252;
}

#[starknet::contract]
pub mod First {
    use starknet::storage::{StoragePointerReadAccess, StoragePointerWriteAccess};
    use starknet::{ClassHash, ContractAddress};
    use crate::access::component::AccessComponent;
    use crate::upgrades::component::UpgradeComponent;

    component!(path: AccessComponent, storage: access, event: AccessEvent);
    component!(path: UpgradeComponent, storage: upgrades, event: UpgradeEvent);

    #[abi(embed_v0)]
    impl AccessImpl = AccessComponent::AccessImpl<ContractState>;
    impl AccessInternal = AccessComponent::InternalImpl<ContractState>;
    #[abi(embed_v0)]
    impl UpgradeImpl = UpgradeComponent::UpgradeImpl<ContractState>;

    #[storage]
    struct Storage {
        #[substorage(v0)]
        access: AccessComponent::Storage,
        #[substorage(v0)]
        upgrades: UpgradeComponent::Storage,
        halted: bool,
        sum: felt252,
        figure: felt252,
    }

    #[event]
    #[derive(Drop, starknet::Event)]
    enum Event {
        #[flat]
        AccessEvent: AccessComponent::Event,
        #[flat]
        UpgradeEvent: UpgradeComponent::Event,
    }

    #[constructor]
    fn constructor(ref self: ContractState, admin: ContractAddress) {
        self.access.initializer(admin);
    }

    impl Hooks of UpgradeComponent::HooksTrait<ContractState> {
        fn name() -> felt252 {
            'truemark.ledger'
        }

        fn assert_admin(self: @ContractState) {
            self.access.assert_admin();
        }

        fn assert_admin_or_guardian(self: @ContractState) {
            self.access.assert_admin_or_guardian();
        }

        fn is_halted(self: @ContractState) -> bool {
            self.halted.read()
        }

        fn conserved(self: @ContractState) -> Span<felt252> {
            array![self.sum.read()].span()
        }

        fn migrate(ref self: ContractState, classes: Span<ClassHash>, data: Span<felt252>) {
            crate::upgrades::rules::assert_nothing_to_migrate(classes, data);
        }
    }

    #[abi(embed_v0)]
    impl Ledger of super::ILedger<ContractState> {
        fn put(ref self: ContractState, halted: bool, sum: felt252) {
            self.halted.write(halted);
            self.sum.write(sum);
        }

        fn sum(self: @ContractState) -> felt252 {
            self.sum.read()
        }

        fn figure(self: @ContractState) -> felt252 {
            self.figure.read()
        }
    }
}

#[starknet::contract]
pub mod Second {
    use starknet::storage::{StoragePointerReadAccess, StoragePointerWriteAccess};
    use starknet::{ClassHash, ContractAddress};
    use crate::access::component::AccessComponent;
    use crate::upgrades::component::UpgradeComponent;

    component!(path: AccessComponent, storage: access, event: AccessEvent);
    component!(path: UpgradeComponent, storage: upgrades, event: UpgradeEvent);

    #[abi(embed_v0)]
    impl AccessImpl = AccessComponent::AccessImpl<ContractState>;
    impl AccessInternal = AccessComponent::InternalImpl<ContractState>;
    #[abi(embed_v0)]
    impl UpgradeImpl = UpgradeComponent::UpgradeImpl<ContractState>;

    #[storage]
    struct Storage {
        #[substorage(v0)]
        access: AccessComponent::Storage,
        #[substorage(v0)]
        upgrades: UpgradeComponent::Storage,
        halted: bool,
        sum: felt252,
        figure: felt252,
    }

    #[event]
    #[derive(Drop, starknet::Event)]
    enum Event {
        #[flat]
        AccessEvent: AccessComponent::Event,
        #[flat]
        UpgradeEvent: UpgradeComponent::Event,
    }

    #[constructor]
    fn constructor(ref self: ContractState, admin: ContractAddress) {
        self.access.initializer(admin);
    }

    impl Hooks of UpgradeComponent::HooksTrait<ContractState> {
        fn name() -> felt252 {
            'truemark.ledger'
        }

        fn assert_admin(self: @ContractState) {
            self.access.assert_admin();
        }

        fn assert_admin_or_guardian(self: @ContractState) {
            self.access.assert_admin_or_guardian();
        }

        fn is_halted(self: @ContractState) -> bool {
            self.halted.read()
        }

        fn conserved(self: @ContractState) -> Span<felt252> {
            array![self.sum.read(), self.figure.read()].span()
        }

        fn migrate(ref self: ContractState, classes: Span<ClassHash>, data: Span<felt252>) {
            self.figure.write(*data[0]);
            assert(classes.is_empty(), 'UPGRADE: runs no classes');
        }
    }

    #[abi(embed_v0)]
    impl Ledger of super::ILedger<ContractState> {
        fn put(ref self: ContractState, halted: bool, sum: felt252) {
            self.halted.write(halted);
            self.sum.write(sum);
        }

        fn sum(self: @ContractState) -> felt252 {
            self.sum.read()
        }

        fn figure(self: @ContractState) -> felt252 {
            self.figure.read()
        }
    }
}

#[starknet::contract]
pub mod Stranger {
    use starknet::storage::{StoragePointerReadAccess, StoragePointerWriteAccess};
    use starknet::{ClassHash, ContractAddress};
    use crate::access::component::AccessComponent;
    use crate::upgrades::component::UpgradeComponent;

    component!(path: AccessComponent, storage: access, event: AccessEvent);
    component!(path: UpgradeComponent, storage: upgrades, event: UpgradeEvent);

    #[abi(embed_v0)]
    impl AccessImpl = AccessComponent::AccessImpl<ContractState>;
    impl AccessInternal = AccessComponent::InternalImpl<ContractState>;
    #[abi(embed_v0)]
    impl UpgradeImpl = UpgradeComponent::UpgradeImpl<ContractState>;

    #[storage]
    struct Storage {
        #[substorage(v0)]
        access: AccessComponent::Storage,
        #[substorage(v0)]
        upgrades: UpgradeComponent::Storage,
        halted: bool,
        sum: felt252,
        figure: felt252,
    }

    #[event]
    #[derive(Drop, starknet::Event)]
    enum Event {
        #[flat]
        AccessEvent: AccessComponent::Event,
        #[flat]
        UpgradeEvent: UpgradeComponent::Event,
    }

    #[constructor]
    fn constructor(ref self: ContractState, admin: ContractAddress) {
        self.access.initializer(admin);
    }

    impl Hooks of UpgradeComponent::HooksTrait<ContractState> {
        fn name() -> felt252 {
            'truemark.stranger'
        }

        fn assert_admin(self: @ContractState) {
            self.access.assert_admin();
        }

        fn assert_admin_or_guardian(self: @ContractState) {
            self.access.assert_admin_or_guardian();
        }

        fn is_halted(self: @ContractState) -> bool {
            self.halted.read()
        }

        fn conserved(self: @ContractState) -> Span<felt252> {
            array![self.sum.read()].span()
        }

        fn migrate(ref self: ContractState, classes: Span<ClassHash>, data: Span<felt252>) {
            crate::upgrades::rules::assert_nothing_to_migrate(classes, data);
        }
    }

    #[abi(embed_v0)]
    impl Ledger of super::ILedger<ContractState> {
        fn put(ref self: ContractState, halted: bool, sum: felt252) {
            self.halted.write(halted);
            self.sum.write(sum);
        }

        fn sum(self: @ContractState) -> felt252 {
            self.sum.read()
        }

        fn figure(self: @ContractState) -> felt252 {
            self.figure.read()
        }
    }
}

#[starknet::contract]
pub mod Thief {
    use starknet::storage::{StoragePointerReadAccess, StoragePointerWriteAccess};
    use starknet::{ClassHash, ContractAddress};
    use crate::access::component::AccessComponent;
    use crate::upgrades::component::UpgradeComponent;

    component!(path: AccessComponent, storage: access, event: AccessEvent);
    component!(path: UpgradeComponent, storage: upgrades, event: UpgradeEvent);

    #[abi(embed_v0)]
    impl AccessImpl = AccessComponent::AccessImpl<ContractState>;
    impl AccessInternal = AccessComponent::InternalImpl<ContractState>;
    #[abi(embed_v0)]
    impl UpgradeImpl = UpgradeComponent::UpgradeImpl<ContractState>;

    #[storage]
    struct Storage {
        #[substorage(v0)]
        access: AccessComponent::Storage,
        #[substorage(v0)]
        upgrades: UpgradeComponent::Storage,
        halted: bool,
        sum: felt252,
        figure: felt252,
    }

    #[event]
    #[derive(Drop, starknet::Event)]
    enum Event {
        #[flat]
        AccessEvent: AccessComponent::Event,
        #[flat]
        UpgradeEvent: UpgradeComponent::Event,
    }

    #[constructor]
    fn constructor(ref self: ContractState, admin: ContractAddress) {
        self.access.initializer(admin);
    }

    impl Hooks of UpgradeComponent::HooksTrait<ContractState> {
        fn name() -> felt252 {
            'truemark.ledger'
        }

        fn assert_admin(self: @ContractState) {
            self.access.assert_admin();
        }

        fn assert_admin_or_guardian(self: @ContractState) {
            self.access.assert_admin_or_guardian();
        }

        fn is_halted(self: @ContractState) -> bool {
            self.halted.read()
        }

        fn conserved(self: @ContractState) -> Span<felt252> {
            array![self.sum.read()].span()
        }

        fn migrate(ref self: ContractState, classes: Span<ClassHash>, data: Span<felt252>) {
            self.sum.write(*data[0]);
            assert(classes.is_empty(), 'UPGRADE: runs no classes');
        }
    }

    #[abi(embed_v0)]
    impl Ledger of super::ILedger<ContractState> {
        fn put(ref self: ContractState, halted: bool, sum: felt252) {
            self.halted.write(halted);
            self.sum.write(sum);
        }

        fn sum(self: @ContractState) -> felt252 {
            self.sum.read()
        }

        fn figure(self: @ContractState) -> felt252 {
            self.figure.read()
        }
    }
}

#[starknet::contract]
pub mod Forgetful {
    use starknet::storage::{StoragePointerReadAccess, StoragePointerWriteAccess};
    use starknet::{ClassHash, ContractAddress};
    use crate::access::component::AccessComponent;
    use crate::upgrades::component::UpgradeComponent;

    component!(path: AccessComponent, storage: access, event: AccessEvent);
    component!(path: UpgradeComponent, storage: upgrades, event: UpgradeEvent);

    #[abi(embed_v0)]
    impl AccessImpl = AccessComponent::AccessImpl<ContractState>;
    impl AccessInternal = AccessComponent::InternalImpl<ContractState>;
    #[abi(embed_v0)]
    impl UpgradeImpl = UpgradeComponent::UpgradeImpl<ContractState>;

    #[storage]
    struct Storage {
        #[substorage(v0)]
        access: AccessComponent::Storage,
        #[substorage(v0)]
        upgrades: UpgradeComponent::Storage,
        halted: bool,
        sum: felt252,
        figure: felt252,
    }

    #[event]
    #[derive(Drop, starknet::Event)]
    enum Event {
        #[flat]
        AccessEvent: AccessComponent::Event,
        #[flat]
        UpgradeEvent: UpgradeComponent::Event,
    }

    #[constructor]
    fn constructor(ref self: ContractState, admin: ContractAddress) {
        self.access.initializer(admin);
    }

    impl Hooks of UpgradeComponent::HooksTrait<ContractState> {
        fn name() -> felt252 {
            'truemark.ledger'
        }

        fn assert_admin(self: @ContractState) {
            self.access.assert_admin();
        }

        fn assert_admin_or_guardian(self: @ContractState) {
            self.access.assert_admin_or_guardian();
        }

        fn is_halted(self: @ContractState) -> bool {
            self.halted.read()
        }

        fn conserved(self: @ContractState) -> Span<felt252> {
            array![].span()
        }

        fn migrate(ref self: ContractState, classes: Span<ClassHash>, data: Span<felt252>) {
            crate::upgrades::rules::assert_nothing_to_migrate(classes, data);
        }
    }

    #[abi(embed_v0)]
    impl Ledger of super::ILedger<ContractState> {
        fn put(ref self: ContractState, halted: bool, sum: felt252) {
            self.halted.write(halted);
            self.sum.write(sum);
        }

        fn sum(self: @ContractState) -> felt252 {
            self.sum.read()
        }

        fn figure(self: @ContractState) -> felt252 {
            self.figure.read()
        }
    }
}
