//! What liquidators leave: the vault, insurance, counterparties, in this order.

use starknet::get_block_timestamp;
use starknet::storage::{StorageAsPath, StoragePathMutableConversion};
use starknet::testing::{pop_log, set_contract_address};
use crate::clearinghouse::contract::Clearinghouse;
use crate::clearinghouse::events::{Backstopped, DebtPaid, Deleveraged};
use crate::clearinghouse::interface::{
    BadDebt, IClearinghouseSafeDispatcherTrait, LiquidationRequest, Mode, OutflowParams,
    WaterfallParams,
};
use crate::clearinghouse::slots::AccountSlot;
use crate::clearinghouse::state::{read_account, write_account};
use crate::clearinghouse::tests::here::{HereTrait, OracleHereTrait, by, enter};
use crate::clearinghouse::tests::setup::{
    BTC, BTC_PRICE, ETH, ETH_PRICE, GRACE, House, ONE, USD, after, assert_balanced, buying, clear,
    collateral, fund, go_up_to, liquidated, move_to, open, outflow_params, person, refusal, refused,
    report, report_one, safe, size, trade, waterfall_params,
};
use crate::oracle::interface::MarketStatus;

const PEOPLE: [felt252; 5] = ['alice', 'bob', 'carol', 'dave', 'vault'];
const VALUE: i128 = 10_000_000_000_000_000;
const CAP: u64 = 1_000_000_000;

fn capped(house: House, loss_cap: u64) {
    by('admin');
    house.venue.configure_waterfall(WaterfallParams { loss_cap, ..waterfall_params() });
}

/// alice is long 8 BTC with V = 992; bob, rich enough to stay, is short. The vault has 10,000 USD
/// and may lose 1,000.
fn leveraged() -> House {
    let house = open();
    capped(house, CAP);
    fund(house, 'bob', 9_000);
    fund(house, 'vault', 10_000);
    trade(house, BTC, 'alice', 'bob', 8 * ONE, BTC_PRICE);
    house
}

/// At 860: V = -128, R = 344.
fn insolvent() -> House {
    let house = leveraged();
    move_to(house, 860 * ONE, ETH_PRICE);
    clear(house);
    house
}

/// Time with marks as they are.
fn rounds(house: House, secs: u64) {
    let until = get_block_timestamp() + secs;
    while get_block_timestamp() != until {
        let step = core::cmp::min(until - get_block_timestamp(), 30);
        after(step);
        report(house, house.oracle.mark(0).price, house.oracle.mark(1).price, 0);
    }
}

fn backstopped(house: House) -> Backstopped {
    let mut last = None;
    while let Some(event) = pop_log::<Clearinghouse::Event>(house.venue.address) {
        if let Clearinghouse::Event::Backstopped(event) = event {
            last = Some(event);
        }
    }
    last.expect('nobody was backstopped')
}

fn deleveraged(house: House) -> Array<Deleveraged> {
    let mut all = array![];
    while let Some(event) = pop_log::<Clearinghouse::Event>(house.venue.address) {
        if let Clearinghouse::Event::Deleveraged(event) = event {
            all.append(event);
        }
    }
    all
}

#[test]
fn the_vault_takes_an_insolvent_account_at_the_bankruptcy_price() {
    let house = insolvent();
    by('carol');
    house.venue.backstop(0, person('alice'));
    let event = backstopped(house);
    assert!(event.account == person('alice') && event.vault == person('vault'));
    assert!(event.caller == person('carol') && event.market == 0);
    assert!(event.size == 800_000_000 && event.remaining == 0);
    assert!(event.mark == 860 * ONE && event.checkpoint == 860 * ONE);
    assert!(event.value_before == -128 * VALUE);
    assert!(event.requirement_before == 3_440_000_000_000_000_000);
    assert!(event.value_checkpoint == -128 * VALUE);
    assert!(event.requirement_checkpoint == 3_440_000_000_000_000_000);
    assert!(event.value_after == 0 && event.requirement_after == 0);
    // 6,880 at the mark and the 128 that are missing: 876 for one, where V was 0.
    assert!(event.quote == 7_008_000_000 && event.loss == 128_000_000 && event.insurance == 0);
    assert!(event.discount == 0 && event.penalty == 0 && event.remainder == 0);
    assert!(collateral(house, 'alice') == 0);
    assert!(house.venue.account(person('alice')).open_markets == 0);
    assert!(size(house, 'vault', 0) == 800_000_000);
    assert!(collateral(house, 'vault') == 10_000_000_000 - 7_008_000_000);
    let losses = house.venue.loss_bucket();
    assert!(losses.level == 128_000_000 && losses.room == 872_000_000);
    let debt = BadDebt { vault: 128_000_000, insurance: 0, deleveraged: 0 };
    assert!(house.venue.bad_debt() == debt);
    assert!(house.venue.open_interest(0).long == 8 * ONE);
    assert_balanced(house, PEOPLE.span());
}

