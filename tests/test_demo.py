"""The settlement day as a person runs it; that it ends well is what its own checks say by the exit code."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from truemark_devnet.build import Build

pytestmark = [pytest.mark.node, pytest.mark.deep]

#: Far above what it takes; a demo that hangs fails rather than stops the run.
PATIENCE = 900


def run(built: Build, report: Path, *options: str) -> str:
    command = [sys.executable, "-m", "truemark.cli", "demo", "--report", str(report), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def test_the_whole_day(built: Build, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    said = run(built, report)
    assert said.count("holds ") == 4
    assert "BROKEN" not in said
    assert "exactly who truemark.risk said beforehand" in said
    page = report.read_text()
    assert page.count("<svg") == 8
    # Self-contained: it asks no other host for anything.
    assert not re.search(r"(?:src|href|url\()\s*=?\s*[\"'(]?https?:", page)


def test_an_unwritable_report_is_one_clear_line(built: Build, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "truemark.cli", "demo", "--fast", "--report", str(tmp_path / "no" / "report.html")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert "no/report.html" in done.stderr
