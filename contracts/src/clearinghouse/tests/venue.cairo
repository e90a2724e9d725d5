//! Configuration: who is listed how, and what is refused.

use starknet::syscalls::deploy_syscall;
use crate::clearinghouse::contract::Clearinghouse;
use crate::clearinghouse::interface::{
    IClearinghouseSafeDispatcherTrait, MarketParams, Mode, OpenInterest, VenueParams,
    WaterfallParams,
};
use crate::clearinghouse::tests::here::{HereTrait, OracleHereTrait, by};
use crate::clearinghouse::tests::setup::{
    BTC, ETH, ONE, accepted, bare, guard, listed, one_tier, open, params, person, refused, safe,
    venue_params,
};
use crate::oracle::interface::Guard;

#[test]
fn it_begins_halted_with_nothing() {
    let house = bare();
    assert!(house.venue.mode() == Mode::Halted && house.venue.epoch() == 0);
    let ledger = house.venue.ledger();
    assert!(ledger.total == 0 && ledger.insurance == 0 && ledger.fees == 0);
    assert!(ledger.funding == 0 && ledger.pending == 0);
    assert!(house.venue.venue_params() == venue_params());
    assert!(house.venue.market_params(0).lot_size == 0);
    assert!(house.venue.open_interest(0) == OpenInterest { long: 0, short: 0 });
    let nobody = house.venue.account(person('nobody'));
    assert!(nobody.collateral == 0 && nobody.positions.is_empty());
    let margin = house.venue.margin_of(person('nobody'));
    assert!(margin.value == 0 && margin.initial == 0 && margin.maintenance == 0);
}

#[test]
#[feature("safe_dispatcher")]
fn a_market_is_listed_once_and_known_to_the_oracle() {
    let house = bare();
    let safe = safe(house);
    refused(safe.list_market(BTC, params()), 'ORACLE: unknown market');
    house.oracle.list_market(ETH, guard());
    house.oracle.list_market(BTC, guard());
    accepted(safe.list_market(BTC, params()));
    refused(safe.list_market(BTC, params()), 'MARKET: already listed');
    // The index is the oracle's.
    assert!(house.venue.market_params(1) == params());
    assert!(house.venue.market_params(0).lot_size == 0);
    refused(safe.configure_market(0, params()), 'MARKET: not listed');
    refused(safe.configure_market(200, params()), 'MARKET: not listed');
    refused(safe.funding_index(0), 'MARKET: not listed');
    refused(safe.funding_index(200), 'MARKET: not listed');
    assert!(house.venue.funding_index(1) == 0);
}

#[test]
#[ignore]
#[feature("safe_dispatcher")]
fn unsound_parameters_are_refused_at_listing_and_later() {
    let house = listed();
    let safe = safe(house);
    by('admin');
    house.oracle.list_market('X', guard());
    for (bad, reason) in array![
        (MarketParams { tiers: one_tier(500, 500), ..params() }, 'MARKET: margin fractions'),
        (MarketParams { lot_size: 0, ..params() }, 'MARKET: lot or tick is zero'),
        (MarketParams { taker_fee_bps: 2_000, ..params() }, 'MARKET: fee too high'),
        (MarketParams { discount_bps: 401, ..params() }, 'MARKET: costs above margin'),
        (MarketParams { max_position: 0, ..params() }, 'MARKET: cap below one lot'),
        (
            MarketParams { max_position: 0x4000000000000000, ..params() },
            'MARKET: position cap too large',
        ),
    ] {
        refused(safe.configure_market(0, bad), reason);
    }
    let bad = MarketParams { tick_size: 0, ..params() };
    refused(safe.list_market('X', bad), 'MARKET: lot or tick is zero');
    // The cap is held to the highest price that the oracle would take.
    let largest = MarketParams { max_position: 12_676_506_002_282_294, ..params() };
    accepted(safe.configure_market(0, largest));
    house.oracle.configure(1, Guard { max_price: 1_000_001 * ONE, ..guard() });
    refused(safe.configure_market(1, largest), 'MARKET: position cap too large');
}

#[test]
#[feature("safe_dispatcher")]
fn lots_get_finer_only() {
    let house = open();
    let safe = safe(house);
    by('admin');
    for lot_size in array![ONE / 50, ONE / 100 * 3, ONE / 150] {
        let bad = MarketParams { lot_size, ..params() };
        refused(safe.configure_market(0, bad), 'MARKET: lot must divide the old');
    }
    accepted(safe.configure_market(0, MarketParams { lot_size: ONE / 200, ..params() }));
    accepted(safe.configure_market(0, MarketParams { lot_size: ONE / 1_000, ..params() }));
    refused(safe.configure_market(0, params()), 'MARKET: lot must divide the old');
}

