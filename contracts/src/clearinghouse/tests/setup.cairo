//! A venue for tests: token, oracle with three reporters, clearinghouse with two markets. People
//! are addresses made of their names; who acts is set by `by`.

use core::poseidon::poseidon_hash_span;
use starknet::storage::{
    StorageAsPath, StoragePathEntry, StoragePathMutableConversion, StoragePointerReadAccess,
    StoragePointerWriteAccess,
};
use starknet::syscalls::deploy_syscall;
use starknet::testing::{pop_log, set_block_timestamp, set_contract_address};
use starknet::{ContractAddress, SyscallResultTrait, get_block_timestamp};
use crate::access::{GUARDIAN, OPERATOR, SENTINEL};
use crate::clearinghouse::bitmap::mask;
use crate::clearinghouse::contract::Clearinghouse;
use crate::clearinghouse::events::{FillSettled, Liquidated};
use crate::clearinghouse::interface::{
    Fill, IClearinghouseSafeDispatcher, LiquidationRequest, MarginTier, MarketParams, Mode, Order,
    OrderSignature, OutflowParams, SignedOrder, VenueParams, WaterfallParams,
};
use crate::clearinghouse::liquidation::Liquidation;
use crate::clearinghouse::money::Money;
use crate::clearinghouse::slots::{
    AccountSlot, CustodySlot, FundingSlot, VenueSlot, pack_pair, pack_tiers, pack_trade,
    seal_funding, trade_of,
};
use crate::clearinghouse::state::{
    MarketSlots, read_account, read_custody, read_venue, write_account, write_custody, write_venue,
};
use crate::clearinghouse::tests::here::{
    Here, HereTrait, OracleHere, OracleHereTrait, TokenHere, TokenHereTrait, by, enter,
};
use crate::clearinghouse::trading::Trading;
use crate::clearinghouse::venue::Venue;
use crate::clearinghouse::waterfall::Waterfall;
use crate::oracle::contract::Oracle;
use crate::oracle::interface::{Guard, PriceEntry};
use crate::token::contract::CollateralToken;

const START: u64 = 1_700_000_000;
pub const BTC: felt252 = 'BTC-USD-PERP';
pub const ETH: felt252 = 'ETH-USD-PERP';
/// One whole unit of size and of price: 1e-8.
pub const ONE: u64 = 100_000_000;
/// One USD of collateral.
pub const USD: u128 = 1_000_000;
pub const GRACE: u64 = 60;
pub const DWELL: u64 = 60;
pub const ESCAPE: u64 = 5_000;
pub const RESTORE: u64 = 500;
/// First marks: 1,000 USD and 100 USD.
pub const BTC_PRICE: u64 = 1_000 * ONE;
pub const ETH_PRICE: u64 = 100 * ONE;

#[derive(Copy, Drop)]
pub struct House {
    pub oracle: OracleHere,
    pub venue: Here,
    pub token: TokenHere,
}

pub fn person(name: felt252) -> ContractAddress {
    name.try_into().unwrap()
}

/// Lets time pass.
pub fn after(secs: u64) {
    set_block_timestamp(get_block_timestamp() + secs);
}

pub fn guard() -> Guard {
    Guard {
        min_price: ONE / 100,
        max_price: 1_000_000 * ONE,
        max_age: 60,
        max_ahead: 30,
        max_skew: 60,
        max_mark_age: 90,
        max_gap: 30,
        drift_window: 300,
        confirm_gap: 5,
        liq_gap: 10,
        confirm_rounds: 3,
        max_confidence_bps: 200,
        max_spread_bps: 100,
        max_step_bps: 3_000,
        max_drift_bps: 9_000,
        max_funding_rate_ppm: 20_000,
    }
}

pub fn one_tier(initial_bps: u16, maintenance_bps: u16) -> (MarginTier, MarginTier, MarginTier) {
    (MarginTier { upto: 0, initial_bps, maintenance_bps }, Default::default(), Default::default())
}

