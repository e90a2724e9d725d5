"""Starts anvil, starknet-devnet and the gate, and waits until each answers with the right chain id."""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from truemark.errors import TruemarkError

from truemark_devnet import accounts
from truemark_devnet.gate.__main__ import TOKEN_VARIABLE
from truemark_devnet.nodes import ports
from truemark_devnet.nodes.ports import HOST, PortInUse
from truemark_devnet.nodes.settings import INITIAL_BALANCE, L1_CHAIN_ID, NodeSettings
from truemark_devnet.processes import ProcessId, last_line, spawn, stop, uninterrupted
from truemark_devnet.toolchain import find_tool

#: Marks every process of a devnet with its folder: what a crash leaves can be found again.
MARK = "TRUEMARK_DEVNET_DIR"
#: In the nodes' directory: the address of the L1 contract that messages are carried through.
MESSAGING = "messaging"
NAMES = {"l1": "anvil", "l2": "starknet-devnet", "gate": "gate"}
#: Seconds that a node may take until it answers; on a busy machine devnet takes several.
PATIENCE = 90.0
_ATTEMPTS = 3


class NodeDied(TruemarkError, RuntimeError):
    """A node ended, or never answered; the message has the last line of its log."""


@dataclass(frozen=True, slots=True)
class Running:
    """One process that was started.

    Attributes:
        part: "l1", "l2" or "gate".
    """

    part: str
    port: int
    process: ProcessId
    log: Path

    @property
    def name(self) -> str:
        return NAMES[self.part]

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def obituary(self) -> str:
        """What is to be said when it has ended."""
        said = last_line(self.log)
        return f"{self.name} has ended" + (f"; its last words: {said}" if said else "") + f" (log: {self.log})"


@dataclass(frozen=True, slots=True)
class Launched:
    """A devnet that answers."""

    settings: NodeSettings
    directory: Path
    gate_token: str = field(repr=False)
    running: Mapping[str, Running]


