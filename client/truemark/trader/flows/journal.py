"""The journal of money under way: a small SQLite file that says how far each movement is. It holds amounts, addresses,
nonces and hashes, which the chains show anyway; no key, no signature."""

from __future__ import annotations

import json
import sqlite3
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from truemark.errors import TruemarkError

_VERSION: Final = 1
#: Seconds that a process waits for another one's write.
_BUSY: Final = 10.0
_SCHEMA: Final = """
CREATE TABLE flows (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, deployment TEXT NOT NULL, account TEXT NOT NULL, step TEXT NOT NULL,
    data TEXT NOT NULL, version INTEGER NOT NULL, created_at REAL NOT NULL, updated_at REAL NOT NULL
);
CREATE TABLE steps (
    flow TEXT NOT NULL REFERENCES flows(id), version INTEGER NOT NULL, step TEXT NOT NULL, at REAL NOT NULL,
    PRIMARY KEY (flow, version)
);
"""


class Kind(StrEnum):
    """Which way money moves."""

    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    VAULT_DEPOSIT = "vault-deposit"
    REDEMPTION = "redemption"


class Step(StrEnum):
    """How far a movement is."""

    #: Written down; nothing was sent.
    PLANNED = "planned"
    #: A transaction was signed and may have been sent.
    SIGNED = "signed"
    #: A deposit is in a block of L1 and on its way to L2.
    SENT = "sent"
    #: L2 registered a withdrawal; its message is on its way to L1.
    REGISTERED = "registered"
    #: Shares are locked in the vault's queue.
    LOCKED = "locked"
    #: The transaction that takes the redeemed money was signed and may have been sent.
    CLAIMING = "claiming"
    #: The money is where it was to go.
    DONE = "done"
    #: A deposit arrived on L2 and could not be credited: `claim_parked` takes it.
    PARKED = "parked"
    #: It ended without moving any money, or with the money back where it was; the reason says why.
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        return self in (Step.DONE, Step.PARKED, Step.FAILED)


class BadJournal(TruemarkError, ValueError):
    """A file that is no journal, or one of another version."""


class UnknownFlow(TruemarkError, LookupError):
    """The journal has no movement of that id."""


class MovedElsewhere(TruemarkError, RuntimeError):
    """Another process took the same step of this movement: what it sent counts, nothing was sent here."""


@dataclass(frozen=True, slots=True)
class Record:
    """One movement as it is written down."""

    id: str
    kind: Kind
    #: The venue's name and L2 chain, and the account.
    deployment: str
    account: int
    step: Step
    data: Mapping[str, Any]
    #: Raised with every write.
    version: int
    #: Unix seconds of this machine.
    created_at: float
    updated_at: float


class Journal:
    """The file. Every write is one transaction of SQLite, on disk when it returns.

    Args:
        path: made, with its folder, when it is not there; only its owner can read it.

    Raises:
        BadJournal: it is no journal of this version, or cannot be opened.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.touch(mode=0o600, exist_ok=True)
            with self._open() as db:
                # Two processes that make it at the same time: the second waits and finds it made.
                db.execute("BEGIN IMMEDIATE")
                (version,) = db.execute("PRAGMA user_version").fetchone()
                if version == 0:
                    for statement in _SCHEMA.split(";"):
                        db.execute(statement)
                    db.execute(f"PRAGMA user_version = {_VERSION}")
                elif version != _VERSION:
                    raise BadJournal(f"{self.path} is a journal of version {version}, this one reads {_VERSION}")
        except (sqlite3.Error, OSError) as error:
            raise BadJournal(f"{self.path} cannot be used as a journal: {error}") from error

    def __repr__(self) -> str:
        return f"Journal({str(self.path)!r})"

    def begin(self, kind: Kind, deployment: str, account: int, data: Mapping[str, Any]) -> Record:
        """Writes down a movement of which nothing was sent yet."""
        now = time.time()
        record = Record(uuid.uuid4().hex[:12], kind, deployment, account, Step.PLANNED, dict(data), 0, now, now)
        with self._open() as db:
            db.execute(
                "INSERT INTO flows VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (record.id, kind, deployment, hex(account), record.step, json.dumps(record.data), 0, now, now),
            )
            db.execute("INSERT INTO steps VALUES (?, 0, ?, ?)", (record.id, record.step, now))
        return record

    def save(self, record: Record, step: Step, data: Mapping[str, Any]) -> Record:
        """Writes the next step of `record`, with `data` added to what it has.

        Raises:
            MovedElsewhere: it is not as `record` has it any more.
        """
        now = time.time()
        merged = {**record.data, **data}
        with self._open() as db:
            changed = db.execute(
                "UPDATE flows SET step = ?, data = ?, version = version + 1, updated_at = ? "
                "WHERE id = ? AND version = ?",
                (step, json.dumps(merged), now, record.id, record.version),
            ).rowcount
            if changed != 1:
                raise MovedElsewhere(f"{record.kind} {record.id} was taken further by another process: load it again")
            db.execute("INSERT INTO steps VALUES (?, ?, ?, ?)", (record.id, record.version + 1, step, now))
        return replace(record, step=step, data=merged, version=record.version + 1, updated_at=now)

    def load(self, flow_id: str) -> Record:
        """
        Raises:
            UnknownFlow: there is none of that id.
        """
        with self._open() as db:
            row = db.execute("SELECT * FROM flows WHERE id = ?", (flow_id,)).fetchone()
        if row is None:
            raise UnknownFlow(f"{self.path} has no movement {flow_id}")
        return _record(row)

    def records(self, deployment: str, account: int, *, open_only: bool = False) -> list[Record]:
        """The movements of one account, oldest first."""
        with self._open() as db:
            rows = db.execute(
                "SELECT * FROM flows WHERE deployment = ? AND account = ? ORDER BY created_at, rowid",
                (deployment, hex(account)),
            ).fetchall()
        found = [_record(row) for row in rows]
        return [record for record in found if not (open_only and record.step.is_final)]

    def history(self, flow_id: str) -> list[tuple[Step, float]]:
        """The steps of one movement, oldest first, with the unix seconds of each."""
        with self._open() as db:
            rows = db.execute("SELECT step, at FROM steps WHERE flow = ? ORDER BY version", (flow_id,)).fetchall()
        return [(Step(step), at) for step, at in rows]

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        # One connection a use: a forked process or another thread never shares one, and writes are few.
        db = sqlite3.connect(self.path, timeout=_BUSY)
        try:
            db.execute("PRAGMA synchronous = FULL")
            with db:
                yield db
        finally:
            db.close()


def _record(row: tuple[Any, ...]) -> Record:
    flow_id, kind, deployment, account, step, data, version, created_at, updated_at = row
    return Record(
        flow_id, Kind(kind), deployment, int(account, 16), Step(step), json.loads(data), version, created_at, updated_at
    )
