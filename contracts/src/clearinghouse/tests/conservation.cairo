//! A long walk of random trades, prices, funding, liquidations and transfers: after every step
//! each unit is accounted for.

use starknet::testing::pop_log;
use crate::clearinghouse::contract::Clearinghouse;
use crate::clearinghouse::interface::{Fill, IClearinghouseSafeDispatcherTrait, Order};
use crate::clearinghouse::tests::here::{HereTrait, by};
use crate::clearinghouse::tests::setup::{
    BTC, BTC_PRICE, ETH, ETH_PRICE, House, ONE, USD, after, assert_balanced, buying, clear, fill,
    fund, open, order, random, report, safe, selling, settle, size,
};

const NAMES: [felt252; 4] = ['alice', 'bob', 'carol', 'dave'];

/// The price times `thousandths`, on the tick.
fn step(price: u64, thousandths: u64) -> u64 {
    let tick = ONE / 100;
    (price * thousandths / 1_000 / tick + 1) * tick
}

fn pick(seed: felt252, index: u32) -> felt252 {
    *NAMES.span()[random(seed, index, 4).try_into().unwrap()]
}

/// alice and carol mostly buy, bob and dave mostly sell, so that positions grow until margin or a
/// liquidation stops them. Many are refused; that changes nothing.
fn random_fill(house: House, seed: felt252, market: felt252, price: u64) -> Fill {
    let lots = 1 + random(seed, 3, 600);
    let size = if market == BTC {
        lots * (ONE / 100)
    } else {
        lots * (ONE / 10)
    };
    let bull = if random(seed, 1, 2) == 0 {
        'alice'
    } else {
        'carol'
    };
    let bear = if random(seed, 2, 3) == 0 {
        'dave'
    } else {
        'bob'
    };
    let bull_buys = random(seed, 4, 5) != 0;
    let salt = seed;
    let maker = Order { market, salt, ..order(house, bull, bull_buys, size, price) };
    let taker = Order { market, salt, ..order(house, bear, !bull_buys, size, price) };
    fill(house, maker, taker, size, price)
}

#[feature("safe_dispatcher")]
fn withdraw_at_random(house: House, seed: felt252) {
    by(pick(seed, 5));
    let _ = safe(house).withdraw(0, random(seed, 6, 300).into() * USD + 7);
}

/// Everybody, in both markets.
fn liquidate(house: House, caller: felt252) {
    let mut requests = array![];
    for name in NAMES.span() {
        for market in 0..2_u8 {
            requests
                .append(
                    if size(house, *name, market) > 0 {
                        buying(*name, market)
                    } else {
                        selling(*name, market)
                    },
                );
        }
    }
    by(caller);
    house.venue.liquidate_many(0, requests.span());
}

/// Whoever was liquidated is better off; how many were.
fn judge(house: House) -> u32 {
    let mut count = 0;
    while let Some(event) = pop_log::<Clearinghouse::Event>(house.venue.address) {
        if let Clearinghouse::Event::Liquidated(event) = event {
            count += 1;
            assert!(event.value_before >= 0 && event.value_after >= 0);
            assert!(event.requirement_after < event.requirement_before);
        }
    }
    count
}

fn walk_from(seed: felt252, steps: u32) -> u32 {
    let house = open();
    fund(house, 'dave', 20_000);
    let (mut btc, mut eth) = (BTC_PRICE, ETH_PRICE);
    let mut liquidations: u32 = 0;
    for round in 0..steps {
        let draw = seed * 1_000_000 + round.into();
        // One falls and one rises, so that somebody is caught on the wrong side.
        btc = step(btc, 965 + random(draw, 10, 50));
        eth = step(eth, 985 + random(draw, 11, 50));
        let rate: i32 = random(draw, 12, 40_001).try_into().unwrap();
        after(11);
        report(house, btc, eth, rate - 20_000);
        let fills = array![
            random_fill(house, draw, BTC, btc), random_fill(house, draw + 1_000, ETH, eth),
        ];
        settle(house, fills.span());
        assert_balanced(house, NAMES.span());
        if round % 4 == 0 {
            withdraw_at_random(house, draw);
            assert_balanced(house, NAMES.span());
        }
        clear(house);
        liquidate(house, 'dave');
        liquidations += judge(house);
        assert_balanced(house, NAMES.span());
        if round % 7 == 0 {
            fund(house, pick(draw, 7), 500);
        }
    }
    liquidations
}

#[test]
#[ignore]
fn every_unit_is_accounted_for_after_every_step() {
    let mut liquidations: u32 = 0;
    for seed in 1..4_u32 {
        liquidations += walk_from(seed.into(), 24);
    }
    assert!(liquidations >= 4, "only {} liquidations", liquidations);
}
