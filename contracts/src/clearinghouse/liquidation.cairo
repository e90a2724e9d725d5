use crate::clearinghouse::interface::LiquidationRequest;

#[starknet::interface]
pub trait ILiquidation<TState> {
    fn liquidate(ref self: TState, epoch: u64, request: LiquidationRequest);
    fn liquidate_many(ref self: TState, epoch: u64, requests: Span<LiquidationRequest>);
}

/// Positions of accounts under water, taken over by whoever calls. Runs on the clearinghouse's
/// storage, by library call.
#[starknet::contract]
pub mod Liquidation {
    use core::panic_with_felt252;
    use starknet::storage::{
        StorageAsPath, StorageAsPointer, StoragePathEntry, StoragePathMutableConversion,
        StoragePointerReadAccess, StoragePointerWriteAccess,
    };
    use starknet::{get_block_timestamp, get_caller_address};
    use crate::clearinghouse::bitmap::mask;
    use crate::clearinghouse::book::load_view;
    use crate::clearinghouse::events::{Liquidated, LiquidationRefused};
    use crate::clearinghouse::interface::LiquidationRequest;
    use crate::clearinghouse::slots::{BooksSlot, pack_pair};
    use crate::clearinghouse::state::{
        State, read_account, read_books, write_account_and_position, write_books,
    };
    use crate::clearinghouse::takeover::{PartyAfter, Sweep, Takeover, decide};
    use crate::rules::modes::{Action, allows};
    use crate::units::MAX_MARKETS;
    use crate::upgrades::interface::INamed;
    use crate::upgrades::names;

    #[storage]
    struct Storage {
        state: State,
    }

    #[event]
    #[derive(Drop, starknet::Event)]
    pub enum Event {
        Liquidated: Liquidated,
        LiquidationRefused: LiquidationRefused,
    }

    #[abi(embed_v0)]
    impl Named of INamed<ContractState> {
        fn implements(self: @ContractState) -> felt252 {
            names::LIQUIDATION
        }
    }

    #[abi(embed_v0)]
    impl LiquidationImpl of super::ILiquidation<ContractState> {
        fn liquidate(ref self: ContractState, epoch: u64, request: LiquidationRequest) {
            let sweep = self.open(epoch, array![request].span());
            let state = self.state.as_path();
            let mut books = read_books(state.as_non_mut());
            match decide(state.as_non_mut(), @sweep, @request) {
                Ok(takeover) => self.commit(@takeover, ref books),
                Err(reason) => panic_with_felt252(reason),
            }
            write_books(state, books);
        }

        fn liquidate_many(ref self: ContractState, epoch: u64, requests: Span<LiquidationRequest>) {
            let sweep = self.open(epoch, requests);
            let state = self.state.as_path();
            let mut books = read_books(state.as_non_mut());
            for request in requests {
                match decide(state.as_non_mut(), @sweep, request) {
                    Ok(takeover) => self.commit(@takeover, ref books),
                    Err(reason) => {
                        let (account, market) = (*request.account, *request.market);
                        self.emit(LiquidationRefused { account, market, reason });
                    },
                }
            }
            write_books(state, books);
        }
    }

    #[generate_trait]
    impl Internal of InternalTrait {
        /// What all requests share; reverts where none of them could be taken.
        fn open(self: @ContractState, epoch: u64, requests: Span<LiquidationRequest>) -> Sweep {
            let state = self.state.as_path();
            assert(epoch == state.epoch.read(), 'EPOCH: another epoch');
            let caller = get_caller_address();
            let mut markets = read_account(state, caller).open;
            for request in requests {
                if *request.market < MAX_MARKETS {
                    markets = markets | mask(*request.market);
                }
                markets = markets | read_account(state, *request.account).open;
            }
            // An account has open only what is listed; what a request names need not be.
            let view = load_view(state, markets & state.listed.read());
            assert(allows(view.mode, Action::Liquidate), 'MODE: not allowed');
            Sweep { caller, now: get_block_timestamp(), view }
        }

        fn commit(ref self: ContractState, takeover: @Takeover, ref books: BooksSlot) {
            let market = (*takeover.market).unbox();
            let deal = *takeover.deal;
            let verdict = *takeover.verdict;
            let (account, caller) = (*takeover.account, *takeover.caller);
            write_party(@account, market.index);
            write_party(@caller, market.index);
            self
                .state
                .as_path()
                .markets
                .entry(market.index)
                .as_ptr()
                .interest
                .write(pack_pair(*takeover.interest));
            books.insurance += deal.penalty.into() + deal.remainder.into();
            books.funding -= account.funding.into() + caller.funding.into();
            self
                .emit(
                    Liquidated {
                        account: account.account,
                        market: market.index,
                        caller: caller.account,
                        size: *takeover.size,
                        remaining: account.position.size,
                        mark: market.price,
                        checkpoint: market.checkpoint,
                        value_before: verdict.marks.value,
                        requirement_before: verdict.marks.maintenance,
                        value_checkpoint: verdict.checkpoints.value,
                        requirement_checkpoint: verdict.checkpoints.maintenance,
                        value_after: deal.value_after,
                        requirement_after: deal.requirement_after,
                        discount: deal.discount,
                        penalty: deal.penalty,
                        account_funding: account.funding,
                        caller_funding: caller.funding,
                        remainder: deal.remainder,
                    },
                );
        }
    }

    fn write_party(party: @PartyAfter, market: u8) {
        write_account_and_position(*party.base, *party.slot, market, *party.position);
    }
}
