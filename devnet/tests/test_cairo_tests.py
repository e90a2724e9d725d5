"""The groups of Cairo unit tests leave no room out, and a staged crate has the tests of its rooms only."""

from __future__ import annotations

from pathlib import Path

import pytest
from truemark_devnet.cairo_tests import GROUPS, rooms_with_tests, stage, without_tests
from truemark_devnet.paths import checkout

CONTRACTS = checkout() / "contracts"


def test_every_room_with_tests_is_in_one_group() -> None:
    named = [room for group in GROUPS.values() for room in group.tests]
    assert len(named) == len(set(named))
    assert set(named) == rooms_with_tests(CONTRACTS)


@pytest.mark.parametrize("name", GROUPS)
def test_a_staged_crate_has_its_own_tests_and_no_others(name: str, tmp_path: Path) -> None:
    crate = stage(CONTRACTS, GROUPS[name], tmp_path / name)
    assert rooms_with_tests(crate) == set(GROUPS[name].tests)
    for module in GROUPS[name].without:
        assert not (crate / "src" / f"{module}.cairo").exists()


def test_test_modules_are_cut_out_and_nothing_else() -> None:
    text = "pub mod a;\n#[cfg(test)]\nmod tests;\npub mod b;\n\n#[cfg(test)]\nmod more {\n    use super::b;\n}\n"
    assert without_tests(text) == "pub mod a;\npub mod b;\n\n"
    assert without_tests("pub mod a;\n") == "pub mod a;\n"
