//! Positions closed by settlement: everybody in the market at one price and one funding index, so
//! that what longs are paid is what shorts pay.
//!
//! A long gets floor(size x price), a short pays its ceiling; the difference stays in the market's
//! pot until its last position is closed, then it goes to insurance. Who owes more than it has when
//! nothing is left open is helped out by insurance as far as that goes; the rest stays as
//! collateral below 0, a claim that the venue holds against the account.

use core::cmp::min;
use crate::clearinghouse::fills::slot_after;
use crate::clearinghouse::interface::Closing;
use crate::clearinghouse::slots::{AccountSlot, PositionSlot};
use crate::rules::cash::{cash_down, cash_floor, cash_up};
use crate::rules::risk::{magnitude, pending_funding, size_magnitude};

/// An account after one of its positions is closed; collateral units.
#[derive(Copy, Drop, PartialEq, Debug)]
pub struct Closed {
    pub slot: AccountSlot,
    /// What it received for the position, below 0: paid.
    pub quote: i128,
    pub funding: i128,
    /// What insurance paid for it.
    pub covered: u128,
}

/// `insurance` is what insurance has, below 0: owes. Reverts where a number is beyond its range.
pub fn close(
    slot: AccountSlot, position: PositionSlot, mask: u128, closing: Closing, insurance: i128,
) -> Closed {
    let notional: u128 = size_magnitude(position.size).into() * closing.price.into();
    let quote: felt252 = if position.size > 0 {
        cash_down(notional).into()
    } else {
        -cash_up(notional).into()
    };
    let funding = match closing.index {
        Some(index) => cash_floor(pending_funding(position.size, index - position.index)),
        None => 0,
    };
    let after = slot_after(slot, quote + funding.into(), mask, 0).expect('SETTLE: beyond range');
    let covered = if after.open == 0 && after.collateral < 0 && insurance > 0 {
        min(magnitude(after.collateral), magnitude(insurance))
    } else {
        0
    };
    let collateral: felt252 = after.collateral.into() + covered.into();
    Closed {
        slot: AccountSlot { collateral: collateral.try_into().unwrap(), ..after },
        quote: quote.try_into().expect('SETTLE: beyond range'),
        funding,
        covered,
    }
}

#[cfg(test)]
mod tests {
    use crate::clearinghouse::interface::Closing;
    use crate::clearinghouse::slots::{AccountSlot, PositionSlot};
    use super::{Closed, close};

    const ONE: i64 = 100_000_000;
    /// 0.03 USD and 1e-8.
    const PRICE: u64 = 3_000_001;

    fn account(collateral: i128, open: u128) -> AccountSlot {
        AccountSlot { collateral, epoch: 7, open }
    }

    #[test]
    fn a_long_is_rounded_down_and_a_short_up() {
        let at = Closing { price: PRICE, index: Some(5) };
        let long = close(account(10, 3), PositionSlot { size: ONE, index: 5 }, 1, at, 0);
        assert!(long == Closed { slot: account(30_010, 2), quote: 30_000, funding: 0, covered: 0 });
        let short = close(account(10, 3), PositionSlot { size: -ONE, index: 5 }, 1, at, 0);
        assert!(short.quote == -30_001 && short.slot == account(-29_991, 2));
    }

    #[test]
    fn funding_is_settled_where_the_index_is_known() {
        let position = PositionSlot { size: ONE, index: 0 };
        for (index, funding) in array![
            (Some(10_000_000_000), -1), (Some(-10_000_000_000), 1), (Some(1), -1), (Some(0), 0),
            (None, 0),
        ] {
            let closed = close(account(0, 1), position, 1, Closing { price: PRICE, index }, 0);
            assert!(closed.funding == funding);
            assert!(closed.slot.collateral == 30_000 + funding);
        }
    }

    #[test]
    fn insurance_covers_what_is_owed_with_nothing_open_as_far_as_it_goes() {
        let at = Closing { price: PRICE, index: None };
        let short = PositionSlot { size: -ONE, index: 0 };
        for (insurance, covered) in array![
            (30_000, 30_000), (30_001, 30_001), (30_002, 30_001), (1, 1), (0, 0), (-5, 0),
        ] {
            let closed = close(account(0, 1), short, 1, at, insurance);
            assert!(closed.covered == covered, "{} {}", insurance, closed.covered);
            let left: i128 = covered.try_into().unwrap() - 30_001;
            assert!(closed.slot == account(left, 0));
            // With something else open it still may turn out well.
            assert!(close(account(0, 3), short, 1, at, insurance).covered == 0);
        }
    }
}
