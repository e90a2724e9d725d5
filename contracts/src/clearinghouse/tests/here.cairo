//! The deployed contracts, run in the test's own machine. cairo-test starts another machine, with
//! all code of the package in it, for every call of a contract: a fifth of a second each. Here the
//! classes run on the contract's storage as a library call would run them; who calls is set by
//! `by`.

use starknet::testing::{set_caller_address, set_contract_address};
use starknet::{ContractAddress, get_contract_address};
use crate::access::interface::IAccess;
use crate::clearinghouse::contract::Clearinghouse;
use crate::clearinghouse::interface::{
    AccountView, BadDebt, Closing, Fill, FundingCheckpoint, IClearinghouse, Ledger,
    LiquidationRequest, LossView, MarginView, MarketParams, Mode, OpenInterest, Order,
    OutflowParams, OutflowView, Position, StormView, VenueParams, WaterfallParams,
};
use crate::clearinghouse::liquidation::{ILiquidation, Liquidation};
use crate::clearinghouse::money::{IMoney, Money};
use crate::clearinghouse::trading::{ITrading, Trading};
use crate::clearinghouse::venue::{IVenue, Venue};
use crate::clearinghouse::waterfall::{IWaterfall, Waterfall};
use crate::oracle::contract::Oracle;
use crate::oracle::entries::pack;
use crate::oracle::interface::{Guard, IOracle, Mark, PriceEntry};
use crate::token::contract::CollateralToken;
use crate::token::interface::{IBridgedToken, IERC20};

/// Who acts from here on, in this machine and towards contracts.
pub fn by(name: felt252) {
    let account: ContractAddress = name.try_into().unwrap();
    set_caller_address(account);
    set_contract_address(account);
}

/// Goes on as that contract; who it was before.
pub fn enter(contract: ContractAddress) -> ContractAddress {
    let before = get_contract_address();
    set_contract_address(contract);
    before
}

#[derive(Copy, Drop)]
pub struct Here {
    pub address: ContractAddress,
}

#[generate_trait]
pub impl HereImpl of HereTrait {
    fn settle(self: Here, epoch: u64, fills: Span<Fill>) {
        let before = enter(self.address);
        let mut state = Trading::contract_state_for_testing();
        ITrading::settle(ref state, epoch, fills);
        set_contract_address(before);
    }

    fn cancel(self: Here, order: Order) {
        let before = enter(self.address);
        let mut state = Trading::contract_state_for_testing();
        ITrading::cancel(ref state, order);
        set_contract_address(before);
    }

    fn cancel_all(self: Here) {
        let before = enter(self.address);
        let mut state = Trading::contract_state_for_testing();
        ITrading::cancel_all(ref state);
        set_contract_address(before);
    }

    fn register_trading_key(self: Here, key: felt252, expiry: u64) {
        let before = enter(self.address);
        let mut state = Trading::contract_state_for_testing();
        ITrading::register_trading_key(ref state, key, expiry);
        set_contract_address(before);
    }

    fn revoke_trading_key(self: Here, key: felt252) {
        let before = enter(self.address);
        let mut state = Trading::contract_state_for_testing();
        ITrading::revoke_trading_key(ref state, key);
        set_contract_address(before);
    }

    fn approve_order(self: Here, order: Order) {
        let before = enter(self.address);
        let mut state = Trading::contract_state_for_testing();
        ITrading::approve_order(ref state, order);
        set_contract_address(before);
    }

    fn deposit_for(self: Here, account: ContractAddress, amount: u128) {
        let before = enter(self.address);
        let mut state = Money::contract_state_for_testing();
        IMoney::deposit_for(ref state, account, amount);
        set_contract_address(before);
    }

    fn credit_pending(self: Here, account: ContractAddress) {
        let before = enter(self.address);
        let mut state = Money::contract_state_for_testing();
        IMoney::credit_pending(ref state, account);
        set_contract_address(before);
    }

    fn withdraw(self: Here, epoch: u64, amount: u128) {
        let before = enter(self.address);
        let mut state = Money::contract_state_for_testing();
        IMoney::withdraw(ref state, epoch, amount);
        set_contract_address(before);
    }

    fn collect_fees(self: Here, account: ContractAddress, amount: u128) {
        let before = enter(self.address);
        let mut state = Money::contract_state_for_testing();
        IMoney::collect_fees(ref state, account, amount);
        set_contract_address(before);
    }

    fn fund_insurance(self: Here, amount: u128) {
        let before = enter(self.address);
        let mut state = Money::contract_state_for_testing();
        IMoney::fund_insurance(ref state, amount);
        set_contract_address(before);
    }

    fn book_surplus(self: Here) -> u128 {
        let before = enter(self.address);
        let mut state = Money::contract_state_for_testing();
        let amount = IMoney::book_surplus(ref state);
        set_contract_address(before);
        amount
    }

