//! How values lie in the felts of the clearinghouse's storage. The empty felt decodes as zero
//! everywhere.

use core::num::traits::Zero;
use crate::clearinghouse::interface::{
    BadDebt, Closing, MarginTier, MarketParams, Mode, OutflowParams, VenueParams, WaterfallParams,
};
use crate::gas::rare_path;
use crate::rules::funding::checksum;
use crate::rules::modes::{from_rank, rank};
use crate::rules::risk::Tiers;
use crate::rules::storm::Storm;

const TWO_16: u128 = 0x10000;
const TWO_32: u128 = 0x100000000;
const TWO_40: u128 = 0x10000000000;
const TWO_60: u128 = 0x1000000000000000;
const TWO_63: u128 = 0x8000000000000000;
const TWO_64: u128 = 0x10000000000000000;
const TWO_72: u128 = 0x1000000000000000000;
const TWO_95: u128 = 0x800000000000000000000000;
const TWO_96: u128 = 0x1000000000000000000000000;
const TWO_127: u128 = 0x80000000000000000000000000000000;
const TWO_128: felt252 = 0x100000000000000000000000000000000;

/// What the ledger holds, and what one account has or owes, stays below this (1e-6 USD), so that V,
/// in 1e-16 USD, fits i128 with every position at its largest.
pub const MAX_COLLATERAL: u128 = 0x40000000000000000000000;
/// Largest bound of a margin tier, whole USD.
pub const MAX_TIER_BOUND: u64 = 0xffffffffff;
/// Largest number of times that an account can raise its epoch.
pub const MAX_ACCOUNT_EPOCH: u32 = 0xffffff;

/// Collateral (96 bits, signed), account epoch (24), bitmap of open markets (128).
#[derive(Copy, Drop, PartialEq, Debug, Default)]
pub struct AccountSlot {
    pub collateral: i128,
    pub epoch: u32,
    pub open: u128,
}

/// Size (64 bits, signed) and the funding index at which funding was last settled (128, signed).
#[derive(Copy, Drop, PartialEq, Debug, Default)]
pub struct PositionSlot {
    pub size: i64,
    pub index: i128,
}

/// A position as the sums need it: a felt for each number.
#[derive(Copy, Drop)]
pub struct Stake {
    pub is_long: bool,
    /// |size|.
    pub size: felt252,
    pub index: felt252,
}

/// What was filled of an order (64 bits) and whether its account approved it (1).
#[derive(Copy, Drop, PartialEq, Debug, Default)]
pub struct OrderSlot {
    pub filled: u64,
    pub approved: bool,
}

/// Bands, dwell and grace, the stored mode, when it was set, when it last became Full (0: never
/// since deployment).
#[derive(Copy, Drop, PartialEq, Debug)]
pub struct VenueSlot {
    pub params: VenueParams,
    pub mode: Mode,
    pub mode_since: u64,
    pub full_since: u64,
}

/// The terms of trade of one market.
#[derive(Copy, Drop, PartialEq, Debug)]
pub struct TradeSlot {
    pub lot_size: u64,
    pub tick_size: u64,
    pub maker_fee_bps: u16,
    pub taker_fee_bps: u16,
    pub discount_bps: u16,
    pub penalty_bps: u16,
    pub dust_usd: u32,
}

/// Two 64-bit numbers: caps (open interest, position), or open interest (long, short).
pub type PairSlot = (u64, u64);

/// Insurance (64 bits, signed), fees (64, signed), funding (100, signed); 1e-6 USD.
#[derive(Copy, Drop, PartialEq, Debug, Default)]
pub struct BooksSlot {
    pub insurance: felt252,
    pub fees: felt252,
    pub funding: felt252,
}

/// What the token balance is (128 bits) and the part of it that is deposits not yet credited (120);
/// 1e-6 USD.
#[derive(Copy, Drop, PartialEq, Debug, Default)]
pub struct CustodySlot {
    pub total: u128,
    pub pending: u128,
}

/// index = live ? growth of the oracle + base : base.
#[derive(Copy, Drop, PartialEq, Debug)]
pub struct FundingSlot {
    pub base: i128,
    pub live: bool,
}

/// Two's complement of a signed number, in `full` = 2^bits.
fn wrap(value: felt252, negative: bool, full: felt252) -> felt252 {
    if negative {
        value + full
    } else {
        value
    }
}

