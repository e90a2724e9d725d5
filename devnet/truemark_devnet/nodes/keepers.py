"""The keepers of a devnet that lives on in the background: reporters, a liquidator and a sentinel, a process each, with
its own account, settings, journal, log and metrics. Any of them may be killed; `up --keepers` starts it again."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
import orjson
from truemark.errors import TruemarkError
from truemark.keys import StarkKey, keystore
from truemark_keeper.sources.table import PriceTable

from truemark_devnet.accounts import REPORTERS, L2Account
from truemark_devnet.nodes.launch import environment
from truemark_devnet.nodes.ports import HOST, choose
from truemark_devnet.processes import ProcessId, last_line, spawn, stop
from truemark_devnet.state import write_private

FOLDER = "keepers"
KEY_VARIABLE = "TRUEMARK_KEEPER_KEY"
LIQUIDATOR, SENTINEL = "liquidator", "sentinel"
#: Seconds that a keeper may take until it answers.
PATIENCE = 90.0
_RECORD = "keepers.json"
_ADMIN = "admin"
#: Seconds between two looks of the sentinel.
_LOOK = 1


class KeeperDied(TruemarkError, RuntimeError):
    """A keeper ended, or never answered; the message has the last line of its log."""


@dataclass(frozen=True, slots=True)
class KeeperRecord:
    """One keeper that was started.

    Attributes:
        role: as its account's in the manifest.
        port: of its metrics and health.
    """

    role: str
    port: int
    process: ProcessId


@dataclass(frozen=True, slots=True)
class KeeperState:
    """One keeper as it is now.

    Attributes:
        state: "working", "failing" (its last turn did), "silent" (alive, but does not answer) or "dead".
        said: what its last turn failed of, or the last words of one that is dead; else empty.
    """

    role: str
    state: str
    port: int
    pid: int
    log: str
    said: str


def keeper_roles(reporters: int) -> tuple[str, ...]:
    """So many reporters, a liquidator, a sentinel."""
    return (*REPORTERS[:reporters], LIQUIDATOR, SENTINEL)


def forget(home: Path) -> None:
    """What keepers of other chains left: journals and incidents that are worth nothing on new ones."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(home / FOLDER)


def records(home: Path) -> list[KeeperRecord]:
    """What was started last, alive or not; nothing where the record cannot be read."""
    try:
        found = orjson.loads((home / FOLDER / _RECORD).read_bytes())
        return [
            KeeperRecord(item["role"], item["port"], ProcessId(item["process"]["pid"], item["process"]["started"]))
            for item in found
        ]
    except (FileNotFoundError, orjson.JSONDecodeError, KeyError, TypeError):
        return []


def start_keepers(
    home: Path,
    manifest: Path,
    keys: Mapping[str, L2Account],
    *,
    reporters: int,
    interval: int,
    replay: Path,
    owned: bool,
) -> list[str]:
    """Starts those that do not run and waits until they answer; returns their roles. On an error the others live on.

    Args:
        keys: of the devnet's accounts by role.
        interval: seconds between two rounds.
        replay: the recorded prices; their first row is when the first keeper of this devnet was started.
        owned: they end with this process.

    Raises:
        KeeperDied: one ended or did not answer.
    """
    folder = home / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    running = {record.role: record for record in records(home) if record.process.is_alive()}
    missing = [role for role in keeper_roles(reporters) if role not in running]
    ports = choose(dict.fromkeys(missing))
    since = begun(folder, replay)
    for role in missing:
        settings = folder / f"{role}.toml"
        settings.write_text(_settings(role, manifest, replay, interval, since, ports[role]), encoding="utf-8")
        command = [sys.executable, "-m", "truemark.cli", "keeper", "run", "--config", str(settings)]
        secret = {KEY_VARIABLE: hex(keys[role].private_key)}
        process = spawn(command, env=environment(home) | secret, log=_log(home, role), owned=owned, cwd=folder)
        running[role] = KeeperRecord(role, ports[role], process)
        _save(home, running)
    _await(home, [running[role] for role in missing])
    return missing


def stop_keepers(home: Path) -> list[str]:
    """Stops what runs, gently: a round under way is finished. Returns the roles."""
    living = [record for record in records(home) if record.process.is_alive()]
    stop([record.process for record in living], grace=10.0)
    (home / FOLDER / _RECORD).unlink(missing_ok=True)
    return [record.role for record in living]


