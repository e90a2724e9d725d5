"""How an index of an older client becomes one of this client: Alembic's revisions, run when an index is opened.

A new index is made from `truemark.index.tables` at once and marked as being of the newest revision; a test holds both
ways to the same tables.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, delete, insert, inspect, select

from truemark.index import tables as t

#: The newest revision, which `truemark.index.tables` is of.
NEWEST: Final = "0002"
#: What the revision before Alembic is called here.
_FIRST: Final = "0001"


def revision(connection: Connection) -> str | None:
    """Which revision a database is of; None: it holds no index."""
    there = set(inspect(connection).get_table_names())
    if t.revisions.name in there:
        return connection.execute(select(t.revisions.c.version_num)).scalar_one_or_none()
    return _FIRST if t.info.name in there else None


def mark(connection: Connection, as_revision: str = NEWEST) -> None:
    """Says in the database which revision it is of, without Alembic, which takes long to load."""
    t.revisions.create(connection, checkfirst=True)
    connection.execute(delete(t.revisions))
    connection.execute(insert(t.revisions).values(version_num=as_revision))


def is_known(name: str) -> bool:
    return any(path.name.startswith(f"v{name}_") for path in (Path(__file__).parent / "versions").glob("v*.py"))


def upgrade(connection: Connection, to: str = NEWEST) -> None:
    """Brings the database to a revision, within the connection's transaction."""
    from alembic import command
    from alembic.config import Config

    if revision(connection) == _FIRST:
        mark(connection, _FIRST)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    command.upgrade(config, to)
