pub mod contract;
pub mod interface;
pub mod math;
#[cfg(test)]
pub(crate) mod mocks;
#[cfg(test)]
mod tests;
