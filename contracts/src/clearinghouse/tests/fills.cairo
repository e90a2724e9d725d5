//! What settles, and each reason why a fill does not.

use starknet::get_block_timestamp;
use crate::clearinghouse::interface::{
    Fill, IClearinghouseSafeDispatcherTrait, MarginTier, MarketParams, Mode, Order, SignedOrder,
};
use crate::clearinghouse::tests::here::{HereTrait, OracleHereTrait, by};
use crate::clearinghouse::tests::setup::{
    BTC, BTC_PRICE, ETH, ETH_PRICE, House, ONE, UNSIGNED, USD, after, assert_balanced,
    assert_refused, clear, collateral, fill, fund, go_up_to, list, move_to, one_tier, open, order,
    params, person, refused, report, report_one, safe, settle, settled, size, trade, try_fill,
};
use crate::oracle::interface::MarketStatus;

const PEOPLE: [felt252; 3] = ['alice', 'bob', 'carol'];

fn buy(house: House) -> Order {
    order(house, 'alice', true, ONE, BTC_PRICE)
}

fn sell(house: House) -> Order {
    order(house, 'bob', false, ONE, BTC_PRICE)
}

/// Orders that nobody gave: for what is checked before that.
fn unsigned(maker: Order, taker: Order, size: u64, price: u64) -> Fill {
    Fill {
        maker: SignedOrder { order: maker, signature: UNSIGNED },
        taker: SignedOrder { order: taker, signature: UNSIGNED },
        size,
        price,
    }
}

/// Each of these takers is refused for its reason against bob's offer of one BTC.
fn assert_takers_refused(house: House, cases: Span<(Order, felt252)>) {
    let maker = sell(house);
    let (mut fills, mut reasons) = (array![], array![]);
    for (taker, reason) in cases {
        fills.append(unsigned(maker, *taker, ONE, BTC_PRICE));
        reasons.append(*reason);
    }
    assert_refused(house, fills.span(), reasons.span());
}

#[test]
fn a_fill_moves_size_quote_and_fee() {
    let house = open();
    let fill = fill(house, sell(house), buy(house), ONE, BTC_PRICE);
    clear(house);
    settle(house, array![fill].span());
    let event = settled(house);
    assert!(event.maker == person('bob') && event.taker == person('alice') && event.taker_buys);
    assert!(event.size == ONE && event.price == BTC_PRICE && event.mark == BTC_PRICE);
    assert!(event.maker_size == -100_000_000 && event.taker_size == 100_000_000);
    // 10 bps of 1,000 USD.
    assert!(event.taker_fee == USD && event.maker_fee == 0 && event.remainder == 0);
    assert!(collateral(house, 'alice') == 1_000_000_000 - 1_000_000_000 - 1_000_000);
    assert!(collateral(house, 'bob') == 1_000_000_000 + 1_000_000_000);
    let alice = house.venue.account(person('alice'));
    assert!(alice.open_markets == 1 && (*alice.positions[0]).size == 100_000_000);
    let margin = house.venue.margin_of(person('alice'));
    assert!(margin.value == 999 * 10_000_000_000_000_000);
    assert!(margin.initial == 100 * 10_000_000_000_000_000);
    assert!(margin.maintenance == 50 * 10_000_000_000_000_000);
    assert!(house.venue.ledger().fees == 1_000_000);
    assert_balanced(house, PEOPLE.span());
}

#[test]
fn what_rounding_takes_goes_to_insurance() {
    let house = open();
    by('admin');
    let tiny = MarketParams { lot_size: 1, tick_size: 1, ..params() };
    house.venue.configure_market(0, tiny);
    // 3 x 99,900,000,001 = 299,700,000,003 of 1e-16 USD: 29.97 units.
    let price = 99_900_000_001;
    let sell = Order { limit_price: price, ..sell(house) };
    assert!(try_fill(house, sell, buy(house), 3, price) == None);
    // Bought for 30 and a fee of 1, sold for 29.
    assert!(collateral(house, 'alice') == 1_000_000_000 - 31);
    assert!(collateral(house, 'bob') == 1_000_000_000 + 29);
    assert!(house.venue.ledger().insurance == 1 && house.venue.ledger().fees == 1);
    assert_balanced(house, PEOPLE.span());
}

