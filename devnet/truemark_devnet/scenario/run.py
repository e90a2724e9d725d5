"""Scenarios one after another on real nodes and virtual time, each on a venue of its own that is undone after it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from truemark.errors import TruemarkError
from truemark.rpc import AsyncRpc

from truemark_devnet.accounts import operators
from truemark_devnet.build import Build
from truemark_devnet.nodes import Nodes, NodeSettings
from truemark_devnet.scenario.file import Expect, Scenario, load_scenario
from truemark_devnet.scenario.judge import problems
from truemark_devnet.scenario.profile import Plan, plan_of
from truemark_devnet.scenario.stage import set_up
from truemark_devnet.scenario.steps import Outcome, act
from truemark_devnet.scenario.watch import watching

#: 19 January 2026, 00:00 UTC. Any would do.
START = 1_768_780_800
#: Roles, and as many reporters as a venue can have.
ACCOUNTS = 24


@dataclass(frozen=True, slots=True)
class Result:
    """How a scenario ended: it is as expected if there is no problem."""

    name: str
    title: str
    steps: int
    seconds: float
    problems: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not self.problems


@dataclass(frozen=True, slots=True)
class Loaded:
    """A scenario that was read and checked, and the venue that it asks for."""

    scenario: Scenario
    plan: Plan


#: Told each step as it is done: its time, what it was, what became of it.
Teller = Callable[[int, str, str], None]


def load(paths: Sequence[Path]) -> list[Loaded]:
    """All of them, before anything runs.

    Raises:
        BadScenario: one of them is no scenario.
    """
    return [Loaded(found, plan_of(found, str(path))) for path in paths for found in (load_scenario(path),)]


def node_settings() -> NodeSettings:
    """What the nodes of scenarios are started with."""
    return NodeSettings(start_time=START, hold_time=True, accounts=ACCOUNTS)


async def run(
    nodes: Nodes, built: Build, loaded: Sequence[Loaded], tell: Teller = lambda at, what, outcome: None
) -> AsyncIterator[Result]:
    """Runs them in order and yields how each ended; one that fails does not stop the others."""
    async with AsyncRpc(nodes.l2_url) as rpc:
        for item in loaded:
            started = time.monotonic()
            async with nodes.undone():
                try:
                    found = await _run(nodes, rpc, built, item, tell)
                except TruemarkError as error:
                    found = [f"it could not be run: {error}"]
            scenario = item.scenario
            yield Result(
                scenario.name, scenario.title, len(scenario.timeline), time.monotonic() - started, tuple(found)
            )


async def _run(nodes: Nodes, rpc: AsyncRpc, built: Build, item: Loaded, tell: Teller) -> list[str]:
    scenario, plan = item.scenario, item.plan
    stage = await set_up(nodes, rpc, operators(nodes.l2_url), built, scenario, plan)
    outcomes: dict[int, Outcome] = {}
    found: list[str] = []
    async with watching(stage) as watch:
        for step in scenario.timeline:
            await stage.move_to(step.at)
            if isinstance(step.action, Expect):
                missed = await problems(stage, watch, step.action, outcomes)
                tell(step.at, "expect", "; ".join(missed) or "as expected")
                found += [f"at {step.at} s: {problem}" for problem in missed]
                continue
            outcome = await act(stage, watch, step.action)
            outcomes[step.at] = outcome
            await watch.look()
            tell(step.at, type(step.action).__name__.lower(), outcome.refusal or "done")
        found += await problems(stage, watch, scenario.expect, outcomes)
    return found
