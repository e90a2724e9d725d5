"""`truemark recovery`: a rollback by command, rehearsed first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

import typer
from rich.console import Console
from truemark import deployment as manifest
from truemark.errors import TruemarkError

if TYPE_CHECKING:
    from truemark.deployment import Deployment

    from truemark_keeper.recovery.chain import RecoveryChain

#: Entry points of adapters: a function of the deployment that gives an async context manager with a RecoveryChain.
ADAPTERS: Final = "truemark.recovery"
RECORD: Final = "rollback.json"


class NoAdapter(TruemarkError, LookupError):
    """No installed package can roll back a node of that kind."""


def register(app: typer.Typer) -> None:
    """Adds the group to `truemark`."""
    group = typer.Typer(name="recovery", help="Take a venue back to its last good block.", no_args_is_help=True)
    group.callback()(_group)
    group.command("rollback")(rollback)
    app.add_typer(group)


def _group() -> None:
    """Take a venue back to its last good block."""


def rollback(
    block: Annotated[int, typer.Argument(min=0, help="The last good block: the newest one afterwards.")],
    execute: Annotated[bool, typer.Option("--execute", help="Do it; without this it is only said.")] = False,
    deployment: Annotated[
        Path | None,
        typer.Option(help="The venue's manifest; by default $TRUEMARK_DEPLOYMENT, else that of the local devnet."),
    ] = None,
    record: Annotated[
        Path | None, typer.Option(help="The rollback's memory, by default rollback.json beside the manifest.")
    ] = None,
    chain: Annotated[str, typer.Option(help="The kind of node: the name of an adapter.")] = "devnet",
) -> None:
    """Rolls the chain back: admission closed, messages carried, blocks erased, a new epoch, Halted, admission open.

    A rollback that was cut short goes on where it stopped when the same command is given again.
    """
    path = deployment if deployment is not None else manifest.default_path()
    asyncio.run(_rollback(path, block, record or path.with_name(RECORD), adapter(chain), execute=execute))


def adapter(name: str) -> Callable[[Deployment], AbstractAsyncContextManager[RecoveryChain]]:
    """
    Raises:
        NoAdapter: none has that name.
    """
    known: dict[str, EntryPoint] = {point.name: point for point in entry_points(group=ADAPTERS)}
    if name not in known:
        there_are = ", ".join(sorted(known)) or "none"
        raise NoAdapter(f"no adapter for a node of the kind {name!r}; installed: {there_are}")
    return cast("Callable[[Deployment], AbstractAsyncContextManager[RecoveryChain]]", known[name].load())


async def _rollback(path: Path, block: int, record: Path, attach: Callable[..., Any], *, execute: bool) -> None:
    from truemark.rpc import AsyncRpc

    from truemark_keeper.recovery.rollback import STEPS, Rollback

    console = Console()
    venue = manifest.find(path)
    async with attach(venue) as chain, AsyncRpc(venue.l2_rpc) as rpc:
        work = Rollback(chain, rpc, venue, record)
        plan = await work.plan(block)
        what = "what is left of" if plan.transactions is None else f"{plan.transactions} transactions in"
        console.print(
            f"{venue.name}: {what} blocks {plan.block + 1} to {plan.height} is erased; "
            f"the epoch after {plan.epoch} begins, and the venue is Halted",
            highlight=False,
        )
        if not execute:
            console.print("nothing was done: --execute does it")
            return
        begun = await work.begin(block)
        for step in begun.done:
            console.print(f"  done before  {step}")
        await work.run(lambda step: console.print(f"  done         {step}"))
        console.print(f"the chain is back at block {block}, {len(STEPS)} steps; {record} has the record")
