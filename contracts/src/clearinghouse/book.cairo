//! What a transaction needs of markets and accounts, read once into memory: marks by one call to
//! the oracle, an account's positions by a walk over those markets.

use core::cmp::{max, min};
use starknet::storage::{StorageAsPointer, StoragePath, StoragePathEntry, StoragePointerReadAccess};
use starknet::storage_access::StorageBaseAddress;
use starknet::{ContractAddress, get_contract_address};
use crate::clearinghouse::bitmap::{markets_in, mask};
use crate::clearinghouse::interface::{MarginTier, Mode};
use crate::clearinghouse::slots::{
    AccountSlot, PositionSlot, Stake, VenueSlot, only_fractions, position_of, signed_size, stake_of,
    unpack_tiers, unseal_fields,
};
use crate::clearinghouse::state::{
    MarketSlots, ReadState, account_base, read_account_at, read_stake_at, read_venue,
};
use crate::gas::rare_path;
use crate::oracle::interface::{IOracleDispatcher, IOracleDispatcherTrait};
use crate::oracle::sight::{self, Sight};
use crate::rules::modes::{effective, rank};
use crate::rules::risk::{Holding, Margin, Sums, SumsTrait, flat, pending, pending_funding};

/// A market as this transaction sees it. Boxed wherever it is kept: passing it on costs as much as
/// it is wide.
#[derive(Copy, Drop, Debug)]
pub struct Market {
    pub index: u8,
    pub mask: u128,
    /// Valid at the oracle, and its funding whole.
    pub valid: bool,
    /// The mark is the final price.
    pub settled: bool,
    /// A seal of its funding is broken: what a position owes or is owed is not known.
    pub broken: bool,
    /// The last good mark; 0 until there is one.
    pub price: u64,
    /// The least and the most of mark, candidate and anchor; the mark itself while Valid.
    pub low: u64,
    pub high: u64,
    pub checkpoint: u64,
    pub valid_since: u64,
    pub funding_index: i128,
    /// Valid, with a mark, and of one margin tier, whose fractions follow: counted without a
    /// detour.
    pub plain: bool,
    pub initial_bps: felt252,
    pub maintenance_bps: felt252,
    /// Margin tiers as they are stored.
    pub tiers: felt252,
}

/// A market of a view, and what is needed to find it.
#[derive(Copy, Drop)]
pub struct Seen {
    pub index: u8,
    pub mask: u128,
    pub market: Box<Market>,
}

/// The markets of a transaction in rising order, the mode in force, and what the venue's slot says.
#[derive(Copy, Drop)]
pub struct View {
    pub mode: Mode,
    pub venue: VenueSlot,
    /// Bitmap of the markets of the view whose funding is broken.
    pub broken: u128,
    pub markets: Span<Seen>,
}

/// One open position.
#[derive(Copy, Drop)]
pub struct Held {
    pub index: u8,
    pub market: Box<Market>,
    pub stake: Stake,
}

/// One account and its open positions.
#[derive(Copy, Drop)]
pub struct Book {
    pub account: ContractAddress,
    /// Where its slots begin.
    pub base: StorageBaseAddress,
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

/// No market has this index.
const NO_MARKET: u8 = 255;
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
    let venue = read_venue(state);
    let sights = IOracleDispatcher { contract_address: state.oracle.read() }.sights(bitmap);
    let contract: felt252 = get_contract_address().into();
    let slots = state.markets;
    let mut said = sights.slots;
    let mut markets = array![];
    let mut broken: u128 = 0;
    for index in markets_in(bitmap) {
        let index = *index;
        let mask = mask(index);
        let packed = said.multi_pop_front::<3>().expect('ORACLE: missing market').unbox();
        let [mark, growth, doubt] = packed;
        let market = load_market(
            slots.entry(index), contract, index, mask, sight::open(mark, growth, doubt),
        );
        if market.broken {
            broken = broken | mask;
        }
        markets.append(Seen { index, mask, market: BoxTrait::new(market) });
    }
    View { mode: effective(venue.mode, sights.silent), venue, broken, markets: markets.span() }
}

