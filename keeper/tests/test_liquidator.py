"""The liquidator against a model venue: who is under water goes, worst first, nobody else, nothing twice, and nobody
on a mark that the keeper's own price contradicts."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st
from truemark.felt import selector
from truemark.risk import Margin, MarginTier, margin
from truemark.transactions import Call
from truemark_keeper.book import (
    AccountState,
    Book,
    Liquidated,
    LiquidationRefused,
    MarketState,
    OpenPosition,
    holdings,
)
from truemark_keeper.liquidator import Liquidator, Sweep
from truemark_keeper.screen import failed, screen
from truemark_keeper.slots import Outcome

ONE = 10**8
USD = 10**6
KEEPER = 0xBEE
TIERS = (MarginTier(0, 500, 300), MarginTier(0, 0, 0), MarginTier(0, 0, 0))


def market(number: int, price: int, *, valid: bool = True, checkpoint: int | None = None) -> MarketState:
    return MarketState(
        market=number,
        name=f"M{number}",
        valid=valid,
        price=price,
        candidate=0,
        anchor=price,
        checkpoint=price if checkpoint is None else checkpoint,
        funding_index=0,
        tiers=TIERS,
    )


def account(address: int, collateral: int, *positions: tuple[int, int]) -> AccountState:
    return AccountState(address, collateral, tuple(OpenPosition(m, size, 0) for m, size in positions))


@dataclass
class Venue:
    """Reads and liquidates as the contract would, whole positions at the mark, no costs."""

    markets: dict[int, MarketState]
    accounts: dict[int, AccountState]
    full: bool = True
    refuse: frozenset[int] = frozenset()
    block: int = 0
    timestamp: int = 0
    full_since: int = 0
    batches: list[list[tuple[int, int]]] = field(default_factory=list)
    backstopped: list[int] = field(default_factory=list)
    #: Why the backstop takes nobody.
    closed: str | None = None
    #: Accounts of which the backstop only notes that it saw them.
    noted: frozenset[int] = frozenset()
    #: L2 gas that a request takes, and that a transaction may take.
    gas: int = 0
    bound: int = 10**9

    async def book(self) -> Book:
        accounts = tuple(self.accounts.values())
        return Book(self.block, 0, self.full, self.markets, accounts, self.timestamp, self.full_since, grace_secs=60)

    async def margins(self, accounts: Collection[int]) -> Mapping[int, Margin]:
        return {
            address: margin(
                self.accounts[address].collateral, holdings(self.accounts[address], self.markets, at_checkpoint=False)
            )
            for address in accounts
        }

    def outcomes(self, receipt: Mapping[str, object]) -> Sequence[Liquidated | LiquidationRefused]:
        events = receipt["events"]
        assert isinstance(events, list)
        return events

    async def execute(self, calls: Sequence[Call], timeout: float | None = None) -> Outcome:
        (call,) = calls
        if call.selector == selector("backstop"):
            self.block += 1
            self.backstopped.append(call.calldata[1])
            return Outcome(self.block, self.block, (self.block,), self.block, None, {"events": []})
        epoch, count, *data = call.calldata
        assert epoch == 0
        assert len(data) == 4 * count
        self.block += 1
        if count * self.gas > self.bound:
            reason = f"Insufficient max L2Gas: max amount: {self.bound}, actual used: {count * self.gas}"
            return Outcome(self.block, self.block, (self.block,), self.block, reason, {"events": []})
        batch, events = [], []
        for number in range(count):
            address, market_number, max_size, limit = data[4 * number : 4 * number + 4]
            batch.append((address, market_number))
            events.append(self.liquidate(address, market_number, max_size, limit))
        self.batches.append(batch)
        receipt = {"events": events, "execution_resources": {"l2_gas": count * self.gas}}
        return Outcome(self.block, self.block, (self.block,), self.block, None, receipt)

    async def backstop_refusal(self, epoch: int, account: int) -> str | None:
        return self.closed

    def handed_over(self, receipt: Mapping[str, object], account: int) -> bool:
        return account not in self.noted

    def liquidate(self, address: int, number: int, max_size: int, limit: int) -> Liquidated | LiquidationRefused:
        state, mark = self.accounts[address], self.markets[number].price
        if address in self.refuse:
            return LiquidationRefused(address, number, "LIQ: refused")
        now = margin(state.collateral, holdings(state, self.markets, at_checkpoint=False))
        assert 0 <= now.value < now.maintenance, "asked for an account that is not under water"
        (position,) = [p for p in state.positions if p.market == number]
        assert abs(position.size) <= max_size
        assert mark <= limit if position.size > 0 else mark >= limit
        self.accounts[address] = replace(
            state,
            collateral=state.collateral + position.size * mark // 10**10,
            positions=tuple(p for p in state.positions if p.market != number),
        )
        return Liquidated(address, number, position.size)


def run(venue: Venue, own: dict[str, int | None] | None = None, **options: int) -> Sweep:
    async def own_price(name: str) -> int | None:
        if own is not None and name in own:
            return own[name]
        return next(m.price for m in venue.markets.values() if m.name == name)

    liquidator = Liquidator(
        venue, venue, clearinghouse=1, account=KEEPER, own_price=own_price, backstop=venue, **options
    )
    return asyncio.run(liquidator.once())


def underwater_venue(**options: bool) -> Venue:
    """One base unit at 100 USD. Longs bought at 120: 22 USD left V at 2 of R 3; 21 at 1; 40 is healthy."""
    return Venue(
        {0: market(0, 100 * ONE)},
        {
            1: account(1, -98 * USD, (0, ONE)),
            2: account(2, -99 * USD, (0, ONE)),
            3: account(3, -80 * USD, (0, ONE)),
            4: account(4, -101 * USD, (0, ONE)),
            5: account(5, 102 * USD, (0, -ONE)),
            KEEPER: account(KEEPER, -98 * USD, (0, ONE)),
        },
        **options,
    )


def test_who_is_under_water_goes_worst_first_and_nobody_else() -> None:
    venue = underwater_venue()
    sweep = run(venue)
    assert [item.account for item in sweep.liquidated] == [2, 1, 5]
    assert [item.size for item in sweep.liquidated] == [ONE, ONE, -ONE]
    assert venue.accounts[3].positions
    assert venue.accounts[4].positions
    assert venue.accounts[KEEPER].positions
    assert venue.batches == [[(2, 0), (1, 0), (5, 0)]]


def test_who_is_worth_less_than_a_third_of_what_it_needs_goes_to_the_backstop() -> None:
    venue = Venue(
        {0: market(0, 100 * ONE)},
        {
            1: account(1, -99 * USD - 1, (0, ONE)),
            2: account(2, -99 * USD, (0, ONE)),
            4: account(4, -101 * USD, (0, ONE)),
            KEEPER: account(KEEPER, -101 * USD, (0, ONE)),
        },
        # 1 and 2 are refused to the keeper: 2 has a third to the unit.
        refuse=frozenset({1, 2}),
        noted=frozenset({2}),
    )
    assert run(venue, {"M0": 102 * ONE}).backstopped == ()
    sweep = run(venue)
    assert sweep.backstopped == (1, 4)
    # Those who failed first; then who is under water and was left.
    assert venue.backstopped == [1, 4, 2]
    venue.closed = "BACKSTOP: vault margin"
    assert run(venue).backstopped == ()
    venue.closed = None
    venue.noted = frozenset({1, 2})
    venue.markets[0] = market(0, 100 * ONE, checkpoint=101 * ONE)
    assert run(venue).backstopped == (4,)


def test_a_second_run_sends_nothing() -> None:
    venue = underwater_venue()
    del venue.accounts[4]
    run(venue)
    sweep = run(venue)
    assert sweep.transactions == ()
    assert sweep.liquidated == ()
    assert len(venue.batches) == 1


def test_nobody_is_asked_for_outside_full() -> None:
    assert run(underwater_venue(full=False)).transactions == ()


def test_a_mark_that_the_own_price_contradicts_is_vetoed() -> None:
    for own in (102 * ONE, None, 0):
        venue = underwater_venue()
        sweep = run(venue, {"M0": own})
        assert sweep.transactions == ()
        assert {item.account for item in sweep.vetoed} == {1, 2, 4, 5}
    assert len(run(underwater_venue(), {"M0": 101 * ONE}).liquidated) == 3


def test_a_doubted_mark_in_any_of_its_markets_spares_the_account() -> None:
    venue = Venue(
        {0: market(0, 100 * ONE), 1: market(1, 50 * ONE)},
        {1: account(1, -98 * USD, (0, ONE)), 2: account(2, -147 * USD, (0, ONE), (1, ONE))},
    )
    sweep = run(venue, {"M1": 80 * ONE})
    assert [item.account for item in sweep.liquidated] == [1]
    assert [item.account for item in sweep.vetoed] == [2]


def test_a_refusal_is_reported_and_not_asked_again() -> None:
    venue = underwater_venue()
    venue.refuse = frozenset({2})
    sweep = run(venue, batch_size=1)
    assert [item.account for item in sweep.refused] == [2]
    assert "refused" in sweep.refused[0].reason
    assert sorted(item.account for item in sweep.liquidated) == [1, 5]
    assert [batch[0][0] for batch in venue.batches] == [2, 1, 5]


def crowd(count: int, gas: int, bound: int = 10**9) -> Venue:
    people = {n: account(n, -98 * USD, (0, ONE)) for n in range(1, count + 1)}
    return Venue({0: market(0, 100 * ONE)}, people, gas=gas, bound=bound)


def test_batches_are_as_large_as_their_gas_allows() -> None:
    venue = crowd(100, gas=10)
    assert len(run(venue, batch_size=5, batch_gas=400).liquidated) == 100
    assert [len(batch) for batch in venue.batches] == [5, 40, 40, 15]


def test_a_batch_that_ran_out_of_gas_is_tried_in_halves() -> None:
    venue = crowd(20, gas=10, bound=70)
    sweep = run(venue, batch_size=20, batch_gas=60)
    assert [outcome.succeeded for outcome in sweep.transactions] == [False, False, True, True, True, True]
    assert [len(batch) for batch in venue.batches] == [5, 5, 6, 4]
    assert len(sweep.liquidated) == 20


def test_under_water_at_the_mark_alone_is_not_enough() -> None:
    venue = underwater_venue()
    venue.markets[0] = market(0, 100 * ONE, checkpoint=110 * ONE)
    assert {item.account.address for item in screen(asyncio.run(venue.book()))} == {5}
    venue.markets[0] = market(0, 100 * ONE, checkpoint=0)
    assert screen(asyncio.run(venue.book())) == ()


def test_nobody_is_asked_for_in_vain_while_the_venue_or_the_market_is_in_grace() -> None:
    venue = underwater_venue()
    venue.full_since, venue.timestamp = 1_000, 1_059
    assert run(venue).transactions == ()
    venue.timestamp = 1_060
    assert screen(asyncio.run(venue.book()))
    before = dict(venue.markets)
    venue.markets = {number: replace(state, in_grace=True) for number, state in before.items()}
    assert screen(asyncio.run(venue.book())) == ()
    venue.markets = before
    assert run(venue).liquidated


def test_another_market_in_grace_asks_for_no_margin_and_stops_no_liquidation() -> None:
    back = replace(market(1, 50 * ONE), in_grace=True)
    book = Book(0, 0, True, {0: market(0, 100 * ONE), 1: back}, (account(1, -148 * USD, (0, ONE), (1, ONE)),))
    (found,) = screen(book)
    # 100 + 50 - 148; 3% of 100, nothing of 50.
    assert (found.margin.value, found.margin.maintenance) == (2 * 10**16, 3 * 10**16)
    assert [p.market for p in found.open_to] == [0]
    # With the 1.50 USD that the other would ask for it would be under water; it is not.
    thin = replace(book, accounts=(account(1, -146 * USD, (0, ONE), (1, ONE)),))
    assert screen(thin) == ()


def test_an_account_is_left_alone_while_one_of_its_markets_proves_nothing() -> None:
    people = (account(1, -98 * USD, (0, ONE)), account(2, -148 * USD, (0, ONE), (1, ONE)))
    sound = Book(0, 0, True, {0: market(0, 100 * ONE), 1: market(1, 50 * ONE)}, people)
    assert {item.account.address for item in screen(sound)} == {1, 2}
    for nothing in (
        replace(market(1, 50 * ONE, valid=False), broken=True),
        market(1, 50 * ONE, checkpoint=0),
    ):
        book = replace(sound, markets={0: market(0, 100 * ONE), 1: nothing})
        assert {item.account.address for item in screen(book)} == {1}
        bankrupt = replace(book, accounts=(account(2, -200 * USD, (0, ONE), (1, ONE)),))
        assert failed(bankrupt) == ()


def test_what_is_left_under_water_is_told_to_the_backstop() -> None:
    # 2 is worst, then 3, then 1.
    cash = {1: -97 * USD - 1, 2: -98 * USD, 3: -97 * USD - 2}
    people = {number: account(number, amount, (0, ONE)) for number, amount in cash.items()}
    venue = Venue({0: market(0, 100 * ONE)}, people, refuse=frozenset(people), noted=frozenset({2}))
    # At most two are told of; of 2 the contract only notes that it was seen.
    assert run(venue, max_overdue=2).backstopped == (3,)
    assert venue.backstopped == [2, 3]
    venue.closed = "BACKSTOP: too early"
    run(venue)
    assert venue.backstopped == [2, 3]


def test_a_market_that_is_not_valid_counts_in_the_accounts_favour() -> None:
    flaky = replace(market(1, 50 * ONE, valid=False), candidate=60 * ONE, anchor=55 * ONE)
    book = Book(0, 0, True, {0: market(0, 100 * ONE), 1: flaky}, (account(1, -148 * USD, (0, ONE), (1, ONE)),))
    assert screen(book) == ()
    short = replace(book, accounts=(account(1, -48 * USD, (0, ONE), (1, -ONE)),))
    (found,) = screen(short)
    # 100 - 48 - 50: the lowest of the three prices for a short, and no requirement for it.
    assert (found.margin.value, found.margin.maintenance) == (2 * 10**16, 3 * 10**16)
    assert [p.market for p in found.open_to] == [0]


@settings(max_examples=100, deadline=None)
@given(
    prices=st.lists(st.integers(1, 200), min_size=3, max_size=3),
    people=st.lists(
        st.tuples(st.integers(-300, 300), st.lists(st.integers(-3, 3), min_size=3, max_size=3)), max_size=12
    ),
    batch_size=st.integers(1, 5),
)
def test_after_a_run_nobody_is_left_and_the_healthy_are_untouched(
    prices: list[int], people: list[tuple[int, list[int]]], batch_size: int
) -> None:
    venue = Venue(
        {n: market(n, price * ONE) for n, price in enumerate(prices)},
        {
            address: account(address, cash * USD, *((n, size * ONE) for n, size in enumerate(sizes) if size))
            for address, (cash, sizes) in enumerate(people, start=1)
        },
    )
    before = dict(venue.accounts)
    found = screen(asyncio.run(venue.book()))
    ratios = [Fraction(item.margin.value, item.margin.maintenance) for item in found]
    assert ratios == sorted(ratios)
    sweep = run(venue, batch_size=batch_size)
    assert screen(asyncio.run(venue.book())) == ()
    assert {item.account for item in sweep.liquidated} == {item.account.address for item in found}
    for address in set(before) - {item.account.address for item in found}:
        assert venue.accounts[address] == before[address]
