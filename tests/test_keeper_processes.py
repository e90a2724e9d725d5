"""`truemark devnet up --keepers 3`: any one of three reporters may be killed and rounds go on; with two dead the venue
stays at its last good marks, turns CancelOnly, and says so."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from truemark.contract import Contract
from truemark.deployment import Deployment
from truemark.rpc import AsyncRpc
from truemark_devnet.accounts import REPORTERS, operators
from truemark_devnet.deploy import open_venue
from truemark_devnet.deploy.venue import account_of
from truemark_devnet.nodes.keepers import look
from truemark_devnet.profile import load_profile

pytestmark = [pytest.mark.node, pytest.mark.deep]

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "keeper" / "keeper.toml"
PROFILES = Path(load_profile.__code__.co_filename).parent / "profiles"
#: Seconds between two rounds, for which a report counts, and without a mark until the venue is CancelOnly.
INTERVAL, FRESH, SILENCE = 3, 9, 12


class Shift:
    """A devnet of its own, driven by the commands that a person types."""

    def __init__(self, home: Path, profile: Path) -> None:
        self.home = home
        self.profile = profile

    async def run(self, *arguments: str, group: str = "devnet", timeout: float = 150) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "truemark.cli", group, *arguments,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            env=os.environ | {"TRUEMARK_HOME": str(self.home), "COLUMNS": "200"},
        )  # fmt: skip
        out, _ = await asyncio.wait_for(process.communicate(), timeout)
        assert process.returncode is not None
        return process.returncode, out.decode()

    async def up(self) -> str:
        code, said = await self.run("up", "--keepers", "3", "--interval", str(INTERVAL), "--profile", str(self.profile))
        assert code == 0, said
        return said

    async def status(self) -> tuple[int, dict[str, Any]]:
        code, said = await self.run("status", "--json")
        return code, json.loads(said)

    def kill(self, role: str) -> None:
        (found,) = [item for item in look(self.home) if item.role == role]
        os.kill(found.pid, signal.SIGKILL)

    def log(self, role: str) -> str:
        return (self.home / "logs" / f"keeper-{role}.log").read_text()


@pytest.fixture
async def shift(tmp_path: Path) -> AsyncIterator[Shift]:
    text = (PROFILES / "default.toml").read_text()
    for before, after in (
        ("max_silence = 120", f"max_silence = {SILENCE}"),
        ("dwell_secs = 60", "dwell_secs = 1"),
        # A dead reporter's last word counts while it is fresh.
        ("max_age = 60", f"max_age = {FRESH}"),
    ):
        assert before in text
        text = text.replace(before, after)
    profile = tmp_path / "short.toml"
    profile.write_text(text)
    found = Shift(tmp_path / "home", profile)
    try:
        yield found
    finally:
        await found.run("down")


async def accepted(oracle: Contract, seconds: float) -> list[int]:
    """The times at which marks were accepted meanwhile, seconds."""
    times: list[int] = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        at = await oracle.read("last_accepted_at")
        if not times or times[-1] != at:
            times.append(at)
        await asyncio.sleep(0.25)
    return times


async def test_any_reporter_may_die_and_two_dead_ones_are_told_of(shift: Shift) -> None:
    assert "reporter-1, reporter-2, reporter-3, liquidator, sentinel started" in await shift.up()
    deployment = Deployment.load(shift.home / "deployment.json")
    keys = operators(deployment.l2_rpc)
    async with AsyncRpc(deployment.l2_rpc) as rpc:
        oracle = Contract.of(rpc, deployment.address("Oracle"), "Oracle")
        clearinghouse = Contract.of(rpc, deployment.address("Clearinghouse"), "Clearinghouse")
        await accepted(oracle, 2 * INTERVAL)
        admin = account_of(rpc, keys["admin"], deployment.l2_chain_id)
        await open_venue(rpc, deployment, admin, wait=lambda seconds: asyncio.sleep(seconds + 1))
        code, before = await shift.status()
        assert (code, before["venue"]["mode"]) == (0, "Full"), before
        assert {item["state"] for item in before["keepers"].values()} == {"working"}
        # Each has its own account and its own prices.
        assert len({keys[role].address for role in REPORTERS}) == 3
        settings = [(shift.home / "keepers" / f"{role}.toml").read_text() for role in REPORTERS]
        assert [text.split("reporter = ")[1][0] for text in settings] == ["1", "2", "3"]

        for victim in REPORTERS:
            shift.kill(victim)
            times = await accepted(oracle, 3 * INTERVAL + 1)
            gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
            assert len(gaps) >= 2
            assert max(gaps) <= 2 * INTERVAL, (victim, times)
            assert {item.role for item in look(shift.home) if item.state != "working"} == {victim}
            if victim == REPORTERS[-1]:
                # It is not needed any more: one that is alone is no quorum.
                break
            assert f"keepers: {victim} started" in await shift.up()

        shift.kill(REPORTERS[0])
        await asyncio.sleep(FRESH + INTERVAL)
        marks = [await oracle.read("mark", market.index) for market in deployment.markets.values()]
        await asyncio.sleep(SILENCE + 2 * INTERVAL)
        assert (await clearinghouse.read("mode")).variant == "CancelOnly"
        after = [await oracle.read("mark", market.index) for market in deployment.markets.values()]
        assert [(mark["price"], mark["accepted_at"]) for mark in after] == [
            (mark["price"], mark["accepted_at"]) for mark in marks
        ]
        code, said = await shift.run("status")
        assert code == 1
        assert "no mark was accepted for" in said
        assert "CancelOnly at its last good marks" in said
        # So do those who are left.
        assert "WARNING no new mark noquorum=6" in shift.log("reporter-2")
        assert "WARNING the venue's mode from=Full to=CancelOnly" in shift.log("sentinel")
        await the_shipped_example_takes_its_place(shift, oracle)


async def the_shipped_example_takes_its_place(shift: Shift, oracle: Contract) -> None:
    """The file as it is shipped is reporter-1's, on this very deployment: with it there is a quorum again."""
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", 9464)) == 0:
            pytest.skip("another program listens on 9464, the port of the shipped example")
    code, said = await shift.run("check", "--config", str(EXAMPLE), group="keeper")
    assert code == 0, said
    silent = await oracle.read("last_accepted_at")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "truemark.cli", "keeper", "run", "--config", str(EXAMPLE)),
        env=os.environ | {"TRUEMARK_HOME": str(shift.home)},
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(60):
            while await oracle.read("last_accepted_at") == silent:
                assert process.returncode is None
                await asyncio.sleep(0.25)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 30) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
