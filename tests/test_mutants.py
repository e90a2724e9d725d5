"""Every rule and every guard of an entry point has a test that fails without it."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from truemark_devnet.cairo_tests import GROUPS
from truemark_devnet.paths import checkout

from tests.mutants.mutants import Mutant, misfits, mutants, survives

CONTRACTS = checkout() / "contracts"


def test_each_mutant_has_its_text_once_and_its_test() -> None:
    assert misfits(CONTRACTS, mutants()) == []


def test_each_rule_has_a_mutant() -> None:
    mutated = {mutant.file for mutant in mutants()}
    rules = {
        f"rules/{path.name}"
        for path in (CONTRACTS / "src" / "rules").glob("*.cairo")
        # The rules as a contract, for the Python engine to be compared with.
        if path.stem != "parity" and not path.stem.endswith("_test")
    }
    assert rules <= mutated


def test_no_two_mutants_are_the_same() -> None:
    counted = Counter((mutant.file, mutant.text, mutant.replacement) for mutant in mutants())
    assert counted.most_common(1)[0][1] == 1


@pytest.mark.deep
def test_a_fault_is_noticed_and_what_is_none_survives(tmp_path: Path) -> None:
    fault = next(mutant for mutant in mutants() if mutant.group == "rules")
    assert survives(CONTRACTS, tmp_path, fault) is None
    harmless = replace(fault, replacement=f"{fault.text} ")
    assert "survives" in (survives(CONTRACTS, tmp_path, harmless) or "")


@pytest.mark.prove
def test_all_mutants_are_killed(tmp_path: Path) -> None:
    def some(group: str) -> list[str]:
        return [trouble for mutant in mutants() if mutant.group == group and (trouble := _try(mutant))]

    def _try(mutant: Mutant) -> str | None:
        return survives(CONTRACTS, tmp_path / mutant.group, mutant)

    with ThreadPoolExecutor(max_workers=2) as pool:
        alive = [trouble for found in pool.map(some, GROUPS) for trouble in found]
    assert alive == []
