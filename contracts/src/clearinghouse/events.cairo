//! Events of the clearinghouse. A class that emits one has the same variant in its own `Event`, so
//! that the contract's ABI decodes it.

use starknet::ContractAddress;
use crate::clearinghouse::interface::{
    MarketParams, Mode, OutflowParams, VenueParams, WaterfallParams,
};

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
    /// 'SILENCE', 'EPOCH' or 'STORM' where nobody asked for it; else 0.
    pub reason: felt252,
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

/// Once: the bridge that counts epochs, the vault that is the backstop.
#[derive(Drop, starknet::Event)]
pub struct Connected {
    #[key]
    pub bridge: ContractAddress,
    #[key]
    pub vault: ContractAddress,
}

#[derive(Drop, starknet::Event)]
pub struct WaterfallConfigured {
    pub params: WaterfallParams,
}

/// A liquidation was cut or refused because its market had too many; values in 1e-16 USD.
#[derive(Drop, starknet::Event)]
pub struct StormDry {
    #[key]
    pub market: u8,
    /// Liquidated so far, and the ration.
    pub used: u128,
    pub limit: u128,
    /// When the window ends.
    pub until: u64,
}

/// An account with R/3 <= V < R: if nobody touches it the backstop may take it later. V and R in
/// 1e-16 USD.
#[derive(Drop, starknet::Event)]
pub struct SeenUnderWater {
    #[key]
    pub account: ContractAddress,
    pub caller: ContractAddress,
    pub value: i128,
    pub requirement: u128,
}

/// One position that went to the vault. V and R (maintenance) in 1e-16 USD, the market's funding
/// settled, the positions taken before it gone; cash in 1e-6.
#[derive(Drop, starknet::Event)]
pub struct Backstopped {
    #[key]
    pub account: ContractAddress,
    #[key]
    pub market: u8,
    #[key]
    pub caller: ContractAddress,
    pub vault: ContractAddress,
    /// What changed hands: above 0 the account was long.
    pub size: i64,
    pub remaining: i64,
    pub mark: u64,
    pub checkpoint: u64,
    pub value_before: i128,
    pub requirement_before: u128,
    pub value_after: i128,
    pub requirement_after: u128,
    /// V and R of the whole account at the checkpoints, before the first position went.
    pub value_checkpoint: i128,
    pub requirement_checkpoint: u128,
    /// What the account got for `size` in all, below 0: paid; the price is quote / size.
    pub quote: i128,
    pub discount: u128,
    pub penalty: u128,
    /// What the vault and insurance paid beyond the mark.
    pub loss: u128,
    pub insurance: u128,
    pub account_funding: i128,
    pub vault_funding: i128,
    pub remainder: u128,
}

/// A position, or all of an account (market 255), that the backstop left where it is.
#[derive(Drop, starknet::Event)]
pub struct BackstopRefused {
    #[key]
    pub account: ContractAddress,
    #[key]
    pub market: u8,
    pub reason: felt252,
}

/// An account with nothing open and less than nothing: insurance paid. 1e-6 USD.
#[derive(Drop, starknet::Event)]
pub struct DebtPaid {
    #[key]
    pub account: ContractAddress,
    pub amount: u128,
    /// What the account still owes.
    pub left: u128,
}

/// A part of a bankrupt account's position, closed against a counterparty. V and R (maintenance) in
/// 1e-16 USD, the market's funding settled; cash in 1e-6.
#[derive(Drop, starknet::Event)]
pub struct Deleveraged {
    #[key]
    pub account: ContractAddress,
    #[key]
    pub market: u8,
    #[key]
    pub counterparty: ContractAddress,
    pub caller: ContractAddress,
    /// What changed hands: above 0 the account was long.
    pub size: i64,
    pub remaining: i64,
    pub counterparty_remaining: i64,
    pub mark: u64,
    pub checkpoint: u64,
    pub value_before: i128,
    pub requirement_before: u128,
    pub value_after: i128,
    pub requirement_after: u128,
    pub value_checkpoint: i128,
    pub requirement_checkpoint: u128,
    /// R/V of the counterparty in millionths; no later one of the call ranks higher.
    pub rank: u128,
    pub counterparty_value_before: i128,
    pub counterparty_requirement_before: u128,
    pub counterparty_value_after: i128,
    pub counterparty_requirement_after: u128,
    /// What the account got for `size` in all, below 0: paid; the price is quote / size.
    pub quote: i128,
    /// What the counterparty paid beyond the mark.
    pub loss: u128,
    pub account_funding: i128,
    pub counterparty_funding: i128,
    pub remainder: u128,
}

