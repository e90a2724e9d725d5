//! The pure rules as a contract, in batches, so that another implementation can be held to them on
//! a node with few calls. Declared by tests only; it has no storage.

use starknet::ContractAddress;
use crate::refunds::tree::Domain;
use crate::rules::bucket::Bucket;
use crate::rules::risk::{Holding, LiquidationCase, LiquidationTerms, Margin, Tiers};
use crate::rules::storm::{Storm, StormTerms};
use crate::rules::waterfall::Payers;

#[derive(Copy, Drop, Serde)]
pub struct Account {
    pub collateral: i128,
    pub holdings: Span<Holding>,
}

/// A size and the change of the funding index since it was settled.
#[derive(Copy, Drop, Serde)]
pub struct FundingCase {
    pub size: i64,
    pub change: i128,
}

/// One step of funding growth.
#[derive(Copy, Drop, Serde)]
pub struct AccrualCase {
    pub rate_ppm: i32,
    pub max_rate: u32,
    pub gap: u64,
    pub max_gap: u32,
    pub mark: u64,
}

#[derive(Copy, Drop, Serde)]
pub struct RequirementCase {
    pub value: u128,
    pub tiers: Tiers,
}

#[derive(Copy, Drop, Serde)]
pub struct HealthCase {
    pub value: i128,
    pub requirement: u128,
    pub value_after: i128,
    pub requirement_after: u128,
}

#[derive(Copy, Drop, Serde)]
pub struct Health {
    /// Before.
    pub healthy: bool,
    pub healthier: bool,
}

#[derive(Copy, Drop, Serde)]
pub struct CostsCase {
    pub health: HealthCase,
    pub notional: u128,
    pub discount_bps: u16,
    pub penalty_bps: u16,
}

#[derive(Copy, Drop, Serde)]
pub struct Costs {
    pub discount: u128,
    pub penalty: u128,
}

#[derive(Copy, Drop, Serde)]
pub struct LiquidationQuestion {
    pub case: LiquidationCase,
    pub terms: LiquidationTerms,
    pub max_size: u64,
}

/// The size, and what taking it leaves: V and R before costs, and the costs.
#[derive(Copy, Drop, Serde)]
pub struct LiquidationAnswer {
    pub size: u64,
    pub value_after: i128,
    pub requirement_after: u128,
    pub notional: u128,
    pub costs: Costs,
}

#[derive(Copy, Drop, Serde)]
pub struct CashCase {
    pub value: i128,
    pub notional: u128,
    pub bps: u16,
}

/// The value both ways as a magnitude, and with its sign; the notional's fee and share.
#[derive(Copy, Drop, Serde)]
pub struct Cash {
    pub down: u128,
    pub up: u128,
    pub floor: i128,
    pub fee: u128,
    pub share: u128,
}

#[derive(Copy, Drop, Serde)]
pub struct BandCase {
    pub price: u64,
    pub mark: u64,
    pub bps: u16,
}

/// Reported prices and what is to come of them by rules 1 and 2 of the oracle.
#[derive(Copy, Drop, Serde)]
pub struct AgreementCase {
    pub prices: Span<u64>,
    pub quorum: u8,
    pub max_spread_bps: u16,
    pub last_good: u64,
}

/// A window and what is to be liquidated in it: `size` of a position of `whole`.
#[derive(Copy, Drop, Serde)]
pub struct StormCase {
    pub storm: Storm,
    pub terms: StormTerms,
    pub now: u64,
    pub interest: u64,
    pub mark: u64,
    pub size: u64,
    pub whole: u64,
    pub lot: u64,
}

#[derive(Copy, Drop, Serde)]
pub struct StormAnswer {
    pub limit: u128,
    pub left: u128,
    pub cut: u64,
    pub after: Storm,
}

/// A position that goes to the backstop: at most `size` of it, for at most `budget`.
#[derive(Copy, Drop, Serde)]
pub struct BackstopCase {
    pub case: LiquidationCase,
    pub lot: u64,
    pub size: u64,
    pub room: u128,
    pub insurance: u128,
}

#[derive(Copy, Drop, Serde)]
pub struct BackstopAnswer {
    pub deep: bool,
    pub need: u128,
    pub affordable: u64,
    /// None: more than both have.
    pub payers: Option<Payers>,
    pub rank: u128,
}

/// An amount that is poured into a bucket at a time.
#[derive(Copy, Drop, Serde)]
pub struct BucketCase {
    pub level: u128,
    pub at: u64,
    pub limit: u128,
    pub window: u64,
    pub now: u64,
    pub amount: u128,
}

#[derive(Copy, Drop, Serde)]
pub struct BucketAnswer {
    pub leaked: Bucket,
    pub room: u128,
    /// None: there is no room.
    pub poured: Option<Bucket>,
}

