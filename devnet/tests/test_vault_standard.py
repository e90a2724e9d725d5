"""docs/vault.md names a test for each requirement: the tests are there."""

from __future__ import annotations

import re

from truemark_devnet.paths import checkout

_NAMED = re.compile(r"`(\w+)::(\w+(?:\.py::\w+)?)`")


def test_every_test_that_the_table_names_exists() -> None:
    root = checkout()
    vault = root / "contracts" / "src" / "vault"
    named = _NAMED.findall((root / "docs" / "vault.md").read_text())
    assert len({name for _, name in named}) > 25
    for room, name in named:
        if name == "name":
            continue
        if room == "node":
            file, function = name.split("::")
            source, definition = root / "tests" / file, f"async def {function}("
        else:
            source = vault / "math.cairo" if room == "math" else vault / "tests" / f"{room}.cairo"
            definition = f"fn {name}("
        assert definition in source.read_text(), f"{source} has no {name}"


def test_every_requirement_names_a_test() -> None:
    text = (checkout() / "docs" / "vault.md").read_text()
    for line in text[text.index("## ERC-4626") :].splitlines():
        if line.startswith("| ") and not line.startswith("| requirement"):
            assert "::" in line, f"no test holds: {line}"
