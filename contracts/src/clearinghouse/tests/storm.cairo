//! How much is liquidated in a window, and when that stops the venue.

use starknet::get_block_timestamp;
use starknet::testing::pop_log;
use crate::clearinghouse::contract::Clearinghouse;
use crate::clearinghouse::events::{ModeChanged, StormDry};
use crate::clearinghouse::interface::{
    IClearinghouseSafeDispatcherTrait, LiquidationRequest, Mode, WaterfallParams,
};
use crate::clearinghouse::tests::here::{HereTrait, by};
use crate::clearinghouse::tests::setup::{
    BTC, BTC_PRICE, ETH, ETH_PRICE, House, ONE, after, assert_balanced, buying, clear, fund,
    go_up_to, liquidated, move_to, open, refusal, refused, report, safe, size, trade,
    waterfall_params,
};
use crate::rules::config::MIN_STORM_FLOOR;

const PEOPLE: [felt252; 5] = ['alice', 'bob', 'carol', 'dave', 'vault'];
const USD_VALUE: u128 = 10_000_000_000_000_000;

/// alice is long 8 BTC and dave 80 ETH, both with V = 192 and R = 360; a market's ration is 1,000
/// USD.
fn storm() -> House {
    let house = open();
    ration(
        house, WaterfallParams { storm_bps: 0, storm_floor: MIN_STORM_FLOOR, ..waterfall_params() },
    );
    fund(house, 'bob', 18_000);
    fund(house, 'carol', 9_000);
    fund(house, 'dave', 1_000);
    trade(house, BTC, 'alice', 'bob', 8 * ONE, BTC_PRICE);
    trade(house, ETH, 'dave', 'bob', 80 * ONE, ETH_PRICE);
    move_to(house, 900 * ONE, 90 * ONE);
    clear(house);
    house
}

fn ration(house: House, params: WaterfallParams) {
    by('admin');
    house.venue.configure_waterfall(params);
}

fn said(house: House) -> (Array<StormDry>, Option<ModeChanged>) {
    let (mut dry, mut changed) = (array![], None);
    while let Some(event) = pop_log::<Clearinghouse::Event>(house.venue.address) {
        match event {
            Clearinghouse::Event::StormDry(event) => dry.append(event),
            Clearinghouse::Event::ModeChanged(event) => changed = Some(event),
            _ => {},
        }
    }
    (dry, changed)
}

#[test]
#[feature("safe_dispatcher")]
fn a_liquidation_is_cut_to_what_is_left_and_the_next_one_refused() {
    let house = storm();
    by('carol');
    house.venue.liquidate(0, buying('alice', 0));
    // 6.4 BTC would help; 1.11 are the most that 1,000 USD are.
    assert!(size(house, 'carol', 0) == 111_000_000);
    let storm = house.venue.storm(0);
    assert!(storm.dry && storm.used == 999 * USD_VALUE);
    assert!(storm.limit == 1_000 * USD_VALUE && storm.since == get_block_timestamp());
    let (dry, changed) = said(house);
    let event = dry[0];
    assert!(dry.len() == 1 && changed.is_none() && *event.market == 0);
    assert!(*event.until == get_block_timestamp() + 300 && *event.used == storm.used);
    by('carol');
    refused(safe(house).liquidate(0, buying('alice', 0)), 'STORM: nothing left');
    // The other market is not concerned.
    assert!(!house.venue.storm(1).dry && house.venue.storm(1).used == 0);
    assert!(house.venue.mode() == Mode::Full);
    assert_balanced(house, PEOPLE.span());
}

#[test]
fn what_fits_to_the_unit_is_not_cut() {
    let house = storm();
    let request = LiquidationRequest { max_size: ONE / 100, ..buying('alice', 0) };
    by('carol');
    house.venue.liquidate(0, LiquidationRequest { max_size: 111_000_000, ..buying('alice', 0) });
    assert!(!house.venue.storm(0).dry);
    clear(house);
    // 1 USD is left, a lot is 9: refused, and the refusal is not undone.
    by('carol');
    house.venue.liquidate(0, request);
    assert!(house.venue.storm(0).dry);
    assert!(refusal(house) == Some('STORM: nothing left'));
    assert!(size(house, 'carol', 0) == 111_000_000);
}