#[test]
fn a_short_goes_the_same_way() {
    let house = open();
    capped(house, CAP);
    fund(house, 'bob', 9_000);
    fund(house, 'vault', 10_000);
    trade(house, BTC, 'bob', 'alice', 8 * ONE, BTC_PRICE);
    // V = 1,000 - 8 x 140 = -120.
    move_to(house, 1_140 * ONE, ETH_PRICE);
    clear(house);
    by('carol');
    house.venue.backstop(0, person('alice'));
    let event = backstopped(house);
    assert!(event.size == -800_000_000 && event.loss == 120_000_000);
    assert!(event.quote == -9_000_000_000 && collateral(house, 'alice') == 0);
    assert!(collateral(house, 'vault') == 10_000_000_000 + 9_000_000_000);
    assert_balanced(house, PEOPLE.span());
}

#[test]
#[feature("safe_dispatcher")]
fn the_cap_is_to_the_unit_and_insurance_pays_what_it_does_not_allow() {
    let house = insolvent();
    capped(house, 128_000_000);
    by('carol');
    house.venue.backstop(0, person('alice'));
    assert!(collateral(house, 'alice') == 0);

    let house = insolvent();
    capped(house, 127_999_999);
    by('carol');
    house.venue.backstop(0, person('alice'));
    // One lot less: 0.16 USD of bankruptcy each.
    assert!(size(house, 'alice', 0) == 1_000_000 && size(house, 'vault', 0) == 799_000_000);
    assert!(house.venue.loss_bucket().room == 159_999);
    by('carol');
    let safe = safe(house);
    refused(safe.backstop(0, person('alice')), 'BACKSTOP: beyond the loss cap');
    house.venue.fund_insurance(1);
    clear(house);
    house.venue.backstop(0, person('alice'));
    let event = backstopped(house);
    assert!(event.loss == 159_999 && event.insurance == 1);
    assert!(house.venue.ledger().insurance == 0 && collateral(house, 'alice') == 0);
    let debt = BadDebt { vault: 127_999_999, insurance: 1, deleveraged: 0 };
    assert!(house.venue.bad_debt() == debt);
    assert_balanced(house, PEOPLE.span());
}

#[test]
fn another_cap_leaves_what_has_run_out_so_far() {
    let house = insolvent();
    by('carol');
    house.venue.backstop(0, person('alice'));
    // A twentieth of the window: of 128 a twentieth of 1,000 has run out.
    after(4_320);
    capped(house, 10 * CAP);
    assert!(house.venue.loss_bucket().level == 78_000_000);
    after(432);
    assert!(house.venue.loss_bucket().level == 28_000_000);
}

#[test]
fn the_line_is_a_third_and_a_sighting_before_it() {
    let house = leveraged();
    // 3V = R lies between these two.
    move_to(house, 89_084_745_762, ETH_PRICE);
    by('carol');
    house.venue.backstop(0, person('alice'));
    assert!(size(house, 'vault', 0) == 800_000_000);

    let house = leveraged();
    move_to(house, 89_084_745_763, ETH_PRICE);
    by('carol');
    house.venue.backstop(0, person('alice'));
    assert!(size(house, 'vault', 0) == 0);
    assert!(house.venue.seen_under_water(person('alice')) == get_block_timestamp());
}

