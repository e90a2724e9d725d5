"""A starknet-devnet of one's own, which a test may roll back, restart, stop and corrupt."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from truemark.rpc import AsyncRpc
from truemark_devnet.accounts import FEE_TOKEN
from truemark_devnet.toolchain import find_tool

STRK = FEE_TOKEN


class Devnet:
    """One node; blocks are made by transactions and by `empty`."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.process = process
        self._client = httpx.Client(timeout=60)

    def call(self, method: str, **params: Any) -> Any:
        answer = self._client.post(
            self.url, json={"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        ).json()
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    @property
    def head(self) -> int:
        return int(self.call("starknet_blockNumber"))

    def mint(self, address: int = 0x1234, amount: int = 1) -> None:
        """A block with one transaction, of two events."""
        self.call("devnet_mint", address=hex(address), amount=amount, unit="FRI")

    def empty(self) -> None:
        self.call("devnet_createBlock")

    def write(self, key: int, value: int, address: int = STRK) -> None:
        """Changes storage by no transaction; the next block shows it."""
        entries = [{"key": hex(key), "value": hex(value)}]
        self._apply(storage_diffs=[{"address": hex(address), "storage_entries": entries}])

    def set_nonce(self, nonce: int, address: int) -> None:
        self._apply(nonces=[{"contract_address": hex(address), "nonce": hex(nonce)}])

    def abort(self, first: int) -> None:
        self.call("devnet_abortBlocks", starting_block_id={"block_number": first})

    def accept_on_l1(self, block: int) -> None:
        self.call("devnet_acceptOnL1", starting_block_id={"block_number": block})

    def snapshot(self) -> str:
        return str(self.call("devnet_snapshot"))

    def revert(self, snapshot: str) -> None:
        assert self.call("devnet_revert", snapshot_id=snapshot)

    def restart(self) -> None:
        """The chain begins anew."""
        self.call("devnet_restart")

    def pause(self) -> None:
        """Takes requests and answers none."""
        os.kill(self.process.pid, signal.SIGSTOP)
        # Its threads stop one after the other.
        while psutil.Process(self.process.pid).status() != psutil.STATUS_STOPPED:
            time.sleep(0.001)

    def resume(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)

    def stop(self) -> None:
        self._client.close()
        self.process.kill()
        self.process.wait()

    def _apply(self, **parts: Any) -> None:
        names = ("storage_diffs", "nonces", "deployed_contracts", "replaced_classes", "declared_classes")
        diff: dict[str, Any] = {name: [] for name in (*names, "deprecated_declared_classes")}
        self.call("devnet_applyStateDiff", state_diff={**diff, **parts})


class Impatient(AsyncRpc):
    """Waits long for a busy node, and not for one that is known to be silent."""

    @contextlib.contextmanager
    def during_silence(self, devnet: Devnet) -> Iterator[None]:
        usual, self._timeout = self._timeout, 0.05
        devnet.pause()
        try:
            yield
        finally:
            devnet.resume()
            self._timeout = usual


@pytest.fixture(scope="session")
def start_devnet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Devnet]]:
    """Starts nodes; they end with the session."""
    started: list[Devnet] = []
    log: Path = tmp_path_factory.mktemp("devnet") / "devnet.log"

    def start(*options: str) -> Devnet:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
        command = [find_tool("starknet-devnet"), "--port", str(port), "--seed", "0", "--accounts", "3"]
        with log.open("ab") as out:
            process = subprocess.Popen(
                [*command, "--state-archive-capacity", "full", *options], stdout=out, stderr=subprocess.STDOUT
            )
        node = Devnet(process, port)
        started.append(node)
        give_up = time.monotonic() + 90
        while True:
            try:
                node.call("starknet_blockNumber")
                return node
            except httpx.TransportError:
                assert process.poll() is None, f"starknet-devnet ended: {log}"
                assert time.monotonic() < give_up, f"starknet-devnet does not answer: {log}"
                time.sleep(0.05)

    yield start
    for node in started:
        node.stop()


@pytest.fixture(scope="session")
def own_devnet(start_devnet: Callable[..., Devnet]) -> Devnet:
    return start_devnet()


@pytest.fixture
def devnet(own_devnet: Devnet) -> Devnet:
    """At its first block."""
    own_devnet.restart()
    return own_devnet


@pytest.fixture(scope="session")
def lite_devnet(start_devnet: Callable[..., Devnet]) -> Devnet:
    """Whose block hashes are block numbers, and whose commitments are 0."""
    return start_devnet("--lite-mode")
