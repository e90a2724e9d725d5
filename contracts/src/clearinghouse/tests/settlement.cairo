//! Settlement of a settled market: everybody at one price, whoever comes first.

use starknet::ContractAddress;
use starknet::testing::pop_log;
use crate::clearinghouse::contract::Clearinghouse;
use crate::clearinghouse::events::{MarketEmptied, PositionSettled};
use crate::clearinghouse::interface::{
    Closing, IClearinghouseSafeDispatcherTrait, Mode, OpenInterest,
};
use crate::clearinghouse::tests::damage::{put_status, write_growth};
use crate::clearinghouse::tests::here::{HereTrait, OracleHereTrait, by};
use crate::clearinghouse::tests::setup::{
    BTC, BTC_PRICE, ETH, ETH_PRICE, House, ONE, USD, accepted, after, assert_balanced,
    assert_booked, clear, collateral, fund, open, person, refused, report, safe, size, trade,
};
use crate::oracle::interface::MarketStatus;

const PEOPLE: [felt252; 4] = ['alice', 'bob', 'carol', 'dave'];
/// Not on a unit of collateral for a whole coin.
const FINAL: u64 = 1_100 * ONE + 1;

fn everybody() -> Span<ContractAddress> {
    array![person('alice'), person('bob'), person('carol'), person('dave')].span()
}

/// alice is long 4, bob short 3, carol short 1.
fn traded() -> House {
    let house = open();
    trade(house, BTC, 'alice', 'bob', 3 * ONE, BTC_PRICE);
    after(1);
    trade(house, BTC, 'alice', 'carol', ONE, BTC_PRICE);
    clear(house);
    house
}

fn events(house: House) -> (Span<PositionSettled>, Option<MarketEmptied>) {
    let mut positions = array![];
    let mut emptied = None;
    while let Some(event) = pop_log::<Clearinghouse::Event>(house.venue.address) {
        match event {
            Clearinghouse::Event::PositionSettled(event) => positions.append(event),
            Clearinghouse::Event::MarketEmptied(event) => emptied = Some(event),
            _ => {},
        }
    }
    (positions.span(), emptied)
}

#[test]
fn everybody_closes_at_the_final_price_in_any_order() {
    let house = traded();
    let (alice, bob) = (collateral(house, 'alice'), collateral(house, 'bob'));
    let carol = collateral(house, 'carol');
    put_status(house, 0, MarketStatus::Settled, FINAL);
    assert!(house.venue.closing(0) == None);
    by('stranger');
    house.venue.settle_positions(0, array![person('bob'), person('dave')].span());
    assert!(house.venue.closing(0) == Some(Closing { price: FINAL, index: Some(0) }));
    // 3 x 1,100.00000001, rounded up.
    assert!(collateral(house, 'bob') == bob - 3_300_000_001 && size(house, 'bob', 0) == 0);
    assert!(house.venue.open_interest(0) == OpenInterest { long: 4 * ONE, short: ONE });
    assert!(house.venue.ledger().funding == 3_300_000_001);
    let (settled, emptied) = events(house);
    assert!(settled.len() == 1 && emptied.is_none());
    assert!(
        *settled[0].account == person('bob') && *settled[0].size == -3 * ONE.try_into().unwrap(),
    );
    assert!(*settled[0].quote == -3_300_000_001 && *settled[0].price == FINAL);
    // The same price later, whatever becomes of the oracle.
    put_status(house, 0, MarketStatus::Frozen, 5 * ONE);
    house.venue.settle_positions(0, everybody());
    assert!(collateral(house, 'alice') == alice + 4_400_000_000);
    assert!(collateral(house, 'carol') == carol - 1_100_000_001);
    let (settled, emptied) = events(house);
    assert!(settled.len() == 2 && emptied.unwrap().remainder == 2);
    let ledger = house.venue.ledger();
    assert!(ledger.funding == 0 && ledger.insurance == 2);
    assert!(house.venue.open_interest(0) == OpenInterest { long: 0, short: 0 });
    // Once more changes nothing.
    house.venue.settle_positions(0, everybody());
    let (settled, emptied) = events(house);
    assert!(settled.is_empty() && emptied.is_none());
    let flat = house.venue.account(person('alice'));
    assert!(flat.open_markets == 0 && flat.positions.is_empty());
    let mut accounts: i128 = 0;
    for name in PEOPLE.span() {
        accounts += collateral(house, *name);
    }
    assert!(accounts + 2 + house.venue.ledger().fees == house.venue.ledger().total);
}