#[test]
fn a_bad_fill_is_skipped_and_the_others_settle() {
    let house = open();
    let good = fill(house, sell(house), buy(house), ONE, BTC_PRICE);
    let other = Order { salt: 1, ..sell(house) };
    let bad = fill(house, other, Order { salt: 1, max_fee_bps: 9, ..buy(house) }, ONE, BTC_PRICE);
    let third = fill(house, other, Order { salt: 2, ..buy(house) }, ONE, BTC_PRICE);
    let fills = array![good, bad, third].span();
    assert_refused(house, fills, array!['ORDER: fee above its cap'].span());
    assert!(size(house, 'alice', 0) == 200_000_000);
    assert_balanced(house, PEOPLE.span());
}

#[test]
fn an_order_fills_in_parts_and_never_beyond_its_size() {
    let house = open();
    let (buy, sell) = (buy(house), sell(house));
    assert!(try_fill(house, sell, buy, ONE / 4, BTC_PRICE) == None);
    assert!(house.venue.order_filled(house.venue.order_hash(buy)) == ONE / 4);
    let more = Order { size: 2 * ONE, ..sell };
    assert!(try_fill(house, more, buy, ONE, BTC_PRICE) == Some('ORDER: filled or cancelled'));
    assert!(try_fill(house, more, buy, ONE / 4 * 3, BTC_PRICE) == None);
    assert!(try_fill(house, more, buy, ONE / 100, BTC_PRICE) == Some('ORDER: filled or cancelled'));
    assert!(size(house, 'alice', 0) == 100_000_000);
}

#[test]
fn the_two_orders_must_be_a_match() {
    let house = open();
    let (buy, sell) = (buy(house), sell(house));
    assert_takers_refused(
        house,
        array![
            (Order { market: ETH, ..buy }, 'FILL: two markets'),
            (Order { is_buy: false, ..buy }, 'FILL: same side'),
            (Order { account: person('bob'), ..buy }, 'FILL: self trade'),
            (Order { post_only: true, ..buy }, 'FILL: post-only was the taker'),
        ]
            .span(),
    );
    let (buy, sell) = (Order { market: 'X', ..buy }, Order { market: 'X', ..sell });
    let fills = array![unsigned(sell, buy, ONE, BTC_PRICE)].span();
    assert_refused(house, fills, array!['FILL: unknown market'].span());
}

#[test]
fn sizes_and_prices_are_whole_steps() {
    let house = open();
    let (buy, sell) = (buy(house), sell(house));
    assert_refused(
        house,
        array![
            unsigned(sell, buy, 0, BTC_PRICE), unsigned(sell, buy, ONE + 1, BTC_PRICE),
            unsigned(sell, buy, ONE, 0), unsigned(sell, buy, ONE, BTC_PRICE + 1),
        ]
            .span(),
        array![
            'FILL: not whole lots', 'FILL: not whole lots', 'FILL: price off the tick',
            'FILL: price off the tick',
        ]
            .span(),
    );
    assert_takers_refused(
        house,
        array![
            (Order { size: ONE + 1, ..buy }, 'ORDER: not whole lots'),
            (Order { limit_price: 0, ..buy }, 'ORDER: limit off the tick'),
            (Order { limit_price: BTC_PRICE + 1, ..buy }, 'ORDER: limit off the tick'),
            (Order { size: 0, ..buy }, 'ORDER: filled or cancelled'),
        ]
            .span(),
    );
}

