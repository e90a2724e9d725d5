mod attestations;
mod deposits;
pub mod setup;
mod wiring;
mod withdrawals;
