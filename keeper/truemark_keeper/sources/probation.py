"""Whether a source that was interrupted may count again: its first values must continue the last good marks.

On 19 January 2026 a service restarted inside a database upgrade and published what it found half loaded. A source that
began anew is therefore listened to, but not believed, until it has said the same as the chain some times over.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from truemark_keeper.sources.quote import Quote

BPS = 10_000


@dataclass(frozen=True)
class ProbationTerms:
    """How a source gets out of it, market by market."""

    #: The most that a value may differ from the last good mark, 1e-4 of the mark.
    within_bps: int = 100
    #: Values in a row, each newer than the one before.
    values: int = 3


@dataclass(frozen=True, slots=True)
class Doubt:
    """A value that a source on probation gives and that the chain does not know: prices 1e-8 USD, times seconds."""

    source: str
    market: str
    price: int
    last_good: int
    #: Why the source is on probation, and since when.
    cause: str
    since: int


@dataclass
class _Record:
    agreed: int = 0
    newest: int = -1


@dataclass
class Probation:
    """Which markets of a source count. It begins for all at once and ends for each by itself."""

    terms: ProbationTerms = field(default_factory=ProbationTerms)
    #: Why the last one began; None: there was none yet.
    cause: str | None = None
    #: Seconds; values observed before are of the time before the interruption.
    began_at: int = 0
    times: int = 0
    _served: set[str] = field(default_factory=set)
    _records: dict[str, _Record] = field(default_factory=dict)

    def begin(self, cause: str, now: int) -> None:
        self.cause, self.began_at = cause, now
        self.times += 1
        self._served.clear()
        self._records.clear()

    def served(self, market: str) -> bool:
        """Whether the market's values count."""
        return market in self._served

    def continues(self, price: int, last_good: int) -> bool:
        """Whether a value is near enough to the last good mark, both 1e-8 USD."""
        return abs(price - last_good) * BPS <= last_good * self.terms.within_bps

    def hear(self, quote: Quote, last_good: int | None) -> str | None:
        """Takes a value in. None: it counts; else why it does not.

        Args:
            last_good: the last good mark on chain, 1e-8 USD; None: not known, so nothing can agree with it.
        """
        if quote.market in self._served:
            return None
        record = self._records.setdefault(quote.market, _Record())
        if quote.observed_at < self.began_at:
            return "observed before the interruption"
        if last_good is None or last_good <= 0:
            return "no last good mark to compare it with"
        if not self.continues(quote.price, last_good):
            record.agreed = 0
            return f"{quote.price} does not continue the last good mark {last_good}"
        if quote.observed_at > record.newest:
            record.newest = quote.observed_at
            record.agreed += 1
        if record.agreed < self.terms.values:
            return f"{record.agreed} of {self.terms.values} values have continued the last good mark"
        self._served.add(quote.market)
        return None
