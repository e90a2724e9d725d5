use starknet::ContractAddress;
use crate::clearinghouse::interface::{MarketParams, Mode, OutflowParams, VenueParams};

#[starknet::interface]
pub trait IVenue<TState> {
    fn set_mode(ref self: TState, mode: Mode, report_hash: felt252);
    fn end_silence(ref self: TState);
    fn set_epoch(ref self: TState, epoch: u64);
    fn list_market(ref self: TState, name: felt252, params: MarketParams);
    fn configure_market(ref self: TState, market: u8, params: MarketParams);
    fn configure_venue(ref self: TState, params: VenueParams);
    fn connect(ref self: TState, bridge: ContractAddress, vault: ContractAddress);
    fn configure_outflow(ref self: TState, params: OutflowParams);
    fn checkpoint_funding(ref self: TState, markets: u128);
    fn announce_restore(ref self: TState, market: u8);
    fn cancel_restore(ref self: TState, market: u8);
    fn restore(ref self: TState, market: u8);
}

/// The mode, the epoch and the configuration. Runs on the clearinghouse's storage, by library call.
#[starknet::contract]
pub mod Venue {
    use core::num::traits::Zero;
    use starknet::storage::{
        StorageAsPath, StorageAsPointer, StoragePathEntry, StoragePathMutableConversion,
        StoragePointerReadAccess, StoragePointerWriteAccess,
    };
    use starknet::{ContractAddress, get_block_timestamp, get_caller_address, get_contract_address};
    use crate::access::component::AccessComponent;
    use crate::clearinghouse::bitmap::{markets_in, mask};
    use crate::clearinghouse::book::mode_in_force;
    use crate::clearinghouse::events::{
        Connected, EpochChanged, FundingBroken, FundingCheckpointed, FundingRebased,
        FundingRestored, MarketConfigured, MarketListed, ModeChanged, OutflowConfigured,
        RestoreAnnounced, RestoreCancelled, VenueConfigured,
    };
    use crate::clearinghouse::funding::{all_sealed, assess, index_now, mend, write_checkpoint};
    use crate::clearinghouse::interface::{MarketParams, Mode, OutflowParams, VenueParams};
    use crate::clearinghouse::mode::change_mode;
    use crate::clearinghouse::slots::{
        FundingSlot, VenueSlot, pack_outflow, pack_pair, pack_storm, pack_tiers, pack_trade,
        seal_funding, trade_of, unpack_tiers, unpack_trade,
    };
    use crate::clearinghouse::state::{
        MarketSlots, State, read_custody, read_outflow, read_venue, write_venue,
    };
    use crate::oracle::interface::{IOracleDispatcher, IOracleDispatcherTrait, MarketStatus};
    use crate::rules::bucket::settled;
    use crate::rules::config::{market_fault, raises_fractions, venue_fault};
    use crate::rules::modes::{Action, allows, is_down, is_one_step_up};
    use crate::rules::outflow::{holds_back, limit_of, outflow_fault};
    use crate::rules::storm::Storm;
    use crate::token::interface::{IERC20Dispatcher, IERC20DispatcherTrait};
    use crate::units::MAX_MARKETS;
    use crate::upgrades::interface::INamed;
    use crate::upgrades::names;

    component!(path: AccessComponent, storage: access, event: AccessEvent);
    impl AccessInternalImpl = AccessComponent::InternalImpl<ContractState>;

    #[storage]
    struct Storage {
        #[substorage(v0)]
        access: AccessComponent::Storage,
        state: State,
    }

    #[event]
    #[derive(Drop, starknet::Event)]
    pub enum Event {
        #[flat]
        AccessEvent: AccessComponent::Event,
        ModeChanged: ModeChanged,
        EpochChanged: EpochChanged,
        FundingRebased: FundingRebased,
        FundingBroken: FundingBroken,
        MarketListed: MarketListed,
        MarketConfigured: MarketConfigured,
        VenueConfigured: VenueConfigured,
        Connected: Connected,
        OutflowConfigured: OutflowConfigured,
        FundingCheckpointed: FundingCheckpointed,
        RestoreAnnounced: RestoreAnnounced,
        RestoreCancelled: RestoreCancelled,
        FundingRestored: FundingRestored,
    }

    #[abi(embed_v0)]
    impl Named of INamed<ContractState> {
        fn implements(self: @ContractState) -> felt252 {
            names::VENUE
        }
    }

    #[abi(embed_v0)]
    impl VenueImpl of super::IVenue<ContractState> {
        fn set_mode(ref self: ContractState, mode: Mode, report_hash: felt252) {
            let venue = self.stored();
            if is_down(venue.mode, mode) {
                self.access.assert_can_stop();
            } else {
                self.access.assert_admin();
                assert(is_one_step_up(venue.mode, mode), 'MODE: one step up at a time');
                assert(report_hash != 0, 'MODE: no integrity report');
                assert(self.state.wound_down_at.read() == 0, 'MODE: winding down');
                self.assert_may_rise(@venue);
            }
            change_mode(self.state.as_path(), venue, mode, report_hash, 0);
        }

