"""`truemark upgrade`: shows what would change, asks, and takes the venue there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from truemark.deployment import Deployment
from truemark.rpc import AsyncRpc

from truemark_devnet.accounts import operators
from truemark_devnet.build import build
from truemark_devnet.deploy.venue import account_of
from truemark_devnet.nodes import Nodes
from truemark_devnet.upgrade.plan import lines_of, plan_upgrade
from truemark_devnet.upgrade.steps import cancel_upgrade, upgrade_venue


async def upgrade_command(
    nodes: Nodes,
    *,
    manifest: Path,
    console: Console,
    agreed: Callable[[], bool],
    dry_run: bool,
    cancel: bool,
    halt: bool,
    advance: bool,
    delay: int,
    migrations: Mapping[str, Sequence[int]],
) -> None:
    """The dry run first; then, if it is agreed to, the upgrade, and the manifest of what runs then.

    Args:
        agreed: asks the person.
        advance: move the devnet's time over the delay instead of waiting for it.

    Raises:
        NoDeployment, BadManifest: there is no manifest to go by.
        Others as `upgrade_venue` and `build`.
    """

    def say(line: str) -> None:
        console.print(line, highlight=False, markup=False, soft_wrap=True)

    async def wait(seconds: int) -> None:
        if advance:
            await nodes.increase_time(seconds)
            return
        with console.status("the delay; Ctrl-C is safe, the same command goes on"):
            ends = await nodes.l2_time() + seconds
            left = seconds
            while left > 0:
                await asyncio.sleep(min(left, 60))
                left = ends - await nodes.l2_time()

    deployment = Deployment.load(manifest)
    async with AsyncRpc(nodes.l2_url) as rpc:
        admin = account_of(rpc, operators(nodes.l2_url)["admin"], nodes.l2_chain_id)
        if cancel:
            count = await cancel_upgrade(rpc, deployment, admin, progress=say)
            say(f"taken back: {count}" if count else "nothing was scheduled")
            return
        built = build(progress=say)
        changes = await plan_upgrade(rpc, deployment, built, migrations)
        for line in lines_of(changes) or ["the venue runs the classes of the build"]:
            say(line)
        if dry_run or (changes and not agreed()):
            say("nothing was sent")
            return
        upgraded = await upgrade_venue(
            rpc,
            deployment,
            admin,
            built,
            clock=nodes.l2_time,
            wait=wait,
            halt=halt,
            delay=delay,
            migrations=migrations,
            progress=say,
        )
    if upgraded == deployment:
        say("the manifest says so already")
        return
    upgraded.save(manifest)
    if not changes:
        say(f"the manifest says so now: {manifest}")
        return
    say(f"upgraded; the venue is Halted, `truemark devnet open` opens it; manifest: {manifest}")
