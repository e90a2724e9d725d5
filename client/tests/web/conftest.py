"""A small real chain, indexed: transfers, a write by no transaction, a rollback; and the explorer's app on it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from truemark.explorer import AsyncExplorer
from truemark.index import Follower, Index
from truemark.rpc import AsyncRpc
from truemark.web import create_app
from truemark.web.data import Data
from truemark_devnet.accounts import FEE_TOKEN
from truemark_devnet.toolchain import find_tool

STRK = FEE_TOKEN
PERSON = 0x1234
#: Blocks 6 and 7 were rolled back and made anew; block 5 has a write by no transaction.
REWRITTEN = 6
UNEXPLAINED = 5


class Node:
    """A starknet-devnet of these tests' own; `mint` makes a block with one transaction."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.process = process
        self._client = httpx.Client(timeout=60)

    def call(self, method: str, **params: Any) -> Any:
        answer = self._client.post(
            self.url, json={"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        ).json()
        assert "error" not in answer, answer
        return answer["result"]

    def mint(self, amount: int = 1) -> None:
        self.call("devnet_mint", address=hex(PERSON), amount=amount, unit="FRI")

    def abort(self, first: int) -> None:
        self.call("devnet_abortBlocks", starting_block_id={"block_number": first})

    def write(self, key: int, value: int) -> None:
        """Changes storage by no transaction; the next block shows it."""
        empty: dict[str, Any] = {
            name: []
            for name in (
                "nonces",
                "deployed_contracts",
                "replaced_classes",
                "declared_classes",
                "deprecated_declared_classes",
            )
        }
        entries = [{"key": hex(key), "value": hex(value)}]
        self.call(
            "devnet_applyStateDiff",
            state_diff={**empty, "storage_diffs": [{"address": hex(STRK), "storage_entries": entries}]},
        )

    def stop(self) -> None:
        self._client.close()
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="session")
def start_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Node]]:
    started: list[Node] = []
    log = tmp_path_factory.mktemp("devnet") / "devnet.log"

    def start() -> Node:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
        command = [find_tool("starknet-devnet"), "--port", str(port), "--seed", "0", "--accounts", "3"]
        with log.open("ab") as out:
            process = subprocess.Popen(
                [*command, "--state-archive-capacity", "full"], stdout=out, stderr=subprocess.STDOUT
            )
        node = Node(process, port)
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
def node(start_node: Callable[[], Node]) -> Node:
    return start_node()


@dataclass
class Site:
    """The app with its index; `get` asks it, `page` must get a page."""

    index: Index
    data: Data
    client: httpx.AsyncClient

    async def get(self, path: str, **params: Any) -> httpx.Response:
        return await self.client.get(path, params=params or None)

    async def page(self, path: str, **params: Any) -> str:
        answer = await self.get(path, **params)
        assert answer.status_code == 200, (path, answer.status_code, answer.text[:400])
        return answer.text

    async def json(self, path: str, **params: Any) -> Any:
        answer = await self.get(f"/api/v1{path}", **params)
        assert answer.status_code == 200, (path, answer.text[:400])
        return answer.json()


@pytest.fixture(scope="session")
async def indexed(node: Node, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chain in a database; copy it to change it."""
    file = tmp_path_factory.mktemp("index") / "index.sqlite"
    with Index.open(file) as index:
        async with AsyncRpc(node.url, timeout=60) as rpc:
            follower = Follower(rpc, index)
            for amount in range(1, 5):
                node.mint(10**18 * amount)
            node.write(7, 8)
            node.mint(5)
            node.mint(6)
            node.mint(7)
            await follower.backfill()
            node.abort(REWRITTEN)
            for amount in range(60, 66):
                node.mint(amount)
            await follower.backfill()
    return file


@pytest.fixture(scope="session")
async def site(node: Node, indexed: Path) -> AsyncIterator[Site]:
    async for each in opened(node.url, indexed):
        yield each


@pytest.fixture
async def site_without_node(indexed: Path) -> AsyncIterator[Site]:
    """The node is gone, the index is there."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        async for each in opened(f"http://127.0.0.1:{taken.getsockname()[1]}", indexed):
            yield each


@pytest.fixture
def copied(indexed: Path, tmp_path: Path) -> Path:
    for file in indexed.parent.glob(f"{indexed.name}*"):
        shutil.copy(file, tmp_path / file.name)
    return tmp_path / indexed.name


async def opened(url: str, file: Path | str, incidents: Path | None = None) -> AsyncIterator[Site]:
    with Index.open(file) as index:
        async with AsyncRpc(url, timeout=10) as rpc:
            data = Data(AsyncExplorer(url, rpc=rpc, index=index), incidents=incidents)
            transport = httpx.ASGITransport(create_app(data))
            async with httpx.AsyncClient(transport=transport, base_url="http://explorer") as client:
                yield Site(index, data, client)


def interrupt(process: subprocess.Popen[Any]) -> None:
    os.kill(process.pid, signal.SIGINT)
