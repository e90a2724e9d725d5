//! Mark prices. Reporters report, `rules::guard` decides, this contract reads, writes and tells.
#[starknet::contract]
pub mod Oracle {
    use core::num::traits::Zero;
    use core::poseidon::poseidon_hash_span;
    use starknet::storage::{
        Map, StorageAsPointer, StorageMapReadAccess, StorageMapWriteAccess, StoragePathEntry,
        StoragePointerReadAccess, StoragePointerWriteAccess,
    };
    use starknet::storage_access::StorageBaseAddress;
    use starknet::{
        ClassHash, ContractAddress, get_block_timestamp, get_caller_address, get_contract_address,
    };
    use crate::access::component::AccessComponent;
    use crate::clearinghouse::interface::{IClearinghouseDispatcher, IClearinghouseDispatcherTrait};
    use crate::gas::rare_path;
    use crate::oracle::book;
    use crate::oracle::interface::{Guard, IOracle, Mark, MarketStatus, Marks, Outcome, PriceEntry};
    use crate::oracle::packing::{EntrySlot, MarkSlot, VenueSlot, VenueSlotPacking, mark_slot};
    use crate::rules::guard::{Panel, State, Verdict};
    use crate::rules::{funding, guard as guard_rules};
    use crate::units::MAX_MARKETS;
    use crate::upgrades::component::UpgradeComponent;
    use crate::upgrades::names;
    use crate::upgrades::rules::{assert_nothing_to_migrate, is_halted};

    component!(path: AccessComponent, storage: access, event: AccessEvent);
    component!(path: UpgradeComponent, storage: upgrades, event: UpgradeEvent);

    #[abi(embed_v0)]
    impl AccessImpl = AccessComponent::AccessImpl<ContractState>;
    impl AccessInternalImpl = AccessComponent::InternalImpl<ContractState>;
    #[abi(embed_v0)]
    impl UpgradeImpl = UpgradeComponent::UpgradeImpl<ContractState>;

    /// How long a market stays Frozen at least. Another `freeze` starts it anew.
    pub const FREEZE_DWELL: u64 = 60;
    /// From the announcement of a reporter until it can be seated.
    pub const REPORTER_DELAY: u64 = 3_600;

    #[storage]
    struct Storage {
        #[substorage(v0)]
        access: AccessComponent::Storage,
        #[substorage(v0)]
        upgrades: UpgradeComponent::Storage,
        venue: VenueSlot,
        /// The address where a market's slots begin, see `oracle::book`.
        pub(crate) markets: Map<u8, felt252>,
        names: Map<u8, felt252>,
        /// Index + 1 of the market with a name.
        indices: Map<felt252, u8>,
        reporters: Map<u8, ContractAddress>,
        /// Seat + 1 of a reporter.
        seats: Map<ContractAddress, u8>,
        /// When a reporter was announced.
        announced: Map<ContractAddress, u64>,
        clearinghouse: ContractAddress,
        bridge: ContractAddress,
    }

    #[event]
    #[derive(Drop, starknet::Event)]
    pub enum Event {
        #[flat]
        AccessEvent: AccessComponent::Event,
        #[flat]
        UpgradeEvent: UpgradeComponent::Event,
        MarketReported: MarketReported,
        MarketListed: MarketListed,
        MarketConfigured: MarketConfigured,
        MarketFrozen: MarketFrozen,
        MarketReleased: MarketReleased,
        FundingRefused: FundingRefused,
        FundingRestarted: FundingRestarted,
        ReporterAnnounced: ReporterAnnounced,
        ReporterAdded: ReporterAdded,
        ReporterRemoved: ReporterRemoved,
        QuorumChanged: QuorumChanged,
        EpochChanged: EpochChanged,
        SilenceEnded: SilenceEnded,
        Connected: Connected,
    }

    /// One for each market of a report.
    #[derive(Drop, starknet::Event)]
    pub struct MarketReported {
        #[key]
        pub market: u8,
        pub outcome: Outcome,
        pub status: MarketStatus,
        /// What led to the outcome; 0: no median.
        pub median: u64,
        /// The last good mark now.
        pub price: u64,
    }

    #[derive(Drop, starknet::Event)]
    pub struct MarketListed {
        #[key]
        pub market: u8,
        #[key]
        pub name: felt252,
        pub guard: Guard,
    }

