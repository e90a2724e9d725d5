"""Mutants of the contracts: one fault each, and the Cairo test that must notice it."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from truemark_devnet.cairo_tests import GROUPS, stage
from truemark_devnet.toolchain import find_tool

LIST = Path(__file__).parent / "mutants.toml"
_RESULT = re.compile(r"test result: \S+ (\d+) passed; (\d+) failed")


@dataclass(frozen=True)
class Mutant:
    """`text` of a file below contracts/src becomes `replacement`; `test` is the end of a test's path."""

    file: str
    text: str
    replacement: str
    test: str

    @property
    def group(self) -> str:
        """The group of Cairo tests that the killing one is in."""
        room = self.test.partition("::")[0]
        return next(name for name, group in GROUPS.items() if room in group.tests)

    def __str__(self) -> str:
        return f"{self.file}: {' '.join(self.text.split())!r} -> {' '.join(self.replacement.split())!r}"


def mutants() -> tuple[Mutant, ...]:
    listed = tomllib.loads(LIST.read_text())["mutant"]
    return tuple(Mutant(item["file"], item["text"], item["with"], item["test"]) for item in listed)


def test_file(contracts: Path, test: str) -> Path | None:
    """The Cairo file with the test, from its path of modules."""
    *modules, _ = test.split("::")
    if modules[-1] == "tests":
        inline = contracts / "src" / Path(*modules[:-1]).with_suffix(".cairo")
        if inline.is_file() and "mod tests {" in inline.read_text():
            return inline
    path = contracts / "src" / Path(*modules).with_suffix(".cairo")
    return path if path.is_file() else None


def misfits(contracts: Path, listed: Sequence[Mutant]) -> list[str]:
    """Mutants whose text is not there exactly once, or whose test is not there."""
    wrong = []
    for mutant in listed:
        count = (contracts / "src" / mutant.file).read_text().count(mutant.text)
        if count != 1:
            wrong.append(f"{mutant}: the text occurs {count} times")
        if mutant.text == mutant.replacement:
            wrong.append(f"{mutant}: changes nothing")
        name = mutant.test.rpartition("::")[2]
        file = test_file(contracts, mutant.test)
        if file is None or f"fn {name}(" not in file.read_text():
            wrong.append(f"{mutant}: there is no test {mutant.test}")
    return wrong


def survives(contracts: Path, into: Path, mutant: Mutant) -> str | None:
    """Runs the killing test on a mutated copy; None if it failed, as it should, else what happened instead."""
    crate = stage(contracts, GROUPS[mutant.group], into)
    path = crate / "src" / mutant.file
    path.write_text(path.read_text().replace(mutant.text, mutant.replacement, 1))
    done = subprocess.run(
        [
            find_tool("cairo-test"),
            "--starknet",
            "--allow-warnings",
            "--include-ignored",
            crate,
            "--filter",
            mutant.test,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    # Of a run that failed it says so on the error stream.
    found = _RESULT.search(done.stdout + done.stderr)
    if found is None:
        return f"{mutant} was not tried:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
    passed, failed = int(found[1]), int(found[2])
    if failed >= 1:
        return None
    return f"{mutant} survives {mutant.test} ({passed} passed)"
