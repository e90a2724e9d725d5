//! The table of modes on the entry points themselves.

use starknet::get_block_timestamp;
use starknet::testing::pop_log;
use crate::clearinghouse::contract::Clearinghouse;
use crate::clearinghouse::interface::{
    Fill, IClearinghouseSafeDispatcherTrait, MarketParams, Mode, Order,
};
use crate::clearinghouse::tests::here::{HereTrait, OracleHereTrait, TokenHereTrait, by};
use crate::clearinghouse::tests::setup::{
    BTC, BTC_PRICE, DWELL, ETH_PRICE, House, ONE, USD, accepted, after, assert_balanced,
    assert_refused, buying, clear, collateral, fill, go_up_to, guard, list, listed, mint, one_tier,
    open, order, params, person, refused, report, safe, settle, trade, try_fill, venue_params,
};
use crate::oracle::interface::MarketStatus;
use crate::rules::modes::rank;

const PEOPLE: [felt252; 4] = ['alice', 'bob', 'carol', 'dave'];

/// alice is long 4, bob short 4; then down to `mode`.
fn lowered_to(mode: Mode) -> House {
    let house = open();
    trade(house, BTC, 'alice', 'bob', 4 * ONE, BTC_PRICE);
    after(1);
    if mode != Mode::Full {
        by('guardian');
        house.venue.set_mode(mode, 0);
    }
    assert!(house.venue.mode() == mode);
    house
}

fn modes() -> Array<Mode> {
    array![Mode::Halted, Mode::CancelOnly, Mode::PostOnly, Mode::Full]
}

fn bid(house: House, name: felt252, salt: felt252) -> Order {
    Order { salt, ..order(house, name, true, ONE, BTC_PRICE) }
}

fn ask(house: House, name: felt252, salt: felt252) -> Order {
    Order { salt, ..order(house, name, false, ONE, BTC_PRICE) }
}

fn posted(order: Order) -> Order {
    Order { post_only: true, ..order }
}

#[test]
#[ignore]
fn always_cancel_register_revoke_configure_and_list() {
    for mode in modes() {
        let house = lowered_to(mode);
        by('alice');
        house.venue.cancel(bid(house, 'alice', 1));
        house.venue.cancel_all();
        house.venue.approve_order(bid(house, 'alice', 2));
        let key = 0x335578e702fb8e1835ef12342af7deda51c21e030dfce0dad3283880f4f8427;
        house.venue.register_trading_key(key, get_block_timestamp() + 1);
        house.venue.revoke_trading_key(key);
        by('admin');
        house.venue.configure_venue(venue_params());
        let lower = MarketParams { tiers: one_tier(900, 400), ..params() };
        house.venue.configure_market(0, lower);
        house.oracle.list_market('X', guard());
        house.venue.list_market('X', params());
        assert!(house.venue.mode() == mode && house.venue.market_params(0) == lower);
    }
}

#[test]
#[ignore]
#[feature("safe_dispatcher")]
fn money_moves_but_in_halted() {
    for mode in modes() {
        let house = lowered_to(mode);
        mint(house, 'dave', 10);
        by('dave');
        house.venue.deposit_for(person('dave'), 10 * USD);
        let halted = mode == Mode::Halted;
        assert!((collateral(house, 'dave') == 0) == halted);
        by('alice');
        if halted {
            refused(safe(house).withdraw(0, USD), 'MODE: halted');
            refused(safe(house).fund_insurance(USD), 'MODE: halted');
        } else {
            house.venue.withdraw(0, USD);
            house.venue.fund_insurance(USD);
        }
        assert_balanced(house, PEOPLE.span());
    }
}

/// Five fills: both reduce; the taker reduces and a post-only maker opens; the same without
/// post-only; the maker reduces and the taker opens; both open.
fn five(house: House) -> Span<Fill> {
    let mut fills = array![];
    for (maker, taker) in array![
        (bid(house, 'bob', 1), ask(house, 'alice', 1)),
        (posted(bid(house, 'carol', 2)), ask(house, 'alice', 2)),
        (bid(house, 'carol', 3), ask(house, 'alice', 3)),
        (posted(ask(house, 'alice', 4)), bid(house, 'carol', 4)),
        (posted(ask(house, 'bob', 5)), bid(house, 'carol', 5)),
    ] {
        fills.append(fill(house, maker, taker, ONE, BTC_PRICE));
    }
    fills.span()
}

