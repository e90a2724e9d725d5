/// The margin accounts of one venue. What changes them runs in the classes `Trading`,
/// `Liquidation`, `Money` and `Venue`, by library call on this contract's storage; the views are
/// here.
#[starknet::contract]
pub mod Clearinghouse {
    use core::num::traits::Zero;
    use starknet::storage::{
        StorageAsPath, StorageAsPointer, StoragePathEntry, StoragePointerReadAccess,
        StoragePointerWriteAccess,
    };
    use starknet::{
        ClassHash, ContractAddress, get_block_timestamp, get_caller_address, get_contract_address,
        get_tx_info,
    };
    use crate::access::component::AccessComponent;
    use crate::clearinghouse::bitmap::{markets_in, mask};
    use crate::clearinghouse::book::{Basis, BookTrait, ViewTrait, load_view, mode_in_force};
    use crate::clearinghouse::events::{
        AllCancelled, BackstopRefused, Backstopped, Connected, DebtPaid, Deleveraged,
        DepositCredited, DepositHeld, DepositReturned, Deposited, EpochChanged, Escaped,
        FeesCollected, FillRefused, FillSettled, FundingBroken, FundingCheckpointed, FundingRebased,
        FundingRestored, InsuranceFunded, Liquidated, LiquidationRefused, MarketClosed,
        MarketConfigured, MarketEmptied, MarketListed, ModeChanged, OrderApproved, OrderCancelled,
        OutflowConfigured, PositionSettled, ReceivableCollected, Reconciled, RestoreAnnounced,
        RestoreCancelled, SeenUnderWater, StormDry, SurplusBooked, TradingKeyRegistered,
        TradingKeyRevoked, VenueConfigured, WaterfallConfigured, Withdrawn, WoundDown,
    };
    use crate::clearinghouse::funding::read_checkpoint;
    use crate::clearinghouse::interface::{
        AccountView, BadDebt, Classes, Closing, Fill, FundingCheckpoint, IClearinghouse, Ledger,
        LiquidationRequest, LossView, MarginView, MarketParams, Mode, OpenInterest, Order,
        OutflowParams, OutflowView, Position, Standing, StormView, VenueParams, WaterfallParams,
    };
    use crate::clearinghouse::liquidation::{
        ILiquidationDispatcherTrait, ILiquidationLibraryDispatcher,
    };
    use crate::clearinghouse::money::{IMoneyDispatcherTrait, IMoneyLibraryDispatcher};
    use crate::clearinghouse::orders::{domain_hash, order_hash};
    use crate::clearinghouse::outflow::outflow_now;
    use crate::clearinghouse::slots::{
        PositionSlot, VenueSlot, pack_outflow, unpack_closing, unpack_pair, unpack_tiers,
        unpack_trade,
    };
    use crate::clearinghouse::state::{
        State, account_base, read_account_at, read_bad_debt, read_books, read_custody, read_order,
        read_outflow, read_position_at, read_seen_at, read_venue, read_waterfall, write_venue,
        write_waterfall,
    };
    use crate::clearinghouse::storm::{read_storm, storm_terms};
    use crate::clearinghouse::trading::{ITradingDispatcherTrait, ITradingLibraryDispatcher};
    use crate::clearinghouse::venue::{IVenueDispatcherTrait, IVenueLibraryDispatcher};
    use crate::clearinghouse::waterfall::{
        IWaterfallDispatcherTrait, IWaterfallLibraryDispatcher, loss_terms,
    };
    use crate::oracle::interface::{IOracleDispatcher, IOracleDispatcherTrait};
    use crate::rules::bucket::{leaked, room};
    use crate::rules::config::{venue_fault, waterfall_fault};
    use crate::rules::outflow::outflow_fault;
    use crate::rules::risk::Margin;
    use crate::rules::storm::storm_limit;
    use crate::token::interface::{IERC20Dispatcher, IERC20DispatcherTrait};
    use crate::units::MAX_MARKETS;
    use crate::upgrades::component::UpgradeComponent;
    use crate::upgrades::names;
    use crate::upgrades::rules::assert_named;