#[inline(always)]
fn load_market(
    path: StoragePath<MarketSlots>, contract: felt252, index: u8, mask: u128, sight: Sight,
) -> Market {
    let slots = path.as_ptr();
    let (funding_index, broken): (felt252, bool) =
        match unseal_fields(contract, index, slots.funding.read()) {
        Some((base, live)) => if !live {
            (base, false)
        } else {
            match sight.growth {
                Some(growth) => (base + growth.into(), false),
                None => (0, true),
            }
        },
        None => (0, true),
    };
    let valid = !broken && sight.valid;
    let tiers = slots.tiers.read();
    let (plain, initial_bps, maintenance_bps) = match only_fractions(tiers) {
        Some((initial, maintenance)) => (valid && sight.price != 0, initial, maintenance),
        None => (false, 0, 0),
    };
    let price = sight.price;
    let (low, high) = if sight.valid || sight.settled {
        (price, price)
    } else {
        rare_path();
        let (low, high) = widen(price, price, sight.candidate);
        widen(low, high, sight.anchor)
    };
    Market {
        index,
        mask,
        valid,
        settled: sight.settled,
        broken,
        price,
        low,
        high,
        checkpoint: sight.checkpoint,
        valid_since: sight.valid_since,
        funding_index: funding_index.try_into().unwrap(),
        plain,
        initial_bps,
        maintenance_bps,
        tiers,
    }
}

/// The interval with one more price in it; 0 is none.
fn widen(low: u64, high: u64, price: u64) -> (u64, u64) {
    if price == 0 {
        (low, high)
    } else {
        (min(low, price), max(high, price))
    }
}

#[generate_trait]
pub impl ViewImpl of ViewTrait {
    /// The market with this index, if the view has it.
    fn find(self: @View, index: u8) -> Option<Box<Market>> {
        let mut found = None;
        for seen in *self.markets {
            if *seen.index == index {
                found = Some(*seen.market);
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
            for seen in *self.markets {
                let mask = *seen.mask;
                if left & mask != 0 {
                    let index = *seen.index;
                    let stake = read_stake_at(base, index);
                    held.append(Held { index, market: *seen.market, stake });
                    left = left - mask;
                    if left == 0 {
                        break;
                    }
                }
            }
        }
        assert(left == 0, 'MARGIN: market not read');
        Book { account, base, slot, held: held.span() }
    }
}

/// The position as a rule is to see it. Where the market's funding is broken none is counted: what
/// needs a proven value refuses the account before.
#[inline(always)]
pub fn holding(market: Box<Market>, position: PositionSlot, basis: Basis) -> Holding {
    let market = market.unbox();
    // A position without a mark would count as nothing.
    assert(market.price != 0, 'MARGIN: no mark');
    let favourable = basis == Basis::Favourable || basis == Basis::Checkpoint;
    let price = if market.valid {
        if basis == Basis::Checkpoint {
            market.checkpoint
        } else {
            market.price
        }
    } else if basis == Basis::LastGood {
        market.price
    } else if (position.size > 0) == favourable {
        market.high
    } else {
        market.low
    };
    Holding {
        size: position.size,
        price,
        pending: if market.broken {
            0
        } else {
            pending_funding(position.size, market.funding_index - position.index)
        },
        tiers: if favourable && !market.valid {
            (NO_TIER, NO_TIER, NO_TIER)
        } else {
            unpack_tiers(market.tiers)
        },
    }
}

/// `sums` with one more position, counted as `holding` says.
#[inline(always)]
pub fn with_stake(sums: Sums, boxed: Box<Market>, stake: Stake, basis: Basis) -> Sums {
    let market = boxed.unbox();
    if !market.plain {
        rare_path();
        return sums.add(@holding(boxed, position_of(stake), basis));
    }
    let price = if basis == Basis::Checkpoint {
        market.checkpoint
    } else {
        market.price
    };
    sums
        .add_plain(
            stake.is_long,
            stake.size,
            price.into(),
            pending(signed_size(stake), market.funding_index.into() - stake.index),
            market.initial_bps,
            market.maintenance_bps,
        )
}

pub fn with_position(
    sums: Sums, market: Box<Market>, position: PositionSlot, basis: Basis,
) -> Sums {
    with_stake(sums, market, stake_of(position), basis)
}

#[generate_trait]
pub impl BookImpl of BookTrait {
    /// Whether a position of the account is in a market whose funding is broken.
    fn is_broken(self: @Book, view: @View) -> bool {
        *self.slot.open & *view.broken != 0
    }

    /// Collateral and every position but the one in `except`.
    fn sums_without(self: @Book, except: u8, basis: Basis) -> Sums {
        let mut sums = flat(*self.slot.collateral);
        for held in *self.held {
            if *held.index != except {
                sums = with_stake(sums, *held.market, *held.stake, basis);
            }
        }
        sums
    }

    fn margin(self: @Book, basis: Basis) -> Margin {
        self.sums_without(NO_MARKET, basis).margin()
    }

    /// The position in a market; none is the zero position.
    fn position(self: @Book, market: u8) -> PositionSlot {
        let mut found = None;
        for held in *self.held {
            if *held.index == market {
                found = Some(*held.stake);
                break;
            }
        }
        match found {
            Some(stake) => position_of(stake),
            None => Default::default(),
        }
    }
}
