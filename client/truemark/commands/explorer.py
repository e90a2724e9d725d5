"""`truemark explorer`: the chain as web pages and as a JSON API."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from truemark.commands.common import DeploymentOption, RpcOption
from truemark.commands.index import INDEX_VARIABLE, node_of, opened

DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--db",
        "--database",
        help=f"The index: a file or a database's URL; by default ${INDEX_VARIABLE}, else in the local devnet's folder.",
        show_default=False,
    ),
]


def register(app: typer.Typer) -> None:
    app.command("explorer")(explorer)


def explorer(
    host: Annotated[str, typer.Option("--host", help="Where to listen; 0.0.0.0 for everybody.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes any that is free.")] = 8080,
    poll: Annotated[float, typer.Option("--poll", min=0.05, help="Seconds between two looks at the chain.")] = 0.5,
    no_follow: Annotated[
        bool, typer.Option("--no-follow", help="Another process keeps the index (`truemark index run`).")
    ] = False,
    incidents: Annotated[
        Path | None,
        typer.Option("--incidents", help="The folder where the sentinel writes incidents.", show_default=False),
    ] = None,
    database: DatabaseOption = None,
    deployment: DeploymentOption = None,
    rpc: RpcOption = None,
) -> None:
    """Serve the web explorer, and keep its index with the chain, until Ctrl-C."""
    from truemark.web import need_web

    need_web()
    from truemark.web.serving import Serving, serve

    venue, url = node_of(deployment, rpc)
    settings = Serving(url=url, host=host, port=port, poll=poll, follow=not no_follow, incidents=incidents)
    with opened(database, venue) as index:
        asyncio.run(serve(index, venue, settings, _say))


def _say(address: str) -> None:
    # At once, also where nobody reads yet.
    typer.echo(f"the explorer is at {address}")
    sys.stdout.flush()
