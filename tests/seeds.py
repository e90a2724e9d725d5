"""Seeds of long stories in `make test` and `make deep`: the same for the same code, so that a failure is about the
change. `make prove` draws anew."""

from __future__ import annotations

import hashlib
from pathlib import Path

from truemark_devnet.build import Build


def seed_of(built: Build, *folders: Path) -> int:
    """Follows from the contracts and the Python sources in the folders: who changes one of them meets another story."""
    digest = hashlib.sha256()
    for name in sorted(built.classes):
        digest.update(built.classes[name].class_hash.to_bytes(32))
    for folder in folders:
        for source in sorted(folder.rglob("*.py")):
            digest.update(source.read_bytes())
    return int.from_bytes(digest.digest()[:4])
