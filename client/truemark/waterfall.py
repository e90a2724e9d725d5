"""Behind the liquidators, in exact integers: the storm bucket, the backstop's price, who is deleveraged first.

The mirror of `storm.cairo` and `waterfall.cairo` under the same names, equal to the unit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from truemark.risk import LiquidationCase, after_transfer, is_healthy
from truemark.units import BPS, U128_MAX, VALUE_PER_COLLATERAL

#: A rank is R/V in this many parts.
PARTS: Final = 1_000_000
#: Nobody ranks above an account that has nothing.
TOP_RANK: Final = U128_MAX
#: How often a size is cut in proportion before it counts as not affordable.
CUTS: Final = 8


# --- the storm bucket


@dataclass(frozen=True, slots=True)
class Storm:
    """One market's window. `used` is what was liquidated since it opened, 1e-16 USD; dry: one was cut or refused."""

    used: int = 0
    since: int = 0
    dry: bool = False


@dataclass(frozen=True, slots=True)
class StormTerms:
    """`window` in seconds, `floor` in 1e-16 USD."""

    window: int
    bps: int
    floor: int


def storm_now(storm: Storm, terms: StormTerms, now: int) -> Storm:
    """The window at `now`: a fresh one once it is over. A time before its own changes nothing."""
    return Storm(since=now) if now - storm.since >= terms.window and now >= storm.since else storm


def storm_limit(terms: StormTerms, interest: int, mark: int) -> int:
    """max(bps of the open interest at the mark, floor); `interest` is one side, 1e-8 of the base asset; 1e-16 USD."""
    return max(min(interest * mark * terms.bps // BPS, U128_MAX), terms.floor)


def storm_left(storm: Storm, limit: int) -> int:
    """What is left of the ration; 1e-16 USD."""
    return max(limit - storm.used, 0)


def storm_cut(size: int, whole: int, lot: int, price: int, left: int) -> int:
    """The most of `size` that is worth at most `left`: a multiple of 20% of `whole`, rounded up to the lot, where one
    fits, else whole lots; 0 where not even one does."""
    if price == 0 or lot == 0:
        return 0
    most = left // price
    if most >= size:
        return size
    for fifths in (4, 3, 2, 1):
        step = -(-whole * fifths // (5 * lot)) * lot
        if step <= most:
            return step
    return most - most % lot


def storm_after(storm: Storm, notional: int, short: bool) -> Storm:
    """The window after `notional` was liquidated; `short`: it was less than it should have been."""
    return replace(storm, used=storm.used + notional, dry=storm.dry or short)


# --- backstop and deleveraging


@dataclass(frozen=True, slots=True)
class Payers:
    """Who pays what is missing; 1e-6 USD."""

    vault: int
    insurance: int


def is_deep(value: int, requirement: int) -> bool:
    """V < R/3: no liquidator has a reason to come."""
    return value < 0 or 3 * value < requirement


def counts(seen: int, reopened: int, now: int, backstop_secs: int) -> bool:
    """Whether a sighting of an account under water still counts; `seen` 0: there was none."""
    return seen != 0 and reopened <= seen <= now <= seen + 2 * backstop_secs


def is_overdue(seen: int, reopened: int, now: int, backstop_secs: int) -> bool:
    """Under water since it was seen, long enough ago, and not touched."""
    return counts(seen, reopened, now, backstop_secs) and now - seen >= backstop_secs


def relief(value: int, requirement: int, value_after: int, requirement_after: int) -> int:
    """What must be paid to an account that has V' and R' left so that V/R does not fall (where R falls to 0: so that V
    is not below 0), rounded up; 1e-6 USD."""
    if requirement_after == 0:
        kept = 0
    elif requirement == 0 or requirement_after >= requirement:
        kept = value
    else:
        kept = -(-value * requirement_after // requirement)
    return min(-(-max(kept - value_after, 0) // VALUE_PER_COLLATERAL), U128_MAX)


def relief_at(case: LiquidationCase, size: int) -> int:
    """`relief` of `size` of a position; 1e-6 USD."""
    value_after, requirement_after, _ = after_transfer(case, size)
    return relief(case.value, case.requirement, value_after, requirement_after)


def affordable_size(case: LiquidationCase, lot: int, size: int, budget: int) -> int:
    """The most of `size`, found by cutting in proportion and to the lot, whose relief is at most `budget`; 0: none."""
    for _ in range(CUTS):
        if size == 0:
            return 0
        need = relief_at(case, size)
        if need <= budget:
            return size
        part = size * budget // need
        size = part - part % lot if lot else 0
    return 0


def payers(need: int, room: int, insurance: int) -> Payers | None:
    """Who pays `need`: the vault up to `room`, insurance up to what it has. None: it is more than both have."""
    vault = min(need, room)
    return Payers(vault, need - vault) if need - vault <= insurance else None


def leverage_rank(value: int, requirement: int) -> int:
    """Leverage of an account: R/V in millionths, rounded down; without value above all others."""
    return TOP_RANK if value <= 0 else min(requirement * PARTS // value, TOP_RANK)


def may_be_deleveraged(value: int, requirement: int, is_vault: bool) -> bool:
    """V < 0; the vault, which nobody may liquidate, already at V < R."""
    return value < 0 or (is_vault and not is_healthy(value, requirement))