#[test]
fn an_order_holds_here_now_and_within_its_limits() {
    let house = open();
    let (buy, sell) = (buy(house), sell(house));
    let tick = ONE / 100;
    assert_takers_refused(
        house,
        array![
            (Order { venue: person('other'), ..buy }, 'ORDER: another venue'),
            (Order { epoch: 1, ..buy }, 'ORDER: another epoch'),
            (Order { expiry: get_block_timestamp(), ..buy }, 'ORDER: expired'),
            (Order { limit_price: BTC_PRICE - tick, ..buy }, 'ORDER: above its limit'),
            (Order { max_fee_bps: 9, ..buy }, 'ORDER: fee above its cap'),
            (Order { account_epoch: 1, ..buy }, 'ORDER: old account epoch'),
            (Order { reduce_only: true, ..buy }, 'ORDER: does not reduce'),
            (Order { size: ONE / 2, ..buy }, 'ORDER: filled or cancelled'),
            (buy, 'ORDER: not approved'),
        ]
            .span(),
    );
    let dear = Order { limit_price: BTC_PRICE + tick, ..sell };
    let fills = array![unsigned(dear, buy, ONE, BTC_PRICE)].span();
    assert_refused(house, fills, array!['ORDER: below its limit'].span());
}

#[test]
fn the_price_is_within_the_band_around_the_mark() {
    let house = open();
    let tick = ONE / 100;
    let (low, high) = (BTC_PRICE / 100 * 95, BTC_PRICE / 100 * 105);
    let cheap = Order { limit_price: tick, ..sell(house) };
    let dear = Order { limit_price: 2 * BTC_PRICE, ..buy(house) };
    let good = fill(house, cheap, dear, ONE / 2, low);
    let fills = array![
        Fill { price: low - tick, ..good }, Fill { price: high + tick, ..good }, good,
        Fill { price: high, ..good },
    ];
    let reason = 'FILL: outside the band';
    assert_refused(house, fills.span(), array![reason, reason].span());
}

#[test]
fn opening_needs_initial_margin_on_both_sides() {
    let house = open();
    // 1,000 USD carry 10,000 USD less the fee.
    let large = Order { size: 10 * ONE, ..buy(house) };
    let sold = Order { size: 10 * ONE, ..sell(house) };
    assert!(try_fill(house, sold, large, 10 * ONE, BTC_PRICE) == Some('MARGIN: buyer'));
    fund(house, 'alice', 10);
    assert!(try_fill(house, sold, large, 10 * ONE, BTC_PRICE) == None);
    assert!(
        try_fill(
            house, Order { salt: 1, ..sold }, Order { salt: 1, ..large }, ONE / 100, BTC_PRICE,
        ) == Some('MARGIN: seller'),
    );
    assert_balanced(house, PEOPLE.span());
}

#[test]
fn reduce_only_reduces() {
    let house = open();
    trade(house, BTC, 'alice', 'bob', ONE, BTC_PRICE);
    after(1);
    // alice has 1: she can sell 1 with it, not more, and not buy.
    let close = Order {
        size: 2 * ONE, reduce_only: true, ..order(house, 'alice', false, 0, BTC_PRICE),
    };
    let bid = order(house, 'carol', true, 2 * ONE, BTC_PRICE);
    assert!(try_fill(house, bid, close, 2 * ONE, BTC_PRICE) == Some('ORDER: does not reduce'));
    assert!(try_fill(house, bid, close, ONE, BTC_PRICE) == None);
    assert!(size(house, 'alice', 0) == 0 && size(house, 'carol', 0) == 100_000_000);
    assert!(house.venue.account(person('alice')).open_markets == 0);
    // Nothing is left to reduce.
    assert!(try_fill(house, bid, close, ONE, BTC_PRICE) == Some('ORDER: does not reduce'));
    // Without the flag it flips.
    after(1);
    trade(house, BTC, 'bob', 'carol', 2 * ONE, BTC_PRICE);
    assert!(size(house, 'bob', 0) == 100_000_000 && size(house, 'carol', 0) == -100_000_000);
    assert_balanced(house, PEOPLE.span());
}

