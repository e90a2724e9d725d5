//! What one liquidation does to its two accounts, decided in memory: nothing is written until all
//! of it is accepted.

use core::num::traits::Bounded;
use starknet::ContractAddress;
use starknet::storage::{StorageAsPointer, StoragePathEntry, StoragePointerReadAccess};
use starknet::storage_access::StorageBaseAddress;
use crate::clearinghouse::book::{
    Basis, Book, BookTrait, Market, View, ViewTrait, with_position, with_stake,
};
use crate::clearinghouse::fills::{interest_after, room_for, slot_after};
use crate::clearinghouse::interface::LiquidationRequest;
use crate::clearinghouse::slots::{
    AccountSlot, PairSlot, PositionSlot, TradeSlot, VenueSlot, signed_size, unpack_pair,
    unpack_tiers, unpack_trade,
};
use crate::clearinghouse::state::ReadState;
use crate::clearinghouse::storm::{NOTHING_LEFT, read_storm};
use crate::gas::rare_path;
use crate::rules::cash::{cash_down, cash_floor, cash_up};
use crate::rules::risk::{
    LiquidationCase, LiquidationTerms, Margin, Sums, SumsTrait, after_transfer, flat, healthier,
    is_healthy, liquidation_costs, liquidation_size, pending, pending_funding, size_magnitude,
};
use crate::rules::storm::{Storm, StormTerms, storm_after, storm_cut, storm_left, storm_limit};

/// What is the same for every liquidation of a batch.
#[derive(Copy, Drop)]
pub struct Sweep {
    pub caller: ContractAddress,
    pub now: u64,
    pub view: View,
    pub vault: ContractAddress,
    pub terms: StormTerms,
}

/// One of the two accounts afterwards.
#[derive(Copy, Drop)]
pub struct PartyAfter {
    pub account: ContractAddress,
    /// Where its slots begin.
    pub base: StorageBaseAddress,
    pub slot: AccountSlot,
    pub position: PositionSlot,
    /// What it received of funding; collateral units.
    pub funding: i128,
}

#[derive(Copy, Drop)]
pub struct Takeover {
    pub market: Box<Market>,
    /// What changes hands: above 0 the account was long.
    pub size: i64,
    pub account: PartyAfter,
    pub caller: PartyAfter,
    pub interest: PairSlot,
    pub ration: Ration,
    pub verdict: Verdict,
    pub deal: Deal,
}

/// V and R of the account with the funding of the market settled: at the marks, and at the
/// checkpoints.
#[derive(Copy, Drop)]
pub struct Verdict {
    pub marks: Margin,
    pub checkpoints: Margin,
}

/// The market's storm bucket; `went_dry`: this one was cut, and none before in the window.
#[derive(Copy, Drop)]
pub struct Ration {
    pub storm: Storm,
    pub limit: u128,
    pub went_dry: bool,
}

/// How much is taken over, and for what.
#[derive(Copy, Drop)]
pub struct Deal {
    pub size: u64,
    /// size x mark; 1e-16 USD.
    pub notional: u128,
    /// Collateral units.
    pub discount: u128,
    pub penalty: u128,
    /// What the buyer pays more than the seller gets.
    pub remainder: u128,
    /// V and R of the account afterwards, at the marks.
    pub value_after: i128,
    pub requirement_after: u128,
}

/// The account before.
#[derive(Copy, Drop)]
struct Patient {
    book: Book,
    position: PositionSlot,
    funding: i128,
    verdict: Verdict,
    /// The part of R of every other market; 1e-20 USD.
    rest_maintenance: u128,
}

