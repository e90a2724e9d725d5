"""A night of rounds while sources lie, lag and die, links fail, keepers are killed and the chain goes back."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import pytest
import truemark_keeper
from truemark_devnet.build import Build

from tests.seeds import seed_of
from tests.soak.run import Report, run

pytestmark = pytest.mark.node

SEED = "TRUEMARK_SOAK_SEED"
#: Rounds of five seconds.
HOUR = 720
#: Bytes that a process may grow by after the first tenth, whatever the length: caches fill, nothing else.
_GROWTH = 40 * 2**20


def drawn(capsys: pytest.CaptureFixture[str], seed: int) -> int:
    """TRUEMARK_SOAK_SEED, or else that one."""
    chosen = int(os.environ.get(SEED) or seed)
    with capsys.disabled():
        sys.stdout.write(f"\nsoak: {SEED}={chosen}\n")
    return chosen


def said(report: Report) -> str:
    mib = [[size >> 20 for size in pair] for pair in (report.memory, report.node_memory)]
    return (
        f"soak of {report.rounds} rounds in {report.seconds:.0f} s: {report.accepted} marks, longest gap "
        f"{report.longest} s, unexcused {report.longest_unexcused} s, faults {report.faults}, memory {mib[0]} MiB, "
        f"the node's {mib[1]} MiB; {SEED}={report.seed}"
    )


def judge(report: Report, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        sys.stdout.write(f"{said(report)}\n")
    assert report.problems == [], said(report)
    assert report.memory[1] - report.memory[0] < _GROWTH, said(report)
    # It was a soak: marks moved, and things went wrong.
    assert report.accepted > report.rounds
    assert sum(report.faults.values()) > report.rounds // 40


@pytest.mark.deep
async def test_an_hour_of_rounds_with_random_faults(built: Build, capsys: pytest.CaptureFixture[str]) -> None:
    keeper = Path(truemark_keeper.__file__).parent
    seed = drawn(capsys, seed_of(built, keeper, Path(__file__).parent / "soak"))
    judge(await run(built, seed=seed, rounds=HOUR), capsys)


@pytest.mark.prove
async def test_soak_of_a_day_in_legs_of_an_hour(built: Build, capsys: pytest.CaptureFixture[str]) -> None:
    """Each leg on new nodes, and with the next seed: the node keeps every block in memory, over 1 GB an hour."""
    seed = drawn(capsys, random.SystemRandom().getrandbits(32))
    reports = []
    for leg in range(24):
        reports.append(await run(built, seed=seed + leg, rounds=HOUR))
        judge(reports[-1], capsys)
    # The keepers' process is one and the same all day.
    assert reports[-1].memory[1] - reports[0].memory[1] < 2 * _GROWTH
