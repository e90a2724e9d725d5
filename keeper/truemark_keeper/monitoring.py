"""What a keeper shows of itself on 127.0.0.1: Prometheus metrics, whether it lives, whether it works."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from truemark.errors import TruemarkError
from truemark.secrets import scrubbed

from truemark_keeper.opinion import Opinion
from truemark_keeper.sources import DatabaseSource, WatchedSource

PREFIX = "truemark_keeper"
LISTEN = "127.0.0.1"
#: A role whose last turn ended longer ago than this many intervals has got stuck.
MISSED_TURNS = 3


class PortTaken(TruemarkError, OSError):
    """The metrics' port cannot be listened on."""


@dataclass
class RoleBoard:
    """A role's turns; times are of the wall clock, seconds."""

    done: int = 0
    failed: int = 0
    started_at: float = 0.0
    ended_at: float = 0.0
    succeeded_at: float = 0.0
    seconds: float = 0.0
    last_error: str | None = None

    @property
    def works(self) -> bool:
        return self.succeeded_at > 0 and self.last_error is None


@dataclass
class Board:
    """What the keeper has done so far, for those who ask."""

    roles: dict[str, RoleBoard] = field(default_factory=dict)
    #: Counters by (name, label value).
    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    gauges: dict[tuple[str, str], float] = field(default_factory=dict)

    def role(self, name: str) -> RoleBoard:
        return self.roles.setdefault(name, RoleBoard())

    def count(self, name: str, label: str = "", by: int = 1) -> None:
        self.counts[name, label] = self.counts.get((name, label), 0) + by

    def gauge(self, name: str, value: float, label: str = "") -> None:
        self.gauges[name, label] = value

    def healthy(self, interval: float, timeout: float, now: float) -> bool:
        """Whether every role's turns still end, well or not."""
        patience = MISSED_TURNS * interval + timeout
        return all(now - max(role.ended_at, role.started_at) <= patience for role in self.roles.values())

    def ready(self) -> bool:
        """Whether every role's last turn did what it was there for."""
        return bool(self.roles) and all(role.works for role in self.roles.values())


#: Metric to (what it says, its label): what a board counts.
COUNTERS = {
    "quotes_published": ("Quotes in reports that landed", "market"),
    "quotes_held_back": ("Quotes not published", "market"),
    "entries": ("What the oracle made of entries that reached it", "outcome"),
    "transactions": ("Transactions by outcome", "outcome"),
    "liquidations": ("Positions taken", "market"),
    "liquidations_refused": ("Requests that the contract refused", "reason"),
    "vetoes": ("Accounts under water left alone, for want of a price of our own", "market"),
    "breaks": ("Rules that the sentinel saw broken", "rule"),
    "stops": ("Stops that landed", "mode"),
}
GAUGES = {
    "sentinel_block": ("The last block that the sentinel looked at", ""),
    "incident_open": ("1 while an incident waits for a person", ""),
    "venue_mode": ("The effective mode: 0 Halted, 1 CancelOnly, 2 PostOnly, 3 Full", ""),
    "clock_behind_seconds": ("How far the newest block is ahead of the keeper's clock; below 0: it is not", ""),
    "in_flight": ("Transactions without an outcome", ""),
    "own_price_usd": ("The keeper's own price, for people: a float", "market"),
    "validity": ("Of the own price: 0 Valid, 1 TooUncertain, ... 7 Missing", "market"),
    "price_groups": ("Groups of sources that agree with the own price", "market"),
}


class KeeperCollector(Collector):
    """Reads the board and the sources when it is asked, and keeps nothing."""

    def __init__(self, board: Board, opinion: Opinion | None, in_flight: Callable[[], int] = lambda: 0) -> None:
        self._board = board
        self._opinion = opinion
        self._in_flight = in_flight

    def collect(self) -> Iterator[Metric]:
        self._board.gauge("in_flight", self._in_flight())
        if self._opinion is not None:
            for market, verdict in self._opinion.latest.items():
                self._board.gauge("own_price_usd", verdict.price / 10**8, market)
                self._board.gauge("validity", int(verdict.validity), market)
                self._board.gauge("price_groups", len(verdict.groups), market)
        yield from self._counted()
        yield from self._roles()
        if self._opinion is not None:
            yield from _sources(self._opinion.sources)

    def _counted(self) -> Iterator[Metric]:
        for name, (text, label) in COUNTERS.items():
            counter = CounterMetricFamily(f"{PREFIX}_{name}", text, labels=[label])
            for (counted, value), number in sorted(self._board.counts.items()):
                if counted == name:
                    counter.add_metric([value], number)
            yield counter
        for name, (text, label) in GAUGES.items():
            gauge = GaugeMetricFamily(f"{PREFIX}_{name}", text, labels=[label] if label else [])
            for (gauged, value), amount in sorted(self._board.gauges.items()):
                if gauged == name:
                    gauge.add_metric([value] if label else [], amount)
            yield gauge

    def _roles(self) -> Iterator[Metric]:
        turns = CounterMetricFamily(f"{PREFIX}_turns", "Turns of a role", labels=["role", "result"])
        worked = GaugeMetricFamily(f"{PREFIX}_last_success_seconds", "When a turn last succeeded", labels=["role"])
        took = GaugeMetricFamily(f"{PREFIX}_turn_seconds", "What the last turn took", labels=["role"])
        for name, role in self._board.roles.items():
            turns.add_metric([name, "done"], role.done)
            turns.add_metric([name, "failed"], role.failed)
            worked.add_metric([name], role.succeeded_at)
            took.add_metric([name], role.seconds)
        yield from (turns, worked, took)