/// 10% initial and 5% maintenance margin, lots of 0.01, ticks of 0.01 USD, the taker pays 10 bps.
pub fn params() -> MarketParams {
    MarketParams {
        tiers: one_tier(1_000, 500),
        lot_size: ONE / 100,
        tick_size: ONE / 100,
        maker_fee_bps: 0,
        taker_fee_bps: 10,
        discount_bps: 50,
        penalty_bps: 100,
        dust_usd: 10,
        max_open_interest: 10_000 * ONE,
        max_position: 1_000 * ONE,
    }
}

pub fn venue_params() -> VenueParams {
    VenueParams {
        fill_band_bps: 500,
        post_band_bps: 5,
        dwell_secs: DWELL.try_into().unwrap(),
        grace_secs: GRACE.try_into().unwrap(),
    }
}

/// No ration to speak of, and the vault loses nothing: a test that wants one says so.
pub fn waterfall_params() -> WaterfallParams {
    WaterfallParams {
        storm_window: 300,
        storm_bps: 10_000,
        storm_floor: 1_000_000_000_000,
        backstop_secs: 120,
        loss_cap: 0,
        loss_window: 86_400,
    }
}

/// 2,000 USD at once, which run out in 1,000 s.
pub fn outflow_params() -> OutflowParams {
    OutflowParams {
        outflow_limit: 2_000 * USD,
        outflow_window: 1_000,
        escape_delay: ESCAPE.try_into().unwrap(),
        restore_delay: RESTORE.try_into().unwrap(),
    }
}

fn deploy(class_hash: felt252, calldata: Span<felt252>) -> ContractAddress {
    let salt = get_block_timestamp().into();
    let (address, _) = deploy_syscall(class_hash.try_into().unwrap(), salt, calldata, false)
        .unwrap_syscall();
    address
}

/// Deployed, connected, roles granted; Halted, no market. A test can have several, one after the
/// other.
pub fn bare() -> House {
    set_block_timestamp(core::cmp::max(get_block_timestamp(), START) + 1);
    let mut calldata = array![];
    let (name, symbol): (ByteArray, ByteArray) = ("Test USDC", "tUSDC");
    name.serialize(ref calldata);
    symbol.serialize(ref calldata);
    calldata.append('bridge');
    let token = deploy(CollateralToken::TEST_CLASS_HASH.into(), calldata.span());

    let mut calldata = array!['admin'];
    2_u8.serialize(ref calldata);
    120_u64.serialize(ref calldata);
    array![person('r1'), person('r2'), person('r3')].span().serialize(ref calldata);
    let oracle = deploy(Oracle::TEST_CLASS_HASH.into(), calldata.span());

    let mut calldata = array![
        'admin', token.into(), oracle.into(), Trading::TEST_CLASS_HASH.into(),
        Liquidation::TEST_CLASS_HASH.into(), Money::TEST_CLASS_HASH.into(),
        Venue::TEST_CLASS_HASH.into(), Waterfall::TEST_CLASS_HASH.into(),
    ];
    venue_params().serialize(ref calldata);
    waterfall_params().serialize(ref calldata);
    outflow_params().serialize(ref calldata);
    let venue = deploy(Clearinghouse::TEST_CLASS_HASH.into(), calldata.span());

    let house = House {
        oracle: OracleHere { address: oracle },
        venue: Here { address: venue },
        token: TokenHere { address: token },
    };
    by('admin');
    house.oracle.connect(venue, person('bridge'));
    house.venue.connect(person('bridge'), person('vault'));
    house.venue.grant_role(OPERATOR, person('operator'));
    house.venue.grant_role(GUARDIAN, person('guardian'));
    house.venue.grant_role(SENTINEL, person('sentinel'));
    house
}

/// BTC and ETH are listed and have marks; Halted.
pub fn listed() -> House {
    let house = bare();
    list(house, 0, BTC);
    list(house, 1, ETH);
    report(house, BTC_PRICE, ETH_PRICE, 0);
    house
}

