"""The incident as a person replays it: who was liquidated where, who stopped the venue, and what the file says."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest
from truemark_devnet.build import Build
from truemark_devnet.incident.database import operator_database
from truemark_devnet.incident.night import Night, causes, guarded_night, problems, unguarded_night
from truemark_devnet.incident.script import EXPOSED, FILLED, LOCKED, RESET
from truemark_devnet.nodes import running_nodes
from truemark_devnet.postgres_server import find_postgres
from truemark_devnet.scenario.run import node_settings

pytestmark = [pytest.mark.node, pytest.mark.deep]

#: Above what it takes on a machine that does other things too.
PATIENCE = 600

KINDS = [
    pytest.param(True, id="sqlite"),
    pytest.param(
        False,
        id="postgres",
        marks=pytest.mark.skipif(
            find_postgres() is None, reason="no PostgreSQL server on this machine (Debian: apt install postgresql)"
        ),
    ),
]


@pytest.mark.parametrize("sqlite", KINDS)
def test_who_is_liquidated_where(built: Build, sqlite: bool) -> None:
    async def nights() -> tuple[Night, Night]:
        with operator_database(sqlite=sqlite) as database, running_nodes(settings=node_settings()) as nodes:
            bare = await unguarded_night(nodes, built, database, lambda name, turn: None)
            return bare, await guarded_night(nodes, built, database, lambda name, turn: None)

    bare, guarded = asyncio.run(nights())
    assert problems(bare, guarded) == []
    assert bare.liquidated == EXPOSED
    assert guarded.liquidated == frozenset()
    for who in EXPOSED:
        assert bare.equity[who] < guarded.equity[who] * 3 / 4
    assert bare.equity["fern"] == guarded.equity["fern"] == 50_000
    modes = {turn.at: turn.mode for turn in guarded.turns}
    # Open until the very turn in which the database says 0, and closed to new risk from then on.
    assert modes[LOCKED] == "Full"
    assert {mode for at, mode in modes.items() if at >= RESET} == {"CancelOnly"}
    assert {turn.mode for turn in bare.turns} == {"Full"}
    (incident,) = guarded.incidents
    assert incident["rules_broken"] == ["database and mark"]
    assert {item["market"] for item in incident["breaks"]} == set(bare.turns[0].marks)
    assert all(item["values"]["said"] == 0 and item["affected"] for item in incident["breaks"])
    assert causes(guarded) == ["the schema or the server changed"]
    assert guarded.turns[-1].said == "3 of 3 report"
    assert not any(turn.said.startswith("3") for turn in guarded.turns if LOCKED <= turn.at <= FILLED)
    assert not problems(bare, guarded)
    # The other way round nothing is as it must be: the exit code is not for show.
    assert len(problems(guarded, bare)) >= 4


def test_the_command(built: Build, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    command = [sys.executable, "-m", "truemark.cli", "demo-incident", "--sqlite", "--report", str(report)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "the incident file names the cause: the schema or the server changed" in done.stdout
    page = report.read_text()
    assert page.count("<svg") == 6
    assert not re.search(r"(?:src|href|url\()\s*=?\s*[\"'(]?https?:", page)
