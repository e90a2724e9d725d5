//! Caps and the largest numbers, a step each side.

use crate::clearinghouse::interface::{MarginTier, MarketParams, Order};
use crate::clearinghouse::slots::MAX_COLLATERAL;
use crate::clearinghouse::tests::here::{HereTrait, by};
use crate::clearinghouse::tests::setup::{BTC_PRICE, ONE, open, order, params, try_fill};
use crate::rules::risk::{
    Holding, healthier, is_healthy, margin, pending_funding, position_value, requirement_of,
};
use crate::units::{MAX_OPEN_MARKETS, MAX_POSITION_VALUE};

#[test]
fn caps_are_reached_and_not_passed() {
    let lot = ONE / 100;
    for (caps, reason) in array![
        (MarketParams { max_position: 2 * ONE, ..params() }, 'CAP: position'),
        (MarketParams { max_open_interest: 2 * ONE, ..params() }, 'CAP: open interest'),
    ] {
        let house = open();
        by('admin');
        house.venue.configure_market(0, caps);
        let more: Order = order(house, 'alice', true, 3 * ONE, BTC_PRICE);
        let sold: Order = order(house, 'bob', false, 3 * ONE, BTC_PRICE);
        assert!(try_fill(house, sold, more, 2 * ONE + lot, BTC_PRICE) == Some(reason));
        assert!(try_fill(house, sold, more, 2 * ONE, BTC_PRICE) == None);
        assert!(try_fill(house, sold, more, lot, BTC_PRICE) == Some(reason));
    }
}

/// Twenty positions of 2^100 at margin fractions of 1, each with as much funding as sixteen times
/// its value, and all the collateral that an account can have or owe: V and R fit i128.
#[test]
fn the_largest_account_fits() {
    let none: MarginTier = Default::default();
    let whole = MarginTier { upto: 0, initial_bps: 10_000, maintenance_bps: 9_999 };
    let most: i64 = 0x4000000000000000;
    let price: u64 = 0x4000000000;
    assert!(position_value(most, price) == MAX_POSITION_VALUE.try_into().unwrap());
    let pending = pending_funding(-most, 0x40000000000 * 100_000_000);
    assert!(pending == 0x100000000000000000000000000);
    let collateral: i128 = MAX_COLLATERAL.try_into().unwrap() - 1;
    for sign in array![1_i128, -1] {
        let mut holdings = array![];
        for _ in 0..MAX_OPEN_MARKETS {
            holdings
                .append(
                    Holding {
                        size: most * sign.try_into().unwrap(),
                        price,
                        pending: pending * sign,
                        tiers: (whole, none, none),
                    },
                );
        }
        let found = margin(collateral * sign, holdings.span());
        let positions: i128 = 20 * 0x110000000000000000000000000;
        assert!(found.value == sign * (collateral * 10_000_000_000 + positions));
        assert!(found.initial == 20 * MAX_POSITION_VALUE);
        let maintenance = requirement_of(20 * MAX_POSITION_VALUE.into() * 9_999);
        assert!(found.maintenance == maintenance && maintenance < found.initial);
        let healthy = sign == 1;
        assert!(is_healthy(found.value, found.initial) == healthy);
        assert!(healthier(found.value, found.initial, found.value, found.maintenance) == healthy);
    }
}
