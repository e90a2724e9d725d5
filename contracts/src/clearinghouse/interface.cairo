use starknet::{ClassHash, ContractAddress};

/// What a trader signs: SNIP-12 revision 1, domain name 'Truemark', version 'v1'. Every field is
/// signed.
#[derive(Copy, Drop, Serde, PartialEq, Debug)]
pub struct Order {
    pub venue: ContractAddress,
    pub account: ContractAddress,
    pub epoch: u64,
    /// Raised by `cancel_all`.
    pub account_epoch: u32,
    /// The market's name, e.g. 'BTC-USD-PERP'.
    pub market: felt252,
    pub is_buy: bool,
    /// 1e-8 of the base asset.
    pub size: u64,
    /// 1e-8 USD for one whole base unit.
    pub limit_price: u64,
    pub max_fee_bps: u16,
    pub reduce_only: bool,
    pub post_only: bool,
    pub expiry: u64,
    pub salt: felt252,
}

/// (r, s) by a trading key that the account registered; `key` 0 stands for an order approved by
/// `approve_order`.
#[derive(Copy, Drop, Serde, PartialEq, Debug)]
pub struct OrderSignature {
    pub key: felt252,
    pub r: felt252,
    pub s: felt252,
}

#[derive(Copy, Drop, Serde, PartialEq, Debug)]
pub struct SignedOrder {
    pub order: Order,
    pub signature: OrderSignature,
}

/// One match: the maker was resting, the taker came to it.
#[derive(Copy, Drop, Serde, PartialEq, Debug)]
pub struct Fill {
    pub maker: SignedOrder,
    pub taker: SignedOrder,
    pub size: u64,
    pub price: u64,
}

#[derive(Copy, Drop, Serde, PartialEq, Debug)]
pub struct LiquidationRequest {
    pub account: ContractAddress,
    pub market: u8,
    /// The most that the caller takes over; 1e-8 of the base asset.
    pub max_size: u64,
    /// The worst price for the caller: at most this when it buys from a long, at least this from a
    /// short.
    pub limit_price: u64,
}

/// Ordered: a lower mode allows less.
#[derive(Copy, Drop, Serde, PartialEq, Debug, Default)]
pub enum Mode {
    #[default]
    Halted,
    CancelOnly,
    PostOnly,
    Full,
}

/// One margin tier. The part of |value| between the previous tier's bound and this one's has these
/// fractions.
/// `upto` is in whole USD; 0 in the last tier that is used: without bound.
#[derive(Copy, Drop, Serde, PartialEq, Debug, Default)]
pub struct MarginTier {
    pub upto: u64,
    pub initial_bps: u16,
    pub maintenance_bps: u16,
}

/// What the clearinghouse knows of a market; the oracle has its guard.
#[derive(Copy, Drop, Serde, PartialEq, Debug)]
pub struct MarketParams {
    /// Marginal tiers, one to three; unused ones are all 0.
    pub tiers: (MarginTier, MarginTier, MarginTier),
    /// Size and order steps; 1e-8 of the base asset and 1e-8 USD.
    pub lot_size: u64,
    pub tick_size: u64,
    pub maker_fee_bps: u16,
    pub taker_fee_bps: u16,
    /// Liquidation: discount to the liquidator and the most that goes to insurance, of the value
    /// taken over.
    pub discount_bps: u16,
    pub penalty_bps: u16,
    /// A position below this is liquidated whole; whole USD.
    pub dust_usd: u32,
    /// Caps; 1e-8 of the base asset.
    pub max_open_interest: u64,
    pub max_position: u64,
}

#[derive(Copy, Drop, Serde, PartialEq, Debug)]
pub struct VenueParams {
    pub fill_band_bps: u16,
    pub post_band_bps: u16,
    /// Time in a mode before the next one up.
    pub dwell_secs: u32,
    /// Time after reopening, and after a market became Valid again, before anyone is liquidated.
    pub grace_secs: u32,
}

/// What stands behind the liquidators, and how fast they may be.
#[derive(Copy, Drop, Serde, PartialEq, Debug)]
pub struct WaterfallParams {
    /// The storm bucket: of each market at most max(storm_bps of its open interest, storm_floor) is
    /// liquidated in storm_window seconds. storm_floor in 1e-6 USD; 10,000 bps: no ration.
    pub storm_window: u32,
    pub storm_bps: u16,
    pub storm_floor: u64,
    /// How long an account is under water and untouched before the backstop may take it.
    pub backstop_secs: u32,
    /// The vault's losses by the backstop in loss_window seconds, a leaky bucket; 1e-6 USD.
    pub loss_cap: u64,
    pub loss_window: u32,
}

