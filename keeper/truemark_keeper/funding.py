"""The funding rate that is reported with a price: how far the perpetual trades from its index, clamped.

    premium = (price - index) / index
    rate    = P + clamp(interest - P, -damping, +damping), P the mean premium of the window, within +-max

the formula of BitMEX and Binance, of eight hours: near the index everybody pays the interest, beyond the damping the
premium less it. All in ppm and whole numbers; the contract bounds the rate again by its own guard.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from truemark_keeper.judging import Verdict
from truemark_keeper.validity import Action

log = logging.getLogger(__name__)

PPM = 1_000_000


@dataclass(frozen=True)
class FundingTerms:
    """How a market's rate is found; ppm for 8 hours."""

    #: What the sources call the index: a name that they give beside the market, or another market's.
    index: str
    #: Whose price is compared with it; None: the market's own.
    price: str | None = None
    interest_ppm: int = 100
    damping_ppm: int = 500
    max_ppm: int = 7_500
    #: Seconds whose premiums are averaged.
    window: int = 3600


class Verdicts(Protocol):
    """What it needs of an Opinion."""

    async def verdicts(self, markets: tuple[str, ...], now: int) -> dict[str, Verdict]: ...


def premium_ppm(price: int, index: int) -> int:
    """(price - index) / index in ppm, rounded down; both in the same unit, index above 0."""
    return (price - index) * PPM // index


def rate_of(premium: int, terms: FundingTerms) -> int:
    """The rate of a mean premium; both in ppm."""
    damped = max(-terms.damping_ppm, min(terms.interest_ppm - premium, terms.damping_ppm))
    return max(-terms.max_ppm, min(premium + damped, terms.max_ppm))


class FundingRates:
    """The rate of every market, from the keeper's own prices.

    Args:
        opinion: whose verdicts; a price that may not be reported gives no premium.
        fixed: market to a rate that does not move, ppm for 8 hours.
        terms: market to how its rate is found; others have 0.
    """

    def __init__(
        self, opinion: Verdicts, fixed: Mapping[str, int] | None = None, terms: Mapping[str, FundingTerms] | None = None
    ) -> None:
        self._opinion = opinion
        self._fixed = dict(fixed or {})
        self._terms = dict(terms or {})
        self._premiums: dict[str, deque[tuple[int, int]]] = {name: deque(maxlen=10_000) for name in self._terms}

    async def observe(self, markets: tuple[str, ...], now: int) -> None:
        """Takes the premiums of this moment (seconds). `markets`: all that will be asked for at it, so that every
        source is asked once."""
        if not self._terms:
            return
        named = [name for market, terms in self._terms.items() for name in (terms.price or market, terms.index)]
        verdicts = await self._opinion.verdicts(tuple(dict.fromkeys((*markets, *named))), now)
        for market, terms in self._terms.items():
            past = self._premiums[market]
            while past and not now - terms.window < past[0][0] <= now:
                past.popleft()
            price, index = verdicts[terms.price or market], verdicts[terms.index]
            if price.allows(Action.REPORT) and index.allows(Action.REPORT) and index.price > 0:
                past.append((now, premium_ppm(price.price, index.price)))
            else:
                log.warning("no premium", extra={"market": market, "reason": price.reason or index.reason})

    def rate(self, market: str) -> int:
        """ppm for 8 hours; 0 without a premium in the window."""
        if market in self._fixed:
            return self._fixed[market]
        past = self._premiums.get(market)
        if not past:
            return 0
        return rate_of(sum(premium for _, premium in past) // len(past), self._terms[market])