/// Full, its grace time over, alice, bob and carol with 1,000 USD each.
pub fn open() -> House {
    let house = listed();
    be_full(house, 2);
    for name in array!['alice', 'bob', 'carol'] {
        fund(house, name, 1_000);
    }
    after(GRACE);
    report(house, BTC_PRICE, ETH_PRICE, 0);
    clear(house);
    house
}

/// Lists a market in the oracle, and in the venue as `list_market` does in Halted.
pub fn list(house: House, market: u8, name: felt252) {
    by('admin');
    house.oracle.list_market(name, guard());
    let before = enter(house.venue.address);
    let mut contract = Clearinghouse::contract_state_for_testing();
    let state = contract.state.as_path();
    let funding = FundingSlot { base: 0, live: false };
    let slots = MarketSlots {
        name,
        tiers: pack_tiers(params().tiers),
        funding: seal_funding(house.venue.address.into(), market, funding),
        trade: pack_trade(trade_of(@params())),
        caps: pack_pair((params().max_open_interest, params().max_position)),
        interest: 0,
        storm: 0,
    };
    state.markets.entry(market).write(slots);
    state.names.entry(name).write(market + 1);
    state.listed.write(state.listed.read() | mask(market));
    set_contract_address(before);
}

/// Full at once, as three steps would leave it while no funding has grown; the first `markets` are
/// listed.
fn be_full(house: House, markets: u8) {
    let before = enter(house.venue.address);
    let mut contract = Clearinghouse::contract_state_for_testing();
    let state = contract.state.as_path();
    let now = get_block_timestamp();
    let venue = read_venue(state.as_non_mut());
    write_venue(state, VenueSlot { mode: Mode::Full, mode_since: now, full_since: now, ..venue });
    for market in 0..markets {
        let funding = FundingSlot { base: 0, live: true };
        let sealed = seal_funding(house.venue.address.into(), market, funding);
        let mut slots = state.markets.entry(market).read();
        slots.funding = sealed;
        state.markets.entry(market).write(slots);
    }
    set_contract_address(before);
}

/// Into a margin account, as a deposit by somebody else.
pub fn fund(house: House, name: felt252, usd: u128) {
    let amount = usd * USD;
    house.token.mint(house.venue.address, amount.into());
    let before = enter(house.venue.address);
    let mut contract = Clearinghouse::contract_state_for_testing();
    let state = contract.state.as_path();
    let custody = read_custody(state.as_non_mut());
    write_custody(state, CustodySlot { total: custody.total + amount, ..custody });
    let slot = read_account(state.as_non_mut(), person(name));
    let collateral = slot.collateral + amount.try_into().unwrap();
    write_account(state, person(name), AccountSlot { collateral, ..slot });
    set_contract_address(before);
}

/// Into a wallet that lets the venue take it.
pub fn mint(house: House, name: felt252, usd: u128) {
    house.token.mint(person(name), (usd * USD).into());
    by(name);
    house.token.approve(house.venue.address, (usd * USD).into());
}

/// All three reporters say the same of both markets now.
pub fn report(house: House, btc: u64, eth: u64, rate: i32) {
    let now = get_block_timestamp();
    report_all(house, array![entry(0, btc, now, rate), entry(1, eth, now, rate)].span());
}

/// A report of one market only.
pub fn report_one(house: House, market: u8, price: u64, rate: i32) {
    report_all(house, array![entry(market, price, get_block_timestamp(), rate)].span());
}

fn report_all(house: House, entries: Span<PriceEntry>) {
    for name in array!['r1', 'r2', 'r3'] {
        by(name);
        house.oracle.report(house.oracle.epoch(), entries);
    }
}

fn entry(market: u8, price: u64, now: u64, rate: i32) -> PriceEntry {
    PriceEntry { market, price, confidence_bps: 10, observed_at: now, funding_rate_ppm: rate }
}

