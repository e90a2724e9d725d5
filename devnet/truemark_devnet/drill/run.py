"""The steps of the drill in their order, each once, whatever ended the process before."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

from truemark.errors import TruemarkError
from truemark.rpc import AsyncRpc

from truemark_devnet.build import Build
from truemark_devnet.drill import guarded, night, opening, recovery, refunding, reopening
from truemark_devnet.drill.memory import Memory
from truemark_devnet.drill.proof import conservation
from truemark_devnet.drill.script import Size
from truemark_devnet.drill.venue import Venue
from truemark_devnet.nodes import NodeDied, Nodes, attach, down, up
from truemark_devnet.nodes.daemon import NotRunning
from truemark_devnet.scenario.run import START


class ChainLost(TruemarkError, RuntimeError):
    """A drill was interrupted together with its nodes: what its chain had is no more."""


Step = Callable[[Venue], Awaitable[Mapping[str, Any]]]
#: Told each step as it is behind: part, name, figures, seconds.
Teller = Callable[[str, str, Mapping[str, Any], float], None]

UNGUARDED: Final[Mapping[str, Step]] = {
    "open": opening.open_for_the_night,
    "quiet": night.quiet,
    "corrupted": night.corrupted,
    "find": recovery.find,
    "plan": recovery.plan,
    "rollback": recovery.rollback,
    "sent again": recovery.sent_again,
    "reconcile": recovery.reconciled,
    "reopened by hand": recovery.by_hand,
    "reopened": reopening.after_the_wave,
    "refunds": refunding.refunded,
}
GUARDED: Final[Mapping[str, Step]] = {
    "open": opening.open_for_the_night,
    "quiet": night.quiet,
    "corrupted": guarded.night,
    "find": guarded.find,
    "restore": guarded.restore,
    "reopened": guarded.reopened,
}
PARTS: Final[Mapping[str, Mapping[str, Step]]] = {"unguarded": UNGUARDED, "guarded": GUARDED}
#: Steps after which all money is added up.
PROVEN: Final = frozenset({"open", "corrupted", "rollback", "reconcile", "reopened by hand", "reopened", "refunds"})
#: 04:20 UTC: ten minutes before the maintenance of that day began.
BEGIN: Final = START + 4 * 3600 + 20 * 60


async def run_part(memory: Memory, built: Build, part: str, size: Size, tell: Teller) -> None:
    """All steps of a part that are not behind yet; its nodes live on until the last one is."""
    steps = PARTS[part]
    if all(memory.facts(part, step) is not None for step in steps):
        return
    nodes = _nodes(memory, part)
    try:
        async with AsyncRpc(nodes.l2_url) as rpc:
            venue = await opening.deployed(nodes, rpc, built, memory, part, size)
            for step, work in steps.items():
                if memory.facts(part, step) is None:
                    began = time.monotonic()
                    facts = dict(await work(venue))
                    if step in PROVEN:
                        facts["conservation"] = await conservation(venue)
                    memory.finish(part, step, facts, began=began, at=await nodes.l2_time())
                    tell(part, step, facts, memory.steps(part)[step]["seconds"])
    finally:
        nodes.close()
    stop(memory.folder, part)


def stop(folder: Path, part: str) -> None:
    """The nodes of a part, if they run."""
    down(_home(folder, part))


def _nodes(memory: Memory, part: str) -> Nodes:
    """Not owned by this process: a kill leaves the chain where it was."""
    home = _home(memory.folder, part)
    if memory.has(part, "chain"):
        try:
            return attach(home)
        except (NotRunning, NodeDied) as error:
            raise ChainLost(f"the chain of this drill is gone ({error}): --fresh begins anew") from error
    # What an earlier start left has no chain that anybody knows.
    down(home)
    started = up(
        home,
        start_time=BEGIN,
        hold_time=True,
        tick=None,
        relay=None,
    ).nodes
    memory.note(part, "chain", value=True)
    return started


def _home(folder: Path, part: str) -> Path:
    return (folder / f"{part}-nodes").absolute()
