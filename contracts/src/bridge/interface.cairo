use starknet::{ContractAddress, EthAddress};
use crate::rules::bucket::{Bucket, Limit};

/// Where a deposit from L1 goes.
#[derive(Copy, Drop, Serde, PartialEq, Debug, Default)]
pub enum Destination {
    #[default]
    Wallet,
    Margin,
    Vault,
}

/// A deposit that could not be delivered: claimable by its recipient, returnable to its L1
/// depositor.
#[derive(Copy, Drop, Serde, PartialEq, Debug, starknet::Store)]
pub struct ParkedDeposit {
    pub depositor: EthAddress,
    pub recipient: felt252,
    /// As the message had it; above 2 it is none.
    pub destination: felt252,
    /// 1e-6 USD; 0 once it was claimed or returned.
    pub amount: u128,
    pub parked_at: u64,
    /// Of the deposit's message.
    pub nonce: felt252,
}

/// What is left to debit of an attested withdrawal.
#[derive(Copy, Drop, Serde, PartialEq, Debug, starknet::Store)]
pub struct Due {
    pub source: felt252,
    /// 1e-6 USD.
    pub amount: u128,
}

/// Messages L1 -> L2 (`l1_handler`s, from the L1 bridge only):
///   handle_deposit(from_address, l1_token, depositor, destination: 0 wallet | 1 margin | 2 vault,
///   recipient, amount)
///   handle_epoch(from_address, epoch)
///   handle_attestation(from_address, l1_token, l1_recipient, amount, epoch, counter, source, paid)
/// Messages L2 -> L1, payload: [l1_token, l1_recipient, amount, epoch, counter, source].
/// `source` is whom the money came from: an account, or 2^251 + the nonce of a parked deposit that
/// goes back.
#[starknet::interface]
pub trait IBridge<TState> {
    /// Burns the caller's tokens and registers their payment on L1, under the quota. Not in a venue
    /// that a new epoch halted, until it is up again or a day has passed. Returns its counter.
    fn withdraw(ref self: TState, epoch: u64, l1_recipient: EthAddress, amount: u128) -> u64;
    /// A parked deposit, by its recipient, to its own wallet.
    fn claim_parked(ref self: TState, id: u64);
    /// A parked deposit back to its L1 depositor: by its recipient, or by anyone once the return
    /// delay is over, or at once if its recipient is none that could claim it.
    fn return_parked(ref self: TState, id: u64);
    /// Looks again for what is still due of an attested withdrawal. Anyone.
    fn settle_attestation(ref self: TState, epoch: u64, counter: u64);
    /// Admin. What may be withdrawn to L1 in all: `limit` in `window` seconds, rolling.
    fn configure_quota(ref self: TState, quota: Limit);
    fn quota(self: @TState) -> Limit;
    fn outflow(self: @TState) -> Bucket;
    /// What the quota leaves now; 1e-6 USD.
    fn withdrawable(self: @TState) -> u128;
    /// Whether L1 attested this withdrawal, which a rollback had erased.
    fn attested(self: @TState, epoch: u64, counter: u64) -> bool;
    fn due(self: @TState, epoch: u64, counter: u64) -> Due;
    /// Of the withdrawals of an epoch that this chain knows; 0 if there is none.
    fn last_counter(self: @TState, epoch: u64) -> u64;
    /// Ids count from 1.
    fn parked(self: @TState, id: u64) -> ParkedDeposit;
    fn parked_count(self: @TState) -> u64;
    /// The sum of what is parked; 1e-6 USD.
    fn parked_total(self: @TState) -> u128;
    /// Whether the L1 message with this nonce was delivered or parked.
    fn delivered(self: @TState, nonce: felt252) -> bool;
    fn return_delay(self: @TState) -> u64;
    fn epoch(self: @TState) -> u64;
    fn withdrawal_count(self: @TState) -> u64;
    fn token(self: @TState) -> ContractAddress;
    fn oracle(self: @TState) -> ContractAddress;
    fn clearinghouse(self: @TState) -> ContractAddress;
    fn vault(self: @TState) -> ContractAddress;
    fn l1_bridge(self: @TState) -> EthAddress;
    fn l1_token(self: @TState) -> EthAddress;
    /// Admin, once. The bridge is deployed first: the token names it, and the rest names the token.
    fn connect(
        ref self: TState,
        token: ContractAddress,
        l1_bridge: EthAddress,
        l1_token: EthAddress,
        oracle: ContractAddress,
        clearinghouse: ContractAddress,
        vault: ContractAddress,
    );
}
