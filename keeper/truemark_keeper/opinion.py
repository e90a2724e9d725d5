"""The keeper's own opinion of every price: all sources asked at once, judged by the rules, kept for a while."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from truemark_keeper.hours import Closing
from truemark_keeper.judging import Anchor, Bounds, Rules, Said, Verdict, aggregate, anchored
from truemark_keeper.sources import DatabaseSource, Doubt, Quote, SourceError, WatchedSource
from truemark_keeper.validity import Action, Validity

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MarketRules:
    """All that the keeper holds a market's price to."""

    rules: Rules = field(default_factory=Rules)
    anchors: tuple[Anchor, ...] = ()
    bounds: Bounds | None = None
    closed: tuple[Closing, ...] = ()


class Opinion:
    """Forms verdicts; also a sources.Source of those that may be published.

    Args:
        sources: who is asked.
        default: rules of markets that `markets` does not name.
    """

    def __init__(
        self,
        sources: Sequence[WatchedSource],
        markets: Mapping[str, MarketRules] | None = None,
        default: MarketRules | None = None,
    ) -> None:
        self.sources = tuple(sources)
        self._markets = dict(markets or {})
        self._default = default if default is not None else MarketRules()
        self._past: dict[str, deque[tuple[int, int]]] = {}
        self._lock = asyncio.Lock()
        self._formed: tuple[int, dict[str, Verdict]] = (-1, {})

    @property
    def name(self) -> str:
        return "+".join(source.name for source in self.sources)

    @property
    def latest(self) -> Mapping[str, Verdict]:
        """The verdicts formed last, by market."""
        return self._formed[1]

    @property
    def doubts(self) -> tuple[Doubt, ...]:
        """What databases on probation said against the chain, when they were asked last."""
        inner = [source.inner for source in self.sources]
        return tuple(
            doubt for source in inner if isinstance(source, DatabaseSource) for doubt in source.doubts.values()
        )

    async def verdicts(self, markets: Sequence[str], now: int) -> dict[str, Verdict]:
        """A verdict on each of `markets` at `now` (seconds). A source that fails costs its own voice only.

        Asked again within the same second, for the same markets, it says the same again.
        """
        async with self._lock:
            at, formed = self._formed
            if at != now or not all(market in formed for market in markets):
                # Anchors may be markets that were not asked for.
                wanted = dict.fromkeys(
                    [*markets, *(anchor.market for market in markets for anchor in self._of(market).anchors)]
                )
                self._formed = (now, await self._form(tuple(wanted), now))
            return {market: self._formed[1][market] for market in markets}

    async def quotes(self, markets: Sequence[str], now: int) -> tuple[Quote, ...]:
        """What may be published, as quotes of one group.

        Raises:
            SourceError: no market has a price that may be; the reasons.
        """
        verdicts = await self.verdicts(markets, now)
        quotes = [
            Quote(
                verdict.market,
                verdict.price,
                verdict.confidence_bps,
                verdict.observed_at,
                max(verdict.published_at, verdict.observed_at),
                "opinion",
            )
            for verdict in verdicts.values()
            if verdict.allows(Action.REPORT)
        ]
        if not quotes and verdicts:
            reasons = {f"{verdict.validity}: {verdict.reason}" for verdict in verdicts.values()}
            raise SourceError(f"no price may be published ({'; '.join(sorted(reasons)[:3])})")
        return tuple(quotes)

    async def price(self, market: str, now: int, action: Action) -> int | None:
        """The own price if it may be used for `action`, 1e-8 USD; else None."""
        verdict = (await self.verdicts((market,), now))[market]
        return verdict.price if verdict.allows(action) else None

    async def aclose(self) -> None:
        for source in self.sources:
            await source.aclose()

    async def _form(self, markets: tuple[str, ...], now: int) -> dict[str, Verdict]:
        open_now = [market for market in markets if not self._is_closed(market, now)]
        said = await self._ask(open_now, now)
        verdicts: dict[str, Verdict] = {}
        for market in markets:
            if market not in open_now:
                verdicts[market] = Verdict(market, Validity.MISSING, "the market is closed")
                continue
            terms = self._of(market)
            mean = self._mean(market, now, terms.rules.move_window)
            verdicts[market] = aggregate(market, said[market], terms.rules, now, mean=mean, bounds=terms.bounds)
        verdicts = anchored(verdicts, {market: self._of(market).anchors for market in markets})
        for market, verdict in verdicts.items():
            if verdict.allows(Action.REPORT):
                self._remember(market, now, verdict.price)
        return verdicts

    async def _ask(self, markets: Sequence[str], now: int) -> dict[str, list[Said]]:
        answers = await asyncio.gather(
            *(source.quotes(markets, now) for source in self.sources), return_exceptions=True
        )
        said: dict[str, list[Said]] = {market: [] for market in markets}
        for source, answer in zip(self.sources, answers, strict=True):
            if isinstance(answer, SourceError):
                log.warning("a source says nothing", extra={"source": source.name, "reason": str(answer)})
            elif isinstance(answer, BaseException):
                raise answer
            else:
                for quote in answer:
                    said[quote.market].append(Said(source.name, quote, source.weight))
        return said

    def _of(self, market: str) -> MarketRules:
        return self._markets.get(market, self._default)

    def _is_closed(self, market: str, now: int) -> bool:
        return any(closing.holds(now) for closing in self._of(market).closed)

    def _remember(self, market: str, now: int, price: int) -> None:
        past = self._past.setdefault(market, deque(maxlen=1000))
        # A clock that went back: what was later is not the past any more.
        while past and past[-1][0] >= now:
            past.pop()
        past.append((now, price))

    def _mean(self, market: str, now: int, window: int) -> int | None:
        prices = [price for at, price in self._past.get(market, ()) if now - window <= at < now]
        return sum(prices) // len(prices) if prices else None
