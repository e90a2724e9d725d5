"""The analysis on a real PostgreSQL and a real local Spark: the same sums, near the bounds of the types too, and the
same root as on DuckDB."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from truemark_devnet.postgres_server import find_postgres, running_postgres
from truemark_keeper.recovery.refund import Position, refunds
from truemark_keeper.recovery.refund.analysis import BadBackend, connected

from keeper.tests.test_refund_analysis import RULES, VENUE, check_wide, example, surveyed


@contextmanager
def postgres() -> Iterator[str]:
    if find_postgres() is None:
        pytest.skip("there is no PostgreSQL server on this machine (Debian: apt install postgresql)")
    with running_postgres() as server:
        yield server.url


@contextmanager
def spark() -> Iterator[str]:
    pytest.importorskip("pyspark", reason="pyspark is not installed: pip install 'truemark-keeper[spark]'")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java 17 (Debian: apt install openjdk-17-jre-headless)")
    yield "spark://local[2]"


def check(url: str, folder: Path) -> None:
    check_wide(folder, url, copies=40)
    venue = example()
    found = surveyed(venue, RULES[Position.CLOSED], folder)
    ids = [item.taking.id for item in found.wrong]
    assert ids
    there = refunds(found, VENUE, ids, venue.price, backend=url)
    here = refunds(found, VENUE, ids, venue.price)
    assert there == here
    assert there.tree(VENUE).root == here.tree(VENUE).root


@pytest.mark.deep
def test_postgresql_gives_the_same_root(tmp_path: Path) -> None:
    with postgres() as url:
        check(url, tmp_path)


@pytest.mark.deep
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
def test_spark_gives_the_same_root(tmp_path: Path) -> None:
    with spark() as url:
        check(url, tmp_path)


def test_a_backend_that_there_is_not_is_refused() -> None:
    with pytest.raises(BadBackend, match="mysql"), connected("mysql://here"):
        pass


def test_a_backend_that_does_not_open_is_named_without_its_password(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    for url in ("postgresql://refunds:hunter2-of-db@127.0.0.1:1/x", f"duckdb://{tmp_path}/no/such/folder.duckdb"):
        with pytest.raises(BadBackend, match=r"^(PostgreSQL|DuckDB): ") as refused, connected(url):
            pass
        assert "hunter2" not in str(refused.value)
