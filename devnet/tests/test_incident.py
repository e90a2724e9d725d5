"""The incident's command where it cannot run, and what its verdict asks for; the night itself runs in `make deep`."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console
from truemark_devnet import postgres_server
from truemark_devnet.incident.command import run
from truemark_devnet.incident.night import Night, Turn, problems
from truemark_devnet.incident.script import Phase
from truemark_devnet.postgres_server import NoPostgres


def test_without_a_server_it_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_server, "find_postgres", lambda: None)
    report = tmp_path / "report.html"
    with pytest.raises(NoPostgres, match=r"apt install postgresql.*--sqlite"):
        run(sqlite=False, report=report, console=Console(quiet=True))
    assert not report.exists()


def test_a_night_on_which_nothing_happens_is_no_success() -> None:
    quiet = Night("quiet", turns=[Turn(65, Phase.FILLED, "3 of 3 report", {}, "Full", ())])
    assert [problem.split(":")[0] for problem in problems(quiet, quiet)] == [
        "nobody was liquidated on the venue without guards",
        "the guarded venue is Full",
        "no incident file names the change of the database as the cause",
    ]
