pub mod contract;
pub mod interface;
#[cfg(test)]
mod tests;
pub mod tree;
