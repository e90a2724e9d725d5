//! The oracle's interface without rules 3 to 6, without a quorum and without a look at the entry:
//! what one reporter says is the mark at once, 0 included.
#[starknet::contract]
pub mod UnguardedOracle {
    use core::num::traits::Zero;
    use starknet::storage::{
        Map, StorageMapReadAccess, StorageMapWriteAccess, StoragePointerReadAccess,
        StoragePointerWriteAccess,
    };
    use starknet::{ContractAddress, get_block_timestamp, get_caller_address};
    use crate::access::component::AccessComponent;
    use crate::clearinghouse::bitmap::markets_in;
    use crate::oracle::entries::{self, TWO_121};
    use crate::oracle::interface::{Guard, IOracle, Mark, MarketStatus, Marks, PriceEntry};
    use crate::oracle::packing::{MarkSlot, MarkSlotPacking};
    use crate::oracle::sight::{self, Sights};
    use crate::rules::funding;
    use crate::units::MAX_MARKETS;

    component!(path: AccessComponent, storage: access, event: AccessEvent);

    #[abi(embed_v0)]
    impl AccessImpl = AccessComponent::AccessImpl<ContractState>;
    impl AccessInternalImpl = AccessComponent::InternalImpl<ContractState>;

    #[storage]
    struct Storage {
        #[substorage(v0)]
        access: AccessComponent::Storage,
        epoch: u64,
        quorum: u8,
        max_silence: u64,
        last_accepted_at: u64,
        market_count: u8,
        reporter_count: u8,
        reporters: Map<u8, ContractAddress>,
        is_reporter: Map<ContractAddress, bool>,
        names: Map<u8, felt252>,
        indices: Map<felt252, u8>,
        guards: Map<u8, Guard>,
        prices: Map<u8, u64>,
        accepted_at: Map<u8, u64>,
        growths: Map<u8, i128>,
        entries: Map<(u8, ContractAddress), u128>,
        clearinghouse: ContractAddress,
        bridge: ContractAddress,
    }

    #[event]
    #[derive(Drop, starknet::Event)]
    pub enum Event {
        #[flat]
        AccessEvent: AccessComponent::Event,
        MarkSet: MarkSet,
    }

    #[derive(Drop, starknet::Event)]
    pub struct MarkSet {
        #[key]
        pub market: u8,
        pub reporter: ContractAddress,
        pub price: u64,
        /// As the release's outcomes have it, so that an index reads these marks as well.
        pub status: MarketStatus,
    }

    #[constructor]
    fn constructor(
        ref self: ContractState,
        admin: ContractAddress,
        quorum: u8,
        max_silence: u64,
        reporters: Span<ContractAddress>,
    ) {
        self.access.initializer(admin);
        self.quorum.write(quorum);
        self.max_silence.write(max_silence);
        for reporter in reporters {
            self.seat(*reporter);
        }
    }

    #[abi(embed_v0)]
    impl UnguardedOracleImpl of IOracle<ContractState> {
        fn report(ref self: ContractState, epoch: u64, entries: Span<felt252>) {
            assert(epoch == self.epoch.read(), 'ORACLE: wrong epoch');
            let reporter = get_caller_address();
            assert(self.is_reporter.read(reporter), 'ORACLE: not a reporter');
            let now = get_block_timestamp();
            for entry in entries {
                let said: u256 = (*entry).into();
                let (pair, even) = DivRem::div_rem(said.low, TWO_121);
                let market: u8 = (pair * 2).try_into().expect('ORACLE: unknown market');
                if even != 0 {
                    self.set(market, even, reporter, now);
                }
                if said.high != 0 {
                    self.set(market + 1, said.high, reporter, now);
                }
            }
            self.last_accepted_at.write(now);
        }

        fn mark(self: @ContractState, market: u8) -> Mark {
            assert(market < self.market_count.read(), 'ORACLE: unknown market');
            let price = self.prices.read(market);
            let accepted_at = self.accepted_at.read(market);
            Mark {
                market,
                status: MarketStatus::Valid,
                price,
                accepted_at,
                valid_since: 0,
                checkpoint: price,
                checkpoint_at: accepted_at,
                candidate: 0,
                anchor: price,
                funding_growth: self.growths.read(market),
                funding_broken: false,
            }
        }

        fn marks(self: @ContractState, markets: u128) -> Marks {
            let mut marks = array![];
            for market in markets_in(markets) {
                marks.append(self.mark(*market));
            }
            Marks { silent: false, marks: marks.span() }
        }

        fn sights(self: @ContractState, markets: u128) -> Sights {
            let mut slots = array![];
            for market in markets_in(markets) {
                let mark = self.mark(*market);
                slots
                    .append(
                        MarkSlotPacking::pack(
                            MarkSlot {
                                price: mark.price,
                                checkpoint: mark.price,
                                status: MarketStatus::Valid,
                                stale_at: mark.accepted_at,
                                round_at: 0,
                                round: 0,
                                valid_since: 0,
                            },
                        ),
                    );
                slots.append(sight::growth_felt(Some(mark.funding_growth)));
                slots.append(0);
            }
            Sights { silent: false, slots: slots.span() }
        }