#[test]
fn caps_hold_growth_only() {
    let house = open();
    trade(house, BTC, 'alice', 'bob', 2 * ONE, BTC_PRICE);
    by('admin');
    house.venue.configure_market(0, MarketParams { max_position: 2 * ONE, ..params() });
    after(1);
    let (more, sold, lot) = (buy(house), sell(house), params().lot_size);
    assert!(try_fill(house, sold, more, lot, BTC_PRICE) == Some('CAP: position'));
    by('admin');
    house.venue.configure_market(0, MarketParams { max_position: 2 * ONE + lot, ..params() });
    assert!(try_fill(house, sold, more, lot, BTC_PRICE) == None);
    by('admin');
    house.venue.configure_market(0, MarketParams { max_open_interest: ONE, ..params() });
    assert!(try_fill(house, sold, more, lot, BTC_PRICE) == Some('CAP: open interest'));
    // What alice has goes to carol, whoever of the two was resting: open interest stays.
    after(1);
    let (out, into) = (
        order(house, 'alice', false, ONE, BTC_PRICE), order(house, 'carol', true, ONE, BTC_PRICE),
    );
    assert!(try_fill(house, into, out, ONE / 2, BTC_PRICE) == None);
    assert!(try_fill(house, out, into, ONE / 2, BTC_PRICE) == None);
    assert!(house.venue.open_interest(0).long == 2 * ONE + lot);
    assert_balanced(house, PEOPLE.span());
}

#[test]
#[ignore]
fn twenty_open_markets_are_the_most() {
    let house = open();
    fund(house, 'alice', 10_000);
    fund(house, 'bob', 10_000);
    let mut fills = array![];
    for index in 2..22_u8 {
        let market = 'MARKET' * 256 + index.into();
        list(house, index, market);
        report_one(house, index, ETH_PRICE, 0);
        let sell = Order { market, ..order(house, 'bob', false, ONE, ETH_PRICE) };
        let buy = Order { market, ..order(house, 'alice', true, ONE, ETH_PRICE) };
        fills.append(fill(house, sell, buy, ONE / 2, ETH_PRICE));
    }
    fills.append(fill(house, sell(house), buy(house), ONE, BTC_PRICE));
    // More of one that is open.
    fills.append(*fills[0]);
    assert_refused(house, fills.span(), array!['CAP: open markets'].span());
    let account = house.venue.account(person('alice'));
    assert!(account.positions.len() == 20);
    assert!((*account.positions[0]).size == 100_000_000);
    house.venue.margin_of(person('alice'));
}

#[test]
fn only_a_valid_market_is_opened_and_any_is_reduced() {
    let house = open();
    trade(house, BTC, 'alice', 'bob', 2 * ONE, BTC_PRICE);
    by('admin');
    house.oracle.freeze(0);
    after(1);
    assert!(house.oracle.mark(0).status == MarketStatus::Frozen);
    let (more, sold) = (buy(house), sell(house));
    assert!(try_fill(house, sold, more, ONE, BTC_PRICE) == Some('FILL: market is not valid'));
    // carol would take over what alice has: she opens.
    let out = order(house, 'alice', false, ONE, BTC_PRICE);
    let into = order(house, 'carol', true, ONE, BTC_PRICE);
    assert!(try_fill(house, into, out, ONE, BTC_PRICE) == Some('FILL: market is not valid'));
    let back = order(house, 'bob', true, ONE, BTC_PRICE);
    assert!(try_fill(house, back, out, ONE, BTC_PRICE) == None);
    assert!(size(house, 'alice', 0) == 100_000_000);
}

#[test]
fn a_market_without_a_mark_does_not_trade() {
    let house = open();
    list(house, 2, 'X');
    let (buy, sell) = (Order { market: 'X', ..buy(house) }, Order { market: 'X', ..sell(house) });
    let fills = array![unsigned(sell, buy, ONE, BTC_PRICE)].span();
    assert_refused(house, fills, array!['FILL: no mark'].span());
}

