"""The next version of the contracts: their sources with a few lines changed, compiled beside them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from truemark_devnet.build import Build, build
from truemark_devnet.paths import checkout

#: By file below contracts/src: a line, and what it is in the next version. Two contracts and one class that the
#: clearinghouse runs.
CHANGES: Mapping[str, tuple[str, str]] = {
    "oracle/contract.cairo": ("const FREEZE_DWELL: u64 = 60;", "const FREEZE_DWELL: u64 = 90;"),
    "vault/contract.cairo": ("const MAX_LOCK: u64 = 2_592_000;", "const MAX_LOCK: u64 = 1_296_000;"),
    "clearinghouse/venue.cairo": ("'MODE: one step up at a time'", "'MODE: step by step'"),
}


def next_version(folder: Path) -> Build:
    """Compiled below `folder`; what is the same as here has the same class hash."""
    root = checkout()
    shutil.copytree(root / "contracts", folder / "contracts")
    for path, (line, instead) in CHANGES.items():
        file = folder / "contracts" / "src" / path
        text = file.read_text()
        assert text.count(line) == 1, f"{path} has no line {line!r} to change"
        file.write_text(text.replace(line, instead))
    return build(folder)
