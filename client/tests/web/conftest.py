"""A small real chain, indexed: transfers, a write by no transaction, a rollback; and the explorer's app on it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
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

from ..own_devnet import Devnet, starting

#: Blocks 6 and 7 were rolled back and made anew; block 5 has a write by no transaction.
REWRITTEN = 6
UNEXPLAINED = 5


@pytest.fixture(scope="session")
def start_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Devnet]]:
    with starting(tmp_path_factory.mktemp("devnet")) as start:
        yield start


@pytest.fixture(scope="session")
def node(start_node: Callable[..., Devnet]) -> Devnet:
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
async def indexed(node: Devnet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chain in a database; copy it to change it."""
    file = tmp_path_factory.mktemp("index") / "index.sqlite"
    with Index.open(file) as index:
        async with AsyncRpc(node.url, timeout=60) as rpc:
            follower = Follower(rpc, index)
            for amount in range(1, 5):
                node.mint(amount=10**18 * amount)
            node.write(7, 8)
            node.mint(amount=5)
            node.mint(amount=6)
            node.mint(amount=7)
            await follower.backfill()
            node.abort(REWRITTEN)
            for amount in range(60, 66):
                node.mint(amount=amount)
            await follower.backfill()
    return file


@pytest.fixture(scope="session")
async def site(node: Devnet, indexed: Path) -> AsyncIterator[Site]:
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