#[test]
#[feature("safe_dispatcher")]
fn the_venue_is_configured_within_reason() {
    let house = listed();
    let safe = safe(house);
    by('admin');
    for (bad, reason) in array![
        (VenueParams { post_band_bps: 0, ..venue_params() }, 'VENUE: post band'),
        (VenueParams { fill_band_bps: 10_000, ..venue_params() }, 'VENUE: fill band'),
        (VenueParams { dwell_secs: 0, ..venue_params() }, 'VENUE: dwell time'),
        (VenueParams { grace_secs: 0, ..venue_params() }, 'VENUE: grace time'),
    ] {
        refused(safe.configure_venue(bad), reason);
    }
    let other = VenueParams { fill_band_bps: 9, post_band_bps: 8, dwell_secs: 7, grace_secs: 6 };
    accepted(safe.configure_venue(other));
    assert!(house.venue.venue_params() == other && house.venue.mode() == Mode::Halted);
}

#[test]
#[feature("safe_dispatcher")]
fn it_is_connected_once() {
    let house = bare();
    let safe = safe(house);
    refused(safe.connect(person('other'), person('vault')), 'VENUE: already connected');
    assert!(safe.vault().unwrap() == person('vault'));
}

#[test]
#[feature("safe_dispatcher")]
fn the_waterfall_is_configured_whole_and_sound() {
    let house = bare();
    let safe = safe(house);
    let other = WaterfallParams {
        storm_window: 2_592_000,
        storm_bps: 9_999,
        storm_floor: 0xffffffffffffffff,
        backstop_secs: 2_592_000,
        loss_cap: 0xfffffffffffffffe,
        loss_window: 2_592_000,
    };
    by('admin');
    accepted(safe.configure_waterfall(other));
    assert!(safe.waterfall_params().unwrap() == other);
    for (bad, reason) in array![
        (WaterfallParams { storm_window: 0, ..other }, 'WATERFALL: storm window'),
        (WaterfallParams { storm_floor: 0, ..other }, 'WATERFALL: storm ration'),
        (WaterfallParams { backstop_secs: 0, ..other }, 'WATERFALL: backstop time'),
        (WaterfallParams { loss_window: 0, ..other }, 'WATERFALL: loss window'),
    ] {
        refused(safe.configure_waterfall(bad), reason);
    }
    assert!(safe.waterfall_params().unwrap() == other);
    refused(safe.storm(0), 'MARKET: not listed');
}

#[test]
fn a_faulty_deployment_fails() {
    let good = array![
        'admin', 'token', 'oracle', 'trading', 'liquidation', 'money', 'venue', 'waterfall', 500, 5,
        60, 60, 300, 1_000, 1_000_000_000, 60, 0, 60, 1, 2, 3, 4,
    ]
        .span();
    let deploy = |place: u32, value: felt252| -> Result<(), Array<felt252>> {
        let mut calldata = array![];
        for index in 0..good.len() {
            calldata.append(if index == place {
                value
            } else {
                *good[index]
            });
        }
        match deploy_syscall(
            Clearinghouse::TEST_CLASS_HASH.try_into().unwrap(),
            place.into(),
            calldata.span(),
            false,
        ) {
            Ok(_) => Ok(()),
            Err(reasons) => Err(reasons),
        }
    };
    assert!(deploy(99, 0).is_ok());
    for (place, reason) in array![
        (0, 'ACCESS: zero admin'), (1, 'VENUE: zero address'), (2, 'VENUE: zero address'),
        (3, 'VENUE: zero class'), (4, 'VENUE: zero class'), (5, 'VENUE: zero class'),
        (6, 'VENUE: zero class'), (7, 'VENUE: zero class'), (9, 'VENUE: post band'),
        (10, 'VENUE: dwell time'), (11, 'VENUE: grace time'), (12, 'WATERFALL: storm window'),
        (14, 'WATERFALL: storm ration'), (18, 'OUTFLOW: limit'), (19, 'OUTFLOW: window'),
        (20, 'OUTFLOW: escape delay'), (21, 'OUTFLOW: restore delay'),
    ] {
        refused(deploy(place, 0), reason);
    }
}
