//! What a position of a failed account costs whoever gets it, decided in memory: the vault by the
//! backstop, a counterparty by deleveraging. The positions of one account go one after the other,
//! so its sums are kept as they are after the last one.

use core::num::traits::Bounded;
use starknet::ContractAddress;
use starknet::storage::{StorageAsPointer, StoragePathEntry, StoragePointerReadAccess};
use crate::clearinghouse::book::{Basis, Book, BookTrait, Market, View, holding};
use crate::clearinghouse::fills::interest_after;
use crate::clearinghouse::slots::{PairSlot, PositionSlot, unpack_pair, unpack_tiers, unpack_trade};
use crate::clearinghouse::state::ReadState;
use crate::clearinghouse::storm::NOTHING_LEFT;
use crate::clearinghouse::takeover::{
    Observed, PartyAfter, Ration, Sweep, in_grace, observed, party_after, ration_of, rationed,
};
use crate::rules::bucket::{Bucket, Limit, room};
use crate::rules::cash::{cash_down, cash_floor, cash_up};
use crate::rules::risk::{
    Holding, LiquidationCase, Margin, Sums, SumsTrait, after_transfer, flat, healthier, is_healthy,
    liquidation_costs, pending_funding, size_magnitude,
};
use crate::rules::waterfall::{Payers, affordable_size, leverage_rank, payers, relief};
use crate::units::{MAX_OPEN_MARKETS, MAX_POSITION_VALUE};

/// No market has this index.
pub const NO_MARKET: u8 = 255;

/// An account as it is after what was handed over so far; its sums are on one basis.
#[derive(Copy, Drop)]
pub struct Hand {
    pub book: Book,
    pub sums: Sums,
    /// Open markets.
    pub open: u32,
}

/// A failed account's V and R, at the marks and at the checkpoints, and its sums at the marks.
#[derive(Copy, Drop)]
pub struct Diagnosis {
    pub sums: Sums,
    pub marks: Margin,
    pub checkpoints: Margin,
}

/// One position with its funding settled: V and R with it, the sums without it.
#[derive(Copy, Drop)]
pub struct Settled {
    pub size: i64,
    pub funding: i128,
    pub rest: Sums,
    pub before: Margin,
}

/// What can pay for what an account is short of; collateral units.
#[derive(Copy, Drop)]
pub struct Purse {
    pub losses: Bucket,
    pub cap: Limit,
    pub insurance: u128,
}

/// What a part of a position changes hands for; cash in collateral units.
#[derive(Copy, Drop)]
pub struct Price {
    pub size: u64,
    pub notional: u128,
    pub discount: u128,
    pub penalty: u128,
    /// Paid to the account beyond the mark.
    pub relief: u128,
    pub value_after: i128,
    pub requirement_after: u128,
}

/// What is to be written, and what the event says.
#[derive(Copy, Drop)]
pub struct Handover {
    pub market: u8,
    /// Above 0 the account was long.
    pub size: i64,
    pub account: PartyAfter,
    pub taker: PartyAfter,
    pub account_after: Hand,
    pub taker_before: Margin,
    pub taker_after: Hand,
    pub interest: PairSlot,
    pub before: Margin,
    pub price: Price,
    /// What the account got for it.
    pub quote: i128,
    pub remainder: u128,
}

/// V and R as a liquidation sees them: what is not Valid, or Valid again for less than the grace
/// time, asks for nothing; refused where a market proves nothing yet.
pub fn diagnose(book: @Book, view: @View, now: u64) -> Result<Diagnosis, felt252> {
    if book.is_broken(view) {
        return Err('FUNDING: broken');
    }
    let Observed { marks, checkpoints } = observed(book, NO_MARKET, view.venue, now)?;
    Ok(Diagnosis { sums: marks, marks: marks.margin(), checkpoints: checkpoints.margin() })
}

pub fn hand_of(book: Book, sums: Sums) -> Hand {
    Hand { book, sums, open: book.held.len() }
}

/// Since when everybody could act: the latest end of a grace time, of the venue and of the
/// account's markets.
pub fn reopened_at(book: @Book, view: @View) -> u64 {
    let grace_secs: u64 = (*view.venue.params.grace_secs).into();
    let mut last = *view.venue.full_since;
    for held in *book.held {
        last = core::cmp::max(last, (*held.market).unbox().valid_since);
    }
    last + grace_secs
}

/// Whether positions in a market change hands now.
pub fn check_market(market: @Market, sweep: @Sweep) -> Result<(), felt252> {
    if !*market.valid {
        return Err('LIQUIDATION: market not valid');
    }
    if in_grace(*market.valid_since, *sweep.now, (*sweep.view.venue.params.grace_secs).into()) {
        return Err('LIQUIDATION: market in grace');
    }
    Ok(())
}

