"""Many accounts as columns of float64, and the few of them that can be under water, by one pass over the columns.

Floats never decide. They are a sieve with a proven bound: what falls through is certainly healthy, what is left is
looked at in exact integers. For one account with sizes s, let V be its value and R its maintenance requirement.
Pending funding is s x (f - F) / 1e8 with f the index of the position and F that of the market, so with
cash = collateral x 1e10 + sum(s x f) / 1e8, which changes only when the account does,

    V = cash + sum(s x (price - F / 1e8)), less at most 1 for each position by rounding down,
    R <= sum(|s| x price x r), r the highest rate of the market's tiers, and 1 by rounding up.

Both are products of the columns with one number a market. Every float here has a relative error of at most a few
u = 2^-53, and a sum of n products taken in any order errs by at most n x u / (1 - n x u) of the sum of their absolute
values (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., 3.1). `_epsilon` is twice what all of that
comes to, and that part of the absolute values is taken off V - R before it is compared with 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from truemark.risk import MarginTier
from truemark.units import BPS, SIZE_SCALE, VALUE_PER_COLLATERAL

from truemark_keeper.book import AccountState, MarketState, side_prices

Floats = npt.NDArray[np.float64]

#: 1e-16 USD in one USD: a tier's bound is in whole USD.
_USD = 1e16
#: Accounts whose columns are worked on together: they stay in the cache.
_CHUNK = 4096


class Columns:
    """Accounts by row, with a column for each market.

    Takes 8 x (markets + 1) bytes for each account.

    Args:
        markets: their indices; an account with a position in another one does not fit.
    """

    def __init__(self, markets: Sequence[int]) -> None:
        self._column = {market: column for column, market in enumerate(markets)}
        #: Market by account, so that a market's sizes lie side by side; 1e-8 of the base asset.
        self._sizes: Floats = np.zeros((len(markets), 0))
        #: Below cash (1e-16 USD) by all that may be wrong with it; infinite where nothing is held.
        self._floor: Floats = np.zeros(0)
        self._rows = 0

    def __len__(self) -> int:
        return self._rows

    @property
    def markets(self) -> Sequence[int]:
        return tuple(self._column)

    @property
    def nbytes(self) -> int:
        return self._sizes.nbytes + self._floor.nbytes

    def append(self, account: AccountState) -> int:
        """The account's row, the last."""
        if self._rows == self._floor.size:
            more = max(64, self._rows)
            self._sizes = np.concatenate([self._sizes, np.zeros((len(self._column), more))], axis=1)
            self._floor = np.concatenate([self._floor, np.zeros(more)])
        self._rows += 1
        self.put(self._rows - 1, account)
        return self._rows - 1

    def put(self, row: int, account: AccountState) -> None:
        """What the row holds from now on.

        Raises:
            KeyError: a position is in a market that has no column.
        """
        self._sizes[:, row] = 0
        paid = 0
        for position in account.positions:
            self._sizes[self._column[position.market], row] = position.size
            paid += position.size * position.funding_index
        # Division of whole numbers rounds once, however large they are.
        cash = (account.collateral * VALUE_PER_COLLATERAL * SIZE_SCALE + paid) / SIZE_SCALE
        self._floor[row] = self._below(np.array([cash]))[0] if account.positions else np.inf

    def load(self, sizes: Floats, cash: Floats) -> None:
        """Adds many rows at once: `sizes` market by account in 1e-8 of the base asset, `cash` as above, 1e-16 USD."""
        self._sizes = np.concatenate([self._sizes[:, : self._rows], sizes], axis=1)
        floor = np.where((sizes != 0).any(axis=0), self._below(cash), np.inf)
        self._floor = np.concatenate([self._floor[: self._rows], floor])
        self._rows = self._floor.size

    def pop(self, row: int) -> None:
        """Takes a row out; the last one moves into its place."""
        self._rows -= 1
        self._sizes[:, row] = self._sizes[:, self._rows]
        self._floor[row] = self._floor[self._rows]

    def near(self, markets: Mapping[int, MarketState]) -> list[int]:
        """Rows, ascending, of every account with V < R at the marks and at the checkpoints, each valued as
        `book.holdings` does, and of hardly any other: those within about 1e-13 of their size of the line."""
        states = [markets[market] for market in self._column]
        marks, checkpoints = (_View.of(states, self._epsilon, at_checkpoint=then) for then in (False, True))
        found = []
        sizes = np.empty((len(self._column), _CHUNK))
        for start in range(0, self._rows, _CHUNK):
            chunk = self._sizes[:, start : min(start + _CHUNK, self._rows)]
            held = np.abs(chunk, out=sizes[:, : chunk.shape[1]])
            value = marks.steep @ held
            value += marks.middle @ chunk
            value += self._floor[start : start + chunk.shape[1]]
            below = np.flatnonzero(value < 0)
            if below.size:
                found.append(below + start)
        rows = np.concatenate(found) if found else np.zeros(0, dtype=np.intp)
        for view in (marks, checkpoints):
            rows = rows[view.margin(self._sizes[:, rows], self._floor[rows]) < 0]
        return [int(row) for row in rows]

    @property
    def _epsilon(self) -> float:
        """For each market at most four roundings and two sums; sixteen for the coefficients."""
        return float((4 * len(self._column) + 16) * 2.0**-52)

    def _below(self, cash: Floats) -> Floats:
        # 1 for each position that funding is rounded down in, and 1 for R.
        return cash - self._epsilon * np.abs(cash) - (len(self._column) + 1)