def _sources(sources: Iterable[WatchedSource]) -> Iterator[Metric]:
    asked = CounterMetricFamily(f"{PREFIX}_source_requests", "Requests to a source", labels=["source", "result"])
    quotes = CounterMetricFamily(f"{PREFIX}_source_quotes", "Quotes of a source", labels=["source"])
    up = GaugeMetricFamily(f"{PREFIX}_source_up", "1: its last request was answered", labels=["source"])
    last = GaugeMetricFamily(f"{PREFIX}_source_last_answer_seconds", "When it last answered", labels=["source"])
    took = GaugeMetricFamily(f"{PREFIX}_source_seconds", "What its last answer took", labels=["source"])
    served = CounterMetricFamily(f"{PREFIX}_source_probations", "Times that it was on probation", labels=["source"])
    withheld = GaugeMetricFamily(f"{PREFIX}_source_withheld", "Quotes withheld in its last answer", labels=["source"])
    for source in sources:
        stats = source.stats
        asked.add_metric([source.name, "answered"], stats.answered)
        asked.add_metric([source.name, "failed"], stats.failed)
        asked.add_metric([source.name, "spared"], stats.spared)
        quotes.add_metric([source.name], stats.quotes)
        up.add_metric([source.name], float(stats.answered > 0 and stats.failures_in_a_row == 0))
        last.add_metric([source.name], stats.last_answer_at or 0)
        took.add_metric([source.name], stats.seconds)
        if isinstance(source.inner, DatabaseSource):
            served.add_metric([source.name], source.inner.probation.times)
            withheld.add_metric([source.name], len(source.inner.withheld))
    yield from (asked, quotes, up, last, took, served, withheld)


@asynccontextmanager
async def shown(
    port: int, board: Board, collector: Collector, *, interval: float, timeout: float
) -> AsyncIterator[int]:
    """Answers on 127.0.0.1 while the block runs; gives the port (a free one for 0).

    /metrics for Prometheus; /healthz is 200 while turns end, else 503: restart it; /readyz is 200 while they succeed.

    Raises:
        PortTaken: somebody else listens there.
    """
    registry = CollectorRegistry()
    registry.register(collector)

    def answer(path: str) -> tuple[int, str, bytes]:
        if path == "/metrics":
            return 200, CONTENT_TYPE_LATEST, generate_latest(registry)
        healthy, ready = board.healthy(interval, timeout, time.time()), board.ready()
        if path in ("/healthz", "/readyz"):
            good = healthy if path == "/healthz" else healthy and ready
            roles = {
                name: {
                    "works": role.works,
                    "last_success": int(role.succeeded_at),
                    "error": None if role.last_error is None else scrubbed(role.last_error),
                }
                for name, role in board.roles.items()
            }
            said = {"healthy": healthy, "ready": ready, "roles": roles}
            return (200 if good else 503), "application/json", json.dumps(said).encode()
        return 404, "text/plain", b"/metrics, /healthz or /readyz\n"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(5):
                head = await reader.readuntil(b"\r\n\r\n")
                parts = head.split(b"\r\n", 1)[0].split(b" ")
                path = parts[1].decode("latin-1").split("?")[0] if len(parts) == 3 else ""
                status, kind, body = answer(path)
                lines = (
                    f"HTTP/1.1 {status} {'OK' if status == 200 else 'Not OK'}",
                    f"Content-Type: {kind}",
                    f"Content-Length: {len(body)}",
                    "Connection: close",
                )
                writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
                await writer.drain()
        except (TimeoutError, ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            # Whoever asked went away or never asked: nobody to tell.
            return
        finally:
            writer.close()

    try:
        server = await asyncio.start_server(serve, LISTEN, port)
    except OSError as error:
        raise PortTaken(f"cannot listen on {LISTEN}:{port}: {error.strerror or error}") from error
    async with server:
        yield server.sockets[0].getsockname()[1]
