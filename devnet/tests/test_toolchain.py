"""The toolchain with cargo and npm replaced by scripts that take a moment instead of half an hour."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import psutil
import pytest
from rich.console import Console
from truemark_devnet.toolchain import (
    TOOLS,
    Cache,
    ConsoleReporter,
    Silent,
    ToolBuildFailed,
    ToolMissing,
    ensure,
    find_tool,
    survey,
)
from truemark_devnet.toolchain.catalog import Source
from truemark_devnet.toolchain.locate import version_of

CARGO = """
import json, os, pathlib, subprocess, sys, time
journal = pathlib.Path(os.environ["FAKE_JOURNAL"])
def note(line):
    with journal.open("a") as file:
        file.write(line + "\\n")
args = sys.argv[1:]
if args == ["--version"]:
    print(os.environ.get("FAKE_CARGO_VERSION", "cargo 1.95.0 (f2d3ce0bd 2026-03-21)"))
elif args[0] == "install":
    name, version = args[1], args[args.index("--version") + 1]
    root = pathlib.Path(args[args.index("--root") + 1])
    target = pathlib.Path(os.environ["CARGO_TARGET_DIR"])
    part = target / "release" / "half"
    note(f"begin {name} {'resumed' if part.exists() else 'fresh'} {os.getpid()}")
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_text("")
    sys.stderr.write("   Compiling serde v1.0.0\\n")
    sys.stderr.write("    Building [==>     ] 1/3: serde\\r    Building [====>   ] 2/3: syn\\r")
    sys.stderr.flush()
    if os.environ.get("FAKE_ERROR"):
        sys.stderr.write("\\nerror: failed to run custom build command for `openssl-sys v0.9.117`\\n  more\\n")
        sys.exit(101)
    wait = f"import time, os; time.sleep({os.environ.get('FAKE_SECONDS', '0')})"
    if "FAKE_UNTIL" in os.environ:
        wait += f"\\nwhile not os.path.exists({os.environ['FAKE_UNTIL']!r}): time.sleep(0.02)"
    child = subprocess.Popen([sys.executable, "-c", wait])
    note(f"rustc {child.pid}")
    child.wait()
    binary = root / "bin" / name
    binary.parent.mkdir(parents=True, exist_ok=True)
    binary.write_text(f"#!{sys.executable}\\nprint('{name} {os.environ.get('FAKE_BUILT', version)}')\\n")
    binary.chmod(0o755)
    note(f"end {name}")
elif args[0] == "fetch":
    note("fetch")
elif args[0] == "metadata":
    crate = pathlib.Path(os.environ["FAKE_CRATE"])
    print(json.dumps({"packages": [
        {"name": "cairo-native", "version": "0.9.0-rc.4", "manifest_path": str(crate / "Cargo.toml")}]}))
