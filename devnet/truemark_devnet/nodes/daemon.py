"""`up`, `status` and `down`: a devnet that lives on in the background, known by its state file."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from truemark.errors import TruemarkError

from truemark_devnet.nodes.control import NodeError
from truemark_devnet.nodes.handle import Nodes
from truemark_devnet.nodes.keepers import forget, stop_keepers
from truemark_devnet.nodes.launch import MARK, Launched, NodeDied, Running, is_healthy, launch, launch_gate
from truemark_devnet.nodes.settings import L1_CHAIN_ID, NodeSettings
from truemark_devnet.processes import last_line, marked, stop, uninterrupted
from truemark_devnet.state import BadState, DevnetState, NodeRecord, home_of_user, state_file

#: Seconds that `up` waits for another `up` or `down`.
_PATIENCE = 180.0
#: What `up` takes where nothing else is asked for: a chain that keeps up with real time, messages that arrive.
DEFAULTS: dict[str, Any] = {"tick": 5.0, "relay": 2.0}
#: Written by a deployment on the chains that a state file describes; worthless with new chains.
_OF_THE_CHAINS = ("deployment.json", "messaging")


class NotRunning(TruemarkError, RuntimeError):
    """There is no devnet to work with."""


class RunsOtherwise(TruemarkError, RuntimeError):
    """A devnet runs, but not with the settings that were asked for."""


@dataclass(frozen=True, slots=True)
class Part:
    """One process of a devnet, as it is now.

    Attributes:
        state: "healthy", "silent" (alive, but does not answer) or "dead".
    """

    name: str
    state: str
    port: int
    pid: int
    url: str
    log: str
    last_line: str


@dataclass(frozen=True, slots=True)
class Status:
    """
    Attributes:
        state: "down", "up", "starting" (or `up` was interrupted), or "broken".
        problem: what is wrong, in a sentence; empty when nothing is.
    """

    home: Path
    state: str
    problem: str
    parts: Mapping[str, Part]
    l1_chain_id: int = 0
    l2_chain_id: int = 0
    admission: str = ""
    held_time: int | None = None

    def to_json(self) -> dict[str, Any]:
        value = dataclasses.asdict(self)
        value["home"] = str(self.home)
        value["l2_chain_id"] = hex(self.l2_chain_id)
        value["parts"] = {key: dataclasses.asdict(part) for key, part in self.parts.items()}
        return value


@dataclass(frozen=True, slots=True)
class Up:
    """
    Attributes:
        how: "started", "running" (it was), or "repaired" (the gate was started again).
    """

    nodes: Nodes
    how: str


def up(home: Path | None = None, *, owned: bool = False, **asked: Any) -> Up:
    """Starts a devnet, or says that one runs. On an error or Ctrl-C nothing of it is left.

    Args:
        owned: it ends with this process.
        asked: fields of NodeSettings that somebody asked for; a devnet that runs must have them.

    Raises:
        PortInUse, NodeDied, ToolMissing, BadSettings: it could not be started.
        RunsOtherwise: one runs with other settings.
        BadState: the state file is damaged.
    """
    home = home or home_of_user()
    settings = NodeSettings(**{**DEFAULTS, **asked})
    started = None
    try:
        with _locked(home):
            state = DevnetState.load(home)
            if state is not None and state.ready:
                running = running_of(state, home)
                if any(node.process.is_alive() for node in running.values()):
                    return _answer(home, state, running, asked)
            _sweep(home, state)
            for name in _OF_THE_CHAINS:
                (home / name).unlink(missing_ok=True)
            forget(home)
            started = _start(home, settings, owned=owned)
        return Up(started, "started")
    except BaseException:
        # Ctrl-C once they ran and before anybody was told.
        if started is not None:
            down(home)
        raise


def down(home: Path | None = None) -> list[str]:
    """Stops what runs and forgets it; returns what was stopped. Nothing happens when nothing runs."""
    home = home or home_of_user()
    if not home.is_dir():
        return []
    with _locked(home):
        try:
            state = DevnetState.load(home)
        except BadState:
            # What it recorded is found by its mark.
            state = None
        # First, so that they can finish their rounds.
        stopped = stop_keepers(home) + _sweep(home, state)
        state_file(home).unlink(missing_ok=True)
        return stopped


def status(home: Path | None = None) -> Status:
    """
    Raises:
        BadState: the state file is damaged.
    """
    home = home or home_of_user()
    state = DevnetState.load(home)
    if state is None:
        return Status(home, "down", "", {})
    settings = NodeSettings.from_json(state.settings)
    running = running_of(state, home)
    parts = {part: _look(node, settings) for part, node in running.items()}
    found = Status(home, "up", "", parts, state.l1_chain_id, state.l2_chain_id)
    if not state.ready:
        return dataclasses.replace(found, state="starting", problem="`up` is at work, or was interrupted: `up` again")
    ill = [part for part in ("l1", "l2", "gate") if parts[part].state != "healthy"]
    if ill:
        return dataclasses.replace(found, state="broken", problem=_complaint(running, parts, ill))
    control = Nodes.of(_launched(home, state, running)).control
    with contextlib.closing(control):
        admission = control.admission()
        return dataclasses.replace(
            found, admission="open" if admission.is_open else "closed", held_time=control.held_time()
        )


def attach(home: Path | None = None) -> Nodes:
    """A handle on the devnet that `up` started.

    Raises:
        NotRunning: there is none.
        NodeDied: a part of it has ended.
        BadState: the state file is damaged.
    """
    home = home or home_of_user()
    state = DevnetState.load(home)
    if state is None or not state.ready:
        raise NotRunning(f"no devnet runs from {home}: `truemark devnet up` starts one")
    nodes = Nodes.of(_launched(home, state, running_of(state, home)))
    nodes.check()
    return nodes


def running_of(state: DevnetState, home: Path) -> dict[str, Running]:
    return {
        part: Running(part, record.port, record.process, home / "logs" / Path(record.log).name)
        for part, record in state.nodes.items()
    }


def _start(home: Path, settings: NodeSettings, *, owned: bool) -> Nodes:
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o700)

    def recorded(token: str, running: Mapping[str, Running]) -> None:
        _save(home, settings, token, running, ready=False)

    try:
        launched = launch(home, settings, owned=owned, recorded=recorded)
        nodes = Nodes.of(launched)
        try:
            nodes.begin(settings)
            _save(home, settings, launched.gate_token, launched.running, ready=True)
        except BaseException:
            with uninterrupted():
                nodes.stop()
            raise
    except BaseException:
        state_file(home).unlink(missing_ok=True)
        raise
    return nodes


def _answer(home: Path, state: DevnetState, running: Mapping[str, Running], asked: Mapping[str, Any]) -> Up:
    """What `up` does when a devnet runs."""
    settings = NodeSettings.from_json(state.settings)
    actual: dict[str, Any] = {
        **dataclasses.asdict(settings),
        **{f"{part}_port": node.port for part, node in running.items()},
    }
    different = [name for name, value in asked.items() if value is not None and actual[name] != value]
    if different:
        what = ", ".join(f"{name.replace('_', '-')} {actual[name]}" for name in different)
        raise RunsOtherwise(f"a devnet runs already, with {what}: `truemark devnet down` first")
    parts = {part: _look(node, settings) for part, node in running.items()}
    ill = [part for part in ("l1", "l2", "gate") if parts[part].state != "healthy"]
    if not ill:
        return Up(Nodes.of(_launched(home, state, running)), "running")
    if ill == ["gate"]:
        # Its chains are there; and what it was told about admission is in its file.
        stop([running["gate"].process])
        gate = launch_gate(home, settings, running, token=state.gate_token)
        repaired = {**running, "gate": gate}
        try:
            _save(home, settings, state.gate_token, repaired, ready=True)
        except BaseException:
            stop([gate.process])
            raise
        nodes = Nodes.of(_launched(home, state, repaired))
        if settings.hold_time:
            nodes.control.increase_time(0)
        return Up(nodes, "repaired")
    raise NodeDied(_complaint(running, parts, ill))


def _complaint(running: Mapping[str, Running], parts: Mapping[str, Part], ill: list[str]) -> str:
    said = [
        running[part].obituary() if parts[part].state == "dead" else f"{parts[part].name} lives but does not answer"
        for part in ill
    ]
    cure = (
        "`truemark devnet up` starts it again"
        if ill == ["gate"]
        else "its chain is lost: `truemark devnet down`, then `up`"
    )
    return f"{'; '.join(said)}; {cure}"


def _look(node: Running, settings: NodeSettings) -> Part:
    state = "dead" if not node.process.is_alive() else ("healthy" if is_healthy(node, settings) else "silent")
    return Part(node.name, state, node.port, node.process.pid, node.url, str(node.log), last_line(node.log))


def _launched(home: Path, state: DevnetState, running: Mapping[str, Running]) -> Launched:
    return Launched(NodeSettings.from_json(state.settings), home, state.gate_token, running)


def _save(home: Path, settings: NodeSettings, token: str, running: Mapping[str, Running], *, ready: bool) -> None:
    DevnetState(
        ready=ready,
        l1_chain_id=L1_CHAIN_ID,
        l2_chain_id=settings.l2_chain_id,
        gate_token=token,
        nodes={part: NodeRecord(node.name, node.port, node.process, node.log.name) for part, node in running.items()},
        settings=dataclasses.asdict(settings),
    ).save(home)


def _sweep(home: Path, state: DevnetState | None) -> list[str]:
    """Stops what the state file names, and whatever else bears this folder's mark: a crash may have left it."""
    processes = {}
    if state is not None:
        for record in state.nodes.values():
            if record.process.is_alive():
                processes[record.process] = record.name
    for process in marked(MARK, str(home)):
        processes.setdefault(process, "a process that an interrupted start left")
    stop(processes)
    return list(processes.values())


@contextlib.contextmanager
def _locked(home: Path) -> Iterator[None]:
    """One `up` or `down` at a time."""
    home.mkdir(parents=True, exist_ok=True)
    lock = FileLock(home / "lock")
    try:
        lock.acquire(timeout=_PATIENCE)
    except Timeout as error:
        raise NodeError(f"another `up` or `down` holds {home / 'lock'}") from error
    try:
        yield
    finally:
        lock.release()