fn unwrap(raw: u128, half: u128, full: felt252) -> felt252 {
    if raw >= half {
        raw.into() - full
    } else {
        raw.into()
    }
}

fn split(value: u128, unit: u128) -> (u128, u128) {
    DivRem::div_rem(value, unit.try_into().unwrap())
}

pub fn pack_account(account: AccountSlot) -> felt252 {
    let magnitude: u128 = crate::rules::risk::magnitude(account.collateral);
    assert(magnitude < MAX_COLLATERAL, 'STATE: collateral too large');
    let collateral = wrap(account.collateral.into(), account.collateral < 0, TWO_96.into());
    account.open.into() + (collateral + account.epoch.into() * TWO_96.into()) * TWO_128
}

pub fn unpack_account(slot: felt252) -> AccountSlot {
    if slot == 0 {
        return Default::default();
    }
    let wide: u256 = slot.into();
    let (epoch, collateral) = split(wide.high, TWO_96);
    AccountSlot {
        collateral: unwrap(collateral, TWO_95, TWO_96.into()).try_into().unwrap(),
        epoch: epoch.try_into().unwrap(),
        open: wide.low,
    }
}

pub fn pack_position(position: PositionSlot) -> felt252 {
    if position.size == 0 {
        return 0;
    }
    wrap(position.index.into(), position.index < 0, TWO_128)
        + wrap(position.size.into(), position.size < 0, TWO_64.into()) * TWO_128
}

pub fn unpack_position(slot: felt252) -> PositionSlot {
    position_of(unpack_stake(slot))
}

#[inline(always)]
pub fn unpack_stake(slot: felt252) -> Stake {
    let wide: u256 = slot.into();
    let index = unwrap(wide.low, TWO_127, TWO_128);
    if wide.high >= TWO_63 {
        Stake { is_long: false, size: TWO_64.into() - wide.high.into(), index }
    } else {
        Stake { is_long: true, size: wide.high.into(), index }
    }
}

pub fn position_of(stake: Stake) -> PositionSlot {
    PositionSlot {
        size: signed_size(stake).try_into().unwrap(), index: stake.index.try_into().unwrap(),
    }
}

#[inline(always)]
pub fn signed_size(stake: Stake) -> felt252 {
    if stake.is_long {
        stake.size
    } else {
        -stake.size
    }
}

pub fn stake_of(position: PositionSlot) -> Stake {
    Stake {
        is_long: position.size >= 0,
        size: crate::rules::risk::size_magnitude(position.size).into(),
        index: position.index.into(),
    }
}

pub fn pack_order(order: OrderSlot) -> felt252 {
    if order.approved {
        order.filled.into() + TWO_64.into()
    } else {
        order.filled.into()
    }
}

pub fn unpack_order(slot: felt252) -> OrderSlot {
    let low: u128 = slot.try_into().unwrap();
    let (approved, filled) = split(low, TWO_64);
    OrderSlot { filled: filled.try_into().unwrap(), approved: approved != 0 }
}

pub fn pack_venue(venue: VenueSlot) -> felt252 {
    let params = venue.params;
    let low: u128 = params.fill_band_bps.into()
        + params.post_band_bps.into() * TWO_16
        + params.dwell_secs.into() * TWO_32
        + params.grace_secs.into() * TWO_64
        + rank(venue.mode).into() * TWO_96;
    let high: u128 = venue.mode_since.into() + venue.full_since.into() * TWO_60;
    low.into() + high.into() * TWO_128
}

pub fn unpack_venue(slot: felt252) -> VenueSlot {
    let wide: u256 = slot.into();
    let (mode, rest) = split(wide.low, TWO_96);
    let (grace_secs, rest) = split(rest, TWO_64);
    let (dwell_secs, rest) = split(rest, TWO_32);
    let (post_band_bps, fill_band_bps) = split(rest, TWO_16);
    let (full_since, mode_since) = split(wide.high, TWO_60);
    VenueSlot {
        params: VenueParams {
            fill_band_bps: fill_band_bps.try_into().unwrap(),
            post_band_bps: post_band_bps.try_into().unwrap(),
            dwell_secs: dwell_secs.try_into().unwrap(),
            grace_secs: grace_secs.try_into().unwrap(),
        },
        mode: from_rank(mode.try_into().unwrap()).expect('STATE: mode'),
        mode_since: mode_since.try_into().unwrap(),
        full_since: full_since.try_into().unwrap(),
    }
}

