//! Who is liquidated, when, how much of it, and who gets what.

use starknet::get_block_timestamp;
use crate::clearinghouse::interface::{
    IClearinghouseSafeDispatcherTrait, LiquidationRequest, MarketParams, Mode, Order,
};
use crate::clearinghouse::tests::here::{HereTrait, OracleHereTrait, by};
use crate::clearinghouse::tests::setup::{
    BTC, BTC_PRICE, ETH, ETH_PRICE, GRACE, House, ONE, after, assert_balanced, buying, clear,
    collateral, fund, go_up_to, liquidated, list, move_to, open, order, params, person, refusal,
    refused, report, report_one, safe, selling, size, trade, try_fill,
};
use crate::oracle::interface::MarketStatus;

const PEOPLE: [felt252; 4] = ['alice', 'bob', 'carol', 'dave'];
const VALUE: i128 = 10_000_000_000_000_000;

/// alice is long 8 BTC with V = 992; bob, rich enough to stay, is short.
fn leveraged() -> House {
    let house = open();
    fund(house, 'bob', 9_000);
    trade(house, BTC, 'alice', 'bob', 8 * ONE, BTC_PRICE);
    house
}

/// At 920: V = 352, R = 368.
fn under_water() -> House {
    let house = leveraged();
    move_to(house, 920 * ONE, ETH_PRICE);
    house
}

/// The reason for which carol may not liquidate.
fn reason(house: House, request: LiquidationRequest) -> felt252 {
    clear(house);
    by('carol');
    house.venue.liquidate_many(0, array![request].span());
    refusal(house).expect('not refused')
}

#[test]
fn the_least_fifth_that_helps_goes_to_the_caller_at_a_discount() {
    let house = under_water();
    clear(house);
    by('carol');
    house.venue.liquidate(0, buying('alice', 0));
    let event = liquidated(house);
    assert!(event.account == person('alice') && event.caller == person('carol'));
    assert!(event.market == 0 && event.mark == 920 * ONE && event.checkpoint == 920 * ONE);
    // A fifth of 8 BTC at 920: 1,472 USD; 0.5% to carol, 1% to insurance; V/R = 329.92 / 294.4.
    assert!(event.size == 160_000_000 && event.remaining == 640_000_000);
    assert!(event.discount == 7_360_000 && event.penalty == 14_720_000 && event.remainder == 0);
    assert!(
        event.value_before == 352 * VALUE && event.requirement_before == 3_680_000_000_000_000_000,
    );
    assert!(event.value_checkpoint == 352 * VALUE);
    assert!(event.requirement_checkpoint == 3_680_000_000_000_000_000);
    assert!(event.value_after == 3_299_200_000_000_000_000);
    assert!(event.requirement_after == 2_944_000_000_000_000_000);
    let margin = house.venue.margin_of(person('alice'));
    assert!(margin.value == event.value_after);
    assert!(margin.maintenance == 2_944_000_000_000_000_000);
    assert!(size(house, 'carol', 0) == 160_000_000);
    assert!(collateral(house, 'carol') == 1_000_000_000 - 1_472_000_000 + 7_360_000);
    assert!(house.venue.ledger().insurance == 14_720_000);
    assert!(house.venue.open_interest(0).long == 8 * ONE);
    assert_balanced(house, PEOPLE.span());
    // V/R is above 1.11 now.
    assert!(reason(house, buying('alice', 0)) == 'LIQUIDATION: healthy');
}

#[test]
fn the_whole_goes_where_no_part_helps_and_costs_end_with_what_is_there() {
    let house = leveraged();
    // V = 992 - 960 = 32, R = 352.
    move_to(house, 880 * ONE, ETH_PRICE);
    clear(house);
    by('carol');
    house.venue.liquidate(0, buying('alice', 0));
    let event = liquidated(house);
    assert!(event.size == 800_000_000 && event.remaining == 0);
    // 0.5% would be 35.2: all that is left is the discount, nothing the penalty.
    assert!(event.discount == 32_000_000 && event.penalty == 0);
    assert!(event.value_after == 0 && event.requirement_after == 0);
    assert!(collateral(house, 'alice') == 0);
    assert!(house.venue.account(person('alice')).open_markets == 0);
    assert_balanced(house, PEOPLE.span());
}

