use starknet::ClassHash;

/// What a contract is to become.
#[derive(Copy, Drop, Serde)]
pub struct UpgradePlan {
    pub class_hash: ClassHash,
    /// The classes that the contract runs by library call, all of them, in their order; none for a
    /// contract that runs none.
    pub classes: Span<ClassHash>,
    /// What the new class is told when it takes over.
    pub migration: Span<felt252>,
}

/// All 0 where nothing is scheduled.
#[derive(Copy, Drop, Serde, PartialEq, Debug)]
pub struct ScheduledUpgrade {
    /// Poseidon of the plan's felts.
    pub plan_hash: felt252,
    pub class_hash: ClassHash,
    pub ready_at: u64,
    pub expires_at: u64,
}

#[starknet::interface]
pub trait IUpgradeable<TState> {
    /// Admin. `delay` in seconds, from MIN_DELAY to MAX_DELAY. Nothing of the new class runs before
    /// its time.
    fn schedule_upgrade(ref self: TState, plan: UpgradePlan, delay: u64);
    /// Admin, guardian; at once.
    fn cancel_upgrade(ref self: TState);
    /// Admin, once the delay is over and while the venue is Halted. All of it, or nothing.
    fn upgrade(ref self: TState, plan: UpgradePlan);
    fn scheduled_upgrade(self: @TState) -> ScheduledUpgrade;

    // What the class before this one asks of it, by library call on the contract's own storage.

    /// The interface that the class implements; a class with another name does not take over.
    fn implements(self: @TState) -> felt252;
    /// What an upgrade leaves as it is. A later class may add figures at the end.
    fn conserved(self: @TState) -> Span<felt252>;
    /// In the course of an upgrade only.
    fn migrate(ref self: TState, classes: Span<ClassHash>, data: Span<felt252>);
}

/// A class that another contract runs by library call.
#[starknet::interface]
pub trait INamed<TState> {
    fn implements(self: @TState) -> felt252;
}
