"""Accounts with 20 positions each that the liquidator's screen judges in a second of one core, exact at the line;
against the exact engine alone.

Every account is judged anew, as after a round that moved every mark: one pass over the columns and exact integers for
what that leaves. Time is the process's, over all its threads, so that a second core would not help.
"""

from __future__ import annotations

import time
import tracemalloc

import numpy as np
from truemark.risk import MarginTier
from truemark_keeper.book import AccountState, Book, MarketState, OpenPosition
from truemark_keeper.columns import Columns, Floats
from truemark_keeper.screen import judged

from truemark_devnet.bench.figure import Figure

MARKETS = 20
_ACCOUNTS = 1_000_000
_EXACT = 5_000
_ROUNDS = 5
_SEED = 20_260_119
_ONE = 10**8
#: Markets that grow dearer with the size of a position, as large ones do.
_TIERS = (MarginTier(100_000, 500, 300), MarginTier(1_000_000, 1000, 600), MarginTier(0, 2000, 1200))


def run() -> list[Figure]:
    population = Population(_ACCOUNTS)
    columns = population.columns()
    rates = []
    for turn in range(_ROUNDS):
        book = population.book(turn)
        start = time.process_time()
        rows = columns.near(book.markets)
        judged(book, [population.account(row) for row in rows])
        rates.append(_ACCOUNTS / (time.process_time() - start))
    tracemalloc.start()
    some = [population.account(row) for row in range(_EXACT)]
    objects = tracemalloc.get_traced_memory()[0] / 1e6 * _ACCOUNTS / _EXACT
    tracemalloc.stop()
    start = time.process_time()
    judged(population.book(0), some)
    exact = _EXACT / (time.process_time() - start)
    unit = f"MB at {_ACCOUNTS:,} accounts"
    return [
        Figure("screen", sorted(rates)[_ROUNDS // 2], "accounts/s", exact, "exact integers, each account"),
        Figure("screen.memory", columns.nbytes / 1e6, unit, objects, "the accounts as Python objects"),
    ]


class Population:
    """Random accounts with a position in every market; one in some thousand is under water.

    Positions are worth some USD to some million, longs and shorts alike; V/R is lognormal, about 5 in the middle.
    """

    def __init__(self, accounts: int, seed: int = _SEED) -> None:
        rng = np.random.default_rng(seed)
        self._prices = [int(price * _ONE) for price in np.exp(rng.uniform(np.log(0.1), np.log(100_000), MARKETS))]
        self._index = [int(paid) for paid in rng.normal(0, 1e14, MARKETS)]
        worth = np.exp(rng.normal(np.log(2_000), 2, (MARKETS, accounts))) * rng.choice([-1, 1], (MARKETS, accounts))
        price = np.array(self._prices)[:, None] / _ONE
        self._sizes = np.rint(worth / price * _ONE).astype(np.int64)
        ratio = np.exp(rng.normal(np.log(5), 0.42, accounts))
        net = self._value(self._sizes) / 1e16
        self._collateral = np.rint((ratio * 0.03 * np.abs(worth).sum(axis=0) - net) * 1e6).astype(np.int64)

    def _value(self, sizes: np.typing.NDArray[np.int64]) -> Floats:
        return np.array(self._prices, dtype=np.float64) @ sizes

    def columns(self) -> Columns:
        columns = Columns(range(MARKETS))
        # No position was opened at a funding index other than 0.
        columns.load(self._sizes.astype(np.float64), self._collateral * 1e10)
        return columns

    def account(self, row: int) -> AccountState:
        sizes = self._sizes[:, row]
        positions = tuple(OpenPosition(market, int(size), 0) for market, size in enumerate(sizes) if size)
        return AccountState(row + 1, int(self._collateral[row]), positions)

    def book(self, turn: int) -> Book:
        """The marks of one round: every one some basis points from the round before's."""
        markets = {}
        for market, price in enumerate(self._prices):
            mark = price + price * ((market * 7 + turn * 13) % 21 - 10) // 10_000
            markets[market] = MarketState(market, f"M{market}", True, mark, 0, mark, price, self._index[market], _TIERS)
        return Book(turn, 0, True, markets, ())
