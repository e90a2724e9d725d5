//! A market's funding index runs only while the stored mode is Full. At each change into or out of
//! Full the base of every listed market is moved so that no index jumps.

use starknet::get_contract_address;
use starknet::storage::{
    StorageAsPointer, StoragePathEntry, StoragePointerReadAccess, StoragePointerWriteAccess,
};
use crate::clearinghouse::bitmap::markets_in;
use crate::clearinghouse::slots::{FundingSlot, seal_funding, unseal_funding};
use crate::clearinghouse::state::{ReadState, WriteState};
use crate::oracle::interface::{IOracleDispatcher, IOracleDispatcherTrait};

/// What became of one market: its index, or None where a seal is broken.
#[derive(Copy, Drop)]
pub struct Rebased {
    pub market: u8,
    pub index: Option<i128>,
}

/// Starts (`live`) or stops the index of every listed market. A market with a broken seal is left
/// as it is and named;
/// so stopping always works.
pub fn rebase(state: WriteState, live: bool) -> Span<Rebased> {
    let listed = state.listed.read();
    let mut done = array![];
    if listed == 0 {
        return done.span();
    }
    let contract: felt252 = get_contract_address().into();
    let mut growths = IOracleDispatcher { contract_address: state.oracle.read() }.growths(listed);
    for market in markets_in(listed) {
        let market = *market;
        let growth = *growths.pop_front().expect('ORACLE: missing growth');
        let slot = state.markets.entry(market).as_ptr().funding;
        match (unseal_funding(contract, market, slot.read()), growth) {
            (
                Some(funding), Some(growth),
            ) => {
                if funding.live != live {
                    // Live, the index is growth + base; still, it is base.
                    let (index, base) = if live {
                        (funding.base, funding.base - growth)
                    } else {
                        (funding.base + growth, funding.base + growth)
                    };
                    slot.write(seal_funding(contract, market, FundingSlot { base, live }));
                    done.append(Rebased { market, index: Some(index) });
                }
            },
            _ => done.append(Rebased { market, index: None }),
        }
    }
    done.span()
}

/// Whether the seal of every listed market is whole.
pub fn all_sealed(state: ReadState) -> bool {
    let contract: felt252 = get_contract_address().into();
    let mut sealed = true;
    for market in markets_in(state.listed.read()) {
        let slot = state.markets.entry(*market).as_ptr().funding.read();
        if unseal_funding(contract, *market, slot).is_none() {
            sealed = false;
        }
    }
    sealed
}
