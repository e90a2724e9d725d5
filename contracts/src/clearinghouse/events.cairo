//! Events of the clearinghouse. A class that emits one has the same variant in its own `Event`, so
//! that the contract's ABI decodes it.

use starknet::ContractAddress;
use crate::clearinghouse::interface::{MarketParams, Mode, VenueParams};

/// A fill that settled. Cash is what the account received (below 0: paid), fee apart; 1e-6 USD.
#[derive(Drop, starknet::Event)]
pub struct FillSettled {
    #[key]
    pub market: u8,
    #[key]
    pub maker: ContractAddress,
    #[key]
    pub taker: ContractAddress,
    pub maker_order: felt252,
    pub taker_order: felt252,
    pub taker_buys: bool,
    pub size: u64,
    pub price: u64,
    pub mark: u64,
    /// Sizes of the positions after it.
    pub maker_size: i64,
    pub taker_size: i64,
    pub maker_fee: u128,
    pub taker_fee: u128,
    pub maker_funding: i128,
    pub taker_funding: i128,
    /// What rounding left to insurance.
    pub remainder: u128,
}

/// A fill of a batch that was skipped; it changed nothing.
#[derive(Drop, starknet::Event)]
pub struct FillRefused {
    #[key]
    pub index: u32,
    pub reason: felt252,
    pub maker_order: felt252,
    pub taker_order: felt252,
}

#[derive(Drop, starknet::Event)]
pub struct OrderCancelled {
    #[key]
    pub account: ContractAddress,
    #[key]
    pub order_hash: felt252,
}

#[derive(Drop, starknet::Event)]
pub struct AllCancelled {
    #[key]
    pub account: ContractAddress,
    pub account_epoch: u32,
}

#[derive(Drop, starknet::Event)]
pub struct OrderApproved {
    #[key]
    pub account: ContractAddress,
    #[key]
    pub order_hash: felt252,
}

#[derive(Drop, starknet::Event)]
pub struct TradingKeyRegistered {
    #[key]
    pub account: ContractAddress,
    #[key]
    pub key: felt252,
    pub expiry: u64,
}

#[derive(Drop, starknet::Event)]
pub struct TradingKeyRevoked {
    #[key]
    pub account: ContractAddress,
    #[key]
    pub key: felt252,
}

#[derive(Drop, starknet::Event)]
pub struct Deposited {
    #[key]
    pub account: ContractAddress,
    pub payer: ContractAddress,
    pub amount: u128,
}

/// A deposit made while Halted.
#[derive(Drop, starknet::Event)]
pub struct DepositHeld {
    #[key]
    pub account: ContractAddress,
    pub payer: ContractAddress,
    pub amount: u128,
}

#[derive(Drop, starknet::Event)]
pub struct DepositCredited {
    #[key]
    pub account: ContractAddress,
    pub amount: u128,
}

/// With V and the initial requirement after it, 1e-16 USD.
#[derive(Drop, starknet::Event)]
pub struct Withdrawn {
    #[key]
    pub account: ContractAddress,
    pub amount: u128,
    pub value: i128,
    pub initial: u128,
}

#[derive(Drop, starknet::Event)]
pub struct FeesCollected {
    #[key]
    pub account: ContractAddress,
    pub amount: u128,
}

#[derive(Drop, starknet::Event)]
pub struct InsuranceFunded {
    #[key]
    pub account: ContractAddress,
    pub amount: u128,
}

/// Tokens that were sent to the contract without a deposit, booked to insurance.
#[derive(Drop, starknet::Event)]
pub struct SurplusBooked {
    pub amount: u128,
}

/// All that is needed to judge a liquidation. V and R (maintenance) are in 1e-16 USD, funding
/// settled; costs in 1e-6.
#[derive(Drop, starknet::Event)]
pub struct Liquidated {
    #[key]
    pub account: ContractAddress,
    #[key]
    pub market: u8,
    #[key]
    pub caller: ContractAddress,
    /// What changed hands: above 0 the account was long.
    pub size: i64,
    /// What is left to the account.
    pub remaining: i64,
    pub mark: u64,
    pub checkpoint: u64,
    pub value_before: i128,
    pub requirement_before: u128,
    /// V and R at the checkpoints.
    pub value_checkpoint: i128,
    pub requirement_checkpoint: u128,
    pub value_after: i128,
    pub requirement_after: u128,
    pub discount: u128,
    pub penalty: u128,
    pub account_funding: i128,
    pub caller_funding: i128,
    pub remainder: u128,
}

/// One of a batch that was refused; it changed nothing.
#[derive(Drop, starknet::Event)]
pub struct LiquidationRefused {
    #[key]
    pub account: ContractAddress,
    #[key]
    pub market: u8,
    pub reason: felt252,
}

#[derive(Drop, starknet::Event)]
pub struct ModeChanged {
    pub from: Mode,
    pub to: Mode,
    pub caller: ContractAddress,
    pub report_hash: felt252,
}

#[derive(Drop, starknet::Event)]
pub struct EpochChanged {
    pub epoch: u64,
}

/// The index of a market at a change between accruing and not accruing.
#[derive(Drop, starknet::Event)]
pub struct FundingRebased {
    #[key]
    pub market: u8,
    pub index: i128,
    pub live: bool,
}

/// The seal of a market's funding is broken: it was left as it is while the venue stopped.
#[derive(Drop, starknet::Event)]
pub struct FundingBroken {
    #[key]
    pub market: u8,
}

#[derive(Drop, starknet::Event)]
pub struct MarketListed {
    #[key]
    pub market: u8,
    #[key]
    pub name: felt252,
    pub params: MarketParams,
}

#[derive(Drop, starknet::Event)]
pub struct MarketConfigured {
    #[key]
    pub market: u8,
    pub params: MarketParams,
}

#[derive(Drop, starknet::Event)]
pub struct VenueConfigured {
    pub params: VenueParams,
}

/// Once: the bridge that counts epochs.
#[derive(Drop, starknet::Event)]
pub struct Connected {
    #[key]
    pub bridge: ContractAddress,
}
