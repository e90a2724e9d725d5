"""The drill: it ends the same wherever it is killed, its verdict can fail, and its crowd is the same each time."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
from truemark.risk import NO_TIER, MarginTier, position_requirement
from truemark.units import to_collateral, to_price, to_size
from truemark_devnet.drill.memory import BadMemory, Memory
from truemark_devnet.drill.run import PARTS
from truemark_devnet.drill.script import HIGH_PERCENT, LOW_PERCENT, PAXG, PRICES, SHARES, Size, book, true_price
from truemark_devnet.drill.verdict import expectations

SMALL = 24
TIERS = (MarginTier(0, 500, 300), NO_TIER, NO_TIER)


def test_the_crowd_is_the_same_each_time_and_paxg_is_the_thinnest_market() -> None:
    crowd = book(Size())
    assert len(crowd) == 200
    assert crowd == book(Size())
    worth = dict.fromkeys(SHARES, 0)
    for holder in crowd.values():
        for market, size in holder.positions.items():
            worth[market] += int(abs(size) * PRICES[market])
    assert min(worth, key=lambda market: worth[market]) == PAXG
    # A small one is in every market on both sides.
    sides = {(market, size > 0) for holder in book(Size(SMALL)).values() for market, size in holder.positions.items()}
    assert len(sides) == 2 * len(SHARES)


def test_everybody_is_healthy_at_the_true_prices_of_the_night_and_many_are_not_on_an_old_page() -> None:
    wrong = 0
    for holder in book(Size()).values():
        for percent in (100, LOW_PERCENT, HIGH_PERCENT):
            value, requirement = to_collateral(holder.collateral) * 10**10, 0
            for market, size in holder.positions.items():
                price = true_price(market, 0) * percent / 100
                value += to_size(size) * (to_price(price.quantize(PRICES[PAXG] / 10**12)) - to_price(PRICES[market]))
                requirement += position_requirement(abs(to_size(size)) * to_price(price), TIERS)[1] // 10_000
            assert percent != 100 or value >= requirement
            wrong += percent != 100 and value < requirement
    assert wrong > 50


def test_a_drill_of_another_size_does_not_go_on_in_a_folder(tmp_path: Path) -> None:
    Memory(tmp_path, {"accounts": 200, "seed": 19}).note("unguarded", "line", 7)
    assert Memory(tmp_path, {"accounts": 200, "seed": 19}).noted("unguarded", "line") == 7
    with pytest.raises(BadMemory, match="of another size"):
        Memory(tmp_path, {"accounts": 20, "seed": 19})


def test_what_was_not_done_meets_no_expectation() -> None:
    found = expectations({})
    assert len(found) > 25
    assert not any(item.met for item in found)


@pytest.mark.node
@pytest.mark.deep
def test_killed_at_five_moments_it_goes_on_and_ends_as_it_must(tmp_path: Path) -> None:
    said = killed(tmp_path, kills=5, pauses=(2.0, 9.0), seed=int(time.time()))
    assert said["met"], said["expectations"]


@pytest.mark.node
@pytest.mark.prove
def test_killed_at_twenty_moments_it_ends_the_same_as_one_that_was_not(tmp_path: Path) -> None:
    whole = finished(tmp_path / "whole")
    said = killed(tmp_path / "killed", kills=20, pauses=(2.5, 7.0), seed=int(time.time()))
    assert said["met"], said["expectations"]
    assert figures(said) == figures(whole)


@pytest.mark.node
@pytest.mark.prove
def test_the_whole_of_it_takes_less_than_ten_minutes(tmp_path: Path) -> None:
    began = time.monotonic()
    said = finished(tmp_path, accounts=200)
    assert said["met"], said["expectations"]
    assert time.monotonic() - began < 600


def figures(said: Mapping[str, Any]) -> dict[str, Any]:
    """What does not depend on the second in which a step came: who was hit, and by what."""
    steps = {part: {step: item["facts"] for step, item in said["parts"][part].items()} for part in PARTS}
    bare, release = steps["unguarded"], steps["guarded"]
    return {
        "hit": (bare["corrupted"]["accounts"], bare["corrupted"]["by_market"]),
        "rules": sorted(bare["find"]["suspicions"]),
        "crossed": bare["reconcile"]["withdrawals"] + bare["reconcile"]["deposits"],
        "wrong": bare["reopened by hand"]["wrong"],
        "right": bare["reopened by hand"]["right"],
        "refunded": sorted(bare["refunds"]["owed"]),
        "release": (
            release["corrupted"]["liquidations"],
            release["reopened"]["liquidated"],
            release["reopened"]["wave"],
        ),
    }


def command(folder: Path, accounts: int) -> list[str]:
    return [
        sys.executable,
        *("-m", "truemark.cli", "drill", "--accounts", str(accounts)),
        *("--folder", str(folder / "drill"), "--report", str(folder / "report.html")),
    ]


def finished(folder: Path, accounts: int = SMALL) -> dict[str, Any]:
    """A drill to its end; its JSON."""
    done = subprocess.run(command(folder, accounts), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    said: dict[str, Any] = orjson.loads((folder / "report.json").read_bytes())
    assert "</html>" in (folder / "report.html").read_text()
    return said


def killed(folder: Path, *, kills: int, pauses: tuple[float, float], seed: int) -> dict[str, Any]:
    """As `finished`, by processes that are killed after a while each, but for the last."""
    dice = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(kills):
        process = subprocess.Popen(command(folder, SMALL), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(dice.uniform(*pauses))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
        else:
            pytest.fail(f"it was over before kill {number + 1}, with seed {seed}: choose shorter pauses")
    return finished(folder)
