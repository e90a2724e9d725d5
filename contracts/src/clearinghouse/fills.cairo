//! What one fill does to its two accounts, decided in memory: nothing is written until all of it is
//! accepted.

use starknet::ContractAddress;
use starknet::storage::{StorageAsPointer, StoragePathEntry, StoragePointerReadAccess};
use starknet::storage_access::StorageBaseAddress;
use crate::clearinghouse::book::{Basis, Book, BookTrait, Market, View, ViewTrait, with_position};
use crate::clearinghouse::interface::{Fill, Order, SignedOrder};
use crate::clearinghouse::orders::refusal;
use crate::clearinghouse::slots::{
    AccountSlot, OrderSlot, PairSlot, PositionSlot, TradeSlot, unpack_pair, unpack_trade,
};
use crate::clearinghouse::state::{ReadState, order_base, read_order_at};
use crate::gas::rare_path;
use crate::rules::cash::{cash_down, cash_floor, cash_up, fee, within_band};
use crate::rules::modes::{Action, allows, band};
use crate::rules::risk::{SumsTrait, healthier, is_healthy, pending_funding, size_magnitude};
use crate::units::{MAX_OPEN_MARKETS, MAX_POSITION_VALUE};

/// What is the same for every fill of a batch.
#[derive(Copy, Drop)]
pub struct Batch {
    pub venue: ContractAddress,
    pub epoch: u64,
    pub now: u64,
    pub view: View,
}

/// What a market's configuration says of its fills; read once for the fills of a batch that follow
/// each other in the same market.
#[derive(Copy, Drop)]
pub struct Terms {
    pub index: u8,
    pub trade: Box<TradeSlot>,
    pub max_interest: u64,
    pub max_position: u64,
    /// Open interest as it was before the first of these fills.
    pub interest: PairSlot,
}

/// The market is listed.
pub fn load_terms(state: ReadState, index: u8) -> Terms {
    let slots = state.markets.entry(index).as_ptr();
    let (max_interest, max_position) = unpack_pair(slots.caps.read());
    let trade = BoxTrait::new(unpack_trade(slots.trade.read()));
    Terms { index, trade, max_interest, max_position, interest: unpack_pair(slots.interest.read()) }
}

/// One account after a fill.
#[derive(Copy, Drop)]
pub struct SideAfter {
    /// Where the account's slots begin, and the order's.
    pub account_base: StorageBaseAddress,
    pub order_base: StorageBaseAddress,
    pub slot: AccountSlot,
    pub position: PositionSlot,
    pub order: OrderSlot,
    pub fee: u128,
    /// What it received of funding; collateral units.
    pub funding: i128,
}

#[derive(Copy, Drop)]
pub struct FillOutcome {
    pub mark: u64,
    pub maker: SideAfter,
    pub taker: SideAfter,
    pub interest: PairSlot,
    /// What the buyer paid more than the seller got.
    pub remainder: u128,
}

/// What is stored of an order, and where.
#[derive(Copy, Drop)]
struct Kept {
    base: StorageBaseAddress,
    slot: OrderSlot,
}

/// A change of one position, before money.
#[derive(Copy, Drop)]
struct Move {
    old: PositionSlot,
    size_after: i64,
    reduces: bool,
}

pub fn decide(
    state: ReadState,
    batch: @Batch,
    index: u8,
    terms: Option<Terms>,
    interest: PairSlot,
    fill: @Fill,
    maker_hash: felt252,
    taker_hash: felt252,
) -> Result<FillOutcome, felt252> {
    let maker = fill.maker.order;
    let taker = fill.taker.order;
    let size = *fill.size;
    let price = *fill.price;
    check_pair(maker, taker)?;
    let boxed = match batch.view.find(index) {
        Some(boxed) => boxed,
        None => { return Err('FILL: unknown market'); },
    };
    let market = boxed.unbox();
    let (mark, valid) = (market.price, market.valid);
    if market.broken {
        return Err('FUNDING: broken');
    }
    if mark == 0 {
        return Err('FILL: no mark');
    }
    if market.settled {
        return Err('FILL: market is settled');
    }
    let terms = match terms {
        Some(terms) => terms,
        None => { return Err('FILL: unknown market'); },
    };
    let trade = terms.trade.unbox();
    if size == 0 || size % trade.lot_size != 0 {
        return Err('FILL: not whole lots');
    }
    if price == 0 || price % trade.tick_size != 0 {
        return Err('FILL: price off the tick');
    }
    let maker_order = check_order(
        state, batch, maker, maker_hash, @trade, size, price, trade.maker_fee_bps,
    )?;
    let taker_order = check_order(
        state, batch, taker, taker_hash, @trade, size, price, trade.taker_fee_bps,
    )?;

    let maker_book = batch.view.load_book(state, *maker.account);
    let taker_book = batch.view.load_book(state, *taker.account);
    if maker_book.slot.epoch != *maker.account_epoch
        || taker_book.slot.epoch != *taker.account_epoch {
        return Err('ORDER: old account epoch');
    }
    let maker_move = move_of(@maker_book, maker, index, size)?;
    let taker_move = move_of(@taker_book, taker, index, size)?;
    check_proven(batch, @maker_book, @maker_move)?;
    check_proven(batch, @taker_book, @taker_move)?;
    check_mode(batch, mark, valid, maker, @maker_move, @taker_move, price)?;

    let Terms { max_interest, max_position, .. } = terms;
    check_room(@maker_book, mark, @maker_move, max_position)?;
    check_room(@taker_book, mark, @taker_move, max_position)?;
    let interest = interest_after(
        interest,
        (maker_move.old.size, maker_move.size_after),
        (taker_move.old.size, taker_move.size_after),
        max_interest,
    )?;

    check_signature(state, fill.maker, maker_hash, maker_order.slot, *batch.now)?;
    check_signature(state, fill.taker, taker_hash, taker_order.slot, *batch.now)?;

    let notional: u128 = size.into() * price.into();
    let maker_after = side_after(
        @maker_book, boxed, maker, @maker_move, maker_order, size, notional, trade.maker_fee_bps,
    )?;
    let taker_after = side_after(
        @taker_book, boxed, taker, @taker_move, taker_order, size, notional, trade.taker_fee_bps,
    )?;
    Ok(
        FillOutcome {
            mark,
            maker: maker_after,
            taker: taker_after,
            interest,
            remainder: cash_up(notional) - cash_down(notional),
        },
    )
}