/// Below maintenance an account may reduce, at a price that does not make it worse off.
#[test]
fn an_unhealthy_account_may_only_become_healthier() {
    let house = open();
    fund(house, 'bob', 9_000);
    trade(house, BTC, 'alice', 'bob', 9 * ONE, BTC_PRICE);
    // alice: V = 991 - 9 x 60 = 451, R = 5% of 9 x 940 = 423: healthy; at 934 V = 397, R = 420.3.
    move_to(house, 934 * ONE, ETH_PRICE);
    let margin = house.venue.margin_of(person('alice'));
    assert!(margin.value < margin.maintenance && margin.value > 0);
    after(1);
    let bid = |price: u64| -> Order {
        order(house, 'bob', true, 9 * ONE, price)
    };
    let ask = |price: u64| -> Order {
        order(house, 'alice', false, 9 * ONE, price)
    };
    // A lot below the mark: V falls by 40 for a tenth of R.
    assert!(
        try_fill(house, bid(890 * ONE), ask(890 * ONE), ONE, 890 * ONE) == Some('MARGIN: seller'),
    );
    assert!(try_fill(house, bid(934 * ONE), ask(934 * ONE), ONE, 934 * ONE) == None);
    // Adding is no way out.
    let more = order(house, 'alice', true, ONE, 934 * ONE);
    let sold = order(house, 'bob', false, ONE, 934 * ONE);
    assert!(try_fill(house, sold, more, ONE, 934 * ONE) == Some('MARGIN: buyer'));
    // All of it at once: R' = 0 asks for V' >= 0.
    assert!(try_fill(house, bid(934 * ONE), ask(934 * ONE), 8 * ONE, 934 * ONE) == None);
    assert!(collateral(house, 'alice') > 0 && size(house, 'alice', 0) == 0);
    assert_balanced(house, PEOPLE.span());
}

#[test]
fn other_markets_that_are_not_valid_count_at_their_worst_for_opening() {
    let house = open();
    fund(house, 'bob', 9_000);
    trade(house, ETH, 'alice', 'bob', 50 * ONE, ETH_PRICE);
    // ETH is Suspect with a candidate of 65: 5,000 USD of ETH could be 3,250.
    report(house, BTC_PRICE, 65 * ONE, 0);
    after(5);
    report(house, BTC_PRICE, 65 * ONE, 0);
    assert!(house.oracle.mark(1).status == MarketStatus::Suspect);
    let (buy, sell) = (buy(house), sell(house));
    assert!(try_fill(house, sell, buy, ONE, BTC_PRICE) == Some('MARGIN: buyer'));
    fund(house, 'alice', 2_000);
    assert!(try_fill(house, sell, buy, ONE, BTC_PRICE) == None);
}

#[test]
#[feature("safe_dispatcher")]
fn a_batch_of_another_epoch_or_in_halted_reverts() {
    let house = open();
    let fills = array![fill(house, sell(house), buy(house), ONE, BTC_PRICE)].span();
    by('operator');
    refused(safe(house).settle(1, fills), 'EPOCH: another epoch');
    by('guardian');
    house.venue.set_mode(Mode::Halted, 0);
    by('operator');
    refused(safe(house).settle(0, fills), 'MODE: halted');
}

#[test]
fn three_tiers_are_marginal() {
    let house = open();
    by('admin');
    house.venue.set_mode(Mode::CancelOnly, 0);
    let tier = |upto: u64, initial_bps: u16, maintenance_bps: u16| {
        MarginTier { upto, initial_bps, maintenance_bps }
    };
    let tiers = (tier(1_000, 1_000, 500), tier(2_000, 2_000, 1_000), tier(0, 4_000, 2_000));
    house.venue.configure_market(0, MarketParams { tiers, ..params() });
    assert!(house.venue.market_params(0).tiers == tiers);
    assert!(house.venue.market_params(1).tiers == one_tier(1_000, 500));
    go_up_to(house, Mode::Full);
    // 2,500 USD: 100 + 200 + 200.
    trade(house, BTC, 'alice', 'bob', ONE / 2 * 5, BTC_PRICE);
    let margin = house.venue.margin_of(person('alice'));
    assert!(margin.initial == 500 * 10_000_000_000_000_000);
    assert!(margin.maintenance == 250 * 10_000_000_000_000_000);
}