/// A position for the vault: as much as the storm bucket, the loss cap and insurance allow, at the
/// mark less discount and penalty while the account has them, at its bankruptcy price beyond. The
/// vault keeps initial margin.
pub fn to_vault(
    state: ReadState,
    sweep: @Sweep,
    account: @Hand,
    vault: @Hand,
    boxed: Box<Market>,
    position: PositionSlot,
    purse: @Purse,
) -> Result<(Handover, Ration, Payers), felt252> {
    let market = boxed.unbox();
    check_market(@market, sweep)?;
    let slots = state.markets.entry(market.index).as_ptr();
    let trade = unpack_trade(slots.trade.read());
    let interest = unpack_pair(slots.interest.read());
    let patient = settled(account, boxed, position, Basis::Favourable);
    let case = case_of(@patient, @market);
    let whole = size_magnitude(patient.size);
    let ration = ration_of(state, sweep, boxed, interest);
    let (rationed_size, _) = rationed(ration, whole, whole, trade.lot_size, market.price);
    if rationed_size == 0 {
        return Err(NOTHING_LEFT);
    }
    let (room, insurance) = (room(*purse.losses, *purse.cap, *sweep.now), *purse.insurance);
    let size = affordable_size(@case, trade.lot_size, rationed_size, room + insurance);
    if size == 0 {
        return Err('BACKSTOP: beyond the loss cap');
    }
    // Not cut by the storm bucket: it is not to blame for what nobody could pay.
    let (_, after) = rationed(ration, size, whole, trade.lot_size, market.price);
    let short = rationed_size != whole && size == rationed_size;
    let ration = Ration {
        storm: crate::rules::storm::Storm { dry: after.storm.dry || short, ..after.storm },
        limit: ration.limit,
        went_dry: short && !ration.storm.dry,
    };
    let price = price_of(@case, size, trade.discount_bps, trade.penalty_bps)?;
    let paid = match payers(price.relief, room, insurance) {
        Some(paid) => paid,
        None => { return Err('BACKSTOP: beyond the loss cap'); },
    };
    let handover = exchange(
        boxed, account, @patient, vault, price, paid.vault, Basis::Worst, interest,
    )?;
    let (_, max_position) = unpack_pair(slots.caps.read());
    check_caps(vault, @handover, @market, max_position)?;
    let margin = handover.taker_after.sums.margin();
    if !is_healthy(margin.value, margin.initial) {
        return Err('BACKSTOP: vault margin');
    }
    Ok((handover, ration, paid))
}

/// A part of a position closed against one counterparty, which pays what the account is short of.
/// It must be healthy or healthier afterwards. With its rank.
pub fn to_counterparty(
    state: ReadState,
    sweep: @Sweep,
    account: @Hand,
    counterparty: ContractAddress,
    boxed: Box<Market>,
    position: PositionSlot,
    most: u64,
) -> Result<(Handover, u128), felt252> {
    let market = boxed.unbox();
    let book = crate::clearinghouse::book::ViewTrait::load_book(sweep.view, state, counterparty);
    let hand = hand_of(book, book.sums_without(NO_MARKET, Basis::LastGood));
    if book.is_broken(sweep.view) {
        return Err('FUNDING: broken');
    }
    let theirs = book.position(market.index).size;
    if theirs == 0 || (theirs > 0) == (position.size > 0) {
        return Err('DELEVERAGE: not the other side');
    }
    let patient = settled(account, boxed, position, Basis::Favourable);
    let size = core::cmp::min(most, size_magnitude(theirs));
    let case = case_of(@patient, @market);
    let price = price_of(@case, size, 0, 0)?;
    let interest = unpack_pair(state.markets.entry(market.index).as_ptr().interest.read());
    let handover = exchange(
        boxed, account, @patient, @hand, price, price.relief, Basis::LastGood, interest,
    )?;
    let (before, after) = (handover.taker_before, handover.taker_after.sums.margin());
    if !is_healthy(after.value, after.maintenance)
        && !healthier(before.value, before.maintenance, after.value, after.maintenance) {
        return Err('DELEVERAGE: counterparty worse');
    }
    Ok((handover, leverage_rank(before.value, before.maintenance)))
}

fn settled(hand: @Hand, boxed: Box<Market>, position: PositionSlot, basis: Basis) -> Settled {
    let market = boxed.unbox();
    let funding = cash_floor(pending_funding(position.size, market.funding_index - position.index));
    let one = flat(0).add(@holding(boxed, position, basis));
    let rest = Sums {
        value: *hand.sums.value - one.value,
        initial: *hand.sums.initial - one.initial,
        maintenance: *hand.sums.maintenance - one.maintenance,
    }
        .add_cash(funding.into());
    let now = PositionSlot { size: position.size, index: market.funding_index };
    let before = rest.add(@holding(boxed, now, basis)).margin();
    Settled { size: position.size, funding, rest, before }
}

