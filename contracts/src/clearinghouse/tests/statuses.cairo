//! What the state of a market allows: every action in every status, both ways.

use crate::clearinghouse::interface::{IClearinghouseSafeDispatcherTrait, Mode, Order};
use crate::clearinghouse::tests::damage::put_status;
use crate::clearinghouse::tests::here::{HereTrait, OracleHereTrait, by};
use crate::clearinghouse::tests::setup::{
    BTC, BTC_PRICE, DWELL, ESCAPE, ETH_PRICE, House, ONE, after, buying, fund, open, order, params,
    person, refused, report, report_one, safe, size, trade, try_fill,
};
use crate::oracle::interface::MarketStatus;

#[derive(Copy, Drop)]
struct Row {
    status: MarketStatus,
    /// None: allowed.
    reduce: Option<felt252>,
    /// The taker reduces, a post-only maker opens; and both open.
    open: Option<felt252>,
    withdraw: Option<felt252>,
    liquidate: felt252,
    settle: Option<felt252>,
    rise: Option<felt252>,
    escape: Option<felt252>,
}

/// What is healthy is not liquidated: so far it gets in a market that can be.
const HEALTHY: felt252 = 'LIQUIDATION: healthy';
const UNKNOWN: felt252 = 'LIQUIDATION: market not valid';
const NOT_SETTLED: felt252 = 'SETTLE: market not settled';
const NOT_VALID: felt252 = 'FILL: market is not valid';
const NO_RISE: felt252 = 'MODE: market not valid';

fn doubtful(status: MarketStatus) -> Row {
    Row {
        status,
        reduce: None,
        open: Some(NOT_VALID),
        withdraw: None,
        liquidate: UNKNOWN,
        settle: Some(NOT_SETTLED),
        rise: Some(NO_RISE),
        escape: None,
    }
}

fn table() -> Array<Row> {
    array![
        // Without a mark nobody can have come to hold anything here; if somebody did, it is worth
        // nothing that can be proven.
        Row {
            reduce: Some('FILL: no mark'),
            open: Some('FILL: no mark'),
            withdraw: Some('MARGIN: no mark'),
            escape: Some('ESCAPE: no mark'),
            ..doubtful(MarketStatus::Pending),
        },
        Row { open: None, liquidate: HEALTHY, rise: None, ..doubtful(MarketStatus::Valid) },
        doubtful(MarketStatus::Stale), doubtful(MarketStatus::Suspect),
        doubtful(MarketStatus::Frozen), doubtful(MarketStatus::Settling),
        Row {
            reduce: Some('FILL: market is settled'),
            open: Some('FILL: market is settled'),
            settle: None,
            rise: None,
            ..doubtful(MarketStatus::Settled),
        },
    ]
}

/// alice is long 4 and bob short 4, dave has margin; the market is as the row says.
fn housed(status: MarketStatus) -> House {
    let house = open();
    fund(house, 'dave', 5_000);
    trade(house, BTC, 'alice', 'bob', 4 * ONE, BTC_PRICE);
    after(1);
    become(house, status);
    house
}

fn become(house: House, status: MarketStatus) {
    if status == MarketStatus::Stale {
        after(91);
    } else if status == MarketStatus::Pending {
        put_status(house, 0, status, 0);
    } else {
        put_status(house, 0, status, BTC_PRICE);
    }
    assert!(house.oracle.mark(0).status == status);
}

fn bid(house: House, name: felt252) -> Order {
    order(house, name, true, ONE, BTC_PRICE)
}

fn ask(house: House, name: felt252) -> Order {
    order(house, name, false, ONE, BTC_PRICE)
}

#[test]
#[ignore]
fn fills_by_the_status_of_the_market() {
    for row in table() {
        let house = housed(row.status);
        let both = try_fill(house, bid(house, 'bob'), ask(house, 'alice'), ONE, BTC_PRICE);
        assert!(both == row.reduce, "{:?} {:?}", row.status, both);
        let posted = Order { post_only: true, ..bid(house, 'dave') };
        let again = Order { salt: 'again', ..ask(house, 'alice') };
        let posts = try_fill(house, posted, again, ONE, BTC_PRICE);
        assert!(posts == row.open, "{:?} {:?}", row.status, posts);
        let opens = try_fill(house, ask(house, 'dave'), bid(house, 'carol'), ONE, BTC_PRICE);
        assert!(opens == row.open, "{:?} {:?}", row.status, opens);
    }
}

#[test]
#[ignore]
#[feature("safe_dispatcher")]
fn money_and_liquidations_by_the_status_of_the_market() {
    for row in table() {
        let house = housed(row.status);
        let safe = safe(house);
        by('dave');
        refused(safe.liquidate(0, buying('alice', 0)), row.liquidate);
        // Who does not hold it is not concerned.
        house.venue.withdraw(0, 1);
        by('alice');
        judge(safe.withdraw(0, 1), row.withdraw, row.status);
        judge(safe.settle_positions(0, array![person('alice')].span()), row.settle, row.status);
        assert!((size(house, 'alice', 0) == 0) == row.settle.is_none());
        // Always: what stops, ends or configures.
        house.venue.cancel_all();
        by('admin');
        house.venue.configure_market(0, params());
        house.oracle.freeze(1);
        by('guardian');
        house.venue.set_mode(Mode::Halted, 0);
    }
}

#[test]
#[ignore]
#[feature("safe_dispatcher")]
fn reopening_and_escape_by_the_status_of_the_market() {
    for row in table() {
        let house = housed(MarketStatus::Valid);
        by('guardian');
        house.venue.set_mode(Mode::Halted, 0);
        after(DWELL);
        report(house, BTC_PRICE, ETH_PRICE, 0);
        if row.status == MarketStatus::Stale {
            after(ESCAPE);
            report_one(house, 1, ETH_PRICE, 0);
        } else {
            become(house, row.status);
        }
        by('admin');
        judge(safe(house).set_mode(Mode::CancelOnly, 'report'), row.rise, row.status);
        by('guardian');
        if row.rise.is_none() {
            house.venue.set_mode(Mode::Halted, 0);
        }
        after(ESCAPE);
        by('alice');
        judge(safe(house).escape(0, 1), row.escape, row.status);
        assert!((size(house, 'alice', 0) == 0) == row.escape.is_none());
    }
}

fn judge(result: Result<(), Array<felt252>>, expected: Option<felt252>, status: MarketStatus) {
    match (result, expected) {
        (Ok(()), None) => {},
        (Ok(()), Some(reason)) => panic!("{:?}: not refused for {}", status, reason),
        (Err(reasons), None) => panic!("{:?}: refused for {}", status, *reasons[0]),
        (
            Err(reasons), Some(reason),
        ) => assert!(*reasons[0] == reason, "{:?}: {} is {}", status, reason, *reasons[0]),
    }
}
