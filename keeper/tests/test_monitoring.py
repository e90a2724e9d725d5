"""What a keeper shows of itself: metrics, health, logs that hold no secret, and a history that recovery can read."""

from __future__ import annotations

import io
import json
import logging
import re
import sqlite3
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from truemark_keeper import logs
from truemark_keeper.history import DAY, BadHistory, RoundHistory
from truemark_keeper.judging import Rules, Said, aggregate
from truemark_keeper.monitoring import Board, KeeperCollector, PortTaken, shown
from truemark_keeper.opinion import MarketRules, Opinion
from truemark_keeper.sources import Quote, SourceError, WatchedSource

NOW = 1_768_777_200


class Says:
    def __init__(self, name: str, price: int | None) -> None:
        self.name, self.price = name, price

    async def quotes(self, markets: Any, now: int) -> tuple[Quote, ...]:
        if self.price is None:
            raise SourceError(f"{self.name}: silent")
        return (Quote("X", self.price, 1, now, now, self.name),)


async def test_metrics_and_health_are_served_on_this_machine_alone() -> None:
    opinion = Opinion(
        [WatchedSource(Says("a", 150 * 10**8)), WatchedSource(Says("b", None))],
        default=MarketRules(Rules(min_groups=1)),
    )
    await opinion.verdicts(["X"], NOW)
    board = Board()
    board.count("quotes_published", "X", 3)
    role = board.role("reporter")
    role.done, role.succeeded_at, role.ended_at, role.started_at = 1, time.time(), time.time(), time.time()
    async with (
        shown(0, board, KeeperCollector(board, opinion, lambda: 2), interval=5, timeout=10) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        text = (await client.get("/metrics")).text
        samples = {
            (sample.name, *sorted(sample.labels.values())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
        assert samples["truemark_keeper_quotes_published_total", "X"] == 3
        assert samples["truemark_keeper_in_flight",] == 2
        assert samples["truemark_keeper_own_price_usd", "X"] == 150
        assert samples["truemark_keeper_validity", "X"] == 0
        assert samples["truemark_keeper_source_up", "a"] == 1
        assert samples["truemark_keeper_source_up", "b"] == 0
        assert samples["truemark_keeper_source_requests_total", "b", "failed"] == 1
        assert samples["truemark_keeper_turns_total", "done", "reporter"] == 1
        assert [(await client.get(path)).status_code for path in ("/healthz", "/readyz", "/x")] == [200, 200, 404]

        role.last_error = "no node"
        answers = [await client.get(path) for path in ("/healthz", "/readyz")]
        assert [answer.status_code for answer in answers] == [200, 503]
        assert answers[1].json()["roles"]["reporter"]["error"] == "no node"
        # Three intervals and the time that a transaction may take.
        role.ended_at = role.started_at = time.time() - 26
        assert (await client.get("/healthz")).status_code == 503
        with pytest.raises(PortTaken, match=f"127.0.0.1:{port}"):
            async with shown(port, board, KeeperCollector(board, None), interval=5, timeout=10):
                pass


def test_the_dashboard_asks_for_metrics_that_there_are() -> None:
    folder = Path(__file__).resolve().parents[1] / "deploy"
    dashboard = json.loads((folder / "grafana.json").read_text())
    asked = " ".join(target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ()))
    board = Board()
    board.role("reporter")
    opinion = Opinion([WatchedSource(Says("a", 1))])
    names = set()
    for family in KeeperCollector(board, opinion).collect():
        names.add(family.name + ("_total" if family.type == "counter" else ""))
    used = {word for word in asked.replace("(", " ").replace("[", " ").replace("{", " ").replace(")", " ").split()
            if word.startswith("truemark_keeper")}  # fmt: skip
    assert used
    assert used <= names
    # And so do the alerts that the page proposes.
    page = (folder.parents[1] / "docs" / "keeper.md").read_text()
    proposed = set(re.findall(r"truemark_keeper_\w+", page))
    assert proposed
    assert proposed <= names


def test_a_log_of_json_has_its_fields_and_no_credentials() -> None:
    stream = io.StringIO()
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        logs.setup(stream=stream, form="json")
        log = logging.getLogger("truemark_keeper.test")
        log.warning("no answer from https://me:secret@node.test/x", extra={"markets": 6, "at": Path("/x"), "no": None})
        try:
            raise ValueError("postgresql://u:secret@host/db")
        except ValueError:
            log.exception("failed\ntwice")
    finally:
        root.handlers[:] = before
        root.setLevel(level)
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert first["message"] == "no answer from https://***@node.test/x"
    assert (first["level"], first["markets"], first["at"], first["no"]) == ("WARNING", 6, "/x", None)
    assert first["time"].endswith("Z")
    assert "ValueError" in second["exception"]
    assert "secret" not in stream.getvalue()


async def test_each_round_is_kept_with_who_said_what_for_so_many_days(tmp_path: Path) -> None:
    path = tmp_path / "state" / "rounds.sqlite"
    history = RoundHistory(path, days=2)
    big = 2**63 + 5
    said = [Said("a", Quote("X", big, 1, NOW, NOW, "a")), Said("b", Quote("X", 0, 1, NOW, NOW, "b"))]
    verdict = aggregate("X", said, Rules(min_groups=1), NOW)
    await history.record(NOW, [verdict])
    await history.record(NOW, [verdict])
    link = sqlite3.connect(path)
    assert link.execute("select at, market, validity, price, groups from verdicts").fetchall() == [
        (NOW, "X", "Valid", str(big), "a")
    ]
    assert link.execute("select source, price, validity, reason from quotes order by source").fetchall() == [
        ("a", str(big), "Valid", ""),
        ("b", "0", "NonPositive", "the price is 0"),
    ]
    await history.record(NOW + 3 * DAY, [verdict])
    assert link.execute("select at from verdicts").fetchall() == [(NOW + 3 * DAY,)]
    link.close()
    path.write_bytes(b"no database")
    with pytest.raises(BadHistory, match=r"rounds.sqlite"):
        await history.record(NOW, [verdict])