pub fn decide(
    state: ReadState, sweep: @Sweep, request: @LiquidationRequest,
) -> Result<Takeover, felt252> {
    if request.account == sweep.caller {
        return Err('LIQUIDATION: own account');
    }
    if *request.account == *sweep.vault {
        return Err('LIQUIDATION: the vault');
    }
    let market = match sweep.view.find(*request.market) {
        Some(market) => market,
        None => { return Err('LIQUIDATION: unknown market'); },
    };
    check_time(sweep, market)?;
    let patient = examine(state, sweep, market, *request.account)?;
    let slots = state.markets.entry(*request.market).as_ptr();
    let interest = unpack_pair(slots.interest.read());
    let ration = ration_of(state, sweep, market, interest);
    let trade = unpack_trade(slots.trade.read());
    let (deal, ration) = strike(@patient, market, trade, *request.max_size, ration)?;
    let is_long = patient.position.size > 0;
    check_limit(@deal, is_long, *request.limit_price)?;

    let (bought, sold) = (cash_up(deal.notional), cash_down(deal.notional));
    // What the account gives away and gets for it before costs; the caller's is the other side.
    let (moved, account_quote, caller_quote): (felt252, felt252, felt252) = if is_long {
        (deal.size.into(), sold.into(), -bought.into())
    } else {
        (-deal.size.into(), -bought.into(), sold.into())
    };
    let costs = deal.discount + deal.penalty;
    let account =
        match party_after(
            @patient.book,
            market,
            patient.position.size.into() - moved,
            account_quote - costs.into(),
            patient.funding,
        ) {
        Some(party) => party,
        None => { return Err('LIQUIDATION: beyond range'); },
    };
    let (_, max_position) = unpack_pair(slots.caps.read());
    let (caller_size, caller) = take(
        state, sweep, market, moved, caller_quote + deal.discount.into(), max_position,
    )?;
    // A position that changes hands does not add to open interest, so no cap is in its way.
    let interest = interest_after(
        interest,
        (patient.position.size, account.position.size),
        (caller_size, caller.position.size),
        Bounded::MAX,
    )?;
    Ok(
        Takeover {
            market,
            size: moved.try_into().unwrap(),
            account,
            caller,
            interest,
            ration,
            verdict: patient.verdict,
            deal,
        },
    )
}

/// Everybody had grace_secs to act since the venue, and the market, came back.
fn check_time(sweep: @Sweep, market: Box<Market>) -> Result<(), felt252> {
    let market = market.unbox();
    let venue = *sweep.view.venue;
    let grace_secs: u64 = venue.params.grace_secs.into();
    if !market.valid {
        return Err('LIQUIDATION: market not valid');
    }
    if *sweep.now < venue.full_since + grace_secs {
        return Err('LIQUIDATION: venue in grace');
    }
    // 0: the market was Valid ever since its first mark.
    if in_grace(market.valid_since, *sweep.now, grace_secs) {
        return Err('LIQUIDATION: market in grace');
    }
    Ok(())
}

/// `valid_since` 0: the market was Valid ever since its first mark.
pub fn in_grace(valid_since: u64, now: u64, grace_secs: u64) -> bool {
    valid_since != 0 && now < valid_since + grace_secs
}

/// The sums of an account at the marks and at the checkpoints, two observations of it.
#[derive(Copy, Drop)]
pub struct Observed {
    pub marks: Sums,
    pub checkpoints: Sums,
}

/// Of every market but `except`, at `Favourable` and at `Checkpoint`; refused where a Valid one has
/// no checkpoint. A market in grace asks for as little maintenance as one that is not Valid; it
/// stops no liquidation in another one.
pub fn observed(book: @Book, except: u8, venue: @VenueSlot, now: u64) -> Result<Observed, felt252> {
    let grace_secs: u64 = (*venue.params.grace_secs).into();
    // What is Valid since later than this is in grace.
    let tried = if now > grace_secs {
        now - grace_secs
    } else {
        0
    };
    let mut marks = flat(*book.slot.collateral);
    let mut checkpoints = marks;
    let mut refusal = None;
    for held in *book.held {
        let market = (*held.market).unbox();
        if market.valid && market.checkpoint == 0 {
            refusal = Some('LIQUIDATION: no checkpoint');
            break;
        }
        if *held.index != except {
            let stake = *held.stake;
            if market.plain && market.valid_since <= tried {
                let pending = pending(
                    signed_size(stake), market.funding_index.into() - stake.index,
                );
                let (initial, maintenance) = (market.initial_bps, market.maintenance_bps);
                marks = marks
                    .add_plain(
                        stake.is_long,
                        stake.size,
                        market.price.into(),
                        pending,
                        initial,
                        maintenance,
                    );
                checkpoints = checkpoints
                    .add_plain(
                        stake.is_long,
                        stake.size,
                        market.checkpoint.into(),
                        pending,
                        initial,
                        maintenance,
                    );
            } else {
                rare_path();
                let (before, then) = (marks, checkpoints);
                marks = with_stake(marks, *held.market, stake, Basis::Favourable);
                checkpoints = with_stake(checkpoints, *held.market, stake, Basis::Checkpoint);
                if market.valid_since > tried {
                    marks = Sums { maintenance: before.maintenance, ..marks };
                    checkpoints = Sums { maintenance: then.maintenance, ..checkpoints };
                }
            }
        }
    }
    match refusal {
        Some(reason) => Err(reason),
        None => Ok(Observed { marks, checkpoints }),
    }
}