/// The storm bucket of one market now; values in 1e-16 USD.
#[derive(Copy, Drop, Serde, PartialEq, Debug)]
pub struct StormView {
    /// Liquidated since the window opened, at `since`.
    pub used: u128,
    pub since: u64,
    /// The ration, at the last good mark.
    pub limit: u128,
    /// One was cut or refused.
    pub dry: bool,
}

/// What the vault lost by the backstop, and how much more it may lose now; 1e-6 USD.
#[derive(Copy, Drop, Serde, PartialEq, Debug)]
pub struct LossView {
    pub level: u128,
    pub room: u128,
}

/// What others paid so far because accounts were worth less than nothing; 1e-6 USD.
#[derive(Copy, Drop, Serde, PartialEq, Debug, Default)]
pub struct BadDebt {
    pub vault: u64,
    pub insurance: u64,
    /// By counterparties that were closed at a bankruptcy price.
    pub deleveraged: u64,
}

/// What may leave, and how long owners and the admin wait for what is out of the ordinary.
#[derive(Copy, Drop, Serde, PartialEq, Debug)]
pub struct OutflowParams {
    /// All that leaves margin accounts for wallets is under one quota, a leaky bucket: at most this
    /// much at once (1e-6 USD), which runs out in `outflow_window` seconds.
    pub outflow_limit: u128,
    pub outflow_window: u32,
    /// Time in Halted before owners may leave by `escape`.
    pub escape_delay: u32,
    /// From the announcement of a restored funding index to its execution.
    pub restore_delay: u32,
}

/// The quota now; 1e-6 USD.
#[derive(Copy, Drop, Serde, PartialEq, Debug)]
pub struct OutflowView {
    /// What left and has not run out.
    pub level: u128,
    /// How much may leave at once.
    pub room: u128,
}

/// At what everybody's positions in a market close: its final price or, in a wind-down, its last
/// good mark; and the funding index then. None: funding is not settled.
#[derive(Copy, Drop, Serde, PartialEq, Debug)]
pub struct Closing {
    pub price: u64,
    pub index: Option<i128>,
}

/// What a restore would go back to.
#[derive(Copy, Drop, Serde, PartialEq, Debug)]
pub struct FundingCheckpoint {
    /// None: its seal is broken.
    pub index: Option<i128>,
    /// When it was taken; seconds.
    pub at: u64,
    /// From when an announced restore can be executed; 0: none is announced.
    pub restore_from: u64,
}

#[derive(Copy, Drop, Serde, PartialEq, Debug)]
pub struct Position {
    pub market: u8,
    pub size: i64,
    /// The funding index at which funding was last settled.
    pub funding_index: i128,
}

#[derive(Drop, Serde)]
pub struct AccountView {
    pub collateral: i128,
    pub account_epoch: u32,
    /// Bitmap of open markets.
    pub open_markets: u128,
    pub positions: Span<Position>,
}

/// V and the two requirements; 1e-16 USD. `maintenance` and `initial` are rounded up, which changes
/// no comparison with the whole number V.
#[derive(Copy, Drop, Serde, PartialEq, Debug)]
pub struct MarginView {
    pub value: i128,
    pub maintenance: i128,
    pub initial: i128,
}

/// What an account is worth and whether that can be proved, at one moment.
#[derive(Copy, Drop, Serde, PartialEq, Debug)]
pub struct Standing {
    /// The effective mode.
    pub mode: Mode,
    /// Every market that the account has open is Valid, its funding whole.
    pub valid: bool,
    /// Every market that is not Valid at the worst of last good, candidate and anchor.
    pub margin: MarginView,
    /// How much the quota lets out at once; 1e-6 USD.
    pub room: u128,
    /// A wind-down has begun and the account has nothing open: it leaves by `escape`, whatever the
    /// mode.
    pub escapes: bool,
}

/// Where all collateral is; 1e-6 USD. `total` is what came in less what went out, and equals the
/// token balance:
/// total = sum of accounts + insurance + fees + funding + pending.
#[derive(Copy, Drop, Serde, PartialEq, Debug)]
pub struct Ledger {
    pub total: i128,
    pub insurance: i128,
    pub fees: i128,
    /// Funding, and the value of positions closed by settlement, that payers have settled and
    /// receivers have not yet; below 0 while it is the other way round.
    pub funding: i128,
    /// Deposits made while Halted, not yet credited.
    pub pending: i128,
}