@dataclass(frozen=True)
class _View:
    """What one unit of size adds to V - R in each market; 1e-16 USD."""

    #: By size: the mean of what a long and a short count at, less funding.
    middle: Floats
    #: By |size|: half of what they differ by, less the error bound; and less the highest rate, for `steep`.
    spread: Floats
    steep: Floats
    price: Floats
    #: Tiers by market: from which |value| on (1e-16 USD) the rate is another one, and by how much.
    starts: Floats
    rises: Floats

    @classmethod
    def of(cls, markets: Sequence[MarketState], epsilon: float, *, at_checkpoint: bool) -> _View:
        middle, spread, steep, prices, starts, rises = [], [], [], [], [], []
        for market in markets:
            (for_long, for_short), tiers = side_prices(market, at_checkpoint=at_checkpoint)
            rates = _rates(tiers)
            steps = [rate - before for rate, before in zip(rates, [0.0, *rates], strict=False)]
            mean = ((for_long + for_short) * SIZE_SCALE - 2 * market.funding_index) / (2 * SIZE_SCALE)
            half = (for_long - for_short) / 2
            size = abs(mean) + half + for_long * sum(map(abs, steps))
            middle.append(mean)
            spread.append(half - epsilon * size)
            steep.append(half - for_long * max(rates) - epsilon * size)
            prices.append(float(for_long))
            bounds = [0.0, *(tier.upto * _USD for tier in tiers)]
            starts.append([bounds[number] if number < len(steps) else 0.0 for number in range(3)])
            rises.append([steps[number] if number < len(steps) else 0.0 for number in range(3)])
        return cls(*(np.array(item, dtype=np.float64) for item in (middle, spread, steep, prices, starts, rises)))

    def margin(self, sizes: Floats, floor: Floats) -> Floats:
        """At most V - R of each, with every tier."""
        held = np.abs(sizes)
        margin: Floats = floor + self.middle @ sizes + self.spread @ held
        worth = held * self.price[:, None]
        for tier in range(3):
            if self.rises[:, tier].any():
                margin -= self.rises[:, tier] @ np.maximum(worth - self.starts[:, tier, None], 0)
        return margin


def _rates(tiers: Sequence[MarginTier]) -> list[float]:
    """Maintenance fractions of the tiers in use, lowest first."""
    rates = []
    for tier in tiers:
        rates.append(tier.maintenance_bps / BPS)
        if tier.upto == 0:
            break
    return rates
