#[starknet::interface]
pub trait ITrading<TState> {
    fn settle(ref self: TState, epoch: u64, fills: Span<crate::clearinghouse::interface::Fill>);
    fn cancel(ref self: TState, order: crate::clearinghouse::interface::Order);
    fn cancel_all(ref self: TState);
    fn register_trading_key(ref self: TState, key: felt252, expiry: u64);
    fn revoke_trading_key(ref self: TState, key: felt252);
    fn approve_order(ref self: TState, order: crate::clearinghouse::interface::Order);
}

/// Orders and fills. Runs on the clearinghouse's storage, by library call.
#[starknet::contract]
pub mod Trading {
    use starknet::storage::{
        StorageAsPath, StorageAsPointer, StoragePathEntry, StoragePathMutableConversion,
        StoragePointerReadAccess, StoragePointerWriteAccess,
    };
    use starknet::{get_block_timestamp, get_caller_address, get_contract_address, get_tx_info};
    use crate::access::OPERATOR;
    use crate::access::component::AccessComponent;
    use crate::clearinghouse::bitmap::mask;
    use crate::clearinghouse::book::load_view;
    use crate::clearinghouse::events::{
        AllCancelled, FillRefused, FillSettled, OrderApproved, OrderCancelled, TradingKeyRegistered,
        TradingKeyRevoked,
    };
    use crate::clearinghouse::fills::{Batch, FillOutcome, SideAfter, decide, load_terms};
    use crate::clearinghouse::interface::{Fill, Mode, Order};
    use crate::clearinghouse::orders::{domain_hash, is_on_curve, order_hash};
    use crate::clearinghouse::slots::{
        AccountSlot, BooksSlot, MAX_ACCOUNT_EPOCH, OrderSlot, PairSlot, pack_pair,
    };
    use crate::clearinghouse::state::{
        ReadState, State, read_account, read_books, read_order, read_venue, write_account,
        write_account_and_position, write_books, write_order, write_order_at,
    };
    use crate::gas::rare_path;
    use crate::rules::modes::{Action, allows};
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
        FillSettled: FillSettled,
        FillRefused: FillRefused,
        OrderCancelled: OrderCancelled,
        AllCancelled: AllCancelled,
        OrderApproved: OrderApproved,
        TradingKeyRegistered: TradingKeyRegistered,
        TradingKeyRevoked: TradingKeyRevoked,
    }

    #[abi(embed_v0)]
    impl Named of INamed<ContractState> {
        fn implements(self: @ContractState) -> felt252 {
            names::TRADING
        }
    }

    #[abi(embed_v0)]
    impl TradingImpl of super::ITrading<ContractState> {
        fn settle(ref self: ContractState, epoch: u64, fills: Span<Fill>) {
            self.access.assert_role(OPERATOR, 'ACCESS: not the operator');
            let state = self.state.as_path().as_non_mut();
            assert(epoch == state.epoch.read(), 'EPOCH: another epoch');
            let (indices, bitmap) = markets_of(state, fills);
            let view = load_view(state, bitmap);
            assert(view.mode != Mode::Halted, 'MODE: halted');
            let batch = Batch {
                venue: get_contract_address(), epoch, now: get_block_timestamp(), view,
            };
            let domain = domain_hash(get_tx_info().unbox().chain_id);
            let mut books = read_books(state);
            let mut number: u32 = 0;
            let mut last = UNKNOWN;
            let mut terms = None;
            let mut interest = (0, 0);
            for fill in fills {
                let maker_hash = order_hash(domain, fill.maker.order);
                let taker_hash = order_hash(domain, fill.taker.order);
                let index = *indices[number];
                if index != last && index != UNKNOWN {
                    rare_path();
                    if last != UNKNOWN {
                        self.write_interest(last, interest);
                    }
                    let loaded = load_terms(state, index);
                    interest = loaded.interest;
                    terms = Some(loaded);
                    last = index;
                }
                match decide(state, @batch, index, terms, interest, fill, maker_hash, taker_hash) {
                    Ok(outcome) => {
                        interest = outcome.interest;
                        self.commit(fill, index, maker_hash, taker_hash, @outcome, ref books);
                    },
                    Err(reason) => self
                        .emit(
                            FillRefused {
                                index: number,
                                reason,
                                maker_order: maker_hash,
                                taker_order: taker_hash,
                            },
                        ),
                }
                number += 1;
            }
            if last != UNKNOWN {
                self.write_interest(last, interest);
            }
            write_books(self.state.as_path(), books);
        }

        fn cancel(ref self: ContractState, order: Order) {
            let hash = self.own_order(@order, Action::Cancel);
            let state = self.state.as_path();
            let slot = read_order(state.as_non_mut(), hash);
            write_order(state, hash, OrderSlot { filled: order.size, approved: slot.approved });
            self.emit(OrderCancelled { account: order.account, order_hash: hash });
        }

        fn cancel_all(ref self: ContractState) {
            self.assert_allowed(Action::Cancel);
            let account = get_caller_address();
            let state = self.state.as_path();
            let slot = read_account(state.as_non_mut(), account);
            assert(slot.epoch < MAX_ACCOUNT_EPOCH, 'ORDER: no epoch left');
            write_account(state, account, AccountSlot { epoch: slot.epoch + 1, ..slot });
            self.emit(AllCancelled { account, account_epoch: slot.epoch + 1 });
        }

        fn register_trading_key(ref self: ContractState, key: felt252, expiry: u64) {
            self.assert_allowed(Action::RegisterKey);
            // 0 names an approved order; it is the x of a point on no curve that matters, but would
            // be ambiguous.
            assert(key != 0 && is_on_curve(key), 'KEY: not on the curve');
            assert(expiry > get_block_timestamp(), 'KEY: expiry is past');
            let account = get_caller_address();
            self.state.trading_keys.entry((account, key)).write(expiry);
            self.emit(TradingKeyRegistered { account, key, expiry });
        }

        fn revoke_trading_key(ref self: ContractState, key: felt252) {
            self.assert_allowed(Action::Cancel);
            let account = get_caller_address();
            let entry = self.state.trading_keys.entry((account, key));
            assert(entry.read() != 0, 'KEY: not registered');
            entry.write(0);
            self.emit(TradingKeyRevoked { account, key });
        }

        fn approve_order(ref self: ContractState, order: Order) {
            let hash = self.own_order(@order, Action::RegisterKey);
            let state = self.state.as_path();
            let slot = read_order(state.as_non_mut(), hash);
            write_order(state, hash, OrderSlot { filled: slot.filled, approved: true });
            self.emit(OrderApproved { account: order.account, order_hash: hash });
        }
    }

    #[generate_trait]
    impl Internal of InternalTrait {
        /// These are allowed in every mode; a venue in which one is not would not need the oracle
        /// to know.
        fn assert_allowed(self: @ContractState, action: Action) {
            let stored = read_venue(self.state.as_path()).mode;
            assert(allows(stored, action), 'MODE: not allowed');
        }

        fn write_interest(ref self: ContractState, market: u8, interest: PairSlot) {
            let slots = self.state.as_path().markets.entry(market).as_ptr();
            slots.interest.write(pack_pair(interest));
        }

        /// The hash of an order of the caller for this venue.
        fn own_order(self: @ContractState, order: @Order, action: Action) -> felt252 {
            self.assert_allowed(action);
            assert(*order.account == get_caller_address(), 'ORDER: not its account');
            assert(*order.venue == get_contract_address(), 'ORDER: another venue');
            order_hash(domain_hash(get_tx_info().unbox().chain_id), order)
        }

        fn commit(
            ref self: ContractState,
            fill: @Fill,
            market: u8,
            maker_hash: felt252,
            taker_hash: felt252,
            outcome: @FillOutcome,
            ref books: BooksSlot,
        ) {
            let maker = *outcome.maker;
            let taker = *outcome.taker;
            write_side(@maker, market);
            write_side(@taker, market);
            books.insurance += (*outcome.remainder).into();
            books.fees += maker.fee.into() + taker.fee.into();
            books.funding -= maker.funding.into() + taker.funding.into();
            self
                .emit(
                    FillSettled {
                        market,
                        maker: *fill.maker.order.account,
                        taker: *fill.taker.order.account,
                        maker_order: maker_hash,
                        taker_order: taker_hash,
                        taker_buys: *fill.taker.order.is_buy,
                        size: *fill.size,
                        price: *fill.price,
                        mark: *outcome.mark,
                        maker_size: maker.position.size,
                        taker_size: taker.position.size,
                        maker_fee: maker.fee,
                        taker_fee: taker.fee,
                        maker_funding: maker.funding,
                        taker_funding: taker.funding,
                        remainder: *outcome.remainder,
                    },
                );
        }
    }

    fn write_side(side: @SideAfter, market: u8) {
        write_account_and_position(*side.account_base, *side.slot, market, *side.position);
        write_order_at(*side.order_base, *side.order);
    }

    /// Stands for a market that is not listed here: no view has it.
    const UNKNOWN: u8 = 255;

    /// The market of each fill, and the bitmap of those and of all that the accounts have open.
    fn markets_of(state: ReadState, fills: Span<Fill>) -> (Span<u8>, u128) {
        let mut indices = array![];
        let mut bitmap: u128 = 0;
        for fill in fills {
            let index = state.names.entry(*fill.maker.order.market).read();
            if index == 0 {
                indices.append(UNKNOWN);
            } else {
                indices.append(index - 1);
                bitmap = bitmap | mask(index - 1);
                bitmap = bitmap | read_account(state, *fill.maker.order.account).open;
                bitmap = bitmap | read_account(state, *fill.taker.order.account).open;
            }
        }
        (indices.span(), bitmap)
    }
}