#[test]
fn a_short_is_bought_back_above_the_mark() {
    let house = open();
    fund(house, 'bob', 9_000);
    trade(house, BTC, 'bob', 'alice', 8 * ONE, BTC_PRICE);
    // alice: V = 1,000 - 8 x 80 = 360, R = 432.
    move_to(house, 1_080 * ONE, ETH_PRICE);
    clear(house);
    by('carol');
    house.venue.liquidate(0, selling('alice', 0));
    let event = liquidated(house);
    // Two fifths: V = 360 - 1.5% of 3,456 = 308.16, R = 259.2; one: 334.08 / 345.6.
    assert!(event.size == -320_000_000 && event.remaining == -480_000_000);
    assert!(event.discount == 17_280_000 && event.penalty == 34_560_000);
    assert!(event.value_after == 3_081_600_000_000_000_000);
    assert!(size(house, 'carol', 0) == -320_000_000);
    assert!(collateral(house, 'carol') == 1_000_000_000 + 3_456_000_000 + 17_280_000);
    assert_balanced(house, PEOPLE.span());
}

#[test]
fn a_position_below_dust_goes_whole() {
    let house = open();
    by('admin');
    house.venue.configure_market(1, MarketParams { dust_usd: 1_000, ..params() });
    fund(house, 'bob', 9_000);
    trade(house, BTC, 'alice', 'bob', 8 * ONE, BTC_PRICE);
    trade(house, ETH, 'alice', 'bob', 5 * ONE, ETH_PRICE);
    // V = 991.5 - 632 = 359.5, R = 368.4 + 25 = 393.4.
    move_to(house, 921 * ONE, ETH_PRICE);
    clear(house);
    by('carol');
    house.venue.liquidate(0, buying('alice', 1));
    let event = liquidated(house);
    assert!(event.size == 500_000_000 && event.remaining == 0);
    assert_balanced(house, PEOPLE.span());
}

#[test]
fn the_caller_takes_no_more_than_it_asks_for_in_whole_lots() {
    let house = under_water();
    let little = LiquidationRequest { max_size: ONE / 100 - 1, ..buying('alice', 0) };
    assert!(reason(house, little) == 'LIQUIDATION: nothing to take');
    clear(house);
    by('carol');
    house.venue.liquidate(0, LiquidationRequest { max_size: ONE + 1, ..buying('alice', 0) });
    assert!(liquidated(house).size == 100_000_000);
    assert_balanced(house, PEOPLE.span());
}

#[test]
fn the_limit_is_on_what_the_caller_pays() {
    let house = under_water();
    // 920 less 0.5% is 915.4.
    let limit = 915 * ONE + ONE / 10 * 4;
    let below = LiquidationRequest { limit_price: limit - 1, ..buying('alice', 0) };
    assert!(reason(house, below) == 'LIQUIDATION: beyond the limit');
    by('carol');
    house.venue.liquidate(0, LiquidationRequest { limit_price: limit, ..buying('alice', 0) });
    let house = open();
    fund(house, 'bob', 9_000);
    trade(house, BTC, 'bob', 'alice', 8 * ONE, BTC_PRICE);
    move_to(house, 1_080 * ONE, ETH_PRICE);
    // 1,080 and 0.5% is 1,085.4.
    let limit = 1_085 * ONE + ONE / 10 * 4;
    let above = LiquidationRequest { limit_price: limit + 1, ..buying('alice', 0) };
    assert!(reason(house, above) == 'LIQUIDATION: beyond the limit');
    by('carol');
    house.venue.liquidate(0, LiquidationRequest { limit_price: limit, ..buying('alice', 0) });
}

#[test]
fn the_healthy_and_the_flat_are_left_alone() {
    let house = leveraged();
    assert!(reason(house, buying('alice', 0)) == 'LIQUIDATION: healthy');
    assert!(reason(house, buying('alice', 1)) == 'LIQUIDATION: no position');
    assert!(reason(house, buying('dave', 0)) == 'LIQUIDATION: no position');
    assert!(reason(house, buying('carol', 0)) == 'LIQUIDATION: own account');
    for market in array![2, 127, 128, 255] {
        assert!(reason(house, buying('alice', market)) == 'LIQUIDATION: unknown market');
    }
    // V = R at the unit: 992 - 8d = 0.05 x 8 x (1,000 - d), d = 592 / 7.6.
    move_to(house, 92_210_526_316, ETH_PRICE);
    let margin = house.venue.margin_of(person('alice'));
    assert!(margin.value >= margin.maintenance);
    assert!(reason(house, buying('alice', 0)) == 'LIQUIDATION: healthy');
    move_to(house, 92_210_526_315, ETH_PRICE);
    by('carol');
    house.venue.liquidate(0, buying('alice', 0));
}

