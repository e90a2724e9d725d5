"""One reporter: takes quotes from its source and publishes them, one transaction a round for all markets."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from truemark.felt import selector
from truemark.reports import Entry, MarketOutcome, pack_entries, unpack_outcomes
from truemark.transactions import Call

from truemark_keeper.policy import ReportPolicy, SoundPolicy, encodable
from truemark_keeper.slots import Outcome
from truemark_keeper.sources import Quote, Source

log = logging.getLogger(__name__)

_MARKETS_REPORTED = selector("MarketsReported")
#: What the oracle says of an entry that it dropped for its time.
AHEAD, STALE = "DroppedAhead", "DroppedStale"


class Sender(Protocol):
    """What services need of TransactionQueue."""

    async def execute(self, calls: Sequence[Call], timeout: float | None = None) -> Outcome: ...


@dataclass(frozen=True)
class Refused:
    market: str
    reason: str


@dataclass(frozen=True)
class Round:
    """What one round said and what came of it."""

    at: int
    sent: tuple[Quote, ...]
    #: Quotes held back, and markets of which the source said nothing.
    refused: tuple[Refused, ...]
    #: None: there was nothing to say, so nothing was sent.
    outcome: Outcome | None
    #: What the oracle made of each market that was sent.
    became: tuple[MarketOutcome, ...] = ()


def report_call(oracle: int, epoch: int, entries: Sequence[Entry]) -> Call:
    """`report(epoch, entries)` of the oracle at `oracle`.

    Raises:
        BadReport: no entry, a market twice, or a field that does not fit its place.
    """
    felts = pack_entries(entries)
    return Call(oracle, selector("report"), (epoch, len(felts), *felts))


class Reporter:
    """Publishes what one source says through one account.

    Args:
        sender: the account's transaction queue. The account must be a registered reporter.
        source: where prices come from.
        oracle: the contract's address.
        markets: name to the oracle's index.
        epoch: reads the oracle's epoch; asked before every report, so that one from before a rollback reverts.
        policy: which quotes may be published.
        funding_rate: ppm for 8 hours of a market by name; without it 0 for all.
    """

    def __init__(
        self,
        sender: Sender,
        source: Source,
        *,
        oracle: int,
        markets: Mapping[str, int],
        epoch: Callable[[], Awaitable[int]],
        policy: ReportPolicy | None = None,
        funding_rate: Callable[[str], int] = lambda market: 0,
    ) -> None:
        self._sender = sender
        self._source = source
        self._oracle = oracle
        self._markets = dict(markets)
        self._epoch = epoch
        self._policy: ReportPolicy = policy if policy is not None else SoundPolicy()
        self._funding_rate = funding_rate

    @property
    def markets(self) -> tuple[str, ...]:
        return tuple(self._markets)

    async def round(self, now: int, timeout: float | None = None) -> Round:
        """One round at `now` (seconds, the clock of quotes and chain). A report that reverted is an outcome.

        Raises:
            SourceError: the source cannot say anything.
            TransactionRefused, FeeCeiling, QueueClosed, TimeoutError: the report has no outcome.
        """
        quotes = {quote.market: quote for quote in await self._source.quotes(tuple(self._markets), now)}
        sent: list[Quote] = []
        refused: list[Refused] = []
        for market in self._markets:
            quote = quotes.get(market)
            if quote is None:
                refused.append(Refused(market, f"{self._source.name} says nothing"))
                continue
            reason = encodable(quote) or self._policy.refusal(quote, now)
            if reason is None:
                sent.append(quote)
            else:
                refused.append(Refused(market, reason))
        for item in refused:
            log.warning("quote held back", extra={"market": item.market, "reason": item.reason})
        if not sent:
            return Round(now, (), tuple(refused), None)
        entries = [
            Entry(
                market=self._markets[quote.market],
                price=quote.price,
                confidence_bps=quote.confidence_bps,
                observed_at=quote.observed_at,
                funding_rate_ppm=self._funding_rate(quote.market),
            )
            for quote in sent
        ]
        call = report_call(self._oracle, await self._epoch(), entries)
        outcome = await self._sender.execute([call], timeout)
        became = _became(outcome, self._oracle)
        log.info(
            "reported",
            extra={"at": now, "markets": len(sent), "hash": hex(outcome.hash), "reverted": outcome.revert_reason},
        )
        self._tell(became)
        return Round(now, tuple(sent), tuple(refused), outcome, became)

    def _tell(self, became: Sequence[MarketOutcome]) -> None:
        """What a person must know of a report that landed and did not count."""
        said = Counter(item.outcome for item in became)
        for outcome, why in ((AHEAD, "our clock is ahead"), (STALE, "it came too late, or our clock is behind")):
            if said[outcome]:
                log.error("the oracle dropped entries", extra={"entries": said[outcome], "why": why})
        quiet = Counter({name: number for name, number in said.items() if name in ("NoQuorum", "Spread")})
        if quiet:
            log.warning("no new mark", extra={name.lower(): number for name, number in quiet.items()})


def _became(outcome: Outcome, oracle: int) -> tuple[MarketOutcome, ...]:
    """From the oracle's event in the receipt; empty where it has none."""
    events = outcome.receipt.get("events", ())
    found: list[MarketOutcome] = []
    for event in events if isinstance(events, Iterable) else ():
        if int(event["from_address"], 16) == oracle and int(event["keys"][0], 16) == _MARKETS_REPORTED:
            # A span: its length, then its felts.
            found += unpack_outcomes([int(felt, 16) for felt in event["data"][1:]])
    return tuple(found)