/// Bound (40 bits), initial (16) and maintenance (16) of a tier. The first lies alone in the high
/// limb, the second in the low one below the third, which has no bound.
pub fn pack_tiers(tiers: Tiers) -> felt252 {
    let (first, second, third) = tiers;
    let low: u128 = pack_tier(second) + fractions(third) * TWO_72;
    let high: u128 = pack_tier(first);
    low.into() + high.into() * TWO_128
}

fn fractions(tier: MarginTier) -> u128 {
    tier.initial_bps.into() + tier.maintenance_bps.into() * TWO_16
}

fn pack_tier(tier: MarginTier) -> u128 {
    fractions(tier) + tier.upto.into() * TWO_32
}

pub fn unpack_tiers(slot: felt252) -> Tiers {
    let wide: u256 = slot.into();
    let first = unpack_tier(wide.high);
    if wide.low == 0 {
        return (first, Default::default(), Default::default());
    }
    rare_path();
    let (third, second) = split(wide.low, TWO_72);
    (first, unpack_tier(second), unpack_tier(third))
}

/// (initial, maintenance) of a market of one tier, None where there are more.
#[inline(always)]
pub fn only_fractions(slot: felt252) -> Option<(felt252, felt252)> {
    let wide: u256 = slot.into();
    if wide.low != 0 || wide.high >= TWO_32 {
        return None;
    }
    let (maintenance, initial) = split(wide.high, TWO_16);
    Some((initial.into(), maintenance.into()))
}

fn unpack_tier(packed: u128) -> MarginTier {
    if packed == 0 {
        return Default::default();
    }
    let (upto, rest) = split(packed, TWO_32);
    let (maintenance, initial) = split(rest, TWO_16);
    MarginTier {
        upto: upto.try_into().unwrap(),
        initial_bps: initial.try_into().unwrap(),
        maintenance_bps: maintenance.try_into().unwrap(),
    }
}

pub fn trade_of(params: @MarketParams) -> TradeSlot {
    TradeSlot {
        lot_size: *params.lot_size,
        tick_size: *params.tick_size,
        maker_fee_bps: *params.maker_fee_bps,
        taker_fee_bps: *params.taker_fee_bps,
        discount_bps: *params.discount_bps,
        penalty_bps: *params.penalty_bps,
        dust_usd: *params.dust_usd,
    }
}

pub fn pack_trade(trade: TradeSlot) -> felt252 {
    let low: u128 = trade.lot_size.into() + trade.tick_size.into() * TWO_64;
    let high: u128 = trade.maker_fee_bps.into()
        + trade.taker_fee_bps.into() * TWO_16
        + trade.discount_bps.into() * TWO_32
        + trade.penalty_bps.into() * 0x1000000000000
        + trade.dust_usd.into() * TWO_64;
    low.into() + high.into() * TWO_128
}

pub fn unpack_trade(slot: felt252) -> TradeSlot {
    let wide: u256 = slot.into();
    let (tick_size, lot_size) = split(wide.low, TWO_64);
    let (dust_usd, rest) = split(wide.high, TWO_64);
    let (penalty_bps, rest) = split(rest, 0x1000000000000);
    let (discount_bps, rest) = split(rest, TWO_32);
    let (taker_fee_bps, maker_fee_bps) = split(rest, TWO_16);
    TradeSlot {
        lot_size: lot_size.try_into().unwrap(),
        tick_size: tick_size.try_into().unwrap(),
        maker_fee_bps: maker_fee_bps.try_into().unwrap(),
        taker_fee_bps: taker_fee_bps.try_into().unwrap(),
        discount_bps: discount_bps.try_into().unwrap(),
        penalty_bps: penalty_bps.try_into().unwrap(),
        dust_usd: dust_usd.try_into().unwrap(),
    }
}

pub fn pack_pair(pair: PairSlot) -> felt252 {
    let (first, second) = pair;
    first.into() + second.into() * TWO_64.into()
}

pub fn unpack_pair(slot: felt252) -> PairSlot {
    let (second, first) = split(slot.try_into().unwrap(), TWO_64);
    (first.try_into().unwrap(), second.try_into().unwrap())
}

/// A signed 64-bit amount in a felt, wrapped; reverts beyond.
fn wrap_64(amount: felt252) -> felt252 {
    let signed: i64 = amount.try_into().expect('LEDGER: amount too large');
    wrap(amount, signed < 0, TWO_64.into())
}

