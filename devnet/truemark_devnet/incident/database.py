"""The operator's database: the table that the venue's services write, the keepers' reading of it, and its upgrade."""

from __future__ import annotations

import contextlib
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from truemark_keeper.sources import Database, PostgresDatabase, SqliteDatabase

from truemark_devnet.incident.script import FUNDING_PPM, HIGH_PERCENT, LOW_PERCENT, Phase
from truemark_devnet.postgres_server import running_postgres

#: What every keeper asks.
QUERY: Final = "select market, price, observed_at, funding_ppm from marks"
#: Seconds that a reader waits for an answer.
_PATIENCE: Final = 1.0


class OperatorDatabase(ABC):
    """The table `marks` and who writes it. Times are seconds since 1970, prices USD."""

    kind: str

    def __init__(self) -> None:
        self._phase = Phase.NORMAL

    @abstractmethod
    def reader(self, name: str) -> Database:
        """A keeper's own connection."""

    @abstractmethod
    def _run(self, statement: str, *values: Any) -> None: ...

    #: The types of a price, a funding rate and a time.
    _number: str
    _integer = "bigint"
    _mark: str

    def create(self, prices: Mapping[str, Decimal], now: int) -> None:
        """A new table, with a row for each market."""
        self._phase = Phase.NORMAL
        self._run("drop table if exists marks")
        self._run(
            f"create table marks (market text primary key, price {self._number} not null, "
            f"funding_ppm {self._integer} not null, observed_at {self._integer} not null)"
        )
        # Only marks of parameters and types are put into the text.
        row = f"insert into marks values ({', '.join([self._mark] * 4)})"  # noqa: S608
        for market, price in prices.items():
            self._run(row, market, self._cell(price), FUNDING_PPM, now)

    def write(self, phase: Phase, prices: Mapping[str, Decimal], now: int) -> None:
        """What the operator's services do to it in this step: the upgrade's part, if one is due, then the pricing
        service, which was restarted in the middle of it and stamps what it finds with the time."""
        if phase is not self._phase:
            self._upgrade(phase)
            self._phase = phase
        if phase is Phase.LOCKED:
            return
        if phase in (Phase.NORMAL, Phase.FILLED):
            row = f"price = {self._mark}, funding_ppm = {self._mark}, observed_at = {self._mark}"
            update = f"update marks set {row} where market = {self._mark}"  # noqa: S608
            for market, price in prices.items():
                self._run(update, self._cell(price), FUNDING_PPM, now, market)
        else:
            self._run(f"update marks set observed_at = {self._mark}", now)  # noqa: S608

    def _upgrade(self, phase: Phase) -> None:
        match phase:
            case Phase.LOCKED:
                self._run(self._begin)
                for column, kind in (("price", self._number), ("funding_ppm", self._integer)):
                    self._run(f"alter table marks rename column {column} to old_{column}")
                    self._run(f"alter table marks add column {column} {kind} not null default 0")
            case Phase.RESET:
                self._run("commit")
            case Phase.OLD_LOW:
                self._run(f"update marks set price = old_price * {self._mark} / 100", LOW_PERCENT)  # noqa: S608
            case Phase.OLD_HIGH:
                self._run(f"update marks set price = old_price * {self._mark} / 100", HIGH_PERCENT)  # noqa: S608
            case Phase.FILLED:
                self._run("update marks set price = old_price, funding_ppm = old_funding_ppm")
                for column in ("price", "funding_ppm"):
                    self._run(f"alter table marks drop column old_{column}")
            case Phase.NORMAL:
                return

    #: The upgrade's first part is one transaction, which keeps readers out.
    _begin: str

    def _cell(self, price: Decimal) -> Any:
        return price


class PostgresOperator(OperatorDatabase):
    kind = "PostgreSQL"
    _number, _mark, _begin = "numeric(30, 8)", "%s", "begin"

    def __init__(self, url: str, link: Any) -> None:
        super().__init__()
        self._url, self._link = url, link

    def reader(self, name: str) -> Database:
        return PostgresDatabase(self._url, QUERY, name=name, tables=("marks",), timeout=_PATIENCE)

    def _run(self, statement: str, *values: Any) -> None:
        self._link.execute(statement, values or None)


class SqliteOperator(OperatorDatabase):
    """It has no decimals: a price is a whole number of 1e-8 USD there, which the keepers' query makes a text."""

    kind = "SQLite"
    _number, _mark, _begin = "integer", "?", "begin exclusive"
    _SCALE: Final = 10**8

    def __init__(self, path: Path, link: sqlite3.Connection) -> None:
        super().__init__()
        self._path, self._link = path, link

    def reader(self, name: str) -> Database:
        text = f"printf('%d.%08d', price / {self._SCALE}, price % {self._SCALE}) as price"
        return SqliteDatabase(self._path, QUERY.replace("price", text, 1), timeout=_PATIENCE / 2)

    def _run(self, statement: str, *values: Any) -> None:
        self._link.execute(statement, values)

    def _cell(self, price: Decimal) -> Any:
        return int(price * self._SCALE)


@contextmanager
def operator_database(*, sqlite: bool) -> Iterator[OperatorDatabase]:
    """A server of its own (or a file), gone afterwards.

    Raises:
        NoPostgres: no server is installed.
        PostgresMissing: the driver is not.
    """
    if sqlite:
        with TemporaryDirectory(prefix="truemark-incident-") as folder:
            path = Path(folder) / "venue.sqlite"
            with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as link:
                yield SqliteOperator(path, link)
        return
    with running_postgres() as server:
        from truemark_keeper.sources.postgres import driver

        with driver().connect(server.url, autocommit=True) as link:
            yield PostgresOperator(server.url, link)