    component!(path: AccessComponent, storage: access, event: AccessEvent);
    component!(path: UpgradeComponent, storage: upgrades, event: UpgradeEvent);

    #[abi(embed_v0)]
    impl AccessImpl = AccessComponent::AccessImpl<ContractState>;
    impl AccessInternalImpl = AccessComponent::InternalImpl<ContractState>;
    #[abi(embed_v0)]
    impl UpgradeImpl = UpgradeComponent::UpgradeImpl<ContractState>;

    #[storage]
    struct Storage {
        #[substorage(v0)]
        access: AccessComponent::Storage,
        #[substorage(v0)]
        upgrades: UpgradeComponent::Storage,
        pub(crate) state: State,
        classes: Classes,
    }

    #[event]
    #[derive(Drop, starknet::Event)]
    pub enum Event {
        #[flat]
        AccessEvent: AccessComponent::Event,
        #[flat]
        UpgradeEvent: UpgradeComponent::Event,
        FillSettled: FillSettled,
        FillRefused: FillRefused,
        OrderCancelled: OrderCancelled,
        AllCancelled: AllCancelled,
        OrderApproved: OrderApproved,
        TradingKeyRegistered: TradingKeyRegistered,
        TradingKeyRevoked: TradingKeyRevoked,
        Deposited: Deposited,
        DepositHeld: DepositHeld,
        DepositCredited: DepositCredited,
        Withdrawn: Withdrawn,
        FeesCollected: FeesCollected,
        InsuranceFunded: InsuranceFunded,
        SurplusBooked: SurplusBooked,
        Reconciled: Reconciled,
        ReceivableCollected: ReceivableCollected,
        Liquidated: Liquidated,
        LiquidationRefused: LiquidationRefused,
        ModeChanged: ModeChanged,
        EpochChanged: EpochChanged,
        FundingRebased: FundingRebased,
        FundingBroken: FundingBroken,
        MarketListed: MarketListed,
        MarketConfigured: MarketConfigured,
        VenueConfigured: VenueConfigured,
        Connected: Connected,
        WaterfallConfigured: WaterfallConfigured,
        StormDry: StormDry,
        SeenUnderWater: SeenUnderWater,
        Backstopped: Backstopped,
        BackstopRefused: BackstopRefused,
        DebtPaid: DebtPaid,
        Deleveraged: Deleveraged,
        OutflowConfigured: OutflowConfigured,
        DepositReturned: DepositReturned,
        MarketClosed: MarketClosed,
        PositionSettled: PositionSettled,
        MarketEmptied: MarketEmptied,
        WoundDown: WoundDown,
        Escaped: Escaped,
        FundingCheckpointed: FundingCheckpointed,
        RestoreAnnounced: RestoreAnnounced,
        RestoreCancelled: RestoreCancelled,
        FundingRestored: FundingRestored,
    }

    /// The venue begins Halted.
    #[constructor]
    fn constructor(
        ref self: ContractState,
        admin: ContractAddress,
        token: ContractAddress,
        oracle: ContractAddress,
        trading: ClassHash,
        liquidation: ClassHash,
        money: ClassHash,
        venue: ClassHash,
        waterfall: ClassHash,
        params: VenueParams,
        waterfall_params: WaterfallParams,
        outflow: OutflowParams,
    ) {
        assert(token.is_non_zero() && oracle.is_non_zero(), 'VENUE: zero address');
        assert(trading.is_non_zero() && liquidation.is_non_zero(), 'VENUE: zero class');
        assert(money.is_non_zero() && venue.is_non_zero(), 'VENUE: zero class');
        assert(waterfall.is_non_zero(), 'VENUE: zero class');
        if let Some(fault) = venue_fault(@params) {
            core::panic_with_felt252(fault);
        }
        if let Some(fault) = waterfall_fault(@waterfall_params) {
            core::panic_with_felt252(fault);
        }
        if let Some(fault) = outflow_fault(@outflow) {
            core::panic_with_felt252(fault);
        }
        self.access.initializer(admin);
        self.state.token.write(token);
        self.state.oracle.write(oracle);
        self.classes.write(Classes { trading, liquidation, money, venue, waterfall });
        let mode_since = get_block_timestamp();
        write_venue(
            self.state.as_path(),
            VenueSlot { params, mode: Mode::Halted, mode_since, full_since: 0 },
        );
        self.emit(VenueConfigured { params });
        write_waterfall(self.state.as_path(), waterfall_params);
        self.emit(WaterfallConfigured { params: waterfall_params });
        self.state.outflow.write(pack_outflow(@outflow));
        self.emit(OutflowConfigured { params: outflow });
    }

