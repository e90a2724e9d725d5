"""`truemark explorer` as a person runs it: it follows the chain, tells open pages, ends in order; and what it says when
it cannot."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from truemark.cli import main
from truemark.explorer import AsyncExplorer
from truemark.index import Follower, Index
from truemark.rpc import AsyncRpc
from truemark.web import WebMissing, need_web
from truemark.web.data import Data
from truemark.web.live import Hub
from truemark.web.serving import News

from ..own_devnet import Devnet
from .conftest import interrupt

pytestmark = pytest.mark.node


@pytest.mark.deep
def test_one_command_reads_the_chain_serves_it_and_tells_of_what_is_new(
    start_node: Callable[..., Devnet], tmp_path: Path
) -> None:
    node = start_node()
    node.mint(amount=5)
    command = [sys.executable, "-m", "truemark.cli", "explorer", "--port", "0", "--poll", "0.05", "--rpc", node.url]
    process = subprocess.Popen(
        [*command, "--db", str(tmp_path / "index.sqlite")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TRUEMARK_HOME": str(tmp_path)},
    )
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        assert said.startswith("the explorer is at http://127.0.0.1:"), said
        address = said.split()[-1]
        with httpx.Client(base_url=address, timeout=30) as client:
            assert client.get("/").status_code == 200
            with client.stream("GET", "/live") as stream:
                lines = stream.iter_lines()
                _until(lines, '"number":1')
                node.mint(amount=6)
                _until(lines, '"number":2')
                node.abort(2)
                node.mint(amount=7)
                _until(lines, "event: rollback")
                # The stream is open when it is asked to end.
                started = time.monotonic()
                interrupt(process)
                assert process.wait(20) == 0, process.stderr and process.stderr.read()
                assert time.monotonic() - started < 10
    finally:
        process.kill()
        process.wait()


def _until(lines: object, text: str) -> None:
    give_up = time.monotonic() + 20
    for line in lines:  # type: ignore[attr-defined]
        if text in line:
            return
        assert time.monotonic() < give_up
    raise AssertionError(f"the stream ended without {text}")


def test_a_port_that_is_taken_is_one_clear_line(
    node: Devnet, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRUEMARK_HOME", str(tmp_path))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        code = main(["explorer", "--port", port, "--rpc", node.url, "--db", str(tmp_path / "i.sqlite")])
    assert code == 1
    assert f"127.0.0.1:{port} cannot be listened on" in capsys.readouterr().err


def test_without_the_extra_it_names_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "fastapi", None)
    with pytest.raises(WebMissing, match=r"truemark\[web\]"):
        need_web()
    assert main(["explorer", "--rpc", "http://127.0.0.1:1"]) == 1
    assert "pip install 'truemark[web]'" in capsys.readouterr().err


def test_a_trader_gets_none_of_it() -> None:
    code = (
        "import sys, typer, truemark, truemark.commands; truemark.commands.register(typer.Typer())\n"
        "assert not {'fastapi', 'jinja2', 'uvicorn', 'starlette'} & set(sys.modules), 'the web is loaded'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


async def test_who_listens_hears_of_blocks_and_rollbacks(node: Devnet, tmp_path: Path) -> None:
    hub = Hub()
    with Index.open(tmp_path / "index.sqlite") as index:
        async with AsyncRpc(node.url, timeout=60) as rpc:
            # One block to go back from, and one to go back to, whatever other tests have left on the node.
            for _ in range(2):
                await rpc.call("devnet_createBlock")
            follower = Follower(rpc, index)
            await follower.backfill()
            news = News(index, hub, Data(AsyncExplorer(node.url, rpc=rpc, index=index)))
            stop = asyncio.Event()
            watching = asyncio.create_task(news.watch(stop))
            heard: list[bytes] = []

            async def listen() -> None:
                async for part in hub.stream():
                    heard.append(part)  # noqa: PERF401

            listening = asyncio.create_task(listen())
            head = index.head()
            assert head is not None
            await _heard(heard, b'"number":%d' % head.number)
            index.store.roll_back(head.number - 1, "a test")
            await _heard(heard, b'event: rollback\ndata: {"id":%d' % index.reorgs()[-1].id)
            await _heard(heard, b'"number":%d' % (head.number - 1))
            # To the last block: nothing is left, and the pages that are open hear of that too.
            index.store.roll_back(-1, "a test")
            await _heard(heard, b'event: rollback\ndata: {"id":%d,"first":0' % index.reorgs()[-1].id)
            await _heard(heard, b'"number":-1')
            assert b'"number":-1' in await anext(hub.stream())
            hub.close()
            await asyncio.wait_for(listening, 5)
            stop.set()
            await asyncio.wait_for(watching, 5)


async def _heard(heard: list[bytes], what: bytes) -> None:
    async with asyncio.timeout(10):
        while not any(what in each for each in heard):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_listener_that_does_not_read_costs_no_memory() -> None:
    hub = Hub()
    stream = hub.stream()
    await anext(stream)
    for number in range(1_000):
        hub.say("head", {"number": number})
    kept = [await anext(stream) for _ in range(16)]
    assert b'"number":999' in kept[-1]
    hub.close()
    await stream.aclose()
