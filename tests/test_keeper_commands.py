"""`truemark keeper` on a real venue: the shipped example starts as it is, and tells what it sees before it sends."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from pathlib import Path

import httpx
import pytest
from truemark_devnet.accounts import REPORTERS
from truemark_devnet.demo.plan import TABLE
from truemark_devnet.local import run_keepers
from truemark_devnet.nodes.keepers import FOLDER, begun, write_admin
from truemark_keeper.checking import Grade, check
from truemark_keeper.config import load
from truemark_keeper.sources.table import BadTable

from tests.house import BTC, House

pytestmark = pytest.mark.node

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "keeper" / "keeper.toml"
PORT = 9464


@pytest.fixture
def manifest(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "deployment.json"
    house.deployment.save(path)
    monkeypatch.setenv("TRUEMARK_DEPLOYMENT", str(path))
    return path


async def command(*arguments: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "truemark.cli", "keeper", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env=os.environ | {"COLUMNS": "160"},
    )  # fmt: skip
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, out.decode()


@pytest.mark.usefixtures("manifest")
async def test_the_shipped_example_starts_unchanged_and_stops_when_told(house: House) -> None:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", PORT)) == 0:
            pytest.skip(f"another program listens on {PORT}")
    before = await house.account("reporter-1").nonce()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "truemark.cli", "keeper", "run", "--config", str(EXAMPLE),
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(60), httpx.AsyncClient(trust_env=False) as client:
            while True:
                await asyncio.sleep(0.2)
                assert process.returncode is None
                try:
                    if (await client.get(f"http://127.0.0.1:{PORT}/readyz")).status_code == 200:
                        break
                except httpx.TransportError:
                    continue
            metrics = (await client.get(f"http://127.0.0.1:{PORT}/metrics")).text
        assert 'truemark_keeper_transactions_total{outcome="succeeded"}' in metrics
        assert await house.account("reporter-1").nonce() > before
        process.send_signal(signal.SIGTERM)
        _, err = await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode == 0
        assert b"INFO stopped" in err
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.usefixtures("manifest")
async def test_a_check_tries_everything_and_sends_nothing(house: House, tmp_path: Path) -> None:
    number = await house.rpc.call("starknet_blockNumber")
    findings = {item.what: item for item in await check(load(EXAMPLE))}
    for what in ("deployment", "account", "fees", "reporter", "source replay:1", BTC):
        assert findings[what].grade is Grade.GOOD, findings[what]
    # The venue's time is that of January here.
    assert findings["node"].grade is Grade.DOUBTFUL
    assert await house.rpc.call("starknet_blockNumber") == number

    # Another's key, and no seat at the oracle.
    for name in ("devnet-password", "devnet-reporter-1.json"):
        (tmp_path / name).write_bytes((EXAMPLE.parent / name).read_bytes())
    text = EXAMPLE.read_text().replace("../../devnet", str(EXAMPLE.parents[2] / "devnet"))
    other = tmp_path / "keeper.toml"
    other.write_text(text.replace('account = "reporter-1"', 'account = "liquidator"').replace("port =", "# port ="))
    code, said = await command("check", "--config", str(other))
    assert code == 1
    assert "obeys" in said
    assert "1 of " in said
    other.write_text(text.replace('"first"', '"recorded"').replace("port =", "# port ="))
    code, said = await command("check", "--config", str(other))
    assert code == 1
    assert "is outside the table" in said


@pytest.mark.usefixtures("manifest")
async def test_watch_shows_who_is_near_the_line(house: House) -> None:
    async with (
        house.gateway() as gateway,
        house.trader("alice", gateway) as alice,
        house.trader("bob", gateway) as bob,
    ):
        price = (await alice.mark(BTC)).price
        await alice.place(BTC, "sell", "1.5", price, post_only=True)
        await bob.settled(await bob.place(BTC, "buy", "1.5", price), timeout=10)
        address = bob.address
    code, said = await command("watch", "--once", "--most", "1")
    assert code == 0
    assert BTC in said
    assert "95,475" in said
    code, said = await command("watch", "--once", "--config", str(EXAMPLE))
    assert code == 0
    assert f"{address:#x}"[:14] in said, said
    # The recorded day's first price is not far from the listing's.
    assert "agrees" in said


async def test_recovery_gets_the_admins_settings(house: House, manifest: Path) -> None:
    since = begun(manifest.parent / FOLDER, TABLE)
    path = write_admin(manifest, house.roles["admin"], TABLE, since)
    # Cut short between the two files, and begun again.
    path.unlink()
    assert write_admin(manifest, house.roles["admin"], TABLE, since) == path
    findings = {item.what: item for item in await check(load(path))}
    for what in ("deployment", "account", "fees", "source replay:1", BTC):
        assert findings[what].grade is Grade.GOOD, findings[what]


def test_recorded_prices_go_on_and_begin_again_once_they_are_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hour = tmp_path / "hour.csv"
    hour.write_text("holds_at,BTC-USD-PERP:1\n2026-01-18T23:00:00Z,95000\n2026-01-19T00:00:00Z,93000\n")
    now = begun(tmp_path, hour)
    monkeypatch.setattr(time, "time", lambda: now + 3_599)
    assert begun(tmp_path, hour) == now
    monkeypatch.setattr(time, "time", lambda: now + 3_600)
    assert begun(tmp_path, hour) == now + 3_600


async def test_for_prices_that_cannot_be_read_nothing_is_written(manifest: Path) -> None:
    (manifest.parent / "day.csv").write_text("holds_at,BTC-USD-PERP:1\nnever,1\n")
    there = set(manifest.parent.iterdir())
    for name in ("day.csv", "none.csv"):
        with pytest.raises(BadTable, match=name):
            await run_keepers(manifest, asyncio.Event(), interval=1.0, replay=manifest.parent / name)
    assert set(manifest.parent.iterdir()) == there


@pytest.mark.deep
async def test_a_local_venue_gets_reporters_a_liquidator_and_a_sentinel(
    house: House, manifest: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="truemark_keeper")
    before = {role: await house.account(role).nonce() for role in REPORTERS}
    stop = asyncio.Event()
    running = asyncio.create_task(run_keepers(manifest, stop, interval=1.0))
    try:
        async with asyncio.timeout(60):
            for role in REPORTERS:
                while await house.account(role).nonce() == before[role]:
                    assert not running.done()
                    await asyncio.sleep(0.2)
            while "the venue's mode" not in caplog.messages:
                assert not running.done()
                await asyncio.sleep(0.2)
    finally:
        stop.set()
        await running
    roles = [record.__dict__["roles"] for record in caplog.records if record.message == "running"]
    assert sorted(roles) == ["liquidator", "reporter", "reporter", "reporter", "sentinel"]
    assert not (manifest.parent / "keepers" / "incidents").exists()
