"""`truemark index` and `truemark diff` as a person runs them, and as a machine kills them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from truemark.cli import main
from truemark.index import Follower, Index
from truemark.rpc import AsyncRpc

from .conftest import STRK, Devnet
from .contents import built_from_nothing, contents

pytestmark = pytest.mark.node


def command(*arguments: str, home: Path) -> list[str]:
    return [sys.executable, "-m", "truemark.cli", *arguments, "--db", str(home / "index.sqlite")]


def environment(home: Path) -> dict[str, str]:
    return {**os.environ, "TRUEMARK_HOME": str(home)}


@pytest.fixture
def said(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """What a command prints, run in this process."""
    monkeypatch.setenv("TRUEMARK_HOME", str(tmp_path))

    def run(*arguments: str) -> str:
        code = main([*arguments, "--db", str(tmp_path / "index.sqlite")])
        out = capsys.readouterr()
        assert code == 0, out.err
        return out.out

    return run


def highest(home: Path) -> int:
    if not (home / "index.sqlite").exists():
        return -1
    with Index.open(home / "index.sqlite") as index:
        head = index.head()
    return -1 if head is None else head.number


def run_and_kill(devnet: Devnet, home: Path) -> int:
    """Kills it once it has written something; the block that it had come to."""
    run = command("index", "run", "--poll", "0.05", "--rpc", devnet.url, home=home)
    process = subprocess.Popen(run, stdout=subprocess.DEVNULL, env=environment(home))
    give_up = time.monotonic() + 60
    while highest(home) < 1:
        assert time.monotonic() < give_up
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return highest(home)


async def test_what_is_killed_goes_on_where_it_was(devnet: Devnet, tmp_path: Path) -> None:
    for _ in range(150):
        devnet.empty()
    for _ in range(10):
        devnet.mint()
    killed_at = run_and_kill(devnet, tmp_path)
    devnet.abort(155)
    devnet.mint(0x77, 3)
    with Index.open(tmp_path / "index.sqlite") as index:
        async with AsyncRpc(devnet.url, timeout=60) as rpc:
            assert await Follower(rpc, index).backfill() == 155
        assert 1 <= killed_at <= 160
        assert contents(index) == await built_from_nothing(devnet.url, tmp_path / "fresh.sqlite")


def test_run_status_and_diff_say_what_is_there(devnet: Devnet, said: Callable[..., str]) -> None:
    devnet.mint(0x77, 5)
    devnet.write(7, 8)
    devnet.empty()
    assert said("index", "run", "--once", "--rpc", devnet.url).strip() == "the index is at block 2"
    devnet.abort(2)
    devnet.write(7, 9)
    devnet.empty()
    (change,) = json.loads(said("diff", "1", "2", "--rpc", devnet.url, "--json"))
    assert change == {
        "part": "storage",
        "address": hex(STRK),
        "contract": None,
        "key": "0x7",
        "variable": None,
        "account": None,
        "before": None,
        "after": "0x9",
    }
    assert "0x9" in said("diff", "1", "2", "--rpc", devnet.url)
    status = json.loads(said("index", "status", "--rpc", devnet.url, "--json"))
    assert (status["block"], status["chain"], status["behind"]) == (2, 2, 0)
    assert (status["rollbacks"], status["orphaned_blocks"], status["writes_by_no_transaction"]) == (1, 1, 1)


def test_ctrl_c_ends_it_in_order(devnet: Devnet, tmp_path: Path) -> None:
    run = command("index", "run", "--rpc", devnet.url, home=tmp_path)
    process = subprocess.Popen(run, stdout=subprocess.PIPE, text=True, env=environment(tmp_path))
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "the index is at block 0"
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    process.stdout.close()


def test_watch_says_blocks_rollbacks_and_unexplained_writes_as_they_come(devnet: Devnet, tmp_path: Path) -> None:
    devnet.mint()
    run = command("watch", "--poll", "0.05", "--rpc", devnet.url, home=tmp_path)
    process = subprocess.Popen(run, stdout=subprocess.PIPE, text=True, env=environment(tmp_path))
    assert process.stdout is not None
    try:
        assert process.stdout.readline().strip() == "the index is at block 1"
        devnet.mint()
        assert process.stdout.readline().strip() == "block 2: 1 transactions, 2 events"
        devnet.write(7, 8)
        devnet.empty()
        assert process.stdout.readline().strip() == "block 3: 0 transactions, 0 events, 1 WRITES BY NO TRANSACTION"
        assert process.stdout.readline().split()[1:] == ["0x7", "=", "0x8"]
        devnet.abort(2)
        assert process.stdout.readline().startswith("rolled back: blocks 2 to 3 (")
        devnet.mint(0x78)
        assert process.stdout.readline().strip() == "block 2: 1 transactions, 2 events"
    finally:
        process.send_signal(signal.SIGINT)
        process.stdout.close()
        assert process.wait(30) == 0
