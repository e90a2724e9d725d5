"""The replay source: one reporter's columns of a table of figures, as if they were seen now."""

from __future__ import annotations

from collections.abc import Sequence

from truemark_keeper.sources.quote import Quote, SourceError
from truemark_keeper.sources.table import OutsideTable, PriceTable


class ReplaySource:
    """Quotes one reporter's figures of a table.

    Args:
        table: the figures.
        reporter: which reporter's columns.
        interpolate: between rows the straight line; otherwise the row before.
        shift: seconds added to the table's times, to replay a past day at another time.
        confidence_bps: a table carries no confidence of its own, so it is given; 1e-4 of the price.
        group: the quotes' group; by default each reporter's columns are their own.
    """

    def __init__(
        self,
        table: PriceTable,
        reporter: int,
        *,
        interpolate: bool = True,
        shift: int = 0,
        confidence_bps: int = 5,
        group: str | None = None,
    ) -> None:
        if not any(column.reporter == reporter for column in table.columns):
            raise OutsideTable(f"the table has no column of reporter {reporter}")
        self._table = table
        self._reporter = reporter
        self._interpolate = interpolate
        self._shift = shift
        self._confidence_bps = confidence_bps
        self._group = group if group is not None else f"replay-{reporter}"

    @property
    def name(self) -> str:
        return f"replay:{self._reporter}"

    async def quotes(self, markets: Sequence[str], now: int) -> tuple[Quote, ...]:
        """The figures at `now`, observed and published at `now`. A market that the table lacks is left out.

        Raises:
            SourceError: `now` is outside the table's time.
        """
        known = [m for m in markets if self._reporter in self._table.reporters(m)]
        try:
            return tuple(
                Quote(
                    market=market,
                    price=self._table.at(market, self._reporter, now - self._shift, interpolate=self._interpolate),
                    confidence_bps=self._confidence_bps,
                    observed_at=now,
                    published_at=now,
                    group=self._group,
                )
                for market in known
            )
        except OutsideTable as error:
            raise SourceError(f"{self.name}: {error}") from error