fn case_of(patient: @Settled, market: @Market) -> LiquidationCase {
    LiquidationCase {
        value: *patient.before.value,
        requirement: *patient.before.maintenance,
        rest_maintenance: (*patient.rest.maintenance).try_into().unwrap(),
        size: *patient.size,
        price: *market.price,
        tiers: unpack_tiers(*market.tiers),
    }
}

/// V/R does not fall: by costs while there is something, by relief where there is not.
fn price_of(
    case: @LiquidationCase, size: u64, discount_bps: u16, penalty_bps: u16,
) -> Result<Price, felt252> {
    let (value, requirement) = (*case.value, *case.requirement);
    let (moved, requirement_after, notional) = after_transfer(case, size);
    let (discount, penalty) = liquidation_costs(
        value, requirement, moved, requirement_after, notional, discount_bps, penalty_bps,
    );
    let relief = relief(value, requirement, moved, requirement_after);
    let cash: felt252 = relief.into() - discount.into() - penalty.into();
    let value_after: i128 = (moved.into() + cash * 10_000_000_000).try_into().unwrap();
    if !is_healthy(value_after, requirement_after)
        && !healthier(value, requirement, value_after, requirement_after) {
        return Err('WATERFALL: not healthier');
    }
    Ok(Price { size, notional, discount, penalty, relief, value_after, requirement_after })
}

/// `loss` is what the taker pays beyond the mark.
fn exchange(
    boxed: Box<Market>,
    account: @Hand,
    patient: @Settled,
    taker: @Hand,
    price: Price,
    loss: u128,
    taker_basis: Basis,
    interest: PairSlot,
) -> Result<Handover, felt252> {
    let index = boxed.unbox().index;
    let (bought, sold) = (cash_up(price.notional), cash_down(price.notional));
    let (moved, gets, pays): (felt252, felt252, felt252) = if *patient.size > 0 {
        (price.size.into(), sold.into(), -bought.into())
    } else {
        (-price.size.into(), -bought.into(), sold.into())
    };
    let quote = gets - price.discount.into() - price.penalty.into() + price.relief.into();
    let (account_party, account_after) = party(
        account, boxed, patient, Basis::Favourable, -moved, quote,
    )?;
    let theirs = taker.book.position(index);
    let other = settled(taker, boxed, theirs, taker_basis);
    let (taker_party, taker_after) = party(
        taker, boxed, @other, taker_basis, moved, pays + price.discount.into() - loss.into(),
    )?;
    let interest = interest_after(
        interest,
        (*patient.size, account_party.position.size),
        (theirs.size, taker_party.position.size),
        Bounded::MAX,
    )?;
    Ok(
        Handover {
            market: index,
            size: moved.try_into().unwrap(),
            account: account_party,
            taker: taker_party,
            account_after,
            taker_before: other.before,
            taker_after,
            interest,
            before: *patient.before,
            price,
            quote: quote.try_into().unwrap(),
            remainder: bought - sold,
        },
    )
}

/// One of the two with `change` more of the position and `cash` more.
fn party(
    hand: @Hand, boxed: Box<Market>, old: @Settled, basis: Basis, change: felt252, cash: felt252,
) -> Result<(PartyAfter, Hand), felt252> {
    let size: felt252 = (*old.size).into() + change;
    let party = match party_after(hand.book, boxed, size, cash, *old.funding) {
        Some(party) => party,
        None => { return Err('LIQUIDATION: beyond range'); },
    };
    let held: Holding = holding(boxed, party.position, basis);
    let sums = (*old.rest).add_cash(cash).add(@held);
    let mut open = *hand.open;
    if *old.size == 0 && party.position.size != 0 {
        open += 1;
    } else if *old.size != 0 && party.position.size == 0 {
        open -= 1;
    }
    let book = Book { slot: party.slot, ..*hand.book };
    Ok((party, Hand { book, sums, open }))
}

/// What the vault takes on is held to the caps of any other account.
fn check_caps(
    vault: @Hand, handover: @Handover, market: @Market, max_position: u64,
) -> Result<(), felt252> {
    let after = size_magnitude(*handover.taker.position.size);
    if after <= size_magnitude(vault.book.position(*handover.market).size) {
        return Ok(());
    }
    if after > max_position {
        return Err('CAP: position');
    }
    if after.into() * (*market.price).into() > MAX_POSITION_VALUE {
        return Err('CAP: position value');
    }
    if *handover.taker_after.open > MAX_OPEN_MARKETS {
        return Err('CAP: open markets');
    }
    Ok(())
}
