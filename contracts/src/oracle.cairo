pub mod book;
pub mod contract;
#[cfg(test)]
mod contract_test;
pub mod interface;
pub mod packing;
