"""The documentation's snippets run as they are shown, page by page, on real nodes and the reference venue."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from truemark.cli import main

from tests.house import House, eth_key
from tests.venue_server import served_venue

DOCS = Path(__file__).resolve().parents[1] / "docs"
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LOCK = 30


def blocks(page: str) -> list[tuple[str, str]]:
    """Language and content of every fenced block."""
    return [(found[1], found[2]) for found in _FENCE.finditer((DOCS / page).read_text())]


async def finish(house: House, process: asyncio.subprocess.Process, *, pass_time: bool) -> str:
    """What a process printed, with the relay (and the keepers) at work as `truemark devnet up --keepers` has them."""
    running = asyncio.create_task(process.communicate())
    while not running.done():
        await house.nodes.flush()
        if pass_time:
            await house.round()
        await asyncio.wait([running], timeout=0.3)
    out, complaints = await running
    assert process.returncode == 0, complaints.decode()
    return out.decode()


@pytest.mark.node
@pytest.mark.deep
@pytest.mark.parametrize("page", ["first-trade.md", "cookbook.md"])
async def test_every_snippet_of_a_page_runs(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    await house.account("admin").execute(house.contract("Vault").call("set_lock_secs", LOCK))
    shown = blocks(page)
    assert {language for language, _ in shown} <= {"python", "console"}, "no snippet is left out"
    async with served_venue(house.deployment, tmp_path / "venue.sqlite3") as served:
        replace(house.deployment, venue_url=served.url).save(tmp_path / "deployment.json")
        environment = {
            **{name: value for name, value in os.environ.items() if name != "TRUEMARK_DEPLOYMENT"},
            "TRUEMARK_HOME": str(tmp_path),
            "TRUEMARK_ETH_KEY": eth_key(f"reader of {page}").hex(),
            "COLUMNS": "200",
        }
        script = tmp_path / "page.py"
        script.write_text("\n".join(content for language, content in shown if language == "python"))
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            sys.executable, script, cwd=tmp_path, env=environment, stdout=pipe, stderr=pipe
        )
        assert await finish(house, process, pass_time=page == "cookbook.md")
        for line in "".join(content for language, content in shown if language == "console").splitlines():
            assert line.startswith("$ truemark "), line
            await command(house, monkeypatch, environment, *shlex.split(line)[2:])


async def command(house: House, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], *arguments: str) -> None:
    """In this process: its imports are paid once."""
    monkeypatch.delenv("TRUEMARK_DEPLOYMENT", raising=False)
    for name in ("TRUEMARK_HOME", "TRUEMARK_ETH_KEY", "COLUMNS"):
        monkeypatch.setenv(name, environment[name])
    running = asyncio.create_task(asyncio.to_thread(main, arguments))
    while not running.done():
        await house.nodes.flush()
        await asyncio.wait([running], timeout=0.3)
    assert await running == 0, arguments


def test_every_page_is_in_the_sites_navigation() -> None:
    listed = set(re.findall(r": ([\w-]+\.md)$", (DOCS.parent / "mkdocs.yml").read_text(), re.MULTILINE))
    assert listed == {page.name for page in DOCS.glob("*.md")}


@pytest.mark.prove
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    mkdocs = Path(sys.executable).with_name("mkdocs")
    if not mkdocs.is_file():
        pytest.skip("mkdocs is not installed: `make docs` brings it")
    done = subprocess.run(
        [mkdocs, "build", "--strict", "--quiet", "--site-dir", tmp_path / "site"],
        cwd=DOCS.parent,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "begin_withdrawal" in (tmp_path / "site" / "reference" / "index.html").read_text()
