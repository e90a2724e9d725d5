"""Incidents of the field replayed on real nodes: each with a twin whose right answer is the opposite."""

from __future__ import annotations

from pathlib import Path

import pytest
from truemark_devnet.build import Build
from truemark_devnet.nodes import Nodes
from truemark_devnet.scenario.run import Loaded, load, run

FOLDER = Path(__file__).parent / "scenarios"
#: A price, a true fall, storage that changed: one of each kind, in `make test`.
SAMPLE = ("paradex-price-zero.twin", "pyth-btc-confidence")


def loaded() -> list[Loaded]:
    return load(sorted(FOLDER.glob("*.yaml")))


def test_every_scenario_has_a_twin() -> None:
    names = {path.name.removesuffix(".yaml") for path in FOLDER.glob("*.yaml")}
    assert names
    assert {name for name in names if not name.endswith(".twin")} == {
        name.removesuffix(".twin") for name in names if name.endswith(".twin")
    }


def test_a_scenario_is_called_as_its_file() -> None:
    assert [item.scenario.name for item in loaded()] == [
        path.name.removesuffix(".yaml") for path in sorted(FOLDER.glob("*.yaml"))
    ]


@pytest.mark.node
@pytest.mark.parametrize("name", SAMPLE)
async def test_a_sample_of_them(name: str, nodes: Nodes, built: Build) -> None:
    await as_expected(nodes, built, name)


@pytest.mark.node
@pytest.mark.deep
@pytest.mark.parametrize("name", [item.scenario.name for item in loaded() if item.scenario.name not in SAMPLE])
async def test_all_of_them(name: str, nodes: Nodes, built: Build) -> None:
    await as_expected(nodes, built, name)


async def as_expected(nodes: Nodes, built: Build, name: str) -> None:
    [item] = [item for item in loaded() if item.scenario.name == name]
    [result] = [result async for result in run(nodes, built, [item])]
    assert result.problems == ()
