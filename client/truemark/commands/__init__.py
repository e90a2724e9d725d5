"""The client's groups of the command `truemark`."""

import typer

from truemark.commands import chain, explorer, index, looking, money, refund, trade, watching

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Adds the commands of the client."""
    chain.register(app)
    explorer.register(app)
    index.register(app)
    looking.register(app)
    money.register(app)
    refund.register(app)
    trade.register(app)
    watching.register(app)
