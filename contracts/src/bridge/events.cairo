//! Events of the bridge.

use starknet::{ContractAddress, EthAddress};
use crate::bridge::interface::Destination;

#[derive(Drop, Debug, PartialEq, starknet::Event)]
pub struct DepositDelivered {
    #[key]
    pub recipient: ContractAddress,
    #[key]
    pub depositor: EthAddress,
    /// The L1 message's.
    pub nonce: felt252,
    pub destination: Destination,
    pub amount: u128,
}

#[derive(Drop, Debug, PartialEq, starknet::Event)]
pub struct DepositParked {
    #[key]
    pub recipient: felt252,
    #[key]
    pub depositor: EthAddress,
    pub id: u64,
    pub nonce: felt252,
    pub destination: felt252,
    pub amount: u128,
    /// The bridge's own, or the first felt that the destination panicked with.
    pub reason: felt252,
}

#[derive(Drop, Debug, PartialEq, starknet::Event)]
pub struct ParkedClaimed {
    #[key]
    pub recipient: ContractAddress,
    pub id: u64,
    pub amount: u128,
}

/// The payment itself is in the `WithdrawalRegistered` beside it.
#[derive(Drop, Debug, PartialEq, starknet::Event)]
pub struct ParkedReturned {
    #[key]
    pub depositor: EthAddress,
    pub id: u64,
    pub amount: u128,
    pub counter: u64,
}

#[derive(Drop, Debug, PartialEq, starknet::Event)]
pub struct WithdrawalRegistered {
    /// Whose tokens were burnt; the bridge itself for a parked deposit.
    #[key]
    pub account: ContractAddress,
    #[key]
    pub l1_recipient: EthAddress,
    pub amount: u128,
    pub epoch: u64,
    pub counter: u64,
    /// As the payload has it: the account, or 2^251 + the nonce of a parked deposit that goes back.
    pub source: felt252,
}

/// A withdrawal that a rollback erased and L1 knows was debited again.
#[derive(Drop, Debug, PartialEq, starknet::Event)]
pub struct WithdrawalAttested {
    #[key]
    pub source: felt252,
    #[key]
    pub l1_recipient: EthAddress,
    pub epoch: u64,
    pub counter: u64,
    pub amount: u128,
    /// Whether L1 has paid it; if not, it still can.
    pub paid: bool,
    pub debit: Debit,
}

/// What was still due of an attested withdrawal was looked for again.
#[derive(Drop, Debug, PartialEq, starknet::Event)]
pub struct AttestationSettled {
    #[key]
    pub epoch: u64,
    #[key]
    pub counter: u64,
    pub debit: Debit,
}

/// Where the money of an attested withdrawal was found; the four add up to what was looked for.
#[derive(Copy, Drop, Serde, Debug, PartialEq, Default)]
pub struct Debit {
    /// Burnt from the wallet.
    pub wallet: u128,
    /// From the margin account, a shortfall from insurance: the clearinghouse's `Reconciled` says
    /// how much of each.
    pub venue: u128,
    /// The deposit that had gone back to L1: parked here again, or not delivered again so far.
    pub deposit: u128,
    /// Not found yet.
    pub due: u128,
}

/// It was attested before, or L2 has not forgotten it: nothing to do.
#[derive(Drop, Debug, PartialEq, starknet::Event)]
pub struct AttestationIgnored {
    #[key]
    pub epoch: u64,
    #[key]
    pub counter: u64,
}

#[derive(Drop, Debug, PartialEq, starknet::Event)]
pub struct QuotaConfigured {
    pub limit: u128,
    pub window: u64,
}

#[derive(Drop, Debug, PartialEq, starknet::Event)]
pub struct EpochChanged {
    pub from: u64,
    pub to: u64,
}

/// Messages can arrive out of order; an epoch that is not above the current one changes
/// nothing.
#[derive(Drop, Debug, PartialEq, starknet::Event)]
pub struct EpochIgnored {
    pub epoch: u64,
    pub current: u64,
}

#[derive(Drop, Debug, PartialEq, starknet::Event)]
pub struct Connected {
    pub token: ContractAddress,
    pub l1_bridge: EthAddress,
    pub l1_token: EthAddress,
    pub oracle: ContractAddress,
    pub clearinghouse: ContractAddress,
    pub vault: ContractAddress,
}