    #[derive(Drop, starknet::Event)]
    pub struct MarketConfigured {
        #[key]
        pub market: u8,
        pub guard: Guard,
    }

    /// By hand; the bounds and the breaker show in `MarketReported`.
    #[derive(Drop, starknet::Event)]
    pub struct MarketFrozen {
        #[key]
        pub market: u8,
        pub caller: ContractAddress,
    }

    #[derive(Drop, starknet::Event)]
    pub struct MarketReleased {
        #[key]
        pub market: u8,
        pub status: MarketStatus,
    }

    /// The slot of the market's funding growth is not what this contract wrote: it accrues no more.
    #[derive(Drop, starknet::Event)]
    pub struct FundingRefused {
        #[key]
        pub market: u8,
        pub slot: felt252,
    }

    /// The growth begins again at 0; `slot` is what was there.
    #[derive(Drop, starknet::Event)]
    pub struct FundingRestarted {
        #[key]
        pub market: u8,
        pub slot: felt252,
    }

    #[derive(Drop, starknet::Event)]
    pub struct ReporterAnnounced {
        #[key]
        pub reporter: ContractAddress,
        pub seated_from: u64,
    }

    #[derive(Drop, starknet::Event)]
    pub struct ReporterAdded {
        #[key]
        pub reporter: ContractAddress,
        pub seat: u8,
    }

    #[derive(Drop, starknet::Event)]
    pub struct ReporterRemoved {
        #[key]
        pub reporter: ContractAddress,
    }

    #[derive(Drop, starknet::Event)]
    pub struct QuorumChanged {
        pub quorum: u8,
    }

    #[derive(Drop, starknet::Event)]
    pub struct EpochChanged {
        pub epoch: u64,
    }

    #[derive(Drop, starknet::Event)]
    pub struct SilenceEnded {
        /// When the last mark before it was accepted.
        pub since: u64,
    }

    #[derive(Drop, starknet::Event)]
    pub struct Connected {
        pub clearinghouse: ContractAddress,
        pub bridge: ContractAddress,
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
        assert(max_silence > 0, 'ORACLE: max_silence is zero');
        self
            .venue
            .write(
                VenueSlot {
                    epoch: 0,
                    last_accepted_at: 0,
                    quorum: 0,
                    market_count: 0,
                    told: false,
                    seats: 0,
                    max_silence,
                },
            );
        for reporter in reporters {
            self.seat(*reporter);
        }
        self.change_quorum(quorum);
    }

    #[abi(embed_v0)]
    impl OracleImpl of IOracle<ContractState> {
        fn report(ref self: ContractState, epoch: u64, entries: Span<PriceEntry>) {
            let mut venue = self.venue.read();
            assert(epoch == venue.epoch, 'ORACLE: wrong epoch');
            let seat = self.seats.read(get_caller_address());
            assert(seat != 0, 'ORACLE: not a reporter');
            let now = get_block_timestamp();
            self.end_silence(ref venue, now);

            let panel = Panel { seats: venue.seats, quorum: venue.quorum };
            let seats = book::seats_of(panel).span();
            let contract: felt252 = get_contract_address().into();
            let mut seen: u128 = 0;
            let mut accepted = false;
            for entry in entries {
                let market = *entry.market;
                assert(market < venue.market_count, 'ORACLE: unknown market');
                let bit = market_bit(market);
                assert(seen & bit == 0, 'ORACLE: repeated market');
                seen = seen | bit;
                if self.report_market(entry, seat - 1, seats, panel, contract, now) {
                    accepted = true;
                }
            }
            if accepted && (venue.last_accepted_at != now || venue.told) {
                self.venue.write(VenueSlot { last_accepted_at: now, told: false, ..venue });
            }
        }

        fn mark(self: @ContractState, market: u8) -> Mark {
            self.assert_listed(market);
            let base = self.base(market);
            let (state, max_mark_age) = book::read_state(base);
            let mark = mark_slot(@state, max_mark_age);
            self.view(market, base, mark, state.candidate, state.anchor, get_block_timestamp())
        }

        fn marks(self: @ContractState, markets: u128) -> Marks {
            let venue = self.venue.read();
            let now = get_block_timestamp();
            let mut marks = array![];
            let mut rest = markets;
            let mut market = 0;
            while rest != 0 {
                let (half, odd) = DivRem::div_rem(rest, 2);
                if odd == 1 {
                    assert(market < venue.market_count, 'ORACLE: unknown market');
                    marks.append(self.short_view(market, now));
                }
                rest = half;
                market += 1;
            }
            Marks { silent: is_silent(@venue, now), marks: marks.span() }
        }

