//! What a transaction needs of markets and accounts, read once into memory: marks by one call to
//! the oracle, an account's positions by a walk over those markets.

use starknet::storage::{StorageAsPointer, StoragePathEntry, StoragePointerReadAccess};
use starknet::{ContractAddress, get_contract_address};
use crate::clearinghouse::bitmap::mask;
use crate::clearinghouse::interface::{MarginTier, Mode};
use crate::clearinghouse::slots::{AccountSlot, PositionSlot, unpack_tiers, unseal_funding};
use crate::clearinghouse::state::{
    ReadState, account_base, read_account_at, read_position_at, read_venue,
};
use crate::oracle::interface::{IOracleDispatcher, IOracleDispatcherTrait, Mark, MarketStatus};
use crate::rules::modes::{effective, rank};
use crate::rules::risk::{Holding, Margin, Sums, SumsTrait, Tiers, flat, pending_funding};

/// A market as this transaction sees it.
#[derive(Copy, Drop, Debug)]
pub struct Market {
    pub index: u8,
    pub mask: u128,
    pub valid: bool,
    /// The last good mark; 0 until there is one.
    pub price: u64,
    /// The least and the most of mark, candidate and anchor; the mark itself while Valid.
    pub low: u64,
    pub high: u64,
    pub checkpoint: u64,
    pub valid_since: u64,
    pub funding_index: i128,
    pub tiers: Tiers,
}

/// The markets of a transaction in rising order, and the mode in force.
#[derive(Copy, Drop)]
pub struct View {
    pub mode: Mode,
    pub markets: Span<Market>,
}

/// One open position.
#[derive(Copy, Drop)]
pub struct Held {
    pub market: Market,
    pub position: PositionSlot,
}

/// One account and its open positions.
#[derive(Copy, Drop)]
pub struct Book {
    pub account: ContractAddress,
    pub slot: AccountSlot,
    pub held: Span<Held>,
}

/// At which price positions in markets that are not Valid count.
#[derive(Copy, Drop, PartialEq)]
pub enum Basis {
    /// The last good mark.
    LastGood,
    /// The worst for the account of mark, candidate and anchor: what lets money or risk out.
    Worst,
    /// The best for the account of the three, with no requirement: what a liquidation must survive.
    Favourable,
    /// As Favourable, and Valid markets at their checkpoint.
    Checkpoint,
}

const NO_TIER: MarginTier = MarginTier { upto: 0, initial_bps: 0, maintenance_bps: 0 };

/// The mode in force now. A stored mode that silence cannot lower needs no word from the oracle.
pub fn mode_in_force(state: ReadState) -> Mode {
    let stored = read_venue(state).mode;
    if rank(stored) <= rank(Mode::CancelOnly) {
        return stored;
    }
    effective(stored, IOracleDispatcher { contract_address: state.oracle.read() }.silent())
}

/// The markets whose bits are set (all listed here), and the mode in force.
pub fn load_view(state: ReadState, bitmap: u128) -> View {
    let stored = read_venue(state).mode;
    let marks = IOracleDispatcher { contract_address: state.oracle.read() }.marks(bitmap);
    let contract: felt252 = get_contract_address().into();
    let mut markets = array![];
    for mark in marks.marks {
        markets.append(load_market(state, contract, mark));
    }
    View { mode: effective(stored, marks.silent), markets: markets.span() }
}

fn load_market(state: ReadState, contract: felt252, mark: @Mark) -> Market {
    let index = *mark.market;
    let slots = state.markets.entry(index).as_ptr();
    let funding = unseal_funding(contract, index, slots.funding.read()).expect('FUNDING: checksum');
    let valid = *mark.status == MarketStatus::Valid;
    let price = *mark.price;
    let mut low = price;
    let mut high = price;
    if !valid {
        let others = array![*mark.candidate, *mark.anchor];
        for other in others {
            if other != 0 && other < low {
                low = other;
            }
            if other > high {
                high = other;
            }
        }
    }
    Market {
        index,
        mask: mask(index),
        valid,
        price,
        low,
        high,
        checkpoint: *mark.checkpoint,
        valid_since: *mark.valid_since,
        funding_index: if funding.live {
            funding.base + *mark.funding_growth
        } else {
            funding.base
        },
        tiers: unpack_tiers(slots.tiers.read()),
    }
}

#[generate_trait]
pub impl ViewImpl of ViewTrait {
    /// The market with this index, if the view has it.
    fn find(self: @View, index: u8) -> Option<Market> {
        let mut found = None;
        for market in *self.markets {
            if *market.index == index {
                found = Some(*market);
                break;
            }
        }
        found
    }

    /// An account with its positions; the view has all its open markets.
    fn load_book(self: @View, state: ReadState, account: ContractAddress) -> Book {
        let base = account_base(state, account);
        let slot = read_account_at(base);
        let mut left = slot.open;
        let mut held = array![];
        if left != 0 {
            for market in *self.markets {
                if left & *market.mask != 0 {
                    assert(*market.price != 0, 'MARGIN: no mark');
                    held
                        .append(
                            Held {
                                market: *market, position: read_position_at(base, *market.index),
                            },
                        );
                    left = left - *market.mask;
                    if left == 0 {
                        break;
                    }
                }
            }
        }
        assert(left == 0, 'MARGIN: market not read');
        Book { account, slot, held: held.span() }
    }
}

/// The position as a rule is to see it.
pub fn holding(market: @Market, position: PositionSlot, basis: Basis) -> Holding {
    let favourable = basis == Basis::Favourable || basis == Basis::Checkpoint;
    let is_long = position.size > 0;
    let price = if *market.valid {
        if basis == Basis::Checkpoint {
            *market.checkpoint
        } else {
            *market.price
        }
    } else if basis == Basis::LastGood {
        *market.price
    } else if is_long == favourable {
        *market.high
    } else {
        *market.low
    };
    Holding {
        size: position.size,
        price,
        pending: pending_funding(position.size, *market.funding_index - position.index),
        tiers: if favourable && !*market.valid {
            (NO_TIER, NO_TIER, NO_TIER)
        } else {
            *market.tiers
        },
    }
}

#[generate_trait]
pub impl BookImpl of BookTrait {
    /// Collateral and every position but the one in `except`.
    fn sums_without(self: @Book, except: u8, basis: Basis) -> Sums {
        let mut sums = flat(*self.slot.collateral);
        for held in *self.held {
            if *held.market.index != except {
                sums = sums.add(@holding(held.market, *held.position, basis));
            }
        }
        sums
    }

    fn margin(self: @Book, basis: Basis) -> Margin {
        let mut sums = flat(*self.slot.collateral);
        for held in *self.held {
            sums = sums.add(@holding(held.market, *held.position, basis));
        }
        sums.margin()
    }

    /// The position in a market; none is the zero position.
    fn position(self: @Book, market: u8) -> PositionSlot {
        let mut position: PositionSlot = Default::default();
        for held in *self.held {
            if *held.market.index == market {
                position = *held.position;
                break;
            }
        }
        position
    }

    fn all_valid(self: @Book) -> bool {
        let mut valid = true;
        for held in *self.held {
            if !*held.market.valid {
                valid = false;
                break;
            }
        }
        valid
    }
}
