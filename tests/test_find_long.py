"""The search for the last good block on an index without a chain: each kind of damage at its very block, and fast."""

from __future__ import annotations

from pathlib import Path

import pytest
from truemark.index import Index
from truemark_devnet.bench import find as figure
from truemark_devnet.bench.long_index import Damage, prices, write
from truemark_keeper.recovery.find import Verdict, find_last_good

BLOCKS = 1_200


def searched(path: Path, damage: Damage) -> Verdict:
    venue = write(path, BLOCKS, damage)
    with Index.open(path, venue) as index:
        return find_last_good(index, venue, price=prices(venue))


def test_nothing_speaks_against_blocks_in_which_all_is_well(tmp_path: Path) -> None:
    found = searched(tmp_path / "index.sqlite", Damage())
    assert found.suspicions == ()
    assert found.last_good == found.last == BLOCKS - 1
    assert found.bad is None
    assert found.kept is not None
    assert found.kept.block == BLOCKS - 1


def test_each_damage_is_found_at_its_block_with_its_figures(tmp_path: Path) -> None:
    found = searched(tmp_path / "index.sqlite", Damage(jump=600, unit=800, funding=900))
    assert {(item.rule, item.block) for item in found.suspicions} == {
        ("mark continuity", 600),
        # And back again.
        ("mark continuity", 601),
        # An account got a unit that nobody gave.
        ("conservation", 800),
        ("liquidation at the independent price", 600),
        # Read where an event says it.
        ("funding continuity", 1_000),
    }
    unit = next(item for item in found.suspicions if item.rule == "conservation")
    assert unit.values["off"] == 1
    assert found.last_good == 599
    assert found.kept is not None
    assert found.bad is not None
    assert (found.kept.block, found.bad.block) == (599, 600)
    market = next(iter(found.kept.marks))
    assert found.bad.marks[market][0] < found.kept.marks[market][0]


@pytest.mark.prove
def test_a_hundred_thousand_blocks_take_less_than_a_minute() -> None:
    (found,) = figure.run()
    assert found.value < figure.BAR
