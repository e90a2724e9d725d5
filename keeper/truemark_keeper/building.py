"""From settings to working sources."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime

import httpx
from truemark.secrets import conceal

from truemark_keeper.keystore import environment
from truemark_keeper.source_settings import (
    FIRST,
    RECORDED,
    CcxtSettings,
    JsonSettings,
    Live,
    PythSettings,
    ReplaySettings,
    SourceSettings,
)
from truemark_keeper.sources import (
    Database,
    DatabaseSource,
    DocumentSource,
    ExchangeSource,
    PostgresDatabase,
    PriceTable,
    PythSource,
    ReplaySource,
    Source,
    SqliteDatabase,
    WatchedSource,
    ccxt_exchange,
)
from truemark_keeper.sources.database import LastGood
from truemark_keeper.toml_table import BadConfig


def build_sources(
    settings: Sequence[SourceSettings],
    http: httpx.AsyncClient,
    last_good: LastGood,
    *,
    now: int | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> list[WatchedSource]:
    """Every source, under watch.

    Args:
        http: for those that speak HTTP; see sources.http_client.
        last_good: what a database on probation must continue.
        now: the keeper's clock, for a replay that starts now; seconds.

    Raises:
        BadConfig, BadTable, OutsideTable, CcxtMissing, UnknownExchange, PostgresMissing, BadKeystore: one cannot be
            built.
    """
    built = []
    for item in settings:
        if isinstance(item, ReplaySettings):
            source = replay_source(item, int(time.time()) if now is None else now)
            built.append(WatchedSource(source, min_gap=0.0, clock=clock))
        else:
            manners = item.manners
            built.append(
                WatchedSource(
                    _live(item, http, last_good),
                    timeout=manners.timeout,
                    min_gap=manners.min_gap,
                    weight=manners.weight,
                    clock=clock,
                )
            )
    return built


def replay_source(settings: ReplaySettings, now: int) -> ReplaySource:
    """The recorded prices, moved so that the table's `start` is `since`, by default `now` (seconds).

    Raises:
        BadConfig: a start that is no time.
        BadTable, OutsideTable: the table cannot be read, or has no such reporter.
    """
    table = PriceTable.load(settings.replay)
    now = now if settings.since is None else settings.since
    if settings.start == RECORDED:
        shift = 0
    elif settings.start == FIRST:
        shift = now - table.times[0]
    else:
        shift = now - _moment(settings.start)
    return ReplaySource(
        table,
        settings.reporter,
        interpolate=settings.interpolate,
        shift=shift,
        confidence_bps=settings.confidence_bps,
    )


def _live(item: Live, http: httpx.AsyncClient, last_good: LastGood) -> Source:
    manners = item.manners
    # The watch has the last word on time; the source's own limit is a little later, so that its message says more.
    timeout = manners.timeout * 1.1
    if isinstance(item, CcxtSettings):
        exchange = ccxt_exchange(item.exchange, {"timeout": int(timeout * 1000), **item.options})
        return ExchangeSource(exchange, item.markets, name=manners.name, group=manners.group)
    if isinstance(item, PythSettings):
        conceal(item.url)
        return PythSource(http, item.url, item.markets, name=manners.name, group=manners.group, timeout=timeout)
    if isinstance(item, JsonSettings):
        for place in item.markets.values():
            conceal(place.url)
        return DocumentSource(http, item.markets, name=manners.name, group=manners.group, timeout=timeout)
    database: Database
    if item.sqlite is not None:
        database = SqliteDatabase(item.sqlite, item.query, timeout=manners.timeout)
    else:
        url = item.url if item.url is not None else environment(item.url_env or "")
        conceal(url)
        database = PostgresDatabase(url, item.query, name=manners.name, tables=item.tables, timeout=manners.timeout)
    return DatabaseSource(
        database,
        name=manners.name,
        group=manners.group,
        last_good=last_good,
        markets=item.markets,
        confidence_bps=item.confidence_bps,
        terms=item.terms,
    )


def _moment(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise BadConfig(f"start is {text!r}; write {RECORDED}, {FIRST} or a time such as 2026-01-18T23:00:00Z")
    return int(moment.timestamp())
