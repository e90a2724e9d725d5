"""The examples run as they are shown, on a venue that is open."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.house import House

pytestmark = pytest.mark.node

ROOT = Path(__file__).resolve().parents[1]


async def test_the_first_trade(house: House, tmp_path: Path) -> None:
    manifest = tmp_path / "deployment.json"
    house.deployment.save(manifest)
    running = await asyncio.create_subprocess_exec(
        sys.executable,
        ROOT / "examples" / "first_trade.py",
        env={**os.environ, "TRUEMARK_DEPLOYMENT": str(manifest)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    ended = asyncio.create_task(running.communicate())
    # What the relay of `truemark devnet up` does.
    while not ended.done():
        await house.nodes.flush()
        await asyncio.wait([ended], timeout=0.3)
    said, complaints = (text.decode() for text in await ended)
    assert running.returncode == 0, complaints
    assert said.count("DepositState.DELIVERED") == 2
    assert "OrderState.FILLED" in said
    assert "size=Decimal('0.10000000')" in said


def test_the_readme_shows_the_first_trade_as_it_is() -> None:
    shown = (ROOT / "examples" / "first_trade.py").read_text()
    body = shown[shown.index("async def main") : shown.index('if __name__ == "__main__"')].strip()
    readme = (ROOT / "README.md").read_text()
    missing = [line for line in body.splitlines() if line.strip() and line.strip() not in readme]
    assert missing == []