fn check_pair(maker: @Order, taker: @Order) -> Result<(), felt252> {
    if maker.market != taker.market {
        return Err('FILL: two markets');
    }
    if maker.is_buy == taker.is_buy {
        return Err('FILL: same side');
    }
    if maker.account == taker.account {
        return Err('FILL: self trade');
    }
    if *taker.post_only {
        return Err('FILL: post-only was the taker');
    }
    Ok(())
}

/// What the order alone says, and what was filled of it before.
fn check_order(
    state: ReadState,
    batch: @Batch,
    order: @Order,
    hash: felt252,
    trade: @TradeSlot,
    size: u64,
    price: u64,
    fee_bps: u16,
) -> Result<Kept, felt252> {
    if order.venue != batch.venue {
        return Err('ORDER: another venue');
    }
    if order.epoch != batch.epoch {
        return Err('ORDER: another epoch');
    }
    if *order.expiry <= *batch.now {
        return Err('ORDER: expired');
    }
    if *order.size % *trade.lot_size != 0 {
        return Err('ORDER: not whole lots');
    }
    if *order.limit_price == 0 || *order.limit_price % *trade.tick_size != 0 {
        return Err('ORDER: limit off the tick');
    }
    if *order.is_buy {
        if price > *order.limit_price {
            return Err('ORDER: above its limit');
        }
    } else if price < *order.limit_price {
        return Err('ORDER: below its limit');
    }
    if fee_bps > *order.max_fee_bps {
        return Err('ORDER: fee above its cap');
    }
    let base = order_base(state, hash);
    let slot = read_order_at(base);
    if slot.filled >= *order.size || size > *order.size - slot.filled {
        return Err('ORDER: filled or cancelled');
    }
    Ok(Kept { base, slot })
}

fn check_signature(
    state: ReadState, signed: @SignedOrder, hash: felt252, slot: OrderSlot, now: u64,
) -> Result<(), felt252> {
    match refusal(state, signed.order, signed.signature, hash, slot, now) {
        Some(reason) => Err(reason),
        None => Ok(()),
    }
}

fn move_of(book: @Book, order: @Order, market: u8, size: u64) -> Result<Move, felt252> {
    let old = book.position(market);
    let delta: felt252 = if *order.is_buy {
        size.into()
    } else {
        -size.into()
    };
    let size_after: i64 = match (Into::<i64, felt252>::into(old.size) + delta).try_into() {
        Some(after) => after,
        None => { return Err('CAP: position'); },
    };
    let opposite = if *order.is_buy {
        old.size < 0
    } else {
        old.size > 0
    };
    let reduces = opposite && size <= size_magnitude(old.size);
    if *order.reduce_only && !reduces {
        return Err('ORDER: does not reduce');
    }
    Ok(Move { old, size_after, reduces })
}

/// The mode's table, the state of the market and the band around its mark.
fn check_mode(
    batch: @Batch,
    mark: u64,
    valid: bool,
    maker: @Order,
    maker_move: @Move,
    taker_move: @Move,
    price: u64,
) -> Result<(), felt252> {
    let mode = *batch.view.mode;
    let action = if *maker_move.reduces && *taker_move.reduces {
        Action::FillReducing
    } else {
        if !valid {
            return Err('FILL: market is not valid');
        }
        if *taker_move.reduces && *maker.post_only {
            Action::FillPosting
        } else {
            Action::FillOpening
        }
    };
    if !allows(mode, action) {
        return Err('MODE: fill not allowed');
    }
    let params = *batch.view.venue.params;
    if !within_band(price, mark, band(mode, params.fill_band_bps, params.post_band_bps)) {
        return Err('FILL: outside the band');
    }
    Ok(())
}

/// An account whose value is not known takes no more risk on.
fn check_proven(batch: @Batch, book: @Book, change: @Move) -> Result<(), felt252> {
    if !*change.reduces && book.is_broken(batch.view) {
        return Err('FUNDING: broken');
    }
    Ok(())
}

