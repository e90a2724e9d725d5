"""Processes known by pid and start time, and what becomes of them when their parent ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from truemark_devnet.processes import (
    ProcessId,
    Terminated,
    interruptible,
    last_line,
    marked,
    spawn,
    stop,
    uninterrupted,
)

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('here', flush=True); time.sleep(60)"
)


def start(tmp_path: Path, code: str = "import time; time.sleep(60)", **env: str) -> ProcessId:
    return spawn(
        [sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"], **env},
        log=tmp_path / "log",
        owned=True,
    )


def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def test_a_process_is_alive_until_it_is_stopped(tmp_path: Path) -> None:
    process = start(tmp_path)
    assert process.is_alive()
    assert ProcessId.of(process.pid) == process
    stop([process])
    assert not process.is_alive()
    assert ProcessId.of(process.pid) is None
    stop([process])


def test_one_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    process = start(tmp_path, STUBBORN)
    wait_for(lambda: last_line(tmp_path / "log") == "here")
    began = time.monotonic()
    stop([process], grace=0.3)
    assert not process.is_alive()
    assert 0.3 <= time.monotonic() - began < 5


def test_a_process_that_has_the_pid_of_another_is_let_live(tmp_path: Path) -> None:
    process = start(tmp_path)
    impostor = ProcessId(process.pid, process.started - 1)
    assert not impostor.is_alive()
    stop([impostor], grace=0.1)
    impostor.send(signal.SIGKILL)
    assert process.is_alive()
    stop([process])


def test_a_child_that_has_ended_and_was_not_waited_for_is_not_alive() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    wait_for(lambda: ProcessId.of(child.pid) is None)
    child.wait()


def test_processes_are_found_by_their_mark(tmp_path: Path) -> None:
    value = str(tmp_path)
    process = start(tmp_path, STUBBORN, TRUEMARK_TEST_MARK=value)
    other = start(tmp_path, TRUEMARK_TEST_MARK=value + "x")
    # Its environment is its own only once it runs.
    wait_for(lambda: marked("TRUEMARK_TEST_MARK", value) == [process])
    stop([process, other], grace=0.1)
    assert marked("TRUEMARK_TEST_MARK", value) == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's end")
def test_an_owned_process_ends_with_its_parent_even_by_sigkill(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from truemark_devnet.processes import spawn\n"
        "for owned in (True, False):\n"
        "    print(spawn([sys.executable, '-c', 'import time; time.sleep(30)'], env={}, "
        f"log=Path({str(tmp_path / 'log')!r}), owned=owned).pid, flush=True)\n"
        "time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    owned, free = (ProcessId.of(int(parent.stdout.readline())) for _ in range(2))
    assert owned is not None
    assert free is not None
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_for(lambda: not owned.is_alive())
    assert free.is_alive()
    stop([free])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_end_cleans_up_as_ctrl_c_does(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(Terminated) as raised, interruptible():
        signal.raise_signal(number)
    assert raised.value.code == 128 + number
    assert signal.getsignal(number) is before


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_signal_waits_for_what_must_not_be_left_half_done() -> None:
    done = []

    def both_halves() -> None:
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
            done.append("the other half")

    with pytest.raises(KeyboardInterrupt):
        both_halves()
    assert done == ["the other half"]


def test_the_last_line_of_a_log_is_the_last_that_says_something(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert last_line(log) == ""
    log.write_text("")
    assert last_line(log) == ""
    log.write_text("one\ntwo  \n\n  \n")
    assert last_line(log) == "two"
    log.write_bytes(b"x" * 100_000 + b"\n\xff" + b"y" * 1000)
    assert len(last_line(log)) == 300
