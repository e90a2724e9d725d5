"""The record of a running devnet: what `up` started, with ports, process ids and the gate's token."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson
import platformdirs
from truemark.errors import TruemarkError

from truemark_devnet.processes import ProcessId

HOME_VARIABLE = "TRUEMARK_HOME"
VERSION = 1


class BadState(TruemarkError, ValueError):
    """The state file is damaged or of another version."""


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """One process of the devnet."""

    name: str
    port: int
    process: ProcessId
    log: str


@dataclass(frozen=True, slots=True)
class DevnetState:
    """
    Attributes:
        ready: False while `up` is at work; if that is how it stays, `up` was interrupted.
        nodes: by their part: "l1", "l2", "gate".
        settings: as given to `up`, for starting the gate again.
    """

    ready: bool
    l1_chain_id: int
    l2_chain_id: int
    gate_token: str = field(repr=False)
    nodes: Mapping[str, NodeRecord]
    settings: Mapping[str, Any]

    def save(self, home: Path) -> None:
        content = {"version": VERSION, **asdict(self), "l2_chain_id": hex(self.l2_chain_id)}
        write_private(state_file(home), orjson.dumps(content, option=orjson.OPT_INDENT_2))

    @classmethod
    def load(cls, home: Path) -> DevnetState | None:
        """None when there is no state file: nothing runs, as far as is recorded.

        Raises:
            BadState: the file is damaged or of another version.
        """
        path = state_file(home)
        try:
            value = orjson.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        except orjson.JSONDecodeError as error:
            raise BadState(
                f"{path} is damaged ({error}): `truemark devnet down` stops what runs and removes it"
            ) from error
        if not isinstance(value, dict) or value.get("version") != VERSION:
            raise BadState(f"{path} is not of version {VERSION}: `truemark devnet down` stops what runs and removes it")
        try:
            nodes = {
                part: NodeRecord(
                    name=str(record["name"]),
                    port=int(record["port"]),
                    process=ProcessId(int(record["process"]["pid"]), int(record["process"]["started"])),
                    log=str(record["log"]),
                )
                for part, record in value["nodes"].items()
            }
            return cls(
                ready=bool(value["ready"]),
                l1_chain_id=int(value["l1_chain_id"]),
                l2_chain_id=int(value["l2_chain_id"], 16),
                gate_token=str(value["gate_token"]),
                nodes=nodes,
                settings=dict(value["settings"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadState(
                f"{path} is damaged ({error!r}): `truemark devnet down` stops what runs and removes it"
            ) from error


def home_of_user() -> Path:
    """The folder of the user's devnet: $TRUEMARK_HOME, else truemark/devnet where the system keeps such state."""
    named = os.environ.get(HOME_VARIABLE)
    if named:
        return Path(named).expanduser().absolute()
    return Path(platformdirs.user_state_dir("truemark")) / "devnet"


def state_file(home: Path) -> Path:
    return home / "state.json"


def write_private(path: Path, content: bytes) -> None:
    """Writes a file that only its owner can read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise
