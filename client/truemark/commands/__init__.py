"""The client's groups of the command `truemark`."""

import typer

from truemark.commands import account, chain, index, watching

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Adds the commands of the client."""
    chain.register(app)
    account.register(app)
    index.register(app)
    watching.register(app)