#[derive(Copy, Drop, Serde, PartialEq, Debug)]
pub struct OpenInterest {
    pub long: u64,
    pub short: u64,
}

/// The classes that the contract runs on its own storage, by library call.
#[derive(Copy, Drop, Serde, PartialEq, Debug, starknet::Store)]
pub struct Classes {
    pub trading: ClassHash,
    pub liquidation: ClassHash,
    pub money: ClassHash,
    pub venue: ClassHash,
    pub waterfall: ClassHash,
}

#[starknet::interface]
pub trait IClearinghouse<TState> {
    // --- trading
    /// Operator. A bad fill is skipped and named in `FillRefused`; the others settle.
    fn settle(ref self: TState, epoch: u64, fills: Span<Fill>);
    /// The order's account only; in every mode.
    fn cancel(ref self: TState, order: Order);
    /// Ends every order that the caller has signed so far; in every mode.
    fn cancel_all(ref self: TState);
    /// Lets `key` (the x of a point on the curve) sign orders of the caller until `expiry`. It
    /// cannot withdraw.
    fn register_trading_key(ref self: TState, key: felt252, expiry: u64);
    /// In every mode.
    fn revoke_trading_key(ref self: TState, key: felt252);
    /// The order's account only: instead of a signature, for wallets of any kind.
    fn approve_order(ref self: TState, order: Order);

    // --- money
    /// Takes `amount` of the token from the caller's wallet; the caller approved it before.
    fn deposit(ref self: TState, amount: u128);
    fn deposit_for(ref self: TState, account: ContractAddress, amount: u128);
    /// Credits a deposit that was held while Halted. Anyone.
    fn credit_pending(ref self: TState, account: ContractAddress);
    /// From the caller's margin account to its wallet, under the quota. Leaves initial margin, at
    /// the worst price of what is not Valid.
    fn withdraw(ref self: TState, epoch: u64, amount: u128);
    /// To the caller's wallet, under the quota: its deposits that wait to be credited.
    fn return_pending(ref self: TState);
    /// Anyone: closes what the accounts hold in a settled market at its final price. In Halted only
    /// after a wind-down began. An account without a position there is passed over.
    fn settle_positions(ref self: TState, market: u8, accounts: Span<ContractAddress>);
    /// After `escape_delay` in Halted, whatever the oracle says. With nothing open: `amount` to the
    /// caller's wallet, under the quota. With something open the venue begins to wind down: every
    /// market closes at its last good mark for everybody, the caller's positions at once. `amount`
    /// 0: only that.
    fn escape(ref self: TState, epoch: u64, amount: u128);

    // --- liquidation
    /// Any caller but the account itself, who then owns the position and must meet initial margin.
    fn liquidate(ref self: TState, epoch: u64, request: LiquidationRequest);
    /// As `liquidate` for each, a refusal named in `LiquidationRefused` instead of a revert.
    fn liquidate_many(ref self: TState, epoch: u64, requests: Span<LiquidationRequest>);
    /// Any caller but the account: what liquidators leave (V < R/3, or under water and untouched
    /// for backstop_secs) goes to the vault, at the bankruptcy price or better. The first call for
    /// an account with R/3 <= V < R only notes that it was seen.
    fn backstop(ref self: TState, epoch: u64, account: ContractAddress);
    /// Operator: what neither the vault nor insurance can pay is closed against counterparties, the
    /// most leveraged first, at the bankruptcy price.
    fn deleverage(
        ref self: TState,
        epoch: u64,
        account: ContractAddress,
        market: u8,
        counterparties: Span<ContractAddress>,
    );

