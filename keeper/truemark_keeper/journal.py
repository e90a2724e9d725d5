"""The queue's memory on disk: every transaction that was sent and has no outcome yet, so that a restart can tell."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from truemark.errors import TruemarkError

VERSION = 1


class BadJournal(TruemarkError, ValueError):
    """The journal's file is damaged or belongs to another account or chain."""


@dataclass(frozen=True)
class Entry:
    """One nonce with an open transaction. The signed parameters hold a signature, never a key."""

    nonce: int
    #: Every hash that was ever sent at this nonce, oldest first.
    hashes: tuple[int, ...]
    #: What was sent last, to send it again as it was.
    signed: dict[str, Any]


class Journal:
    """A JSON file, replaced whole (a temporary file, flushed, then renamed): a crash leaves the old or the new one."""

    def __init__(self, path: Path, *, address: int, chain_id: int) -> None:
        self._path = path
        self._identity = {"version": VERSION, "address": hex(address), "chain_id": hex(chain_id)}

    def load(self) -> tuple[Entry, ...]:
        """Empty when there is no file.

        Raises:
            BadJournal: the file cannot be read as this account's journal.
        """
        try:
            raw = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return ()
        except (OSError, ValueError) as error:
            raise BadJournal(f"{self._path}: {error}; move it away to start without it") from error
        if not isinstance(raw, dict):
            raise BadJournal(f"{self._path}: not a journal")
        for name, expected in self._identity.items():
            if raw.get(name) != expected:
                raise BadJournal(f"{self._path}: {name} is {raw.get(name)!r}, this queue's is {expected!r}")
        try:
            return tuple(
                Entry(int(item["nonce"]), tuple(int(h, 16) for h in item["hashes"]), dict(item["signed"]))
                for item in raw["open"]
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BadJournal(f"{self._path}: damaged entry: {error!r}") from error

    def save(self, entries: Sequence[Entry]) -> None:
        """Replaces the file."""
        content = self._identity | {
            "open": [
                {"nonce": entry.nonce, "hashes": [hex(h) for h in entry.hashes], "signed": entry.signed}
                for entry in entries
            ]
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=self._path.name, suffix=".new")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(content, file)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self._path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