#[test]
#[ignore]
#[feature("safe_dispatcher")]
fn fills_by_mode() {
    let house = lowered_to(Mode::Halted);
    let fills = five(house);
    by('operator');
    refused(safe(house).settle(0, fills), 'MODE: halted');
    for (mode, settled) in array![
        (Mode::CancelOnly, array![0]), (Mode::PostOnly, array![0, 1]),
        (Mode::Full, array![0, 1, 2, 3, 4]),
    ] {
        let house = lowered_to(mode);
        let fills = five(house);
        clear(house);
        settle(house, fills);
        let mut count = settled.len();
        while let Some(event) = pop_log::<Clearinghouse::Event>(house.venue.address) {
            if let Clearinghouse::Event::FillRefused(refused) = event {
                assert!(refused.index == count, "{:?} {}", mode, refused.index);
                assert!(refused.reason == 'MODE: fill not allowed');
                count += 1;
            }
        }
        assert!(count == 5);
        assert_balanced(house, PEOPLE.span());
    }
}

#[test]
fn below_full_the_band_is_narrow() {
    // 5 bps of 1,000 are 0.5.
    let near = BTC_PRICE + ONE / 2;
    let far = near + ONE / 100;
    for mode in array![Mode::CancelOnly, Mode::PostOnly, Mode::Full] {
        let house = lowered_to(mode);
        let back = |salt: felt252| -> Order {
            Order { limit_price: far, ..bid(house, 'bob', salt) }
        };
        let fills = array![
            fill(house, back(1), ask(house, 'alice', 1), ONE, near),
            fill(house, back(2), ask(house, 'alice', 2), ONE, far),
        ];
        let reasons = if mode == Mode::Full {
            array![]
        } else {
            array!['FILL: outside the band']
        };
        assert_refused(house, fills.span(), reasons.span());
    }
}

#[test]
#[ignore]
#[feature("safe_dispatcher")]
fn liquidations_in_full_only() {
    for mode in modes() {
        let house = lowered_to(mode);
        by('carol');
        let reason = if mode == Mode::Full {
            'LIQUIDATION: healthy'
        } else {
            'MODE: not allowed'
        };
        refused(safe(house).liquidate(0, buying('alice', 0)), reason);
    }
}

#[test]
#[ignore]
#[feature("safe_dispatcher")]
fn fractions_are_raised_in_halted_and_cancel_only() {
    for mode in modes() {
        let house = lowered_to(mode);
        by('admin');
        let raised = MarketParams { tiers: one_tier(1_001, 500), ..params() };
        if rank(mode) <= rank(Mode::CancelOnly) {
            house.venue.configure_market(0, raised);
            assert!(house.venue.market_params(0) == raised);
        } else {
            refused(safe(house).configure_market(0, raised), 'MODE: raises fractions');
            assert!(house.venue.market_params(0) == params());
        }
    }
}

#[test]
#[feature("safe_dispatcher")]
fn down_at_once_by_three_and_up_by_the_admin_alone() {
    for (name, to) in array![
        ('admin', Mode::PostOnly), ('guardian', Mode::CancelOnly), ('sentinel', Mode::Halted),
        ('guardian', Mode::Halted),
    ] {
        let house = open();
        by(name);
        house.venue.set_mode(to, 0);
        assert!(house.venue.mode() == to);
        if name != 'admin' {
            after(DWELL);
            report(house, BTC_PRICE, ETH_PRICE, 0);
            by(name);
            let up = crate::rules::modes::from_rank(rank(to) + 1).unwrap();
            refused(safe(house).set_mode(up, 'report'), 'ACCESS: not the admin');
        }
    }
}

#[test]
#[ignore]
#[feature("safe_dispatcher")]
fn up_one_step_at_a_time_after_a_while_with_a_report() {
    let house = listed();
    let safe = safe(house);
    assert!(house.venue.mode() == Mode::Halted);
    after(DWELL - 1);
    report(house, BTC_PRICE, ETH_PRICE, 0);
    by('admin');
    refused(safe.set_mode(Mode::CancelOnly, 'report'), 'MODE: dwell time');
    after(1);
    refused(safe.set_mode(Mode::CancelOnly, 0), 'MODE: no integrity report');
    refused(safe.set_mode(Mode::PostOnly, 'report'), 'MODE: one step up at a time');
    refused(safe.set_mode(Mode::Full, 'report'), 'MODE: one step up at a time');
    refused(safe.set_mode(Mode::Halted, 'report'), 'MODE: one step up at a time');
    accepted(safe.set_mode(Mode::CancelOnly, 'report'));
    // The dwell time is counted from this step.
    refused(safe.set_mode(Mode::PostOnly, 'report'), 'MODE: dwell time');
    refused(safe.set_mode(Mode::Full, 'report'), 'MODE: one step up at a time');
    go_up_to(house, Mode::Full);
    assert!(house.venue.mode() == Mode::Full);
    // And anew from a step down.
    by('guardian');
    house.venue.set_mode(Mode::PostOnly, 0);
    by('admin');
    refused(safe.set_mode(Mode::Full, 'report'), 'MODE: dwell time');
}