/// New marks that have been there long enough to be the checkpoints as well.
pub fn move_to(house: House, btc: u64, eth: u64) {
    for _ in 0..2_u8 {
        after(10);
        report(house, btc, eth, 0);
    }
}

/// Step by step, each after its dwell time and with fresh marks as they are.
pub fn go_up_to(house: House, mode: Mode) {
    for step in array![Mode::CancelOnly, Mode::PostOnly, Mode::Full] {
        let now = house.venue.mode();
        if now == mode {
            break;
        }
        if crate::rules::modes::is_one_step_up(now, step) {
            after(DWELL);
            report(house, house.oracle.mark(0).price, house.oracle.mark(1).price, 0);
            by('admin');
            house.venue.set_mode(step, 'report');
        }
    }
}

/// Good for an hour, at any fee. Orders of the same fields at the same time are one order.
pub fn order(house: House, name: felt252, is_buy: bool, size: u64, price: u64) -> Order {
    Order {
        venue: house.venue.address,
        account: person(name),
        epoch: 0,
        account_epoch: 0,
        market: BTC,
        is_buy,
        size,
        limit_price: price,
        max_fee_bps: 100,
        reduce_only: false,
        post_only: false,
        expiry: get_block_timestamp() + 3_600,
        salt: get_block_timestamp().into(),
    }
}

pub const UNSIGNED: OrderSignature = OrderSignature { key: 0, r: 0, s: 0 };

/// Approved by its account.
pub fn approved(house: House, order: Order) -> SignedOrder {
    by(order.account.into());
    house.venue.approve_order(order);
    SignedOrder { order, signature: UNSIGNED }
}

/// Both orders approved.
pub fn fill(house: House, maker: Order, taker: Order, size: u64, price: u64) -> Fill {
    Fill { maker: approved(house, maker), taker: approved(house, taker), size, price }
}

pub fn settle(house: House, fills: Span<Fill>) {
    by('operator');
    house.venue.settle(house.venue.epoch(), fills);
}

/// Settles one fill; the reason if it was refused.
pub fn try_fill(
    house: House, maker: Order, taker: Order, size: u64, price: u64,
) -> Option<felt252> {
    let fill = fill(house, maker, taker, size, price);
    clear(house);
    settle(house, array![fill].span());
    refusal(house)
}

/// Settles fills, each of them refused for its reason.
pub fn assert_refused(house: House, fills: Span<Fill>, reasons: Span<felt252>) {
    clear(house);
    settle(house, fills);
    let mut reasons = reasons;
    while let Some(event) = pop_log::<Clearinghouse::Event>(house.venue.address) {
        if let Clearinghouse::Event::FillRefused(refused) = event {
            let expected = *reasons.pop_front().expect('more refusals than reasons');
            assert!(refused.reason == expected, "{} is {}", expected, refused.reason);
        }
    }
    assert!(reasons.is_empty(), "{} was settled", *reasons[0]);
}

/// `buyer` takes what `seller` offers; both without condition.
pub fn trade(
    house: House, market: felt252, buyer: felt252, seller: felt252, size: u64, price: u64,
) {
    let buy = Order { market, ..order(house, buyer, true, size, price) };
    let sell = Order { market, ..order(house, seller, false, size, price) };
    let refused = try_fill(house, sell, buy, size, price);
    assert!(refused.is_none(), "refused: {:?}", refused);
}

/// Takes a long over at any price.
pub fn buying(name: felt252, market: u8) -> LiquidationRequest {
    LiquidationRequest {
        account: person(name),
        market,
        max_size: 0x7fffffffffffffff,
        limit_price: 0xffffffffffffffff,
    }
}

/// Takes a short over at any price.
pub fn selling(name: felt252, market: u8) -> LiquidationRequest {
    LiquidationRequest { limit_price: 0, ..buying(name, market) }
}

/// Takes the events so far away.
pub fn clear(house: House) {
    while pop_log::<Clearinghouse::Event>(house.venue.address).is_some() {}
}

