"""Prices from a SQL table: the venue's own database, the one that a migration can break.

What the query says is judged as any source's; but first the database itself: after a start, an interruption or a
change of schema its values are on probation.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from truemark_keeper.sources.exact import decimal_of, price_of, seconds_of
from truemark_keeper.sources.probation import Doubt, Probation, ProbationTerms
from truemark_keeper.sources.quote import Quote, SourceError

log = logging.getLogger(__name__)

#: The last good mark of a market by name, 1e-8 USD; None: not known now.
LastGood = Callable[[str], Awaitable[int | None]]
REQUIRED = ("market", "price", "observed_at")
OPTIONAL = ("confidence_bps", "published_at")


@dataclass(frozen=True)
class Reading:
    """What one transaction saw: the rows, and what tells this database and schema from another."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    fingerprint: str


class Database(Protocol):
    """Runs the query and takes the fingerprint in one transaction that changes nothing."""

    async def read(self) -> Reading:
        """
        Raises:
            SourceError: it cannot be reached, or does not run the query.
        """
        ...

    async def aclose(self) -> None: ...


class DatabaseSource:
    """Args:
    database: where the prices are. The query gives the columns market, price (USD), observed_at, and if it likes
        confidence_bps and published_at; times as seconds since 1970 or with their zone.
    last_good: what its first values must continue.
    markets: name in the table to market; None: they are the same.
    confidence_bps: of rows without one.
    """

    def __init__(
        self,
        database: Database,
        *,
        name: str,
        group: str,
        last_good: LastGood,
        markets: Mapping[str, str] | None = None,
        confidence_bps: int = 10,
        terms: ProbationTerms | None = None,
    ) -> None:
        self._database = database
        self._name = name
        self._group = group
        self._last_good = last_good
        self._markets = markets
        self._confidence_bps = confidence_bps
        self._fingerprint: str | None = None
        self._interrupted: str | None = "the start of the keeper"
        self.probation = Probation(terms if terms is not None else ProbationTerms())
        #: Why values of the last answer did not count, by market.
        self.withheld: dict[str, str] = {}
        #: Values observed since the interruption that contradict the last good mark; by market, when it was asked last.
        self.doubts: dict[str, Doubt] = {}

    @property
    def name(self) -> str:
        return self._name

    async def aclose(self) -> None:
        await self._database.aclose()

    async def quotes(self, markets: Sequence[str], now: int) -> tuple[Quote, ...]:
        """
        Raises:
            SourceError: the database does not answer, or not with what the query should give.
        """
        for market in markets:
            self.doubts.pop(market, None)
        try:
            reading = await self._database.read()
            quotes = self._read(reading, markets)
        except BaseException as error:
            # Whatever ended it, a cancelled wait included: what comes after is a new beginning.
            self._interrupted = str(error) or type(error).__name__
            raise
        self._watch(reading.fingerprint, now)
        return await self._counting(quotes)

    def _watch(self, fingerprint: str, now: int) -> None:
        changed = self._fingerprint is not None and fingerprint != self._fingerprint
        cause = "the schema or the server changed" if changed else self._interrupted
        self._fingerprint, self._interrupted = fingerprint, None
        if cause is not None:
            self.probation.begin(cause, now)
            log.warning("on probation", extra={"source": self._name, "cause": cause})

    async def _counting(self, quotes: Sequence[Quote]) -> tuple[Quote, ...]:
        counting = []
        self.withheld = {}
        for quote in quotes:
            if not self.probation.served(quote.market):
                last_good = await self._last_good(quote.market)
                reason = self.probation.hear(quote, last_good)
                if reason is not None:
                    if last_good and self._contradicts(quote, last_good):
                        self.doubts[quote.market] = self._doubt(quote, last_good)
                    self.withheld[quote.market] = reason
                    log.info("withheld", extra={"source": self._name, "market": quote.market, "reason": reason})
                    continue
                log.info("probation served", extra={"source": self._name, "market": quote.market})
            counting.append(quote)
        return tuple(counting)

    def _contradicts(self, quote: Quote, last_good: int) -> bool:
        probation = self.probation
        return quote.observed_at >= probation.began_at and not probation.continues(quote.price, last_good)

    def _doubt(self, quote: Quote, last_good: int) -> Doubt:
        cause, since = self.probation.cause or "", self.probation.began_at
        return Doubt(self._name, quote.market, quote.price, last_good, cause, since)

    def _read(self, reading: Reading, markets: Sequence[str]) -> list[Quote]:
        missing = [column for column in REQUIRED if column not in reading.columns]
        if missing:
            raise SourceError(f"{self._name}: the query gives no {' and no '.join(missing)}")
        quotes: dict[str, Quote] = {}
        for cells in reading.rows:
            row = dict(zip(reading.columns, cells, strict=True))
            label = str(row["market"])
            market = label if self._markets is None else self._markets.get(label)
            if market is None or market not in markets:
                continue
            if market in quotes:
                raise SourceError(f"{self._name}: the query gives {market} twice")
            quote = self._quote(market, row)
            if quote is not None:
                quotes[market] = quote
        return list(quotes.values())

    def _quote(self, market: str, row: Mapping[str, Any]) -> Quote | None:
        where = f"{self._name}: {market}"
        if row["price"] is None or row["observed_at"] is None:
            # A column that a migration has emptied says nothing.
            log.warning("an empty cell", extra={"source": self._name, "market": market})
            return None
        if isinstance(row["price"], float):
            raise SourceError(f"{where}: the price is a float; let the query give numeric, integer or text")
        observed = _time(row["observed_at"], f"{where}: observed_at")
        published = row.get("published_at")
        confidence = row.get("confidence_bps")
        return Quote(
            market,
            price_of(decimal_of(row["price"], f"{where}: price")),
            self._confidence_bps if confidence is None else int(decimal_of(confidence, f"{where}: confidence_bps")),
            observed,
            observed if published is None else max(observed, _time(published, f"{where}: published_at")),
            self._group,
        )


def _time(value: Any, what: str) -> int:
    return seconds_of(value, "s" if isinstance(value, int) else "iso", what)
