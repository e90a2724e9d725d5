"""Which quotes a keeper may publish. The oracle judges again; a keeper does not lean on that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from truemark.reports import MAX_CONFIDENCE_BPS, MAX_OBSERVED_AT, MAX_PRICE

from truemark_keeper.judging import Rules, judge
from truemark_keeper.sources import Quote
from truemark_keeper.validity import Validity


class ReportPolicy(Protocol):
    def refusal(self, quote: Quote, now: int) -> str | None:
        """Why this quote is not published at `now` (seconds); None: it is."""
        ...


@dataclass(frozen=True)
class SoundPolicy:
    """The default: a positive price, seen not long ago, not ahead of time, by a source that is sure of it.

    `max_age` and `max_ahead` are seconds, `max_confidence_bps` 1e-4 of the price.
    """

    max_age: int = 60
    max_ahead: int = 5
    max_confidence_bps: int = 200

    def refusal(self, quote: Quote, now: int) -> str | None:
        rules = Rules(max_age=self.max_age, max_ahead=self.max_ahead, max_confidence_bps=self.max_confidence_bps)
        validity, reason = judge(quote, rules, now)
        return None if validity is Validity.VALID else reason


@dataclass(frozen=True)
class JudgedAlready:
    """For an Opinion, which gives out only what its own rules let through."""

    def refusal(self, quote: Quote, now: int) -> str | None:
        return None if quote.price > 0 else f"the price is {quote.decimal.normalize():f}"


@dataclass(frozen=True)
class FaultInjection:
    """Publishes whatever the source says: to show on a test chain that the oracle holds. Never for a real venue."""

    def refusal(self, quote: Quote, now: int) -> str | None:
        return None


def encodable(quote: Quote) -> str | None:
    """Why a report cannot hold this quote, whatever the policy; None: it can."""
    if not 0 <= quote.price <= MAX_PRICE:
        return f"the price {quote.decimal.normalize():f} does not fit a report's 56 bits of 1e-8 USD"
    if not 0 <= quote.confidence_bps <= MAX_CONFIDENCE_BPS:
        return f"the confidence of {quote.confidence_bps} bps does not fit a report's 14 bits"
    if not 0 <= quote.observed_at <= MAX_OBSERVED_AT:
        return "it was seen before 1970 or after 2106"
    return None
