"""A SQLite file as a source's database."""

from __future__ import annotations

import asyncio
import sqlite3
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

from truemark_keeper.sources.database import Reading
from truemark_keeper.sources.quote import SourceError


class SqliteDatabase:
    """Opened anew for each reading, so that a file put in its place is seen; read only.

    Args:
        path: the file.
        query: gives the columns that DatabaseSource names.
        timeout: seconds for a lock that a writer holds, and for the query.
    """

    def __init__(self, path: Path, query: str, *, timeout: float = 5.0) -> None:
        self._path = path
        self._query = query
        self._timeout = timeout

    async def aclose(self) -> None:
        return

    async def read(self) -> Reading:
        try:
            return await asyncio.to_thread(self._read)
        except (sqlite3.Error, OSError) as error:
            raise SourceError(f"{self._path}: {error}") from error

    def _read(self) -> Reading:
        file = self._path.stat()
        link = sqlite3.connect(
            f"file:{quote(str(self._path))}?mode=ro", uri=True, timeout=self._timeout, isolation_level=None
        )
        try:
            link.execute("pragma query_only = on")
            link.execute("begin")
            # schema_version counts every change of schema, also one that was taken back since.
            (version,) = link.execute("pragma schema_version").fetchone()
            schema = link.execute("select type, name, sql from sqlite_schema order by type, name").fetchall()
            cursor = link.execute(self._query)
            rows = tuple(tuple(row) for row in cursor.fetchall())
            columns = tuple(column[0] for column in cursor.description or ())
        finally:
            link.close()
        identity = repr((file.st_dev, file.st_ino, version, schema))
        return Reading(columns, rows, sha256(identity.encode()).hexdigest())
