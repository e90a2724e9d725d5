pub mod book;
pub mod calm;
#[cfg(test)]
mod calm_test;
pub mod contract;
#[cfg(test)]
mod contract_test;
pub mod entries;
pub mod events;
pub mod interface;
pub mod packing;
pub mod sight;