    #[abi(embed_v0)]
    impl ClearinghouseImpl of IClearinghouse<ContractState> {
        fn settle(ref self: ContractState, epoch: u64, fills: Span<Fill>) {
            self.trading().settle(epoch, fills);
        }

        fn cancel(ref self: ContractState, order: Order) {
            self.trading().cancel(order);
        }

        fn cancel_all(ref self: ContractState) {
            self.trading().cancel_all();
        }

        fn register_trading_key(ref self: ContractState, key: felt252, expiry: u64) {
            self.trading().register_trading_key(key, expiry);
        }

        fn revoke_trading_key(ref self: ContractState, key: felt252) {
            self.trading().revoke_trading_key(key);
        }

        fn approve_order(ref self: ContractState, order: Order) {
            self.trading().approve_order(order);
        }

        fn deposit(ref self: ContractState, amount: u128) {
            self.money().deposit_for(get_caller_address(), amount);
        }

        fn deposit_for(ref self: ContractState, account: ContractAddress, amount: u128) {
            self.money().deposit_for(account, amount);
        }

        fn credit_pending(ref self: ContractState, account: ContractAddress) {
            self.money().credit_pending(account);
        }

        fn withdraw(ref self: ContractState, epoch: u64, amount: u128) {
            self.money().withdraw(epoch, amount);
        }

        fn return_pending(ref self: ContractState) {
            self.money().return_pending();
        }

        fn settle_positions(ref self: ContractState, market: u8, accounts: Span<ContractAddress>) {
            self.money().settle_positions(market, accounts);
        }

        fn escape(ref self: ContractState, epoch: u64, amount: u128) {
            self.money().escape(epoch, amount);
        }

        fn liquidate(ref self: ContractState, epoch: u64, request: LiquidationRequest) {
            self.liquidation().liquidate(epoch, request);
        }

        fn liquidate_many(ref self: ContractState, epoch: u64, requests: Span<LiquidationRequest>) {
            self.liquidation().liquidate_many(epoch, requests);
        }

        fn backstop(ref self: ContractState, epoch: u64, account: ContractAddress) {
            self.waterfall().backstop(epoch, account);
        }

        fn deleverage(
            ref self: ContractState,
            epoch: u64,
            account: ContractAddress,
            market: u8,
            counterparties: Span<ContractAddress>,
        ) {
            self.waterfall().deleverage(epoch, account, market, counterparties);
        }

        fn set_mode(ref self: ContractState, mode: Mode, report_hash: felt252) {
            self.venue().set_mode(mode, report_hash);
        }

        fn end_silence(ref self: ContractState) {
            self.venue().end_silence();
        }

        fn set_epoch(ref self: ContractState, epoch: u64) {
            self.venue().set_epoch(epoch);
        }

        fn list_market(ref self: ContractState, name: felt252, params: MarketParams) {
            self.venue().list_market(name, params);
        }

        fn configure_market(ref self: ContractState, market: u8, params: MarketParams) {
            self.venue().configure_market(market, params);
        }

        fn configure_venue(ref self: ContractState, params: VenueParams) {
            self.venue().configure_venue(params);
        }

        fn configure_waterfall(ref self: ContractState, params: WaterfallParams) {
            self.waterfall().configure_waterfall(params);
        }

        fn configure_outflow(ref self: ContractState, params: OutflowParams) {
            self.venue().configure_outflow(params);
        }

        fn checkpoint_funding(ref self: ContractState, markets: u128) {
            self.venue().checkpoint_funding(markets);
        }

