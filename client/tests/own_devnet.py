"""A starknet-devnet of one's own, which a test may roll back, restart, stop and corrupt."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
from truemark_devnet.accounts import FEE_TOKEN
from truemark_devnet.toolchain import find_tool

STRK = FEE_TOKEN
#: Who is paid where nobody else is named.
PERSON = 0x1234


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

    def mint(self, address: int = PERSON, amount: int = 1) -> None:
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


@contextmanager
def starting(folder: Path) -> Iterator[Callable[..., Devnet]]:
    """Starts nodes, with their log in the folder; they end with the block."""
    started: list[Devnet] = []
    log = folder / "devnet.log"

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

    try:
        yield start
    finally:
        for node in started:
            node.stop()
