"""`truemark devnet ...` as processes: started, asked, interrupted, killed, damaged, in the way of each other."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from truemark.cli import main
from truemark_devnet import nodes as devnets
from truemark_devnet.processes import ProcessId, marked
from truemark_devnet.state import BadState, DevnetState, NodeRecord

DEEP = pytest.mark.deep
START = 1_768_773_600


class Shell:
    """Runs commands on a state folder of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def start(self, *arguments: str, **env: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "truemark.cli", "devnet", *arguments],
            env={**os.environ, "TRUEMARK_HOME": str(self.home), "PYTHONUNBUFFERED": "1", **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *arguments: str, **env: str) -> tuple[int, str, str]:
        """In this process: to start another takes a second."""
        out, err = StringIO(), StringIO()
        changed = {"TRUEMARK_HOME": str(self.home), **env}
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            for name, value in changed.items():
                patch.setenv(name, value)
            patch.setattr("sys.stdin", StringIO())
            code = main(["devnet", *arguments])
        return code, out.getvalue(), err.getvalue()

    def fails(self, *arguments: str, code: int = 1, **env: str) -> str:
        """One line on stderr, no stack trace."""
        found, _, err = self(*arguments, **env)
        assert found == code, err
        assert "Traceback" not in err
        assert len(err.strip().splitlines()) == 1, err
        return err

    def state(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads((self.home / "state.json").read_text())
        return value

    def pid(self, part: str) -> int:
        return int(self.state()["nodes"][part]["process"]["pid"])

    def left(self) -> list[ProcessId]:
        return marked("TRUEMARK_DEVNET_DIR", str(self.home))


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    made = Shell(tmp_path / "home")
    yield made
    devnets.down(made.home)
    assert made.left() == []


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that is in use."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        yield int(sock.getsockname()[1])


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def wait_for(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def kill(pid: int) -> None:
    psutil.Process(pid).kill()
    wait_for(lambda: ProcessId.of(pid) is None)


@pytest.mark.node
def test_up_status_up_again_and_down(shell: Shell) -> None:
    l1, gate = free_port(), free_port()
    code, out, err = shell("up", "--l1-port", str(l1), "--gate-port", str(gate))
    assert (code, err) == (0, "")
    assert out.startswith("devnet: started\n")
    assert f"http://127.0.0.1:{l1}  chain 31337" in out
    assert f"http://127.0.0.1:{gate}  chain 0x545255454d41524b5f4445564e4554 (TRUEMARK_DEVNET)" in out
    pids = [shell.pid(part) for part in ("l1", "l2", "gate")]
    assert (shell.home / "state.json").stat().st_mode & 0o777 == 0o600
    assert shell.home.stat().st_mode & 0o077 == 0

    code, out, _ = shell("status", "--json")
    found = json.loads(out)
    assert (code, found["state"], found["admission"], found["held_time"]) == (0, "up", "open", None)
    assert {part["state"] for part in found["parts"].values()} == {"healthy"}
    assert shell.state()["gate_token"] not in out
    code, out, _ = shell("status")
    assert code == 0
    assert "admission open, time runs" in out

    # The second answers what runs, also when the same ports are asked for, and starts nothing.
    assert shell("up", "--l1-port", str(l1))[1].startswith("devnet: runs already\n")
    assert [shell.pid(part) for part in ("l1", "l2", "gate")] == pids
    assert f"l1-port {l1}" in shell.fails("up", "--l1-port", str(free_port()))
    assert "hold-time False" in shell.fails("up", "--keep-time")

    # As closed as it was, over a gate that dies and is started again.
    assert shell("admission", "closed", "--allow", "0xAB")[1] == "admission is closed but to 0xab\n"
    kill(shell.pid("gate"))
    code, out, err = shell("status")
    assert code == 1
    assert "gate  " in out
    assert "gate has ended" in err
    assert "`truemark devnet up` starts it again" in err
    assert shell("up")[1].startswith("devnet: the gate was started again\n")
    assert [shell.pid("l1"), shell.pid("l2")] == pids[:2]
    assert shell("admission")[1] == "admission is closed but to 0xab\n"
    assert shell("admission", "open")[1] == "admission is open\n"

    code, out, _ = shell("down")
    assert (code, out) == (0, "stopped: anvil, starknet-devnet, gate\n")
    assert not any(ProcessId.of(pid) for pid in pids)
    assert shell("down")[1] == "nothing was running\n"
    assert shell("status")[0] == 3
    assert not (shell.home / "state.json").exists()
    assert {path.name for path in (shell.home / "logs").iterdir()} == {"anvil.log", "gate.log", "starknet-devnet.log"}


@pytest.mark.node
def test_time_that_stands_still_is_moved_by_command(shell: Shell) -> None:
    assert shell("up", "--keep-time", "--start-time", str(START))[0] == 0
    assert shell("time")[1] == f"L1 {START}, L2 {START}, stands still\n"
    assert shell("time", "+600")[1] == f"L1 {START + 600}, L2 {START + 600}, stands still\n"
    assert shell("time", str(START + 1000))[1] == f"L1 {START + 1000}, L2 {START + 1000}, stands still\n"
    assert "cannot go back" in shell.fails("time", str(START))
    assert "+SECONDS" in shell.fails("time", "soon", code=2)
    # A gate that is started again holds it still.
    kill(shell.pid("gate"))
    assert shell("up")[1].startswith("devnet: the gate was started again\n")
    assert shell("time")[1] == f"L1 {START + 1000}, L2 {START + 1000}, stands still\n"
    assert shell("time", "run")[1].endswith("runs\n")


@pytest.mark.node
@pytest.mark.parametrize(("part", "name"), [("l2", "starknet-devnet"), pytest.param("l1", "anvil", marks=DEEP)])
def test_a_node_that_dies_in_the_middle_is_named_and_its_chain_not_replaced_in_silence(
    shell: Shell, part: str, name: str
) -> None:
    shell("up")
    kill(shell.pid(part))
    code, out, err = shell("status")
    assert code == 1
    assert f"{name} has ended; its last words:" in err
    assert str(shell.home / "logs" / f"{name}.log") in err
    assert "dead" in out
    assert json.loads(shell("status", "--json")[1])["state"] == "broken"
    for command in (("up",), ("time",), ("admission", "closed")):
        assert f"{name} has ended" in shell.fails(*command)
    assert shell("down")[0] == 0
    assert shell.left() == []


@DEEP
@pytest.mark.node
def test_after_all_have_ended_up_starts_new_chains_and_forgets_the_deployment(shell: Shell) -> None:
    shell("up")
    for part in ("l1", "l2", "gate"):
        kill(shell.pid(part))
    (shell.home / "deployment.json").write_text("{}")
    assert shell("up")[1].startswith("devnet: started\n")
    assert not (shell.home / "deployment.json").exists()


@pytest.mark.node
@pytest.mark.parametrize(
    "number", [signal.SIGINT, *(pytest.param(n, marks=DEEP) for n in (signal.SIGTERM, signal.SIGHUP))]
)
def test_up_that_is_interrupted_leaves_nothing(shell: Shell, number: signal.Signals) -> None:
    child = shell.start("up")
    wait_for(lambda: len(shell.left()) >= 2)
    child.send_signal(number)
    _, err = child.communicate(timeout=60)
    assert child.returncode != 0
    assert "Traceback" not in err
    assert shell.left() == []
    assert not (shell.home / "state.json").exists()


@DEEP
@pytest.mark.node
def test_up_that_is_interrupted_at_any_moment_leaves_nothing(shell: Shell) -> None:
    for tenths in range(4, 40, 3):
        child = shell.start("up")
        time.sleep(tenths / 10)
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=60)
        if child.returncode != 0:
            assert shell.left() == []
            assert not (shell.home / "state.json").exists()
        devnets.down(shell.home)


@pytest.mark.node
def test_up_that_is_killed_is_cleaned_up_by_the_next_one(shell: Shell) -> None:
    child = shell.start("up")
    wait_for(lambda: len(shell.left()) >= 2)
    child.kill()
    child.communicate(timeout=60)
    before = {process.pid for process in shell.left()}
    assert before
    code, out, _ = shell("up")
    assert (code, out.splitlines()[0]) == (0, "devnet: started")
    assert before.isdisjoint(process.pid for process in shell.left())
    assert len(shell.left()) == 3


@pytest.mark.node
@pytest.mark.parametrize("how", ["ctrl-c", *(pytest.param(how, marks=DEEP) for how in ("kill", "a node dies"))])
def test_in_the_foreground_they_end_with_the_command(shell: Shell, how: str) -> None:
    child = shell.start("up", "--foreground")
    assert child.stdout is not None
    while "Ctrl-C stops them" not in child.stdout.readline():
        pass
    assert len(shell.left()) == 3
    if how == "ctrl-c":
        child.send_signal(signal.SIGINT)
    elif how == "kill":
        child.kill()
    else:
        kill(shell.pid("l2"))
    _, err = child.communicate(timeout=60)
    wait_for(lambda: shell.left() == [])
    if how == "a node dies":
        assert child.returncode == 1
        assert "starknet-devnet has ended" in err
    if how == "ctrl-c":
        assert child.returncode == 0
        assert not (shell.home / "state.json").exists()


@DEEP
@pytest.mark.node
def test_a_program_that_crashes_takes_its_nodes_with_it(shell: Shell) -> None:
    code = (
        "from pathlib import Path; import time; from truemark_devnet.nodes import running_nodes\n"
        f"with running_nodes(Path({str(shell.home)!r})) as nodes: print(nodes.l2_url, flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    url = child.stdout.readline().strip()
    assert httpx.get(f"{url}/is_alive").text == "Alive!!!"
    child.kill()
    child.communicate()
    wait_for(lambda: shell.left() == [])


@pytest.mark.node
def test_two_ups_at_once_start_one_devnet(shell: Shell) -> None:
    children = [shell.start("up") for _ in range(2)]
    said = sorted(child.communicate(timeout=120)[0].splitlines()[0] for child in children)
    assert said == ["devnet: runs already", "devnet: started"]
    assert len(shell.left()) == 3


@pytest.mark.node
@pytest.mark.parametrize("option", ["--l1-port", "--l2-port", "--gate-port"])
def test_a_port_in_use_is_one_clear_line(shell: Shell, taken: int, option: str) -> None:
    err = shell.fails("up", option, str(taken))
    assert f"port {taken} for " in err
    assert f"is in use by {psutil.Process().name()} (pid {os.getpid()})" in err
    assert shell.left() == []


@pytest.mark.node
def test_a_damaged_state_file_is_said_and_down_cures_it(shell: Shell) -> None:
    shell("up")
    (shell.home / "state.json").write_text('{"version": 1, "nodes"')
    for command in ("status", "up", "time"):
        assert "state.json is damaged" in shell.fails(command)
    # What it recorded is found without it.
    code, out, _ = shell("down")
    assert code == 0
    assert out.count("a process that an interrupted start left") == 3
    assert shell("status")[0] == 3


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"version": 2}', '{"version": 1}', '{"version": 1, "ready": true, "nodes": {"l1": {}}}'],
)
def test_a_state_file_of_any_other_shape_is_refused(shell: Shell, content: str) -> None:
    shell.home.mkdir()
    (shell.home / "state.json").write_text(content)
    with pytest.raises(BadState):
        DevnetState.load(shell.home)


