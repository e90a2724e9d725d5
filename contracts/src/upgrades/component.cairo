/// Another class for a contract: announced, after a delay, while the venue is Halted, and only if
/// what must stay as it is did.
#[starknet::component]
pub mod UpgradeComponent {
    use core::num::traits::Zero;
    use core::poseidon::poseidon_hash_span;
    use starknet::storage::{StoragePointerReadAccess, StoragePointerWriteAccess};
    use starknet::syscalls::{get_class_hash_at_syscall, replace_class_syscall};
    use starknet::{
        ClassHash, SyscallResultTrait, get_block_timestamp, get_caller_address,
        get_contract_address,
    };
    use crate::upgrades::interface::{
        IUpgradeable, IUpgradeableDispatcherTrait, IUpgradeableLibraryDispatcher, ScheduledUpgrade,
        UpgradePlan,
    };
    use crate::upgrades::rules::{is_kept, plan_hash};
    use crate::upgrades::{EXPIRY, MAX_DELAY, MIN_DELAY};

    #[storage]
    pub struct Storage {
        /// 0: none.
        Upgrade_plan: felt252,
        Upgrade_class: ClassHash,
        Upgrade_ready_at: u64,
        /// While the new class migrates.
        Upgrade_running: bool,
    }

    #[event]
    #[derive(Drop, Debug, PartialEq, starknet::Event)]
    pub enum Event {
        UpgradeScheduled: UpgradeScheduled,
        UpgradeCancelled: UpgradeCancelled,
        Upgraded: Upgraded,
    }

    #[derive(Drop, Debug, PartialEq, starknet::Event)]
    pub struct UpgradeScheduled {
        #[key]
        pub class_hash: ClassHash,
        pub plan_hash: felt252,
        pub ready_at: u64,
        pub expires_at: u64,
        pub classes: Span<ClassHash>,
        pub migration: Span<felt252>,
    }

    #[derive(Drop, Debug, PartialEq, starknet::Event)]
    pub struct UpgradeCancelled {
        #[key]
        pub class_hash: ClassHash,
        pub caller: starknet::ContractAddress,
    }

    #[derive(Drop, Debug, PartialEq, starknet::Event)]
    pub struct Upgraded {
        #[key]
        pub previous: ClassHash,
        #[key]
        pub class_hash: ClassHash,
        pub classes: Span<ClassHash>,
        /// Poseidon of the figures that were to stay as they were, and did.
        pub conserved: felt252,
    }

    /// What each contract adds.
    pub trait HooksTrait<TContractState> {
        /// The name of the interface.
        fn name() -> felt252;
        fn assert_admin(self: @TContractState);
        fn assert_admin_or_guardian(self: @TContractState);
        /// Whether the venue is Halted.
        fn is_halted(self: @TContractState) -> bool;
        /// See `IUpgradeable`; panics where the contract is not whole.
        fn conserved(self: @TContractState) -> Span<felt252>;
        fn migrate(ref self: TContractState, classes: Span<ClassHash>, data: Span<felt252>);
    }

