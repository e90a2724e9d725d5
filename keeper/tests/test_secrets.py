"""No key, password or credential of an URL reaches a person, a log, a metric or a probe, whatever a node or a database
says, and however it fails. Hostile ones quote the request back."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from local_http import Answer, LocalServer, said, serving
from truemark.cli import main
from truemark.deployment import ContractInfo, Deployment, MarketInfo
from truemark.risk import NO_TIER, MarginTier
from truemark.rpc import AsyncRpc, NodeUnavailable, RpcError
from truemark.secrets import conceal, scrubbed
from truemark_keeper import logs
from truemark_keeper.building import build_sources
from truemark_keeper.checking import check
from truemark_keeper.config import KeeperConfig, ReplaySettings, load
from truemark_keeper.keystore import KeySource
from truemark_keeper.liquidator import Liquidator, Sweep
from truemark_keeper.monitoring import KeeperCollector, shown
from truemark_keeper.opinion import Opinion
from truemark_keeper.reporter import Reporter, Round
from truemark_keeper.service import Keeper
from truemark_keeper.source_settings import Manners, PythSettings, SqlSettings
from truemark_keeper.sources import http_client

USER, PASSWORD, PATH_KEY, QUERY_KEY = "oper4tor", "hunter2-of-node", "9f86d081884c7d65", "s3cr3t+token"
DATABASE = "postgresql://quotes:pass%2Fword-of-db@127.0.0.1:1/venue?sslpassword=another-one"
KEY = "0x5ec2e7c0ffee5ec2e7c0ffee"
SECRETS = (
    PASSWORD,
    PATH_KEY,
    QUERY_KEY,
    "s3cr3t%2Btoken",
    "pass%2Fword-of-db",
    "pass/word-of-db",
    "another-one",
    KEY[2:],
)
ALL = f"{USER}:{PASSWORD} /{PATH_KEY}?key={QUERY_KEY} http://{USER}:{PASSWORD}@node/v1/{PATH_KEY}?key=s3cr3t%2Btoken"

ANSWERS = {
    "refuses": said(
        {"jsonrpc": "2.0", "id": None, "error": {"code": -32000, "message": f"bad key {ALL}", "data": ALL}}
    ),
    "refuses by status": Answer(ALL.encode(), status=401),
    "too many": Answer(ALL.encode(), status=429, headers=(("Retry-After", "1"),)),
    "no json": Answer(ALL.encode()),
    "cut off": said({"result": ALL}, cut_at=20),
    "broken json": Answer(f'{{"result": "{ALL}'.encode()),
    "moved": Answer(status=302, headers=(("Location", f"http://x/{PATH_KEY}?key={QUERY_KEY}"),)),
    "dead": Answer(dead=True),
}


def hostile(server: str) -> str:
    return server.replace("http://", f"http://{USER}:{PASSWORD}@") + f"/v1/{PATH_KEY}?key=s3cr3t%2Btoken"


def assert_clean(text: str) -> None:
    found = [secret for secret in SECRETS if secret in text]
    assert not found, f"{found} in {text}"


@pytest.fixture(params=["text", "json"])
def logged(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    stream = io.StringIO()
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    logs.setup(logging.DEBUG, stream, form=request.param)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)


@pytest.fixture(params=sorted(ANSWERS))
async def node(request: pytest.FixtureRequest) -> AsyncIterator[LocalServer]:
    async with serving(ANSWERS[request.param]) as server:
        yield server


class Work:
    """A reporter and a liquidator that only ask the node, as all of theirs begins."""

    def __init__(self, rpc: AsyncRpc) -> None:
        self._rpc = rpc
        self._turns = 0
        self.failed_twice = asyncio.Event()

    def _turn(self) -> None:
        # Both have failed when both are at it again.
        self._turns += 1
        if self._turns == 6:
            self.failed_twice.set()

    async def round(self, now: int, timeout: float) -> Round:
        self._turn()
        await self._rpc.call("starknet_blockNumber")
        return Round(now, (), (), None)

    async def once(self, timeout: float) -> Sweep:
        self._turn()
        answers = await self._rpc.batch([("starknet_blockNumber", None)])
        if isinstance(answers[0], Exception):
            raise answers[0]
        return Sweep(0)


async def test_turns_that_fail_show_nothing_in_logs_metrics_and_probes(node: LocalServer, logged: io.StringIO) -> None:
    config = KeeperConfig(
        Path("deployment.json"), "0x1", KeySource(key_env="X"), (ReplaySettings(Path("day.csv")),), interval=0.01
    )
    async with AsyncRpc(hostile(node.url), retries=0, timeout=1) as rpc:
        work = Work(rpc)
        keeper = Keeper(config, cast(Reporter, work), cast(Liquidator, work), grace=1.0)
        stop = asyncio.Event()
        running = asyncio.create_task(keeper.run(stop))
        collector = KeeperCollector(keeper.board, None)
        async with (
            shown(0, keeper.board, collector, interval=1, timeout=1) as port,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
        ):
            async with asyncio.timeout(10):
                await work.failed_twice.wait()
            shown_text = "".join([(await client.get(path)).text for path in ("/metrics", "/readyz", "/healthz")])
        stop.set()
        await running
        # As the programmer sees it, with every cause.
        with pytest.raises((RpcError, NodeUnavailable)) as failed:
            await rpc.call("starknet_blockNumber")
    logging.getLogger("truemark_keeper").error("failed", exc_info=failed.value)
    assert "failed" in logged.getvalue()
    assert failed.typename in logged.getvalue()
    assert_clean(logged.getvalue())
    assert_clean(shown_text)


async def test_sources_that_fail_show_nothing(node: LocalServer, logged: io.StringIO) -> None:
    pytest.importorskip("psycopg")
    settings = [
        SqlSettings(Manners("db", "db", timeout=2.0), "select 1", {"X": "X"}, url=DATABASE),
        PythSettings(Manners("pyth", "pyth", timeout=2.0), hostile(node.url), {"X": "0x" + "1" * 64}),
    ]

    async def no_mark(market: str) -> int | None:
        return None

    async with http_client() as http:
        opinion = Opinion(build_sources(settings, http, no_mark))
        await opinion.verdicts(["X"], 1_768_777_200)
        errors = [str(source.stats.last_error) for source in opinion.sources]
        assert all(source.stats.failed for source in opinion.sources)
        await opinion.aclose()
    assert "a source says nothing" in logged.getvalue()
    assert_clean(logged.getvalue())
    # What `keeper check` and the history say of them.
    assert_clean("".join(map(scrubbed, errors)))


def venue(rpc: str) -> Deployment:
    return Deployment(
        name="devnet",
        profile="default",
        l2_rpc=rpc,
        l1_rpc="http://127.0.0.1:1",
        l2_chain_id=1,
        l1_chain_id=1,
        contracts={
            name: ContractInfo(1, 1) for name in ("Oracle", "Clearinghouse", "Vault", "Bridge", "CollateralToken")
        },
        classes={},
        l1={},
        fee_token=4,
        account_class_hash=5,
        faucet=False,
        operators={"reporter-1": 7},
        markets={"X": MarketInfo(0, 1, 1, 0, 0, (MarginTier(0, 500, 300), NO_TIER, NO_TIER))},
        vault_lock_secs=1,
    )


def settings_file(tmp_path: Path, rpc: str) -> Path:
    venue("http://127.0.0.1:1").save(tmp_path / "deployment.json")
    (tmp_path / "day.csv").write_text("at,X@1\n2026-01-18T23:00:00Z,1\n")
    path = tmp_path / "keeper.toml"
    path.write_text(
        '[keeper]\ndeployment = "deployment.json"\naccount = "reporter-1"\nkey_env = "NIGHT_KEY"\n'
        f'roles = ["reporter"]\nrpc = "{rpc}"\n[source]\nreplay = "day.csv"\n'
    )
    return path


async def test_a_check_shows_nothing(node: LocalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHT_KEY", KEY)
    findings = await check(load(settings_file(tmp_path, hostile(node.url))))
    (bad,) = [item for item in findings if item.what == "node"]
    assert bad.said
    assert_clean(json.dumps([item.said for item in findings]))


def test_a_start_that_fails_says_one_clean_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NIGHT_KEY", KEY)
    before = logging.getLogger().handlers[:]

    async def start(answer: Answer) -> str:
        async with serving(answer) as server:
            path = settings_file(tmp_path, hostile(server.url))
            for command in ("run", "check"):
                code = await asyncio.to_thread(main, ["keeper", command, "--config", str(path)])
                assert code == 1
            return ""

    async def all_of_them() -> None:
        for answer in ANSWERS.values():
            await start(answer)

    try:
        asyncio.run(all_of_them())
    finally:
        logging.getLogger().handlers[:] = before
    shown_text = capsys.readouterr()
    assert "truemark: " in shown_text.err
    assert_clean(shown_text.out + shown_text.err)


def test_what_is_concealed_is_found_in_every_form_and_ordinary_words_are_left() -> None:
    conceal("https://rpc.example/v0_10/AbCdEfGh123456?apikey=zyx987&v=1")
    text = "POST https://rpc.example/v0_10/AbCdEfGh123456?apikey=zyx987&v=1 says zyx987 to AbCdEfGh123456, v0_10, 1"
    assert scrubbed(text) == "POST https://rpc.example/v0_10/***?*** says *** to ***, v0_10, 1"
    conceal("http://sole-user-key@node:1")
    assert scrubbed("sole-user-key and http://a:b@c") == "*** and http://***@c"
    conceal("no url at all [")
    assert scrubbed("no url at all [") == "***"


def test_a_wallet_and_settings_do_not_show_what_they_hold() -> None:
    from truemark.keys import StarkKey
    from truemark_keeper.wallet import StarkWallet

    wallet: Any = StarkWallet(1, StarkKey.from_private(int(KEY, 16)), 1)
    assert_clean(repr(wallet) + repr(StarkKey.from_private(int(KEY, 16))) + repr(AsyncRpc(f"http://a:{PASSWORD}@b")))
