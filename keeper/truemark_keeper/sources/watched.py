"""A source under watch: it has so long to answer, is asked no more often than it likes, its failures are counted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from truemark_keeper.sources.fetch import TooManyRequests
from truemark_keeper.sources.quote import Quote, Source, SourceError

#: After failures in a row the gap between two requests doubles, up to this many seconds.
MAX_BACKOFF = 30.0


@dataclass
class SourceStats:
    """What a source has done so far; times are seconds since 1970 by the keeper's clock."""

    asked: int = 0
    answered: int = 0
    failed: int = 0
    #: Turns in which it was not asked, because its last request was too near.
    spared: int = 0
    quotes: int = 0
    failures_in_a_row: int = 0
    last_answer_at: int | None = None
    last_error: str | None = None
    last_error_at: int | None = None
    #: Seconds that the last answer took.
    seconds: float = 0.0


class WatchedSource:
    """Another source, asked under these rules.

    Args:
        source: what is asked.
        timeout: seconds for an answer.
        min_gap: seconds between two requests. A turn that comes sooner gets the last answer again: its quotes carry
            their own times, so nothing looks younger than it is.
        weight: of its group among the groups.
        clock: seconds that only rise.
    """

    def __init__(
        self,
        source: Source,
        *,
        timeout: float = 5.0,
        min_gap: float = 1.0,
        weight: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._timeout = timeout
        self._min_gap = min_gap
        self._clock = clock
        self._lock = asyncio.Lock()
        self._not_before = 0.0
        self._last: tuple[Quote, ...] = ()
        self.weight = weight
        self.stats = SourceStats()

    @property
    def name(self) -> str:
        return self._source.name

    @property
    def inner(self) -> Source:
        """What is asked."""
        return self._source

    async def aclose(self) -> None:
        """Closes what is asked, if it holds anything open."""
        close = getattr(self._source, "aclose", None)
        if close is not None:
            await close()

    async def quotes(self, markets: Sequence[str], now: int) -> tuple[Quote, ...]:
        """Raises:
        SourceError: it did not answer, or is not asked again yet after it did not.
        """
        async with self._lock:
            wait = self._not_before - self._clock()
            if wait > 0:
                self.stats.spared += 1
                if self.stats.failures_in_a_row:
                    raise SourceError(f"{self.stats.last_error} (asked again in {wait:.1f} s)")
                return tuple(quote for quote in self._last if quote.market in markets)
            return await self._ask(markets, now)

    async def _ask(self, markets: Sequence[str], now: int) -> tuple[Quote, ...]:
        begun = self._clock()
        self.stats.asked += 1
        self._not_before = begun + self._min_gap
        try:
            async with asyncio.timeout(self._timeout):
                self._last = await self._source.quotes(markets, now)
        except TimeoutError:
            error = SourceError(f"{self.name}: no answer within {self._timeout:g} s")
            self._failed(error, now)
            raise error from None
        except SourceError as error:
            self._failed(error, now)
            raise
        self.stats.answered += 1
        self.stats.quotes += len(self._last)
        self.stats.failures_in_a_row = 0
        self.stats.last_answer_at = now
        self.stats.seconds = self._clock() - begun
        return self._last

    def _failed(self, error: SourceError, now: int) -> None:
        stats = self.stats
        stats.failed += 1
        stats.failures_in_a_row += 1
        stats.last_error, stats.last_error_at = str(error), now
        pause = self._min_gap * 2 ** min(stats.failures_in_a_row - 1, 10)
        pause = max(min(pause, MAX_BACKOFF), self._min_gap)
        if isinstance(error, TooManyRequests):
            pause = max(pause, error.pause)
        self._not_before = self._clock() + pause