#[test]
#[feature("safe_dispatcher")]
fn the_epoch_and_the_mode_are_the_batchs() {
    let house = under_water();
    let safe = safe(house);
    let requests = array![buying('alice', 0)].span();
    by('carol');
    refused(safe.liquidate(1, buying('alice', 0)), 'EPOCH: another epoch');
    refused(safe.liquidate_many(1, requests), 'EPOCH: another epoch');
    by('guardian');
    house.venue.set_mode(Mode::PostOnly, 0);
    by('carol');
    refused(safe.liquidate(0, buying('alice', 0)), 'MODE: not allowed');
    refused(safe.liquidate_many(0, requests), 'MODE: not allowed');
}

#[test]
fn everybody_has_time_after_a_reopening() {
    let house = under_water();
    by('guardian');
    house.venue.set_mode(Mode::PostOnly, 0);
    go_up_to(house, Mode::Full);
    let reopened = get_block_timestamp();
    assert!(reason(house, buying('alice', 0)) == 'LIQUIDATION: venue in grace');
    after(GRACE - 1);
    report(house, 920 * ONE, ETH_PRICE, 0);
    assert!(get_block_timestamp() == reopened + GRACE - 1);
    assert!(reason(house, buying('alice', 0)) == 'LIQUIDATION: venue in grace');
    after(1);
    by('carol');
    house.venue.liquidate(0, buying('alice', 0));
}

#[test]
fn everybody_has_time_after_a_market_came_back() {
    let house = leveraged();
    // BTC is silent until its mark is stale; ETH goes on.
    after(50);
    report_one(house, 1, ETH_PRICE, 0);
    after(50);
    assert!(house.oracle.mark(0).status == MarketStatus::Stale);
    assert!(reason(house, buying('alice', 0)) == 'LIQUIDATION: market not valid');
    report(house, 920 * ONE, ETH_PRICE, 0);
    let back = house.oracle.mark(0).valid_since;
    assert!(back == get_block_timestamp());
    move_to(house, 920 * ONE, ETH_PRICE);
    assert!(reason(house, buying('alice', 0)) == 'LIQUIDATION: market in grace');
    after(GRACE - 21);
    report(house, 920 * ONE, ETH_PRICE, 0);
    assert!(reason(house, buying('alice', 0)) == 'LIQUIDATION: market in grace');
    after(1);
    by('carol');
    house.venue.liquidate(0, buying('alice', 0));
}

#[test]
fn one_mark_is_not_enough() {
    let house = leveraged();
    after(10);
    report(house, 920 * ONE, ETH_PRICE, 0);
    assert!(house.oracle.mark(0).checkpoint == BTC_PRICE);
    assert!(reason(house, buying('alice', 0)) == 'LIQUIDATION: was healthy');
    after(9);
    report(house, 920 * ONE, ETH_PRICE, 0);
    assert!(reason(house, buying('alice', 0)) == 'LIQUIDATION: was healthy');
    after(1);
    report(house, 920 * ONE, ETH_PRICE, 0);
    by('carol');
    house.venue.liquidate(0, buying('alice', 0));
    // Nor is an old one: what was low and is high again is healthy.
    let house = under_water();
    after(10);
    report(house, BTC_PRICE, ETH_PRICE, 0);
    assert!(house.oracle.mark(0).checkpoint == 920 * ONE);
    assert!(reason(house, buying('alice', 0)) == 'LIQUIDATION: healthy');
}

#[test]
fn a_market_with_one_mark_only_proves_nothing() {
    let house = open();
    fund(house, 'bob', 9_000);
    list(house, 2, 'X');
    report_one(house, 2, ETH_PRICE, 0);
    assert!(house.oracle.mark(2).checkpoint == 0);
    trade(house, 'X', 'alice', 'bob', ONE, ETH_PRICE);
    trade(house, BTC, 'alice', 'bob', 8 * ONE, BTC_PRICE);
    move_to(house, 900 * ONE, ETH_PRICE);
    // Its mark is of before, and Valid.
    assert!(house.oracle.mark(2).status == MarketStatus::Valid);
    assert!(reason(house, buying('alice', 0)) == 'LIQUIDATION: no checkpoint');
    assert!(reason(house, buying('alice', 2)) == 'LIQUIDATION: no checkpoint');
}

