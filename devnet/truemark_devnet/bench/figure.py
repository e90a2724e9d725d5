"""One measured figure and the file that all of them go to."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import orjson


def _machine() -> str:
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


@dataclass(frozen=True)
class Figure:
    """A value, the baseline's value in the same unit, and their ratio."""

    name: str
    value: float
    unit: str
    baseline: float
    baseline_name: str
    ratio: float = field(init=False)
    machine: str = field(default_factory=_machine)
    at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    def __post_init__(self) -> None:
        object.__setattr__(self, "ratio", self.value / self.baseline)


def rate(action: Callable[[], object], *, seconds: float) -> float:
    """Calls of `action` a second, over at least `seconds` and at least three calls after one to warm up."""
    action()
    calls, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds or calls < 3:
        action()
        calls += 1
    return calls / elapsed


def write(figures: list[Figure], path: Path) -> None:
    """Replaces the figures of the same names in the file and keeps the others."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = []
    if path.is_file():
        names = {figure.name for figure in figures}
        kept = [old for old in orjson.loads(path.read_bytes()) if old["name"] not in names]
    path.write_bytes(orjson.dumps([*kept, *map(asdict, figures)], option=orjson.OPT_INDENT_2) + b"\n")
