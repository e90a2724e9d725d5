//! Mark prices. Reporters report, `rules::guard` decides, this contract reads, writes and tells.
#[starknet::contract]
pub mod Oracle {
    use core::num::traits::Zero;
    use core::poseidon::poseidon_hash_span;
    use starknet::storage::{
        Map, StorageMapReadAccess, StorageMapWriteAccess, StoragePointerReadAccess,
        StoragePointerWriteAccess,
    };
    use starknet::{
        ClassHash, ContractAddress, get_block_timestamp, get_caller_address, get_contract_address,
    };
    use crate::access::component::AccessComponent;
    use crate::clearinghouse::bitmap::markets_in;
    use crate::clearinghouse::interface::{IClearinghouseDispatcher, IClearinghouseDispatcherTrait};
    use crate::gas::rare_path;
    use crate::oracle::book::Place;
    use crate::oracle::calm::{Moment, Said, Terms};
    use crate::oracle::entries::TWO_121;
    use crate::oracle::events::{
        Connected, EpochChanged, FundingRefused, FundingRestarted, MarketConfigured, MarketFrozen,
        MarketListed, MarketReleased, MarketSettled, MarketsReported, QuorumChanged, ReporterAdded,
        ReporterAnnounced, ReporterRemoved, SettlementReported, SettlementStarted, SilenceEnded,
    };
    use crate::oracle::interface::{Guard, IOracle, Mark, MarketStatus, Marks, Outcome, PriceEntry};
    use crate::oracle::packing::{
        MarkSlot, MarkSlotPacking, TrackSlot, VenueSlot, VenueSlotPacking, outcome_code,
        status_number,
    };
    use crate::oracle::sight::Sights;
    use crate::oracle::{book, calm, entries, packing, sight};
    use crate::rules::guard::{Panel, Seen, State, Verdict};
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
    /// From the agreement on a settlement price until it is final.
    pub const SETTLEMENT_DELAY: u64 = 86_400;
    /// From the announcement of a reporter until it can be seated.
    pub const REPORTER_DELAY: u64 = 3_600;

    /// Times have 32 bits.
    const MAX_TIME: u64 = 0x100000000;
    /// 2^121.
    const HALF_LIMIT: u128 = 0x2000000000000000000000000000000;
    const SHIFT_5: felt252 = 0x20;
    const SHIFT_56: felt252 = 0x100000000000000;
    const SHIFT_121: felt252 = 0x2000000000000000000000000000000;
    const SHIFT_128: felt252 = 0x100000000000000000000000000000000;
    /// A half of `MarketsReported`: the median is the mark, Accepted and Valid.
    const OUTCOME_PRICES: felt252 = 0x100000000000001;
    const OUTCOME_ACCEPTED: felt252 = 0x2f0000000000000000000000000000;

    /// Who reports when: the same for all entries of a report.
    #[derive(Copy, Drop)]
    struct Desk {
        moment: Moment,
        time: u64,
        seat: u8,
        /// The other two of three reporters.
        first: u8,
        second: u8,
        /// Whether there are three.
        trio: bool,
        panel: Panel,
    }

    #[storage]
    struct Storage {
        #[substorage(v0)]
        access: AccessComponent::Storage,
        #[substorage(v0)]
        upgrades: UpgradeComponent::Storage,
        venue: VenueSlot,
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
        /// What the reporter in a seat says a Settling market ends at; 0: nothing yet.
        settlements: Map<(u8, u8), u64>,
    }

    #[event]
    #[derive(Drop, starknet::Event)]
    pub enum Event {
        #[flat]
        AccessEvent: AccessComponent::Event,
        #[flat]
        UpgradeEvent: UpgradeComponent::Event,
        MarketsReported: MarketsReported,
        MarketListed: MarketListed,
        MarketConfigured: MarketConfigured,
        MarketFrozen: MarketFrozen,
        MarketReleased: MarketReleased,
        SettlementStarted: SettlementStarted,
        SettlementReported: SettlementReported,
        MarketSettled: MarketSettled,
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
        fn report(ref self: ContractState, epoch: u64, entries: Span<felt252>) {
            let (mut venue, reporter, seat) = self.reporter_in(epoch);
            let now = get_block_timestamp();
            assert(now < MAX_TIME, 'ORACLE: time too big');
            self.end_silence(ref venue, now);

            let desk = desk_of(@venue, seat, now);
            let count: u128 = venue.market_count.into();
            let (even_pairs, odd_pairs) = ((count + 1) / 2, count / 2);
            let mut terms = BoxTrait::new(calm::open_terms(0, now.into()));
            let mut outcomes = array![];
            let mut next: u128 = 0;
            let mut accepted = false;
            for entry in entries {
                let said: u256 = (*entry).into();
                let (pair, even) = DivRem::div_rem(said.low, TWO_121);
                assert(said.high < HALF_LIMIT, 'ORACLE: malformed entry');
                assert(pair >= next, 'ORACLE: markets must rise');
                let known = if said.high == 0 {
                    even_pairs
                } else {
                    odd_pairs
                };
                assert(pair < known, 'ORACLE: unknown market');
                next = pair + 1;
                let (outcome, taken) = self
                    .report_pair(desk, ref terms, pair.into(), even, said.high);
                outcomes.append(outcome);
                if taken {
                    accepted = true;
                }
            }
            self.emit(MarketsReported { reporter, outcomes: outcomes.span() });
            if accepted && (venue.last_accepted_at != now || venue.told) {
                self.venue.write(VenueSlot { last_accepted_at: now, told: false, ..venue });
            }
        }