pub fn pack_books(books: BooksSlot) -> felt252 {
    let funding: i128 = books.funding.try_into().expect('LEDGER: amount too large');
    assert(crate::rules::risk::magnitude(funding) < TWO_95, 'LEDGER: amount too large');
    wrap_64(books.insurance)
        + wrap_64(books.fees) * TWO_64.into()
        + wrap(books.funding, funding < 0, TWO_96.into()) * TWO_128
}

pub fn unpack_books(slot: felt252) -> BooksSlot {
    let wide: u256 = slot.into();
    let (fees, insurance) = split(wide.low, TWO_64);
    BooksSlot {
        insurance: unwrap(insurance, TWO_63, TWO_64.into()),
        fees: unwrap(fees, TWO_63, TWO_64.into()),
        funding: unwrap(wide.high, TWO_95, TWO_96.into()),
    }
}

pub fn pack_custody(custody: CustodySlot) -> felt252 {
    assert(
        custody.pending <= custody.total && custody.total < MAX_COLLATERAL,
        'LEDGER: amount too large',
    );
    custody.total.into() + custody.pending.into() * TWO_128
}

pub fn unpack_custody(slot: felt252) -> CustodySlot {
    let wide: u256 = slot.into();
    CustodySlot { total: wide.low, pending: wide.high }
}

/// Base (128 bits, signed), live (1), checksum over both, the contract and the market (120).
pub fn seal_funding(contract: felt252, market: u8, funding: FundingSlot) -> felt252 {
    let base = wrap(funding.base.into(), funding.base < 0, TWO_128);
    let live: felt252 = if funding.live {
        1
    } else {
        0
    };
    let seal: felt252 = checksum(contract, market, base + live * TWO_128).into();
    base + (live + seal * 2) * TWO_128
}

/// None if the slot is not what `seal_funding` made for this contract and market.
pub fn unseal_funding(contract: felt252, market: u8, slot: felt252) -> Option<FundingSlot> {
    let (base, live) = unseal_fields(contract, market, slot)?;
    Some(FundingSlot { base: base.try_into().unwrap(), live })
}

/// As `unseal_funding`: (base, live).
#[inline(always)]
pub fn unseal_fields(contract: felt252, market: u8, slot: felt252) -> Option<(felt252, bool)> {
    let wide: u256 = slot.into();
    let (seal, live) = split(wide.high, 2);
    let fields: felt252 = wide.low.into() + live.into() * TWO_128;
    if checksum(contract, market, fields) != seal {
        return None;
    }
    Some((unwrap(wide.low, TWO_127, TWO_128), live.is_non_zero()))
}

/// Limit (96 bits), window (32); escape delay (32), restore delay (32).
pub fn pack_outflow(params: @OutflowParams) -> felt252 {
    let low: u128 = *params.outflow_limit + (*params.outflow_window).into() * TWO_96;
    let high: u128 = (*params.escape_delay).into() + (*params.restore_delay).into() * TWO_32;
    low.into() + high.into() * TWO_128
}

pub fn unpack_outflow(slot: felt252) -> OutflowParams {
    let wide: u256 = slot.into();
    let (outflow_window, outflow_limit) = split(wide.low, TWO_96);
    let (restore_delay, escape_delay) = split(wide.high, TWO_32);
    OutflowParams {
        outflow_limit,
        outflow_window: outflow_window.try_into().unwrap(),
        escape_delay: escape_delay.try_into().unwrap(),
        restore_delay: restore_delay.try_into().unwrap(),
    }
}

/// Index (128 bits, signed), price (64), whether there is an index (1). A closing has a price above
/// 0, so it is never the empty felt.
pub fn pack_closing(closing: @Closing) -> felt252 {
    let price: felt252 = (*closing.price).into();
    match *closing.index {
        Some(index) => wrap(index.into(), index < 0, TWO_128) + (price + TWO_64.into()) * TWO_128,
        None => price * TWO_128,
    }
}

pub fn unpack_closing(slot: felt252) -> Option<Closing> {
    if slot == 0 {
        return None;
    }
    let wide: u256 = slot.into();
    let (known, price) = split(wide.high, TWO_64);
    let index = if known == 0 {
        None
    } else {
        unwrap(wide.low, TWO_127, TWO_128).try_into()
    };
    Some(Closing { price: price.try_into().unwrap(), index })
}

