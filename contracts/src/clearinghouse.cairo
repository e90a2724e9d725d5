pub mod bitmap;
pub mod book;
pub mod closing;
pub mod contract;
pub mod events;
pub mod fills;
pub mod funding;
pub mod interface;
pub mod liquidation;
pub mod money;
pub mod orders;
pub mod outflow;
pub mod slots;
pub mod state;
pub mod takeover;
#[cfg(test)]
mod tests;
pub mod trading;
pub mod venue;