    // --- the venue
    /// Down: admin, guardian, sentinel, at once. Up: admin, one step at a time, after the dwell
    /// time, with the integrity report's hash.
    fn set_mode(ref self: TState, mode: Mode, report_hash: felt252);
    /// The oracle only: the first report after a silence stores CancelOnly.
    fn end_silence(ref self: TState);
    /// The bridge only; only upwards. Halts.
    fn set_epoch(ref self: TState, epoch: u64);
    /// Admin. The market must be listed in the oracle.
    fn list_market(ref self: TState, name: felt252, params: MarketParams);
    /// Admin. Raising margin fractions needs CancelOnly or Halted.
    fn configure_market(ref self: TState, market: u8, params: MarketParams);
    /// Admin.
    fn configure_venue(ref self: TState, params: VenueParams);
    /// Admin.
    fn configure_waterfall(ref self: TState, params: WaterfallParams);
    /// Admin. In Halted only what holds nobody back who waits to escape.
    fn configure_outflow(ref self: TState, params: OutflowParams);
    /// Anyone: the present funding index of each of these listed markets becomes the one that a
    /// restore goes back to. A broken one is passed over.
    fn checkpoint_funding(ref self: TState, markets: u128);
    /// Admin, in Halted: the market's funding is broken and shall be restored.
    fn announce_restore(ref self: TState, market: u8);
    /// Admin, guardian, sentinel.
    fn cancel_restore(ref self: TState, market: u8);
    /// Admin, in Halted, `restore_delay` after the announcement: the index of a market whose
    /// funding is broken is that of the last checkpoint.
    fn restore(ref self: TState, market: u8);
    /// Admin, to a margin account.
    fn collect_fees(ref self: TState, account: ContractAddress, amount: u128);
    /// Anyone: from the caller's margin account into insurance.
    fn fund_insurance(ref self: TState, amount: u128);
    /// Admin. Tokens that were sent here without a deposit go to insurance, so that the ledger
    /// equals the balance again; returns how many.
    fn book_surplus(ref self: TState) -> u128;
    /// The bridge only, in every mode: debits again what the account had withdrawn before a
    /// rollback and gives the tokens to the bridge. The account keeps its initial margin; insurance
    /// pays what is missing and is owed it.
    fn reconcile(ref self: TState, account: ContractAddress, amount: u128);
    /// Anyone: what an account owes to insurance, as far as it has it free now; until it owes
    /// nothing it withdraws nothing. Returns what was collected.
    fn collect_receivable(ref self: TState, account: ContractAddress) -> u128;
    /// Admin, once: the bridge that counts epochs, the vault whose margin account is the backstop.
    fn connect(ref self: TState, bridge: ContractAddress, vault: ContractAddress);

    // --- views
    fn account(self: @TState, account: ContractAddress) -> AccountView;
    fn position(self: @TState, account: ContractAddress, market: u8) -> Position;
    fn margin_of(self: @TState, account: ContractAddress) -> MarginView;
    /// As a withdrawal counts it; never reverts.
    fn standing(self: @TState, account: ContractAddress) -> Standing;
    fn pending_deposit(self: @TState, account: ContractAddress) -> u128;
    /// What the account owes to insurance; 1e-6 USD.
    fn receivable(self: @TState, account: ContractAddress) -> u128;
    /// The effective mode.
    fn mode(self: @TState) -> Mode;
    fn epoch(self: @TState) -> u64;
    fn ledger(self: @TState) -> Ledger;
    /// All 0 for a market that is not listed.
    fn market_params(self: @TState, market: u8) -> MarketParams;
    fn venue_params(self: @TState) -> VenueParams;
    fn outflow_params(self: @TState) -> OutflowParams;
    fn outflow(self: @TState) -> OutflowView;
    /// None until positions of the market are closed by settlement.
    fn closing(self: @TState, market: u8) -> Option<Closing>;
    /// When a wind-down began; 0: none did.
    fn wound_down_at(self: @TState) -> u64;
    fn funding_checkpoint(self: @TState, market: u8) -> FundingCheckpoint;
    fn open_interest(self: @TState, market: u8) -> OpenInterest;
    fn funding_index(self: @TState, market: u8) -> i128;
    fn order_hash(self: @TState, order: Order) -> felt252;
    /// 1e-8 of the base asset; the order's whole size once it is cancelled.
    fn order_filled(self: @TState, order_hash: felt252) -> u64;
    /// 0: not registered or revoked.
    fn trading_key_expiry(self: @TState, account: ContractAddress, key: felt252) -> u64;
    fn oracle(self: @TState) -> ContractAddress;
    fn token(self: @TState) -> ContractAddress;
    /// 0 until `connect`.
    fn bridge(self: @TState) -> ContractAddress;
    /// 0 until `connect`.
    fn vault(self: @TState) -> ContractAddress;
    fn waterfall_params(self: @TState) -> WaterfallParams;
    fn storm(self: @TState, market: u8) -> StormView;
    fn loss_bucket(self: @TState) -> LossView;
    fn bad_debt(self: @TState) -> BadDebt;
    /// When `backstop` last saw the account under water; 0: never, or it was touched since.
    fn seen_under_water(self: @TState, account: ContractAddress) -> u64;
    fn classes(self: @TState) -> Classes;
}