    fn liquidate(self: Here, epoch: u64, request: LiquidationRequest) {
        let before = enter(self.address);
        let mut state = Liquidation::contract_state_for_testing();
        ILiquidation::liquidate(ref state, epoch, request);
        set_contract_address(before);
    }

    fn liquidate_many(self: Here, epoch: u64, requests: Span<LiquidationRequest>) {
        let before = enter(self.address);
        let mut state = Liquidation::contract_state_for_testing();
        ILiquidation::liquidate_many(ref state, epoch, requests);
        set_contract_address(before);
    }

    fn set_mode(self: Here, mode: Mode, report_hash: felt252) {
        let before = enter(self.address);
        let mut state = Venue::contract_state_for_testing();
        IVenue::set_mode(ref state, mode, report_hash);
        set_contract_address(before);
    }

    fn set_epoch(self: Here, epoch: u64) {
        let before = enter(self.address);
        let mut state = Venue::contract_state_for_testing();
        IVenue::set_epoch(ref state, epoch);
        set_contract_address(before);
    }

    fn list_market(self: Here, name: felt252, params: MarketParams) {
        let before = enter(self.address);
        let mut state = Venue::contract_state_for_testing();
        IVenue::list_market(ref state, name, params);
        set_contract_address(before);
    }

    fn configure_market(self: Here, market: u8, params: MarketParams) {
        let before = enter(self.address);
        let mut state = Venue::contract_state_for_testing();
        IVenue::configure_market(ref state, market, params);
        set_contract_address(before);
    }

    fn configure_venue(self: Here, params: VenueParams) {
        let before = enter(self.address);
        let mut state = Venue::contract_state_for_testing();
        IVenue::configure_venue(ref state, params);
        set_contract_address(before);
    }

    fn backstop(self: Here, epoch: u64, account: ContractAddress) {
        let before = enter(self.address);
        let mut state = Waterfall::contract_state_for_testing();
        IWaterfall::backstop(ref state, epoch, account);
        set_contract_address(before);
    }

    fn deleverage(
        self: Here,
        epoch: u64,
        account: ContractAddress,
        market: u8,
        counterparties: Span<ContractAddress>,
    ) {
        let before = enter(self.address);
        let mut state = Waterfall::contract_state_for_testing();
        IWaterfall::deleverage(ref state, epoch, account, market, counterparties);
        set_contract_address(before);
    }

    fn configure_waterfall(self: Here, params: WaterfallParams) {
        let before = enter(self.address);
        let mut state = Waterfall::contract_state_for_testing();
        IWaterfall::configure_waterfall(ref state, params);
        set_contract_address(before);
    }

    fn storm(self: Here, market: u8) -> StormView {
        let before = enter(self.address);
        let view = IClearinghouse::storm(@Clearinghouse::contract_state_for_testing(), market);
        set_contract_address(before);
        view
    }

    fn loss_bucket(self: Here) -> LossView {
        let before = enter(self.address);
        let view = IClearinghouse::loss_bucket(@Clearinghouse::contract_state_for_testing());
        set_contract_address(before);
        view
    }

    fn bad_debt(self: Here) -> BadDebt {
        let before = enter(self.address);
        let view = IClearinghouse::bad_debt(@Clearinghouse::contract_state_for_testing());
        set_contract_address(before);
        view
    }

    fn seen_under_water(self: Here, account: ContractAddress) -> u64 {
        let before = enter(self.address);
        let state = @Clearinghouse::contract_state_for_testing();
        let view = IClearinghouse::seen_under_water(state, account);
        set_contract_address(before);
        view
    }

    fn connect(self: Here, bridge: ContractAddress, vault: ContractAddress) {
        let before = enter(self.address);
        let mut state = Venue::contract_state_for_testing();
        IVenue::connect(ref state, bridge, vault);
        set_contract_address(before);
    }

    fn grant_role(self: Here, role: felt252, account: ContractAddress) {
        let before = enter(self.address);
        let mut state = Clearinghouse::contract_state_for_testing();
        IAccess::grant_role(ref state, role, account);
        set_contract_address(before);
    }

    fn account(self: Here, account: ContractAddress) -> AccountView {
        let before = enter(self.address);
        let state = @Clearinghouse::contract_state_for_testing();
        let view = IClearinghouse::account(state, account);
        set_contract_address(before);
        view
    }

    fn position(self: Here, account: ContractAddress, market: u8) -> Position {
        let before = enter(self.address);
        let state = @Clearinghouse::contract_state_for_testing();
        let view = IClearinghouse::position(state, account, market);
        set_contract_address(before);
        view
    }

    fn margin_of(self: Here, account: ContractAddress) -> MarginView {
        let before = enter(self.address);
        let state = @Clearinghouse::contract_state_for_testing();
        let view = IClearinghouse::margin_of(state, account);
        set_contract_address(before);
        view
    }

