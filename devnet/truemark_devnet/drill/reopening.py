"""The reopening by the tool: each stage when all that it asks for was measured to hold, and back down by itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from eth_utils.crypto import keccak
from truemark.index import Index
from truemark.units import to_price
from truemark_keeper.recovery.integrity import IntegrityReport, integrity_report
from truemark_keeper.recovery.parity import index_problems
from truemark_keeper.recovery.reopen import Reopening, ReopenTerms, Stand, stand_to_json
from truemark_keeper.sentinel import SightReader, StopMode

from truemark_devnet.drill.memory import Memory
from truemark_devnet.drill.opening import publish
from truemark_devnet.drill.recovery import INDEX, followed
from truemark_devnet.drill.script import PAXG, WAVE_PERCENT, true_price
from truemark_devnet.drill.venue import DrillFailed, Venue

#: Block time between two looks, seconds.
INTERVAL: Final = 20
_TERMS: Final = {"rounds": 3, "band_bps": 100, "hold_secs": 40, "max_block_age": 30}
#: Looks after which a reopening that did not come through has failed.
_LOOKS: Final = 90

#: Does what a stage is there to show when the venue reached it; what it returns is published as marks in the next
#: round instead of what is right.
OnStage = Callable[[StopMode], Awaitable[dict[str, Decimal] | None]]


@dataclass
class Seen:
    """A reopening from its first look to its last: the looks, and each change of mode with its report."""

    looks: list[dict[str, Any]]
    moves: list[dict[str, Any]]


async def reopen(
    venue: Venue,
    on_stage: OnStage,
    *,
    fall_at: int | None = None,
    keep: Callable[[dict[str, Any]], None] = lambda move: None,
) -> Seen:
    """Up to Full and past its grace. One that was interrupted measures anew, from the mode that the venue is in.

    Args:
        keep: told each change of mode at once.

    Raises:
        DrillFailed: it did not get there.
    """
    params = await venue.house.read("venue_params")
    seen = Seen([], [])

    async def price(market: str, now: int) -> int | None:
        return to_price(true_price(market, now - venue.zero, fall_at))

    async def parity() -> list[str]:
        with Index.open(venue.memory.folder / venue.part / INDEX, venue.deployment) as index:
            return await index_problems(venue.rpc, index, venue.deployment)

    async def report() -> IntegrityReport:
        return await integrity_report(venue.rpc, venue.deployment)

    async def move(mode: StopMode, taken: IntegrityReport | None) -> None:
        if taken is not None:
            path = venue.memory.folder / venue.part / "reports" / f"{taken.hash:#x}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(taken.content)
        await venue.set_mode(mode.variant, 0 if taken is None else taken.hash)
        report_hash = None if taken is None else hex(taken.hash)
        moved = {"at": await venue.at(), "mode": mode.variant, "report": report_hash}
        seen.moves.append(moved)
        keep(moved)

    work = Reopening(
        SightReader(venue.rpc, venue.deployment),
        price=price,
        report=report,
        move=move,
        dwell_secs=int(params["dwell_secs"]),
        terms=ReopenTerms(**_TERMS, grace_secs=max(int(params["grace_secs"]), INTERVAL)),
        parity=parity,
    )
    shown: set[StopMode] = set()
    stand: Stand | None = None
    wrong: dict[str, Decimal] | None = None
    for _ in range(_LOOKS):
        await venue.pass_time(INTERVAL)
        await publish(venue, fall_at=fall_at, prices=wrong)
        wrong = None
        await followed(venue)
        stand = await work.look(await venue.nodes.l2_time())
        seen.looks.append({"at": await venue.at(), **stand_to_json(stand)})
        if stand.done:
            return seen
        reached = stand.moved if stand.moved is not None else stand.mode
        if reached not in shown:
            shown.add(reached)
            wrong = await on_stage(reached)
    missing = "; ".join(f"{item.name}: {item.measured}" for item in (stand.missing if stand is not None else ()))
    raise DrillFailed(f"the venue is {await venue.mode()} after {_LOOKS} looks; missing: {missing or 'time'}")


async def reports_on_chain(venue: Venue, first: int) -> dict[str, Any]:
    """The changes of mode up since a block: how many there were, and of how many the report is in the drill's folder
    and has the hash that the chain has."""
    ups = [event for event in await venue.events("ModeChanged", first) if event["report_hash"]]
    whole = 0
    for event in ups:
        path = venue.memory.folder / venue.part / "reports" / f"{event['report_hash']:#x}.json"
        if path.is_file():
            content = path.read_bytes()
            whole += int.from_bytes(keccak(content), "big") & ((1 << 250) - 1) == event["report_hash"]
    return {"steps_up": len(ups), "with_report": whole}


async def after_the_wave(venue: Venue) -> dict[str, Any]:
    """The venue without guards, this time by the tool. When it is in post-only the mark follows the venue's own book
    once more: the tool takes the venue down before anybody can be liquidated, and up again when all holds."""
    memory, part = venue.memory, venue.part
    since = memory.note(part, "reopening since", await venue.height())
    fall_at = int(memory.noted(part, "fall"))

    async def on_stage(mode: StopMode) -> dict[str, Decimal] | None:
        if mode is not StopMode.POST_ONLY or memory.has(part, "skewed again"):
            return None
        memory.note(part, "skewed again", await venue.at())
        true = true_price(PAXG, await venue.at())
        return {PAXG: (true * WAVE_PERCENT[0] / 100).quantize(Decimal("0.01"))}

    moves = memory.note(part, "moves", [])
    # Those of a process that was interrupted count as well.
    seen = await reopen(venue, on_stage, fall_at=fall_at, keep=lambda move: keep_move(memory, moves, move))
    await venue.sweep()
    await followed(venue, "reopened")
    return {
        "moves": moves,
        "looks": len(seen.looks),
        "liquidations": len(await venue.events("Liquidated", since + 1)),
        "mode": await venue.mode(),
        "first": since + 1,
        **await reports_on_chain(venue, since + 1),
    }


def keep_move(memory: Memory, moves: list[dict[str, Any]], move: dict[str, Any]) -> None:
    """Into a list that the memory has."""
    moves.append(move)
    memory.save()