        fn end_silence(ref self: ContractState) {
            assert(get_caller_address() == self.state.oracle.read(), 'VENUE: not the oracle');
            let venue = self.stored();
            if is_down(venue.mode, Mode::CancelOnly) {
                change_mode(self.state.as_path(), venue, Mode::CancelOnly, 0, 'SILENCE');
            }
        }

        fn set_epoch(ref self: ContractState, epoch: u64) {
            let bridge = self.state.bridge.read();
            assert(bridge.is_non_zero() && get_caller_address() == bridge, 'VENUE: not the bridge');
            assert(epoch > self.state.epoch.read(), 'EPOCH: only rises');
            self.state.epoch.write(epoch);
            self.emit(EpochChanged { epoch });
            let venue = self.stored();
            if is_down(venue.mode, Mode::Halted) {
                change_mode(self.state.as_path(), venue, Mode::Halted, 0, 'EPOCH');
            }
        }

        fn list_market(ref self: ContractState, name: felt252, params: MarketParams) {
            self.access.assert_admin();
            let oracle = self.oracle();
            let market = oracle.market_index(name);
            let listed = self.state.listed.read();
            let bit = mask(market);
            assert(listed & bit == 0, 'MARKET: already listed');
            assert_sound(@params, oracle.guard(market).max_price);
            // The index starts at 0, whatever the oracle has accrued so far.
            let live = self.stored().mode == Mode::Full;
            let growth: Option<i128> = *oracle.growths(bit)[0];
            let growth = growth.expect('FUNDING: broken');
            let funding = FundingSlot { base: if live {
                -growth
            } else {
                0
            }, live };
            let contract: felt252 = get_contract_address().into();
            self
                .state
                .markets
                .entry(market)
                .write(
                    MarketSlots {
                        name,
                        tiers: pack_tiers(params.tiers),
                        funding: seal_funding(contract, market, funding),
                        trade: pack_trade(trade_of(@params)),
                        caps: pack_pair((params.max_open_interest, params.max_position)),
                        interest: 0,
                        // A slot that exists costs a liquidation less.
                        storm: pack_storm(
                            Storm { since: get_block_timestamp(), ..Default::default() },
                        ),
                    },
                );
            write_checkpoint(self.state.as_path(), contract, market, 0);
            self.state.names.entry(name).write(market + 1);
            self.state.listed.write(listed | bit);
            self.emit(MarketListed { market, name, params });
        }

        fn configure_market(ref self: ContractState, market: u8, params: MarketParams) {
            self.access.assert_admin();
            let slots = self.state.markets.entry(market).as_ptr();
            assert(slots.name.read() != 0, 'MARKET: not listed');
            assert_sound(@params, self.oracle().guard(market).max_price);
            let trade = unpack_trade(slots.trade.read());
            // A position of so many old lots could never be closed to the end.
            assert(trade.lot_size % params.lot_size == 0, 'MARKET: lot must divide the old');
            if raises_fractions(@unpack_tiers(slots.tiers.read()), @params.tiers) {
                let mode = mode_in_force(self.state.as_path().as_non_mut());
                assert(allows(mode, Action::RaiseFractions), 'MODE: raises fractions');
            }
            slots.tiers.write(pack_tiers(params.tiers));
            slots.trade.write(pack_trade(trade_of(@params)));
            slots.caps.write(pack_pair((params.max_open_interest, params.max_position)));
            self.emit(MarketConfigured { market, params });
        }

        fn configure_venue(ref self: ContractState, params: VenueParams) {
            self.access.assert_admin();
            if let Some(fault) = venue_fault(@params) {
                core::panic_with_felt252(fault);
            }
            let state = self.state.as_path();
            write_venue(state, VenueSlot { params, ..read_venue(state.as_non_mut()) });
            self.emit(VenueConfigured { params });
        }

        fn connect(ref self: ContractState, bridge: ContractAddress, vault: ContractAddress) {
            self.access.assert_admin();
            assert(self.state.bridge.read().is_zero(), 'VENUE: already connected');
            assert(bridge.is_non_zero() && vault.is_non_zero(), 'VENUE: zero address');
            self.state.bridge.write(bridge);
            self.state.vault.write(vault);
            self.emit(Connected { bridge, vault });
        }