#[test]
#[feature("safe_dispatcher")]
fn who_is_untouched_for_long_enough_is_taken_for_the_usual_costs() {
    let house = leveraged();
    move_to(house, 920 * ONE, ETH_PRICE);
    let safe = safe(house);
    by('carol');
    house.venue.backstop(0, person('alice'));
    rounds(house, 119);
    by('carol');
    refused(safe.backstop(0, person('alice')), 'BACKSTOP: too early');
    rounds(house, 1);
    clear(house);
    by('carol');
    house.venue.backstop(0, person('alice'));
    // V = 352: 0.5% of 7,360 to the vault, 1% to insurance, the rest is alice's.
    let event = backstopped(house);
    assert!(event.discount == 36_800_000 && event.penalty == 73_600_000 && event.loss == 0);
    assert!(collateral(house, 'alice') == 241_600_000);
    assert!(house.venue.ledger().insurance == 73_600_000);
    assert!(house.venue.seen_under_water(person('alice')) == 0);
    assert!(house.venue.loss_bucket().level == 0);
    assert_balanced(house, PEOPLE.span());
}

#[test]
fn a_sighting_ends_with_a_liquidation_with_time_and_with_a_reopening() {
    let house = leveraged();
    move_to(house, 890 * ONE, ETH_PRICE);
    capped(house, 0);
    move_to(house, 900 * ONE, ETH_PRICE);
    by('carol');
    house.venue.backstop(0, person('alice'));
    assert!(house.venue.seen_under_water(person('alice')) != 0);
    by('carol');
    house.venue.liquidate(0, LiquidationRequest { max_size: ONE, ..buying('alice', 0) });
    assert!(house.venue.seen_under_water(person('alice')) == 0);

    let house = leveraged();
    move_to(house, 920 * ONE, ETH_PRICE);
    by('carol');
    house.venue.backstop(0, person('alice'));
    rounds(house, 241);
    by('carol');
    house.venue.backstop(0, person('alice'));
    assert!(house.venue.seen_under_water(person('alice')) == get_block_timestamp());
    by('guardian');
    house.venue.set_mode(Mode::PostOnly, 0);
    go_up_to(house, Mode::Full);
    rounds(house, GRACE);
    by('carol');
    house.venue.backstop(0, person('alice'));
    assert!(house.venue.seen_under_water(person('alice')) == get_block_timestamp());
    assert!(size(house, 'vault', 0) == 0);
}

#[test]
#[ignore]
#[feature("safe_dispatcher")]
fn the_backstop_is_for_others_in_full_after_grace_on_two_marks() {
    let house = leveraged();
    let safe = safe(house);
    let alice = person('alice');
    by('carol');
    refused(safe.backstop(0, alice), 'BACKSTOP: healthy');
    refused(safe.backstop(0, person('dave')), 'BACKSTOP: healthy');
    refused(safe.backstop(0, person('vault')), 'BACKSTOP: the vault');
    refused(safe.backstop(1, alice), 'EPOCH: another epoch');
    refused(safe.liquidate(0, buying('vault', 0)), 'LIQUIDATION: the vault');
    by('alice');
    refused(safe.backstop(0, alice), 'BACKSTOP: own account');
    after(10);
    report(house, 860 * ONE, ETH_PRICE, 0);
    by('carol');
    refused(safe.backstop(0, alice), 'BACKSTOP: was healthy');
    after(10);
    report(house, 860 * ONE, ETH_PRICE, 0);
    let others = array![person('bob')].span();
    for mode in array![Mode::PostOnly, Mode::CancelOnly, Mode::Halted] {
        by('guardian');
        house.venue.set_mode(mode, 0);
        by('carol');
        refused(safe.backstop(0, alice), 'MODE: not allowed');
        by('operator');
        refused(safe.deleverage(0, alice, 0, others), 'MODE: not allowed');
    }
    go_up_to(house, Mode::Full);
    by('carol');
    refused(safe.backstop(0, alice), 'LIQUIDATION: venue in grace');
    by('operator');
    refused(safe.deleverage(0, alice, 0, others), 'LIQUIDATION: venue in grace');
    rounds(house, GRACE);
    by('carol');
    house.venue.backstop(0, alice);
    assert!(size(house, 'vault', 0) == 800_000_000);
}

