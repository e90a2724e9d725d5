"""The staged reopening: Halted -> CancelOnly -> PostOnly -> Full, each step only when what it asks for was measured to
hold for a time, and back down by itself when it breaks before the venue is out of grace.

On 19 January 2026 the second wave of wrong liquidations came during a reopening by hand. What is asked for here is what
would have been seen then: fresh marks of a quorum, marks near the outside price, no unit missing, no write that nobody
made.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from truemark_keeper.judging import within
from truemark_keeper.pinned import Head
from truemark_keeper.recovery.integrity import IntegrityReport
from truemark_keeper.sentinel.rules import Break, breaks_between, breaks_in
from truemark_keeper.sentinel.sight import GuardSight, MarketSight, Sight, StopMode

#: Statuses with which the venue may go up.
GOOD = frozenset({"Valid", "Settled"})
#: Where a reopening that broke goes back to.
DOWN = StopMode.CANCEL_ONLY


@dataclass(frozen=True, slots=True)
class ReopenTerms:
    """What a step up asks for.

    Attributes:
        rounds: accepted marks of every market that is not settled, seen since the watch began.
        band_bps: how far a mark may be from the independent price.
        hold_secs: for how long everything must hold without a break before a step up.
        max_block_age: seconds that the newest block may be old.
        grace_secs: after Full, for how long a break still takes the venue back down.
    """

    rounds: int = 3
    band_bps: int = 100
    hold_secs: int = 60
    max_block_age: int = 30
    grace_secs: int = 60


@dataclass(frozen=True, slots=True)
class Criterion:
    """One thing that is asked for: whether it holds, and what was measured."""

    name: str
    holds: bool
    measured: str


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a reopening stands after one look.

    Attributes:
        mode: in force at the block that was looked at.
        held: seconds for which everything has held.
        moved: the mode that this look took the venue to; None: it stayed.
        done: the venue is at its goal, and past grace if that is Full.
    """

    block: int
    mode: StopMode
    criteria: tuple[Criterion, ...]
    held: int
    moved: StopMode | None
    done: bool

    @property
    def missing(self) -> tuple[Criterion, ...]:
        return tuple(item for item in self.criteria if not item.holds)


class Sights(Protocol):
    """What a reopening needs of SightReader."""

    async def head(self, block: int | None = None) -> Head: ...

    async def sight(self, head: Head, *, count_accounts: bool = False) -> Sight: ...

    async def guards(self, head: Head, markets: Sequence[MarketSight]) -> dict[str, GuardSight]: ...


#: The independent price of a market by name at a time, 1e-8 USD; None: there is none.
Price = Callable[[str, int], Awaitable[int | None]]
#: What keeps somebody that the venue needs from work, one line each: keepers that are not ready, an index behind.
Ready = Callable[[], Awaitable[Sequence[str]]]
#: Takes the venue to a mode, up with a report.
Mover = Callable[[StopMode, IntegrityReport | None], Awaitable[None]]
#: The report on the state as it is, with what speaks against going up.
Reporter = Callable[[], Awaitable[IntegrityReport]]


@dataclass
class _Memory:
    last: Sight | None = None
    guards: dict[str, GuardSight] = field(default_factory=dict)
    #: Market to the times of the marks that were accepted since the watch began.
    accepted: dict[str, set[int]] = field(default_factory=dict)
    #: When all began to hold; None: it does not.
    since: int | None = None
    #: When the mode changed last, by what was seen.
    mode_since: int = 0
    mode: StopMode | None = None