/// storm_window (32 bits), storm_floor (64), storm_bps (16); loss_cap (64), backstop_secs (32),
/// loss_window (22: `MAX_DELAY` fits).
pub fn pack_waterfall(params: WaterfallParams) -> felt252 {
    let low: u128 = params.storm_floor.into()
        + params.storm_window.into() * TWO_64
        + params.storm_bps.into() * TWO_96;
    let high: u128 = params.loss_cap.into()
        + params.backstop_secs.into() * TWO_64
        + params.loss_window.into() * TWO_96;
    low.into() + high.into() * TWO_128
}

pub fn unpack_waterfall(slot: felt252) -> WaterfallParams {
    let wide: u256 = slot.into();
    let (storm_bps, rest) = split(wide.low, TWO_96);
    let (storm_window, storm_floor) = split(rest, TWO_64);
    let (loss_window, rest) = split(wide.high, TWO_96);
    let (backstop_secs, loss_cap) = split(rest, TWO_64);
    WaterfallParams {
        storm_window: storm_window.try_into().unwrap(),
        storm_bps: storm_bps.try_into().unwrap(),
        storm_floor: storm_floor.try_into().unwrap(),
        backstop_secs: backstop_secs.try_into().unwrap(),
        loss_cap: loss_cap.try_into().unwrap(),
        loss_window: loss_window.try_into().unwrap(),
    }
}

/// Used (128 bits), since (64), dry (1).
pub fn pack_storm(storm: Storm) -> felt252 {
    let dry: u128 = if storm.dry {
        TWO_64
    } else {
        0
    };
    storm.used.into() + (storm.since.into() + dry).into() * TWO_128
}

pub fn unpack_storm(slot: felt252) -> Storm {
    let wide: u256 = slot.into();
    let (dry, since) = split(wide.high, TWO_64);
    Storm { used: wide.low, since: since.try_into().unwrap(), dry: dry != 0 }
}

/// The market that went dry last, and until when; `until` 0: none ever did.
#[derive(Copy, Drop, PartialEq, Debug, Default)]
pub struct DrySlot {
    pub market: u8,
    pub until: u64,
}

pub fn pack_dry(dry: DrySlot) -> felt252 {
    dry.until.into() + dry.market.into() * TWO_64.into()
}

pub fn unpack_dry(slot: felt252) -> DrySlot {
    let (market, until) = split(slot.try_into().unwrap(), TWO_64);
    DrySlot { market: market.try_into().unwrap(), until: until.try_into().unwrap() }
}

/// Vault, insurance, deleveraged: 64 bits each.
pub fn pack_bad_debt(debt: BadDebt) -> felt252 {
    let low: u128 = debt.vault.into() + debt.insurance.into() * TWO_64;
    low.into() + debt.deleveraged.into() * TWO_128
}

pub fn unpack_bad_debt(slot: felt252) -> BadDebt {
    let wide: u256 = slot.into();
    let (insurance, vault) = split(wide.low, TWO_64);
    BadDebt {
        vault: vault.try_into().unwrap(),
        insurance: insurance.try_into().unwrap(),
        deleveraged: wide.high.try_into().unwrap(),
    }
}

#[cfg(test)]
mod tests {
    use core::num::traits::Bounded;
    use crate::clearinghouse::interface::{Closing, OutflowParams};
    use crate::rules::outflow::MAX_OUTFLOW;
    use super::{pack_closing, pack_outflow, unpack_closing, unpack_outflow};

    #[test]
    fn outflow_parameters_packed_and_back() {
        for params in array![
            OutflowParams {
                outflow_limit: 1, outflow_window: 2, escape_delay: 3, restore_delay: 4,
            },
            OutflowParams {
                outflow_limit: MAX_OUTFLOW - 1,
                outflow_window: Bounded::MAX,
                escape_delay: Bounded::MAX,
                restore_delay: Bounded::MAX,
            },
        ] {
            assert!(unpack_outflow(pack_outflow(@params)) == params);
        }
    }

    #[test]
    fn closings_packed_and_back() {
        assert!(unpack_closing(0) == None);
        for price in array![1, Bounded::MAX] {
            for index in array![
                None, Some(0), Some(1), Some(-1), Some(Bounded::MAX), Some(Bounded::MIN),
            ] {
                let closing = Closing { price, index };
                assert!(unpack_closing(pack_closing(@closing)) == Some(closing));
            }
        }
    }
}