#[test]
fn below_zero_is_not_for_a_stranger() {
    let house = leveraged();
    move_to(house, 875 * ONE, ETH_PRICE);
    assert!(house.venue.margin_of(person('alice')).value < 0);
    assert!(reason(house, buying('alice', 0)) == 'LIQUIDATION: value below zero');
}

/// A market that is not Valid counts at the best for the account, without requirement.
#[test]
fn other_markets_that_are_not_valid_count_at_their_best() {
    let house = open();
    fund(house, 'bob', 9_000);
    trade(house, BTC, 'alice', 'bob', 7 * ONE, BTC_PRICE);
    trade(house, ETH, 'alice', 'bob', 10 * ONE, ETH_PRICE);
    // BTC: -560. V = 992 - 560 = 432, R = 322 + 50 = 372.
    move_to(house, 920 * ONE, ETH_PRICE);
    assert!(reason(house, buying('alice', 0)) == 'LIQUIDATION: healthy');
    // ETH falls by 25%: V = 182, R = 359.5; then it is Suspect with a candidate far above.
    move_to(house, 920 * ONE, 75 * ONE);
    after(1);
    report_one(house, 1, 120 * ONE, 0);
    assert!(house.oracle.mark(1).status == MarketStatus::Suspect);
    assert!(house.oracle.mark(1).candidate == 120 * ONE);
    // At 120 alice has V = 632 and R = 322.
    assert!(reason(house, buying('alice', 0)) == 'LIQUIDATION: healthy');
    assert!(reason(house, buying('alice', 1)) == 'LIQUIDATION: market not valid');
    // Its own mark again: the dust of a flaky market buys no more time.
    after(1);
    report_one(house, 1, 75 * ONE, 0);
    after(1);
    clear(house);
    by('carol');
    house.venue.liquidate(0, buying('alice', 0));
    assert!(liquidated(house).value_before == 182 * VALUE);
    assert_balanced(house, PEOPLE.span());
}

#[test]
fn a_market_that_is_not_valid_asks_for_no_margin() {
    let house = open();
    fund(house, 'bob', 9_000);
    trade(house, BTC, 'alice', 'bob', 7 * ONE, BTC_PRICE);
    trade(house, ETH, 'alice', 'bob', 10 * ONE, ETH_PRICE);
    // V = 992 - 630 = 362, R = 318.5 + 50; ETH Frozen at the same mark: R = 318.5.
    move_to(house, 910 * ONE, ETH_PRICE);
    by('admin');
    house.oracle.freeze(1);
    assert!(reason(house, buying('alice', 0)) == 'LIQUIDATION: healthy');
    let margin = house.venue.margin_of(person('alice'));
    assert!(margin.value < margin.maintenance);
}

#[test]
#[feature("safe_dispatcher")]
fn the_caller_must_be_able_to_carry_it() {
    let house = under_water();
    let safe = safe(house);
    // 1,472 USD need 147.2; the discount of 7.36 is the caller's own.
    for usd in array![0, 139] {
        fund(house, 'dave', usd);
        by('dave');
        refused(safe.liquidate(0, buying('alice', 0)), 'MARGIN: caller');
    }
    fund(house, 'dave', 1);
    by('dave');
    house.venue.liquidate(0, buying('alice', 0));
    assert_balanced(house, PEOPLE.span());
}

#[test]
fn the_callers_caps_hold_but_the_venues_do_not_grow() {
    let house = under_water();
    by('admin');
    house.venue.configure_market(0, MarketParams { max_position: ONE, ..params() });
    assert!(reason(house, buying('alice', 0)) == 'CAP: position');
    by('admin');
    house.venue.configure_market(0, MarketParams { max_open_interest: ONE, ..params() });
    by('carol');
    house.venue.liquidate(0, buying('alice', 0));
    assert!(house.venue.open_interest(0).long == 8 * ONE);
    assert_balanced(house, PEOPLE.span());
}

