//! A market's funding index runs only while the stored mode is Full. At each change into or out of
//! Full the base of every listed market is moved so that no index jumps.
//!
//! The index is the one truth, and its checkpoint is kept here: at each such change, and whenever
//! somebody calls `checkpoint_funding`. Of the oracle's growth only changes count while an index
//! runs, so a broken growth begins again at 0 and a restored index stands still on a base of its
//! own.

use starknet::storage::{
    StorageAsPointer, StoragePathEntry, StoragePointerReadAccess, StoragePointerWriteAccess,
};
use starknet::{get_block_timestamp, get_contract_address};
use crate::clearinghouse::bitmap::{markets_in, mask};
use crate::clearinghouse::slots::{FundingSlot, seal_funding, unseal_funding};
use crate::clearinghouse::state::{ReadState, RestoreSlots, WriteState};
use crate::oracle::interface::{IOracleDispatcher, IOracleDispatcherTrait};
use crate::rules::funding::{seal, unseal};

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
                    write_checkpoint(state, contract, market, index);
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

/// The index of a market whose funding is whole.
pub fn index_now(state: ReadState, market: u8, growth: Option<i128>) -> Option<i128> {
    let contract: felt252 = get_contract_address().into();
    let slot = state.markets.entry(market).as_ptr().funding.read();
    let funding = unseal_funding(contract, market, slot)?;
    if funding.live {
        Some(funding.base + growth?)
    } else {
        Some(funding.base)
    }
}

/// Of a Halted venue: the index where it stands still, else that of the checkpoint, which may be
/// broken too.
pub fn proven_index(state: ReadState, market: u8) -> Option<i128> {
    let contract: felt252 = get_contract_address().into();
    let slot = state.markets.entry(market).as_ptr().funding.read();
    if let Some(funding) = unseal_funding(contract, market, slot) {
        // One that runs on could not be stopped, for want of the growth.
        if !funding.live {
            return Some(funding.base);
        }
    }
    read_checkpoint(state, contract, market)
}

pub fn read_checkpoint(state: ReadState, contract: felt252, market: u8) -> Option<i128> {
    unseal(contract, market, state.restores.entry(market).as_ptr().checkpoint.read())
}

pub fn write_checkpoint(state: WriteState, contract: felt252, market: u8, index: i128) {
    let slots = state.restores.entry(market).as_ptr();
    slots.checkpoint.write(seal(contract, market, index));
    slots.at.write(get_block_timestamp());
}

/// What is broken of a Halted venue's market, and what it would be restored to.
#[derive(Copy, Drop)]
pub struct Damage {
    pub slot: felt252,
    pub growth_broken: bool,
    pub index: i128,
    pub checkpoint_at: u64,
}

/// Reverts where nothing is broken, or the checkpoint is as well.
pub fn assess(state: ReadState, market: u8) -> Damage {
    let contract: felt252 = get_contract_address().into();
    let slot = state.markets.entry(market).as_ptr().funding.read();
    let oracle = IOracleDispatcher { contract_address: state.oracle.read() };
    let growth_broken = (*oracle.growths(mask(market))[0]).is_none();
    let stands = match unseal_funding(contract, market, slot) {
        Some(funding) => !funding.live,
        None => false,
    };
    assert(growth_broken || !stands, 'FUNDING: not broken');
    let index = proven_index(state, market).expect('FUNDING: no checkpoint');
    let checkpoint_at = state.restores.entry(market).as_ptr().at.read();
    Damage { slot, growth_broken, index, checkpoint_at }
}

/// The index stands still where the damage said; nothing is announced any more.
pub fn mend(state: WriteState, market: u8, damage: @Damage) {
    let contract: felt252 = get_contract_address().into();
    let funding = FundingSlot { base: *damage.index, live: false };
    state.markets.entry(market).as_ptr().funding.write(seal_funding(contract, market, funding));
    let restored = RestoreSlots {
        checkpoint: seal(contract, market, *damage.index),
        at: get_block_timestamp(),
        restore_from: 0,
    };
    state.restores.entry(market).write(restored);
    if *damage.growth_broken {
        IOracleDispatcher { contract_address: state.oracle.read() }.restart_growth(market);
    }
}