pub fn ration_of(
    state: ReadState, sweep: @Sweep, market: Box<Market>, interest: PairSlot,
) -> Ration {
    let market = market.unbox();
    let storm = read_storm(state, market.index, *sweep.terms, *sweep.now);
    let (long, _) = interest;
    Ration { storm, limit: storm_limit(*sweep.terms, long, market.price), went_dry: false }
}

/// 0 <= V < R at the marks, and V < R at the checkpoints too: two observations, not one twice.
fn examine(
    state: ReadState, sweep: @Sweep, boxed: Box<Market>, account: ContractAddress,
) -> Result<Patient, felt252> {
    let book = sweep.view.load_book(state, account);
    if book.is_broken(sweep.view) {
        return Err('FUNDING: broken');
    }
    let market = boxed.unbox();
    let index = market.index;
    let position = book.position(index);
    if position.size == 0 {
        return Err('LIQUIDATION: no position');
    }
    let observed = observed(@book, index, sweep.view.venue, *sweep.now)?;
    let funding = cash_floor(pending_funding(position.size, market.funding_index - position.index));
    let settled = PositionSlot { size: position.size, index: market.funding_index };

    let rest = observed.marks.add_cash(funding.into());
    let marks = with_position(rest, boxed, settled, Basis::Favourable).margin();
    if marks.value < 0 {
        return Err('LIQUIDATION: value below zero');
    }
    if is_healthy(marks.value, marks.maintenance) {
        return Err('LIQUIDATION: healthy');
    }
    let then = observed.checkpoints.add_cash(funding.into());
    let checkpoints = with_position(then, boxed, settled, Basis::Checkpoint).margin();
    if is_healthy(checkpoints.value, checkpoints.maintenance) {
        return Err('LIQUIDATION: was healthy');
    }
    Ok(
        Patient {
            book,
            position,
            funding,
            verdict: Verdict { marks, checkpoints },
            rest_maintenance: rest.maintenance.try_into().unwrap(),
        },
    )
}

/// Size and costs, by the rules; the account must be better off. And the ration after it.
fn strike(
    patient: @Patient, market: Box<Market>, trade: TradeSlot, max_size: u64, ration: Ration,
) -> Result<(Deal, Ration), felt252> {
    let before = *patient.verdict.marks;
    let market = market.unbox();
    let case = LiquidationCase {
        value: before.value,
        requirement: before.maintenance,
        rest_maintenance: *patient.rest_maintenance,
        size: *patient.position.size,
        price: market.price,
        tiers: unpack_tiers(market.tiers),
    };
    let terms = LiquidationTerms {
        lot_size: trade.lot_size,
        discount_bps: trade.discount_bps,
        penalty_bps: trade.penalty_bps,
        dust_usd: trade.dust_usd,
    };
    let size = liquidation_size(@case, @terms, max_size);
    if size == 0 {
        return Err('LIQUIDATION: nothing to take');
    }
    let whole = size_magnitude(case.size);
    let (size, ration) = rationed(ration, size, whole, trade.lot_size, market.price);
    if size == 0 {
        return Err(NOTHING_LEFT);
    }
    let (value, requirement_after, notional) = after_transfer(@case, size);
    let (discount, penalty) = liquidation_costs(
        before.value,
        before.maintenance,
        value,
        requirement_after,
        notional,
        trade.discount_bps,
        trade.penalty_bps,
    );
    let costs: felt252 = (discount + penalty).into() * 10_000_000_000;
    let value_after: i128 = (value.into() - costs).try_into().unwrap();
    // Without costs V still falls by what rounding takes, which can be all that an account has.
    if !is_healthy(value_after, requirement_after)
        && !healthier(before.value, before.maintenance, value_after, requirement_after) {
        return Err('LIQUIDATION: not healthier');
    }
    let remainder = cash_up(notional) - cash_down(notional);
    let deal = Deal {
        size, notional, discount, penalty, remainder, value_after, requirement_after,
    };
    Ok((deal, ration))
}

