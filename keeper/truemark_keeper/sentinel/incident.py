"""An incident: one file with the evidence, open until a person clears it."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from truemark.errors import TruemarkError

from truemark_keeper.sentinel.rules import Break
from truemark_keeper.sentinel.sight import StopMode

VERSION = 1
#: Breaks kept in one file; the first ones tell what happened, a hundred more do not tell it better.
MAX_BREAKS = 100


class BadIncident(TruemarkError, ValueError):
    """An incident's file that cannot be read, or one that is not there to be cleared."""


@dataclass(frozen=True)
class Evidence:
    """A break with who is affected by it."""

    broken: Break
    #: Addresses of accounts; None: not found out yet.
    affected: tuple[int, ...] | None = None
    #: The keeper's clock, seconds.
    seen_at: int = 0


@dataclass(frozen=True)
class Stop:
    """The transaction that stopped the venue. `block` and `fingerprint` (hex) tell whether the chain still has it."""

    mode: StopMode
    transaction: str | None
    block: int
    fingerprint: str


@dataclass(frozen=True)
class Incident:
    name: str
    #: Of the keeper's clock, seconds.
    opened_at: int
    deployment: str
    clearinghouse: int
    #: The effective mode when it was opened.
    mode_before: StopMode
    evidence: tuple[Evidence, ...]
    stop: Stop | None = None
    #: Who cleared it, when, and why it is safe: for people.
    cleared: dict[str, Any] | None = None
    #: Breaks seen after the file was full.
    unrecorded: int = 0

    @property
    def mode(self) -> StopMode:
        """The highest mode in which none of its breaks can do harm."""
        return min(item.broken.mode for item in self.evidence)

    @property
    def keys(self) -> frozenset[tuple[str, str | None]]:
        return frozenset(item.broken.key for item in self.evidence)

    def with_evidence(self, evidence: Sequence[Evidence]) -> Incident:
        room = max(MAX_BREAKS - len(self.evidence), 0)
        # A kind of break that is new is worth more than the hundredth of a known one.
        fresh = [item for item in evidence if item.broken.key not in self.keys]
        kept = (fresh + [item for item in evidence if item not in fresh])[: max(room, len(fresh))]
        return replace(
            self,
            evidence=(*self.evidence, *kept),
            unrecorded=self.unrecorded + len(evidence) - len(kept),
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "incident": self.name,
            "opened_at": _iso(self.opened_at),
            "deployment": self.deployment,
            "clearinghouse": hex(self.clearinghouse),
            "mode_before": self.mode_before.variant,
            "rules_broken": sorted({item.broken.rule for item in self.evidence}),
            "stop": None
            if self.stop is None
            else {
                "mode": self.stop.mode.variant,
                "transaction": self.stop.transaction,
                "block": self.stop.block,
                "fingerprint": self.stop.fingerprint,
            },
            "breaks": [
                {
                    "rule": item.broken.rule,
                    "market": item.broken.market,
                    "block": item.broken.block,
                    "at": _iso(item.broken.at),
                    "seen_at": _iso(item.seen_at),
                    "mode": item.broken.mode.variant,
                    "explanation": item.broken.explanation,
                    # As text: other readers of JSON have no whole numbers of this size.
                    "values": {
                        name: str(value) if isinstance(value, int) and abs(value) > 2**53 else value
                        for name, value in item.broken.values.items()
                    },
                    "affected": None if item.affected is None else [hex(address) for address in item.affected],
                }
                for item in self.evidence
            ],
            "unrecorded": self.unrecorded,
            "cleared": self.cleared,
        }

    @classmethod
    def from_json(cls, raw: Any) -> Incident:
        stop = raw["stop"]
        return cls(
            name=raw["incident"],
            opened_at=_seconds(raw["opened_at"]),
            deployment=raw["deployment"],
            clearinghouse=int(raw["clearinghouse"], 16),
            mode_before=StopMode.of(raw["mode_before"]),
            evidence=tuple(
                Evidence(
                    Break(
                        item["rule"],
                        item["block"],
                        _seconds(item["at"]),
                        StopMode.of(item["mode"]),
                        item["explanation"],
                        item["market"],
                        item["values"],
                    ),
                    None if item["affected"] is None else tuple(int(address, 16) for address in item["affected"]),
                    _seconds(item["seen_at"]),
                )
                for item in raw["breaks"]
            ),
            stop=None
            if stop is None
            else Stop(StopMode.of(stop["mode"]), stop["transaction"], stop["block"], stop["fingerprint"]),
            cleared=raw["cleared"],
            unrecorded=raw["unrecorded"],
        )


