"""The sources of keeper.toml: `[[sources]]`, each of a kind, or the one `[source]` that replays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from truemark_keeper.sources import Place, ProbationTerms
from truemark_keeper.toml_table import BadConfig, Table

RECORDED, FIRST = "recorded", "first"
TIME_UNITS = ("s", "ms", "us", "ns", "iso")


@dataclass(frozen=True)
class ReplaySettings:
    """Recorded prices, played again."""

    replay: Path
    #: Whose columns of the table.
    reporter: int = 1
    #: The table's time that is now: "recorded" (its own times are meant), "first" (its first row) or an ISO time.
    start: str = RECORDED
    #: When `start` is or was now, seconds since 1970, so that a keeper that begins again goes on; None: when it begins.
    since: int | None = None
    #: The straight line between rows; otherwise the row before.
    interpolate: bool = True
    confidence_bps: int = 5


@dataclass(frozen=True)
class Manners:
    """What all live sources have."""

    name: str
    #: Sources of one group count as one.
    group: str
    weight: int = 1
    #: Seconds for an answer, and between two requests.
    timeout: float = 5.0
    min_gap: float = 1.0


@dataclass(frozen=True)
class CcxtSettings:
    manners: Manners
    #: As ccxt names it.
    exchange: str
    #: Market to ccxt's symbol.
    markets: Mapping[str, str]
    #: Given to ccxt as they are.
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PythSettings:
    manners: Manners
    url: str
    #: Market to feed id.
    markets: Mapping[str, str]


@dataclass(frozen=True)
class JsonSettings:
    manners: Manners
    markets: Mapping[str, Place]


@dataclass(frozen=True)
class SqlSettings:
    manners: Manners
    query: str
    #: The names in the query's column `market` to markets; also tells which markets the query gives.
    markets: Mapping[str, str]
    #: One of them: a SQLite file, a PostgreSQL URL, the environment variable with one.
    sqlite: Path | None = None
    url: str | None = None
    url_env: str | None = None
    #: PostgreSQL's: whose changes count; none: of all on the search path.
    tables: tuple[str, ...] = ()
    confidence_bps: int = 10
    terms: ProbationTerms = field(default_factory=ProbationTerms)


Live = CcxtSettings | PythSettings | JsonSettings | SqlSettings
SourceSettings = ReplaySettings | Live

_MANNERS = ("kind", "name", "group", "weight", "timeout", "min_gap", "markets")
_KINDS: Mapping[str, tuple[str, ...]] = {
    "ccxt": ("exchange", "options"),
    "pyth": ("url",),
    "json": (),
    "sql": (
        "query", "sqlite", "url", "url_env", "tables", "confidence_bps", "probation_bps", "probation_values",
    ),
}  # fmt: skip
_REPLAY = ("kind", "replay", "reporter", "start", "since", "interpolate", "confidence_bps")
_PLACE = ("url", "price", "time", "time_unit", "undated", "confidence", "confidence_bps")
KINDS = (*_KINDS, "replay")


def sources_of(top: Table, folder: Path) -> tuple[SourceSettings, ...]:
    """`[source]` or `[[sources]]`.

    Raises:
        BadConfig: none or both, a replay beside others, two of one name or of one group for a market.
    """
    if "source" in top.keys and "sources" in top.keys:
        raise top.wrong("has both [source] and [[sources]]; [source] is for one that replays")
    if "sources" not in top.keys:
        return (_replay(top.table("source", _REPLAY[1:]), folder),)
    listed = top.tables("sources")
    if not listed:
        raise top.wrong("[[sources]] is empty: a keeper needs prices")
    found = tuple(_source(top, name, raw, folder) for name, raw in listed)
    live = [item for item in found if not isinstance(item, ReplaySettings)]
    if len(live) != len(found) and len(found) > 1:
        raise top.wrong("a replay stands alone among [[sources]]: recorded prices agree with nothing")
    _distinct(top, live)
    return found


def groups_by_market(sources: Sequence[SourceSettings]) -> dict[str, set[str]]:
    """Which groups each market can hear of; nothing of a replay, whose table is read later."""
    groups: dict[str, set[str]] = {}
    for source in sources:
        if not isinstance(source, ReplaySettings):
            for market in markets_of(source):
                groups.setdefault(market, set()).add(source.manners.group)
    return groups


def markets_of(source: Live) -> tuple[str, ...]:
    return tuple(source.markets.values()) if isinstance(source, SqlSettings) else tuple(source.markets)


def _source(top: Table, name: str, raw: dict[str, Any], folder: Path) -> SourceSettings:
    kind = top.at(name, {"kind": raw.get("kind", "")}, ("kind",)).one_of("kind", KINDS)
    if kind == "replay":
        return _replay(top.at(name, raw, _REPLAY), folder)
    table = top.at(name, raw, (*_MANNERS, *_KINDS[kind]))
    usual = table.optional("exchange") if kind == "ccxt" else kind
    manners = Manners(
        name=table.text("name", usual),
        group=table.text("group", table.text("name", usual) if kind in ("json", "sql") else usual),
        weight=table.number("weight", 1, least=1),
        timeout=table.seconds("timeout", 5.0),
        min_gap=table.seconds("min_gap", 1.0),
    )
    if kind == "json":
        return JsonSettings(manners, _places(table))
    markets = _names(table)
    if kind == "ccxt":
        return CcxtSettings(manners, table.text("exchange"), markets, table.take("options", dict, {}))
    if kind == "pyth":
        return PythSettings(manners, table.text("url"), markets)
    return _sql(table, manners, markets, folder)


def _replay(table: Table, folder: Path) -> ReplaySettings:
    return ReplaySettings(
        replay=folder / table.text("replay"),
        reporter=table.number("reporter", 1, least=1),
        start=table.text("start", RECORDED),
        since=table.number("since", 0, least=0) or None,
        interpolate=table.flag("interpolate", True),
        confidence_bps=table.number("confidence_bps", 5, least=0),
    )


def _sql(table: Table, manners: Manners, markets: Mapping[str, str], folder: Path) -> SqlSettings:
    sqlite, url, url_env = table.optional("sqlite"), table.optional("url"), table.optional("url_env")
    if sum(item is not None for item in (sqlite, url, url_env)) != 1:
        raise table.wrong("needs one of sqlite, url and url_env")
    tables = table.take("tables", list, [])
    if not all(isinstance(item, str) for item in tables):
        raise table.wrong("tables holds something else than text")
    return SqlSettings(
        manners,
        query=table.text("query"),
        markets={label: market for market, label in markets.items()},
        sqlite=folder / sqlite if sqlite is not None else None,
        url=url,
        url_env=url_env,
        tables=tuple(tables),
        confidence_bps=table.number("confidence_bps", 10, least=0),
        terms=ProbationTerms(
            within_bps=table.number("probation_bps", 100, least=1), values=table.number("probation_values", 3, least=1)
        ),
    )


def _names(table: Table) -> dict[str, str]:
    """`markets`: a table of the market to its name there."""
    names = table.table("markets", None)
    if not names.keys:
        raise table.wrong("markets is empty")
    return {market: names.text(market) for market in names.keys}


def _places(table: Table) -> dict[str, Place]:
    places = {}
    markets = table.table("markets", None)
    for market in markets.keys:
        place = markets.table(market, _PLACE)
        time, undated = place.optional("time"), place.flag("undated", False)
        if (time is None) != undated:
            raise place.wrong("needs time, a pointer to when the price was seen, or undated = true where there is none")
        for name in ("price", "time", "confidence"):
            pointer = place.optional(name)
            if pointer is not None and not pointer.startswith("/"):
                raise place.wrong(f"{name} is {pointer!r}, a pointer such as /result/0/price begins with a slash")
        places[market] = Place(
            place.text("url"),
            place.text("price"),
            time,
            place.one_of("time_unit", TIME_UNITS, "s"),
            place.optional("confidence"),
            place.number("confidence_bps", 10, least=0),
        )
    if not places:
        raise table.wrong("markets is empty")
    return places


def _distinct(top: Table, sources: Sequence[Live]) -> None:
    names = Counter(source.manners.name for source in sources)
    for name, count in names.items():
        if count > 1:
            raise top.wrong(f"{count} [[sources]] have the name {name}; give each its own")
    taken: dict[tuple[str, str], str] = {}
    for source in sources:
        group = source.manners.group
        for market in markets_of(source):
            other = taken.setdefault((group, market), source.manners.name)
            if other != source.manners.name:
                raise BadConfig(
                    f"{top.place}: the sources {other} and {source.manners.name} are of one group, {group}, and both "
                    f"give {market}: they would count as one. Name independent sources' groups apart"
                )
