"""`truemark trade`, `account` and `vault` on real nodes and the venue: tables, JSON, questions, one-line errors."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from truemark.cli import main

from tests.house import BTC, House, eth_key
from tests.venue_server import served_venue

pytestmark = [pytest.mark.node, pytest.mark.deep]


@pytest.fixture
async def run(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[Callable[..., Any]]:
    """Runs a command as alice; exit code, JSON or text, stderr."""
    monkeypatch.setenv("TRUEMARK_HOME", str(tmp_path))
    monkeypatch.setenv("TRUEMARK_ETH_KEY", eth_key("alice").hex())
    monkeypatch.setenv("BOB", eth_key("bob").hex())
    monkeypatch.delenv("TRUEMARK_DEPLOYMENT", raising=False)
    monkeypatch.setenv("COLUMNS", "250")
    async with served_venue(house.deployment, tmp_path / "venue.sqlite3") as served:
        replace(house.deployment, venue_url=served.url).save(tmp_path / "deployment.json")

        async def run(*arguments: str) -> tuple[int, Any, str]:
            capsys.readouterr()
            code = await asyncio.to_thread(main, arguments)
            said = capsys.readouterr()
            return code, json.loads(said.out) if "--json" in arguments and code == 0 else said.out, said.err

        yield run


async def test_an_order_from_the_terminal_to_the_position(run: Any) -> None:
    code, out, _ = await run("trade", "markets")
    assert code == 0
    assert BTC in out
    code, out, err = await run("trade", "buy", BTC, "0.2", "--price", "95470")
    assert (code, "Nobody is there to be asked" in err, err.count("\n")) == (1, True, 1)
    code, placed, _ = await run(
        "trade", "buy", BTC, "0.2", "--price", "95470", "--client-order-id", "mine", "--yes", "--json"
    )
    assert (placed["state"], placed["client_order_id"], placed["size"]) == ("open", "mine", "0.2")
    assert "signed" not in placed
    code, out, _ = await run("trade", "book", BTC)
    assert "95470" in out
    code, sold, _ = await run("trade", "sell", BTC, "0.1", "--yes", "--json", "--eth-key-env", "BOB")
    assert (sold["state"], sold["filled"]) == ("filled", "0.1")
    (position,) = (await run("trade", "positions", "--json"))[1]
    assert (position["market"], position["size"]) == (BTC, "0.1")
    (fill,) = (await run("trade", "fills", "--json"))[1]
    assert (fill["price"], fill["tx_hash"][:2]) == ("95470", "0x")
    (one,) = (await run("trade", "watch", BTC, "--count", "1"))[1].splitlines()
    assert "bid 95470" in one
    code, changed, _ = await run("trade", "modify", "mine", "--size", "0.15", "--yes", "--json")
    assert changed["open"] == "0.05"
    code, out, _ = await run("trade", "orders")
    assert "mine" in out
    assert (await run("trade", "cancel", "mine", "--json"))[1]["state"] == "cancelled"
    assert "no open order" in (await run("trade", "orders"))[1]
    for arguments, says in (
        (("trade", "buy", BTC, "0.00005", "--price", "95470", "--yes"), "no multiple of"),
        (("trade", "buy", BTC, "100", "--price", "95470", "--yes"), "MARGIN: initial margin does not carry it"),
        (("trade", "cancel", "never"), "UNKNOWN_ORDER"),
        (("trade", "book", "LUNA-USD-PERP"), "UNKNOWN_MARKET"),
        (("trade", "orders", "--eth-key-env", "NOBODY"), "no key: set $NOBODY"),
    ):
        code, _, err = await run(*arguments)
        assert (code, err.count("\n"), says in err) == (1, 1, True), err


async def test_money_from_the_terminal_goes_in_out_and_into_the_vault(
    run: Any, house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await run("account", "onboard", "--json"))[1]["registered"] is False
    assert (await run("account", "faucet", "70", "--json"))[1]["l1"] == "70"

    async def flushing(*arguments: str) -> tuple[int, Any, str]:
        """With the relay at work."""
        running = asyncio.create_task(run(*arguments))
        while not running.done():
            await house.nodes.flush()
            await asyncio.wait([running], timeout=0.3)
        return running.result()

    code, out, _ = await flushing("account", "deposit", "50", "--yes")
    assert code == 0
    assert "done: 50.000000 USD from L1 to the margin: credited" in out
    # Given up on, it is under way still; resumed, it is paid once.
    code, _, err = await run("account", "withdraw", "20", "--yes", "--timeout", "0.1")
    assert (code, "waits for L1 to know it" in err) == (1, True)
    (waiting,) = (await run("account", "movements", "--json"))[1]
    assert (waiting["kind"], waiting["step"]) == ("withdrawal", "registered")
    code, out, _ = await flushing("account", "resume", waiting["id"])
    assert (code, "paid" in out) == (0, True)
    code, found, _ = await run("account", "balances", "--json")
    assert (found["l1"], found["margin"]) == ("40", "10030")
    assert "nothing is under way" in (await run("account", "movements"))[1]

    assert (await run("vault", "deposit", "30", "--yes", "--json"))[1]["outcome"]["shares"] == "30"
    assert (await run("vault", "redeem", "10", "--yes", "--json"))[1]["step"] == "locked"
    assert (await run("vault", "redemptions", "--json"))[1][0]["shares"] == "10"
    assert [one["kind"] for one in (await run("account", "transfers", "--json"))[1]][-1] == "withdrawal"
    (key,) = (await run("account", "keys", "--json"))[1]
    code, out, _ = await run("account", key["public_key"][:2] + "0" * 60)
    assert (code, "no open position" in out) == (0, True)

    monkeypatch.setenv("PASSWORD", "correct horse")
    made = (await run("account", "new", str(tmp_path / "bot.json"), "--password-env", "PASSWORD", "--json"))[1]
    assert (await run("account", "register-key", made["public_key"], "--days", "1", "--yes"))[0] == 0
    account = (await run("account", "onboard", "--json"))[1]["address"]
    bot = ("--keystore", str(tmp_path / "bot.json"), "--password-env", "PASSWORD", "--account", account)
    assert (await run("trade", "buy", BTC, "0.1", "--price", "95000", "--yes", "--json", *bot))[1]["state"] == "open"
    code, _, err = await run("account", "withdraw", "1000000", "--yes")
    assert (code, err.count("\n"), "MARGIN: below initial" in err) == (1, 1, True)


def test_the_shell_completes_commands_and_markets(house: House, tmp_path: Path) -> None:
    house.deployment.save(tmp_path / "deployment.json")

    def complete(line: str) -> set[str]:
        words = line.split(" ")
        found = subprocess.run(
            [Path(sys.executable).with_name("truemark")],
            env={
                **os.environ,
                "_TRUEMARK_COMPLETE": "complete_bash",
                "COMP_WORDS": line,
                "COMP_CWORD": str(len(words) - 1),
                "TRUEMARK_DEPLOYMENT": str(tmp_path / "deployment.json"),
            },
            capture_output=True,
            text=True,
            timeout=60,
        )
        return set(found.stdout.split())

    assert {"trade", "account", "vault"} <= complete("truemark ")
    assert complete("truemark trade ca") == {"candles", "cancel", "cancel-all"}
    assert complete("truemark trade buy B") == {BTC}