def look(home: Path) -> list[KeeperState]:
    """All that were started last, as they are now."""
    with httpx.Client(timeout=5.0, trust_env=False) as client:
        return [_look(home, client, record) for record in records(home)]


def _look(home: Path, client: httpx.Client, record: KeeperRecord) -> KeeperState:
    log = _log(home, record.role)
    state, said = "silent", ""
    if not record.process.is_alive():
        state, said = "dead", last_line(log)
    else:
        try:
            answer = client.get(f"http://{HOST}:{record.port}/readyz").json()
            failures = [str(role["error"]) for role in answer["roles"].values() if role["error"]]
            state, said = ("failing", failures[0]) if failures else ("working", "")
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            state = "silent"
    return KeeperState(record.role, state, record.port, record.process.pid, str(log), said)


def _await(home: Path, started: Sequence[KeeperRecord]) -> None:
    deadline = time.monotonic() + PATIENCE
    waiting = list(started)
    with httpx.Client(timeout=5.0, trust_env=False) as client:
        while waiting:
            for record in list(waiting):
                found = _look(home, client, record)
                if found.state == "dead":
                    raise KeeperDied(f"the keeper {record.role} has ended; its last words: {found.said} ({found.log})")
                if found.state != "silent":
                    waiting.remove(record)
            if waiting and time.monotonic() > deadline:
                raise KeeperDied(f"the keeper {waiting[0].role} did not answer within {PATIENCE:.0f} s")
            if waiting:
                time.sleep(0.2)


def begun(folder: Path, replay: Path) -> int:
    """When the recorded prices began to be played, the same for all keepers of one devnet; seconds since 1970. Prices
    that are over begin again.

    Raises:
        BadTable: they cannot be read.
    """
    times = PriceTable.load(replay).times
    path, now = folder / "since", int(time.time())
    with contextlib.suppress(FileNotFoundError, ValueError):
        then = int(path.read_text())
        if now - then < times[-1] - times[0]:
            return then
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(str(now))
    return now


def write_admin(manifest: Path, admin: L2Account, replay: Path, since: int) -> Path:
    """Settings of the admin for `truemark recovery`, beside the keepers': the prices that they play are its outside
    price. The key is the devnet's own, public knowledge, and so is the password beside it."""
    folder = manifest.parent / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    path, kept = folder / f"{_ADMIN}.toml", folder / f"{_ADMIN}.json"
    if not kept.exists():
        password = "devnet"  # noqa: S105
        write_private(folder / "password", password.encode())
        keystore.save(kept, StarkKey.from_private(admin.private_key), password)
    path.write_text(
        f"""# Written for `truemark recovery`.
[keeper]
deployment = {_quoted(manifest)}
account = "{_ADMIN}"
keystore = "{_ADMIN}.json"
password_file = "password"
roles = ["reporter"]
{_source(replay, 1, since)}""",
        encoding="utf-8",
    )
    return path


def _save(home: Path, running: Mapping[str, KeeperRecord]) -> None:
    content = [asdict(record) for record in running.values()]
    write_private(home / FOLDER / _RECORD, orjson.dumps(content, option=orjson.OPT_INDENT_2))


def _log(home: Path, role: str) -> Path:
    (home / "logs").mkdir(parents=True, exist_ok=True)
    return home / "logs" / f"keeper-{role}.log"


def _settings(role: str, manifest: Path, replay: Path, interval: int, since: int, port: int) -> str:
    """One keeper's file. The liquidator and the sentinel hold marks against the first reporter's prices."""
    service = role if role in (LIQUIDATOR, SENTINEL) else "reporter"
    column = REPORTERS.index(role) + 1 if role in REPORTERS else 1
    return f"""# Written by `truemark devnet up --keepers`; the key is in ${KEY_VARIABLE}.
[keeper]
deployment = {_quoted(manifest)}
account = "{role}"
key_env = "{KEY_VARIABLE}"
roles = ["{service}"]
interval = {_LOOK if service == SENTINEL else interval}
journal = "{role}.journal"

{_source(replay, column, since)}
[sentinel]
incidents = "incidents"

[monitoring]
port = {port}
"""


def _source(replay: Path, column: int, since: int) -> str:
    return f"""
[source]
replay = {_quoted(replay)}
reporter = {column}
start = "first"
since = {since}
"""


def _quoted(path: Path) -> str:
    return orjson.dumps(os.fspath(path.absolute())).decode()
