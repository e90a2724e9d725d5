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
    use crate::clearinghouse::book::{ViewTrait, load_view};
    use crate::clearinghouse::events::{Liquidated, LiquidationRefused};
    use crate::clearinghouse::interface::LiquidationRequest;
    use crate::clearinghouse::slots::{BooksSlot, pack_pair, unpack_pair};
    use crate::clearinghouse::state::{
        State, read_account, read_books, read_seen_at, read_waterfall, write_account_and_position,
        write_books, write_seen_at,
    };
    use crate::clearinghouse::storm::{NOTHING_LEFT, storm_terms, went_dry, write_storm};
    use crate::clearinghouse::takeover::{PartyAfter, Ration, Sweep, Takeover, decide, ration_of};
    use crate::gas::rare_path;
    use crate::rules::modes::{Action, allows};
    use crate::rules::storm::storm_after;
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
                Ok(takeover) => {
                    self.commit(@sweep, @takeover, ref books);
                    write_books(state, books);
                },
                Err(reason) => {
                    // A revert would undo the mark that the market is dry.
                    if self.dry_out(@sweep, @request, reason).is_none() {
                        panic_with_felt252(reason);
                    }
                    let LiquidationRequest { account, market, .. } = request;
                    self.emit(LiquidationRefused { account, market, reason });
                },
            }
        }

        fn liquidate_many(ref self: ContractState, epoch: u64, requests: Span<LiquidationRequest>) {
            let sweep = self.open(epoch, requests);
            let state = self.state.as_path();
            let mut books = read_books(state.as_non_mut());
            let mut stopped = false;
            for request in requests {
                let decided = if stopped {
                    Err('MODE: not allowed')
                } else {
                    decide(state.as_non_mut(), @sweep, request)
                };
                match decided {
                    Ok(takeover) => { stopped = self.commit(@sweep, @takeover, ref books); },
                    Err(reason) => {
                        if self.dry_out(@sweep, request, reason) == Some(true) {
                            stopped = true;
                        }
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
            let terms = storm_terms(@read_waterfall(state));
            let vault = state.vault.read();
            Sweep { caller, now: get_block_timestamp(), view, vault, terms }
        }

        /// Whether the venue stopped over it.
        fn commit(
            ref self: ContractState, sweep: @Sweep, takeover: @Takeover, ref books: BooksSlot,
        ) -> bool {
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
            let state = self.state.as_path();
            let ration = *takeover.ration;
            write_storm(state, market.index, ration.storm);
            if read_seen_at(account.base) != 0 {
                write_seen_at(account.base, 0);
            }
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
            if !ration.went_dry {
                return false;
            }
            rare_path();
            let Ration { storm, limit, .. } = ration;
            went_dry(state, market.index, storm, *sweep.terms, limit, *sweep.now)
        }

        /// Marks the market of a request that the storm bucket refused as dry. None: the reason was
        /// another one or the market was dry before; else whether the venue stopped over it.
        fn dry_out(
            ref self: ContractState, sweep: @Sweep, request: @LiquidationRequest, reason: felt252,
        ) -> Option<bool> {
            if reason != NOTHING_LEFT {
                return None;
            }
            rare_path();
            let index = *request.market;
            let state = self.state.as_path();
            let market = sweep.view.find(index)?;
            let interest = unpack_pair(state.markets.entry(index).as_ptr().interest.read());
            let Ration {
                storm, limit, ..,
            } = ration_of(state.as_non_mut(), sweep, market, interest);
            if storm.dry {
                return None;
            }
            let storm = storm_after(storm, 0, true);
            write_storm(state, index, storm);
            Some(went_dry(state, index, storm, *sweep.terms, limit, *sweep.now))
        }
    }

    fn write_party(party: @PartyAfter, market: u8) {
        write_account_and_position(*party.base, *party.slot, market, *party.position);
    }
}