        fn announce_restore(ref self: ContractState, market: u8) {
            self.venue().announce_restore(market);
        }

        fn cancel_restore(ref self: ContractState, market: u8) {
            self.venue().cancel_restore(market);
        }

        fn restore(ref self: ContractState, market: u8) {
            self.venue().restore(market);
        }

        fn collect_fees(ref self: ContractState, account: ContractAddress, amount: u128) {
            self.money().collect_fees(account, amount);
        }

        fn fund_insurance(ref self: ContractState, amount: u128) {
            self.money().fund_insurance(amount);
        }

        fn book_surplus(ref self: ContractState) -> u128 {
            self.money().book_surplus()
        }

        fn reconcile(ref self: ContractState, account: ContractAddress, amount: u128) {
            self.money().reconcile(account, amount);
        }

        fn collect_receivable(ref self: ContractState, account: ContractAddress) -> u128 {
            self.money().collect_receivable(account)
        }

        fn connect(ref self: ContractState, bridge: ContractAddress, vault: ContractAddress) {
            self.venue().connect(bridge, vault);
        }

        fn account(self: @ContractState, account: ContractAddress) -> AccountView {
            let base = account_base(self.state.as_path(), account);
            let slot = read_account_at(base);
            let mut positions = array![];
            for market in markets_in(slot.open) {
                positions.append(view_of(*market, read_position_at(base, *market)));
            }
            AccountView {
                collateral: slot.collateral,
                account_epoch: slot.epoch,
                open_markets: slot.open,
                positions: positions.span(),
            }
        }

        fn position(self: @ContractState, account: ContractAddress, market: u8) -> Position {
            assert(market < MAX_MARKETS, 'MARKET: not listed');
            let base = account_base(self.state.as_path(), account);
            view_of(market, read_position_at(base, market))
        }

        fn margin_of(self: @ContractState, account: ContractAddress) -> MarginView {
            let state = self.state.as_path();
            let open = read_account_at(account_base(state, account)).open;
            let view = load_view(state, open);
            assert(view.broken == 0, 'FUNDING: broken');
            let book = view.load_book(state, account);
            margin_view(book.margin(Basis::LastGood))
        }

        fn standing(self: @ContractState, account: ContractAddress) -> Standing {
            let state = self.state.as_path();
            let open = read_account_at(account_base(state, account)).open;
            let view = load_view(state, open);
            let mut valid = true;
            for seen in view.markets {
                valid = valid && (*seen.market).unbox().valid;
            }
            let margin = view.load_book(state, account).margin(Basis::Worst);
            let room = outflow_now(state).room;
            let escapes = open == 0 && self.state.wound_down_at.read() != 0;
            Standing { mode: view.mode, valid, margin: margin_view(margin), room, escapes }
        }

        fn pending_deposit(self: @ContractState, account: ContractAddress) -> u128 {
            self.state.pending.entry(account).read()
        }

        fn receivable(self: @ContractState, account: ContractAddress) -> u128 {
            self.state.receivables.entry(account).read()
        }

        fn mode(self: @ContractState) -> Mode {
            mode_in_force(self.state.as_path())
        }

        fn epoch(self: @ContractState) -> u64 {
            self.state.epoch.read()
        }

        fn ledger(self: @ContractState) -> Ledger {
            let state = self.state.as_path();
            let books = read_books(state);
            let custody = read_custody(state);
            Ledger {
                total: custody.total.try_into().unwrap(),
                insurance: books.insurance.try_into().unwrap(),
                fees: books.fees.try_into().unwrap(),
                funding: books.funding.try_into().unwrap(),
                pending: custody.pending.try_into().unwrap(),
            }
        }

        fn market_params(self: @ContractState, market: u8) -> MarketParams {
            let slots = self.state.markets.entry(market).as_ptr();
            let trade = unpack_trade(slots.trade.read());
            let (max_open_interest, max_position) = unpack_pair(slots.caps.read());
            MarketParams {
                tiers: unpack_tiers(slots.tiers.read()),
                lot_size: trade.lot_size,
                tick_size: trade.tick_size,
                maker_fee_bps: trade.maker_fee_bps,
                taker_fee_bps: trade.taker_fee_bps,
                discount_bps: trade.discount_bps,
                penalty_bps: trade.penalty_bps,
                dust_usd: trade.dust_usd,
                max_open_interest,
                max_position,
            }
        }