        fn growths(self: @ContractState, markets: u128) -> Span<Option<i128>> {
            let contract: felt252 = get_contract_address().into();
            let count = self.venue.read().market_count;
            let mut growths = array![];
            let mut rest = markets;
            let mut market = 0;
            while rest != 0 {
                let (half, odd) = DivRem::div_rem(rest, 2);
                if odd == 1 {
                    assert(market < count, 'ORACLE: unknown market');
                    growths
                        .append(
                            funding::unseal(
                                contract, market, book::read_funding(self.base(market)),
                            ),
                        );
                }
                rest = half;
                market += 1;
            }
            growths.span()
        }

        fn guard(self: @ContractState, market: u8) -> Guard {
            self.assert_listed(market);
            book::read_guard(self.base(market))
        }

        fn last_entry(self: @ContractState, market: u8, reporter: ContractAddress) -> PriceEntry {
            self.assert_listed(market);
            let seat = self.seats.read(reporter);
            assert(seat != 0, 'ORACLE: not a reporter');
            let entry = book::read_entry(self.base(market), seat - 1);
            PriceEntry {
                market,
                price: entry.price,
                confidence_bps: entry.confidence_bps,
                observed_at: entry.observed_at,
                // The empty slot says nothing of a rate.
                funding_rate_ppm: if entry.price == 0 {
                    0
                } else {
                    funding::unbias_rate(entry.rate)
                },
            }
        }

        fn market_count(self: @ContractState) -> u8 {
            self.venue.read().market_count
        }

        fn market_index(self: @ContractState, name: felt252) -> u8 {
            let index = self.indices.read(name);
            assert(index != 0, 'ORACLE: unknown market');
            index - 1
        }

        fn market_name(self: @ContractState, market: u8) -> felt252 {
            self.assert_listed(market);
            self.names.read(market)
        }

        fn reporters(self: @ContractState) -> Span<ContractAddress> {
            let venue = self.venue.read();
            let mut reporters = array![];
            for seat in book::seats_of(Panel { seats: venue.seats, quorum: venue.quorum }) {
                reporters.append(self.reporters.read(seat));
            }
            reporters.span()
        }

        fn quorum(self: @ContractState) -> u8 {
            self.venue.read().quorum
        }

        fn epoch(self: @ContractState) -> u64 {
            self.venue.read().epoch
        }

        fn max_silence(self: @ContractState) -> u64 {
            self.venue.read().max_silence
        }

        fn last_accepted_at(self: @ContractState) -> u64 {
            self.venue.read().last_accepted_at
        }

        fn silent(self: @ContractState) -> bool {
            is_silent(@self.venue.read(), get_block_timestamp())
        }

        fn list_market(ref self: ContractState, name: felt252, guard: Guard) -> u8 {
            self.access.assert_admin();
            assert(name != 0, 'ORACLE: market without a name');
            assert(self.indices.read(name) == 0, 'ORACLE: market is listed');
            assert(guard_rules::is_sound(@guard), 'ORACLE: guard is not sound');
            let venue = self.venue.read();
            let market = venue.market_count;
            assert(market < MAX_MARKETS, 'ORACLE: too many markets');
            self.venue.write(VenueSlot { market_count: market + 1, ..venue });
            self.names.write(market, name);
            self.indices.write(name, market + 1);
            let base = self.base(market);
            book::write_guard(base, @guard);
            book::write_mark(base, @Default::default(), guard.max_mark_age);
            book::write_funding(base, funding::seal(get_contract_address().into(), market, 0));
            self.emit(MarketListed { market, name, guard });
            market
        }

        fn configure(ref self: ContractState, market: u8, guard: Guard) {
            self.access.assert_admin();
            self.assert_listed(market);
            assert(guard_rules::is_sound(@guard), 'ORACLE: guard is not sound');
            let base = self.base(market);
            let (state, max_mark_age) = book::read_state(base);
            assert(
                guard_rules::keeps_mark(max_mark_age, @guard, @state, get_block_timestamp()),
                'ORACLE: would void the mark',
            );
            book::write_guard(base, @guard);
            book::write_mark(base, @state, guard.max_mark_age);
            self.emit(MarketConfigured { market, guard });
        }

