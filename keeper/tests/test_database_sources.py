"""The venue's own database as a source: what interrupts it, and that what it says then does not count at once."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from truemark_devnet.postgres_server import PostgresServer, find_postgres, running_postgres
from truemark_keeper.sources import (
    Database,
    DatabaseSource,
    PostgresDatabase,
    Probation,
    ProbationTerms,
    Quote,
    Reading,
    SourceError,
    SqliteDatabase,
    WatchedSource,
)

BTC, ETH = "BTC-USD-PERP", "ETH-USD-PERP"
USD = 10**8
QUERY = "select market, price, observed_at from marks"
LAST_GOOD = {BTC: 100 * USD, ETH: 10 * USD}


async def last_good(market: str) -> int | None:
    return LAST_GOOD.get(market)


def source_of(database: Database, **how: Any) -> DatabaseSource:
    return DatabaseSource(database, name="venue", group="venue", last_good=last_good, **how)


async def prices(source: DatabaseSource, now: int) -> dict[str, int]:
    return {quote.market: quote.price for quote in await source.quotes([BTC, ETH], now)}


class Stub:
    """A database that says what a test puts in."""

    def __init__(self) -> None:
        self.rows: list[tuple[Any, ...]] = []
        self.columns: tuple[str, ...] = ("market", "price", "observed_at")
        self.fingerprint = "one"
        self.error: Exception | None = None

    async def read(self) -> Reading:
        if self.error is not None:
            raise self.error
        return Reading(self.columns, tuple(self.rows), self.fingerprint)

    async def aclose(self) -> None:
        return


async def serve(source: DatabaseSource, stub: Stub, now: int, price: str = "100") -> None:
    for second in range(now, now + 3):
        stub.rows = [(BTC, price, second)]
        await prices(source, second)
    assert source.probation.served(BTC)


async def test_after_a_start_the_first_values_must_continue_the_last_good_mark() -> None:
    stub = Stub()
    source = source_of(stub)
    seen = []
    for now, btc, eth in ((1, "100.9", "5"), (2, "99.1", "5"), (2, "99.1", "5"), (3, "100", "5"), (4, "70", "5")):
        stub.rows = [(BTC, btc, now), (ETH, eth, now)]
        seen.append(await prices(source, now))
    # Three values, each newer than the one before; then it is a source like any other, and others judge the fall.
    assert seen == [{}, {}, {}, {BTC: 100 * USD}, {BTC: 70 * USD}]
    assert source.withheld == {ETH: f"{5 * USD} does not continue the last good mark {10 * USD}"}


async def test_a_value_that_does_not_continue_it_starts_the_count_again() -> None:
    stub = Stub()
    source = source_of(stub)
    counts = []
    for now, price in enumerate(("100", "100", "0", "100", "100", "100"), start=1):
        stub.rows = [(BTC, price, now)]
        counts.append(bool(await prices(source, now)))
    assert counts == [False] * 5 + [True]


@pytest.mark.parametrize("interruption", ["error", "schema"])
async def test_an_interruption_puts_it_back_on_probation(interruption: str) -> None:
    stub = Stub()
    source = source_of(stub)
    await serve(source, stub, 1)
    if interruption == "error":
        stub.error = SourceError("connection refused")
        with pytest.raises(SourceError):
            await prices(source, 9)
        stub.error = None
    else:
        stub.fingerprint = "two"
    stub.rows = [(BTC, "0", 10), (ETH, "0", 10)]
    assert await prices(source, 10) == {}
    assert {market: doubt.price for market, doubt in source.doubts.items()} == {BTC: 0, ETH: 0}
    assert source.probation.cause == (
        "connection refused" if interruption == "error" else "the schema or the server changed"
    )
    # What was observed before the interruption does not count as having continued.
    stub.rows = [(BTC, "100", 9)]
    assert await prices(source, 11) == {}
    assert source.withheld == {BTC: "observed before the interruption"}
    assert source.doubts == {}
    await serve(source, stub, 12)
    stub.rows = [(BTC, "100", 20)]
    assert await prices(source, 20) == {BTC: 100 * USD}


async def test_a_hang_that_was_cut_short_is_an_interruption_too() -> None:
    class Hangs(Stub):
        hangs = False

        async def read(self) -> Reading:
            if self.hangs:
                await asyncio.Event().wait()
            return await super().read()

    stub = Hangs()
    source = source_of(stub)
    await serve(source, stub, 1)
    watched = WatchedSource(source, timeout=0.02, min_gap=0.001)
    stub.hangs = True
    with pytest.raises(SourceError, match="no answer"):
        await watched.quotes([BTC], 5)
    stub.hangs = False
    stub.rows = [(BTC, "100", 6)]
    assert await prices(source, 6) == {}


@pytest.mark.parametrize(
    ("columns", "row", "reason"),
    [
        (("market", "price"), (BTC, "1"), "gives no observed_at"),
        (("market", "price", "observed_at"), (BTC, 1.5, 1), "the price is a float"),
        (("market", "price", "observed_at"), (BTC, "dear", 1), "'dear', not a number"),
        (("market", "price", "observed_at"), (BTC, "1", "noon"), "'noon', not a time"),
    ],
)
async def test_what_the_query_gets_wrong_is_named(columns: tuple[str, ...], row: Sequence[Any], reason: str) -> None:
    stub = Stub()
    stub.columns, stub.rows = columns, [tuple(row)]
    with pytest.raises(SourceError, match=reason):
        await prices(source_of(stub), 1)
    if len(columns) == 3:
        stub.rows = [(BTC, "1", 1), (BTC, "1", 1)]
        with pytest.raises(SourceError, match="twice"):
            await prices(source_of(stub), 1)


async def test_an_emptied_column_says_nothing_and_names_can_be_mapped() -> None:
    stub = Stub()
    stub.columns = ("market", "price", "observed_at", "confidence_bps", "published_at")
    stub.rows = [
        ("btc", None, 1, 5, 1),
        ("eth", "10", datetime(2026, 1, 1, tzinfo=UTC), 7, None),
        ("xrp", "1", 1, 1, 1),
    ]
    source = source_of(stub, markets={"btc": BTC, "eth": ETH}, terms=ProbationTerms(values=1))
    assert await source.quotes([BTC, ETH], 1) == (Quote(ETH, 10 * USD, 7, 1767225600, 1767225600, "venue"),)


@given(st.lists(st.tuples(st.integers(-5, 300), st.integers(-3, 3)), max_size=30), st.integers(1, 4))
def test_nothing_counts_before_so_many_newer_values_in_a_row_continued_the_mark(
    values: list[tuple[int, int]], wanted: int
) -> None:
    probation = Probation(ProbationTerms(within_bps=1000, values=wanted))
    probation.begin("test", 0)
    now = newest = run = 0
    newest = -1
    for price, step in values:
        now += step
        near = 90 <= price <= 110 and now >= 0
        counts = probation.hear(Quote(BTC, price, 1, now, now, "g"), 100) is None
        if now >= 0:
            run = (run + (now > newest) if near else 0) if run < wanted else run
            newest = max(newest, now) if near else newest
        assert counts == (run >= wanted)


def make_sqlite(path: Path, price: str = "100") -> sqlite3.Connection:
    link = sqlite3.connect(path, isolation_level=None)
    link.execute("create table marks (market text, price text, observed_at integer)")
    link.execute("insert into marks values (?, ?, 1)", (BTC, price))
    return link


async def test_sqlite_a_migration_that_ends_with_the_same_schema_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "venue.sqlite"
    link = make_sqlite(path)
    database = SqliteDatabase(path, QUERY)
    first = await database.read()
    assert (first.columns, first.rows) == (("market", "price", "observed_at"), ((BTC, "100", 1),))
    link.execute("update marks set price = '101'")
    assert (await database.read()).fingerprint == first.fingerprint
    link.execute("alter table marks add column funding text")
    second = await database.read()
    link.execute("alter table marks drop column funding")
    third = await database.read()
    link.close()
    path.rename(tmp_path / "old")
    make_sqlite(path).close()
    fourth = await database.read()
    assert len({reading.fingerprint for reading in (first, second, third, fourth)}) == 4


async def test_sqlite_that_cannot_be_read_is_an_error_and_is_never_written(tmp_path: Path) -> None:
    path = tmp_path / "venue.sqlite"
    with pytest.raises(SourceError, match="No such file"):
        await SqliteDatabase(path, QUERY).read()
    link = make_sqlite(path)
    for query in ("delete from marks", "select absent from marks"):
        with pytest.raises(SourceError, match=r"readonly|no such column"):
            await SqliteDatabase(path, query).read()
    link.execute("begin exclusive")
    with pytest.raises(SourceError, match="locked"):
        await SqliteDatabase(path, QUERY, timeout=0.05).read()
    link.close()
    path.write_bytes(b"not a database, but as long as the header of one" * 10)
    with pytest.raises(SourceError, match="not a database"):
        await SqliteDatabase(path, QUERY).read()


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    if find_postgres() is None:
        pytest.skip("no PostgreSQL server on this machine (Debian: apt install postgresql)")
    with running_postgres() as server:
        yield server


async def run_sql(server: PostgresServer, *statements: str) -> None:
    import psycopg

    async with await psycopg.AsyncConnection.connect(server.url, autocommit=True) as link:
        for statement in statements:
            await link.execute(statement)  # type: ignore[call-overload]


async def fill(server: PostgresServer, now: int, btc: str = "100", eth: str = "10") -> None:
    await run_sql(
        server,
        "create table if not exists marks (market text primary key, price numeric, observed_at timestamptz)",
        *(
            f"insert into marks values ('{market}', {price}, to_timestamp({now})) "
            "on conflict (market) do update set price = excluded.price, observed_at = excluded.observed_at"
            for market, price in ((BTC, btc), (ETH, eth))
        ),
    )


async def test_a_migration_of_a_real_postgres_publishes_nothing_it_reset(postgres: PostgresServer) -> None:
    await run_sql(postgres, "drop table if exists marks")
    await fill(postgres, 1)
    database = PostgresDatabase(postgres.url, QUERY, name="venue", timeout=0.5)
    source = source_of(database)
    try:
        for now in range(1, 4):
            await fill(postgres, now)
            said = await prices(source, now)
        assert said == LAST_GOOD

        # The upgrade: a column's type changes, the table is rewritten, prices are reset and loaded later.
        import psycopg

        async with await psycopg.AsyncConnection.connect(postgres.url) as upgrade:
            await upgrade.execute("alter table marks alter column price type numeric(30, 8)")
            with pytest.raises(SourceError, match="lock timeout"):
                await prices(source, 4)
            await upgrade.execute("update marks set price = 0")
        assert await prices(source, 5) == {}
        assert set(source.withheld) == {BTC, ETH}
        await fill(postgres, 6, "100", "0")
        assert await prices(source, 6) == {}
        for now in (7, 8, 9):
            await fill(postgres, now)
            said = await prices(source, now)
        assert said == LAST_GOOD
        assert source.probation.times == 2
    finally:
        await source.aclose()


async def test_postgres_each_change_of_table_or_server_has_another_fingerprint(postgres: PostgresServer) -> None:
    await run_sql(postgres, "drop table if exists marks")
    await fill(postgres, 1)
    database = PostgresDatabase(postgres.url, QUERY, name="venue", tables=("marks",))
    try:
        seen = [(await database.read()).fingerprint]
        await fill(postgres, 2, "101")
        await run_sql(postgres, "create table if not exists elsewhere (n int)")
        assert (await database.read()).fingerprint == seen[0]
        for change in (
            "alter table marks add column funding numeric",
            "alter table marks drop column funding",
            "alter table marks alter column price set default 0",
            "truncate marks",
            "alter table marks rename to old; create table marks (like old including all); drop table old",
        ):
            await run_sql(postgres, *change.split("; "))
            seen.append((await database.read()).fingerprint)
        postgres.stop()
        with pytest.raises(SourceError) as caught:
            await database.read()
        assert str(postgres.folder) not in str(caught.value)
        postgres.start()
        seen.append((await database.read()).fingerprint)
    finally:
        await database.aclose()
    assert len(set(seen)) == 7


async def test_postgres_changes_nothing_and_waits_for_nobody(postgres: PostgresServer) -> None:
    await run_sql(postgres, "drop table if exists marks")
    await fill(postgres, 1)
    for query, reason in (
        ("delete from marks returning market, price, observed_at", "read-only"),
        ("select nothing from marks", "does not exist"),
        (f"{QUERY}, pg_sleep(5)", "statement timeout"),
    ):
        database = PostgresDatabase(postgres.url, query, name="venue", timeout=0.2)
        with pytest.raises(SourceError, match=f"venue: .*{reason}"):
            await database.read()
        await database.aclose()
    database = PostgresDatabase(f"postgresql://me:secret@127.0.0.1:{os.getpid() % 1000 + 1}/x", QUERY, name="venue")
    with pytest.raises(SourceError) as caught:
        await database.read()
    assert "secret" not in str(caught.value)