def launch(
    directory: Path,
    settings: NodeSettings,
    *,
    owned: bool,
    recorded: Callable[[str, Mapping[str, Running]], None] = lambda token, running: None,
) -> Launched:
    """Starts all three and returns when all answer. On any error, Ctrl-C included, none of them is left.

    Args:
        directory: for logs and what the nodes write.
        owned: they end with this process, whatever ends it; otherwise they live on.
        recorded: told of the processes as they start, before they answer.

    Raises:
        PortInUse: a given port is taken.
        NodeDied: a node ended or did not answer.
        ToolMissing: a node's binary is not on this machine.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return _launch_once(directory, settings, owned=owned, recorded=recorded)
        except _PortLost as error:
            # A free port was taken by another process between its choice and its use.
            if attempt == _ATTEMPTS:
                raise PortInUse(str(error)) from error
    raise AssertionError("unreachable")


def launch_gate(directory: Path, settings: NodeSettings, running: Mapping[str, Running], *, token: str) -> Running:
    """Starts the gate alone, before nodes that run, in the place of one that ended. Admission stays as it was.

    Raises:
        NodeDied: it ended or did not answer.
        PortInUse: its port is taken.
    """
    port = running["gate"].port
    ports.demand("the gate", port)
    command = _gate_command(settings, running["l1"].url, running["l2"].url, port, directory)
    started: dict[str, Running] = {}
    try:
        with uninterrupted():
            started["gate"] = _start("gate", command, port, directory, False, {TOKEN_VARIABLE: token})
        _await_health(started, settings)
    except BaseException:
        _stop_all(started)
        raise
    return started["gate"]


def is_healthy(running: Running, settings: NodeSettings) -> bool:
    """Alive, and answers with the chain id that it should have."""
    if not running.process.is_alive():
        return False
    with httpx.Client(timeout=10.0, trust_env=False) as client:
        return _chain_id(client, running) == _expected_chain_id(running.part, settings)


class _PortLost(Exception):
    pass


def _launch_once(
    directory: Path, settings: NodeSettings, *, owned: bool, recorded: Callable[[str, Mapping[str, Running]], None]
) -> Launched:
    binaries = {"l1": find_tool("anvil"), "l2": find_tool("starknet-devnet")}
    (directory / "logs").mkdir(parents=True, exist_ok=True)
    (directory / "gate.json").unlink(missing_ok=True)
    wanted = {"l1": settings.l1_port, "l2": settings.l2_port, "gate": settings.gate_port}
    chosen = ports.choose(wanted)
    token = secrets.token_urlsafe(24)
    l1_url, l2_url = (f"http://{HOST}:{chosen[part]}" for part in ("l1", "l2"))
    commands = {
        "l1": _anvil_command(binaries["l1"], settings, chosen["l1"]),
        "l2": _devnet_command(binaries["l2"], settings, chosen["l2"]),
        "gate": _gate_command(settings, l1_url, l2_url, chosen["gate"], directory),
    }
    running: dict[str, Running] = {}
    try:
        for part, command in commands.items():
            secret = {TOKEN_VARIABLE: token} if part == "gate" else {}
            with uninterrupted():
                running[part] = _start(part, command, chosen[part], directory, owned, secret)
                recorded(token, running)
        _await_health(running, settings)
    except NodeDied as error:
        _stop_all(running)
        lost = [node for part, node in running.items() if wanted[part] is None and _lost_its_port(node)]
        if lost:
            raise _PortLost(str(error)) from error
        raise
    except BaseException:
        _stop_all(running)
        raise
    return Launched(settings, directory, token, running)


def _stop_all(running: Mapping[str, Running]) -> None:
    """To the end, also when Ctrl-C is pressed again."""
    with uninterrupted():
        stop([node.process for node in running.values()])


def _anvil_command(binary: Path, settings: NodeSettings, port: int) -> list[str]:
    command = [str(binary), "--host", HOST, "--port", str(port), "--chain-id", str(L1_CHAIN_ID)]
    command += ["--mnemonic", accounts.MNEMONIC, "--accounts", str(accounts.L1_COUNT)]
    if settings.first_block_time is not None:
        command += ["--timestamp", str(settings.first_block_time)]
    return command


def _devnet_command(binary: Path, settings: NodeSettings, port: int) -> list[str]:
    command = [str(binary), "--host", HOST, "--port", str(port), "--chain-id", settings.l2_chain_name]
    command += ["--seed", str(settings.seed), "--accounts", str(settings.accounts)]
    command += ["--initial-balance", str(INITIAL_BALANCE)]
    command += ["--state-archive-capacity", "full" if settings.archive else "none"]
    command += ["--block-generation-on", settings.block_generation]
    if settings.first_block_time is not None:
        command += ["--start-time", str(settings.first_block_time)]
    return command


def _gate_command(settings: NodeSettings, l1_url: str, l2_url: str, port: int, directory: Path) -> list[str]:
    command = [sys.executable, "-m", "truemark_devnet.gate", "--upstream", l2_url, "--host", HOST, "--port", str(port)]
    command += ["--memory", str(directory / "gate.json")]
    if settings.tick is not None:
        command += ["--tick", str(settings.tick)]
    command += ["--l1", l1_url, "--messaging", str(directory / MESSAGING)]
    if settings.relay is not None:
        command += ["--relay", str(settings.relay)]
    return command


def _start(
    part: str, command: list[str], port: int, directory: Path, owned: bool, secret: Mapping[str, str]
) -> Running:
    log = directory / "logs" / f"{NAMES[part]}.log"
    log.write_bytes(b"")
    process = spawn(command, env={**environment(directory), **secret}, log=log, owned=owned, cwd=directory)
    return Running(part, port, process, log)


def environment(directory: Path) -> dict[str, str]:
    """Of what belongs to the devnet in `directory`. Little: starknet-devnet takes every option of its command line
    from variables too, PORT and SEED among them."""
    kept = ("PATH", "LANG", "TMPDIR", "PYTHONPATH", "RUST_LOG", "LD_LIBRARY_PATH")
    return {
        # devnet logs every request otherwise.
        "RUST_LOG": "info,rpc=warn",
        **{name: os.environ[name] for name in kept if name in os.environ},
        "NO_COLOR": "1",
        "HOME": str(directory),
        "PYTHONUNBUFFERED": "1",
        MARK: str(directory),
    }


def _await_health(running: Mapping[str, Running], settings: NodeSettings) -> None:
    deadline = time.monotonic() + PATIENCE
    waiting = dict(running)
    with httpx.Client(timeout=10.0, trust_env=False) as client:
        while waiting:
            for part, node in list(waiting.items()):
                said = _chain_id(client, node)
                if not node.process.is_alive():
                    raise NodeDied(node.obituary())
                if said is not None and said != _expected_chain_id(part, settings):
                    raise NodeDied(f"{node.name} at {node.url} is on chain {said:#x}: another node has that port")
                if said is not None:
                    del waiting[part]
            if waiting and time.monotonic() > deadline:
                silent = next(iter(waiting.values()))
                raise NodeDied(f"{silent.name} did not answer within {PATIENCE:.0f} s (log: {silent.log})")
            if waiting:
                time.sleep(0.05)


def _expected_chain_id(part: str, settings: NodeSettings) -> int:
    return L1_CHAIN_ID if part == "l1" else settings.l2_chain_id


def _chain_id(client: httpx.Client, node: Running) -> int | None:
    """None while it does not answer."""
    method = "eth_chainId" if node.part == "l1" else "starknet_chainId"
    request: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": method, "params": []}
    try:
        reply = client.post(node.url, json=request).json()
        return int(reply["result"], 16)
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return None


def _lost_its_port(node: Running) -> bool:
    try:
        said = node.log.read_text(errors="replace").lower()
    except FileNotFoundError:
        return False
    return "address already in use" in said or "address in use" in said
