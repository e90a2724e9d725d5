"""What must hold in every block and between two: pure functions from what was seen to the breaks in it.

The venue's own contracts hold the same; the sentinel is there for the day on which what they wrote was changed behind
their back, or their code is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from truemark.funding import accrual

from truemark_keeper.judging import BPS, within
from truemark_keeper.sentinel.sight import GuardSight, MarketSight, Sight, StopMode
from truemark_keeper.sources import Doubt

#: Statuses in which a mark is used: someone could be liquidated on it, or soon be.
IN_USE = frozenset({"Valid", "Suspect"})
#: Statuses that a market reaches with its first mark only.
HAS_A_MARK = IN_USE | {"Stale"}


@dataclass(frozen=True)
class SentinelTerms:
    """What the sentinel holds a venue to."""

    #: A mark this far from the independent price, 1e-4 of it, ...
    sentinel_bps: int = 500
    #: ... for longer than so many seconds is a break.
    sentinel_secs: int = 30
    #: Seconds without a block after which the chain counts as stopped; 0: it may rest.
    max_block_gap: int = 120
    #: Every so many blocks all margin accounts are added up; 0: never.
    audit_every: int = 100
    #: The most blocks read one by one after a pause; older ones are passed over.
    catch_up: int = 200


@dataclass(frozen=True)
class Break:
    """One rule broken."""

    rule: str
    block: int
    #: Seconds: the block's time, for `blocks` the keeper's.
    at: int
    #: The highest mode in which the break can do no harm.
    mode: StopMode
    explanation: str
    market: str | None = None
    #: The figures that show it, in the contract's units.
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str | None]:
        """Breaks of one key are one thing that goes on."""
        return self.rule, self.market


def breaks_in(sight: Sight) -> Iterator[Break]:
    """What one block shows by itself."""
    ledger = sight.ledger
    # More tokens than the ledger has is what a stranger can bring about by a transfer: only fewer is a break.
    if ledger.balance < ledger.total:
        yield _break(
            sight,
            "conservation",
            f"the ledger has {ledger.total}, the token only {ledger.balance}",
            values={"ledger": ledger.total, "balance": ledger.balance},
        )
    if ledger.balance > ledger.supply:
        yield _break(
            sight,
            "conservation",
            f"the venue holds {ledger.balance} of a supply of {ledger.supply}",
            values={"balance": ledger.balance, "supply": ledger.supply},
        )
    if sight.accounts_sum is not None:
        parts = sight.accounts_sum + ledger.insurance + ledger.fees + ledger.funding + ledger.pending
        if parts != ledger.total:
            yield _break(
                sight,
                "conservation",
                f"accounts, insurance, fees, funding and pending are {parts}, the ledger has {ledger.total}",
                values={"accounts": sight.accounts_sum, "parts": parts, "ledger": ledger.total},
            )
    for name, market in sight.markets.items():
        if market.growth is None or market.funding_index is None:
            yield _break(sight, "funding seal", "a funding slot is not what a transaction wrote", name)
        if market.price == 0 and market.status in HAS_A_MARK:
            yield _break(sight, "mark of zero", f"the mark is 0 and the market {market.status}", name)
    for view, reason in sight.unreadable.items():
        yield _break(sight, "unreadable", f"{view} reverts: {reason}", values={"view": view, "reason": reason})
    for write in sight.unattributed or ():
        yield _break(
            sight,
            "unattributed write",
            f"storage of {write.contract} was changed at {write.key:#x}, and no transaction of the block did it",
            values={
                "contract": write.contract,
                "key": hex(write.key),
                "before": None if write.before is None else hex(write.before),
                "value": hex(write.value),
            },
        )


def breaks_between(before: Sight, after: Sight, guards: Mapping[str, GuardSight]) -> Iterator[Break]:
    """What two blocks show, the later of which need not be the next one."""
    for name, now in after.markets.items():
        then = before.markets.get(name)
        if then is None:
            continue
        if then.price > 0 and now.price == 0:
            yield _break(after, "mark of zero", f"the mark was {then.price} and is 0", name)
        if name in guards:
            yield from _funding(before, after, then, now, guards[name])


def _funding(before: Sight, after: Sight, then: MarketSight, now: MarketSight, guard: GuardSight) -> Iterator[Break]:
    bound = funding_bound(then, now, guard)
    for what, old, new in (
        ("growth", then.growth, now.growth),
        ("funding index", then.funding_index, now.funding_index),
    ):
        # A broken one is a break by itself.
        if old is None or new is None or abs(new - old) <= bound:
            continue
        yield _break(
            after,
            "funding continuity",
            f"the {what} went from {old} to {new}, by rate and time it can move by {bound} at most",
            now.name,
            values={"from_block": before.block, "before": old, "after": new, "bound": bound},
        )


def funding_bound(then: MarketSight, now: MarketSight, guard: GuardSight) -> int:
    """The most that growth and index can have moved: the highest rate over all the time between two accepted marks, at
    the highest mark there can have been, and a unit of rounding for each second."""
    secs = max(now.accepted_at - then.accepted_at, 0)
    # A market's first mark has no time before it; a mark between the two can have been higher than both by the drift.
    highest = max(then.price, now.price) * (BPS + guard.max_drift_bps) // BPS
    return accrual(guard.max_rate_ppm, guard.max_rate_ppm, secs, secs, highest) + secs + 1


def mark_is_off(market: MarketSight, own: int, terms: SentinelTerms) -> bool:
    """Whether a mark that is in use is too far from the independent price, both 1e-8 USD."""
    return market.status in IN_USE and market.price > 0 and not within(market.price, own, terms.sentinel_bps)


def mark_break(sight: Sight, market: MarketSight, own: int, since: int, now: int) -> Break:
    return Break(
        "mark and independent price",
        sight.block,
        now,
        StopMode.CANCEL_ONLY,
        f"the mark {market.price} is off the keeper's own price {own}, for {now - since} s",
        market.name,
        {"mark": market.price, "own_price": own, "since": since, "status": market.status},
    )


def doubt_is_grave(market: MarketSight, doubt: Doubt, terms: SentinelTerms) -> bool:
    """Whether the operator's own database says something else than a mark in use, as far off as the
    independent price may not be. Zero is off every mark."""
    return mark_is_off(market, doubt.price, terms)


def doubt_break(sight: Sight, market: MarketSight, doubt: Doubt, now: int) -> Break:
    return Break(
        "database and mark",
        sight.block,
        now,
        StopMode.CANCEL_ONLY,
        f"{doubt.source} says {doubt.price} after this: {doubt.cause}; the mark is {market.price}. It does not count, "
        "but what else reads that database may believe it",
        market.name,
        {
            "source": doubt.source,
            "cause": doubt.cause,
            "since": doubt.since,
            "said": doubt.price,
            "mark": market.price,
            "status": market.status,
        },
    )


def no_block_break(block: int, since: int, now: int) -> Break:
    return Break(
        "block production",
        block,
        now,
        StopMode.CANCEL_ONLY,
        f"no block for {now - since} s",
        values={"last_block": block, "since": since},
    )


def _break(
    sight: Sight, rule: str, explanation: str, market: str | None = None, values: Mapping[str, Any] | None = None
) -> Break:
    return Break(rule, sight.block, sight.timestamp, StopMode.HALTED, explanation, market, values or {})