        fn release(ref self: ContractState, market: u8) {
            self.access.assert_admin();
            self.assert_listed(market);
            let base = self.base(market);
            let (state, max_mark_age) = book::read_state(base);
            assert(state.status == MarketStatus::Frozen, 'ORACLE: not frozen');
            assert(
                guard_rules::age(get_block_timestamp(), state.since) >= FREEZE_DWELL,
                'ORACLE: frozen too short',
            );
            let released = guard_rules::release(state);
            book::write_state(base, @state, @released, max_mark_age);
            self.emit(MarketReleased { market, status: released.status });
        }

        fn freeze(ref self: ContractState, market: u8) {
            self.access.assert_can_stop();
            self.assert_listed(market);
            let base = self.base(market);
            let (state, max_mark_age) = book::read_state(base);
            assert(
                state.status != MarketStatus::Settling && state.status != MarketStatus::Settled,
                'ORACLE: settled',
            );
            book::write_state(
                base, @state, @guard_rules::freeze(state, get_block_timestamp()), max_mark_age,
            );
            self.emit(MarketFrozen { market, caller: get_caller_address() });
        }

        fn add_reporter(ref self: ContractState, reporter: ContractAddress) {
            self.access.assert_admin();
            assert(reporter.is_non_zero(), 'ORACLE: zero reporter');
            assert(self.seats.read(reporter) == 0, 'ORACLE: already a reporter');
            let now = get_block_timestamp();
            self.announced.write(reporter, now + REPORTER_DELAY);
            self.emit(ReporterAnnounced { reporter, seated_from: now + REPORTER_DELAY });
        }

        fn seat_reporter(ref self: ContractState, reporter: ContractAddress) {
            self.access.assert_admin();
            let seated_from = self.announced.read(reporter);
            assert(seated_from != 0, 'ORACLE: not announced');
            assert(get_block_timestamp() >= seated_from, 'ORACLE: announced too late');
            self.announced.write(reporter, 0);
            self.seat(reporter);
        }

        fn remove_reporter(ref self: ContractState, reporter: ContractAddress) {
            self.access.assert_admin();
            let seat = self.seats.read(reporter);
            if seat == 0 {
                // An announcement is taken back.
                assert(self.announced.read(reporter) != 0, 'ORACLE: not a reporter');
                self.announced.write(reporter, 0);
                self.emit(ReporterRemoved { reporter });
                return;
            }
            let venue = self.venue.read();
            let seats = venue.seats - book::seat_bit(seat - 1);
            assert(guard_rules::bits(seats) >= venue.quorum, 'ORACLE: below the quorum');
            self.venue.write(VenueSlot { seats, ..venue });
            self.seats.write(reporter, 0);
            self.reporters.write(seat - 1, Zero::zero());
            // Whoever sits here next starts with nothing said, in no round.
            let mut market = 0;
            while market != venue.market_count {
                let base = self.base(market);
                book::clear_entry(base, seat - 1);
                let (state, max_mark_age) = book::read_state(base);
                let left = State { round: state.round & seats, ..state };
                book::write_state(base, @state, @left, max_mark_age);
                market += 1;
            }
            self.emit(ReporterRemoved { reporter });
        }

        fn set_quorum(ref self: ContractState, quorum: u8) {
            self.access.assert_admin();
            self.change_quorum(quorum);
        }

        fn connect(
            ref self: ContractState, clearinghouse: ContractAddress, bridge: ContractAddress,
        ) {
            self.access.assert_admin();
            assert(self.clearinghouse.read().is_zero(), 'ORACLE: already connected');
            assert(clearinghouse.is_non_zero() && bridge.is_non_zero(), 'ORACLE: zero address');
            self.clearinghouse.write(clearinghouse);
            self.bridge.write(bridge);
            self.emit(Connected { clearinghouse, bridge });
        }

        fn set_epoch(ref self: ContractState, epoch: u64) {
            let bridge = self.bridge.read();
            assert(
                bridge.is_non_zero() && get_caller_address() == bridge, 'ORACLE: not the bridge',
            );
            let venue = self.venue.read();
            assert(epoch > venue.epoch, 'ORACLE: epoch only rises');
            self.venue.write(VenueSlot { epoch, ..venue });
            self.emit(EpochChanged { epoch });
        }