    #[embeddable_as(UpgradeImpl)]
    pub impl Upgrade<
        TContractState,
        +HasComponent<TContractState>,
        impl Hooks: HooksTrait<TContractState>,
        +Drop<TContractState>,
    > of IUpgradeable<ComponentState<TContractState>> {
        fn schedule_upgrade(
            ref self: ComponentState<TContractState>, plan: UpgradePlan, delay: u64,
        ) {
            Hooks::assert_admin(self.get_contract());
            assert(plan.class_hash.is_non_zero(), 'UPGRADE: zero class');
            assert(delay >= MIN_DELAY, 'UPGRADE: delay too short');
            assert(delay <= MAX_DELAY, 'UPGRADE: delay too long');
            let now = get_block_timestamp();
            let before = self.scheduled_upgrade();
            assert(before.plan_hash == 0 || now > before.expires_at, 'UPGRADE: one is scheduled');
            // The new class is not asked its name yet: whatever it answers with would be its code,
            // at work on this contract before its time.
            let plan_hash = plan_hash(@plan);
            let (ready_at, expires_at) = (now + delay, now + delay + EXPIRY);
            self.Upgrade_plan.write(plan_hash);
            self.Upgrade_class.write(plan.class_hash);
            self.Upgrade_ready_at.write(ready_at);
            let UpgradePlan { class_hash, classes, migration } = plan;
            self
                .emit(
                    UpgradeScheduled {
                        class_hash, plan_hash, ready_at, expires_at, classes, migration,
                    },
                );
        }

        fn cancel_upgrade(ref self: ComponentState<TContractState>) {
            Hooks::assert_admin_or_guardian(self.get_contract());
            let scheduled = self.scheduled_upgrade();
            assert(scheduled.plan_hash != 0, 'UPGRADE: none is scheduled');
            self.forget();
            let class_hash = scheduled.class_hash;
            self.emit(UpgradeCancelled { class_hash, caller: get_caller_address() });
        }

        fn upgrade(ref self: ComponentState<TContractState>, plan: UpgradePlan) {
            Hooks::assert_admin(self.get_contract());
            let scheduled = self.scheduled_upgrade();
            assert(
                scheduled.plan_hash != 0 && scheduled.plan_hash == plan_hash(@plan),
                'UPGRADE: not scheduled',
            );
            let now = get_block_timestamp();
            assert(now >= scheduled.ready_at, 'UPGRADE: too early');
            assert(now <= scheduled.expires_at, 'UPGRADE: expired');
            assert(Hooks::is_halted(self.get_contract()), 'UPGRADE: venue is not halted');
            let UpgradePlan { class_hash, classes, migration } = plan;
            let next = IUpgradeableLibraryDispatcher { class_hash };
            assert(next.implements() == Hooks::name(), 'UPGRADE: another interface');

            let before = Hooks::conserved(self.get_contract());
            self.forget();
            let previous = get_class_hash_at_syscall(get_contract_address()).unwrap_syscall();
            replace_class_syscall(class_hash).unwrap_syscall();
            self.Upgrade_running.write(true);
            next.migrate(classes, migration);
            self.Upgrade_running.write(false);
            // As the new class sees it.
            assert(is_kept(before, next.conserved()), 'UPGRADE: not conserved');
            let conserved = poseidon_hash_span(before);
            self.emit(Upgraded { previous, class_hash, classes, conserved });
        }

        fn scheduled_upgrade(self: @ComponentState<TContractState>) -> ScheduledUpgrade {
            let plan_hash = self.Upgrade_plan.read();
            if plan_hash == 0 {
                return ScheduledUpgrade {
                    plan_hash, class_hash: Zero::zero(), ready_at: 0, expires_at: 0,
                };
            }
            let ready_at = self.Upgrade_ready_at.read();
            ScheduledUpgrade {
                plan_hash,
                class_hash: self.Upgrade_class.read(),
                ready_at,
                expires_at: ready_at + EXPIRY,
            }
        }

        fn implements(self: @ComponentState<TContractState>) -> felt252 {
            Hooks::name()
        }

        fn conserved(self: @ComponentState<TContractState>) -> Span<felt252> {
            Hooks::conserved(self.get_contract())
        }

        fn migrate(
            ref self: ComponentState<TContractState>, classes: Span<ClassHash>, data: Span<felt252>,
        ) {
            assert(self.Upgrade_running.read(), 'UPGRADE: none is running');
            let mut contract = self.get_contract_mut();
            Hooks::migrate(ref contract, classes, data);
        }
    }

    #[generate_trait]
    impl Internal<
        TContractState, +HasComponent<TContractState>, +Drop<TContractState>,
    > of InternalTrait<TContractState> {
        fn forget(ref self: ComponentState<TContractState>) {
            self.Upgrade_plan.write(0);
            self.Upgrade_class.write(Zero::zero());
            self.Upgrade_ready_at.write(0);
        }
    }
}
