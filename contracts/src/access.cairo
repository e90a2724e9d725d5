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

/// From the proposal of an admin until it can accept; seconds. Long enough that a hand-over which
/// the admin did not make is seen and taken back.
pub const ADMIN_DELAY: u64 = 259_200;
/// From the grant of a role that can act until it holds; seconds. Its first holder holds it at
/// once: there is nobody yet whom it could take by surprise.
pub const ROLE_DELAY: u64 = 3_600;