        fn configure_outflow(ref self: ContractState, params: OutflowParams) {
            self.access.assert_admin();
            if let Some(fault) = outflow_fault(@params) {
                core::panic_with_felt252(fault);
            }
            let state = self.state.as_path();
            let old = read_outflow(state.as_non_mut());
            // Who waits to escape is not made to wait longer.
            assert(
                self.stored().mode != Mode::Halted || !holds_back(@old, @params),
                'OUTFLOW: holds back in halted',
            );
            // What has run out so far did so under the old terms.
            let bucket = state.outflow_bucket.read();
            state.outflow_bucket.write(settled(bucket, limit_of(@old), get_block_timestamp()));
            state.outflow.write(pack_outflow(@params));
            self.emit(OutflowConfigured { params });
        }

        fn checkpoint_funding(ref self: ContractState, markets: u128) {
            let state = self.state.as_path();
            assert(markets & state.listed.read() == markets, 'MARKET: not listed');
            let contract: felt252 = get_contract_address().into();
            let mut growths = self.oracle().growths(markets);
            for market in markets_in(markets) {
                let market = *market;
                let growth = *growths.pop_front().expect('ORACLE: missing growth');
                if let Some(index) = index_now(state.as_non_mut(), market, growth) {
                    write_checkpoint(state, contract, market, index);
                    self.emit(FundingCheckpointed { market, index });
                }
            }
        }

        fn announce_restore(ref self: ContractState, market: u8) {
            self.access.assert_admin();
            self.assert_mendable(market);
            let state = self.state.as_path();
            let damage = assess(state.as_non_mut(), market);
            let delay: u64 = read_outflow(state.as_non_mut()).restore_delay.into();
            let restore_from = get_block_timestamp() + delay;
            state.restores.entry(market).as_ptr().restore_from.write(restore_from);
            let (index, slot, growth_broken) = (damage.index, damage.slot, damage.growth_broken);
            self.emit(RestoreAnnounced { market, restore_from, index, slot, growth_broken });
        }

        fn cancel_restore(ref self: ContractState, market: u8) {
            self.access.assert_can_stop();
            let restore_from = self.state.restores.entry(market).as_ptr().restore_from;
            assert(restore_from.read() != 0, 'FUNDING: not announced');
            restore_from.write(0);
            self.emit(RestoreCancelled { market, caller: get_caller_address() });
        }

        fn restore(ref self: ContractState, market: u8) {
            self.access.assert_admin();
            self.assert_mendable(market);
            let state = self.state.as_path();
            let restore_from = state.restores.entry(market).as_ptr().restore_from.read();
            assert(restore_from != 0, 'FUNDING: not announced');
            assert(get_block_timestamp() >= restore_from, 'FUNDING: restore too early');
            let damage = assess(state.as_non_mut(), market);
            mend(state, market, @damage);
            self
                .emit(
                    FundingRestored {
                        market,
                        slot: damage.slot,
                        growth_broken: damage.growth_broken,
                        index: damage.index,
                        checkpoint_at: damage.checkpoint_at,
                    },
                );
        }
    }

    #[generate_trait]
    impl Internal of InternalTrait {
        fn stored(self: @ContractState) -> VenueSlot {
            read_venue(self.state.as_path())
        }

        fn oracle(self: @ContractState) -> IOracleDispatcher {
            IOracleDispatcher { contract_address: self.state.oracle.read() }
        }

        /// Only what stands still is mended.
        fn assert_mendable(self: @ContractState, market: u8) {
            let listed = self.state.listed.read();
            assert(market < MAX_MARKETS && listed & mask(market) != 0, 'MARKET: not listed');
            assert(self.stored().mode == Mode::Halted, 'MODE: not halted');
        }

        /// What must be true before the venue allows more: it was long enough in its mode, the
        /// oracle speaks and knows every market, and every unit of collateral is where the books
        /// say.
        fn assert_may_rise(self: @ContractState, venue: @VenueSlot) {
            let since = *venue.mode_since + (*venue.params.dwell_secs).into();
            assert(get_block_timestamp() >= since, 'MODE: dwell time');
            let state = self.state.as_path();
            let marks = self.oracle().marks(state.listed.read());
            assert(!marks.silent, 'MODE: oracle is silent');
            for mark in marks.marks {
                let known = *mark.status == MarketStatus::Valid
                    || *mark.status == MarketStatus::Settled;
                assert(known, 'MODE: market not valid');
                assert(!*mark.funding_broken, 'FUNDING: broken');
            }
            assert(all_sealed(state), 'FUNDING: broken');
            let token = IERC20Dispatcher { contract_address: state.token.read() };
            let balance = token.balance_of(get_contract_address());
            assert(balance == read_custody(state).total.into(), 'MODE: ledger is not the balance');
        }
    }

    fn assert_sound(params: @MarketParams, max_price: u64) {
        if let Some(fault) = market_fault(params, max_price) {
            core::panic_with_felt252(fault);
        }
    }
}
