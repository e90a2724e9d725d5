"""The night on one venue: the database's steps, the keepers' turns, and what was left in the morning."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
from truemark.rpc import AsyncRpc
from truemark.units import from_collateral, from_price, from_size

from truemark_devnet.accounts import operators
from truemark_devnet.build import Build
from truemark_devnet.incident.database import OperatorDatabase
from truemark_devnet.incident.naive import NaivePublisher, liquidate_everybody
from truemark_devnet.incident.release import release_keepers
from truemark_devnet.incident.script import END, FILLED, INTERVAL, PRICES, Phase, phase_at, scenario, true_price
from truemark_devnet.nodes import Nodes
from truemark_devnet.scenario.judge import liquidated
from truemark_devnet.scenario.profile import plan_of
from truemark_devnet.scenario.stage import Stage, set_up


@dataclass(frozen=True, slots=True)
class Turn:
    """One look of the keepers; marks in USD by market."""

    at: int
    phase: Phase
    said: str
    marks: dict[str, Decimal]
    mode: str
    liquidated: tuple[str, ...]


@dataclass
class Night:
    """
    Attributes:
        equity: of each account by name, USD at the true prices of the last second.
        liquidated: who lost a position, by the chain's events.
        incidents: the sentinel's files.
    """

    name: str
    turns: list[Turn] = field(default_factory=list)
    equity: dict[str, Decimal] = field(default_factory=dict)
    liquidated: frozenset[str] = frozenset()
    incidents: list[dict[str, Any]] = field(default_factory=list)

    @property
    def mode(self) -> str:
        return self.turns[-1].mode


#: Told each turn of a venue.
Teller = Callable[[str, Turn], None]


async def unguarded_night(nodes: Nodes, built: Build, database: OperatorDatabase, tell: Teller) -> Night:
    """On the oracle without guards, with one keeper that believes what it reads."""
    bare = replace(built, classes={**built.classes, "Oracle": built.test_classes["UnguardedOracle"]})
    night = Night("without guards")
    plan_for = scenario("incident without guards", storm=False)
    async with AsyncRpc(nodes.l2_url) as rpc, nodes.undone():
        roles = operators(nodes.l2_url)
        stage = await set_up(nodes, rpc, roles, bare, plan_for, plan_of(plan_for, night.name), unguarded=True)
        reader = database.reader("the naive keeper")
        try:
            publisher = NaivePublisher(stage, stage.reporters["r1"], reader)
            database.create(PRICES, stage.zero)
            for at in range(0, END, INTERVAL):
                await _begin(stage, database, at)
                said = await publisher.round()
                taken = await liquidate_everybody(stage)
                await _note(night, stage, at, said, taken, tell)
        finally:
            await reader.aclose()
        await _close(night, stage)
    return night


async def guarded_night(nodes: Nodes, built: Build, database: OperatorDatabase, tell: Teller) -> Night:
    """On the release, with its keepers; and somebody who asks for every account in every turn all the same."""
    night = Night("guarded")
    plan_for = scenario("incident guarded", storm=True)
    with tempfile.TemporaryDirectory(prefix="truemark-incidents-") as folder:
        async with AsyncRpc(nodes.l2_url) as rpc, nodes.undone():
            stage = await set_up(nodes, rpc, operators(nodes.l2_url), built, plan_for, plan_of(plan_for, night.name))
            database.create(PRICES, stage.zero)
            async with release_keepers(stage, database, Path(folder)) as keepers:
                for at in range(0, END, INTERVAL):
                    await _begin(stage, database, at)
                    said = await keepers.round()
                    await keepers.watch()
                    await keepers.liquidate()
                    taken = await liquidate_everybody(stage)
                    await _note(night, stage, at, said, taken, tell)
            await _close(night, stage)
        night.incidents = [orjson.loads(path.read_bytes()) for path in sorted(Path(folder).glob("*.json"))]
    return night


def problems(bare: Night, guarded: Night) -> list[str]:
    """What did not come out as it must; empty: all did."""
    found = []
    if not bare.liquidated:
        found.append("nobody was liquidated on the venue without guards: the night shows nothing")
    if guarded.liquidated:
        found.append(f"liquidated on the guarded venue: {', '.join(sorted(guarded.liquidated))}")
    if guarded.mode not in ("CancelOnly", "Halted"):
        found.append(f"the guarded venue is {guarded.mode}: the sentinel did not stop it")
    if not any("schema" in cause for cause in causes(guarded)):
        found.append("no incident file names the change of the database as the cause")
    wrong = [
        f"{market} at {turn.at} s is {mark}"
        for turn in guarded.turns
        for market, mark in turn.marks.items()
        if abs(mark - true_price(market, turn.at)) > true_price(market, turn.at) / 100
    ]
    if wrong:
        found.append(f"a mark of the guarded venue was off by more than 1%: {wrong[0]}")
    if not any(turn.said.startswith("3 of 3") for turn in guarded.turns if turn.at > FILLED):
        found.append("the guarded venue's reporters did not come back after the upgrade")
    return found


def causes(night: Night) -> list[str]:
    """What the incident files give as cause, each once."""
    found = [
        str(item["values"]["cause"])
        for incident in night.incidents
        for item in incident["breaks"]
        if "cause" in item["values"]
    ]
    return list(dict.fromkeys(found))


async def _begin(stage: Stage, database: OperatorDatabase, at: int) -> None:
    await stage.move_to(at)
    database.write(phase_at(at), {market: true_price(market, at) for market in PRICES}, stage.zero + at)


async def _note(night: Night, stage: Stage, at: int, said: str, taken: list[str], tell: Teller) -> None:
    marks = {}
    for market in PRICES:
        mark = await stage.oracle.read("mark", stage.market(market))
        marks[market] = from_price(mark["price"]) if mark["price"] else Decimal(0)
    mode = (await stage.clearinghouse.read("mode")).variant
    turn = Turn(at, phase_at(at), said, marks, mode, tuple(dict.fromkeys(taken)))
    night.turns.append(turn)
    tell(night.name, turn)


async def _close(night: Night, stage: Stage) -> None:
    night.liquidated = await liquidated(stage)
    names = {stage.market(market): market for market in PRICES}
    for who, account in stage.accounts.items():
        view = await stage.clearinghouse.read("account", account.address)
        held = sum(
            (from_size(item["size"]) * true_price(names[item["market"]], END - INTERVAL) for item in view["positions"]),
            Decimal(0),
        )
        night.equity[who] = from_collateral(view["collateral"]) + held