/// One refund of a tree and the proof of it.
#[derive(Copy, Drop, Serde)]
pub struct RefundCase {
    pub domain: Domain,
    pub count: u32,
    pub total: u128,
    pub index: u32,
    pub account: ContractAddress,
    pub amount: u128,
    pub proof: Span<felt252>,
}

#[starknet::interface]
pub trait IRulesParity<TState> {
    fn margins(self: @TState, accounts: Span<Account>) -> Span<Margin>;
    /// (initial, maintenance), 1e-20 USD.
    fn position_requirements(
        self: @TState, cases: Span<RequirementCase>,
    ) -> Span<(felt252, felt252)>;
    fn pending_fundings(self: @TState, cases: Span<FundingCase>) -> Span<i128>;
    fn accruals(self: @TState, cases: Span<AccrualCase>) -> Span<i128>;
    fn healths(self: @TState, cases: Span<HealthCase>) -> Span<Health>;
    fn liquidation_costs(self: @TState, cases: Span<CostsCase>) -> Span<Costs>;
    fn liquidations(self: @TState, questions: Span<LiquidationQuestion>) -> Span<LiquidationAnswer>;
    fn cash(self: @TState, cases: Span<CashCase>) -> Span<Cash>;
    /// `cash::within_band` and `guard::within`.
    fn bands(self: @TState, cases: Span<BandCase>) -> Span<(bool, bool)>;
    fn storms(self: @TState, cases: Span<StormCase>) -> Span<StormAnswer>;
    fn reliefs(self: @TState, cases: Span<HealthCase>) -> Span<u128>;
    fn backstops(self: @TState, cases: Span<BackstopCase>) -> Span<BackstopAnswer>;
    /// The agreed price; None where there is none.
    fn agreements(self: @TState, cases: Span<AgreementCase>) -> Span<Option<u64>>;
    fn buckets(self: @TState, cases: Span<BucketCase>) -> Span<BucketAnswer>;
    /// The root that each proof leads to; None: it leads nowhere.
    fn refund_roots(self: @TState, cases: Span<RefundCase>) -> Span<Option<felt252>>;
}

#[starknet::contract]
pub mod RulesParity {
    use crate::refunds::tree::{leaf_hash, root_with};
    use crate::rules::bucket::{Bucket, Limit};
    use crate::rules::risk::{Margin, magnitude};
    use crate::rules::{bucket, cash, funding, guard, risk, storm, waterfall};
    use super::{
        Account, AccrualCase, AgreementCase, BackstopAnswer, BackstopCase, BandCase, BucketAnswer,
        BucketCase, Cash, CashCase, Costs, CostsCase, FundingCase, Health, HealthCase, IRulesParity,
        LiquidationAnswer, LiquidationQuestion, RefundCase, RequirementCase, StormAnswer, StormCase,
    };

    #[storage]
    struct Storage {}

    #[abi(embed_v0)]
    impl RulesParityImpl of IRulesParity<ContractState> {
        fn margins(self: @ContractState, accounts: Span<Account>) -> Span<Margin> {
            let mut found = array![];
            for account in accounts {
                found.append(risk::margin(*account.collateral, *account.holdings));
            }
            found.span()
        }

        fn position_requirements(
            self: @ContractState, cases: Span<RequirementCase>,
        ) -> Span<(felt252, felt252)> {
            let mut found = array![];
            for case in cases {
                found.append(risk::position_requirement(*case.value, case.tiers));
            }
            found.span()
        }

        fn pending_fundings(self: @ContractState, cases: Span<FundingCase>) -> Span<i128> {
            let mut found = array![];
            for case in cases {
                found.append(risk::pending_funding(*case.size, *case.change));
            }
            found.span()
        }

        fn accruals(self: @ContractState, cases: Span<AccrualCase>) -> Span<i128> {
            let mut found = array![];
            for case in cases {
                found
                    .append(
                        funding::accrual(
                            *case.rate_ppm, *case.max_rate, *case.gap, *case.max_gap, *case.mark,
                        ),
                    );
            }
            found.span()
        }

        fn healths(self: @ContractState, cases: Span<HealthCase>) -> Span<Health> {
            let mut found = array![];
            for case in cases {
                let HealthCase { value, requirement, value_after, requirement_after } = *case;
                found
                    .append(
                        Health {
                            healthy: risk::is_healthy(value, requirement),
                            healthier: risk::healthier(
                                value, requirement, value_after, requirement_after,
                            ),
                        },
                    );
            }
            found.span()
        }

