"""The client's groups of the command `truemark`."""

import typer

from truemark.commands import account, chain, explorer, index, looking, refund, watching

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Adds the commands of the client."""
    account.register(app)
    chain.register(app)
    explorer.register(app)
    index.register(app)
    looking.register(app)
    refund.register(app)
    watching.register(app)
