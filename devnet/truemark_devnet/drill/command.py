"""`truemark drill`: both venues through the night and the day after, a report, and an exit code."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import orjson
from filelock import FileLock, Timeout
from rich.console import Console
from rich.markup import escape
from truemark.errors import TruemarkError
from truemark_keeper.atomic import write_whole

from truemark_devnet.build import Build, build
from truemark_devnet.drill.memory import FILE, Memory
from truemark_devnet.drill.opening import MARKS
from truemark_devnet.drill.report import PART_TITLES, TITLES, render
from truemark_devnet.drill.run import PARTS, run_part, stop
from truemark_devnet.drill.script import Size
from truemark_devnet.drill.verdict import Expectation, expectations


class DrillNotMet(TruemarkError, RuntimeError):
    """Something did not come out as it must; the message says what."""


class DrillBusy(TruemarkError, RuntimeError):
    """Another process is at work in the folder."""


class NothingToResume(TruemarkError, LookupError):
    """No drill was begun in the folder."""


class NoPlace(TruemarkError, OSError):
    """There is no place for what the drill writes."""


#: Few figures of a step, for the terminal: what people ask for first.
_SHORT: Final = (
    "accounts",
    "liquidations",
    "last_good",
    "block",
    "mode",
    "gap",
    "holds",
    "wrong",
    "total",
    "liquidated",
)


def run(
    *, accounts: int, folder: Path, report: Path, console: Console, resume: bool = False, fresh: bool = False
) -> None:
    """Runs what is not behind yet, judges it, and writes report and JSON.

    A drill that was interrupted goes on; one that was finished begins anew, unless `resume` wants to see it again.

    Raises:
        DrillNotMet: an expectation is not met.
        BadMemory: the folder has a drill of another size.
        DrillBusy, NothingToResume, NoPlace: see the classes.
        Others: a tool is missing, a node died; the same command goes on.
    """
    # What the keepers find is in the report.
    logging.getLogger("truemark_keeper").setLevel(logging.CRITICAL)
    logging.getLogger("truemark.index").setLevel(logging.ERROR)
    if resume and not (folder / FILE).is_file():
        raise NothingToResume(f"no drill was begun in {folder}")
    for needed in (folder, report.parent):
        try:
            needed.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            # Now, and not after the minutes that it takes.
            raise NoPlace(f"{needed} cannot be made: {error.strerror}") from error
    size = Size(accounts)
    try:
        with FileLock(folder / "lock", timeout=0):
            if fresh or (not resume and _is_over(folder)):
                _forget(folder)
            memory = Memory(folder, asdict(size))
            _steps(memory, build(), size, console)
            found = _judge(memory, report)
    except Timeout as error:
        raise DrillBusy(f"another drill is at work in {folder}") from error
    _say(console, memory, found, report)
    unmet = [f"{item.part}, {item.step}: {item.text} ({item.measured})" for item in found if not item.met]
    if unmet:
        raise DrillNotMet("; ".join(unmet))


def _steps(memory: Memory, built: Build, size: Size, console: Console) -> None:
    def tell(part: str, step: str, facts: Mapping[str, Any], seconds: float) -> None:
        said = ", ".join(f"{name} {_brief(facts[name])}" for name in _SHORT if name in facts)
        line = f"  {seconds:6.1f} s  {PART_TITLES[part]:<15} {TITLES.get(step, step):<42} {escape(said)}"
        console.print(line, highlight=False, soft_wrap=True)

    for part in PARTS:
        asyncio.run(run_part(memory, built, part, size, tell))


def _judge(memory: Memory, report: Path) -> list[Expectation]:
    record = {part: memory.steps(part) for part in PARTS}
    found = expectations(
        {part: {step: item["facts"] for step, item in steps.items()} for part, steps in record.items()}
    )
    seconds = sum(item["seconds"] for steps in record.values() for item in steps.values())
    zeros = {part: int(memory.noted(part, "zero")) for part in PARTS}
    fall = {part: int(memory.noted(part, "fall")) if memory.has(part, "fall") else None for part in PARTS}
    page = render(
        record,
        found,
        accounts=record["unguarded"]["open"]["facts"]["accounts"],
        marks={part: _marks(memory.folder / part) for part in PARTS},
        zeros=zeros,
        fall=fall,
        seconds=seconds,
    )
    write_whole(report, page.encode())
    content = {
        "version": 1,
        "met": all(item.met for item in found),
        "seconds": round(seconds, 2),
        "expectations": [asdict(item) for item in found],
        "parts": record,
    }
    write_whole(report.with_suffix(".json"), orjson.dumps(content, option=orjson.OPT_INDENT_2))
    return found


def _marks(folder: Path) -> dict[str, list[list[int]]]:
    """Of all the times that they were read: what was rolled back later is in an earlier file."""
    found: dict[str, list[list[int]]] = {}
    for path in sorted(folder.glob(MARKS.format("*"))):
        for market, points in orjson.loads(path.read_bytes()).items():
            found.setdefault(market, []).extend(points)
    return found


def _say(console: Console, memory: Memory, found: list[Expectation], report: Path) -> None:
    for item in found:
        word = "[green]met    [/green]" if item.met else "[red]NOT MET[/red]"
        line = f"  {word} {PART_TITLES[item.part]}: {escape(item.text)}: {escape(item.measured)}"
        console.print(line, highlight=False, soft_wrap=True)
    met = sum(item.met for item in found)
    console.print(f"{met} of {len(found)} expectations met; {report}", highlight=False, soft_wrap=True)


def _is_over(folder: Path) -> bool:
    """Whether every step of a drill is behind there."""
    try:
        found = orjson.loads((folder / FILE).read_bytes())["parts"]
        return all(set(steps) <= set(found[part]["steps"]) for part, steps in PARTS.items())
    except (FileNotFoundError, KeyError, ValueError):
        return False


def _forget(folder: Path) -> None:
    """The chains of an earlier drill, and all that it wrote."""
    for part in PARTS:
        stop(folder, part)
        for name in (part, f"{part}-nodes"):
            shutil.rmtree(folder / name, ignore_errors=True)
    (folder / FILE).unlink(missing_ok=True)


def _brief(value: Any) -> str:
    return str(len(value)) if isinstance(value, list | dict) else str(value)