#[test]
#[feature("safe_dispatcher")]
fn up_only_while_every_market_is_valid() {
    let house = listed();
    let safe = safe(house);
    after(DWELL);
    report(house, BTC_PRICE, ETH_PRICE, 0);
    by('admin');
    house.oracle.freeze(1);
    refused(safe.set_mode(Mode::CancelOnly, 'report'), 'MODE: market not valid');
    after(60);
    house.oracle.release(1);
    refused(safe.set_mode(Mode::CancelOnly, 'report'), 'MODE: market not valid');
    report(house, BTC_PRICE, ETH_PRICE, 0);
    by('admin');
    house.venue.set_mode(Mode::CancelOnly, 'report');
    after(91);
    assert!(house.oracle.mark(0).status == MarketStatus::Stale);
    refused(safe.set_mode(Mode::PostOnly, 'report'), 'MODE: market not valid');
    // A market that only the oracle lists is none of the venue's.
    house.oracle.list_market('X', guard());
    report(house, BTC_PRICE, ETH_PRICE, 0);
    by('admin');
    house.venue.set_mode(Mode::PostOnly, 'report');
    list(house, 3, 'Y');
    after(DWELL);
    report(house, BTC_PRICE, ETH_PRICE, 0);
    by('admin');
    refused(safe.set_mode(Mode::Full, 'report'), 'MODE: market not valid');
}

#[test]
#[feature("safe_dispatcher")]
fn up_only_while_the_ledger_is_the_balance() {
    let house = listed();
    after(DWELL);
    report(house, BTC_PRICE, ETH_PRICE, 0);
    mint(house, 'dave', 1);
    by('dave');
    house.token.transfer(house.venue.address, 1);
    by('admin');
    let refusal = safe(house).set_mode(Mode::CancelOnly, 'report');
    refused(refusal, 'MODE: ledger is not the balance');
    assert!(house.venue.book_surplus() == 1);
    house.venue.set_mode(Mode::CancelOnly, 'report');
}

#[test]
#[feature("safe_dispatcher")]
fn silence_lowers_the_mode_and_its_end_stores_it() {
    let house = lowered_to(Mode::Full);
    after(119);
    assert!(house.venue.mode() == Mode::Full);
    after(1);
    assert!(house.venue.mode() == Mode::CancelOnly);
    // What CancelOnly allows goes on at the last good mark; the rest does not.
    let opening = fill(house, ask(house, 'bob', 1), bid(house, 'carol', 1), ONE, BTC_PRICE);
    let closing = fill(house, bid(house, 'bob', 2), ask(house, 'alice', 2), ONE, BTC_PRICE);
    assert_refused(house, array![opening].span(), array!['FILL: market is not valid'].span());
    assert_refused(house, array![closing].span(), array![].span());
    by('admin');
    house.venue.configure_market(0, MarketParams { tiers: one_tier(1_001, 500), ..params() });
    report(house, BTC_PRICE, ETH_PRICE, 0);
    assert!(!house.oracle.silent());
    assert!(house.venue.mode() == Mode::CancelOnly);
    by('admin');
    refused(safe(house).set_mode(Mode::PostOnly, 'report'), 'MODE: dwell time');
    go_up_to(house, Mode::Full);
    assert!(house.venue.mode() == Mode::Full);
}

#[test]
fn silence_in_halted_stays_halted() {
    let house = lowered_to(Mode::Halted);
    after(500);
    report(house, BTC_PRICE, ETH_PRICE, 0);
    assert!(house.venue.mode() == Mode::Halted);
}

#[test]
#[ignore]
#[feature("safe_dispatcher")]
fn a_new_epoch_halts_and_ends_what_was_signed_before() {
    let house = lowered_to(Mode::Full);
    let safe = safe(house);
    let old = fill(house, ask(house, 'bob', 1), bid(house, 'carol', 1), ONE, BTC_PRICE);
    by('bridge');
    refused(safe.set_epoch(0), 'EPOCH: only rises');
    house.oracle.set_epoch(2);
    house.venue.set_epoch(2);
    assert!(house.venue.epoch() == 2 && house.venue.mode() == Mode::Halted);
    refused(safe.set_epoch(2), 'EPOCH: only rises');
    go_up_to(house, Mode::Full);
    by('alice');
    refused(safe.withdraw(0, 1), 'EPOCH: another epoch');
    by('carol');
    refused(safe.liquidate(0, buying('alice', 0)), 'EPOCH: another epoch');
    by('operator');
    refused(safe.settle(0, array![old].span()), 'EPOCH: another epoch');
    assert_refused(house, array![old].span(), array!['ORDER: another epoch'].span());
    let asked = Order { epoch: 2, ..ask(house, 'bob', 1) };
    let wanted = Order { epoch: 2, ..bid(house, 'carol', 1) };
    assert!(try_fill(house, asked, wanted, ONE, BTC_PRICE).is_none());
    // While Halted it only counts.
    by('guardian');
    house.venue.set_mode(Mode::Halted, 0);
    by('bridge');
    house.venue.set_epoch(3);
    assert!(house.venue.epoch() == 3 && house.venue.mode() == Mode::Halted);
}
