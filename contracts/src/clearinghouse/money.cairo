use starknet::ContractAddress;

#[starknet::interface]
pub trait IMoney<TState> {
    fn deposit_for(ref self: TState, account: ContractAddress, amount: u128);
    fn credit_pending(ref self: TState, account: ContractAddress);
    fn withdraw(ref self: TState, epoch: u64, amount: u128);
    fn collect_fees(ref self: TState, account: ContractAddress, amount: u128);
    fn fund_insurance(ref self: TState, amount: u128);
    fn book_surplus(ref self: TState) -> u128;
    fn return_pending(ref self: TState);
    fn settle_positions(ref self: TState, market: u8, accounts: Span<ContractAddress>);
    fn escape(ref self: TState, epoch: u64, amount: u128);
    fn reconcile(ref self: TState, account: ContractAddress, amount: u128);
    fn collect_receivable(ref self: TState, account: ContractAddress) -> u128;
}

/// Collateral in and out, and settlement, which turns positions into collateral. Runs on the
/// clearinghouse's storage, by library call.
#[starknet::contract]
pub mod Money {
    use core::num::traits::Zero;
    use starknet::storage::{
        StorageAsPath, StorageAsPointer, StoragePathEntry, StoragePathMutableConversion,
        StoragePointerReadAccess, StoragePointerWriteAccess,
    };
    use starknet::{ContractAddress, get_block_timestamp, get_caller_address, get_contract_address};
    use crate::access::component::AccessComponent;
    use crate::clearinghouse::bitmap::{markets_in, mask};
    use crate::clearinghouse::book::{Basis, BookTrait, ViewTrait, load_view, mode_in_force};
    use crate::clearinghouse::closing::close;
    use crate::clearinghouse::events::{
        DepositCredited, DepositHeld, DepositReturned, Deposited, Escaped, FeesCollected,
        InsuranceFunded, MarketClosed, MarketEmptied, PositionSettled, ReceivableCollected,
        Reconciled, SurplusBooked, Withdrawn, WoundDown,
    };
    use crate::clearinghouse::fills::interest_after;
    use crate::clearinghouse::funding::proven_index;
    use crate::clearinghouse::interface::{Closing, Mode};
    use crate::clearinghouse::outflow::pay_out;
    use crate::clearinghouse::receivables::{collect, reconcile};
    use crate::clearinghouse::slots::{
        AccountSlot, BooksSlot, CustodySlot, PositionSlot, pack_closing, pack_pair, unpack_closing,
        unpack_pair,
    };
    use crate::clearinghouse::state::{
        State, account_base, read_account, read_account_at, read_books, read_custody, read_outflow,
        read_position_at, read_venue, write_account, write_account_and_position, write_books,
        write_custody,
    };
    use crate::oracle::interface::{IOracleDispatcher, IOracleDispatcherTrait};
    use crate::rules::modes::{Action, allows};
    use crate::rules::risk::{Margin, is_healthy};
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
        Deposited: Deposited,
        DepositHeld: DepositHeld,
        DepositCredited: DepositCredited,
        Withdrawn: Withdrawn,
        FeesCollected: FeesCollected,
        InsuranceFunded: InsuranceFunded,
        SurplusBooked: SurplusBooked,
        DepositReturned: DepositReturned,
        MarketClosed: MarketClosed,
        PositionSettled: PositionSettled,
        MarketEmptied: MarketEmptied,
        WoundDown: WoundDown,
        Escaped: Escaped,
        Reconciled: Reconciled,
        ReceivableCollected: ReceivableCollected,
    }

    #[abi(embed_v0)]
    impl Named of INamed<ContractState> {
        fn implements(self: @ContractState) -> felt252 {
            names::MONEY
        }
    }

    #[abi(embed_v0)]
    impl MoneyImpl of super::IMoney<ContractState> {
        fn deposit_for(ref self: ContractState, account: ContractAddress, amount: u128) {
            assert(amount != 0, 'MONEY: amount is zero');
            self.assert_account(account);
            let payer = get_caller_address();
            let state = self.state.as_path();
            let custody = read_custody(state.as_non_mut());
            let total = custody.total + amount;
            // What silence lowers still takes deposits, so the oracle need not be asked.
            if allows(read_venue(state.as_non_mut()).mode, Action::Deposit) {
                write_custody(state, CustodySlot { total, pending: custody.pending });
                self.credit(account, amount.into());
                self.emit(Deposited { account, payer, amount });
            } else {
                // The bridge parks it instead, so that it can go back to L1.
                assert(payer != state.bridge.read(), 'BRIDGE: venue is halted');
                write_custody(state, CustodySlot { total, pending: custody.pending + amount });
                let held = state.pending.entry(account);
                held.write(held.read() + amount);
                self.emit(DepositHeld { account, payer, amount });
            }
            let paid = self.token().transfer_from(payer, get_contract_address(), amount.into());
            assert(paid, 'MONEY: token transfer failed');
        }

        fn credit_pending(ref self: ContractState, account: ContractAddress) {
            let state = self.state.as_path();
            assert(allows(mode_in_force(state.as_non_mut()), Action::Deposit), 'MODE: halted');
            assert(self.credit_held(account), 'MONEY: nothing pending');
        }

        fn withdraw(ref self: ContractState, epoch: u64, amount: u128) {
            let state = self.state.as_path();
            assert(epoch == state.epoch.read(), 'EPOCH: another epoch');
            let account = get_caller_address();
            let margin = self.debit(account, amount);
            self.emit(Withdrawn { account, amount, value: margin.value, initial: margin.initial });
            pay_out(state, account, amount, 0);
        }

        fn collect_fees(ref self: ContractState, account: ContractAddress, amount: u128) {
            self.access.assert_admin();
            self.assert_account(account);
            let state = self.state.as_path();
            assert(allows(mode_in_force(state.as_non_mut()), Action::Deposit), 'MODE: halted');
            assert(amount != 0, 'MONEY: amount is zero');
            let books = read_books(state.as_non_mut());
            let fees: Option<u128> = (books.fees - amount.into()).try_into();
            assert(fees.is_some(), 'MONEY: more than the fees');
            write_books(state, BooksSlot { fees: fees.unwrap().into(), ..books });
            self.credit(account, amount.into());
            self.emit(FeesCollected { account, amount });
        }

        fn fund_insurance(ref self: ContractState, amount: u128) {
            let account = get_caller_address();
            self.debit(account, amount);
            let state = self.state.as_path();
            let books = read_books(state.as_non_mut());
            write_books(state, BooksSlot { insurance: books.insurance + amount.into(), ..books });
            self.emit(InsuranceFunded { account, amount });
        }

        fn book_surplus(ref self: ContractState) -> u128 {
            self.access.assert_admin();
            let state = self.state.as_path();
            let custody = read_custody(state.as_non_mut());
            let balance: u128 = self
                .token()
                .balance_of(get_contract_address())
                .try_into()
                .expect('MONEY: balance');
            assert(balance > custody.total, 'MONEY: no surplus');
            let amount = balance - custody.total;
            write_custody(state, CustodySlot { total: balance, pending: custody.pending });
            let books = read_books(state.as_non_mut());
            write_books(state, BooksSlot { insurance: books.insurance + amount.into(), ..books });
            self.emit(SurplusBooked { amount });
            amount
        }

        fn return_pending(ref self: ContractState) {
            let account = get_caller_address();
            let state = self.state.as_path();
            let held = state.pending.entry(account);
            let amount = held.read();
            assert(amount != 0, 'MONEY: nothing pending');
            held.write(0);
            self.emit(DepositReturned { account, amount });
            pay_out(state, account, amount, amount);
        }

        fn settle_positions(ref self: ContractState, market: u8, accounts: Span<ContractAddress>) {
            let state = self.state.as_path().as_non_mut();
            let listed = state.listed.read();
            assert(market < MAX_MARKETS && listed & mask(market) != 0, 'MARKET: not listed');
            let mode = mode_in_force(state);
            let wound_down = state.wound_down_at.read() != 0;
            assert(wound_down || allows(mode, Action::SettlePositions), 'MODE: halted');
            let closing = match unpack_closing(state.closings.entry(market).read()) {
                Some(closing) => closing,
                None => {
                    let view = load_view(state, mask(market));
                    let seen = view.find(market).unwrap().unbox();
                    assert(seen.settled, 'SETTLE: market not settled');
                    assert(!seen.broken, 'FUNDING: broken');
                    let closing = Closing { price: seen.price, index: Some(seen.funding_index) };
                    self.close_market(market, closing);
                    closing
                },
            };
            self.settle_in(market, closing, accounts);
        }

        fn escape(ref self: ContractState, epoch: u64, amount: u128) {
            let state = self.state.as_path();
            assert(epoch == state.epoch.read(), 'EPOCH: another epoch');
            let venue = read_venue(state.as_non_mut());
            assert(venue.mode == Mode::Halted, 'ESCAPE: not halted');
            let delay: u64 = read_outflow(state.as_non_mut()).escape_delay.into();
            let since = venue.mode_since;
            assert(get_block_timestamp() >= since + delay, 'ESCAPE: too early');
            let account = get_caller_address();
            self.credit_held(account);
            let open = read_account(state.as_non_mut(), account).open;
            if open != 0 {
                self.wind_down(account, since);
                for market in markets_in(open) {
                    let closing = unpack_closing(state.closings.entry(*market).read());
                    let closing = closing.expect('ESCAPE: no mark');
                    self.settle_in(*market, closing, array![account].span());
                }
            }
            let slot = read_account(state.as_non_mut(), account);
            let left: felt252 = slot.collateral.into() - amount.into();
            let collateral: i128 = left.try_into().expect('MONEY: amount too large');
            self.emit(Escaped { account, amount, collateral });
            if amount != 0 {
                assert(state.receivables.entry(account).read() == 0, 'MONEY: owes insurance');
                assert(collateral >= 0, 'ESCAPE: more than is left');
                write_account(state, account, AccountSlot { collateral, ..slot });
                pay_out(state, account, amount, 0);
            }
        }

        fn reconcile(ref self: ContractState, account: ContractAddress, amount: u128) {
            let bridge = self.state.bridge.read();
            assert(bridge.is_non_zero() && get_caller_address() == bridge, 'MONEY: not the bridge');
            assert(amount != 0, 'MONEY: amount is zero');
            self.emit(reconcile(self.state.as_path(), account, amount));
            let paid = self.token().transfer(bridge, amount.into());
            assert(paid, 'MONEY: token transfer failed');
        }

        fn collect_receivable(ref self: ContractState, account: ContractAddress) -> u128 {
            let collected = collect(self.state.as_path(), account);
            let amount = collected.amount;
            self.emit(collected);
            amount
        }
    }

    #[generate_trait]
    impl Internal of InternalTrait {
        fn token(self: @ContractState) -> IERC20Dispatcher {
            IERC20Dispatcher { contract_address: self.state.token.read() }
        }

        /// Someone who can act on what is credited: nobody acts for the zero address or for this
        /// contract.
        fn assert_account(self: @ContractState, account: ContractAddress) {
            assert(
                account.is_non_zero() && account != get_contract_address(), 'MONEY: not an account',
            );
        }

        fn credit(ref self: ContractState, account: ContractAddress, amount: felt252) {
            let state = self.state.as_path();
            let slot = read_account(state.as_non_mut(), account);
            let collateral: i128 = (Into::<i128, felt252>::into(slot.collateral) + amount)
                .try_into()
                .expect('MONEY: amount too large');
            write_account(state, account, AccountSlot { collateral, ..slot });
        }

        /// Credits what was held while Halted; whether there was anything.
        fn credit_held(ref self: ContractState, account: ContractAddress) -> bool {
            let state = self.state.as_path();
            let held = state.pending.entry(account);
            let amount = held.read();
            if amount == 0 {
                return false;
            }
            held.write(0);
            let custody = read_custody(state.as_non_mut());
            write_custody(
                state, CustodySlot { total: custody.total, pending: custody.pending - amount },
            );
            self.credit(account, amount.into());
            self.emit(DepositCredited { account, amount });
            true
        }

        fn close_market(ref self: ContractState, market: u8, closing: Closing) {
            self.state.closings.entry(market).write(pack_closing(@closing));
            let with_funding = closing.index.is_some();
            let index = closing.index.unwrap_or(0);
            self.emit(MarketClosed { market, price: closing.price, with_funding, index });
        }

        /// Once, and for good: every market that has a mark closes at its last good one, and at the
        /// last funding index that is proven.
        fn wind_down(ref self: ContractState, caller: ContractAddress, halted_since: u64) {
            if self.state.wound_down_at.read() != 0 {
                return;
            }
            self.state.wound_down_at.write(get_block_timestamp());
            self.emit(WoundDown { caller, halted_since });
            let state = self.state.as_path().as_non_mut();
            let oracle = IOracleDispatcher { contract_address: state.oracle.read() };
            for mark in oracle.marks(state.listed.read()).marks {
                let (market, price) = (*mark.market, *mark.price);
                if price != 0 && state.closings.entry(market).read() == 0 {
                    let index = proven_index(state, market);
                    self.close_market(market, Closing { price, index });
                }
            }
        }

        /// Closes what the accounts hold in a market.
        fn settle_in(
            ref self: ContractState, market: u8, closing: Closing, accounts: Span<ContractAddress>,
        ) {
            let state = self.state.as_path();
            let slots = state.markets.entry(market).as_ptr();
            let mut interest = unpack_pair(slots.interest.read());
            let mut books = read_books(state.as_non_mut());
            let mut pot = state.pots.entry(market).read();
            let flat: PositionSlot = Default::default();
            let mut count: u32 = 0;
            for account in accounts {
                let account = *account;
                let base = account_base(state.as_non_mut(), account);
                let position = read_position_at(base, market);
                if position.size == 0 {
                    continue;
                }
                let insurance: i128 = books.insurance.try_into().unwrap();
                let closed = close(
                    read_account_at(base), position, mask(market), closing, insurance,
                );
                interest = interest_after(interest, (position.size, 0), (0, 0), 0).unwrap();
                books.funding -= closed.quote.into() + closed.funding.into();
                books.insurance -= closed.covered.into();
                pot -= closed.quote.into();
                write_account_and_position(base, closed.slot, market, flat);
                count += 1;
                self
                    .emit(
                        PositionSettled {
                            account,
                            market,
                            size: position.size,
                            price: closing.price,
                            quote: closed.quote,
                            funding: closed.funding,
                            covered: closed.covered,
                            collateral: closed.slot.collateral,
                        },
                    );
            }
            if count == 0 {
                return;
            }
            if interest == (0, 0) {
                // Shorts were rounded up and longs down: never below 0.
                books.funding -= pot;
                books.insurance += pot;
                self.emit(MarketEmptied { market, remainder: pot.try_into().unwrap() });
                pot = 0;
            }
            state.pots.entry(market).write(pot);
            slots.interest.write(pack_pair(interest));
            write_books(state, books);
        }

        /// Takes `amount` from an account, which keeps initial margin at the worst prices; its
        /// margin after.
        fn debit(ref self: ContractState, account: ContractAddress, amount: u128) -> Margin {
            assert(amount != 0, 'MONEY: amount is zero');
            let state = self.state.as_path();
            assert(state.receivables.entry(account).read() == 0, 'MONEY: owes insurance');
            let slot = read_account(state.as_non_mut(), account);
            let view = load_view(state.as_non_mut(), slot.open);
            assert(allows(view.mode, Action::Withdraw), 'MODE: halted');
            let mut book = view.load_book(state.as_non_mut(), account);
            assert(!book.is_broken(@view), 'FUNDING: broken');
            let collateral: i128 = (Into::<i128, felt252>::into(slot.collateral) - amount.into())
                .try_into()
                .expect('MONEY: amount too large');
            book.slot.collateral = collateral;
            let margin = book.margin(Basis::Worst);
            assert(is_healthy(margin.value, margin.initial), 'MARGIN: below initial');
            write_account(state, account, book.slot);
            margin
        }
    }
}
