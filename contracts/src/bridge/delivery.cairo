//! How a deposit from L1 is handed on to where it goes, and what comes back when it cannot be.

use starknet::ContractAddress;
use crate::bridge::interface::Destination;
use crate::clearinghouse::interface::{
    IClearinghouseSafeDispatcher, IClearinghouseSafeDispatcherTrait,
};
use crate::vault::interface::{IVaultSafeDispatcher, IVaultSafeDispatcherTrait};

pub fn destination_of(destination: felt252) -> Option<Destination> {
    match destination {
        0 => Some(Destination::Wallet),
        1 => Some(Destination::Margin),
        2 => Some(Destination::Vault),
        _ => None,
    }
}

/// Hands the bridge's tokens on; a refusal comes back as its reason. In Halted the clearinghouse
/// refuses what comes from here: it is parked rather than held there, so that it can go back to L1.
#[feature("safe_dispatcher")]
pub fn forward(
    destination: Destination, target: ContractAddress, recipient: ContractAddress, amount: u128,
) -> Result<(), felt252> {
    if destination == Destination::Vault {
        return match (IVaultSafeDispatcher { contract_address: target })
            .deposit(amount.into(), recipient) {
            Ok(_) => Ok(()),
            Err(panic) => Err(reason_of(panic)),
        };
    }
    let clearinghouse = IClearinghouseSafeDispatcher { contract_address: target };
    match clearinghouse.deposit_for(recipient, amount) {
        Ok(()) => Ok(()),
        Err(panic) => Err(reason_of(panic)),
    }
}

/// What the clearinghouse pays for an account that had withdrawn; 0 if it cannot now.
#[feature("safe_dispatcher")]
pub fn reconcile(clearinghouse: ContractAddress, account: ContractAddress, amount: u128) -> u128 {
    let venue = IClearinghouseSafeDispatcher { contract_address: clearinghouse };
    match venue.reconcile(account, amount) {
        Ok(()) => amount,
        Err(_) => 0,
    }
}

fn reason_of(panic: Array<felt252>) -> felt252 {
    match panic.get(0) {
        Some(reason) => *reason.unbox(),
        None => 'BRIDGE: refused',
    }
}