#[test]
fn a_caller_on_the_other_side_nets() {
    let house = leveraged();
    trade(house, BTC, 'bob', 'carol', ONE, BTC_PRICE);
    assert!(house.venue.open_interest(0).long == 8 * ONE);
    assert!(size(house, 'carol', 0) == -100_000_000);
    move_to(house, 920 * ONE, ETH_PRICE);
    by('carol');
    house.venue.liquidate(0, buying('alice', 0));
    assert!(size(house, 'carol', 0) == 60_000_000);
    assert!(house.venue.open_interest(0).long == 7 * ONE);
    assert_balanced(house, PEOPLE.span());
}

#[test]
fn funding_is_settled_for_both() {
    let house = leveraged();
    trade(house, BTC, 'carol', 'bob', ONE, BTC_PRICE);
    // 14,400 ppm for 8 h: 0.0005 USD a second for one BTC. The first round only says so.
    for _ in 0..4_u8 {
        after(30);
        report(house, BTC_PRICE, ETH_PRICE, 14_400);
    }
    let alice = collateral(house, 'alice');
    // 10 s more until the rate is 0.
    move_to(house, 920 * ONE, ETH_PRICE);
    let index = house.venue.funding_index(0);
    assert!(index == 100 * 5_000_000_000_000);
    clear(house);
    by('carol');
    house.venue.liquidate(0, buying('alice', 0));
    let event = liquidated(house);
    assert!(event.account_funding == -400_000 && event.caller_funding == -50_000);
    assert!(event.value_before == 352 * VALUE - 4_000_000_000_000_000);
    let costs: i128 = (event.discount + event.penalty).try_into().unwrap();
    assert!(collateral(house, 'alice') == alice + 1_472_000_000 - 400_000 - costs);
    assert!(house.venue.position(person('alice'), 0).funding_index == index);
    assert!(house.venue.position(person('carol'), 0).funding_index == index);
    assert!(house.venue.margin_of(person('alice')).value == event.value_after);
    assert!(house.venue.ledger().funding == 450_000);
    assert_balanced(house, PEOPLE.span());
}

#[test]
fn a_batch_names_what_it_refuses_and_takes_the_rest() {
    let house = under_water();
    fund(house, 'dave', 1_000);
    trade(house, ETH, 'dave', 'bob', ONE, ETH_PRICE);
    clear(house);
    by('carol');
    house
        .venue
        .liquidate_many(
            0,
            array![
                buying('dave', 1), buying('alice', 200), buying('alice', 0), buying('carol', 0),
                buying('alice', 0),
            ]
                .span(),
        );
    // The last one: alice is healthy by then.
    assert!(refusal(house) == Some('LIQUIDATION: healthy'));
    assert!(size(house, 'alice', 0) == 640_000_000 && size(house, 'carol', 0) == 160_000_000);
    assert!(size(house, 'dave', 1) == 100_000_000);
    assert_balanced(house, PEOPLE.span());
}

#[test]
fn a_refused_one_in_a_batch_changes_nothing() {
    let house = leveraged();
    let before = collateral(house, 'alice');
    clear(house);
    by('carol');
    house.venue.liquidate_many(0, array![buying('alice', 0)].span());
    assert!(refusal(house) == Some('LIQUIDATION: healthy'));
    assert!(collateral(house, 'alice') == before && size(house, 'carol', 0) == 0);
    assert_balanced(house, PEOPLE.span());
}

#[test]
#[feature("safe_dispatcher")]
fn silence_stops_liquidations_before_the_next_report_does() {
    let house = under_water();
    after(121);
    by('carol');
    refused(safe(house).liquidate(0, buying('alice', 0)), 'MODE: not allowed');
    report(house, 920 * ONE, ETH_PRICE, 0);
    by('carol');
    refused(safe(house).liquidate(0, buying('alice', 0)), 'MODE: not allowed');
    assert!(house.venue.mode() == Mode::CancelOnly);
}

/// What is left after a liquidation can still be traded away.
#[test]
fn the_account_goes_on_afterwards() {
    let house = under_water();
    by('carol');
    house.venue.liquidate(0, buying('alice', 0));
    after(1);
    let price = 920 * ONE;
    let out = Order { reduce_only: true, ..order(house, 'alice', false, 10 * ONE, price) };
    let back = order(house, 'bob', true, 10 * ONE, price);
    let whole: u64 = size(house, 'alice', 0).try_into().unwrap();
    assert!(try_fill(house, back, out, whole, price).is_none());
    by('alice');
    let all: u128 = collateral(house, 'alice').try_into().unwrap();
    house.venue.withdraw(0, all);
    assert_balanced(house, PEOPLE.span());
}
