"""The keeper's own prices of the past, out of what it wrote down round by round."""

from __future__ import annotations

import sqlite3
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from truemark.errors import TruemarkError

from truemark_keeper.sources.table import OutsideTable, PriceTable

#: Verdicts whose price was good enough to accuse by.
_GOOD: Final = ("Valid",)


class NoHistory(TruemarkError, ValueError):
    """A file that is no history of a keeper's rounds."""


@dataclass(frozen=True)
class PriceHistory:
    """Prices by market, oldest first: (time in seconds, 1e-8 USD)."""

    prices: Mapping[str, Sequence[tuple[int, int]]]
    #: Seconds for which a price of the past stands.
    max_age: int = 60

    @classmethod
    def load(cls, path: Path, *, max_age: int = 60) -> PriceHistory:
        """What a keeper's `history` file has.

        Raises:
            NoHistory: it cannot be read.
        """
        if not path.is_file():
            raise NoHistory(f"{path}: no such file")
        found: dict[str, list[tuple[int, int]]] = {}
        try:
            link = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
            try:
                rows = link.execute("select market, at, price from verdicts where validity = ? order by at", _GOOD)
                for market, at, price in rows:
                    found.setdefault(market, []).append((int(at), int(price)))
            finally:
                link.close()
        except (sqlite3.Error, ValueError) as error:
            raise NoHistory(f"{path}: {error}") from error
        return cls(found, max_age)

    def at(self, market: str, time: int) -> int | None:
        """The last own price of a market at a time; None: there is none that recent."""
        series = self.prices.get(market, ())
        place = bisect_right(series, time, key=lambda item: item[0])
        if place == 0:
            return None
        seen, price = series[place - 1]
        return price if time - seen <= self.max_age else None


@dataclass(frozen=True)
class ReplayedPrices:
    """Prices out of a replay file, a table of what reporters saw: the lower median of a market's columns, of the row
    before."""

    table: PriceTable

    @classmethod
    def load(cls, path: Path) -> ReplayedPrices:
        """
        Raises:
            BadTable: it cannot be read, or has a price that is none.
        """
        return cls(PriceTable.load(path))

    def at(self, market: str, time: int) -> int | None:
        """The price of a market at a time; None: the table does not reach there."""
        try:
            seen = sorted(
                self.table.at(market, reporter, time, interpolate=False) for reporter in self.table.reporters(market)
            )
        except OutsideTable:
            return None
        return seen[(len(seen) - 1) // 2] if seen else None
