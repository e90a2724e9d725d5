use starknet::ContractAddress;
use crate::clearinghouse::interface::WaterfallParams;
use crate::rules::bucket::Limit;

#[starknet::interface]
pub trait IWaterfall<TState> {
    fn backstop(ref self: TState, epoch: u64, account: ContractAddress);
    fn deleverage(
        ref self: TState,
        epoch: u64,
        account: ContractAddress,
        market: u8,
        counterparties: Span<ContractAddress>,
    );
    fn configure_waterfall(ref self: TState, params: WaterfallParams);
}

/// The rolling limit on what the vault loses.
pub fn loss_terms(params: @WaterfallParams) -> Limit {
    Limit { limit: (*params.loss_cap).into(), window: (*params.loss_window).into() }
}

/// What liquidators leave: to the vault, then to insurance, then to counterparties. Runs on the
/// clearinghouse's storage, by library call.
#[starknet::contract]
pub mod Waterfall {
    use core::num::traits::Zero;
    use core::panic_with_felt252;
    use starknet::storage::{
        StorageAsPath, StorageAsPointer, StoragePathEntry, StoragePathMutableConversion,
        StoragePointerReadAccess, StoragePointerWriteAccess,
    };
    use starknet::{ContractAddress, get_block_timestamp, get_caller_address};
    use crate::access::OPERATOR;
    use crate::access::component::AccessComponent;
    use crate::clearinghouse::book::{Basis, BookTrait, Market, ViewTrait, load_view};
    use crate::clearinghouse::events::{
        BackstopRefused, Backstopped, DebtPaid, Deleveraged, LiquidationRefused, SeenUnderWater,
        WaterfallConfigured,
    };
    use crate::clearinghouse::handover::{
        Diagnosis, Hand, Handover, NO_MARKET, Purse, check_market, diagnose, hand_of, reopened_at,
        to_counterparty, to_vault,
    };
    use crate::clearinghouse::interface::WaterfallParams;
    use crate::clearinghouse::slots::{
        BooksSlot, PositionSlot, pack_pair, position_of, unpack_pair, unpack_trade,
    };
    use crate::clearinghouse::state::{
        State, read_account, read_bad_debt, read_books, read_seen_at, read_waterfall, write_account,
        write_account_and_position, write_bad_debt, write_books, write_seen_at, write_waterfall,
    };
    use crate::clearinghouse::storm::{NOTHING_LEFT, storm_terms, went_dry, write_storm};
    use crate::clearinghouse::takeover::{Ration, Sweep, ration_of, rationed};
    use crate::rules::bucket::{pour, settled};
    use crate::rules::config::waterfall_fault;
    use crate::rules::modes::{Action, allows};
    use crate::rules::risk::{SumsTrait, is_healthy, magnitude, size_magnitude};
    use crate::rules::storm::storm_after;
    use crate::rules::waterfall::{TOP_RANK, counts, is_deep, is_overdue, may_be_deleveraged};
    use crate::upgrades::interface::INamed;
    use crate::upgrades::names;
    use super::loss_terms;

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
        WaterfallConfigured: WaterfallConfigured,
        SeenUnderWater: SeenUnderWater,
        Backstopped: Backstopped,
        BackstopRefused: BackstopRefused,
        DebtPaid: DebtPaid,
        Deleveraged: Deleveraged,
        LiquidationRefused: LiquidationRefused,
    }

    #[abi(embed_v0)]
    impl Named of INamed<ContractState> {
        fn implements(self: @ContractState) -> felt252 {
            names::WATERFALL
        }
    }

    #[abi(embed_v0)]
    impl WaterfallImpl of super::IWaterfall<ContractState> {
        fn backstop(ref self: ContractState, epoch: u64, account: ContractAddress) {
            let state = self.state.as_path();
            let params = read_waterfall(state.as_non_mut());
            let sweep = self.open(epoch, array![account].span(), @params);
            assert(account != sweep.caller, 'BACKSTOP: own account');
            assert(sweep.vault.is_non_zero(), 'BACKSTOP: no vault');
            assert(account != sweep.vault, 'BACKSTOP: the vault');
            let book = sweep.view.load_book(state.as_non_mut(), account);
            let diagnosis = accepted(diagnose(@book, @sweep.view, sweep.now));
            let hand = hand_of(book, diagnosis.sums);
            if self.is_due(@sweep, @hand, @diagnosis, params.backstop_secs.into()) {
                self.take_all(@sweep, hand, @diagnosis, @params);
            }
        }

        fn deleverage(
            ref self: ContractState,
            epoch: u64,
            account: ContractAddress,
            market: u8,
            counterparties: Span<ContractAddress>,
        ) {
            self.access.assert_role(OPERATOR, 'ACCESS: not the operator');
            let state = self.state.as_path();
            let params = read_waterfall(state.as_non_mut());
            let mut accounts = array![account];
            accounts.append_span(counterparties);
            let sweep = self.open(epoch, accounts.span(), @params);
            let boxed = sweep.view.find(market).expect('DELEVERAGE: no position');
            accepted(check_market(@boxed.unbox(), @sweep));
            let book = sweep.view.load_book(state.as_non_mut(), account);
            let position = book.position(market);
            assert(position.size != 0, 'DELEVERAGE: no position');
            let diagnosis = accepted(diagnose(@book, @sweep.view, sweep.now));
            let (marks, then) = (diagnosis.marks, diagnosis.checkpoints);
            let is_vault = account == sweep.vault;
            let failed = may_be_deleveraged(marks.value, marks.maintenance, is_vault);
            let also_then = if is_vault {
                !is_healthy(then.value, then.maintenance)
            } else {
                is_deep(then.value, then.maintenance)
            };
            assert(failed && also_then, 'DELEVERAGE: not bankrupt');
            let hand = hand_of(book, diagnosis.sums);
            if !is_vault && sweep.vault.is_non_zero() {
                let purse = self.purse(@params, @read_books(state.as_non_mut()));
                let vault = self.vault_hand(@sweep);
                let offer = to_vault(
                    state.as_non_mut(), @sweep, @hand, @vault, boxed, position, @purse,
                );
                assert(offer.is_err(), 'DELEVERAGE: the backstop first');
            }
            self.close_against(@sweep, hand, @diagnosis, boxed, position, counterparties);
        }

        fn configure_waterfall(ref self: ContractState, params: WaterfallParams) {
            self.access.assert_admin();
            if let Some(fault) = waterfall_fault(@params) {
                panic_with_felt252(fault);
            }
            // What has run out so far did so under the old terms.
            let state = self.state.as_path();
            let old = loss_terms(@read_waterfall(state.as_non_mut()));
            state.losses.write(settled(state.losses.read(), old, get_block_timestamp()));
            write_waterfall(state, params);
            self.emit(WaterfallConfigured { params });
        }
    }

    #[generate_trait]
    impl Internal of InternalTrait {
        /// As for a liquidation: the epoch, the mode, and the venue's grace time over. The view has
        /// the markets of the accounts and of the vault.
        fn open(
            self: @ContractState,
            epoch: u64,
            accounts: Span<ContractAddress>,
            params: @WaterfallParams,
        ) -> Sweep {
            let state = self.state.as_path();
            assert(epoch == state.epoch.read(), 'EPOCH: another epoch');
            let vault = state.vault.read();
            let mut markets = read_account(state, vault).open;
            for account in accounts {
                markets = markets | read_account(state, *account).open;
            }
            let view = load_view(state, markets);
            assert(allows(view.mode, Action::Liquidate), 'MODE: not allowed');
            let now = get_block_timestamp();
            let full = view.venue.full_since + view.venue.params.grace_secs.into();
            assert(now >= full, 'LIQUIDATION: venue in grace');
            Sweep { caller: get_caller_address(), now, view, vault, terms: storm_terms(params) }
        }

        fn vault_hand(self: @ContractState, sweep: @Sweep) -> Hand {
            let book = sweep.view.load_book(self.state.as_path(), *sweep.vault);
            assert(!book.is_broken(sweep.view), 'FUNDING: broken');
            hand_of(book, book.sums_without(NO_MARKET, Basis::Worst))
        }

        fn purse(self: @ContractState, params: @WaterfallParams, books: @BooksSlot) -> Purse {
            let insurance: Option<u128> = (*books.insurance).try_into();
            Purse {
                losses: self.state.losses.read(),
                cap: loss_terms(params),
                insurance: insurance.unwrap_or(0),
            }
        }

        /// V < R/3 at the marks and at the checkpoints; else under water at both, and seen so long
        /// enough ago. Not seen yet: notes it.
        fn is_due(
            ref self: ContractState,
            sweep: @Sweep,
            hand: @Hand,
            diagnosis: @Diagnosis,
            backstop_secs: u64,
        ) -> bool {
            let (marks, then) = (*diagnosis.marks, *diagnosis.checkpoints);
            assert(!is_healthy(marks.value, marks.maintenance), 'BACKSTOP: healthy');
            assert(!is_healthy(then.value, then.maintenance), 'BACKSTOP: was healthy');
            if is_deep(marks.value, marks.maintenance) && is_deep(then.value, then.maintenance) {
                return true;
            }
            let (base, now) = (*hand.book.base, *sweep.now);
            let (seen, reopened) = (read_seen_at(base), reopened_at(hand.book, sweep.view));
            if is_overdue(seen, reopened, now, backstop_secs) {
                return true;
            }
            assert(!counts(seen, reopened, now, backstop_secs), 'BACKSTOP: too early');
            write_seen_at(base, now);
            let (value, requirement) = (marks.value, marks.maintenance);
            let (account, caller) = (*hand.book.account, *sweep.caller);
            self.emit(SeenUnderWater { account, caller, value, requirement });
            false
        }

        /// Every position that the vault may take, as much of it as it may; what is left without a
        /// position and below zero is insurance's.
        fn take_all(
            ref self: ContractState,
            sweep: @Sweep,
            hand: Hand,
            diagnosis: @Diagnosis,
            params: @WaterfallParams,
        ) {
            let state = self.state.as_path();
            let mut books = read_books(state.as_non_mut());
            let mut purse = self.purse(params, @books);
            let mut vault = self.vault_hand(sweep);
            let mut hand = hand;
            let account = hand.book.account;
            let (mut changed, mut stopped) = (false, false);
            let mut refusals = array![];
            for held in hand.book.held {
                let market = *held.index;
                if stopped {
                    refusals.append((market, 'MODE: not allowed'));
                    continue;
                }
                let decided = to_vault(
                    state.as_non_mut(),
                    sweep,
                    @hand,
                    @vault,
                    *held.market,
                    position_of(*held.stake),
                    @purse,
                );
                match decided {
                    Ok((
                        handover, ration, paid,
                    )) => {
                        hand = handover.account_after;
                        vault = handover.taker_after;
                        purse
                            .losses = pour(purse.losses, purse.cap, *sweep.now, paid.vault)
                            .expect('BACKSTOP: beyond the loss cap');
                        purse.insurance -= paid.insurance;
                        let penalty: felt252 = handover.price.penalty.into();
                        books.insurance += penalty + handover.remainder.into();
                        books.insurance -= paid.insurance.into();
                        self.write(@handover, ref books);
                        let mut debt = read_bad_debt(state.as_non_mut());
                        debt.vault += paid.vault.try_into().unwrap();
                        debt.insurance += paid.insurance.try_into().unwrap();
                        write_bad_debt(state, debt);
                        self.say(sweep, @handover, diagnosis, *held.market, paid.insurance);
                        stopped = self.ration(sweep, market, ration);
                        changed = true;
                    },
                    Err(reason) => {
                        if reason == NOTHING_LEFT {
                            let (dried, stops) = self.dry_out(sweep, *held.market);
                            changed = changed || dried;
                            stopped = stops;
                        }
                        refusals.append((market, reason));
                    },
                }
            }
            if hand.open == 0 && hand.book.slot.collateral < 0 {
                let owed = magnitude(hand.book.slot.collateral);
                let amount = core::cmp::min(owed, purse.insurance);
                if amount == 0 {
                    refusals.append((NO_MARKET, 'BACKSTOP: no insurance'));
                } else {
                    hand.book.slot.collateral += amount.try_into().unwrap();
                    books.insurance -= amount.into();
                    write_account(state, account, hand.book.slot);
                    let mut debt = read_bad_debt(state.as_non_mut());
                    debt.insurance += amount.try_into().unwrap();
                    write_bad_debt(state, debt);
                    self.emit(DebtPaid { account, amount, left: owed - amount });
                    changed = true;
                }
            }
            if !changed {
                let (_, reason) = *refusals[0];
                panic_with_felt252(reason);
            }
            self.state.losses.write(purse.losses);
            write_books(state, books);
            for (market, reason) in refusals {
                self.emit(BackstopRefused { account, market, reason });
            }
        }

        /// One counterparty after the other, none ranked above the one before it.
        fn close_against(
            ref self: ContractState,
            sweep: @Sweep,
            hand: Hand,
            diagnosis: @Diagnosis,
            boxed: Box<Market>,
            position: PositionSlot,
            counterparties: Span<ContractAddress>,
        ) {
            let state = self.state.as_path();
            let market = boxed.unbox();
            let slots = state.as_non_mut().markets.entry(market.index).as_ptr();
            let lot = unpack_trade(slots.trade.read()).lot_size;
            let interest = unpack_pair(slots.interest.read());
            let ration = ration_of(state.as_non_mut(), sweep, boxed, interest);
            let whole = size_magnitude(position.size);
            let (allowed, _) = rationed(ration, whole, whole, lot, market.price);
            if allowed == 0 {
                let (dried, _) = self.dry_out(sweep, boxed);
                assert(dried, NOTHING_LEFT);
                let (account, market) = (hand.book.account, market.index);
                self.emit(LiquidationRefused { account, market, reason: NOTHING_LEFT });
                return;
            }
            let mut books = read_books(state.as_non_mut());
            let mut debt = read_bad_debt(state.as_non_mut());
            let (mut hand, mut position, mut left) = (hand, position, allowed);
            let mut last_rank = TOP_RANK;
            for counterparty in counterparties {
                if left == 0 {
                    break;
                }
                let (handover, rank) = accepted(
                    to_counterparty(
                        state.as_non_mut(), sweep, @hand, *counterparty, boxed, position, left,
                    ),
                );
                assert(rank <= last_rank, 'DELEVERAGE: out of rank');
                last_rank = rank;
                hand = handover.account_after;
                position = handover.account.position;
                left -= handover.price.size;
                books.insurance += handover.remainder.into();
                debt.deleveraged += handover.price.relief.try_into().unwrap();
                self.write(@handover, ref books);
                self.say_deleveraged(sweep, @handover, diagnosis, boxed, rank);
            }
            let closed = allowed - left;
            assert(closed != 0, 'DELEVERAGE: no counterparty');
            write_books(state, books);
            write_bad_debt(state, debt);
            let short = allowed != whole && left == 0;
            let storm = storm_after(ration.storm, closed.into() * market.price.into(), short);
            let went_dry = short && !ration.storm.dry;
            self.ration(sweep, market.index, Ration { storm, limit: ration.limit, went_dry });
        }

        /// Both accounts, the market's open interest and what funding they received.
        fn write(ref self: ContractState, handover: @Handover, ref books: BooksSlot) {
            let state = self.state.as_path();
            let market = *handover.market;
            for party in array![*handover.account, *handover.taker] {
                write_account_and_position(party.base, party.slot, market, party.position);
                books.funding -= party.funding.into();
                if read_seen_at(party.base) != 0 {
                    write_seen_at(party.base, 0);
                }
            }
            state.markets.entry(market).as_ptr().interest.write(pack_pair(*handover.interest));
        }

        /// The market's window as it is afterwards; whether the venue stopped over it.
        fn ration(ref self: ContractState, sweep: @Sweep, market: u8, ration: Ration) -> bool {
            let state = self.state.as_path();
            let Ration { storm, limit, .. } = ration;
            write_storm(state, market, storm);
            ration.went_dry && went_dry(state, market, storm, *sweep.terms, limit, *sweep.now)
        }

        /// A market with nothing left: whether it went dry only now, and whether the venue stopped.
        fn dry_out(ref self: ContractState, sweep: @Sweep, boxed: Box<Market>) -> (bool, bool) {
            let state = self.state.as_path();
            let index = boxed.unbox().index;
            let interest = unpack_pair(state.markets.entry(index).as_ptr().interest.read());
            let ration = ration_of(state.as_non_mut(), sweep, boxed, interest);
            if ration.storm.dry {
                return (false, false);
            }
            let storm = storm_after(ration.storm, 0, true);
            (true, self.ration(sweep, index, Ration { storm, limit: ration.limit, went_dry: true }))
        }

        fn say(
            ref self: ContractState,
            sweep: @Sweep,
            handover: @Handover,
            diagnosis: @Diagnosis,
            boxed: Box<Market>,
            insurance: u128,
        ) {
            let (handover, then, market) = (*handover, *diagnosis.checkpoints, boxed.unbox());
            self
                .emit(
                    Backstopped {
                        account: handover.account.account,
                        market: handover.market,
                        caller: *sweep.caller,
                        vault: handover.taker.account,
                        size: handover.size,
                        remaining: handover.account.position.size,
                        mark: market.price,
                        checkpoint: market.checkpoint,
                        value_before: handover.before.value,
                        requirement_before: handover.before.maintenance,
                        value_after: handover.price.value_after,
                        requirement_after: handover.price.requirement_after,
                        value_checkpoint: then.value,
                        requirement_checkpoint: then.maintenance,
                        quote: handover.quote,
                        discount: handover.price.discount,
                        penalty: handover.price.penalty,
                        loss: handover.price.relief - insurance,
                        insurance,
                        account_funding: handover.account.funding,
                        vault_funding: handover.taker.funding,
                        remainder: handover.remainder,
                    },
                );
        }

        fn say_deleveraged(
            ref self: ContractState,
            sweep: @Sweep,
            handover: @Handover,
            diagnosis: @Diagnosis,
            boxed: Box<Market>,
            rank: u128,
        ) {
            let (handover, then, market) = (*handover, *diagnosis.checkpoints, boxed.unbox());
            let (before, after) = (handover.taker_before, handover.taker_after.sums.margin());
            self
                .emit(
                    Deleveraged {
                        account: handover.account.account,
                        market: handover.market,
                        counterparty: handover.taker.account,
                        caller: *sweep.caller,
                        size: handover.size,
                        remaining: handover.account.position.size,
                        counterparty_remaining: handover.taker.position.size,
                        mark: market.price,
                        checkpoint: market.checkpoint,
                        value_before: handover.before.value,
                        requirement_before: handover.before.maintenance,
                        value_after: handover.price.value_after,
                        requirement_after: handover.price.requirement_after,
                        value_checkpoint: then.value,
                        requirement_checkpoint: then.maintenance,
                        rank,
                        counterparty_value_before: before.value,
                        counterparty_requirement_before: before.maintenance,
                        counterparty_value_after: after.value,
                        counterparty_requirement_after: after.maintenance,
                        quote: handover.quote,
                        loss: handover.price.relief,
                        account_funding: handover.account.funding,
                        counterparty_funding: handover.taker.funding,
                        remainder: handover.remainder,
                    },
                );
        }
    }

    fn accepted<T, +Drop<T>>(result: Result<T, felt252>) -> T {
        match result {
            Ok(value) => value,
            Err(reason) => panic_with_felt252(reason),
        }
    }
}
