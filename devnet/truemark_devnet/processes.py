"""Child processes that never outlive their purpose: in a group of their own, known by pid and start time."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import psutil

_PR_SET_PDEATHSIG = 1
_PROC = Path("/proc")
#: The start time of a process that ended before it could be asked.
_NEVER = -1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process for good: pids are reused, a pid with the start time of its process is not.

    Attributes:
        pid: the process id.
        started: clock ticks since boot on Linux, milliseconds since 1970 elsewhere.
    """

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> ProcessId | None:
        """The identity of a living process; None when it is gone or only waits to be reaped."""
        started = _start_time(pid)
        return None if started is None else cls(pid, started)

    def is_alive(self) -> bool:
        return _start_time(self.pid) == self.started

    def send(self, number: signal.Signals) -> None:
        """Sends a signal to this very process; nothing happens when it is gone."""
        if self.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


class Terminated(SystemExit):
    """SIGTERM or SIGHUP as an exception, so that cleaning up is the same as after Ctrl-C."""


def spawn(command: list[str], *, env: Mapping[str, str], log: Path, owned: bool, cwd: Path | None = None) -> ProcessId:
    """Starts a process in its own session, with its output appended to a log file.

    Args:
        owned: the kernel kills it when the thread that called this ends, even by SIGKILL (Linux). Else it lives on.
    """
    with log.open("ab") as out:
        child = subprocess.Popen(
            command,
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGKILL) if owned else None,
        )
    identity = ProcessId.of(child.pid) or ProcessId(child.pid, _NEVER)
    # From here on it is known by its identity; Popen would complain that it still runs when it is forgotten.
    child.returncode = 0
    return identity


def die_with_parent(number: signal.Signals) -> Callable[[], None] | None:
    """For `preexec_fn`: the kernel sends this signal to the child when the parent's thread ends; None where it cannot.

    Only what is safe between fork and exec happens in it: two system calls.
    """
    if _LIBC is None:
        return None
    # Looked up here: after a fork, what takes a lock may wait for ever.
    prctl, wanted, parent = _LIBC.prctl, int(number), os.getpid()

    def arm() -> None:
        prctl(_PR_SET_PDEATHSIG, wanted)
        # The parent may have died before the line above.
        if os.getppid() != parent:
            os._exit(1)

    return arm


def stop(processes: Iterable[ProcessId], grace: float = 5.0) -> None:
    """SIGTERM to all, then SIGKILL to those that live after `grace` seconds. Returns when all are gone."""
    waiting = [process for process in processes if process.is_alive()]
    for process in waiting:
        process.send(signal.SIGTERM)
    waiting = _wait_for_end(waiting, grace)
    for process in waiting:
        process.send(signal.SIGKILL)
    _wait_for_end(waiting, 5.0)


def stop_group(child: subprocess.Popen[bytes], grace: float = 5.0) -> None:
    """Ends a child that leads its own process group, and everything that it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(grace)
            if number is signal.SIGKILL or not _group_is_alive(child.pid):
                return


def marked(name: str, value: str) -> list[ProcessId]:
    """This user's processes whose environment has name=value: what a crash left, even if nothing recorded its pid."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(name) == value:
                identity = ProcessId.of(process.pid)
                if identity is not None:
                    found.append(identity)
    return found


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Within it SIGTERM and SIGHUP raise Terminated in the main thread, so that `finally` blocks run."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def on_signal(number: int, _frame: FrameType | None) -> None:
        raise Terminated(128 + number)

    # What is ignored stays so: nohup means it.
    numbers = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, on_signal) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Signals to end wait until the block is over, then take effect: for what must not be left half done."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            before[number] = signal.signal(number, lambda came_number, _frame: came.append(came_number))
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for late in came:
        signal.raise_signal(late)


def last_line(log: Path) -> str:
    """The last line of a log that says something, at most 300 characters; empty when there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 8192))
            lines = [line.strip() for line in file.read().decode(errors="replace").splitlines()]
    except FileNotFoundError:
        return ""
    return next((line[:300] for line in reversed(lines) if line), "")


def _wait_for_end(processes: list[ProcessId], seconds: float) -> list[ProcessId]:
    deadline = time.monotonic() + seconds
    while processes and time.monotonic() < deadline:
        for process in processes:
            _reap(process.pid)
        processes = [process for process in processes if process.is_alive()]
        if processes:
            time.sleep(0.02)
    return processes


def _reap(pid: int) -> None:
    """Takes the exit status of a child of ours; others are not ours to wait for."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def _group_is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _start_time(pid: int) -> int | None:
    """None for a process that is gone, or a zombie: that one runs no more."""
    if _PROC.is_dir():
        try:
            # The name, in parentheses, may hold anything; the fields after it are fixed.
            fields = (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if fields[0] in "ZX" else int(fields[19])
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else int(process.create_time() * 1000)
    except psutil.NoSuchProcess:
        return None