/// The reason of the last refused fill or liquidation since `clear`.
pub fn refusal(house: House) -> Option<felt252> {
    let mut reason = None;
    while let Some(event) = pop_log::<Clearinghouse::Event>(house.venue.address) {
        match event {
            Clearinghouse::Event::FillRefused(refused) => reason = Some(refused.reason),
            Clearinghouse::Event::LiquidationRefused(refused) => reason = Some(refused.reason),
            _ => {},
        }
    }
    reason
}

/// The last liquidation since `clear`.
pub fn liquidated(house: House) -> Liquidated {
    let mut last = None;
    while let Some(event) = pop_log::<Clearinghouse::Event>(house.venue.address) {
        if let Clearinghouse::Event::Liquidated(event) = event {
            last = Some(event);
        }
    }
    last.expect('nobody was liquidated')
}

/// The last fill since `clear`.
pub fn settled(house: House) -> FillSettled {
    let mut last = None;
    while let Some(event) = pop_log::<Clearinghouse::Event>(house.venue.address) {
        if let Clearinghouse::Event::FillSettled(event) = event {
            last = Some(event);
        }
    }
    last.expect('nothing was settled')
}

/// The contract itself: what it refuses comes back.
pub fn safe(house: House) -> IClearinghouseSafeDispatcher {
    IClearinghouseSafeDispatcher { contract_address: house.venue.address }
}

pub fn refused<T, +Drop<T>>(result: Result<T, Array<felt252>>, reason: felt252) {
    match result {
        Ok(_) => panic!("not refused: {}", reason),
        Err(reasons) => assert!(*reasons[0] == reason, "{} is {}", reason, *reasons[0]),
    }
}

pub fn accepted<T, +Drop<T>>(result: Result<T, Array<felt252>>) {
    if let Err(reasons) = result {
        panic!("refused: {}", *reasons[0]);
    }
}

/// 1e-6 USD.
pub fn collateral(house: House, name: felt252) -> i128 {
    house.venue.account(person(name)).collateral
}

/// 1e-8 of the base asset.
pub fn size(house: House, name: felt252, market: u8) -> i64 {
    house.venue.position(person(name), market).size
}

/// Every unit of collateral is where the books say, and every long has its short.
pub fn assert_balanced(house: House, names: Span<felt252>) {
    assert_booked(house, names);
    for market in 0..2_u8 {
        let interest = house.venue.open_interest(market);
        assert!(interest.long == interest.short);
    }
}

/// Every unit of collateral is where the books say; of a market that is being settled one side can
/// be further than the other.
pub fn assert_booked(house: House, names: Span<felt252>) {
    let ledger = house.venue.ledger();
    let mut accounts: i128 = 0;
    for name in names {
        accounts += collateral(house, *name);
    }
    let books = ledger.insurance + ledger.fees + ledger.funding + ledger.pending;
    assert!(ledger.total == accounts + books, "total {} accounts {}", ledger.total, accounts);
    let balance = house.token.balance_of(house.venue.address);
    let total: u128 = ledger.total.try_into().unwrap();
    assert!(balance == total.into(), "balance {} total {}", balance, total);
    for market in 0..2_u8 {
        let (mut long, mut short): (i64, i64) = (0, 0);
        for name in names {
            let size = size(house, *name, market);
            if size > 0 {
                long += size;
            } else {
                short -= size;
            }
        }
        let interest = house.venue.open_interest(market);
        assert!(long == interest.long.try_into().unwrap(), "long {}", long);
        assert!(short == interest.short.try_into().unwrap(), "short {}", short);
    }
}

/// Pseudo-random, below `bound`, different for each (seed, index).
pub fn random(seed: felt252, index: u32, bound: u64) -> u64 {
    let hash: u256 = poseidon_hash_span(array![seed, index.into()].span()).into();
    (hash % bound.into()).try_into().unwrap()
}