#[test]
fn a_step_of_the_rule_is_kept_where_one_fits() {
    let house = storm();
    // V = 112, R = 356: the whole is wanted, 7,120 USD; 60% of 8 BTC are 4,272 USD.
    ration(
        house, WaterfallParams { storm_bps: 0, storm_floor: 5_000_000_000, ..waterfall_params() },
    );
    move_to(house, 890 * ONE, 92 * ONE);
    clear(house);
    by('carol');
    house.venue.liquidate(0, buying('alice', 0));
    assert!(liquidated(house).size == 480_000_000);
    assert!(house.venue.storm(0).dry);
    assert_balanced(house, PEOPLE.span());
}

#[test]
fn the_ration_grows_with_open_interest() {
    let house = storm();
    move_to(house, 920 * ONE, 92 * ONE);
    // 20% of 8 BTC at 920 is just the fifth that is wanted.
    ration(
        house,
        WaterfallParams { storm_bps: 2_000, storm_floor: MIN_STORM_FLOOR, ..waterfall_params() },
    );
    assert!(house.venue.storm(0).limit == 1_472 * USD_VALUE);
    by('carol');
    house.venue.liquidate(0, buying('alice', 0));
    assert!(size(house, 'carol', 0) == 160_000_000 && !house.venue.storm(0).dry);
    let house = storm();
    move_to(house, 920 * ONE, 92 * ONE);
    ration(
        house,
        WaterfallParams { storm_bps: 1_999, storm_floor: MIN_STORM_FLOOR, ..waterfall_params() },
    );
    by('carol');
    house.venue.liquidate(0, buying('alice', 0));
    assert!(size(house, 'carol', 0) == 159_000_000 && house.venue.storm(0).dry);
}

#[test]
fn the_window_ends() {
    let house = storm();
    by('carol');
    house.venue.liquidate(0, buying('alice', 0));
    after(299);
    assert!(house.venue.storm(0).dry);
    after(1);
    let fresh = house.venue.storm(0);
    assert!(!fresh.dry && fresh.used == 0 && fresh.since == get_block_timestamp());
}

#[test]
#[feature("safe_dispatcher")]
fn two_dry_at_once_turn_the_venue_to_cancel_only() {
    let house = storm();
    by('carol');
    house
        .venue
        .liquidate_many(
            0,
            array![buying('alice', 0), buying('alice', 0), buying('dave', 1), buying('dave', 1)]
                .span(),
        );
    let (dry, changed) = said(house);
    assert!(dry.len() == 2);
    let changed = changed.expect('not changed');
    assert!(changed.from == Mode::Full && changed.to == Mode::CancelOnly);
    assert!(changed.reason == 'STORM' && changed.report_hash == 0);
    assert!(house.venue.mode() == Mode::CancelOnly);
    // Both were cut; what came after the stop was refused.
    assert!(size(house, 'carol', 0) == 111_000_000 && size(house, 'carol', 1) == 1_111_000_000);
    by('carol');
    refused(safe(house).liquidate(0, buying('dave', 1)), 'MODE: not allowed');
    assert_balanced(house, PEOPLE.span());
    // Back in Full with one of them still dry: it stops the venue only with another one that goes
    // dry.
    ration(
        house,
        WaterfallParams {
            storm_bps: 0,
            storm_floor: MIN_STORM_FLOOR,
            storm_window: 2_592_000,
            ..waterfall_params(),
        },
    );
    go_up_to(house, Mode::Full);
    for _ in 0..3_u8 {
        after(30);
        report(house, 900 * ONE, 90 * ONE, 0);
    }
    by('carol');
    refused(safe(house).liquidate(0, buying('dave', 1)), 'STORM: nothing left');
    assert!(house.venue.mode() == Mode::Full);
}

#[test]
fn one_dry_after_the_other_is_no_storm() {
    let house = storm();
    by('carol');
    house.venue.liquidate(0, buying('alice', 0));
    for _ in 0..10_u8 {
        after(30);
        report(house, 900 * ONE, 90 * ONE, 0);
    }
    by('carol');
    house.venue.liquidate(0, buying('dave', 1));
    assert!(house.venue.storm(1).dry && house.venue.mode() == Mode::Full);
}

#[test]
fn a_refused_one_stops_the_venue_as_well() {
    let house = storm();
    by('carol');
    house.venue.liquidate(0, buying('alice', 0));
    house.venue.liquidate(0, LiquidationRequest { max_size: 1_111_000_000, ..buying('dave', 1) });
    assert!(!house.venue.storm(1).dry && house.venue.mode() == Mode::Full);
    clear(house);
    by('carol');
    house.venue.liquidate(0, buying('dave', 1));
    assert!(house.venue.storm(1).dry && house.venue.mode() == Mode::CancelOnly);
    assert_balanced(house, PEOPLE.span());
}
