"""Files that are there whole or not at all, and that are not lost."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Replaces the file: a crash leaves the old or the new one.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        written = Path(file.name)
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            written.unlink(missing_ok=True)
            raise
    written.chmod(0o644)
    written.replace(path)


def keep_before(path: Path, content: bytes) -> Path | None:
    """Before `content` replaces what the file has: puts that beside it, under the first number that is free. Where;
    None: there is nothing, or just this.

    Raises:
        OSError: it cannot be read or written.
    """
    try:
        there = path.read_bytes()
    except FileNotFoundError:
        return None
    if there == content:
        return None
    number = 1
    while (kept := path.with_name(f"{path.stem}-{number}{path.suffix}")).exists():
        number += 1
    write_whole(kept, there)
    return kept