@dataclass
class IncidentFolder:
    """Where the files are, NAME.json each. At most one of a deployment is open."""

    path: Path
    _known: dict[Path, tuple[tuple[int, ...], Incident]] = field(default_factory=dict)

    def all(self) -> tuple[Incident, ...]:
        """Oldest first.

        Raises:
            BadIncident: a file cannot be read: what it says of the venue would be lost.
        """
        return tuple(
            sorted(
                (self._read(file) for file in self._files()), key=lambda incident: (incident.opened_at, incident.name)
            )
        )

    def open_one(self, clearinghouse: int) -> Incident | None:
        """The incident of this venue that nobody has cleared yet.

        Raises:
            BadIncident: none that can be read is, and there is a file that cannot.
        """
        waiting: list[Incident] = []
        unread: list[BadIncident] = []
        for file in self._files():
            try:
                incident = self._read(file)
            except BadIncident as error:
                unread.append(error)
                continue
            if incident.cleared is None and incident.clearinghouse == clearinghouse:
                waiting.append(incident)
        if waiting:
            return max(waiting, key=lambda incident: (incident.opened_at, incident.name))
        if unread:
            raise unread[0]
        return None

    def new_name(self, opened_at: int, rule: str) -> str:
        """One that no file has."""
        stem = f"{datetime.fromtimestamp(opened_at, UTC).strftime('%Y%m%dT%H%M%SZ')}-{rule.replace(' ', '-')}"
        names = (stem, *(f"{stem}-{number}" for number in range(2, 10_000)))
        return next(name for name in names if not (self.path / f"{name}.json").exists())

    def save(self, incident: Incident) -> Path:
        """Writes it whole, or leaves what was there."""
        self.path.mkdir(parents=True, exist_ok=True)
        target = self.path / f"{incident.name}.json"
        handle, name = tempfile.mkstemp(dir=self.path, prefix=f".{incident.name}", suffix=".new")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(incident.to_json(), file, indent=2)
                file.write("\n")
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        return target

    def clear(self, name: str, *, by: str, note: str, at: int) -> Incident:
        """A person has looked at it: the sentinel may open another one.

        Raises:
            BadIncident: there is none of this name, or it is cleared already.
        """
        incident = next((item for item in self.all() if item.name == name), None)
        if incident is None:
            raise BadIncident(f"{self.path} has no incident {name!r}")
        if incident.cleared is not None:
            raise BadIncident(f"{name} was cleared by {incident.cleared['by']} at {incident.cleared['at']}")
        done = replace(incident, cleared={"by": by, "at": _iso(at), "note": note})
        self.save(done)
        return done

    def _files(self) -> list[Path]:
        return sorted(self.path.glob("*.json")) if self.path.is_dir() else []

    def _read(self, file: Path) -> Incident:
        try:
            status = file.stat()
            changed = (status.st_mtime_ns, status.st_size, status.st_ino)
            known = self._known.get(file)
            if known is not None and known[0] == changed:
                return known[1]
            incident = Incident.from_json(json.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, StopIteration) as error:
            raise BadIncident(f"{file}: not an incident's file: {error!r}") from error
        self._known[file] = (changed, incident)
        return incident


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())