#[test]
#[ignore]
#[feature("safe_dispatcher")]
fn only_a_settled_market_is_settled_and_not_in_halted() {
    let house = traded();
    let safe = safe(house);
    by('stranger');
    refused(safe.settle_positions(2, everybody()), 'MARKET: not listed');
    refused(safe.settle_positions(200, everybody()), 'MARKET: not listed');
    for status in array![
        MarketStatus::Pending, MarketStatus::Valid, MarketStatus::Suspect, MarketStatus::Frozen,
        MarketStatus::Settling,
    ] {
        put_status(house, 0, status, FINAL);
        refused(safe.settle_positions(0, everybody()), 'SETTLE: market not settled');
    }
    put_status(house, 0, MarketStatus::Settled, FINAL);
    by('guardian');
    house.venue.set_mode(Mode::Halted, 0);
    refused(safe.settle_positions(0, everybody()), 'MODE: halted');
    assert!(size(house, 'alice', 0) == 4 * ONE.try_into().unwrap());
    for mode in array![Mode::CancelOnly, Mode::PostOnly] {
        let house = traded();
        put_status(house, 0, MarketStatus::Settled, FINAL);
        by('guardian');
        house.venue.set_mode(mode, 0);
        by('stranger');
        house.venue.settle_positions(0, everybody());
        assert!(size(house, 'alice', 0) == 0);
        assert_balanced(house, PEOPLE.span());
    }
}

#[test]
#[feature("safe_dispatcher")]
fn a_stale_market_is_not_settled_and_a_settled_one_never_stale() {
    let house = traded();
    after(91);
    assert!(house.oracle.mark(0).status == MarketStatus::Stale);
    refused(safe(house).settle_positions(0, everybody()), 'SETTLE: market not settled');
    put_status(house, 0, MarketStatus::Settled, FINAL);
    assert!(house.oracle.mark(0).status == MarketStatus::Settled);
    house.venue.settle_positions(0, everybody());
    assert!(size(house, 'alice', 0) == 0);
}

#[test]
#[feature("safe_dispatcher")]
fn funding_is_settled_to_the_last_index_and_a_broken_one_waits() {
    let house = open();
    after(1);
    report(house, BTC_PRICE, ETH_PRICE, 288);
    trade(house, BTC, 'alice', 'bob', 4 * ONE, BTC_PRICE);
    after(10);
    report(house, BTC_PRICE, ETH_PRICE, 288);
    let (alice, bob) = (collateral(house, 'alice'), collateral(house, 'bob'));
    let index = house.venue.funding_index(0);
    assert!(index == 1_000_000_000_000);
    put_status(house, 0, MarketStatus::Settled, BTC_PRICE);
    let slot = crate::rules::funding::seal(house.oracle.address.into(), 0, index);
    write_growth(house, 0, slot + 1);
    refused(safe(house).settle_positions(0, everybody()), 'FUNDING: broken');
    write_growth(house, 0, slot);
    clear(house);
    house.venue.settle_positions(0, everybody());
    // 4 x 1e12 of 1e-16 USD.
    assert!(collateral(house, 'alice') == alice + 4_000_000_000 - 400);
    assert!(collateral(house, 'bob') == bob - 4_000_000_000 + 400);
    let (settled, _) = events(house);
    assert!(*settled[0].funding == -400 && *settled[1].funding == 400);
    assert_balanced(house, PEOPLE.span());
}

#[test]
fn insurance_covers_what_is_owed_and_the_rest_stays_below_zero() {
    let house = traded();
    fund(house, 'dave', 100);
    by('dave');
    house.venue.fund_insurance(100 * USD);
    put_status(house, 0, MarketStatus::Settled, 1_500 * ONE);
    clear(house);
    house.venue.settle_positions(0, array![person('bob')].span());
    // bob had 1,000 and lost 1,500.
    assert!(collateral(house, 'bob') == -400_000_000);
    assert!(house.venue.ledger().insurance == 0);
    let (settled, _) = events(house);
    assert!(*settled[0].covered == 100 * USD && *settled[0].collateral == -400_000_000);
    house.venue.settle_positions(0, array![person('alice'), person('carol')].span());
    assert!(collateral(house, 'carol') == 500_000_000);
    assert!(collateral(house, 'alice') == 1_000_000_000 - 4_000_000 + 2_000_000_000);
    assert_balanced(house, PEOPLE.span());
}

#[test]
fn who_has_another_market_open_is_not_helped_out() {
    let house = open();
    fund(house, 'dave', 100);
    by('dave');
    house.venue.fund_insurance(100 * USD);
    trade(house, BTC, 'alice', 'bob', 3 * ONE, BTC_PRICE);
    trade(house, ETH, 'bob', 'carol', ONE, ETH_PRICE);
    put_status(house, 0, MarketStatus::Settled, 1_500 * ONE);
    house.venue.settle_positions(0, array![person('bob')].span());
    assert!(house.venue.ledger().insurance == 100_000_000);
    // Less what he bought ETH for, and its fee of 0.1.
    assert!(collateral(house, 'bob') == -600_100_000);
    assert_booked(house, PEOPLE.span());
}

#[test]
#[feature("safe_dispatcher")]
fn until_it_is_closed_a_position_counts_at_the_final_price() {
    let house = traded();
    put_status(house, 0, MarketStatus::Settled, 1_100 * ONE);
    let safe = safe(house);
    by('alice');
    // V = 996 + 400, initial = 440.
    refused(safe.withdraw(0, 956 * USD + 1), 'MARGIN: below initial');
    accepted(safe.withdraw(0, 956 * USD));
    house.venue.settle_positions(0, everybody());
    accepted(safe.withdraw(0, 440 * USD));
    assert!(collateral(house, 'alice') == 0);
}
