"""A rollback's memory on disk: what it was begun for, and which steps are done, so that it goes on where it was cut
short."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

import orjson
from truemark.errors import TruemarkError

from truemark_keeper.atomic import write_whole

VERSION: Final = 1


class BadRecord(TruemarkError, ValueError):
    """A file that is no record of a rollback of this venue."""


@dataclass(frozen=True, slots=True)
class RollbackRecord:
    """
    Attributes:
        clearinghouse: address of the venue's.
        block: the last good one, the newest after the rollback.
        fingerprint, state: what tells it from another block at its height, and its state from another; hex.
        height: of the chain when the rollback was begun.
        epoch: of L1 then.
        done: the steps that are behind, in order.
    """

    clearinghouse: int
    block: int
    fingerprint: str
    state: str
    height: int
    epoch: int
    done: tuple[str, ...] = ()

    def with_step(self, name: str) -> RollbackRecord:
        return replace(self, done=(*self.done, name))

    def save(self, path: Path) -> None:
        """Replaces the file whole: a crash leaves the old or the new one."""
        content = {"version": VERSION, **asdict(self), "clearinghouse": hex(self.clearinghouse)}
        write_whole(path, orjson.dumps(content, option=orjson.OPT_INDENT_2))

    @classmethod
    def load(cls, path: Path) -> RollbackRecord | None:
        """None where there is no file.

        Raises:
            BadRecord: it cannot be read as a record.
        """
        try:
            raw: Any = orjson.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise BadRecord(f"{path}: {error}") from error
        if not isinstance(raw, dict) or raw.pop("version", None) != VERSION:
            raise BadRecord(f"{path}: no record of a rollback, or of another version")
        if set(raw) != {item.name for item in fields(cls)}:
            raise BadRecord(f"{path}: its keys are not those of a rollback's record")
        try:
            return cls(
                clearinghouse=int(raw["clearinghouse"], 16),
                block=int(raw["block"]),
                fingerprint=str(raw["fingerprint"]),
                state=str(raw["state"]),
                height=int(raw["height"]),
                epoch=int(raw["epoch"]),
                done=tuple(str(name) for name in raw["done"]),
            )
        except (TypeError, ValueError) as error:
            raise BadRecord(f"{path}: {error}") from error
