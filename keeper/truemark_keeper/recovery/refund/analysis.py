"""The analysis, written once for every backend: what was undone for each account, beside all that it did.

Integers only, in limbs of 64-bit columns, so that the sums are the same on DuckDB, PostgreSQL and Spark, whatever the
order of the rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
from truemark.errors import TruemarkError
from truemark.secrets import conceal, scrubbed

from truemark_keeper.recovery.refund import limbs

_PLACE: Final = ("block", "tx_index", "event_index", "side")
_SIZES: Final = limbs.columns("size", limbs.SIZE)
_CASHES: Final = limbs.columns("cash", limbs.CASH)
_WORTHS: Final = limbs.columns("worth", limbs.WORTH)
#: One side each: an end of a market is for all of it, a debt has no position.
_ONE_SIDED: Final = ("PositionSettled", "DebtPaid")
_NAME: Final = "truemark_refund"


class BadBackend(TruemarkError, ValueError):
    """A URL that names no database which the analysis runs on, one that is not installed, or one that does not open."""


class NotConserved(TruemarkError, RuntimeError):
    """The entries do not add up: a side of an event is missing, or an event that is to be undone."""


@dataclass(frozen=True, slots=True)
class AccountSum:
    """
    Attributes:
        account: its address.
        takings: how many were undone.
        worth: of what was taken, 1e-24 USD.
        got: for it, 1e-6 USD.
        events: in which the account took part, undone or not.
        cash: that all of those brought it, 1e-6 USD.
    """

    account: int
    takings: int
    worth: int
    got: int
    events: int
    cash: int


@contextmanager
def connected(url: str | None = None) -> Iterator[Any]:
    """An Ibis backend.

    Args:
        url: "duckdb://" (the default) or "duckdb:///path"; "postgresql://..."; "spark://host:port", or
            "spark://local[2]" for one in this process.

    Raises:
        BadBackend: see the class.
    """
    # A Spark master such as local[2] is no host that urlsplit takes.
    kind, _, rest = (url or "duckdb://").partition("://")
    try:
        if kind == "duckdb":
            backend = _duckdb(rest)
        elif kind in ("postgresql", "postgres"):
            backend = _postgres(url or "")
        elif kind == "spark":
            backend = _spark(rest)
        else:
            raise BadBackend(f"{url!r} is no database for the analysis: duckdb://, postgresql://... or spark://...")
    except ImportError as error:
        raise BadBackend(f"{kind} is not installed ({error}): pip install 'truemark-keeper[recovery]'") from error
    try:
        yield backend
    finally:
        backend.disconnect()


def sums(backend: Any, entries: Path, undone: pa.Table, excluded: pa.Table) -> list[AccountSum]:
    """What is undone of each account that is not left out, by account.

    Raises:
        NotConserved: the sizes of a market's entries do not add up to 0, or an undone event is not among the entries.
    """
    with _tables(backend, {"entries": entries, "undone": undone, "excluded": excluded}) as tables:
        every, back, without = tables["entries"], tables["undone"], tables["excluded"]
        _check(every)
        hit = every.inner_join(back, _PLACE)
        per_hit = hit.group_by("account").aggregate(
            takings=hit.count().cast("int64"),
            **{name: hit[name].sum().cast("int64") for name in _WORTHS},
            **{f"got_{place}": hit[name].sum().cast("int64") for place, name in enumerate(_CASHES)},
        )
        theirs = every.semi_join(per_hit, "account")
        per_account = theirs.group_by("account").aggregate(
            events=theirs.count().cast("int64"),
            **{name: theirs[name].sum().cast("int64") for name in _CASHES},
        )
        left = without.mutate(left_out=ibis.literal(1, type="int64"))
        joined = per_hit.inner_join(per_account, "account").left_join(left, "account")
        wanted = joined.select(
            "account", "takings", "events", "left_out", *_WORTHS, *_CASHES, *(f"got_{n}" for n in range(limbs.CASH))
        )
        rows = wanted.order_by("account").to_pyarrow().to_pylist()
    matched = sum(int(row["takings"]) for row in rows)
    if matched != undone.num_rows:
        raise NotConserved(f"{undone.num_rows} takings are to be undone, {matched} of them are among the entries")
    return [
        AccountSum(
            account=int(row["account"], 16),
            takings=int(row["takings"]),
            worth=limbs.join(row[name] for name in _WORTHS),
            got=limbs.join(row[f"got_{place}"] for place in range(limbs.CASH)),
            events=int(row["events"]),
            cash=limbs.join(row[name] for name in _CASHES),
        )
        for row in rows
        if row["left_out"] is None
    ]


def _check(entries: Any) -> None:
    """What one side of an event loses of a position the other has."""
    two = entries.filter(~entries.kind.isin(_ONE_SIDED))
    per_market = two.group_by("market").aggregate(**{name: two[name].sum().cast("int64") for name in _SIZES})
    for row in per_market.to_pyarrow().to_pylist():
        left = limbs.join(row[name] for name in _SIZES)
        if left:
            raise NotConserved(f"the sizes of market {row['market']} add up to {left}, not to 0: a side is missing")


@contextmanager
def _tables(backend: Any, content: Mapping[str, Path | pa.Table]) -> Iterator[dict[str, Any]]:
    """The content as tables of the backend; those that had to be copied are dropped again."""
    found: dict[str, Any] = {}
    made: list[str] = []
    try:
        for name, rows in content.items():
            called = f"{_NAME}_{name}"
            if backend.name == "postgres":
                table = pq.read_table(rows) if isinstance(rows, Path) else rows
                found[name] = backend.create_table(called, table, temp=True, overwrite=True)
                made.append(called)
            elif isinstance(rows, Path):
                found[name] = backend.read_parquet(str(rows), table_name=called)
            else:
                found[name] = backend.create_table(called, rows, temp=backend.name == "duckdb", overwrite=True)
                made.append(called)
        yield found
    finally:
        for called in made:
            backend.drop_table(called, force=True)


def _duckdb(path: str) -> Any:
    import duckdb

    try:
        return ibis.duckdb.connect(path or ":memory:")
    except duckdb.Error as error:
        raise BadBackend(f"DuckDB: {error}") from error


def _postgres(url: str) -> Any:
    import psycopg

    conceal(url)
    try:
        return ibis.postgres.from_connection(psycopg.connect(url))
    except psycopg.Error as error:
        raise BadBackend(f"PostgreSQL: {scrubbed(str(error))}") from error


def _spark(master: str) -> Any:
    from py4j.protocol import Py4JError
    from pyspark.sql import SparkSession

    local = master.startswith("local")
    builder = SparkSession.builder.appName("truemark refunds").master(master if local else f"spark://{master}")
    builder = builder.config("spark.ui.enabled", "false").config("spark.sql.session.timeZone", "UTC")
    if local:
        builder = builder.config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1")
        builder = builder.config("spark.sql.shuffle.partitions", "4")
    try:
        session = builder.getOrCreate()
    except Py4JError as error:
        # Without where in Spark it was.
        raise BadBackend(f"Spark: {str(error).partition(chr(10) + chr(9) + 'at ')[0]}") from error
    return ibis.pyspark.connect(session)