def test_the_state_file_holds_what_was_saved_and_hides_its_token(tmp_path: Path) -> None:
    record = NodeRecord("anvil", 8545, ProcessId(12, 345), "anvil.log")
    state = DevnetState(True, 31337, 1 << 200, "a secret", {"l1": record}, {"tick": None})
    state.save(tmp_path)
    assert DevnetState.load(tmp_path) == state
    assert "a secret" not in repr(state)
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]
    replace(state, ready=False).save(tmp_path)
    loaded = DevnetState.load(tmp_path)
    assert loaded is not None
    assert not loaded.ready


@pytest.mark.parametrize("command", [("time",), ("admission", "open"), ("deploy",)])
def test_without_a_devnet_a_command_says_how_to_start_one(shell: Shell, command: tuple[str, ...]) -> None:
    assert "`truemark devnet up` starts one" in shell.fails(*command)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("upp",), "upp"),
        (("up", "--l1-port", "0"), "--l1-port"),
        (("up", "--l1-port", "x"), "--l1-port"),
        (("admission", "ajar"), "ajar"),
        (("admission", "open", "--allow", "0x1"), "--allow goes with `closed`"),
        (("admission", "closed", "--allow", "bob"), "bob is no address"),
    ],
)
def test_what_is_typed_wrongly_is_one_line_and_exit_code_2(shell: Shell, command: tuple[str, ...], said: str) -> None:
    assert said in shell.fails(*command, code=2)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("up", "--l1-port", "4000", "--l2-port", "4000"), "a port of its own"),
        (("up", "--tick", "-1"), "tick is a number of seconds above 0"),
        (("up", "--start-time", "-5"), "seconds since 1970"),
    ],
)
@pytest.mark.node
def test_settings_that_cannot_be_are_one_line(shell: Shell, command: tuple[str, ...], said: str) -> None:
    assert said in shell.fails(*command)