        fn mark(self: @ContractState, market: u8) -> Mark {
            self.assert_listed(market);
            let at = book::place(market);
            let max_mark_age = book::read_guard(at).max_mark_age;
            let state = book::read_state(at, max_mark_age);
            self.view(market, at, @state, max_mark_age, get_block_timestamp())
        }

        fn marks(self: @ContractState, markets: u128) -> Marks {
            let venue = self.venue.read();
            let now = get_block_timestamp();
            let mut marks = array![];
            for market in markets_in(markets) {
                let market = *market;
                assert(market < venue.market_count, 'ORACLE: unknown market');
                let at = book::place(market);
                let max_mark_age = book::read_guard(at).max_mark_age;
                let state = book::read_state(at, max_mark_age);
                marks.append(self.view(market, at, @state, max_mark_age, now));
            }
            Marks { silent: is_silent(@venue, now), marks: marks.span() }
        }

        fn sights(self: @ContractState, markets: u128) -> Sights {
            let venue = self.venue.read();
            let now = get_block_timestamp();
            let contract: felt252 = get_contract_address().into();
            let mut slots = array![];
            for market in markets_in(markets) {
                let market = *market;
                assert(market < venue.market_count, 'ORACLE: unknown market');
                let at = book::place(market);
                let mark = book::mark_felt(at);
                slots.append(mark);
                slots
                    .append(
                        sight::growth_felt(
                            funding::unseal(contract, market, book::read_funding(at)),
                        ),
                    );
                slots.append(doubt_of(at, mark, now));
            }
            Sights { silent: is_silent(@venue, now), slots: slots.span() }
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
                                contract, market, book::read_funding(book::place(market)),
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
            book::read_guard(book::place(market))
        }

        fn last_entry(self: @ContractState, market: u8, reporter: ContractAddress) -> PriceEntry {
            self.assert_listed(market);
            let seat = self.seats.read(reporter);
            assert(seat != 0, 'ORACLE: not a reporter');
            entries::entry_of(market, book::read_half(book::place(market), seat - 1))
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
            let at = book::place(market);
            book::write_guard(at, @guard, @Default::default());
            book::write_funding(at, funding::seal(get_contract_address().into(), market, 0));
            self.emit(MarketListed { market, name, guard });
            market
        }

        fn configure(ref self: ContractState, market: u8, guard: Guard) {
            self.access.assert_admin();
            self.assert_listed(market);
            assert(guard_rules::is_sound(@guard), 'ORACLE: guard is not sound');
            let at = book::place(market);
            let max_mark_age = book::read_guard(at).max_mark_age;
            let state = book::read_state(at, max_mark_age);
            assert(
                guard_rules::keeps_mark(max_mark_age, @guard, @state, get_block_timestamp()),
                'ORACLE: would void the mark',
            );
            book::write_guard(at, @guard, @state);
            self.emit(MarketConfigured { market, guard });
        }

        fn release(ref self: ContractState, market: u8) {
            self.access.assert_admin();
            self.assert_listed(market);
            let (at, guard, state) = self.read_market(market);
            assert(state.status == MarketStatus::Frozen, 'ORACLE: not frozen');
            assert(
                guard_rules::age(get_block_timestamp(), state.since) >= FREEZE_DWELL,
                'ORACLE: frozen too short',
            );
            let released = guard_rules::release(state);
            book::write_state(at, @state, @released, @guard);
            self.emit(MarketReleased { market, status: released.status });
        }

        fn freeze(ref self: ContractState, market: u8) {
            self.access.assert_can_stop();
            self.assert_listed(market);
            let (at, guard, state) = self.read_market(market);
            assert(state.status != MarketStatus::Settled, 'ORACLE: settled');
            book::write_state(
                at, @state, @guard_rules::freeze(state, get_block_timestamp()), @guard,
            );
            self.emit(MarketFrozen { market, caller: get_caller_address() });
        }