#[test]
#[feature("safe_dispatcher")]
fn a_market_that_is_not_valid_stays_with_its_account() {
    let house = leveraged();
    move_to(house, 860 * ONE, ETH_PRICE);
    by('admin');
    house.oracle.freeze(0);
    assert!(house.oracle.mark(0).status == MarketStatus::Frozen);
    by('carol');
    // At the anchor, 1,000, it is healthy.
    refused(safe(house).backstop(0, person('alice')), 'BACKSTOP: healthy');
    by('operator');
    let others = array![person('bob')].span();
    let safe = safe(house);
    refused(safe.deleverage(0, person('alice'), 0, others), 'LIQUIDATION: market not valid');
}

/// The outflow quota is in nobody's way.
fn unlimited(house: House) {
    by('admin');
    house
        .venue
        .configure_outflow(OutflowParams { outflow_limit: 1_000_000 * USD, ..outflow_params() });
}

#[test]
#[feature("safe_dispatcher")]
fn the_vault_takes_no_more_than_its_margin_and_caps_allow() {
    let house = insolvent();
    unlimited(house);
    by('vault');
    house.venue.withdraw(0, 9_200 * USD);
    by('carol');
    // 800 less 128 do not carry 688.
    refused(safe(house).backstop(0, person('alice')), 'BACKSTOP: vault margin');
    fund(house, 'vault', 16);
    by('carol');
    house.venue.backstop(0, person('alice'));
    let margin = house.venue.margin_of(person('vault'));
    assert!(margin.value == 688 * VALUE && margin.initial == 688 * VALUE);
}

#[test]
fn several_positions_keep_their_ratio_one_after_the_other() {
    let house = leveraged();
    trade(house, ETH, 'alice', 'bob', 10 * ONE, ETH_PRICE);
    // V = 991 - 8 x 140 + 10 x 0 = -129.
    move_to(house, 860 * ONE, ETH_PRICE);
    capped(house, 100_000_000);
    clear(house);
    by('carol');
    house.venue.backstop(0, person('alice'));
    // BTC goes for 344 / 394 of what is missing, 112.6: 7.1 BTC are 99.9.
    assert!(size(house, 'vault', 0) > 0 && size(house, 'alice', 0) > 0);
    let margin = house.venue.margin_of(person('alice'));
    // V/R is what it was: -129 / 394.
    assert!(margin.value * 394 >= -129 * margin.maintenance);
    assert!(margin.value * 394 <= -129 * margin.maintenance + 394 * 20_000_000_000);
    assert!(house.venue.loss_bucket().level <= 100_000_000);
    assert_balanced(house, PEOPLE.span());
    capped(house, 1_000_000_000);
    by('carol');
    house.venue.backstop(0, person('alice'));
    assert!(house.venue.account(person('alice')).open_markets == 0);
    let left = collateral(house, 'alice');
    assert!(left >= 0 && left <= 4);
    assert_balanced(house, PEOPLE.span());
}

#[test]
#[feature("safe_dispatcher")]
fn the_backstop_is_rationed_too() {
    let house = insolvent();
    by('admin');
    house
        .venue
        .configure_waterfall(
            WaterfallParams {
                storm_bps: 0, storm_floor: 2_000_000_000, loss_cap: CAP, ..waterfall_params(),
            },
        );
    by('carol');
    house.venue.backstop(0, person('alice'));
    // A fifth of 8 BTC: 1,376 USD.
    assert!(size(house, 'vault', 0) == 160_000_000 && house.venue.storm(0).dry);
    by('carol');
    house.venue.backstop(0, person('alice'));
    // Lots in what is left: 624 USD.
    assert!(size(house, 'vault', 0) == 232_000_000);
    by('carol');
    refused(safe(house).backstop(0, person('alice')), 'STORM: nothing left');
    by('operator');
    let others = array![person('bob')].span();
    refused(safe(house).deleverage(0, person('alice'), 0, others), 'STORM: nothing left');
    assert_balanced(house, PEOPLE.span());
}

/// The vault has nothing: bob and carol are short 4 each, carol with less behind it.
fn unsupported() -> House {
    let house = open();
    fund(house, 'bob', 9_000);
    for name in array!['bob', 'carol'] {
        after(1);
        trade(house, BTC, 'alice', name, 4 * ONE, BTC_PRICE);
    }
    move_to(house, 860 * ONE, ETH_PRICE);
    clear(house);
    house
}

