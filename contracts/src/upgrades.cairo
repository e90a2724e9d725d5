pub mod component;
pub mod interface;
pub mod rules;
#[cfg(test)]
mod tests;

/// From the schedule of an upgrade until it can be made, at least and at most; seconds. Time enough
/// to read the new class, and to leave.
pub const MIN_DELAY: u64 = 259_200;
pub const MAX_DELAY: u64 = 2_592_000;
/// An upgrade that was not made for so long after it could be has to be scheduled again: what was
/// read then may not be what is wanted any more.
pub const EXPIRY: u64 = 1_209_600;

/// What a class says it implements: the one that takes its place says the same.
pub mod names {
    pub const ORACLE: felt252 = 'truemark.oracle';
    pub const CLEARINGHOUSE: felt252 = 'truemark.clearinghouse';
    pub const VAULT: felt252 = 'truemark.vault';
    pub const BRIDGE: felt252 = 'truemark.bridge';
    pub const TOKEN: felt252 = 'truemark.token';
    pub const REFUNDS: felt252 = 'truemark.refunds';
    // Classes that the clearinghouse runs.
    pub const TRADING: felt252 = 'truemark.trading';
    pub const LIQUIDATION: felt252 = 'truemark.liquidation';
    pub const MONEY: felt252 = 'truemark.money';
    pub const VENUE: felt252 = 'truemark.venue';
    pub const WATERFALL: felt252 = 'truemark.waterfall';
}
