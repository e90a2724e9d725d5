pub mod bucket;
pub mod cash;
pub mod config;
pub mod funding;
pub mod guard;
#[cfg(test)]
mod guard_test;
pub mod median;
pub mod modes;
pub mod outflow;
pub mod parity;
pub mod risk;
pub mod storm;
pub mod waterfall;
