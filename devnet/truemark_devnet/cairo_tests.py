"""The Cairo unit tests, in groups that each carry only the contracts they need.

cairo-test puts every contract and every test of a crate into one program and loads all of it again for each call of a
contract: a third of the program is a third of the time. Those that take longer are marked `#[ignore]` and run by
`make deep`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from truemark.errors import TruemarkError

from truemark_devnet.paths import checkout
from truemark_devnet.toolchain import find_tool


class CairoTestsFailed(TruemarkError, RuntimeError):
    """A Cairo unit test failed, or the tests did not compile; the output has said which."""


@dataclass(frozen=True, slots=True)
class Group:
    """
    Attributes:
        tests: rooms (folders of contracts/src) whose tests run here.
        without: modules that are left out, as paths below contracts/src.
    """

    tests: tuple[str, ...]
    without: tuple[str, ...]


_CLASSES = tuple(
    f"clearinghouse/{name}" for name in ("contract", "trading", "liquidation", "money", "venue", "waterfall")
)
#: Declared by tests and benches only.
_TEST_CLASSES = ("rules/parity", "bench", "unguarded")
#: Every room with tests is in one group.
GROUPS: Final[Mapping[str, Group]] = {
    "rules": Group(
        ("rules",), ("refunds", "vault", "bridge", "token/contract", "oracle/contract", *_TEST_CLASSES, *_CLASSES)
    ),
    "oracle": Group(("oracle",), ("refunds", "vault", "bridge", "token/contract", *_TEST_CLASSES, *_CLASSES)),
    "money": Group(("access", "token", "bridge", "refunds"), ("oracle/contract", *_TEST_CLASSES, *_CLASSES)),
    "vault": Group(("upgrades", "vault"), ("bridge", "refunds", "oracle/contract", *_TEST_CLASSES, *_CLASSES)),
    "clearinghouse": Group(("clearinghouse",), ("refunds", "vault", "bridge", *_TEST_CLASSES)),
}

#: Stand-ins of contracts, `mocks`, are no tests: other rooms use them in theirs.
_TEST_ITEM = re.compile(r"#\[cfg\(test\)\]\n(?:pub(?:\(crate\))? )?mod (?!mocks\b)(\w+)(;\n| \{)")
_RESULT = re.compile(r"test result: ok\. (\d+) passed")
#: Of the output of a group that failed, this many characters.
_SHOWN = 8_000
Progress = Callable[[str], None]


def run(progress: Progress, *, deep: bool = False) -> None:
    """Runs the groups two at a time and says what became of each; a group that fails does not stop the others.

    Args:
        progress: is told of each group.
        deep: those that are marked `#[ignore]`, instead of the others.

    Raises:
        CairoTestsFailed: a test failed, or a group ran none.
        ToolMissing: cairo-test is neither on the PATH nor in the cache.
    """
    root, tool = checkout(), find_tool("cairo-test")
    groups = [name for name in GROUPS if not deep or _has_ignored(root / "contracts", GROUPS[name])]

    def one(name: str) -> tuple[str, str | None]:
        crate = stage(root / "contracts", GROUPS[name], root / "build" / "cairo-tests" / name)
        options = ["--starknet", "--ignored"] if deep else ["--starknet"]
        done = subprocess.run([tool, *options, crate], capture_output=True, text=True, check=False)
        found = _RESULT.search(done.stdout)
        if done.returncode != 0 or found is None or int(found[1]) == 0:
            progress(f"Cairo tests: {name} failed\n{done.stdout[-_SHOWN:]}{done.stderr[-_SHOWN:]}")
            return name, None
        progress(f"Cairo tests: {name}, {found[1]} passed")
        return name, found[1]

    # The largest first.
    with ThreadPoolExecutor(max_workers=2) as pool:
        results = dict(pool.map(one, reversed(groups)))
    failed = [name for name, passed in results.items() if passed is None]
    if failed:
        raise CairoTestsFailed(f"Cairo unit tests failed, see above: {', '.join(failed)}")


def _has_ignored(contracts: Path, group: Group) -> bool:
    return any(
        "#[ignore]" in path.read_text() for room in group.tests for path in (contracts / "src" / room).rglob("*.cairo")
    )


def stage(contracts: Path, group: Group, into: Path) -> Path:
    """A crate of the group's tests in `into`, which is made anew; returns it."""
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    shutil.copy(contracts / "cairo_project.toml", into)
    source = into / "src"
    shutil.copytree(contracts / "src", source)
    for module in group.without:
        path = source / module
        path.with_suffix(".cairo").unlink()
        shutil.rmtree(path, ignore_errors=True)
        parent = source / "lib.cairo" if path.parent == source else path.parent.with_suffix(".cairo")
        parent.write_text(parent.read_text().replace(f"pub mod {path.name};\n", "", 1))
    for path in sorted(source.rglob("*.cairo")):
        room = path.relative_to(source).parts[0].removesuffix(".cairo")
        if room not in group.tests:
            text = path.read_text()
            stripped = without_tests(text)
            if stripped != text:
                path.write_text(stripped)
    return into


def without_tests(text: str) -> str:
    """A source file without its test modules; one that is written out ends the file."""
    while found := _TEST_ITEM.search(text):
        end = found.end() if found[2] == ";\n" else len(text)
        text = text[: found.start()] + text[end:]
    return text


def rooms_with_tests(contracts: Path) -> frozenset[str]:
    """Rooms that some group must name."""
    source = contracts / "src"
    return frozenset(
        path.relative_to(source).parts[0].removesuffix(".cairo")
        for path in source.rglob("*.cairo")
        if _TEST_ITEM.search(path.read_text())
    )
