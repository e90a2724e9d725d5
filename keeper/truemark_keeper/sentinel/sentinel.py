"""The sentinel: looks at every block, and on a break stops the venue and writes down what it saw. Its key can do
nothing else."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from truemark.felt import selector
from truemark.index.layout import Slot
from truemark.rpc import NodeUnavailable, RpcError
from truemark.transactions import Call

from truemark_keeper.fees import FeeCeiling
from truemark_keeper.pinned import BlockGone, Head
from truemark_keeper.reporter import Sender
from truemark_keeper.sentinel.incident import BadIncident, Evidence, Incident, IncidentFolder, Stop
from truemark_keeper.sentinel.rules import (
    Break,
    SentinelTerms,
    breaks_between,
    breaks_in,
    doubt_break,
    doubt_is_grave,
    mark_break,
    mark_is_off,
    no_block_break,
)
from truemark_keeper.sentinel.sight import GuardSight, MarketSight, Sight, StopMode
from truemark_keeper.slots import Outcome, QueueClosed, TransactionDisplaced, TransactionRefused
from truemark_keeper.sources import Doubt

log = logging.getLogger(__name__)

#: What may keep a stop from landing; it is tried again at the next step.
NOT_SENT = (TransactionRefused, TransactionDisplaced, FeeCeiling, QueueClosed, TimeoutError, NodeUnavailable, RpcError)

#: The independent price of a market by name at a time, 1e-8 USD, fit to accuse by; None: there is none now.
IndependentPrice = Callable[[str, int], Awaitable[int | None]]
#: What the sources behind it said against the chain, when it was asked last.
Doubts = Callable[[], Sequence[Doubt]]


class Sights(Protocol):
    """What the sentinel needs of SightReader."""

    async def head(self, block: int | None = None) -> Head: ...

    async def sight(self, head: Head, *, count_accounts: bool = False) -> Sight: ...

    async def guards(self, head: Head, markets: Sequence[MarketSight]) -> dict[str, GuardSight]: ...

    async def holders(self, head: Head, market: int | None) -> tuple[int, ...]: ...

    async def slot(self, head: Head, contract: str, key: int) -> Slot | None: ...


@dataclass(frozen=True)
class Watch:
    """What one step saw and did."""

    #: Blocks looked at, in order.
    blocks: tuple[int, ...] = ()
    breaks: tuple[Break, ...] = ()
    #: The open incident, if there is one.
    incident: Incident | None = None
    #: The stop that this step sent; None: none was needed, or it did not land.
    outcome: Outcome | None = None
    #: The venue's effective mode at the last block; None: no block was seen yet.
    mode: StopMode | None = None


def set_mode_call(clearinghouse: int, mode: StopMode) -> Call:
    """`set_mode(mode, 0)` of the clearinghouse: on the way down no report is asked for."""
    return Call(clearinghouse, selector("set_mode"), (int(mode), 0))


@dataclass
class _Memory:
    last: Sight | None = None
    guards: dict[str, GuardSight] = field(default_factory=dict)
    #: Market to when its mark was first seen too far off, and is since.
    off_since: dict[str, int] = field(default_factory=dict)
    #: The keeper's clock when the last new block was seen.
    block_seen_at: int | None = None
    blocks_until_count: int = 0
    #: An incident that could not be written yet.
    unwritten: Incident | None = None


class Sentinel:
    """Args:
    sender: the queue of an account with the sentinel's role.
    reader: sees blocks.
    clearinghouse: what is stopped.
    price: the keeper's independent price; None: marks are not compared with one.
    doubts: what a database on probation says; asked after the prices.
    incidents: where files go.
    deployment: its name, for the files.
    """

    def __init__(
        self,
        sender: Sender,
        reader: Sights,
        *,
        clearinghouse: int,
        incidents: IncidentFolder,
        deployment: str,
        price: IndependentPrice | None = None,
        doubts: Doubts = tuple,
        terms: SentinelTerms | None = None,
    ) -> None:
        self._sender = sender
        self._reader = reader
        self._clearinghouse = clearinghouse
        self._incidents = incidents
        self._deployment = deployment
        self._price = price
        self._doubts = doubts
        self._terms = terms if terms is not None else SentinelTerms()
        self._memory = _Memory()

    async def step(self, now: int, timeout: float | None = None) -> Watch:
        """Looks at the blocks since the last step and acts on what they show. `now`: the keeper's clock, seconds.

        An incident stays one until it is cleared: what goes on is written into it, and nothing is sent twice for it,
        unless the chain lost the stop or a break needs a lower mode. So the sentinel and a person who takes the venue
        up again do not fight.

        Raises:
            RpcError, NodeUnavailable, BlockGone, BadEvents: the chain cannot be read.
        """
        memory = self._memory
        head = await self._reader.head()
        if memory.last is not None and not await self._continues(memory.last, head):
            log.warning("the chain went back", extra={"from": memory.last.block, "to": head.number})
            memory.last, memory.block_seen_at = None, None
            memory.off_since.clear()
        breaks: list[Break] = []
        blocks: list[int] = []
        async for sight in self._new(head):
            blocks.append(sight.block)
            breaks += await self._judged(sight)
            if memory.last is None or memory.last.mode != sight.mode:
                self._tell_mode(memory.last, sight)
            memory.last = sight
        if blocks:
            memory.block_seen_at = now
        sight_now = memory.last
        if sight_now is None:
            return Watch()
        breaks += await self._compared(sight_now, now)
        breaks += self._stopped(sight_now, now)
        for item in breaks:
            log.error(
                "a rule is broken",
                extra={"rule": item.rule, "block": item.block, "market": item.market, "why": item.explanation},
            )
        incident, outcome = await self._act(sight_now, breaks, now, timeout)
        return Watch(tuple(blocks), tuple(breaks), incident, outcome, sight_now.mode)

    def _tell_mode(self, before: Sight | None, sight: Sight) -> None:
        """A venue that went down by itself, for want of marks, is said to have done so."""
        newest = max((market.accepted_at for market in sight.markets.values()), default=0)
        down = before is not None and sight.mode < before.mode
        log.log(
            logging.WARNING if down else logging.INFO,
            "the venue's mode",
            extra={
                "from": None if before is None else before.mode.variant,
                "to": sight.mode.variant,
                "block": sight.block,
                "newest_mark_secs": sight.timestamp - newest if newest else None,
            },
        )

    async def _continues(self, last: Sight, head: Head) -> bool:
        if head.number < last.block:
            return False
        try:
            at = head if head.number == last.block else await self._reader.head(last.block)
        except BlockGone:
            return False
        return at.fingerprint == last.fingerprint

    async def _new(self, head: Head) -> AsyncIterator[Sight]:
        """The blocks that were not looked at yet, oldest first; at the first step the head alone."""
        memory = self._memory
        first = head.number if memory.last is None else memory.last.block + 1
        skipped = head.number + 1 - self._terms.catch_up - first
        if skipped > 0:
            log.warning("blocks passed over", extra={"from": first, "blocks": skipped})
            first += skipped
        for number in range(first, head.number + 1):
            at = head if number == head.number else await self._reader.head(number)
            count = self._terms.audit_every > 0 and memory.blocks_until_count <= 0
            memory.blocks_until_count = self._terms.audit_every if count else memory.blocks_until_count - 1
            yield await self._reader.sight(at, count_accounts=count)

    async def _judged(self, sight: Sight) -> list[Break]:
        found = list(breaks_in(sight))
        before = self._memory.last
        head = Head(sight.block, sight.fingerprint)
        if before is None or set(sight.markets) - set(self._memory.guards):
            self._memory.guards = await self._reader.guards(head, list(sight.markets.values()))
        if before is None:
            return found
        between = list(breaks_between(before, sight, self._memory.guards))
        if any(item.rule == "funding continuity" for item in between):
            # The admin may have widened the bounds since they were read.
            self._memory.guards = await self._reader.guards(head, list(sight.markets.values()))
            between = list(breaks_between(before, sight, self._memory.guards))
        return found + between

    async def _compared(self, sight: Sight, now: int) -> list[Break]:
        if self._price is None:
            return []
        found = []
        since = self._memory.off_since
        for name, market in sight.markets.items():
            own = await self._price(name, now)
            # Without a price of its own the sentinel knows nothing of the mark: no time is counted against it.
            if own is None or own <= 0 or not mark_is_off(market, own, self._terms):
                since.pop(name, None)
            elif now - since.setdefault(name, now) > self._terms.sentinel_secs:
                found.append(mark_break(sight, market, own, since[name], now))
        for doubt in self._doubts():
            doubted = sight.markets.get(doubt.market)
            if doubted is not None and doubt_is_grave(doubted, doubt, self._terms):
                found.append(doubt_break(sight, doubted, doubt, now))
        return found

    def _stopped(self, sight: Sight, now: int) -> list[Break]:
        seen = self._memory.block_seen_at
        if seen is None or self._terms.max_block_gap == 0 or now - seen <= self._terms.max_block_gap:
            return []
        return [no_block_break(sight.block, seen, now)]

    async def _act(
        self, sight: Sight, breaks: Sequence[Break], now: int, timeout: float | None
    ) -> tuple[Incident | None, Outcome | None]:
        incident = self._open_incident()
        if incident is None and not breaks:
            return None, None
        known: frozenset[tuple[str, str | None]] = frozenset() if incident is None else incident.keys
        # What goes on block after block is evidence once; a write is news each time.
        fresh = [item for item in breaks if item.key not in known or item.rule == "unattributed write"]
        outcome = None
        if incident is None:
            incident = Incident(
                name=self._incidents.new_name(now, breaks[0].rule),
                opened_at=now,
                deployment=self._deployment,
                clearinghouse=self._clearinghouse,
                mode_before=sight.mode,
                evidence=tuple(Evidence(item, seen_at=now) for item in fresh),
            )
            # First the stop, then who is affected: the latter takes reads, and they may fail.
            self._save(incident)
            log.error("incident", extra={"incident": incident.name, "mode": incident.mode.variant})
        elif fresh:
            incident = incident.with_evidence([Evidence(item, seen_at=now) for item in fresh])
            self._save(incident)
        if await self._must_stop(incident, sight):
            incident, outcome = await self._stop(incident, sight, timeout)
        elif sight.mode <= incident.mode and (incident.stop is None or incident.stop.mode > incident.mode):
            # Somebody else stopped it, or our own stop landed after we gave it up.
            incident = self._saved(incident, Stop(incident.mode, None, sight.block, sight.fingerprint.hex()))
        if any(item.affected is None for item in incident.evidence):
            incident = await self._with_affected(incident, sight)
        return incident, outcome

    def _open_incident(self) -> Incident | None:
        """The one that is open. A disk that cannot be read or written does not keep the venue from being stopped."""
        unwritten = self._memory.unwritten
        if unwritten is not None:
            self._save(unwritten)
            return unwritten
        try:
            return self._incidents.open_one(self._clearinghouse)
        except (BadIncident, OSError) as error:
            log.error("the incidents cannot be read", extra={"error": str(error)})
            return None

    def _save(self, incident: Incident) -> None:
        try:
            self._incidents.save(incident)
        except OSError as error:
            log.error("the incident cannot be written yet", extra={"incident": incident.name, "error": str(error)})
            self._memory.unwritten = incident
        else:
            self._memory.unwritten = None

    async def _must_stop(self, incident: Incident, sight: Sight) -> bool:
        if sight.mode <= incident.mode:
            return False
        stop = incident.stop
        if stop is None or stop.mode > incident.mode:
            return True
        # It was stopped, and is up again: by a person, or because the chain lost the stop.
        try:
            at = await self._reader.head(stop.block)
        except BlockGone:
            return True
        return at.fingerprint.hex() != stop.fingerprint

    async def _stop(self, incident: Incident, sight: Sight, timeout: float | None) -> tuple[Incident, Outcome | None]:
        try:
            outcome = await self._sender.execute([set_mode_call(self._clearinghouse, incident.mode)], timeout)
        except NOT_SENT as error:
            log.error("the stop did not land, it is tried again", extra={"error": str(error)})
            return incident, None
        if not outcome.succeeded:
            log.error("the stop reverted", extra={"hash": hex(outcome.hash), "reverted": outcome.revert_reason})
            return incident, outcome
        block = outcome.block_number if outcome.block_number is not None else sight.block
        at = await self._reader.head(block)
        log.error("stopped", extra={"mode": incident.mode.variant, "hash": hex(outcome.hash), "block": block})
        return self._saved(incident, Stop(incident.mode, hex(outcome.hash), block, at.fingerprint.hex())), outcome

    def _saved(self, incident: Incident, stop: Stop) -> Incident:
        stopped = replace(incident, stop=stop)
        self._save(stopped)
        return stopped

    async def _with_affected(self, incident: Incident, sight: Sight) -> Incident:
        """Who is affected: whose slot was written, holders in the market of a break, or everybody with anything at the
        venue."""
        holders: dict[int | None, tuple[int, ...]] = {}
        evidence = []
        head = Head(sight.block, sight.fingerprint)
        for item in incident.evidence:
            if item.affected is None:
                broken = item.broken
                market = sight.markets.get(broken.market) if broken.market is not None else None
                index = None if market is None else market.index
                owner = None
                if broken.rule == "unattributed write":
                    slot = await self._reader.slot(head, broken.values["contract"], int(broken.values["key"], 16))
                    if slot is not None:
                        broken = replace(broken, values={**broken.values, "variable": slot.variable})
                        owner, index = slot.account, _market_of(slot.variable)
                if owner is None and index not in holders:
                    holders[index] = await self._reader.holders(head, index)
                item = replace(item, broken=broken, affected=holders[index] if owner is None else (owner,))
            evidence.append(item)
        incident = replace(incident, evidence=tuple(evidence))
        self._save(incident)
        return incident


def _market_of(variable: str) -> int | None:
    """The market whose slot it is, such as `markets[3].funding`."""
    found = re.match(r"markets\[(\d+)\]", variable)
    return None if found is None else int(found[1])
