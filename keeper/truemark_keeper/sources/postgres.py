"""A PostgreSQL server as a source's database. Its driver is an extra (`truemark-keeper[postgres]`)."""

from __future__ import annotations

import importlib
from hashlib import sha256
from types import ModuleType
from typing import Any

from truemark.errors import TruemarkError

from truemark_keeper.sources.database import Reading
from truemark_keeper.sources.quote import SourceError

#: What tells this server run and these tables from others: a restart, a column that came, went (relnatts counts it
#: still) or changed, a table that was made anew, rewritten or emptied (each gives it another
#: file). All as the transaction sees it.
_FINGERPRINT = """
    select pg_postmaster_start_time()::text, pg_is_in_recovery()::text, coalesce((
        select string_agg(concat_ws(' ', c.oid, pg_relation_filenode(c.oid), c.relkind, c.relnatts, n.nspname,
            c.relname, a.attnum, a.attname, a.atttypid, a.atttypmod, a.attnotnull, pg_get_expr(d.adbin, d.adrelid)),
            ';' order by c.oid, a.attnum)
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
            join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
            left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
        where c.relkind in ('r', 'v', 'm', 'p', 'f') and n.nspname = any(current_schemas(false))
            and (cardinality(%(tables)s::text[]) = 0 or c.relname = any(%(tables)s::text[]))), '')
"""


class PostgresMissing(TruemarkError, ImportError):
    """The psycopg package is not installed."""


class PostgresDatabase:
    """One connection, opened when it is needed and again after it broke.

    Args:
        url: postgresql://user:password@host/database; never shown.
        query: gives the columns that DatabaseSource names.
        tables: those whose changes count; none: all on the search path.
        timeout: seconds for the connection, for a lock and for the query. A migration locks its table: it is not
            waited for.
    """

    def __init__(self, url: str, query: str, *, name: str, tables: tuple[str, ...] = (), timeout: float = 5.0) -> None:
        self._url = url
        self._query = query
        self._name = name
        self._tables = list(tables)
        self._timeout = timeout
        self._link: Any = None
        self._psycopg = driver()

    async def aclose(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            await link.close()

    async def read(self) -> Reading:
        try:
            if self._link is None:
                # A database without an encoding (SQL_ASCII) would give bytes for text.
                self._link = await self._psycopg.AsyncConnection.connect(
                    self._url, connect_timeout=max(int(self._timeout), 1), autocommit=True, client_encoding="utf8"
                )
            return await self._read(self._link)
        except self._psycopg.Error as error:
            await self.aclose()
            # What the server said of the query; what the driver says of a connection may quote the URL.
            said = error.diag.message_primary or type(error).__name__
            raise SourceError(f"{self._name}: {said}") from error
        except BaseException:
            # Cancelled in the middle of a query: this connection's state is unknown.
            link, self._link = self._link, None
            if link is not None:
                await link.close()
            raise

    async def _read(self, link: Any) -> Reading:
        milliseconds = max(int(self._timeout * 1000), 2)
        async with link.transaction():
            # Before the first query: from then on one snapshot shows catalog and rows alike.
            await link.execute("set transaction isolation level repeatable read, read only")
            for setting, share in (("statement_timeout", 1), ("lock_timeout", 2)):
                await link.execute("select set_config(%s, %s, true)", (setting, f"{milliseconds // share}ms"))
            cursor = await link.execute(self._query)
            columns = tuple(column.name for column in cursor.description or ())
            rows = tuple(tuple(row) for row in await cursor.fetchall())
            cursor = await link.execute(_FINGERPRINT, {"tables": self._tables})
            identity = repr(await cursor.fetchone())
        return Reading(columns, rows, sha256(identity.encode()).hexdigest())


def driver() -> ModuleType:
    """The package psycopg.

    Raises:
        PostgresMissing: it is not installed.
    """
    try:
        return importlib.import_module("psycopg")
    except ImportError as error:
        raise PostgresMissing(
            "a PostgreSQL source needs the package psycopg: pip install 'truemark-keeper[postgres]'"
        ) from error
