"""An index that an older client wrote, on both databases: opening upgrades it, and then it is as a new one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, inspect, text
from truemark.index import BadIndex, Follower, Index, migrations
from truemark.index import tables as t
from truemark_devnet.postgres_server import find_postgres, running_postgres

from .contents import contents
from .test_index_constructed import EMITTER, PING, Chain

Old = Callable[[], str]


def tables_of(engine: Engine) -> dict[str, Any]:
    """Columns, keys and indexes, whatever made them."""
    seen = inspect(engine)
    return {
        name: (
            sorted((column["name"], str(column["type"]), column["nullable"]) for column in seen.get_columns(name)),
            sorted(seen.get_pk_constraint(name)["constrained_columns"]),
            sorted((key["referred_table"], *key["constrained_columns"]) for key in seen.get_foreign_keys(name)),
            sorted(
                (index["name"], tuple(index["column_names"]), bool(index["unique"])) for index in seen.get_indexes(name)
            ),
        )
        for name in seen.get_table_names()
    }


def as_it_was_first(connection: Connection) -> None:
    """The first client's tables, without a trace of Alembic."""
    t.info.create(connection)
    migrations.mark(connection, "0001")
    t.info.drop(connection)
    connection.execute(text("DELETE FROM alembic_version"))
    migrations.upgrade(connection, "0001")
    connection.execute(text("DROP TABLE alembic_version"))
    connection.execute(text("INSERT INTO info VALUES ('schema', '1')"))


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'old.sqlite'}"
    elif find_postgres() is None:
        pytest.skip("no PostgreSQL server is installed")
    else:
        with running_postgres() as server:
            yield server.url.replace("postgresql://", "postgresql+psycopg://")


async def test_an_older_index_is_upgraded_and_goes_on(empty: str, tmp_path: Path) -> None:
    options = {"client_encoding": "utf8"} if empty.startswith("postgresql") else {}
    engine = create_engine(empty, connect_args=options)
    with engine.begin() as connection:
        as_it_was_first(connection)
    assert "calls" not in inspect(engine).get_table_names()
    chain = Chain(strong=False)
    chain.add(classes=[(EMITTER, 0xC)], events=[([PING, 7], [5])], writes=[(1, 2)])
    with Index.open(empty) as upgraded, Index.open(tmp_path / "new.sqlite") as new:
        await Follower(chain, upgraded).backfill()
        await Follower(chain, new).backfill()
        assert contents(upgraded) == contents(new)
    with engine.begin() as connection:
        assert migrations.revision(connection) == migrations.NEWEST
        assert connection.execute(text("SELECT value FROM info WHERE name = 'schema'")).scalar_one() == "2"
    upgraded_tables = tables_of(engine)
    with engine.begin() as connection:
        t.metadata.drop_all(connection)
    Index.open(empty).close()
    assert upgraded_tables == tables_of(engine)
    engine.dispose()


def test_an_index_of_a_newer_client_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    with Index.open(path) as index, index.store.engine.begin() as connection:
        migrations.mark(connection, "9999")
    with pytest.raises(BadIndex, match="of version 9999, this client reads up to"):
        Index.open(path)
