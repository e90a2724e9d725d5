"""The oracle as the design has it: six rules that decide which number is the mark of a market.

Written from the specification (docs/oracle.md), not from the contract. Prices in 1e-8 USD, times in seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from truemark_devnet.profile import GuardParams

from tests.model.numbers import median_with, middle_two, within

#: An admin can release a Frozen market after so many seconds.
FREEZE_DWELL = 60
#: From the moment that a settlement price was agreed on until it is final.
SETTLEMENT_DELAY = 86_400
#: From the announcement of a reporter until it is seated.
REPORTER_DELAY = 3_600


@dataclass(frozen=True)
class Said:
    """What a reporter says of one market."""

    market: int
    price: int
    confidence_bps: int
    observed_at: int
    rate_ppm: int = 0


@dataclass(frozen=True)
class Heard:
    """What the oracle tells of one entry: one of `outcomes`, the median if there was one, the status and the mark."""

    market: int
    outcomes: frozenset[str]
    status: str
    median: int
    price: int


@dataclass
class Market:
    guard: GuardParams
    status: str = "Pending"
    price: int = 0
    accepted_at: int = 0
    valid_since: int = 0
    #: (price, time) of the accepted mark that a liquidation must survive too, and of the one that is to follow it.
    checkpoint: tuple[int, int] = (0, 0)
    next_checkpoint: tuple[int, int] | None = None
    #: The last good mark when the drift window began, and when that was; None: the next mark is the anchor.
    anchor: int = 0
    anchor_at: int | None = None
    #: Who reported in the open round, and since when it is open.
    round: set[str] = field(default_factory=set)
    round_at: int = 0
    candidate: int = 0
    #: Suspect: when the candidate, or the last round it was compared with, was taken. Frozen: since when.
    since: int = 0
    counted: int = 0
    #: The round in which the candidate appeared is still open.
    first_round: bool = False
    growth: int = 0
    entries: dict[str, Said] = field(default_factory=dict)
    #: What each reporter says a dead asset ends at.
    final: dict[str, int] = field(default_factory=dict)

    def read(self, now: int) -> str:
        """The status at a time."""
        stale = self.status == "Valid" and now - self.accepted_at > self.guard.max_mark_age
        return "Stale" if stale else self.status

    def is_valid(self, now: int) -> bool:
        return self.read(now) == "Valid"

    def prices(self, now: int) -> set[int]:
        """Every price that the market might have: the mark while Valid or Settled, else candidate and anchor too."""
        if self.is_valid(now) or self.status == "Settled":
            return {self.price}
        return {price for price in (self.price, self.candidate, self.anchor) if price}

    def drop_candidate(self) -> None:
        self.candidate = self.since = self.counted = 0
        self.first_round = False

    def freeze(self, now: int) -> None:
        self.drop_candidate()
        self.status, self.since, self.round = "Frozen", now, set()


class Oracle:
    """All markets, and who reports.

    Args:
        reporters: those who are seated.
    """

    def __init__(self, guards: Sequence[GuardParams], reporters: Sequence[str], quorum: int, max_silence: int) -> None:
        self.markets = [Market(guard) for guard in guards]
        self.reporters = list(reporters)
        self.quorum = quorum
        self.max_silence = max_silence
        self.epoch = 0
        self.last_accepted_at = 0
        self.silence_told = False
        #: Reporters who wait for their seat: from when they can have it.
        self.announced: dict[str, int] = {}

    def silent(self, now: int) -> bool:
        return self.last_accepted_at != 0 and now - self.last_accepted_at > self.max_silence

    def refusals(self, reporter: str, epoch: int, entries: Sequence[Said]) -> set[str]:
        """Why a report reverts as a whole."""
        reasons = set()
        if epoch != self.epoch:
            reasons.add("ORACLE: wrong epoch")
        if reporter not in self.reporters:
            reasons.add("ORACLE: not a reporter")
        markets = [entry.market for entry in entries]
        if any(market >= len(self.markets) for market in markets):
            reasons.add("ORACLE: unknown market")
        if len(set(markets)) < len(markets):
            reasons.add("ORACLE: markets must rise")
        return reasons

    def report(self, reporter: str, entries: Sequence[Said], now: int) -> tuple[list[Heard], dict[int, int]]:
        """What becomes of each entry, and the funding that each market accrued: 1e-16 USD for one whole base unit."""
        heard, accrued = [], {}
        for entry in entries:
            market = self.markets[entry.market]
            dropped = _dropped(market, market.entries.get(reporter), entry, now)
            if dropped:
                outcomes, median = frozenset(dropped), 0
            else:
                market.entries[reporter] = entry
                outcome, median, growth = self._judge(market, reporter, now)
                outcomes = frozenset({outcome})
                market.growth += growth
                accrued[entry.market] = growth
                if outcome in ("Accepted", "Confirmed"):
                    self.last_accepted_at, self.silence_told = now, False
            heard.append(Heard(entry.market, outcomes, market.read(now), median, market.price))
        return heard, accrued

    def _judge(self, market: Market, reporter: str, now: int) -> tuple[str, int, int]:
        """Outcome, median (0: none), funding accrued."""
        guard = market.guard
        if market.status in ("Frozen", "Settling", "Settled"):
            return "Closed", 0, 0
        was_valid, last_good, last_at = market.is_valid(now), market.price, market.accepted_at
        self._roll_anchor(market, now)
        if market.candidate and now - market.since > guard.max_mark_age:
            market.drop_candidate()
        reported, closed = self._round(market, reporter, now)
        of_first_round = market.first_round
        if closed:
            market.first_round = False

        kept = self._kept(market, now)
        median, trouble = self._median([said.price for said in kept.values()], market)
        if median:
            if not guard.min_price <= median <= guard.max_price:
                return self._out_of_bounds(market, median, now)
            if market.price == 0 or within(median, market.price, guard.max_step_bps):
                return self._take(market, "Accepted", median, kept, was_valid, last_good, last_at, now)
            if not market.candidate:
                market.status, market.candidate, market.since, market.counted = "Suspect", median, now, 0
                market.first_round = not closed
                return "Suspected", median, 0
            trouble = "Waiting"
        if not closed or not market.candidate:
            return trouble, 0, 0

        # A round has closed while a candidate waits.
        of_round, _ = self._median([said.price for name, said in kept.items() if name in reported], market)
        if not of_round:
            return trouble, 0, 0
        if not guard.min_price <= of_round <= guard.max_price:
            return self._out_of_bounds(market, of_round, now)
        if of_first_round:
            market.candidate, market.since = of_round, now
            return "Suspected", of_round, 0
        if now - market.since < guard.confirm_gap:
            return trouble, 0, 0
        agrees = within(of_round, market.candidate, guard.max_step_bps)
        market.candidate, market.since = of_round, now
        if not agrees:
            market.counted = 0
            return "Restarted", of_round, 0
        market.counted += 1
        if market.counted < guard.confirm_rounds:
            return "Counted", of_round, 0
        return self._take(market, "Confirmed", of_round, kept, was_valid, last_good, last_at, now)

    def _roll_anchor(self, market: Market, now: int) -> None:
        if market.anchor_at is None:
            return
        windows = (now - market.anchor_at) // market.guard.drift_window
        if windows:
            market.anchor = market.price
            market.anchor_at += windows * market.guard.drift_window

    def _round(self, market: Market, reporter: str, now: int) -> tuple[set[str], bool]:
        """Who has reported in the round that is open, and whether this report closes it."""
        if not market.round:
            market.round_at = now
        reported = market.round | {reporter}
        waited = now - market.round_at >= market.guard.confirm_gap
        closed = len(reported) == len(self.reporters) or (waited and len(reported) >= self.quorum)
        market.round = set() if closed else reported
        return reported, closed

    def _kept(self, market: Market, now: int) -> dict[str, Said]:
        """Rule 1."""
        guard = market.guard
        fresh = {
            name: said
            for name, said in market.entries.items()
            if now - said.observed_at <= guard.max_age and said.observed_at - now <= guard.max_ahead
        }
        newest = max((said.observed_at for said in fresh.values()), default=0)
        return {name: said for name, said in fresh.items() if newest - said.observed_at <= guard.max_skew}

    def _median(self, prices: list[int], market: Market) -> tuple[int, str]:
        """Rule 2: the median, or 0 and why there is none."""
        if len(prices) < self.quorum:
            return 0, "NoQuorum"
        low, high = middle_two(prices)
        if not within(high, low, market.guard.max_spread_bps):
            return 0, "Spread"
        # While there is no last good mark, the lower of the two.
        return median_with(prices, market.price), ""

    def _out_of_bounds(self, market: Market, median: int, now: int) -> tuple[str, int, int]:
        """Rule 3. A market that never had a mark goes on waiting."""
        if market.status != "Pending":
            market.freeze(now)
        return "OutOfBounds", median, 0

    def _take(
        self,
        market: Market,
        outcome: str,
        price: int,
        kept: dict[str, Said],
        was_valid: bool,
        last_good: int,
        last_at: int,
        now: int,
    ) -> tuple[str, int, int]:
        """Rule 6, then the mark is taken."""
        guard = market.guard
        if market.anchor_at is not None and not within(price, market.anchor, guard.max_drift_bps):
            market.freeze(now)
            return "Drifted", price, 0
        growth = 0
        if was_valid:
            rate = median_with([said.rate_ppm for said in kept.values()], 0)
            rate = max(-guard.max_funding_rate_ppm, min(guard.max_funding_rate_ppm, rate))
            # ppm for 8 hours of a price in 1e-8 USD, as 1e-16 USD.
            growth = rate * min(now - last_at, guard.max_gap) * price * 10**8 // (28_800 * 10**6)
        elif last_good:
            market.valid_since = now
        market.drop_candidate()
        market.status, market.price, market.accepted_at = "Valid", price, now
        if market.anchor_at is None:
            market.anchor, market.anchor_at = price, now
        following = market.next_checkpoint
        if following is None or following[1] == now:
            market.next_checkpoint = (price, now)
        elif now - following[1] >= guard.liq_gap:
            market.checkpoint, market.next_checkpoint = following, (price, now)
        return outcome, price, growth

    # When an asset dies

    def start_settlement_refusals(self, market: int) -> set[str]:
        if market >= len(self.markets):
            return {"ORACLE: unknown market"}
        found, reasons = self.markets[market], set()
        if found.price == 0:
            reasons.add("ORACLE: no mark")
        if found.status in ("Settling", "Settled"):
            reasons.add("ORACLE: settled")
        return reasons

    def start_settlement(self, market: int, now: int) -> None:
        found = self.markets[market]
        found.drop_candidate()
        found.status, found.since, found.round, found.final = "Settling", now, set(), {}

    def report_settlement_refusals(self, reporter: str, epoch: int, market: int, price: int) -> set[str]:
        reasons = set()
        if epoch != self.epoch:
            reasons.add("ORACLE: wrong epoch")
        if reporter not in self.reporters:
            reasons.add("ORACLE: not a reporter")
        if market >= len(self.markets):
            return reasons | {"ORACLE: unknown market"}
        if self.markets[market].status != "Settling":
            reasons.add("ORACLE: not settling")
        if price == 0:
            reasons.add("ORACLE: price is zero")
        if price > self.markets[market].guard.max_price:
            reasons.add("ORACLE: price too big")
        return reasons

    def report_settlement(self, reporter: str, market: int, price: int, now: int) -> int:
        """The price on which a quorum agrees by now; 0: on none."""
        found = self.markets[market]
        found.final[reporter] = price
        return self._agree(found, now)

    def _agree(self, market: Market, now: int) -> int:
        said = list(market.final.values())
        median, _ = self._median(said, market)
        near = [price for price in said if median and within(price, median, market.guard.max_spread_bps)]
        agreed = median if len(near) >= self.quorum else 0
        if agreed != market.candidate:
            market.candidate, market.since = agreed, now
        return agreed

    def settle_refusals(self, market: int, now: int) -> set[str]:
        if market >= len(self.markets):
            return {"ORACLE: unknown market"}
        found = self.markets[market]
        if found.status != "Settling":
            return {"ORACLE: not settling"}
        if found.candidate == 0:
            return {"ORACLE: no settlement price"}
        return {"ORACLE: settled too soon"} if now - found.since < SETTLEMENT_DELAY else set()

    def settle(self, market: int, now: int) -> None:
        found = self.markets[market]
        found.price, found.accepted_at, found.checkpoint = found.candidate, now, (found.candidate, now)
        found.drop_candidate()
        found.status = "Settled"

    # Configuration

    def configure_refusals(self, market: int, guard: GuardParams, now: int) -> set[str]:
        """A change that would make the present good mark invalid is refused."""
        found = self.markets[market]
        after = replace(found, guard=guard)
        keeps = found.price == 0 or guard.min_price <= found.price <= guard.max_price
        if found.is_valid(now):
            near = found.anchor_at is None or within(found.price, found.anchor, guard.max_drift_bps)
            keeps = keeps and after.is_valid(now) and near
        return set() if keeps else {"ORACLE: would void the mark"}

    def remove_refusals(self, reporter: str) -> set[str]:
        if reporter not in self.reporters:
            return set() if reporter in self.announced else {"ORACLE: not a reporter"}
        return {"ORACLE: below the quorum"} if len(self.reporters) <= self.quorum else set()

    def remove(self, reporter: str, now: int) -> None:
        """At once; what it said is gone. An announcement is taken back."""
        if reporter not in self.reporters:
            del self.announced[reporter]
            return
        self.reporters.remove(reporter)
        for market in self.markets:
            market.entries.pop(reporter, None)
            market.round.discard(reporter)
            if market.final.pop(reporter, None) and market.status == "Settling":
                self._agree(market, now)

    def add_refusals(self, reporter: str) -> set[str]:
        return {"ORACLE: already a reporter"} if reporter in self.reporters else set()

    def add(self, reporter: str, now: int) -> None:
        self.announced[reporter] = now + REPORTER_DELAY

    def seat_refusals(self, reporter: str, now: int) -> set[str]:
        since = self.announced.get(reporter)
        if since is None:
            return {"ORACLE: not announced"}
        return {"ORACLE: announced too late"} if now < since else set()

    def seat(self, reporter: str) -> None:
        del self.announced[reporter]
        self.reporters.append(reporter)

    def quorum_refusals(self, quorum: int) -> set[str]:
        if quorum == 0:
            return {"ORACLE: quorum is zero"}
        return {"ORACLE: quorum of too many"} if quorum > len(self.reporters) else set()

    # Frozen

    def freeze_refusals(self, market: int) -> set[str]:
        return {"ORACLE: settled"} if self.markets[market].status == "Settled" else set()

    def freeze(self, market: int, now: int) -> None:
        self.markets[market].freeze(now)

    def release_refusals(self, market: int, now: int) -> set[str]:
        found = self.markets[market]
        if found.status != "Frozen":
            return {"ORACLE: not frozen"}
        return {"ORACLE: frozen too short"} if now - found.since < FREEZE_DWELL else set()

    def release(self, market: int) -> None:
        found = self.markets[market]
        found.drop_candidate()
        found.status = "Suspect" if found.price else "Pending"
        found.anchor_at, found.round = None, set()


def _dropped(market: Market, last: Said | None, entry: Said, now: int) -> set[str]:
    """Why one entry does not count."""
    guard = market.guard
    reasons = set()
    if entry.price == 0:
        reasons.add("DroppedZero")
    if now - entry.observed_at > guard.max_age:
        reasons.add("DroppedStale")
    if entry.observed_at - now > guard.max_ahead:
        reasons.add("DroppedAhead")
    if entry.observed_at <= (last.observed_at if last else 0):
        reasons.add("DroppedNotNewer")
    if entry.confidence_bps > guard.max_confidence_bps:
        reasons.add("DroppedUncertain")
    return reasons