class Reopening:
    """One reopening of one venue; `look` is called again and again, every few seconds.

    Args:
        reader: sees blocks.
        price: independent of what the reporters read.
        report: makes the integrity report.
        move: sends the change of mode.
        dwell_secs: what the contract asks for between two steps up.
        goal: the mode to reach.
        ready: keepers that are not ready.
        parity: what the index and the chain say differently.
    """

    def __init__(
        self,
        reader: Sights,
        *,
        price: Price,
        report: Reporter,
        move: Mover,
        dwell_secs: int,
        goal: StopMode = StopMode.FULL,
        terms: ReopenTerms | None = None,
        ready: Ready | None = None,
        parity: Ready | None = None,
    ) -> None:
        self._reader = reader
        self._price = price
        self._report = report
        self._move = move
        self._dwell = dwell_secs
        self._goal = goal
        self._terms = terms if terms is not None else ReopenTerms()
        self._ready = ready
        self._parity = parity
        self._memory = _Memory()

    async def look(self, now: int) -> Stand:
        """Measures, and takes the venue a step up or back down if that is due. `now`: seconds, of the chain's clock.

        Raises:
            What the reader, the price and the mover raise; the next look begins where this one was.
        """
        memory = self._memory
        head = await self._reader.head()
        sight = await self._reader.sight(head, count_accounts=True)
        if sight.mode is not memory.mode:
            memory.mode, memory.mode_since = sight.mode, now
        breaks = await self._breaks(head, sight)
        criteria = (
            self._rounds(sight),
            await self._near(sight, now),
            _clean("conservation", breaks, {"conservation"}),
            _clean("funding", breaks, {"funding seal", "funding continuity"}),
            _clean("writes", breaks, {"unattributed write"}),
            _clean("views", breaks, {"unreadable", "mark of zero"}),
            self._blocks(sight, now),
            *await self._others(),
        )
        memory.last = sight
        missing = [item for item in criteria if not item.holds]
        if missing:
            memory.since = None
        elif memory.since is None:
            memory.since = now
        held = 0 if memory.since is None else now - memory.since
        moved = await self._act(sight, missing, held, now)
        done = moved is None and sight.mode >= self._goal and self._settled(sight, now)
        return Stand(sight.block, sight.mode, criteria, held, moved, done)

    async def _act(self, sight: Sight, missing: Sequence[Criterion], held: int, now: int) -> StopMode | None:
        if missing:
            # What has not come together yet keeps the venue where it is; what broke takes it down.
            if sight.mode > DOWN and any(item.name != "rounds" for item in missing):
                await self._move(DOWN, None)
                return DOWN
            return None
        if sight.mode >= self._goal or held < self._terms.hold_secs:
            return None
        if now - self._memory.mode_since < self._dwell:
            return None
        report = await self._report()
        if report.problems:
            return None
        up = StopMode(sight.mode + 1)
        await self._move(up, report)
        # The next stage is measured from its own beginning.
        self._memory.since = None
        self._memory.accepted.clear()
        return up

    def _settled(self, sight: Sight, now: int) -> bool:
        return sight.mode < StopMode.FULL or now - self._memory.mode_since >= self._terms.grace_secs

    async def _breaks(self, head: Head, sight: Sight) -> list[Break]:
        memory = self._memory
        if set(sight.markets) - set(memory.guards):
            memory.guards = await self._reader.guards(head, list(sight.markets.values()))
        found = list(breaks_in(sight))
        if memory.last is not None and memory.last.block < sight.block:
            found += breaks_between(memory.last, sight, memory.guards)
        return found

    def _rounds(self, sight: Sight) -> Criterion:
        counts: dict[str, int] = {}
        bad = []
        for name, market in sight.markets.items():
            if market.status not in GOOD:
                bad.append(f"{name} is {market.status}")
            if market.status != "Settled":
                seen = self._memory.accepted.setdefault(name, set())
                seen.add(market.accepted_at)
                counts[name] = len(seen)
        fewest = min(counts.values(), default=self._terms.rounds)
        holds = not bad and fewest >= self._terms.rounds
        return Criterion("rounds", holds, "; ".join(bad) or f"{fewest} of {self._terms.rounds} marks of every market")

    async def _near(self, sight: Sight, now: int) -> Criterion:
        off = []
        for name, market in sight.markets.items():
            if market.status == "Settled":
                continue
            own = await self._price(name, now)
            if own is None or own <= 0:
                off.append(f"no outside price of {name}")
            elif not within(market.price, own, self._terms.band_bps):
                off.append(f"{name} is {market.price}, outside {own}")
        return Criterion("marks", not off, "; ".join(off) or f"within {self._terms.band_bps} bps of the outside price")

    def _blocks(self, sight: Sight, now: int) -> Criterion:
        age = now - sight.timestamp
        return Criterion("blocks", age <= self._terms.max_block_age, f"the newest is {age} s old")

    async def _others(self) -> tuple[Criterion, ...]:
        found = []
        for name, ask, good in (("keepers", self._ready, "ready"), ("index", self._parity, "as the chain")):
            if ask is not None:
                problems = await ask()
                found.append(Criterion(name, not problems, "; ".join(problems) or good))
        return tuple(found)


def _clean(name: str, breaks: Sequence[Break], rules: set[str]) -> Criterion:
    found = [item.explanation for item in breaks if item.rule in rules]
    return Criterion(name, not found, "; ".join(found) or "no break")


def stand_to_json(stand: Stand) -> Mapping[str, object]:
    """For a report."""
    return {
        "block": stand.block,
        "mode": stand.mode.variant,
        "held": stand.held,
        "moved": None if stand.moved is None else stand.moved.variant,
        "criteria": [{"name": item.name, "holds": item.holds, "measured": item.measured} for item in stand.criteria],
    }