#[test]
#[ignore]
#[feature("safe_dispatcher")]
fn counterparties_close_at_the_bankruptcy_price_the_most_leveraged_first() {
    let house = unsupported();
    let safe = safe(house);
    let alice = person('alice');
    let (bob, carol) = (person('bob'), person('carol'));
    by('operator');
    refused(safe.deleverage(0, alice, 0, array![bob, carol].span()), 'DELEVERAGE: out of rank');
    refused(safe.deleverage(0, alice, 0, array![].span()), 'DELEVERAGE: no counterparty');
    refused(safe.deleverage(0, alice, 0, array![alice].span()), 'DELEVERAGE: not the other side');
    refused(
        safe.deleverage(0, alice, 0, array![person('dave')].span()),
        'DELEVERAGE: not the other side',
    );
    refused(safe.deleverage(0, alice, 1, array![carol].span()), 'DELEVERAGE: no position');
    refused(safe.deleverage(0, alice, 200, array![carol].span()), 'DELEVERAGE: no position');
    refused(safe.deleverage(1, alice, 0, array![carol].span()), 'EPOCH: another epoch');
    refused(safe.deleverage(0, bob, 0, array![alice].span()), 'DELEVERAGE: not bankrupt');
    let before = (collateral(house, 'bob'), collateral(house, 'carol'));
    by('operator');
    house.venue.deleverage(0, alice, 0, array![carol, bob].span());
    let events = deleveraged(house);
    let (first, second) = (events[0], events[1]);
    assert!(*first.counterparty == carol && *second.counterparty == bob);
    assert!(*first.size == 400_000_000 && *first.remaining == 400_000_000);
    assert!(*first.counterparty_remaining == 0 && *second.remaining == 0);
    assert!(*first.value_before == -128 * VALUE && *first.value_after == -64 * VALUE);
    assert!(*second.value_after == 0 && *second.requirement_after == 0);
    // 172 / 1,560 and 172 / 10,560, in millionths.
    assert!(*first.rank == 110_256 && *second.rank == 16_287);
    // 876 for one, where the mark is 860: each lost 64 of what it had won.
    assert!(*first.quote == 3_504_000_000 && *first.loss == 64_000_000);
    assert!(*first.counterparty_value_before == 1_560 * VALUE);
    assert!(*first.counterparty_value_after == 1_496 * VALUE);
    let (bob_before, carol_before) = before;
    assert!(collateral(house, 'carol') == carol_before - 3_504_000_000);
    assert!(collateral(house, 'bob') == bob_before - 3_504_000_000);
    assert!(collateral(house, 'alice') == 0 && house.venue.open_interest(0).long == 0);
    let debt = BadDebt { vault: 0, insurance: 0, deleveraged: 128_000_000 };
    assert!(house.venue.bad_debt() == debt);
    assert_balanced(house, PEOPLE.span());
}

#[test]
fn a_part_leaves_the_rest_as_far_under_water() {
    let house = unsupported();
    by('operator');
    house.venue.deleverage(0, person('alice'), 0, array![person('carol')].span());
    let margin = house.venue.margin_of(person('alice'));
    assert!(margin.value == -64 * VALUE && margin.maintenance == 172 * VALUE);
    assert!(size(house, 'bob', 0) == -400_000_000);
    assert_balanced(house, PEOPLE.span());
}

#[test]
#[feature("safe_dispatcher")]
fn deleveraging_comes_after_the_backstop_and_insurance() {
    let house = insolvent();
    let alice = person('alice');
    let others = array![person('bob')].span();
    by('operator');
    refused(safe(house).deleverage(0, alice, 0, others), 'DELEVERAGE: the backstop first');
    capped(house, 0);
    by('carol');
    house.venue.fund_insurance(160_000);
    by('operator');
    // A lot is what insurance can pay.
    refused(safe(house).deleverage(0, alice, 0, others), 'DELEVERAGE: the backstop first');
    by('carol');
    house.venue.backstop(0, alice);
    assert!(house.venue.ledger().insurance == 0 && size(house, 'vault', 0) == 1_000_000);
    by('operator');
    house.venue.deleverage(0, alice, 0, others);
    assert!(size(house, 'alice', 0) == 0 && size(house, 'bob', 0) == -1_000_000);
    assert_balanced(house, PEOPLE.span());
}