        fn restart_growth(ref self: ContractState, market: u8) {
            let clearinghouse = self.clearinghouse.read();
            assert(
                clearinghouse.is_non_zero() && get_caller_address() == clearinghouse,
                'ORACLE: not the clearinghouse',
            );
            self.assert_listed(market);
            let base = self.base(market);
            let contract: felt252 = get_contract_address().into();
            let slot = book::read_funding(base);
            assert(funding::unseal(contract, market, slot).is_none(), 'FUNDING: not broken');
            book::write_funding(base, funding::seal(contract, market, 0));
            self.emit(FundingRestarted { market, slot });
        }
    }

    impl UpgradeHooks of UpgradeComponent::HooksTrait<ContractState> {
        fn name() -> felt252 {
            names::ORACLE
        }

        fn assert_admin(self: @ContractState) {
            self.access.assert_admin();
        }

        fn assert_admin_or_guardian(self: @ContractState) {
            self.access.assert_admin_or_guardian();
        }

        fn is_halted(self: @ContractState) -> bool {
            is_halted(self.clearinghouse.read())
        }

        fn conserved(self: @ContractState) -> Span<felt252> {
            let venue = self.venue.read();
            let mut figures = array![
                self.access.Access_admin.read().into(), self.clearinghouse.read().into(),
                self.bridge.read().into(), venue.epoch.into(), venue.quorum.into(),
                venue.seats.into(), venue.market_count.into(),
            ];
            // Every mark as it is read.
            for market in 0..venue.market_count {
                let mark = self.mark(market);
                let mut felts = array![
                    self.names.read(market), mark.price.into(), mark.accepted_at.into(),
                    mark.checkpoint.into(), mark.candidate.into(), mark.anchor.into(),
                    mark.funding_growth.into(),
                ];
                mark.status.serialize(ref felts);
                figures.append(poseidon_hash_span(felts.span()));
            }
            figures.span()
        }

        fn migrate(ref self: ContractState, classes: Span<ClassHash>, data: Span<felt252>) {
            assert_nothing_to_migrate(classes, data);
        }
    }

    #[generate_trait]
    impl InternalImpl of InternalTrait {
        fn base(self: @ContractState, market: u8) -> StorageBaseAddress {
            self.markets.entry(market).as_ptr().__storage_pointer_address__
        }

        fn assert_listed(self: @ContractState, market: u8) {
            assert(market < self.venue.read().market_count, 'ORACLE: unknown market');
        }

        /// Once for each silence, and before the report that ends it is looked at: what the venue
        /// may do next must not depend on what this report says.
        fn end_silence(ref self: ContractState, ref venue: VenueSlot, now: u64) {
            if venue.told || !is_silent(@venue, now) {
                return;
            }
            let clearinghouse = self.clearinghouse.read();
            if clearinghouse.is_zero() {
                return;
            }
            venue.told = true;
            self.venue.write(venue);
            self.emit(SilenceEnded { since: venue.last_accepted_at });
            IClearinghouseDispatcher { contract_address: clearinghouse }.end_silence();
        }

        /// True if the market has an accepted mark by this entry.
        fn report_market(
            ref self: ContractState,
            entry: @PriceEntry,
            seat: u8,
            seats: Span<u8>,
            panel: Panel,
            contract: felt252,
            now: u64,
        ) -> bool {
            let market = *entry.market;
            let base = self.base(market);
            let guard = book::read_guard(base);
            let last = book::read_entry(base, seat);
            if let Option::Some(outcome) =
                guard_rules::refusal(@guard, entry, last.observed_at, now) {
                let mark = book::read_mark(base);
                let status = read_status(@mark, now);
                self.emit(MarketReported { market, outcome, status, median: 0, price: mark.price });
                return false;
            }
            let own = EntrySlot {
                price: *entry.price,
                observed_at: *entry.observed_at,
                rate: funding::bias_rate(*entry.funding_rate_ppm),
                confidence_bps: *entry.confidence_bps,
            };
            book::write_entry(base, seat, own);
            let (state, max_mark_age) = book::read_state(base);
            let entries = book::panel_entries(base, seats, seat, @own);
            let verdict: Verdict = guard_rules::judge(
                @guard, panel, state, entries.span(), book::seat_bit(seat), now,
            );
            book::write_state(base, @state, @verdict.state, max_mark_age);
            if verdict.growth != 0 {
                self.accrue(market, base, contract, verdict.growth);
            }
            let after = verdict.state;
            self
                .emit(
                    MarketReported {
                        market,
                        outcome: verdict.outcome,
                        status: guard_rules::status(@after, max_mark_age, now),
                        median: verdict.median,
                        price: after.price,
                    },
                );
            verdict.outcome == Outcome::Accepted || verdict.outcome == Outcome::Confirmed
        }