        fn growths(self: @ContractState, markets: u128) -> Span<Option<i128>> {
            let mut growths = array![];
            for market in markets_in(markets) {
                growths.append(Some(self.growths.read(*market)));
            }
            growths.span()
        }

        fn guard(self: @ContractState, market: u8) -> Guard {
            self.guards.read(market)
        }

        fn last_entry(self: @ContractState, market: u8, reporter: ContractAddress) -> PriceEntry {
            entries::entry_of(market, self.entries.read((market, reporter)))
        }

        fn market_count(self: @ContractState) -> u8 {
            self.market_count.read()
        }

        fn market_index(self: @ContractState, name: felt252) -> u8 {
            let index = self.indices.read(name);
            assert(index != 0, 'ORACLE: unknown market');
            index - 1
        }

        fn market_name(self: @ContractState, market: u8) -> felt252 {
            self.names.read(market)
        }

        fn reporters(self: @ContractState) -> Span<ContractAddress> {
            let mut reporters = array![];
            for seat in 0..self.reporter_count.read() {
                reporters.append(self.reporters.read(seat));
            }
            reporters.span()
        }

        fn quorum(self: @ContractState) -> u8 {
            self.quorum.read()
        }

        fn epoch(self: @ContractState) -> u64 {
            self.epoch.read()
        }

        fn max_silence(self: @ContractState) -> u64 {
            self.max_silence.read()
        }

        fn last_accepted_at(self: @ContractState) -> u64 {
            self.last_accepted_at.read()
        }

        fn silent(self: @ContractState) -> bool {
            false
        }

        fn list_market(ref self: ContractState, name: felt252, guard: Guard) -> u8 {
            self.access.assert_admin();
            let market = self.market_count.read();
            assert(market < MAX_MARKETS, 'ORACLE: too many markets');
            self.market_count.write(market + 1);
            self.names.write(market, name);
            self.indices.write(name, market + 1);
            self.guards.write(market, guard);
            market
        }

        fn configure(ref self: ContractState, market: u8, guard: Guard) {
            self.access.assert_admin();
            self.guards.write(market, guard);
        }

        fn release(ref self: ContractState, market: u8) {
            self.access.assert_admin();
        }

        fn freeze(ref self: ContractState, market: u8) {
            self.access.assert_can_stop();
        }

        fn start_settlement(ref self: ContractState, market: u8) {
            self.access.assert_admin();
        }

        fn report_settlement(ref self: ContractState, epoch: u64, market: u8, price: u64) {
            assert(self.is_reporter.read(get_caller_address()), 'ORACLE: not a reporter');
        }

        fn settle_market(ref self: ContractState, market: u8) {}

        fn add_reporter(ref self: ContractState, reporter: ContractAddress) {
            self.access.assert_admin();
        }

        fn seat_reporter(ref self: ContractState, reporter: ContractAddress) {
            self.access.assert_admin();
            self.seat(reporter);
        }

        fn remove_reporter(ref self: ContractState, reporter: ContractAddress) {
            self.access.assert_admin();
            self.is_reporter.write(reporter, false);
        }

        fn set_quorum(ref self: ContractState, quorum: u8) {
            self.access.assert_admin();
            self.quorum.write(quorum);
        }

        fn connect(
            ref self: ContractState, clearinghouse: ContractAddress, bridge: ContractAddress,
        ) {
            self.access.assert_admin();
            assert(self.clearinghouse.read().is_zero(), 'ORACLE: already connected');
            self.clearinghouse.write(clearinghouse);
            self.bridge.write(bridge);
        }

        fn set_epoch(ref self: ContractState, epoch: u64) {
            assert(get_caller_address() == self.bridge.read(), 'ORACLE: not the bridge');
            self.epoch.write(epoch);
        }

        fn restart_growth(ref self: ContractState, market: u8) {
            assert(
                get_caller_address() == self.clearinghouse.read(), 'ORACLE: not the clearinghouse',
            );
            self.growths.write(market, 0);
        }
    }

    #[generate_trait]
    impl InternalImpl of InternalTrait {
        fn set(
            ref self: ContractState, market: u8, half: u128, reporter: ContractAddress, now: u64,
        ) {
            assert(market < self.market_count.read(), 'ORACLE: unknown market');
            let entry = entries::entry_of(market, half);
            let last = self.accepted_at.read(market);
            if last != 0 && last != now {
                let guard = self.guards.read(market);
                let step = funding::accrual(
                    entry.funding_rate_ppm,
                    guard.max_funding_rate_ppm,
                    now - last,
                    guard.max_gap,
                    entry.price,
                );
                self.growths.write(market, funding::grow(self.growths.read(market), step));
            }
            self.entries.write((market, reporter), half);
            self.prices.write(market, entry.price);
            self.accepted_at.write(market, now);
            let status = MarketStatus::Valid;
            self.emit(MarkSet { market, reporter, price: entry.price, status });
        }

        fn seat(ref self: ContractState, reporter: ContractAddress) {
            let seat = self.reporter_count.read();
            self.reporters.write(seat, reporter);
            self.reporter_count.write(seat + 1);
            self.is_reporter.write(reporter, true);
        }
    }
}