#[derive(Drop, starknet::Event)]
pub struct OutflowConfigured {
    pub params: OutflowParams,
}

/// Deposits that waited to be credited went back to the account's wallet.
#[derive(Drop, starknet::Event)]
pub struct DepositReturned {
    #[key]
    pub account: ContractAddress,
    pub amount: u128,
}

/// From here on everybody's positions in the market close at this price and funding index; without
/// an index (`with_funding` false) no funding is settled.
#[derive(Drop, starknet::Event)]
pub struct MarketClosed {
    #[key]
    pub market: u8,
    pub price: u64,
    pub with_funding: bool,
    pub index: i128,
}

/// A position closed by settlement; cash in 1e-6 USD, below 0: paid.
#[derive(Drop, starknet::Event)]
pub struct PositionSettled {
    #[key]
    pub account: ContractAddress,
    #[key]
    pub market: u8,
    /// What it was.
    pub size: i64,
    pub price: u64,
    pub quote: i128,
    pub funding: i128,
    /// Of what the account owed with nothing left open: what insurance paid.
    pub covered: u128,
    /// After it; below 0 is what is owed still.
    pub collateral: i128,
}

/// The last position of a closed market is settled: what rounding left went to insurance.
#[derive(Drop, starknet::Event)]
pub struct MarketEmptied {
    #[key]
    pub market: u8,
    pub remainder: u128,
}

/// Every market closes at its last good mark; the venue stays Halted for good.
#[derive(Drop, starknet::Event)]
pub struct WoundDown {
    #[key]
    pub caller: ContractAddress,
    /// Since when it was Halted.
    pub halted_since: u64,
}

/// Collateral that left a Halted venue.
#[derive(Drop, starknet::Event)]
pub struct Escaped {
    #[key]
    pub account: ContractAddress,
    pub amount: u128,
    pub collateral: i128,
}

/// The index that a restore of the market goes back to.
#[derive(Drop, starknet::Event)]
pub struct FundingCheckpointed {
    #[key]
    pub market: u8,
    pub index: i128,
}

#[derive(Drop, starknet::Event)]
pub struct RestoreAnnounced {
    #[key]
    pub market: u8,
    pub restore_from: u64,
    /// The index that it would have.
    pub index: i128,
    /// What is in the broken slot now, and whether the oracle's growth is broken.
    pub slot: felt252,
    pub growth_broken: bool,
}

#[derive(Drop, starknet::Event)]
pub struct RestoreCancelled {
    #[key]
    pub market: u8,
    pub caller: ContractAddress,
}

/// A broken funding index and the one that took its place.
#[derive(Drop, starknet::Event)]
pub struct FundingRestored {
    #[key]
    pub market: u8,
    /// What was in the slot.
    pub slot: felt252,
    pub growth_broken: bool,
    pub index: i128,
    /// When the checkpoint was taken.
    pub checkpoint_at: u64,
}

/// A withdrawal that a rollback had erased was debited again and its tokens given to the bridge,
/// which burns them; 1e-6 USD. What the account did not have free insurance paid and is owed.
#[derive(Drop, starknet::Event)]
pub struct Reconciled {
    #[key]
    pub account: ContractAddress,
    pub amount: u128,
    pub from_margin: u128,
    pub shortfall: u128,
    /// In all, after it.
    pub owed: u128,
}

/// What an account owed went to insurance.
#[derive(Drop, starknet::Event)]
pub struct ReceivableCollected {
    #[key]
    pub account: ContractAddress,
    pub amount: u128,
    /// What it still owes.
    pub owed: u128,
}