    fn pending_deposit(self: Here, account: ContractAddress) -> u128 {
        let before = enter(self.address);
        let state = @Clearinghouse::contract_state_for_testing();
        let view = IClearinghouse::pending_deposit(state, account);
        set_contract_address(before);
        view
    }

    fn mode(self: Here) -> Mode {
        let before = enter(self.address);
        let view = IClearinghouse::mode(@Clearinghouse::contract_state_for_testing());
        set_contract_address(before);
        view
    }

    fn epoch(self: Here) -> u64 {
        let before = enter(self.address);
        let view = IClearinghouse::epoch(@Clearinghouse::contract_state_for_testing());
        set_contract_address(before);
        view
    }

    fn ledger(self: Here) -> Ledger {
        let before = enter(self.address);
        let view = IClearinghouse::ledger(@Clearinghouse::contract_state_for_testing());
        set_contract_address(before);
        view
    }

    fn market_params(self: Here, market: u8) -> MarketParams {
        let before = enter(self.address);
        let state = @Clearinghouse::contract_state_for_testing();
        let view = IClearinghouse::market_params(state, market);
        set_contract_address(before);
        view
    }

    fn venue_params(self: Here) -> VenueParams {
        let before = enter(self.address);
        let view = IClearinghouse::venue_params(@Clearinghouse::contract_state_for_testing());
        set_contract_address(before);
        view
    }

    fn open_interest(self: Here, market: u8) -> OpenInterest {
        let before = enter(self.address);
        let state = @Clearinghouse::contract_state_for_testing();
        let view = IClearinghouse::open_interest(state, market);
        set_contract_address(before);
        view
    }

    fn funding_index(self: Here, market: u8) -> i128 {
        let before = enter(self.address);
        let state = @Clearinghouse::contract_state_for_testing();
        let view = IClearinghouse::funding_index(state, market);
        set_contract_address(before);
        view
    }

    fn order_hash(self: Here, order: Order) -> felt252 {
        let before = enter(self.address);
        let state = @Clearinghouse::contract_state_for_testing();
        let view = IClearinghouse::order_hash(state, order);
        set_contract_address(before);
        view
    }

    fn order_filled(self: Here, order_hash: felt252) -> u64 {
        let before = enter(self.address);
        let state = @Clearinghouse::contract_state_for_testing();
        let view = IClearinghouse::order_filled(state, order_hash);
        set_contract_address(before);
        view
    }

    fn trading_key_expiry(self: Here, account: ContractAddress, key: felt252) -> u64 {
        let before = enter(self.address);
        let state = @Clearinghouse::contract_state_for_testing();
        let view = IClearinghouse::trading_key_expiry(state, account, key);
        set_contract_address(before);
        view
    }

    fn return_pending(self: Here) {
        let before = enter(self.address);
        let mut state = Money::contract_state_for_testing();
        IMoney::return_pending(ref state);
        set_contract_address(before);
    }

    fn settle_positions(self: Here, market: u8, accounts: Span<ContractAddress>) {
        let before = enter(self.address);
        let mut state = Money::contract_state_for_testing();
        IMoney::settle_positions(ref state, market, accounts);
        set_contract_address(before);
    }

    fn escape(self: Here, epoch: u64, amount: u128) {
        let before = enter(self.address);
        let mut state = Money::contract_state_for_testing();
        IMoney::escape(ref state, epoch, amount);
        set_contract_address(before);
    }

    fn configure_outflow(self: Here, params: OutflowParams) {
        let before = enter(self.address);
        let mut state = Venue::contract_state_for_testing();
        IVenue::configure_outflow(ref state, params);
        set_contract_address(before);
    }

    fn checkpoint_funding(self: Here, markets: u128) {
        let before = enter(self.address);
        let mut state = Venue::contract_state_for_testing();
        IVenue::checkpoint_funding(ref state, markets);
        set_contract_address(before);
    }

    fn announce_restore(self: Here, market: u8) {
        let before = enter(self.address);
        let mut state = Venue::contract_state_for_testing();
        IVenue::announce_restore(ref state, market);
        set_contract_address(before);
    }

    fn cancel_restore(self: Here, market: u8) {
        let before = enter(self.address);
        let mut state = Venue::contract_state_for_testing();
        IVenue::cancel_restore(ref state, market);
        set_contract_address(before);
    }

    fn restore(self: Here, market: u8) {
        let before = enter(self.address);
        let mut state = Venue::contract_state_for_testing();
        IVenue::restore(ref state, market);
        set_contract_address(before);
    }

    fn outflow_params(self: Here) -> OutflowParams {
        let before = enter(self.address);
        let state = @Clearinghouse::contract_state_for_testing();
        let view = IClearinghouse::outflow_params(state);
        set_contract_address(before);
        view
    }

