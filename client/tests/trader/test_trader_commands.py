"""The commands that trade and move money, without nodes: what is typed wrongly opens nothing, whose key signs, and one
movement that cannot end holds up no other."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from truemark import cli
from truemark._portal import PORTAL
from truemark.deployment import Deployment
from truemark.keys import LocalEthSigner, StarkKey
from truemark.trader import Flow, FlowFailed, Trader
from truemark.trader.flows import Kind

ETH_KEY = "0x" + "11" * 32
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command; exit code, stdout, stderr."""
    monkeypatch.setenv("TRUEMARK_HOME", str(tmp_path))
    for name in ("TRUEMARK_DEPLOYMENT", "TRUEMARK_ETH_KEY", "TRUEMARK_KEYSTORE", "TRUEMARK_VENUE"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = cli.main(arguments)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def connected(
    make_stage: Any, deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., list[dict[str, Any]]]:
    """From now on commands work with a trader without nodes; with which key they opened it."""

    def connect(**options: Any) -> list[dict[str, Any]]:
        deployment.save(tmp_path / "deployment.json")
        trader, opened = make_stage(journal=tmp_path / "journal", **options).trader, []

        def open_it(where: Deployment, key: Any, **named: Any) -> Trader:
            opened.append({"key": key, **named})
            return Trader(trader)

        monkeypatch.setattr(Trader, "connect", open_it)
        return opened

    return connect


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("account withdraw 1 --from pocket", "'pocket' is not one of 'wallet', 'margin'"),
        ("account deposit 1 --to pocket", "'pocket' is not one of 'wallet', 'margin', 'vault'"),
        ("vault deposit 1 --from vault", "'vault' is not one of 'wallet', 'margin'"),
        ("account register-key zz", "'zz' is not hexadecimal"),
        ("account register-key 0x5 --days 0", "greater than or equal to"),
        ("trade buy BTC-USD-PERP 1 --time-in-force never", "'never' is not one of 'gtc', 'ioc', 'fok'"),
        ("trade orders --account zz", "'zz' is not hexadecimal"),
        ("trade candles BTC-USD-PERP --interval 7", "'7' is no width of a candle, seconds: 60, 300,"),
    ],
)
def test_what_is_typed_wrongly_is_named_before_anything_is_opened(run: Run, arguments: str, says: str) -> None:
    code, out, err = run(*arguments.split())
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert says in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("trade modify mine", "nothing is to be changed"),
        ("trade buy BTC-USD-PERP 1 --stop-loss 5 --take-profit 6", "one of --stop-loss and --take-profit"),
    ],
)
def test_what_contradicts_itself_is_not_asked_about(
    run: Run, connected: Any, monkeypatch: pytest.MonkeyPatch, arguments: str, says: str
) -> None:
    connected()
    monkeypatch.setenv("TRUEMARK_ETH_KEY", ETH_KEY)
    code, _, err = run(*arguments.split())
    assert (code, says in err) == (2, True)


def test_money_moves_for_the_account_of_the_key_that_is_named(
    run: Run, connected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = connected()
    code, _, err = run("account", "movements")
    assert (code, "no key: set $TRUEMARK_ETH_KEY, or name a keystore" in err) == (1, True)
    monkeypatch.setenv("TRUEMARK_ETH_KEY", ETH_KEY)
    assert run("account", "movements")[0] == 0
    assert isinstance(opened.pop()["key"], LocalEthSigner)
    # What opens the file takes seconds, on purpose, and has tests of its own.
    monkeypatch.setattr("truemark.keys.keystore.load", lambda path, password: StarkKey(5))
    monkeypatch.setenv("TRUEMARK_KEYSTORE", "key.json")
    monkeypatch.setenv("PASSWORD", "horse")
    # Every one of them: a deposit goes to the account that the others show.
    for command in ("account movements", "account deposit 0 --yes", "account withdraw 0 --yes", "vault redeem 0 --yes"):
        run(*command.split(), "--password-env", "PASSWORD")
        assert (opened[-1]["key"], opened[-1]["l1"]) == (StarkKey(5), ETH_KEY), command
    assert len(opened) == 4


@pytest.mark.parametrize("command", ["deposit 5", "withdraw 5 --to 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"])
def test_without_a_key_for_l1_nothing_is_begun(
    run: Run, connected: Any, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    opened = connected(l1=None)
    monkeypatch.setattr("truemark.keys.keystore.load", lambda path, password: StarkKey(5))
    monkeypatch.setenv("PASSWORD", "horse")
    key = ("--keystore", "key.json", "--password-env", "PASSWORD")
    monkeypatch.setenv("TRUEMARK_ETH_KEY", "")
    code, _, err = run("account", *command.split(), "--yes", *key)
    assert (code, "no key for L1: set $TRUEMARK_ETH_KEY as well" in err) == (1, True)
    assert json.loads(run("account", "movements", "--all", "--json", *key)[1]) == []
    assert [one["l1"] for one in opened] == [None, None], "a variable that is empty is none"


def test_one_movement_that_cannot_end_holds_up_no_other(
    run: Run, connected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected()
    monkeypatch.setenv("TRUEMARK_ETH_KEY", ETH_KEY)
    assert json.loads(run("account", "resume", "--json")[1]) == []
    for command in ("vault deposit 1", "vault deposit 2", "vault deposit 3"):
        code, _, err = run(*command.split(), "--timeout", "0", "--yes")
        assert code == 1, err
    under_way = json.loads(run("account", "movements", "--json")[1])
    assert len(under_way) == 3

    async def finish(self: Flow, *_: Any) -> str:
        if self.id == under_way[0]["id"]:
            raise FlowFailed(Kind.VAULT_DEPOSIT, self.id, "VAULT: closed")
        return "bought"

    monkeypatch.setattr("truemark.trader.trader.SyncFlow.run", lambda flow, *rest: PORTAL.run(finish(flow._twin)))
    code, out, err = run("account", "resume", "--json")
    assert (code, f"vault-deposit {under_way[0]['id']} failed: VAULT: closed" in err) == (1, True)
    assert [(one["id"], one["outcome"]) for one in json.loads(out)] == [(one["id"], "bought") for one in under_way[1:]]
    code, out, _ = run("account", "resume", under_way[1]["id"], "--json")
    assert (code, json.loads(out)["outcome"]) == (0, "bought")