/// The part of `size` that the ration allows, and the ration after it; 0: none.
pub fn rationed(ration: Ration, size: u64, whole: u64, lot: u64, price: u64) -> (u64, Ration) {
    let Ration { storm, limit, .. } = ration;
    let left = storm_left(storm, limit);
    let notional: u128 = size.into() * price.into();
    if notional <= left {
        return (
            size, Ration { storm: storm_after(storm, notional, false), limit, went_dry: false },
        );
    }
    rare_path();
    let cut = storm_cut(size, whole, lot, price, left);
    let storm = storm_after(storm, cut.into() * price.into(), true);
    (cut, Ration { storm, limit, went_dry: !ration.storm.dry })
}

/// The caller buys a long at the mark less the discount, or sells to a short at the mark and the
/// discount.
fn check_limit(deal: @Deal, is_long: bool, limit_price: u64) -> Result<(), felt252> {
    let limit: u128 = limit_price.into() * (*deal.size).into();
    let discount = *deal.discount * 10_000_000_000;
    let accepted = if is_long {
        *deal.notional <= limit + discount
    } else {
        *deal.notional + discount >= limit
    };
    if accepted {
        Ok(())
    } else {
        Err('LIQUIDATION: beyond the limit')
    }
}

/// The caller with the position that it takes over, and the size that it had before. It must meet
/// initial margin, whatever it had: it takes a risk on, even where the position makes its own
/// smaller.
fn take(
    state: ReadState,
    sweep: @Sweep,
    boxed: Box<Market>,
    moved: felt252,
    cash: felt252,
    max_position: u64,
) -> Result<(i64, PartyAfter), felt252> {
    let book = sweep.view.load_book(state, *sweep.caller);
    if book.is_broken(sweep.view) {
        return Err('FUNDING: broken');
    }
    let market = boxed.unbox();
    let (index, mark) = (market.index, market.price);
    let old = book.position(index);
    let funding = cash_floor(pending_funding(old.size, market.funding_index - old.index));
    let party = match party_after(@book, boxed, old.size.into() + moved, cash, funding) {
        Some(party) => party,
        None => { return Err('CAP: position'); },
    };
    if size_magnitude(party.position.size) > size_magnitude(old.size) {
        room_for(@book, mark, old.size, party.position.size, max_position)?;
    }
    let rest = book.sums_without(index, Basis::Worst).add_cash(cash + funding.into());
    let margin = with_position(rest, boxed, party.position, Basis::Worst).margin();
    if !is_healthy(margin.value, margin.initial) {
        return Err('MARGIN: caller');
    }
    Ok((old.size, party))
}

/// None where a size or the collateral is beyond its range.
pub fn party_after(
    book: @Book, market: Box<Market>, size: felt252, cash: felt252, funding: i128,
) -> Option<PartyAfter> {
    let size: i64 = size.try_into()?;
    let market = market.unbox();
    let slot = slot_after(*book.slot, cash + funding.into(), market.mask, size)?;
    let position = PositionSlot { size, index: market.funding_index };
    Some(PartyAfter { account: *book.account, base: *book.base, slot, position, funding })
}