    fn outflow(self: Here) -> OutflowView {
        let before = enter(self.address);
        let state = @Clearinghouse::contract_state_for_testing();
        let view = IClearinghouse::outflow(state);
        set_contract_address(before);
        view
    }

    fn closing(self: Here, market: u8) -> Option<Closing> {
        let before = enter(self.address);
        let state = @Clearinghouse::contract_state_for_testing();
        let view = IClearinghouse::closing(state, market);
        set_contract_address(before);
        view
    }

    fn wound_down_at(self: Here) -> u64 {
        let before = enter(self.address);
        let state = @Clearinghouse::contract_state_for_testing();
        let view = IClearinghouse::wound_down_at(state);
        set_contract_address(before);
        view
    }

    fn funding_checkpoint(self: Here, market: u8) -> FundingCheckpoint {
        let before = enter(self.address);
        let state = @Clearinghouse::contract_state_for_testing();
        let view = IClearinghouse::funding_checkpoint(state, market);
        set_contract_address(before);
        view
    }
}

#[derive(Copy, Drop)]
pub struct OracleHere {
    pub address: ContractAddress,
}

#[generate_trait]
pub impl OracleHereImpl of OracleHereTrait {
    fn report(self: OracleHere, epoch: u64, entries: Span<PriceEntry>) {
        let before = enter(self.address);
        let mut state = Oracle::contract_state_for_testing();
        IOracle::report(ref state, epoch, pack(entries));
        set_contract_address(before);
    }

    fn list_market(self: OracleHere, name: felt252, guard: Guard) -> u8 {
        let before = enter(self.address);
        let mut state = Oracle::contract_state_for_testing();
        let market = IOracle::list_market(ref state, name, guard);
        set_contract_address(before);
        market
    }

    fn configure(self: OracleHere, market: u8, guard: Guard) {
        let before = enter(self.address);
        let mut state = Oracle::contract_state_for_testing();
        IOracle::configure(ref state, market, guard);
        set_contract_address(before);
    }

    fn freeze(self: OracleHere, market: u8) {
        let before = enter(self.address);
        let mut state = Oracle::contract_state_for_testing();
        IOracle::freeze(ref state, market);
        set_contract_address(before);
    }

    fn release(self: OracleHere, market: u8) {
        let before = enter(self.address);
        let mut state = Oracle::contract_state_for_testing();
        IOracle::release(ref state, market);
        set_contract_address(before);
    }

    fn connect(self: OracleHere, clearinghouse: ContractAddress, bridge: ContractAddress) {
        let before = enter(self.address);
        let mut state = Oracle::contract_state_for_testing();
        IOracle::connect(ref state, clearinghouse, bridge);
        set_contract_address(before);
    }

    fn set_epoch(self: OracleHere, epoch: u64) {
        let before = enter(self.address);
        let mut state = Oracle::contract_state_for_testing();
        IOracle::set_epoch(ref state, epoch);
        set_contract_address(before);
    }

    fn mark(self: OracleHere, market: u8) -> Mark {
        let before = enter(self.address);
        let mark = IOracle::mark(@Oracle::contract_state_for_testing(), market);
        set_contract_address(before);
        mark
    }

    fn epoch(self: OracleHere) -> u64 {
        let before = enter(self.address);
        let epoch = IOracle::epoch(@Oracle::contract_state_for_testing());
        set_contract_address(before);
        epoch
    }

    fn silent(self: OracleHere) -> bool {
        let before = enter(self.address);
        let silent = IOracle::silent(@Oracle::contract_state_for_testing());
        set_contract_address(before);
        silent
    }
}

#[derive(Copy, Drop)]
pub struct TokenHere {
    pub address: ContractAddress,
}

#[generate_trait]
pub impl TokenHereImpl of TokenHereTrait {
    fn mint(self: TokenHere, recipient: ContractAddress, amount: u256) {
        by('bridge');
        let before = enter(self.address);
        let mut state = CollateralToken::contract_state_for_testing();
        IBridgedToken::mint(ref state, recipient, amount);
        set_contract_address(before);
    }

    fn approve(self: TokenHere, spender: ContractAddress, amount: u256) {
        let before = enter(self.address);
        let mut state = CollateralToken::contract_state_for_testing();
        IERC20::approve(ref state, spender, amount);
        set_contract_address(before);
    }

    fn transfer(self: TokenHere, recipient: ContractAddress, amount: u256) {
        let before = enter(self.address);
        let mut state = CollateralToken::contract_state_for_testing();
        IERC20::transfer(ref state, recipient, amount);
        set_contract_address(before);
    }

    fn balance_of(self: TokenHere, account: ContractAddress) -> u256 {
        let before = enter(self.address);
        let balance = IERC20::balance_of(@CollateralToken::contract_state_for_testing(), account);
        set_contract_address(before);
        balance
    }
}