        fn start_settlement(ref self: ContractState, market: u8) {
            self.access.assert_admin();
            self.assert_listed(market);
            let (at, guard, state) = self.read_market(market);
            assert(state.price != 0, 'ORACLE: no mark');
            assert(
                state.status != MarketStatus::Settling && state.status != MarketStatus::Settled,
                'ORACLE: settled',
            );
            for seat in 0..book::MAX_REPORTERS {
                self.settlements.write((market, seat), 0);
            }
            book::write_state(
                at, @state, @guard_rules::start_settlement(state, get_block_timestamp()), @guard,
            );
            self.emit(SettlementStarted { market });
        }

        fn report_settlement(ref self: ContractState, epoch: u64, market: u8, price: u64) {
            let (venue, reporter, seat) = self.reporter_in(epoch);
            self.assert_listed(market);
            let (at, guard, state) = self.read_market(market);
            assert(state.status == MarketStatus::Settling, 'ORACLE: not settling');
            assert(price != 0, 'ORACLE: price is zero');
            assert(price <= guard.max_price, 'ORACLE: price too big');
            self.settlements.write((market, seat), price);
            self.propose(market, at, @guard, state, @venue, reporter, price);
        }

        fn settle_market(ref self: ContractState, market: u8) {
            self.assert_listed(market);
            let (at, guard, state) = self.read_market(market);
            assert(state.status == MarketStatus::Settling, 'ORACLE: not settling');
            assert(state.candidate != 0, 'ORACLE: no settlement price');
            let now = get_block_timestamp();
            assert(
                guard_rules::age(now, state.since) >= SETTLEMENT_DELAY, 'ORACLE: settled too soon',
            );
            let settled = guard_rules::settle(state, now);
            book::write_state(at, @state, @settled, @guard);
            self.emit(MarketSettled { market, price: settled.price });
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
                let (at, guard, state) = self.read_market(market);
                book::write_entries(at.pair, seat - 1, 0);
                let left = State { round: state.round & seats, ..state };
                book::write_state(at, @state, @left, @guard);
                if state.status == MarketStatus::Settling
                    && self.settlements.read((market, seat - 1)) != 0 {
                    // What the others say must be enough without it.
                    self.settlements.write((market, seat - 1), 0);
                    let venue = self.venue.read();
                    self.propose(market, at, @guard, left, @venue, reporter, 0);
                }
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
            let at = book::place(market);
            let contract: felt252 = get_contract_address().into();
            let slot = book::read_funding(at);
            assert(funding::unseal(contract, market, slot).is_none(), 'FUNDING: not broken');
            book::write_funding(at, funding::seal(contract, market, 0));
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
        fn read_market(self: @ContractState, market: u8) -> (Place, Guard, State) {
            let at = book::place(market);
            let guard = book::read_guard(at);
            (at, guard, book::read_state(at, guard.max_mark_age))
        }

        /// The caller, a reporter, and its seat; the epoch must be the current one.
        fn reporter_in(self: @ContractState, epoch: u64) -> (VenueSlot, ContractAddress, u8) {
            let venue = self.venue.read();
            assert(epoch == venue.epoch, 'ORACLE: wrong epoch');
            let reporter = get_caller_address();
            let seat = self.seats.read(reporter);
            assert(seat != 0, 'ORACLE: not a reporter');
            (venue, reporter, seat - 1)
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

        /// Looks at what the reporters say a Settling market ends at.
        fn propose(
            ref self: ContractState,
            market: u8,
            at: Place,
            guard: @Guard,
            state: State,
            venue: @VenueSlot,
            reporter: ContractAddress,
            price: u64,
        ) {
            let mut values = array![];
            for seat in book::seats_of(Panel { seats: *venue.seats, quorum: *venue.quorum }) {
                let value = self.settlements.read((market, seat));
                if value != 0 {
                    values.append(value);
                }
            }
            let found = guard_rules::settlement(guard, *venue.quorum, state.price, values.span());
            let after = guard_rules::propose(state, found, get_block_timestamp());
            book::write_state(at, @state, @after, guard);
            let final_from = if after.candidate == 0 {
                0
            } else {
                after.since + SETTLEMENT_DELAY
            };
            self
                .emit(
                    SettlementReported {
                        market, reporter, price, agreed: after.candidate, final_from,
                    },
                );
        }

        /// The outcome of a pair's entries, and whether one of its markets has an accepted mark by
        /// them.
        fn report_pair(
            ref self: ContractState,
            desk: Box<Desk>,
            ref terms: Box<Terms>,
            pair: felt252,
            even: u128,
            odd: u128,
        ) -> (felt252, bool) {
            let slots = book::pair_at(pair);
            let seats = desk.unbox();
            let last = book::read_entries(slots, seats.seat);
            let first = book::read_entries(slots, seats.first);
            let second = book::read_entries(slots, seats.second);
            let mut taken = false;
            let (kept_even, outcome_even) = if even == 0 {
                (last.low, 0)
            } else {
                self
                    .report_market(
                        desk,
                        ref terms,
                        ref taken,
                        book::even(slots),
                        pair * 2,
                        Said { own: even, last: last.low, first: first.low, second: second.low },
                    )
            };
            let (kept_odd, outcome_odd) = if odd == 0 {
                (last.high, 0)
            } else {
                self
                    .report_market(
                        desk,
                        ref terms,
                        ref taken,
                        book::odd(slots),
                        pair * 2 + 1,
                        Said { own: odd, last: last.high, first: first.high, second: second.high },
                    )
            };
            book::write_entries(slots, seats.seat, kept_even.into() + kept_odd.into() * SHIFT_128);
            (outcome_even + pair * SHIFT_121 + outcome_odd * SHIFT_128, taken)
        }

        /// The half to keep of the reporter, and the outcome.
        fn report_market(
            ref self: ContractState,
            desk: Box<Desk>,
            ref terms: Box<Terms>,
            ref taken: bool,
            at: Place,
            market: felt252,
            said: Said,
        ) -> (u128, felt252) {
            let Desk { moment, trio, .. } = desk.unbox();
            let slot = book::calm_felt(at);
            let band = calm::open_band(slot);
            if band.terms != terms.unbox().packed {
                rare_path();
                terms = BoxTrait::new(calm::open_terms(band.terms, moment.now));
            }
            if trio {
                let numbers = terms.unbox();
                let mark = book::mark_felt(at);
                if let Some(calm) = calm::judge(@moment, mark, @band, @numbers, @said) {
                    let mut after = calm.mark;
                    if calm.gap != 0 {
                        rare_path();
                        self.accrue_calm(market, at, @said, calm.gap, calm.found);
                    }
                    if calm.pend_age == 0 {
                        if calm.found != calm.before {
                            rare_path();
                            self.renew_pend(at, calm.found);
                        }
                    } else if calm.pend_age >= numbers.liq_gap {
                        rare_path();
                        after = self.roll_pend(at, after, calm.found, moment.now);
                        book::put_calm_felt(at, calm::with_pend_at(slot, @band, moment.now));
                    }
                    book::put_mark_felt(at, after);
                    taken = true;
                    return (said.own, calm.found.into() * OUTCOME_PRICES + OUTCOME_ACCEPTED);
                }
            }
            rare_path();
            let (kept, outcome, accepted) = self.judge_market(desk, at, market, said);
            if accepted {
                taken = true;
            }
            (kept, outcome)
        }

        fn accrue_calm(
            ref self: ContractState,
            market: felt252,
            at: Place,
            said: @Said,
            gap: u128,
            found: u128,
        ) {
            let (max_gap, max_rate) = packing::accrual_terms(book::bounds_felt(at));
            let rate: felt252 = calm::central_rate(said).into() - entries::RATE_BIAS.into();
            // Each is narrower than its type.
            let step = funding::accrual(
                rate.try_into().unwrap(),
                max_rate,
                gap.try_into().unwrap(),
                max_gap,
                found.try_into().unwrap(),
            );
            if step != 0 {
                self.accrue(market.try_into().unwrap(), at, step);
            }
        }

        /// Another mark in the second of the one that waits to be the checkpoint.
        fn renew_pend(ref self: ContractState, at: Place, found: u128) {
            let track = book::read_track(at);
            book::write_track(at, TrackSlot { pend: found.try_into().unwrap(), ..track });
        }

        /// The mark that waited is the checkpoint, this one waits. Returns the mark's slot.
        fn roll_pend(
            ref self: ContractState, at: Place, mark: felt252, found: u128, now: u128,
        ) -> felt252 {
            let track = book::read_track(at);
            book::write_track(
                at,
                TrackSlot {
                    pend: found.try_into().unwrap(),
                    pend_at: now.try_into().unwrap(),
                    checkpoint_at: track.pend_at,
                    ..track,
                },
            );
            let mark = MarkSlotPacking::unpack(mark);
            MarkSlotPacking::pack(MarkSlot { checkpoint: track.pend, ..mark })
        }

        /// By the rules in full: the half to keep, the outcome, whether there is an accepted mark.
        fn judge_market(
            ref self: ContractState, desk: Box<Desk>, at: Place, market: felt252, said: Said,
        ) -> (u128, felt252, bool) {
            let desk = desk.unbox();
            let now = desk.time;
            let market: u8 = market.try_into().unwrap();
            let guard = book::read_guard(at);
            let state = book::read_state(at, guard.max_mark_age);
            let entry = entries::entry_of(market, said.own);
            let last: u64 = entries::seen_at(said.last).try_into().unwrap();
            if let Some(outcome) = guard_rules::refusal(@guard, @entry, last, now) {
                return (said.last, outcome_of(outcome, @state, @guard, 0, now), false);
            }
            let mut seen = array![];
            for seat in book::seats_of(desk.panel) {
                let half = if seat == desk.seat {
                    said.own
                } else {
                    book::read_half(at, seat)
                };
                let entry = entries::entry_of(market, half);
                seen
                    .append(
                        Seen {
                            bit: book::seat_bit(seat),
                            price: entry.price,
                            observed_at: entry.observed_at,
                            rate: funding::bias_rate(entry.funding_rate_ppm),
                        },
                    );
            }
            let verdict: Verdict = guard_rules::judge(
                @guard, desk.panel, state, seen.span(), book::seat_bit(desk.seat), now,
            );
            book::write_state(at, @state, @verdict.state, @guard);
            if verdict.growth != 0 {
                self.accrue(market, at, verdict.growth);
            }
            let accepted = verdict.outcome == Outcome::Accepted
                || verdict.outcome == Outcome::Confirmed;
            let outcome = outcome_of(verdict.outcome, @verdict.state, @guard, verdict.median, now);
            (said.own, outcome, accepted)
        }

        fn accrue(ref self: ContractState, market: u8, at: Place, step: i128) {
            let contract: felt252 = get_contract_address().into();
            let slot = book::read_funding(at);
            match funding::unseal(contract, market, slot) {
                Option::Some(growth) => {
                    book::write_funding(
                        at, funding::seal(contract, market, funding::grow(growth, step)),
                    );
                },
                // One broken slot must not stop the marks; it stays as it is, as evidence, and
                // every read says so.
                Option::None => self.emit(FundingRefused { market, slot }),
            }
        }

        fn view(
            self: @ContractState, market: u8, at: Place, state: @State, max_mark_age: u32, now: u64,
        ) -> Mark {
            let growth = funding::unseal(
                get_contract_address().into(), market, book::read_funding(at),
            );
            let (funding_growth, funding_broken) = match growth {
                Some(growth) => (growth, false),
                None => (0, true),
            };
            Mark {
                market,
                status: guard_rules::status(state, max_mark_age, now),
                price: *state.price,
                accepted_at: *state.accepted_at,
                valid_since: *state.valid_since,
                checkpoint: *state.checkpoint,
                checkpoint_at: *state.checkpoint_at,
                candidate: *state.candidate,
                anchor: *state.anchor,
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

    /// 0 if the market is Valid now, else what bears on a valuation.
    fn doubt_of(at: Place, mark: felt252, now: u64) -> felt252 {
        if sight::is_valid(mark, now.into()) {
            return 0;
        }
        rare_path();
        let mark = MarkSlotPacking::unpack(mark);
        sight::doubt_felt(book::read_doubt(at, mark.status).candidate, book::read_track(at).anchor)
    }

    fn desk_of(venue: @VenueSlot, seat: u8, now: u64) -> Box<Desk> {
        let panel = Panel { seats: *venue.seats, quorum: *venue.quorum };
        let mut others = array![];
        for other in book::seats_of(panel) {
            if other != seat {
                others.append(other);
            }
        }
        let trio = others.len() == 2;
        let (first, second) = if trio {
            (*others[0], *others[1])
        } else {
            (seat, seat)
        };
        let moment = Moment {
            now: now.into(), bit: book::seat_bit(seat).into(), seats: panel.seats.into(),
        };
        BoxTrait::new(Desk { moment, time: now, seat, first, second, trio, panel })
    }

    /// One half of a felt of `MarketsReported`.
    fn outcome_of(
        outcome: Outcome, after: @State, guard: @Guard, median: u64, now: u64,
    ) -> felt252 {
        let outcome: felt252 = outcome_code(outcome).into();
        let status = guard_rules::status(after, *guard.max_mark_age, now);
        median.into()
            + SHIFT_56
                * ((*after.price).into()
                    + SHIFT_56 * (outcome + 1 + SHIFT_5 * status_number(status).into()))
    }
}
