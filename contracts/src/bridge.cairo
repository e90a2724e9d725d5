pub mod contract;
pub mod delivery;
pub mod events;
pub mod interface;
#[cfg(test)]
mod tests;
