"""Each entry point of each class that is declared: a failing caller and bad input are shown for it, by name."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from truemark_devnet.paths import checkout

from tests.mutants.mutants import test_file as file_of

ROOT = checkout()
CONTRACTS, ABIS = ROOT / "contracts", ROOT / "client" / "truemark" / "abi"
TABLE: dict[str, dict[str, list[str]]] = tomllib.loads((Path(__file__).parent / "entry_points.toml").read_text())
LIBRARY: dict[str, str] = TABLE.pop("library")  # type: ignore[assignment]
#: Embedded components, by the words that their interfaces' names end with.
COMPONENTS = {"::IAccess": "access", "::IERC20": "erc20", "::IUpgradeable": "upgrades"}
#: An L1 handler is called by a helper, as the sequencer calls it; a migration by the upgrade that it belongs to.
HELPERS = {
    "handle_deposit": ("deposit", "from_l1"),
    "handle_epoch": ("new_epoch", "from_l1"),
    "migrate": ("upgrade",),
    "handle_attestation": ("attest", "from_l1", "attestation"),
}
#: Not ours: the account class that devnet ships.
FOREIGN = {"Account"}


def entry_points(name: str) -> Iterator[tuple[str, str]]:
    """(section of the table, function) of a class's external functions and L1 handlers."""
    for item in json.loads((ABIS / f"{name}.json").read_text()):
        inside = item["items"] if item["type"] == "interface" else [item]
        component = next((room for end, room in COMPONENTS.items() if item["name"].endswith(end)), None)
        for function in inside:
            if function["type"] in ("function", "l1_handler") and function["state_mutability"] == "external":
                yield component or LIBRARY.get(name, name), function["name"]


CLASSES = sorted(path.stem for path in ABIS.glob("*.json") if path.stem not in FOREIGN)


@pytest.mark.parametrize("name", CLASSES)
def test_each_entry_point_has_a_refused_caller_and_refused_input(name: str) -> None:
    missing = [
        f"{section}.{function}" for section, function in entry_points(name) if not TABLE.get(section, {}).get(function)
    ]
    assert missing == []


def test_the_table_names_nothing_that_is_gone() -> None:
    known = {entry for name in CLASSES for entry in entry_points(name)}
    listed = {(section, function) for section, functions in TABLE.items() for function in functions}
    assert listed - known == set()


@pytest.mark.parametrize("section", TABLE)
def test_the_tests_are_there_and_call_it(section: str) -> None:
    wrong = []
    for function, (caller, given) in TABLE[section].items():
        for test, instead in ((caller, "anyone"), (given, "none")):
            if test == instead:
                continue
            body = _body(test)
            if body is None:
                wrong.append(f"{section}.{function}: there is no test {test}")
            elif not any(f"{name}(" in body for name in (function, *HELPERS.get(function, ()))):
                wrong.append(f"{section}.{function}: {test} does not call it")
    assert wrong == []


def _body(test: str) -> str | None:
    file, name = file_of(CONTRACTS, test), test.rpartition("::")[2]
    found = (
        None if file is None else re.search(rf"^( *)fn {name}\(.*?^\1}}", file.read_text(), re.MULTILINE | re.DOTALL)
    )
    return found[0] if found else None
