pub mod component;
pub mod interface;
#[cfg(test)]
mod tests;

/// Settles fills and batches.
pub const OPERATOR: felt252 = 'OPERATOR';
/// Stops the venue; can do nothing else.
pub const GUARDIAN: felt252 = 'GUARDIAN';
/// The sentinel's key: stops the venue; can do nothing else.
pub const SENTINEL: felt252 = 'SENTINEL';
