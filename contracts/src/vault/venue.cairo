//! What the vault must know of its margin account and of the venue. Views of a vault never panic,
//! so what the venue cannot answer counts as nothing, and closed.

use core::cmp::min;
use starknet::{ContractAddress, get_contract_address};
use crate::clearinghouse::interface::{
    IClearinghouseSafeDispatcher, IClearinghouseSafeDispatcherTrait,
};
use crate::rules::cash::cash_down;
use crate::rules::modes::{Action, allows};

/// Assets in 1e-6 USD.
#[derive(Copy, Drop)]
pub struct Standing {
    /// V of the margin account, each market that is not Valid at its worst; 0 if it is below 0.
    pub assets: u256,
    /// What can leave now: with the initial margin kept, and under the venue's quota.
    pub free: u256,
    /// Deposits: the mode allows them, and every market that the vault holds is Valid, so that its
    /// value is one that can be proved.
    pub is_open: bool,
    /// Claims: the same, or the vault holds nothing any more and `escapes`.
    pub pays: bool,
    /// The venue winds down, for good, and the vault's positions are closed: what is left is money.
    pub escapes: bool,
    /// Requests.
    pub takes_requests: bool,
}

const UNKNOWN: Standing = Standing {
    assets: 0, free: 0, is_open: false, pays: false, escapes: false, takes_requests: false,
};

#[feature("safe_dispatcher")]
pub fn standing(clearinghouse: ContractAddress) -> Standing {
    let venue = IClearinghouseSafeDispatcher { contract_address: clearinghouse };
    match venue.standing(get_contract_address()) {
        Ok(found) => {
            let is_open = found.valid && allows(found.mode, Action::VaultMove);
            Standing {
                assets: cash_of(found.margin.value),
                free: min(cash_of(found.margin.value - found.margin.initial), found.room.into()),
                is_open,
                pays: is_open || found.escapes,
                escapes: found.escapes,
                takes_requests: found.escapes || allows(found.mode, Action::Withdraw),
            }
        },
        Err(_) => UNKNOWN,
    }
}

/// 1e-16 USD to whole units of collateral; 0 if below.
fn cash_of(value: i128) -> u256 {
    let magnitude: Option<u128> = value.try_into();
    match magnitude {
        Some(magnitude) => cash_down(magnitude).into(),
        None => 0,
    }
}
