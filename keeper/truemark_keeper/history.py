"""What the keeper saw and thought, round by round, in a SQLite file: who said what, what counted, and the own price.

Recovery reads it: a price that was never published is evidence too.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path

from truemark.errors import TruemarkError

from truemark_keeper.judging import Verdict

DAY = 86_400
_SCHEMA = """
create table if not exists verdicts (
    at integer not null, market text not null, validity text not null, reason text not null, price text not null,
    confidence_bps integer not null, observed_at integer not null, groups text not null, primary key (at, market)
) without rowid;
create table if not exists quotes (
    at integer not null, market text not null, source text not null, grp text not null, price text not null,
    confidence_bps integer not null, observed_at integer not null, published_at integer not null,
    validity text not null, reason text not null, primary key (at, market, source)
) without rowid;
"""


class BadHistory(TruemarkError, RuntimeError):
    """The history cannot be written: it is not gone on without evidence."""


class RoundHistory:
    """Prices are text of whole 1e-8 USD: SQLite's integers end before the contract's do.

    Args:
        path: the file; it is made.
        days: rounds older than this are removed, once a day.
    """

    def __init__(self, path: Path, *, days: int = 90) -> None:
        self._path = path
        self._days = days
        self._pruned_at = 0

    async def record(self, now: int, verdicts: Iterable[Verdict]) -> None:
        """Adds a round; one of the same second replaces it.

        Raises:
            BadHistory: the file cannot be written.
        """
        await asyncio.to_thread(self._record, now, list(verdicts))

    def _record(self, now: int, verdicts: Sequence[Verdict]) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            link = sqlite3.connect(self._path, timeout=5.0)
            try:
                with link:
                    link.executescript(_SCHEMA)
                    self._insert(link, now, verdicts)
                    if now - self._pruned_at >= DAY:
                        for table in ("verdicts", "quotes"):
                            link.execute(f"delete from {table} where at < ?", (now - self._days * DAY,))  # noqa: S608
                        self._pruned_at = now
            finally:
                link.close()
        except (sqlite3.Error, OSError) as error:
            raise BadHistory(f"{self._path}: {error}") from error

    @staticmethod
    def _insert(link: sqlite3.Connection, now: int, verdicts: Sequence[Verdict]) -> None:
        link.executemany(
            "insert or replace into verdicts values (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    now,
                    verdict.market,
                    str(verdict.validity),
                    verdict.reason,
                    str(verdict.price),
                    verdict.confidence_bps,
                    verdict.observed_at,
                    "+".join(verdict.groups),
                )
                for verdict in verdicts
            ],
        )
        link.executemany(
            "insert or replace into quotes values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    now,
                    verdict.market,
                    judged.said.source,
                    judged.said.quote.group,
                    str(judged.said.quote.price),
                    judged.said.quote.confidence_bps,
                    judged.said.quote.observed_at,
                    judged.said.quote.published_at,
                    str(judged.validity),
                    judged.reason,
                )
                for verdict in verdicts
                for judged in verdict.judged
            ],
        )