        fn venue_params(self: @ContractState) -> VenueParams {
            read_venue(self.state.as_path()).params
        }

        fn outflow_params(self: @ContractState) -> OutflowParams {
            read_outflow(self.state.as_path())
        }

        fn outflow(self: @ContractState) -> OutflowView {
            outflow_now(self.state.as_path())
        }

        fn closing(self: @ContractState, market: u8) -> Option<Closing> {
            unpack_closing(self.state.closings.entry(market).read())
        }

        fn wound_down_at(self: @ContractState) -> u64 {
            self.state.wound_down_at.read()
        }

        fn funding_checkpoint(self: @ContractState, market: u8) -> FundingCheckpoint {
            let state = self.state.as_path();
            let slots = state.restores.entry(market).as_ptr();
            FundingCheckpoint {
                index: read_checkpoint(state, get_contract_address().into(), market),
                at: slots.at.read(),
                restore_from: slots.restore_from.read(),
            }
        }

        fn open_interest(self: @ContractState, market: u8) -> OpenInterest {
            let slots = self.state.markets.entry(market).as_ptr();
            let (long, short) = unpack_pair(slots.interest.read());
            OpenInterest { long, short }
        }

        fn funding_index(self: @ContractState, market: u8) -> i128 {
            let listed = self.state.listed.read();
            assert(market < MAX_MARKETS && listed & mask(market) != 0, 'MARKET: not listed');
            let view = load_view(self.state.as_path(), mask(market));
            assert(view.broken == 0, 'FUNDING: broken');
            (*view.markets[0]).market.unbox().funding_index
        }

        fn order_hash(self: @ContractState, order: Order) -> felt252 {
            order_hash(domain_hash(get_tx_info().unbox().chain_id), @order)
        }

        fn order_filled(self: @ContractState, order_hash: felt252) -> u64 {
            read_order(self.state.as_path(), order_hash).filled
        }

        fn trading_key_expiry(self: @ContractState, account: ContractAddress, key: felt252) -> u64 {
            self.state.trading_keys.entry((account, key)).read()
        }

        fn oracle(self: @ContractState) -> ContractAddress {
            self.state.oracle.read()
        }

        fn token(self: @ContractState) -> ContractAddress {
            self.state.token.read()
        }

        fn bridge(self: @ContractState) -> ContractAddress {
            self.state.bridge.read()
        }

        fn vault(self: @ContractState) -> ContractAddress {
            self.state.vault.read()
        }

        fn waterfall_params(self: @ContractState) -> WaterfallParams {
            read_waterfall(self.state.as_path())
        }

        fn storm(self: @ContractState, market: u8) -> StormView {
            let listed = self.state.listed.read();
            assert(market < MAX_MARKETS && listed & mask(market) != 0, 'MARKET: not listed');
            let terms = storm_terms(@self.waterfall_params());
            let now = get_block_timestamp();
            let storm = read_storm(self.state.as_path(), market, terms, now);
            let mark = IOracleDispatcher { contract_address: self.oracle() }.mark(market).price;
            StormView {
                used: storm.used,
                since: storm.since,
                limit: storm_limit(terms, self.open_interest(market).long, mark),
                dry: storm.dry,
            }
        }

        fn loss_bucket(self: @ContractState) -> LossView {
            let terms = loss_terms(@self.waterfall_params());
            let (bucket, now) = (self.state.losses.read(), get_block_timestamp());
            LossView { level: leaked(bucket, terms, now).level, room: room(bucket, terms, now) }
        }

        fn bad_debt(self: @ContractState) -> BadDebt {
            read_bad_debt(self.state.as_path())
        }

        fn seen_under_water(self: @ContractState, account: ContractAddress) -> u64 {
            read_seen_at(account_base(self.state.as_path(), account))
        }

