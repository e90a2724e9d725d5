"""`truemark watch`: new blocks, rollbacks and writes by no transaction, one line each, as they come."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Annotated

import typer

from truemark.commands.common import DeploymentOption, RpcOption, short_hex
from truemark.commands.index import DatabaseOption, node_of, opened
from truemark.rpc import AsyncRpc

if TYPE_CHECKING:
    from truemark.index import Index, Progress


def register(app: typer.Typer) -> None:
    app.command("watch")(watch)


def watch(
    poll: Annotated[float, typer.Option("--poll", min=0.05, help="Seconds between two looks at the chain.")] = 0.5,
    database: DatabaseOption = None,
    deployment: DeploymentOption = None,
    rpc: RpcOption = None,
) -> None:
    """Show new blocks, rollbacks and writes that no transaction explains as they come, until Ctrl-C."""
    venue, url = node_of(deployment, rpc)
    with opened(database, venue) as index:
        asyncio.run(_watch(index, url, poll))


async def _watch(index: Index, url: str, poll: float) -> None:
    from truemark.index import Follower

    async with AsyncRpc(url) as rpc:
        follower = Follower(rpc, index)
        await follower.backfill()
        lines = _Lines(index)
        stop = asyncio.Event()
        for each in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(each, stop.set)
        typer.echo(f"the index is at block {lines.shown}")
        await follower.follow(stop, poll=poll, progress=lambda done: lines.show(done))


class _Lines:
    """Says each block and each rollback once."""

    def __init__(self, index: Index) -> None:
        self._index = index
        head = index.head()
        self.shown = -1 if head is None else head.number
        self._reorgs = len(index.reorgs())

    def show(self, done: Progress) -> None:
        reorgs = self._index.reorgs()
        for reorg in reorgs[self._reorgs :]:
            typer.echo(f"rolled back: blocks {reorg.first} to {reorg.last} ({reorg.cause})")
            self.shown = min(self.shown, reorg.first - 1)
        self._reorgs = len(reorgs)
        for block in self._index.blocks(self.shown + 1, done.number):
            typer.echo(
                f"block {block.number}: {block.transaction_count} transactions, {block.event_count} events"
                + (f", {block.unattributed} WRITES BY NO TRANSACTION" if block.unattributed else "")
            )
            if block.unattributed:
                self._unattributed(block.number)
        self.shown = max(self.shown, done.number)

    def _unattributed(self, number: int) -> None:
        for write in self._index.unattributed(number, number):
            where = write.contract or short_hex(write.address)
            what = write.variable or (write.part if write.key is None else short_hex(write.key))
            typer.echo(f"  {where} {what} = {write.value:#x}")
