"""`truemark keeper watch`: marks beside the keeper's own prices, and who is near the line, in a live table."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from truemark import deployment as manifest
from truemark.deployment import Deployment
from truemark.rpc import AsyncRpc, NodeUnavailable, RpcError

from truemark_keeper.book import Book
from truemark_keeper.config import load
from truemark_keeper.judging import Verdict, within
from truemark_keeper.near import NearMiss, near_misses
from truemark_keeper.opinion import Opinion
from truemark_keeper.pinned import ChainUnsteady
from truemark_keeper.service import opinion_of, rpc_url
from truemark_keeper.validity import Action
from truemark_keeper.venue import VenueReader, VenueUnreadable


async def watch(
    console: Console, deployment: Path | None, config: Path | None, *, every: float, most: int, once: bool
) -> None:
    """Looks every `every` seconds until it is cancelled, or once.

    Raises:
        BadConfig, BadManifest, NoDeployment, NodeUnavailable, RpcError, VenueUnreadable: there is nothing to see.
    """
    async with _seen_from(deployment, config) as (reader, opinion, disagreement):
        if once:
            console.print(await _look(reader, opinion, disagreement, most))
            return
        with Live(console=console, auto_refresh=False, screen=console.is_terminal) as live:
            while True:
                try:
                    view = await _look(reader, opinion, disagreement, most)
                except (NodeUnavailable, RpcError, ChainUnsteady, VenueUnreadable) as error:
                    # Stays on the screen until the next look: a gap is news too.
                    view = Group(f"[red]{error}[/]")
                live.update(view, refresh=True)
                await asyncio.sleep(every)


@asynccontextmanager
async def _seen_from(path: Path | None, config: Path | None) -> AsyncIterator[tuple[VenueReader, Opinion | None, int]]:
    settings = None if config is None else load(config)
    deployment = manifest.find(path) if settings is None or path is not None else Deployment.load(settings.deployment)
    url = deployment.l2_rpc if settings is None else rpc_url(settings, deployment)
    async with AsyncRpc(url) as rpc:
        reader = VenueReader(
            rpc, oracle=deployment.address("Oracle"), clearinghouse=deployment.address("Clearinghouse")
        )
        if settings is None:
            yield reader, None, 0
        else:
            async with opinion_of(settings, deployment, rpc) as opinion:
                yield reader, opinion, settings.liquidator.max_disagreement_bps


async def _look(reader: VenueReader, opinion: Opinion | None, disagreement: int, most: int) -> Group:
    book = await reader.book()
    verdicts: Mapping[str, Verdict] = {}
    if opinion is not None:
        names = tuple(market.name for market in book.markets.values())
        verdicts = await opinion.verdicts(names, int(time.time()))
    beliefs = {
        market.name: disbelief(verdicts[market.name], market.price, disagreement)
        for market in book.markets.values()
        if market.name in verdicts
    }
    return Group(_markets(book, verdicts, beliefs), _accounts(near_misses(book, beliefs, most)))


def disbelief(verdict: Verdict, mark: int, max_disagreement_bps: int) -> str | None:
    """Why the keeper would not liquidate by this mark; None: it would."""
    if not verdict.allows(Action.LIQUIDATE):
        return str(verdict.validity)
    return None if within(mark, verdict.price, max_disagreement_bps) else "the mark is off"


def _markets(book: Book, verdicts: Mapping[str, Verdict], beliefs: Mapping[str, str | None]) -> Table:
    mode = "Full" if book.full else "not Full: nobody is liquidated"
    table = Table(title=f"block {book.block}, {mode}", title_justify="left")
    for name in ("market", "mark", "status", "own price", "groups", "verdict"):
        table.add_column(name, justify="right" if name in ("mark", "own price", "groups") else "left")
    for market in book.markets.values():
        verdict = verdicts.get(market.name)
        doubt = beliefs.get(market.name)
        table.add_row(
            market.name,
            _usd(market.price),
            "Valid" if market.valid else "[yellow]not Valid[/]",
            "" if verdict is None or verdict.price == 0 else _usd(verdict.price),
            "" if verdict is None else str(len(verdict.groups)),
            "" if verdict is None else ("agrees" if doubt is None else f"[yellow]{doubt}[/]"),
        )
    return table


def _accounts(found: list[NearMiss]) -> Table:
    table = Table(title="nearest to the line", title_justify="left")
    for name in ("account", "V/R", "V, USD", "R, USD", "largest", "size", "move left", ""):
        table.add_column(name, justify="left" if name in ("account", "largest", "") else "right")
    for item in found:
        colour = "red" if item.ratio < 1 else "yellow" if item.ratio < 2 else "green"
        table.add_row(
            f"{item.account:#x}"[:14] + "…",
            f"[{colour}]{float(item.ratio):.3f}[/]",
            f"{item.value / 10**16:,.2f}",
            f"{item.maintenance / 10**16:,.2f}",
            item.market,
            f"{item.size / 10**8:g}",
            f"{item.move_bps / 100:.2f}%",
            item.vetoed,
        )
    return table


def _usd(price: int) -> str:
    return f"{price / 10**8:,.8g}"