        fn liquidation_costs(self: @ContractState, cases: Span<CostsCase>) -> Span<Costs> {
            let mut found = array![];
            for case in cases {
                let (discount, penalty) = risk::liquidation_costs(
                    *case.health.value,
                    *case.health.requirement,
                    *case.health.value_after,
                    *case.health.requirement_after,
                    *case.notional,
                    *case.discount_bps,
                    *case.penalty_bps,
                );
                found.append(Costs { discount, penalty });
            }
            found.span()
        }

        fn liquidations(
            self: @ContractState, questions: Span<LiquidationQuestion>,
        ) -> Span<LiquidationAnswer> {
            let mut found = array![];
            for question in questions {
                let size = risk::liquidation_size(
                    question.case, question.terms, *question.max_size,
                );
                let (value_after, requirement_after, notional) = risk::after_transfer(
                    question.case, size,
                );
                let (discount, penalty) = risk::costs_at(question.case, question.terms, size);
                let costs = Costs { discount, penalty };
                found
                    .append(
                        LiquidationAnswer { size, value_after, requirement_after, notional, costs },
                    );
            }
            found.span()
        }

        fn cash(self: @ContractState, cases: Span<CashCase>) -> Span<Cash> {
            let mut found = array![];
            for case in cases {
                let value = magnitude(*case.value);
                found
                    .append(
                        Cash {
                            down: cash::cash_down(value),
                            up: cash::cash_up(value),
                            floor: cash::cash_floor(*case.value),
                            fee: cash::fee(*case.notional, *case.bps),
                            share: cash::share_down(*case.notional, *case.bps),
                        },
                    );
            }
            found.span()
        }

        fn bands(self: @ContractState, cases: Span<BandCase>) -> Span<(bool, bool)> {
            let mut found = array![];
            for case in cases {
                let BandCase { price, mark, bps } = *case;
                found
                    .append((cash::within_band(price, mark, bps), guard::within(price, mark, bps)));
            }
            found.span()
        }

        fn storms(self: @ContractState, cases: Span<StormCase>) -> Span<StormAnswer> {
            let mut found = array![];
            for case in cases {
                let StormCase { terms, mark, size, lot, .. } = *case;
                let now = storm::storm_now(*case.storm, terms, *case.now);
                let limit = storm::storm_limit(terms, *case.interest, mark);
                let left = storm::storm_left(now, limit);
                let cut = storm::storm_cut(size, *case.whole, lot, mark, left);
                let after = storm::storm_after(now, cut.into() * mark.into(), cut != size);
                found.append(StormAnswer { limit, left, cut, after });
            }
            found.span()
        }

        fn reliefs(self: @ContractState, cases: Span<HealthCase>) -> Span<u128> {
            let mut found = array![];
            for case in cases {
                let HealthCase { value, requirement, value_after, requirement_after } = *case;
                found.append(waterfall::relief(value, requirement, value_after, requirement_after));
            }
            found.span()
        }

        fn backstops(self: @ContractState, cases: Span<BackstopCase>) -> Span<BackstopAnswer> {
            let mut found = array![];
            for asked in cases {
                let BackstopCase { case, lot, size, room, insurance } = *asked;
                let need = waterfall::relief_at(@case, size);
                found
                    .append(
                        BackstopAnswer {
                            deep: waterfall::is_deep(case.value, case.requirement),
                            need,
                            affordable: waterfall::affordable_size(
                                @case, lot, size, room + insurance,
                            ),
                            payers: waterfall::payers(need, room, insurance),
                            rank: waterfall::leverage_rank(case.value, case.requirement),
                        },
                    );
            }
            found.span()
        }

        fn agreements(self: @ContractState, cases: Span<AgreementCase>) -> Span<Option<u64>> {
            let mut found = array![];
            for case in cases {
                let agreed = guard::agree(
                    *case.prices, *case.quorum, *case.max_spread_bps, *case.last_good,
                );
                found.append(agreed.ok());
            }
            found.span()
        }

        fn refund_roots(self: @ContractState, cases: Span<RefundCase>) -> Span<Option<felt252>> {
            let mut found = array![];
            for case in cases {
                let RefundCase { domain, count, total, index, account, amount, proof } = *case;
                let leaf = leaf_hash(domain, index, account, amount);
                found.append(root_with(count, total, index, leaf, proof));
            }
            found.span()
        }

        fn buckets(self: @ContractState, cases: Span<BucketCase>) -> Span<BucketAnswer> {
            let mut found = array![];
            for case in cases {
                let BucketCase { level, at, limit, window, now, amount } = *case;
                let before = Bucket { level, at };
                let terms = Limit { limit, window };
                found
                    .append(
                        BucketAnswer {
                            leaked: bucket::leaked(before, terms, now),
                            room: bucket::room(before, terms, now),
                            poured: bucket::pour(before, terms, now, amount),
                        },
                    );
            }
            found.span()
        }
    }
}
