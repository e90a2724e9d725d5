//! Events of the oracle.

use starknet::ContractAddress;
use crate::oracle::interface::{Guard, MarketStatus};

/// What became of every market of a report, a felt for each pair of markets, as its entries
/// came. Each half, 0 for a market that was not in the report: median 56 bits (0: there was
/// none), the last good mark now 56, `Outcome` + 1 in 5 bits, `MarketStatus` in 3. The half of
/// the odd market is the high 123 bits; the number of the pair is in bits 121 .. 127.
#[derive(Drop, starknet::Event)]
pub struct MarketsReported {
    #[key]
    pub reporter: ContractAddress,
    pub outcomes: Span<felt252>,
}

#[derive(Drop, starknet::Event)]
pub struct MarketListed {
    #[key]
    pub market: u8,
    #[key]
    pub name: felt252,
    pub guard: Guard,
}

#[derive(Drop, starknet::Event)]
pub struct MarketConfigured {
    #[key]
    pub market: u8,
    pub guard: Guard,
}

/// By hand; the bounds and the breaker show in `MarketsReported`.
#[derive(Drop, starknet::Event)]
pub struct MarketFrozen {
    #[key]
    pub market: u8,
    pub caller: ContractAddress,
}

#[derive(Drop, starknet::Event)]
pub struct MarketReleased {
    #[key]
    pub market: u8,
    pub status: MarketStatus,
}

#[derive(Drop, starknet::Event)]
pub struct SettlementStarted {
    #[key]
    pub market: u8,
}

#[derive(Drop, starknet::Event)]
pub struct SettlementReported {
    #[key]
    pub market: u8,
    #[key]
    pub reporter: ContractAddress,
    pub price: u64,
    /// What the reporters agree on now; 0: on nothing.
    pub agreed: u64,
    /// When it can be final; 0: on nothing.
    pub final_from: u64,
}

#[derive(Drop, starknet::Event)]
pub struct MarketSettled {
    #[key]
    pub market: u8,
    pub price: u64,
}

/// The slot of the market's funding growth is not what this contract wrote: it accrues no more.
#[derive(Drop, starknet::Event)]
pub struct FundingRefused {
    #[key]
    pub market: u8,
    pub slot: felt252,
}

/// The growth begins again at 0; `slot` is what was there.
#[derive(Drop, starknet::Event)]
pub struct FundingRestarted {
    #[key]
    pub market: u8,
    pub slot: felt252,
}

#[derive(Drop, starknet::Event)]
pub struct ReporterAnnounced {
    #[key]
    pub reporter: ContractAddress,
    pub seated_from: u64,
}

#[derive(Drop, starknet::Event)]
pub struct ReporterAdded {
    #[key]
    pub reporter: ContractAddress,
    pub seat: u8,
}

#[derive(Drop, starknet::Event)]
pub struct ReporterRemoved {
    #[key]
    pub reporter: ContractAddress,
}

#[derive(Drop, starknet::Event)]
pub struct QuorumChanged {
    pub quorum: u8,
}

#[derive(Drop, starknet::Event)]
pub struct EpochChanged {
    pub epoch: u64,
}

#[derive(Drop, starknet::Event)]
pub struct SilenceEnded {
    /// When the last mark before it was accepted.
    pub since: u64,
}

#[derive(Drop, starknet::Event)]
pub struct Connected {
    pub clearinghouse: ContractAddress,
    pub bridge: ContractAddress,
}
