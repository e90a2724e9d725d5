"""Figures: the ratio is value over baseline, the file keeps what was not measured anew, an unknown name is one line."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from truemark.cli import main
from truemark_devnet.bench.figure import Figure, rate, write
from truemark_devnet.bench.run import FIGURES


def test_a_figure_knows_its_ratio_and_the_file_keeps_the_others(tmp_path: Path) -> None:
    path = tmp_path / "build" / "bench.json"
    write([Figure("a", 10.0, "x/s", 4.0, "them"), Figure("b", 1.0, "x/s", 2.0, "them")], path)
    write([Figure("a", 9.0, "x/s", 3.0, "them")], path)
    kept = orjson.loads(path.read_bytes())
    assert {item["name"]: item["ratio"] for item in kept} == {"a": 3.0, "b": 0.5}
    assert all({"value", "unit", "baseline", "baseline_name", "machine", "at"} <= item.keys() for item in kept)


def test_a_rate_is_calls_a_second_without_the_first() -> None:
    calls = []
    assert rate(lambda: calls.append(1), seconds=0.01) > 100
    assert len(calls) >= 4


def test_an_unknown_figure_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--only", "speed"]) == 1
    line = capsys.readouterr().err
    assert line == f"truemark: no figure is called 'speed'; there are {', '.join(FIGURES)}\n"