        fn classes(self: @ContractState) -> Classes {
            self.classes.read()
        }
    }

    impl UpgradeHooks of UpgradeComponent::HooksTrait<ContractState> {
        fn name() -> felt252 {
            names::CLEARINGHOUSE
        }

        fn assert_admin(self: @ContractState) {
            self.access.assert_admin();
        }

        fn assert_admin_or_guardian(self: @ContractState) {
            self.access.assert_admin_or_guardian();
        }

        fn is_halted(self: @ContractState) -> bool {
            read_venue(self.state.as_path()).mode == Mode::Halted
        }

        fn conserved(self: @ContractState) -> Span<felt252> {
            let state = self.state.as_path();
            let ledger = self.ledger();
            let token = self.state.token.read();
            let balance = IERC20Dispatcher { contract_address: token }
                .balance_of(get_contract_address());
            let held: u128 = ledger.total.try_into().unwrap();
            assert(balance >= held.into(), 'UPGRADE: ledger not covered');
            let listed = self.state.listed.read();
            let mut figures = array![
                self.access.Access_admin.read().into(), self.state.oracle.read().into(),
                token.into(), self.state.bridge.read().into(), self.state.vault.read().into(),
                self.state.epoch.read().into(), self.state.waterfall.read(),
                self.state.bad_debt.read(), ledger.total.into(), ledger.insurance.into(),
                ledger.fees.into(), ledger.funding.into(), ledger.pending.into(),
                balance.try_into().unwrap(), listed.into(),
            ];
            for seen in load_view(state, listed).markets {
                let market = (*seen.market).unbox();
                let interest = self.open_interest(market.index);
                figures.append(market.funding_index.into());
                figures.append(interest.long.into());
                figures.append(interest.short.into());
            }
            figures.span()
        }

        fn migrate(ref self: ContractState, classes: Span<ClassHash>, data: Span<felt252>) {
            assert(data.is_empty(), 'UPGRADE: no migration');
            self.run_classes(classes);
        }
    }

    #[generate_trait]
    impl Internal of InternalTrait {
        /// All of them, in the order of `Classes`, each with its name.
        fn run_classes(ref self: ContractState, classes: Span<ClassHash>) {
            let mut felts = array![];
            for class_hash in classes {
                felts.append((*class_hash).into());
            }
            let mut rest = felts.span();
            let found: Classes = Serde::deserialize(ref rest).expect('UPGRADE: classes missing');
            assert(rest.is_empty(), 'UPGRADE: too many classes');
            assert_named(found.trading, names::TRADING);
            assert_named(found.liquidation, names::LIQUIDATION);
            assert_named(found.money, names::MONEY);
            assert_named(found.venue, names::VENUE);
            assert_named(found.waterfall, names::WATERFALL);
            self.classes.write(found);
        }

        fn trading(self: @ContractState) -> ITradingLibraryDispatcher {
            ITradingLibraryDispatcher { class_hash: self.classes.trading.read() }
        }

        fn liquidation(self: @ContractState) -> ILiquidationLibraryDispatcher {
            ILiquidationLibraryDispatcher { class_hash: self.classes.liquidation.read() }
        }

        fn money(self: @ContractState) -> IMoneyLibraryDispatcher {
            IMoneyLibraryDispatcher { class_hash: self.classes.money.read() }
        }

        fn waterfall(self: @ContractState) -> IWaterfallLibraryDispatcher {
            IWaterfallLibraryDispatcher { class_hash: self.classes.waterfall.read() }
        }

        fn venue(self: @ContractState) -> IVenueLibraryDispatcher {
            IVenueLibraryDispatcher { class_hash: self.classes.venue.read() }
        }
    }

    fn margin_view(margin: Margin) -> MarginView {
        MarginView {
            value: margin.value,
            maintenance: margin.maintenance.try_into().unwrap(),
            initial: margin.initial.try_into().unwrap(),
        }
    }

    fn view_of(market: u8, position: PositionSlot) -> Position {
        Position { market, size: position.size, funding_index: position.index }
    }
}
