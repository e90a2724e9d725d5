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

from ..own_devnet import STRK, Devnet
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
        "before_shown": None,
        "after_shown": None,
    }
    assert said("diff", "1", "2", "--rpc", devnet.url).split()[-3:] == ["0x7", "-", "9"]
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


def test_what_the_index_knows_is_shown_in_tables_and_as_json(
    devnet: Devnet, said: Callable[..., str], tmp_path: Path
) -> None:
    node = ("--rpc", devnet.url)
    devnet.mint(0x1234, 5)
    devnet.write(2**200, 9)
    devnet.empty()
    tx_hash = devnet.call("starknet_getBlockWithTxHashes", block_id={"block_number": 1})["transactions"][0]
    assert json.loads(said("search", "0x1234", "--json", *node))[0]["kind"] == "contract"
    assert "Transfer" in said("search", "transfer", *node)
    assert "nothing is found" in said("search", "nobody", *node)
    page = json.loads(said("events", "--name", "Transfer", "--account", "0x1234", "--json", *node))
    assert [row["fields"]["value"] for row in page["rows"]] == ["5"]
    assert "Transfer" in said("events", "--contract", hex(STRK), "--limit", "1", *node)
    moved = json.loads(said("transfers", "--account", "0x1234", "--json", *node))["rows"]
    assert [(row["symbol"], row["to"], row["amount"]) for row in moved] == [("STRK", "0x1234", "5")]
    assert "0.000000000000000005" in said("transfers", "--account", "0x1234", *node)
    full = json.loads(said("tx", tx_hash, "--full", "--json", *node))
    assert full["call_tree"][0]["calls"][0]["function"] == "permissioned_mint"
    assert "ERC20_balances[0x1234].low" in {write["variable"] for write in full["writes"]}
    assert "permissioned_mint(" in said("tx", tx_hash, "--full", *node)
    assert json.loads(said("diff", "0", "2", "--account", "0x1234", "--json", *node))[0]["after"] == "0x5"
    assert "nothing was rolled back" in said("orphans", *node)
    devnet.abort(2)
    devnet.mint()
    (orphan,) = json.loads(said("orphans", "--json", *node))
    assert (orphan["block"], len(orphan["new"])) == (2, 1)
    assert "nothing is" not in said("orphans", *node)
    assert json.loads(said("health", "--json", *node))["index"]["state"] == "ok"
    out = tmp_path / "events.csv"
    assert "4 rows" in said("export", "events", str(out), *node)
    assert out.read_text().count("Transfer") == 4
    assert "whole from block 2 on" in said("index", "prune", "--keep", "1", "--shrink", *node)


def test_a_backup_is_restored_by_command(devnet: Devnet, said: Callable[..., str], tmp_path: Path) -> None:
    devnet.mint()
    node = ("--rpc", devnet.url)
    said("index", "run", "--once", *node)
    assert "2 blocks" in said("index", "backup", str(tmp_path / "backup.sqlite"), *node)
    for file in tmp_path.glob("index.sqlite*"):
        file.unlink()
    assert said("index", "restore", str(tmp_path / "backup.sqlite"), *node) == "2 blocks\n"
    assert highest(tmp_path) == 1


BIG = "99999999999999999999999"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("events", "--cursor", "1.2.²"), "no cursor of this list"),
        (("events", "--cursor", f"{BIG}.1.1"), "no cursor of this list"),
        (("transfers", "--cursor", "1"), "no cursor of this list"),
        (("events", "--from", BIG), "'--from'"),
        (("export", "blocks", "x.csv", "--to", BIG), "'--to'"),
        (("diff", BIG, "1"), f"the index has no block {BIG}"),
        (("diff", "--", "-1", "1"), "the index has no block -1"),
    ],
)
def test_what_can_be_no_place_in_a_chain_is_refused_by_name(
    arguments: tuple[str, ...], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--db", str(tmp_path / "index.sqlite"), "--rpc", "http://127.0.0.1:1"]
    code = main([arguments[0], *place, *arguments[1:]])
    said = capsys.readouterr().err
    assert code in (1, 2)
    assert says in said
    assert "internal error" not in said
