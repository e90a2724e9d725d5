use starknet::{ContractAddress, EthAddress};

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
}

/// Messages L1 -> L2 (`l1_handler`s, from the L1 bridge only):
///   handle_deposit(from_address, l1_token, depositor, destination: 0 wallet | 1 margin | 2 vault,
///   recipient, amount)
///   handle_epoch(from_address, epoch)
/// Messages L2 -> L1, payload: [l1_token, l1_recipient, amount, epoch, counter].
#[starknet::interface]
pub trait IBridge<TState> {
    /// Burns the caller's tokens and registers their payment on L1. Returns its counter.
    fn withdraw(ref self: TState, epoch: u64, l1_recipient: EthAddress, amount: u128) -> u64;
    /// A parked deposit, by its recipient, to its own wallet.
    fn claim_parked(ref self: TState, id: u64);
    /// A parked deposit back to its L1 depositor: by its recipient, or by anyone once the return
    /// delay is over, or at once if its recipient is none that could claim it.
    fn return_parked(ref self: TState, id: u64);
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
