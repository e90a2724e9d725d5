pub mod contract;
pub mod interface;
pub mod math;
#[cfg(test)]
pub(crate) mod mocks;
pub mod queue;
#[cfg(test)]
mod tests;
pub mod venue;
