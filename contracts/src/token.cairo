pub mod contract;
pub mod erc20;
pub mod interface;
#[cfg(test)]
mod tests;
