"""`truemark index`: the chain kept in a database, rollbacks and all."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from truemark import deployment as manifest
from truemark.commands.common import DeploymentOption, JsonOption, RpcOption, console, grid, print_json
from truemark.deployment import Deployment, NoDeployment
from truemark.rpc import AsyncRpc, NodeUnavailable

if TYPE_CHECKING:
    from truemark.index import Index

INDEX_VARIABLE: Final = "TRUEMARK_INDEX"
FILE_NAME: Final = "index.sqlite"

DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--db",
        help=f"The index: a file or a database's URL; by default ${INDEX_VARIABLE}, else in the local devnet's folder.",
        show_default=False,
    ),
]

group = typer.Typer(name="index", help="Keep the chain in a database, rollbacks and all.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(group)


@group.command("run")
def run(
    once: Annotated[bool, typer.Option("--once", help="Stop when the index is as high as the chain.")] = False,
    poll: Annotated[float, typer.Option("--poll", min=0.05, help="Seconds between two looks at the chain.")] = 0.5,
    database: DatabaseOption = None,
    deployment: DeploymentOption = None,
    rpc: RpcOption = None,
) -> None:
    """Read the chain into the index, then follow it until Ctrl-C."""
    venue, url = node_of(deployment, rpc)
    with opened(database, venue) as index:
        number = asyncio.run(_run(index, url, None if once else poll))
        if once:
            _say_height(number)


@group.command("status")
def status(
    database: DatabaseOption = None,
    deployment: DeploymentOption = None,
    rpc: RpcOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how far the index is, what was rolled back, and what no transaction wrote."""
    venue, url = node_of(deployment, rpc)
    with opened(database, venue) as index:
        found = _status(index, asyncio.run(_height(url)))
    if as_json:
        print_json(found)
    else:
        console().print(grid({name.replace("_", " "): value for name, value in found.items()}))


@group.command("backup")
def backup(
    file: Annotated[Path, typer.Argument(help="A file that is not there yet.", dir_okay=False)],
    database: DatabaseOption = None,
    deployment: DeploymentOption = None,
    rpc: RpcOption = None,
) -> None:
    """Copy the index into a file, an index itself, while a follower may go on."""
    from truemark.index import upkeep

    venue, _ = node_of(deployment, rpc, needed=False)
    with opened(database, venue) as index:
        upkeep.backup(index, file)
        typer.echo(f"{file}: {index.counts()['blocks']} blocks, {file.stat().st_size / 1e6:.1f} MB")


@group.command("restore")
def restore(
    file: Annotated[Path, typer.Argument(help="What `truemark index backup` wrote.", dir_okay=False)],
    database: DatabaseOption = None,
    deployment: DeploymentOption = None,
    rpc: RpcOption = None,
) -> None:
    """Copy a backup into an empty index, of SQLite or PostgreSQL."""
    from truemark.index import upkeep

    venue, _ = node_of(deployment, rpc, needed=False)
    with opened(database, venue) as index:
        typer.echo(f"{upkeep.restore(file, index)} blocks")


@group.command("prune")
def prune(
    keep: Annotated[int, typer.Option("--keep", min=1, help="Blocks below the highest that stay whole.")],
    orphans: Annotated[bool, typer.Option("--orphans", help="Delete what was rolled back there, too.")] = False,
    shrink: Annotated[bool, typer.Option("--shrink", help="Give the space back to the disk.")] = False,
    database: DatabaseOption = None,
    deployment: DeploymentOption = None,
    rpc: RpcOption = None,
) -> None:
    """Delete transactions, events, calls and values of older blocks. The state and the blocks themselves stay."""
    from truemark.index import upkeep

    venue, _ = node_of(deployment, rpc, needed=False)
    with opened(database, venue) as index:
        head = index.head()
        if head is None:
            typer.echo("the index has no block")
            return
        done = upkeep.prune(index, max(0, head.number + 1 - keep), orphans=orphans, shrink=shrink)
        typer.echo(f"{done.rows} rows deleted; the index is whole from block {done.whole_from} on")


def node_of(path: Path | None, rpc: str | None, *, needed: bool = True) -> tuple[Deployment | None, str]:
    """The venue, if there is one, and the node's URL; without `needed` empty text where there is neither.

    Raises:
        NoDeployment, BadManifest
    """
    try:
        found = manifest.find(path)
    except NoDeployment:
        if path is not None or (rpc is None and needed):
            raise
        return None, rpc or ""
    return (found, found.l2_rpc) if rpc is None else (replace(found, l2_rpc=rpc), rpc)


def opened(database: str | None, venue: Deployment | None, *, existing: bool = False) -> Index:
    """The index that `database` names, or the usual one.

    Args:
        existing: a file that is not there is not made: who only reads would be told that an empty one is good.

    Raises:
        BadIndex: it cannot be opened.
    """
    from truemark.index import BadIndex, Index

    where = database or os.environ.get(INDEX_VARIABLE) or manifest.home() / FILE_NAME
    if existing and "://" not in str(where) and not Path(where).is_file():
        raise BadIndex(f"{where}: there is no index; `truemark index run` makes one")
    return Index.open(where, venue)


async def bring_up(index: Index, url: str) -> int:
    """Reads what the index lacks; the last block's number.

    Raises:
        NodeUnavailable, RpcError
    """
    return await _run(index, url)


async def _run(index: Index, url: str, poll: float | None = None) -> int:
    """Reads up to the chain's height, then follows it if `poll` is given; the last block's number."""
    from truemark.index import Follower
    from truemark.index import Progress as Done

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    async with AsyncRpc(url) as rpc:
        follower = Follower(rpc, index)
        with Progress(*columns, console=console(), transient=True, disable=not sys.stdout.isatty()) as bar:
            task = bar.add_task("blocks", total=None)

            def show(done: Done) -> None:
                bar.update(task, completed=done.number + 1, total=done.head + 1)

            number = await follower.backfill(show)
        if poll is None:
            return number
        stop = asyncio.Event()
        for each in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(each, stop.set)
        _say_height(number)
        await follower.follow(stop, poll=poll)
        return follower.progress.number


def _say_height(number: int) -> None:
    # At once, also where nobody reads yet.
    typer.echo(f"the index is at block {number}")
    sys.stdout.flush()


async def _height(url: str) -> int | None:
    async with AsyncRpc(url, timeout=5) as rpc:
        try:
            return int(await rpc.call("starknet_blockNumber"))
        except NodeUnavailable:
            return None


def _status(index: Index, height: int | None) -> dict[str, Any]:
    head = index.head()
    reorgs = index.reorgs()
    counts = index.counts()
    return {
        "block": None if head is None else head.number,
        "chain": "the node does not answer" if height is None else height,
        "behind": None if height is None or head is None else height - head.number,
        "accepted_on_l1": index.l1_accepted(),
        "rollbacks": len(reorgs),
        "last_rollback": None if not reorgs else f"blocks {reorgs[-1].first} to {reorgs[-1].last}: {reorgs[-1].cause}",
        "orphaned_blocks": len(index.orphans()),
        "writes_by_no_transaction": len(index.unattributed()),
        "transactions": counts["transactions"],
        "events": counts["events"],
        "storage_writes": counts["storage"],
    }