/// Caps of a side that opens or adds.
fn check_room(book: @Book, mark: u64, change: @Move, max_position: u64) -> Result<(), felt252> {
    if *change.reduces {
        return Ok(());
    }
    room_for(book, mark, *change.old.size, *change.size_after, max_position)
}

pub fn room_for(
    book: @Book, mark: u64, old: i64, size_after: i64, max_position: u64,
) -> Result<(), felt252> {
    let after = size_magnitude(size_after);
    if after > max_position {
        return Err('CAP: position');
    }
    if after.into() * mark.into() > MAX_POSITION_VALUE {
        return Err('CAP: position value');
    }
    if old == 0 && book.held.len() >= MAX_OPEN_MARKETS {
        return Err('CAP: open markets');
    }
    Ok(())
}

/// Open interest (long, short) after two positions changed, (before, after) each. Only its growth
/// is held to the cap: a position that changes hands adds nothing.
pub fn interest_after(
    interest: PairSlot, one: (i64, i64), other: (i64, i64), max_interest: u64,
) -> Result<PairSlot, felt252> {
    let (long, short) = interest;
    let (long_one, short_one) = change_of(one);
    let (long_other, short_other) = change_of(other);
    Ok(
        (
            grown(long, long_one + long_other, max_interest)?,
            grown(short, short_one + short_other, max_interest)?,
        ),
    )
}

/// What a change of one position adds to the long and to the short side.
fn change_of(change: (i64, i64)) -> (felt252, felt252) {
    let (old, after) = change;
    let (old_long, old_short) = sides_of(old);
    let (long, short) = sides_of(after);
    (long - old_long, short - old_short)
}

fn sides_of(size: i64) -> (felt252, felt252) {
    if size < 0 {
        (0, -size.into())
    } else {
        (size.into(), 0)
    }
}

fn grown(total: u64, change: felt252, max_interest: u64) -> Result<u64, felt252> {
    let sum: Option<u64> = (total.into() + change).try_into();
    match sum {
        Some(sum) => if sum > total && sum > max_interest {
            Err('CAP: open interest')
        } else {
            Ok(sum)
        },
        None => Err('CAP: open interest'),
    }
}

/// The account's slot with `cash` (collateral units, below 0: paid) and the market's bit as the
/// size says.
pub fn slot_after(
    slot: AccountSlot, cash: felt252, mask: u128, size_after: i64,
) -> Option<AccountSlot> {
    let collateral: i128 = (Into::<i128, felt252>::into(slot.collateral) + cash).try_into()?;
    let open = if size_after == 0 {
        if slot.open & mask != 0 {
            slot.open - mask
        } else {
            slot.open
        }
    } else {
        slot.open | mask
    };
    Some(AccountSlot { collateral, epoch: slot.epoch, open })
}

fn side_after(
    book: @Book,
    boxed: Box<Market>,
    order: @Order,
    change: @Move,
    kept: Kept,
    size: u64,
    notional: u128,
    fee_bps: u16,
) -> Result<SideAfter, felt252> {
    let old = *change.old;
    let market = boxed.unbox();
    let funding = cash_floor(pending_funding(old.size, market.funding_index - old.index));
    let fee = fee(notional, fee_bps);
    let quote: felt252 = if *order.is_buy {
        -cash_up(notional).into()
    } else {
        cash_down(notional).into()
    };
    let cash: felt252 = quote + funding.into() - fee.into();
    let slot = match slot_after(*book.slot, cash, market.mask, *change.size_after) {
        Some(slot) => slot,
        None => { return Err('FILL: collateral too large'); },
    };
    let position = PositionSlot { size: *change.size_after, index: market.funding_index };
    if !accepted(book, market.index, boxed, change, cash, position) {
        return Err(if *order.is_buy {
            'MARGIN: buyer'
        } else {
            'MARGIN: seller'
        });
    }
    Ok(
        SideAfter {
            account_base: *book.base,
            order_base: kept.base,
            slot,
            position,
            order: OrderSlot { filled: kept.slot.filled + size, approved: kept.slot.approved },
            fee,
            funding,
        },
    )
}

/// Opening needs initial margin at the worst prices; reducing needs maintenance margin, or an
/// account that is better off, at the last good marks.
fn accepted(
    book: @Book,
    index: u8,
    market: Box<Market>,
    change: @Move,
    cash: felt252,
    position: PositionSlot,
) -> bool {
    if !*change.reduces {
        let rest = book.sums_without(index, Basis::Worst).add_cash(cash);
        let after = with_position(rest, market, position, Basis::Worst).margin();
        return is_healthy(after.value, after.initial);
    }
    let rest = book.sums_without(index, Basis::LastGood);
    let after = with_position(rest.add_cash(cash), market, position, Basis::LastGood).margin();
    if is_healthy(after.value, after.maintenance) {
        return true;
    }
    rare_path();
    let before = with_position(rest, market, *change.old, Basis::LastGood).margin();
    healthier(before.value, before.maintenance, after.value, after.maintenance)
}
