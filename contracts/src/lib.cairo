//! Truemark on Starknet: what a venue's money depends on.
//!
//! `rules` are pure (no storage, no panic on input); a contract reads state, calls a rule, writes
//! state, emits.

pub mod access;
pub mod bench;
pub mod bridge;
pub mod clearinghouse;
pub mod gas;
pub mod oracle;
pub mod refunds;
pub mod rules;
pub mod token;
pub mod unguarded;
pub mod units;
pub mod upgrades;
pub mod vault;