#[test]
#[feature("safe_dispatcher")]
fn the_vault_is_deleveraged_at_the_mark_once_it_is_under_water() {
    let house = insolvent();
    by('carol');
    house.venue.backstop(0, person('alice'));
    let (vault, others) = (person('vault'), array![person('bob')].span());
    by('operator');
    refused(safe(house).deleverage(0, vault, 0, others), 'DELEVERAGE: not bankrupt');
    unlimited(house);
    by('vault');
    house.venue.withdraw(0, 9_000 * USD);
    // V = 872 - 8 x 80 = 232, R = 312.
    move_to(house, 780 * ONE, ETH_PRICE);
    by('carol');
    refused(safe(house).liquidate(0, buying('vault', 0)), 'LIQUIDATION: the vault');
    clear(house);
    by('operator');
    house.venue.deleverage(0, vault, 0, others);
    let events = deleveraged(house);
    assert!(*events[0].loss == 0 && *events[0].quote == 6_240_000_000);
    assert!(size(house, 'vault', 0) == 0 && collateral(house, 'vault') == 232_000_000);
    assert_balanced(house, PEOPLE.span());
}

#[test]
#[feature("safe_dispatcher")]
fn a_debt_without_a_position_is_insurances() {
    let house = leveraged();
    // As a settlement can leave an account: dave owes 50 USD that bob has.
    let before = enter(house.venue.address);
    let mut contract = Clearinghouse::contract_state_for_testing();
    let state = contract.state.as_path();
    for (name, change) in array![('dave', -50_000_000_i128), ('bob', 50_000_000)] {
        let slot = read_account(state.as_non_mut(), person(name));
        let collateral = slot.collateral + change;
        write_account(state, person(name), AccountSlot { collateral, ..slot });
    }
    set_contract_address(before);
    by('carol');
    refused(safe(house).backstop(0, person('dave')), 'BACKSTOP: no insurance');
    house.venue.fund_insurance(20_000_000);
    clear(house);
    house.venue.backstop(0, person('dave'));
    let mut paid: Option<DebtPaid> = None;
    while let Some(event) = pop_log::<Clearinghouse::Event>(house.venue.address) {
        if let Clearinghouse::Event::DebtPaid(event) = event {
            paid = Some(event);
        }
    }
    let paid = paid.expect('nothing was paid');
    assert!(paid.account == person('dave') && paid.amount == 20_000_000);
    assert!(paid.left == 30_000_000 && collateral(house, 'dave') == -30_000_000);
    assert!(house.venue.ledger().insurance == 0);
    assert!(house.venue.bad_debt().insurance == 20_000_000);
    assert_balanced(house, PEOPLE.span());
}

#[test]
fn a_market_in_grace_asks_for_nothing_and_protects_nothing_else() {
    let house = leveraged();
    trade(house, ETH, 'alice', 'bob', 5 * ONE, ETH_PRICE);
    // V = 991.5 - 620 = 371.5; R is 369 for BTC and 25 for ETH.
    for _ in 0..5_u8 {
        after(20);
        report_one(house, 0, 92_250_000_000, 0);
    }
    assert!(house.oracle.mark(1).status == MarketStatus::Stale);
    for _ in 0..2_u8 {
        after(20);
        report(house, 92_250_000_000, ETH_PRICE, 0);
    }
    clear(house);
    by('carol');
    house.venue.liquidate_many(0, array![buying('alice', 0)].span());
    assert!(refusal(house) == Some('LIQUIDATION: healthy'));
    // At 921 BTC alone is enough.
    after(10);
    report(house, 921 * ONE, ETH_PRICE, 0);
    after(10);
    report(house, 921 * ONE, ETH_PRICE, 0);
    assert!(get_block_timestamp() < house.oracle.mark(1).valid_since + GRACE);
    clear(house);
    by('carol');
    house.venue.liquidate(0, buying('alice', 0));
    let event = liquidated(house);
    assert!(event.value_before == 3_595_000_000_000_000_000);
    assert!(event.requirement_before == 3_684_000_000_000_000_000);
    assert_balanced(house, PEOPLE.span());
}
