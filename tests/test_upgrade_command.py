"""`truemark upgrade` as a person types it: the dry run, the question, taking back. The upgrade itself is in
`test_upgrade.py`."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from truemark.deployment import Deployment
from truemark_devnet.build import Build
from truemark_devnet.upgrade import MIN_DELAY, command, upgrade_command

from tests.house import House

pytestmark = pytest.mark.node


async def said(house: House, manifest: Path, *, agreed: bool = False, **options: Any) -> str:
    """What the command prints."""
    out = io.StringIO()
    given: dict[str, Any] = {"dry_run": False, "cancel": False, "halt": False, "advance": True, **options}
    await upgrade_command(
        house.nodes,
        manifest=manifest,
        console=Console(file=out),
        agreed=lambda: agreed,
        delay=MIN_DELAY,
        migrations={},
        **given,
    )
    return out.getvalue()


@pytest.fixture
def manifest(house: House, tmp_path: Path) -> Path:
    path = tmp_path / "deployment.json"
    house.deployment.save(path)
    return path


async def test_a_venue_of_this_build_has_nothing_to_change(house: House, manifest: Path) -> None:
    lines = await said(house, manifest, agreed=True)
    assert "the venue runs the classes of the build" in lines
    assert "the manifest says so already" in lines
    # A manifest that was not written after an upgrade is put right.
    stale = dataclasses.replace(house.deployment, classes={**house.deployment.classes, "Venue": 0x123})
    stale.save(manifest)
    assert "the manifest says so now" in await said(house, manifest)
    assert Deployment.load(manifest) == house.deployment


async def test_the_dry_run_says_what_would_change_and_sends_nothing(
    house: House, built: Build, manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault, venue = (dataclasses.replace(built.classes[name], class_hash=0xABC) for name in ("Vault", "Venue"))
    other = dataclasses.replace(built, classes={**built.classes, "Vault": vault, "Venue": venue})
    monkeypatch.setattr(command, "build", lambda progress: other)
    head = await house.rpc.call("starknet_blockNumber")
    # Agreed to or not: a dry run sends nothing; and what is not agreed to is not done.
    for lines in (await said(house, manifest, agreed=True, dry_run=True), await said(house, manifest)):
        assert f"Vault: {house.deployment.contracts['Vault'].class_hash:#x} -> 0xabc" in lines
        assert f"Clearinghouse, Venue: {house.deployment.classes['Venue']:#x} -> 0xabc" in lines
        assert "nothing was sent" in lines
    assert await house.rpc.call("starknet_blockNumber") == head


async def test_what_is_scheduled_is_taken_back(house: House, manifest: Path) -> None:
    assert "nothing was scheduled" in await said(house, manifest, cancel=True)
    oracle = house.contract("Oracle")
    plan = {"class_hash": 0x777, "classes": [], "migration": []}
    await house.account("admin").execute(oracle.call("schedule_upgrade", plan, MIN_DELAY))
    assert "takes back Oracle -> 0x777" in await said(house, manifest, cancel=True)
    assert (await oracle.read("scheduled_upgrade"))["plan_hash"] == 0
