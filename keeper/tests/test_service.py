"""The keeper's loop: it survives what passes, stops when told, and does not hide a fault of its own."""

from __future__ import annotations

import asyncio
import io
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from truemark.cli import main
from truemark.deployment import Deployment
from truemark.rpc import NodeUnavailable
from truemark_keeper import logs
from truemark_keeper.building import build_sources, replay_source
from truemark_keeper.config import BadConfig, KeeperConfig, ReplaySettings
from truemark_keeper.judging import Rules
from truemark_keeper.keystore import KeySource
from truemark_keeper.liquidator import Liquidator, Sweep
from truemark_keeper.opinion import MarketRules, Opinion
from truemark_keeper.reporter import Reporter, Round
from truemark_keeper.service import Keeper, own_price, resolve_account
from truemark_keeper.sources import SourceError, http_client

TABLE = "holds_at,BTC-USD-PERP:1,ETH-USD-PERP:1\n2026-01-18T23:00:00Z,100,10\n2026-01-19T00:00:00Z,200,20\n"
START = 1_768_777_200
Work = Callable[[], Awaitable[None]]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "day.csv"
    path.write_text(TABLE)
    return path


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.setup(stream=stream)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)


class Stub:
    """A reporter and a liquidator whose turns are given."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def round(self, now: int, timeout: float) -> Round:
        await self._work()
        return Round(now, (), (), None)

    async def once(self, timeout: float) -> Sweep:
        await self._work()
        return Sweep(0)


async def idle() -> None:
    return


def keeper_of(report: Work, liquidate: Work = idle, *, grace: float = 1.0) -> Keeper:
    config = KeeperConfig(
        Path("deployment.json"), "0x1", KeySource(key_env="X"), (ReplaySettings(Path("day.csv")),), interval=0.01
    )
    return Keeper(config, cast(Reporter, Stub(report)), cast(Liquidator, Stub(liquidate)), grace=grace)


def run(keeper: Keeper, seconds: float = 0.1) -> float:
    """Seconds that it took to stop after it was told to."""

    async def inside() -> float:
        stop = asyncio.Event()
        task = asyncio.create_task(keeper.run(stop))
        await asyncio.wait([task], timeout=seconds)
        stop.set()
        told = time.monotonic()
        await task
        return time.monotonic() - told

    return asyncio.run(inside())


def test_both_roles_take_turns_until_told_to_stop(logged: io.StringIO) -> None:
    turns = {"report": 0, "liquidate": 0}

    def count(role: str) -> Work:
        async def work() -> None:
            turns[role] += 1

        return work

    assert run(keeper_of(count("report"), count("liquidate"))) < 0.5
    assert turns["report"] > 2
    assert turns["liquidate"] > 2
    assert "INFO running roles=reporter+liquidator interval=0.01" in logged.getvalue()
    assert logged.getvalue().endswith("INFO stopped\n")


@pytest.mark.parametrize("error", [SourceError("no price"), NodeUnavailable("no node"), TimeoutError()])
def test_what_passes_is_logged_and_tried_again(logged: io.StringIO, error: Exception) -> None:
    turns = []

    async def fail() -> None:
        turns.append(1)
        raise error

    run(keeper_of(fail))
    assert len(turns) > 2
    assert f"ERROR failed role=reporter error={str(error) or 'TimeoutError'}\n" in logged.getvalue()


def test_a_fault_of_ours_ends_everything_and_is_raised() -> None:
    async def fault() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(keeper_of(fault), seconds=5)


def test_a_turn_under_way_is_finished(logged: io.StringIO) -> None:
    done = []

    async def slow() -> None:
        await asyncio.sleep(0.3)
        done.append(1)

    run(keeper_of(slow))
    assert done == [1]
    assert "given up" not in logged.getvalue()


def test_a_turn_that_does_not_end_is_given_up(logged: io.StringIO) -> None:
    async def stuck() -> None:
        await asyncio.sleep(60)

    assert run(keeper_of(stuck, grace=0.05)) < 1
    assert "WARNING given up while it was at work role=reporter" in logged.getvalue()


@pytest.mark.parametrize(
    ("start", "now", "price"),
    [
        ("recorded", START + 1800, 150),
        ("first", 5_000, 100),
        ("2026-01-18T23:30:00Z", 5_000, 150),
        ("2026-01-19T00:30:00+01:00", 5_000, 150),
    ],
)
def test_a_replay_starts_where_it_is_told(table: Path, start: str, now: int, price: int) -> None:
    source = replay_source(ReplaySettings(table, start=start), now)
    (quote,) = asyncio.run(source.quotes(["BTC-USD-PERP"], now))
    assert quote.price == price * 10**8


@pytest.mark.parametrize("start", ["yesterday", "2026-01-18T23:30:00", "2026-13-01T00:00:00Z"])
def test_a_start_that_is_no_time_is_named(table: Path, start: str) -> None:
    with pytest.raises(BadConfig, match=start):
        replay_source(ReplaySettings(table, start=start), 0)


async def test_the_own_price_is_the_sources_and_none_where_it_is_silent(table: Path) -> None:
    async def no_mark(market: str) -> int | None:
        return None

    def opinion(settings: ReplaySettings) -> Opinion:
        return Opinion(build_sources([settings], http, no_mark), default=MarketRules(Rules(min_groups=1)))

    async with http_client() as http:
        price = own_price(opinion(ReplaySettings(table, start="first")))
        assert await price("ETH-USD-PERP") in range(10 * 10**8, 10 * 10**8 + 10**8)
        assert await price("DOGE-USD-PERP") is None
        # The table's own times are long past.
        assert await own_price(opinion(ReplaySettings(table)))("ETH-USD-PERP") is None


def test_an_account_is_an_operator_or_an_address() -> None:
    deployment = cast(Deployment, type("Manifest", (), {"operators": {"reporter-1": 7}})())
    assert resolve_account("reporter-1", deployment) == 7
    assert resolve_account("0xabc", deployment) == 0xABC
    with pytest.raises(BadConfig, match=r"'reporter-9' is neither .* \(reporter-1\)"):
        resolve_account("reporter-9", deployment)


def test_a_log_line_has_what_happened_and_its_fields(logged: io.StringIO) -> None:
    logging.getLogger("truemark_keeper.x").info("reported", extra={"markets": 6, "reverted": None})
    logging.getLogger("httpx").info("POST https://user:secret@node")
    (line,) = logged.getvalue().splitlines()
    assert line.endswith("Z INFO reported markets=6")


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(arguments)
    return code, capsys.readouterr().err


def test_the_commands_say_in_one_line_what_is_wrong(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: Path, logged: Any
) -> None:
    monkeypatch.delenv("ABSENT", raising=False)
    monkeypatch.setenv("TRUEMARK_DEPLOYMENT", str(tmp_path / "none.json"))
    monkeypatch.setenv("SOME_KEY", "0x123")
    once = ("--account", "reporter-1", "--replay", str(table))
    cases = [
        (("keeper", "run", "--config", str(tmp_path / "none.toml")), 1, "cannot be read"),
        (("keeper", "report", *once), 2, "give one of --keystore and --key-env"),
        (("keeper", "report", *once, "--key-env", "ABSENT"), 1, "ABSENT is not set"),
        (("keeper", "liquidate", *once, "--key-env", "SOME_KEY"), 1, "no deployment at"),
        (("keeper", "keystore", str(table), "--key-env", "ABSENT"), 1, "ABSENT is not set"),
        (("keeper", "retire"), 2, "retire"),
    ]
    for arguments, code, text in cases:
        given, line = said(capsys, *arguments)
        assert (given, text in line) == (code, True), line
        assert line.count("\n") == 1


def test_a_keystore_is_written_and_tells_the_public_key_alone(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_KEY", "0xabcdef123456")
    monkeypatch.setenv("SOME_PASSWORD", "p")
    path = tmp_path / "key.json"
    assert main(["keeper", "keystore", str(path), "--key-env", "SOME_KEY", "--password-env", "SOME_PASSWORD"]) == 0
    out = capsys.readouterr().out
    assert "public key 0x" in out
    assert "abcdef123456" not in out
    assert path.is_file()