"""
NPM = """
import os, pathlib, sys
args = sys.argv[1:]
assert "@foundry-rs/anvil@1.7.1" in args and "--ignore-scripts" in args
binary = pathlib.Path(args[args.index("--prefix") + 1], "node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil")
binary.parent.mkdir(parents=True)
binary.write_text(f"#!{sys.executable}\\nprint('anvil Version: 1.7.1')\\n")
"""
QUICK = ["anvil", "starknet-compile", "starknet-sierra-compile", "cairo-format", "cairo-test", "starknet-devnet"]


class Machine:
    """A PATH and a cache of its own."""

    def __init__(self, root: Path) -> None:
        self.bin = root / "bin"
        self.bin.mkdir()
        self.cache = Cache(root / "cache")
        self.journal = root / "journal"
        self.crate = root / "crate"
        (self.crate / "corelib" / "src").mkdir(parents=True)
        (self.crate / "corelib" / "src" / "lib.cairo").write_text("// core\n")
        (self.crate / "corelib" / "Scarb.toml").write_text('[package]\nname = "core"\nversion = "2.16.0"\n')
        self.put("cargo", CARGO)
        self.put("npm", NPM)
        for name in ("git", "make", "cc", "pkg-config", "perl", "node"):
            self.put(name, "")

    def put(self, name: str, code: str, folder: Path | None = None) -> Path:
        path = (folder or self.bin) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!{sys.executable}\n{code}")
        path.chmod(0o755)
        return path

    @property
    def env(self) -> dict[str, str]:
        return {
            "PATH": str(self.bin),
            "TRUEMARK_CACHE": str(self.cache.root),
            "FAKE_JOURNAL": str(self.journal),
            "FAKE_CRATE": str(self.crate),
        }

    def lines(self) -> list[str]:
        return self.journal.read_text().splitlines() if self.journal.exists() else []

    def begun(self) -> list[str]:
        return [line.split()[1] for line in self.lines() if line.startswith("begin")]

    def start(self, *names: str, **env: str) -> subprocess.Popen[str]:
        """`ensure` in a process of its own, its progress on standard output."""
        code = (
            "from rich.console import Console\n"
            "from truemark_devnet.toolchain import ConsoleReporter, ensure\n"
            "from truemark_devnet.processes import interruptible\n"
            "with interruptible(), ConsoleReporter(Console(), every=0.2) as reporter:\n"
            f"    ensure({list(names)!r}, reporter)\n"
            "print('all there', flush=True)\n"
        )
        return subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, **self.env, "PYTHONUNBUFFERED": "1", **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path)
    for name, value in made.env.items():
        monkeypatch.setenv(name, value)
    return made


def wait_for(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_everything_is_built_once_into_the_layout_and_the_target_folders_go(machine: Machine) -> None:
    found = ensure()
    root = machine.cache.root
    assert found["anvil"] == root / "tools/anvil-1.7.1/bin/anvil"
    assert found["starknet-devnet"] == root / "tools/starknet-devnet-0.10.1/bin/starknet-devnet"
    assert found["cairo-test"] == root / "tools/cairo-2.16.0/bin/cairo-test"
    assert (root / "tools/cairo-2.16.0/corelib/src/lib.cairo").is_file()
    assert machine.begun() == [name for name, tool in TOOLS.items() if tool.source is Source.CARGO]
    assert not (root / "build").exists()
    assert ensure() == found
    assert len(machine.begun()) == 5


def test_what_an_earlier_build_left_without_stamps_is_taken_as_it_is(machine: Machine) -> None:
    for name in QUICK:
        tool = TOOLS[name]
        machine.put(name, f"print('{name} {tool.version}')", machine.cache.home(tool) / "bin")
    (machine.cache.corelib / "src").mkdir(parents=True)
    (machine.cache.corelib / "src" / "lib.cairo").write_text("// core\n")
    (machine.cache.corelib / "Scarb.toml").write_text('[package]\nversion = "2.16.0"\n')
    ensure(QUICK)
    assert machine.lines() == []
    assert machine.cache.stamp(TOOLS["starknet-devnet"]).holds(deep=True)
    assert machine.cache.corelib_stamp.holds(deep=True)


def test_a_tool_on_the_path_in_the_right_version_is_used_as_it_is(machine: Machine) -> None:
    mine = machine.put("starknet-devnet", "print('starknet-devnet 0.10.1')")
    assert ensure(["starknet-devnet"]) == {"starknet-devnet": mine}
    assert machine.lines() == []


@pytest.mark.parametrize("said", ["0.10.0", "0.10.1-rc.2", "0.10.10", "none"])
def test_another_version_on_the_path_does_not_count(machine: Machine, said: str) -> None:
    machine.put("starknet-devnet", f"print('starknet-devnet {said}')")
    assert ensure(["starknet-devnet"])["starknet-devnet"].is_relative_to(machine.cache.root)


@pytest.mark.parametrize("said", ["anvil Version: 1.7.1-stable", "anvil 1.7.1 (4072e48 2026-05-08)", "anvil v1.7.1"])
def test_the_ways_to_write_a_release_are_understood(machine: Machine, said: str) -> None:
    assert version_of(machine.put("anvil", f"print({said!r})")) == "1.7.1"


def test_a_later_folder_of_the_path_is_looked_into_too(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.put("anvil", "print('anvil 0.9.0')")
    good = machine.put("anvil", "print('anvil Version: 1.7.1')", machine.bin.parent / "second")
    monkeypatch.setenv("PATH", f"{machine.bin}{os.pathsep}{good.parent}")
    assert find_tool("anvil") == good


def test_a_compiler_on_the_path_counts_only_with_its_corelib_beside_it(machine: Machine) -> None:
    mine = machine.put("starknet-compile", "print('starknet-compile 2.16.0')", machine.bin.parent / "cairo" / "bin")
    (machine.bin / "starknet-compile").symlink_to(mine)
    with pytest.raises(ToolMissing):
        find_tool("starknet-compile")
    corelib = mine.parent.parent / "corelib"
    (corelib / "src").mkdir(parents=True)
    (corelib / "src" / "lib.cairo").write_text("")
    assert find_tool("starknet-compile") == machine.bin / "starknet-compile"
    (corelib / "Scarb.toml").write_text('version = "2.15.0"\n')
    with pytest.raises(ToolMissing):
        find_tool("starknet-compile")


def test_a_missing_tool_is_named_with_the_way_to_get_it(machine: Machine) -> None:
    with pytest.raises(ToolMissing, match=r"starknet-devnet 0\.10\.1 .* `truemark devnet tools` builds it"):
        find_tool("starknet-devnet")


@pytest.mark.parametrize(
    ("lacking", "tool", "how"),
    [
        ("git", "cairo-format", "apt install git"),
        ("make", "cairo-format", "apt install make"),
        ("cc", "cairo-format", "apt install build-essential"),
        ("pkg-config", "cairo-format", "apt install pkg-config"),
        ("perl", "starknet-devnet", "apt install perl"),
        ("cargo", "starknet-devnet", "install Rust with rustup"),
        ("node", "anvil", "apt install nodejs"),
        ("npm", "anvil", "apt install npm"),
    ],
)
def test_what_the_machine_lacks_is_said_in_one_line_before_anything_is_built(
    machine: Machine, lacking: str, tool: str, how: str
) -> None:
    (machine.bin / lacking).unlink()
    with pytest.raises(ToolMissing) as raised:
        ensure([tool])
    assert lacking in str(raised.value)
    assert how in str(raised.value)
    assert "\n" not in str(raised.value)
    assert machine.lines() == []
    assert not survey().healthy


def test_an_old_cargo_is_refused(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_CARGO_VERSION", "cargo 1.63.0 (fd9c4297c 2022-07-01)")
    with pytest.raises(ToolMissing, match=r"cargo 1\.63\.0 is too old .* 1\.88 or newer"):
        ensure(["starknet-devnet"])


def test_a_full_disk_is_said_before_the_build(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("truemark_devnet.toolchain.build.ROOM", 2**60)
    with pytest.raises(ToolMissing, match="GB are free"):
        ensure(["starknet-devnet"])


def test_a_failed_build_is_one_line_with_its_cause_and_log(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_ERROR", "1")
    with pytest.raises(ToolBuildFailed, match="openssl-sys") as raised:
        ensure(["starknet-devnet"])
    assert "\n" not in str(raised.value)
    log = machine.cache.log("starknet-devnet")
    assert str(log) in str(raised.value)
    assert "Compiling serde" in log.read_text()
    assert "Building [" not in log.read_text()
    monkeypatch.delenv("FAKE_ERROR")
    ensure(["starknet-devnet"])
    assert [line.split()[2] for line in machine.lines() if line.startswith("begin")] == ["fresh", "resumed"]


def test_a_build_of_another_version_than_asked_is_not_stamped(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_BUILT", "0.9.9")
    with pytest.raises(ToolBuildFailed, match="does not say that it is"):
        ensure(["starknet-devnet"])
    assert not machine.cache.stamp(TOOLS["starknet-devnet"]).exists()


@pytest.mark.parametrize("damage", ["truncated", "changed", "gone", "not executable"])
def test_a_damaged_binary_is_made_again(machine: Machine, damage: str) -> None:
    binary = ensure(["starknet-devnet"])["starknet-devnet"]
    text = binary.read_text()
    if damage == "truncated":
        binary.write_bytes(b"\x7fELF")
    elif damage == "changed":
        binary.write_text(text.replace("print", "print ")[:-1])
        assert version_of(binary) == "0.10.1"
        assert binary.stat().st_size == len(text)
    elif damage == "gone":
        binary.unlink()
    else:
        binary.chmod(stat.S_IRUSR)
    assert survey().findings[-1].path is None
    ensure(["starknet-devnet"])
    assert machine.begun() == ["starknet-devnet", "starknet-devnet"]
    assert find_tool("starknet-devnet").read_text() == text


def test_a_damaged_corelib_is_fetched_again(machine: Machine) -> None:
    ensure(["starknet-compile"])
    lib = machine.cache.corelib / "src" / "lib.cairo"
    lib.write_text("")
    with pytest.raises(ToolMissing):
        find_tool("starknet-compile")
    ensure(["starknet-compile"])
    assert lib.read_text() == "// core\n"
    assert machine.lines().count("fetch") == 2
    assert machine.begun() == ["starknet-compile"]


def test_a_corelib_of_another_version_is_refused(machine: Machine) -> None:
    (machine.crate / "corelib" / "Scarb.toml").write_text('version = "2.17.0"\n')
    with pytest.raises(ToolBuildFailed, match=r"not the corelib of Cairo 2\.16\.0"):
        ensure(["starknet-compile"])
    assert not machine.cache.corelib.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_build_leaves_no_process_and_resumes(machine: Machine, number: signal.Signals) -> None:
    child = machine.start("starknet-devnet", FAKE_SECONDS="60")
    try:
        wait_for(lambda: any(line.startswith("rustc") for line in machine.lines()))
        pids = [int(line.split()[-1]) for line in machine.lines()]
        child.send_signal(number)
        child.communicate(timeout=20)
    finally:
        child.kill()
    assert child.returncode != 0
    wait_for(lambda: not any(psutil.pid_exists(pid) for pid in pids), 5)
    assert not machine.cache.stamp(TOOLS["starknet-devnet"]).exists()
    ensure(["starknet-devnet"])
    assert [line.split()[2] for line in machine.lines() if line.startswith("begin")] == ["fresh", "resumed"]


def test_a_killed_build_takes_cargo_with_it_and_resumes(machine: Machine) -> None:
    child = machine.start("starknet-devnet", FAKE_SECONDS="3")
    try:
        wait_for(lambda: any(line.startswith("rustc") for line in machine.lines()))
        cargo = int(machine.lines()[0].split()[-1])
    finally:
        child.kill()
        child.communicate(timeout=20)
    wait_for(lambda: not psutil.pid_exists(cargo), 5)
    ensure(["starknet-devnet"])
    assert machine.lines()[-1] == "end starknet-devnet"


def test_two_processes_build_one_after_the_other_and_the_second_says_that_it_waits(machine: Machine) -> None:
    go = machine.bin.parent / "go"
    first = machine.start("starknet-devnet", FAKE_UNTIL=str(go))
    wait_for(lambda: bool(machine.lines()))
    second = machine.start("starknet-devnet", FAKE_UNTIL=str(go))
    assert second.stdout is not None
    assert "another process is building the tools: waiting for it" in second.stdout.readline()
    go.touch()
    said = [child.communicate(timeout=40)[0] for child in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0]
    assert "waiting for it" not in said[0]
    assert machine.begun() == ["starknet-devnet"]


def test_a_log_shows_life_without_a_terminal(machine: Machine) -> None:
    child = machine.start("starknet-devnet", FAKE_SECONDS="2.5")
    said, _ = child.communicate(timeout=40)
    assert "starknet-devnet 0.10.1: building, about 18 min on 2 cores" in said
    assert said.count("starknet-devnet 0.10.1: 2/3 crates") >= 2
    assert "starknet-devnet 0.10.1: ready" in said


def test_a_terminal_gets_a_bar(machine: Machine) -> None:
    out = StringIO()
    with ConsoleReporter(Console(file=out, force_terminal=True, width=100)) as reporter:
        ensure(["starknet-devnet"], reporter)
    assert "starknet-devnet 0.10.1: ready" in out.getvalue()


def test_the_cache_removes_what_is_its_own_and_nothing_else(machine: Machine) -> None:
    ensure(["anvil"], Silent())
    mine = machine.cache.root / "mine.txt"
    mine.write_text("not a tool")
    assert machine.cache.size() > 0
    machine.cache.remove()
    assert [path.name for path in machine.cache.root.iterdir()] == ["mine.txt"]
    mine.unlink()
    machine.cache.remove()
    assert not machine.cache.root.exists()
    machine.cache.remove()


def test_the_doctor_says_what_is_there_instead(machine: Machine) -> None:
    machine.put("starknet-devnet", "print('starknet-devnet 0.9.0')")
    machine.put("cairo-test", "print('cairo-test 2.16.0')")
    notes = {finding.tool.name: finding.note for finding in survey().findings}
    assert "starknet-devnet is 0.9.0" in notes["starknet-devnet"]
    assert "has no corelib beside its folder" in notes["cairo-test"]
    assert survey().healthy


def test_a_stamp_that_cannot_be_read_vouches_for_nothing(machine: Machine) -> None:
    ensure(["anvil"])
    stamp = machine.cache.stamp(TOOLS["anvil"])
    stamp.path.write_text("{")
    with pytest.raises(ToolMissing):
        find_tool("anvil")
    ensure(["anvil"])
    assert json.loads(stamp.path.read_text())["version"] == "1.7.1"