        fn accrue(
            ref self: ContractState,
            market: u8,
            base: StorageBaseAddress,
            contract: felt252,
            step: i128,
        ) {
            let slot = book::read_funding(base);
            match funding::unseal(contract, market, slot) {
                Option::Some(growth) => {
                    book::write_funding(
                        base, funding::seal(contract, market, funding::grow(growth, step)),
                    );
                },
                // One broken slot must not stop the marks; it stays as it is, as evidence, and
                // every read says so.
                Option::None => self.emit(FundingRefused { market, slot }),
            }
        }

        /// With the anchor and the candidate only where they mean something to a valuation: the
        /// market is not Valid.
        fn short_view(self: @ContractState, market: u8, now: u64) -> Mark {
            let base = self.base(market);
            let mark = book::read_mark(base);
            let (candidate, anchor) = if read_status(@mark, now) == MarketStatus::Valid {
                (0, 0)
            } else {
                rare_path();
                let (state, _) = book::read_state(base);
                (state.candidate, state.anchor)
            };
            self.view(market, base, mark, candidate, anchor, now)
        }

        fn view(
            self: @ContractState,
            market: u8,
            base: StorageBaseAddress,
            mark: MarkSlot,
            candidate: u64,
            anchor: u64,
            now: u64,
        ) -> Mark {
            let growth = funding::unseal(
                get_contract_address().into(), market, book::read_funding(base),
            );
            let (funding_growth, funding_broken) = match growth {
                Some(growth) => (growth, false),
                None => (0, true),
            };
            Mark {
                market,
                status: read_status(@mark, now),
                price: mark.price,
                accepted_at: mark.accepted_at,
                valid_since: mark.valid_since,
                checkpoint: mark.checkpoint,
                checkpoint_at: mark.checkpoint_at,
                candidate,
                anchor,
                funding_growth,
                funding_broken,
            }
        }

        fn seat(ref self: ContractState, reporter: ContractAddress) {
            assert(reporter.is_non_zero(), 'ORACLE: zero reporter');
            assert(self.seats.read(reporter) == 0, 'ORACLE: already a reporter');
            let venue = self.venue.read();
            let mut seat = 0;
            while seat < book::MAX_REPORTERS && venue.seats & book::seat_bit(seat) != 0 {
                seat += 1;
            }
            assert(seat < book::MAX_REPORTERS, 'ORACLE: too many reporters');
            self.venue.write(VenueSlot { seats: venue.seats | book::seat_bit(seat), ..venue });
            self.reporters.write(seat, reporter);
            self.seats.write(reporter, seat + 1);
            self.emit(ReporterAdded { reporter, seat });
        }

        fn change_quorum(ref self: ContractState, quorum: u8) {
            let venue = self.venue.read();
            assert(quorum > 0, 'ORACLE: quorum is zero');
            assert(quorum <= guard_rules::bits(venue.seats), 'ORACLE: quorum of too many');
            self.venue.write(VenueSlot { quorum, ..venue });
            self.emit(QuorumChanged { quorum });
        }
    }

    fn is_silent(venue: @VenueSlot, now: u64) -> bool {
        *venue.last_accepted_at != 0
            && guard_rules::age(now, *venue.last_accepted_at) > *venue.max_silence
    }

    fn read_status(mark: @MarkSlot, now: u64) -> MarketStatus {
        let state = State {
            status: *mark.status, accepted_at: *mark.accepted_at, ..Default::default(),
        };
        guard_rules::status(@state, *mark.max_mark_age, now)
    }

    /// 2^market for market < 128.
    fn market_bit(market: u8) -> u128 {
        let (eights, ones) = DivRem::div_rem(market, 8);
        let mut bit: u128 = *[1, 2, 4, 8, 16, 32, 64, 128].span()[ones.into()];
        for _ in 0..eights {
            bit *= 256;
        }
        bit
    }
}
