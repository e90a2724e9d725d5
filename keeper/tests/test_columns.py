"""The sieve misses nobody: random accounts, and accounts one unit on either side of the line, against the exact
engine."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from truemark.risk import Margin, MarginTier, margin
from truemark_keeper.book import AccountState, Book, MarketState, OpenPosition, holdings
from truemark_keeper.columns import Columns
from truemark_keeper.screen import Sieve, judged, screen

PER_COLLATERAL = 10**10
TIERS = (MarginTier(20_000, 500, 300), MarginTier(100_000, 1000, 600), MarginTier(0, 2000, 1000))
ONE_TIER = (MarginTier(0, 500, 333), MarginTier(0, 0, 0), MarginTier(0, 0, 0))

prices = st.integers(1, 2**40)
indices = st.integers(-(2**80), 2**80)


@st.composite
def market_states(draw: st.DrawFn, number: int) -> MarketState:
    return MarketState(
        market=number,
        name=f"M{number}",
        valid=draw(st.integers(0, 5)) > 0,
        price=draw(prices),
        candidate=draw(st.just(0) | prices),
        anchor=draw(st.just(0) | prices),
        checkpoint=draw(st.just(0) | prices),
        in_grace=draw(st.booleans()),
        funding_index=draw(indices),
        tiers=draw(st.sampled_from([TIERS, ONE_TIER])),
    )


@st.composite
def books(draw: st.DrawFn) -> Book:
    """Markets in any state, and accounts that are as near to the line as a unit of collateral can bring them."""
    count = draw(st.integers(1, 5))
    markets = {number: draw(market_states(number)) for number in range(count)}
    accounts = []
    for address in range(1, draw(st.integers(1, 8)) + 1):
        held = draw(st.lists(st.integers(0, count - 1), unique=True))
        sizes = st.integers(-(2**62), 2**62).filter(bool) | st.integers(-(10**10), 10**10).filter(bool)
        positions = tuple(OpenPosition(number, draw(sizes), draw(indices)) for number in held)
        account = AccountState(address, 0, positions)
        then = view(account, markets, at_checkpoint=draw(st.booleans()))
        line = (then.maintenance - then.value) // PER_COLLATERAL
        accounts.append(replace(account, collateral=line + draw(st.sampled_from([-(10**12), -2, -1, 0, 1, 2, 10**12]))))
    return Book(0, 0, True, markets, tuple(accounts))


def view(account: AccountState, markets: dict[int, MarketState] | Book, *, at_checkpoint: bool) -> Margin:
    states = markets.markets if isinstance(markets, Book) else markets
    return margin(account.collateral, holdings(account, states, at_checkpoint=at_checkpoint))


def below(account: AccountState, book: Book) -> bool:
    views = [view(account, book, at_checkpoint=then) for then in (False, True)]
    return bool(account.positions) and all(then.value < then.maintenance for then in views)


def columns_of(markets: Iterable[int], accounts: Iterable[AccountState]) -> Columns:
    columns = Columns(tuple(markets))
    for account in accounts:
        columns.append(account)
    return columns


@settings(max_examples=150, deadline=None)
@given(books())
def test_nobody_below_the_line_falls_through(book: Book) -> None:
    rows = columns_of(book.markets, book.accounts).near(book.markets)
    exact = [row for row, account in enumerate(book.accounts) if below(account, book)]
    assert set(exact) <= set(rows)
    assert screen(book) == judged(book, [account for account in book.accounts if account.positions])


def some_account(sizes: list[int], marks: list[int]) -> tuple[Book, AccountState]:
    """With a position in each market."""
    markets = {
        number: MarketState(number, f"M{number}", True, mark, 0, mark, mark, 0, TIERS)
        for number, mark in enumerate(marks)
    }
    account = AccountState(1, 0, tuple(OpenPosition(number, size, 0) for number, size in enumerate(sizes)))
    return Book(0, 0, True, markets, (account,)), account


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(-(10**13), 10**13).filter(bool), st.integers(10**4, 10**13)), min_size=1, max_size=20
    )
)
def test_one_unit_of_value_decides(positions: list[tuple[int, int]]) -> None:
    """Pending funding moves V by single units of 1e-16 USD, far below what a float of V can tell."""
    book, account = some_account([size for size, _ in positions], [mark for _, mark in positions])
    first, *others = account.positions
    sign = 1 if first.size > 0 else -1
    for off, under in ((-1, True), (0, False), (1, False)):
        # One whole unit of size in the first market, so that its funding index counts in units of V.
        whole = replace(first, size=sign * 10**8)
        base = replace(account, positions=(whole, *others))
        now = view(base, book, at_checkpoint=False)
        collateral, rest = divmod(now.maintenance - now.value, PER_COLLATERAL)
        index = sign * (rest + off)
        edge = replace(base, collateral=collateral, positions=(replace(whole, funding_index=index), *others))
        found = view(edge, book, at_checkpoint=False)
        assert found.value - found.maintenance == off
        assert columns_of(book.markets, [edge]).near(book.markets) == [0]
        assert bool(screen(replace(book, accounts=(edge,)))) is (under and found.value >= 0)


def agree(count: int, seed: int) -> None:
    """Random accounts: the screen says of each what the exact engine says, and looks at hardly any in vain."""
    rng = random.Random(seed)
    markets = {
        number: MarketState(
            number,
            f"M{number}",
            number != 7,
            price := rng.randrange(10**6, 10**13),
            price * 101 // 100,
            price * 99 // 100,
            price * 100 // 99,
            rng.randrange(-(10**17), 10**17),
            TIERS,
        )
        for number in range(20)
    }
    accounts = []
    for address in range(1, count + 1):
        held = rng.sample(range(20), rng.choice([1, 2, 3, 5, 20]) if address % 50 == 0 else rng.randint(1, 3))
        positions = tuple(
            OpenPosition(
                number,
                rng.choice([-1, 1]) * (rng.randrange(10**9, 10**13) * 10**10 // markets[number].price + 1),
                rng.randrange(-(10**17), 10**17),
            )
            for number in held
        )
        account = AccountState(address, 0, positions)
        then = view(account, markets, at_checkpoint=False)
        line = (then.maintenance - then.value) // PER_COLLATERAL
        off = then.maintenance // PER_COLLATERAL
        accounts.append(replace(account, collateral=line + rng.choice([-1, 0, 1, rng.randint(-off, 4 * off)])))
    book = Book(0, 0, True, markets, tuple(accounts))
    rows = columns_of(markets, accounts).near(markets)
    exact = {row for row, account in enumerate(accounts) if below(account, book)}
    assert exact <= set(rows)
    # In vain only who is within a unit or so of the line.
    for row in set(rows) - exact:
        gaps = [
            then.value - then.maintenance
            for then in (view(accounts[row], book, at_checkpoint=c) for c in (False, True))
        ]
        assert min(abs(gap) for gap in gaps) < 2 * PER_COLLATERAL
    assert len(exact) > count // 20
    assert screen(book) == judged(book, accounts)


def test_random_accounts_agree_with_the_exact_engine() -> None:
    agree(1_500, seed=1)


@pytest.mark.deep
def test_a_hundred_thousand_accounts_agree_with_the_exact_engine() -> None:
    agree(100_000, seed=2)


@settings(max_examples=30, deadline=None)
@given(st.lists(books(), min_size=1, max_size=4))
def test_a_sieve_that_follows_is_one_made_anew(chain: list[Book]) -> None:
    sieve = Sieve()
    for book in chain:
        assert screen(book, sieve) == screen(book)
        thinned = replace(book, accounts=book.accounts[1:])
        assert screen(thinned, sieve) == screen(thinned)


def test_a_column_costs_eight_bytes() -> None:
    columns = columns_of(range(20), [AccountState(n, 1, (OpenPosition(3, 5, 0),)) for n in range(1, 65)])
    assert len(columns) == 64
    assert columns.nbytes == 64 * 8 * 21