def test_a_machine_without_tools_and_without_cargo_is_told_so(shell: Shell, tmp_path: Path) -> None:
    bare = {"PATH": str(tmp_path), "TRUEMARK_CACHE": str(tmp_path / "cache")}
    assert "npm, to install anvil" in shell.fails("up", **bare)
    assert "cargo, to build the tools" in shell.fails("tools", **bare)
    code, out, _ = shell("doctor", **bare)
    assert code == 1
    assert "cannot be built without git, make, cc, pkg-config, perl, cargo" in out
    assert "apt install build-essential" in out


def test_the_doctor_is_content_with_this_machine(shell: Shell) -> None:
    code, out, _ = shell("doctor")
    assert code == 0
    for name in ("starknet-devnet", "anvil", "starknet-compile", "cairo-test", "vyper", "cargo"):
        assert f"\n{name} " in f"\n{out}"


def test_the_cache_is_removed_only_when_that_is_meant(shell: Shell, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    env = {"TRUEMARK_CACHE": str(cache)}
    assert "is not there" in shell("clean", **env)[1]
    (cache / "tools").mkdir(parents=True)
    (cache / "tools" / "anvil").write_text("x")
    code, out, _ = shell("clean", **env)
    assert code != 0
    assert "Remove " in out
    assert cache.exists()
    assert shell("clean", "--yes", **env)[0] == 0
    assert not cache.exists()
