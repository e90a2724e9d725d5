"""Between pages and data: the explorer's answers, and what the venue's contracts say of themselves now. All pages and
the JSON API take what they show from here and from nowhere else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import orjson

from truemark.abi import AbiError, EnumValue
from truemark.contract import Contract, ContractError
from truemark.deployment import Deployment
from truemark.explorer import AsyncExplorer, NotFound
from truemark.explorer.slots import SlotNames
from truemark.explorer.views import Health
from truemark.index import EventFilter, EventRow, Index
from truemark.rpc import NodeUnavailable, RpcError
from truemark.web.rows import MarkOf, Rows

#: Seconds that an answer about the state of things is kept.
_FRESH: Final = 2.0
#: Blocks behind the small lines of the market table.
_SPARK_BLOCKS: Final = 400
_SLOT_NAMES: Final = 5_000
UNREADABLE: Final = (ContractError, AbiError, RpcError, NodeUnavailable, NotFound)
_INCIDENTS: Final = 200
_LARGEST_INCIDENT: Final = 4_000_000


@dataclass(frozen=True, slots=True)
class MarketNow:
    """A market as the venue has it; prices in 1e-8 USD, sizes in 1e-8 of the base asset."""

    index: int
    name: str
    price: int | None
    status: str
    accepted_at: int | None
    funding_index: int | None
    long: int | None
    short: int | None
    #: Marks of the last blocks, USD, oldest first.
    line: tuple[Decimal, ...]

    @property
    def change(self) -> Decimal | None:
        """Of the mark over `line`; percent."""
        if len(self.line) < 2 or not self.line[0]:
            return None
        return (self.line[-1] - self.line[0]) * 100 / self.line[0]


@dataclass(frozen=True, slots=True)
class VenueNow:
    """What the contracts say; without the node, what the index knows, and `trouble` says why."""

    name: str
    mode: str | None
    epoch: int | None
    markets: tuple[MarketNow, ...]
    #: Names of sums -> 1e-6 USD.
    ledger: Mapping[str, int]
    trouble: str | None


@dataclass(frozen=True, slots=True)
class Standing:
    """A margin account as the clearinghouse judges it; 1e-16 USD, `room` 1e-6 USD."""

    value: int
    initial: int
    maintenance: int
    valid: bool
    room: int

    @property
    def ratio(self) -> Decimal | None:
        """Value over maintenance; below 1 it is liquidated. None: nothing is open."""
        return None if not self.maintenance else Decimal(self.value) / self.maintenance


@dataclass(frozen=True, slots=True)
class IncidentFile:
    """An incident as the sentinel wrote it; `problem`: why it cannot be read."""

    name: str
    found: Mapping[str, Any]
    problem: str | None

    @property
    def state(self) -> str:
        return "cleared" if self.found.get("cleared") else "open"


class Data:
    """
    Args:
        explorer: one with an index.
        incidents: the folder where the sentinel writes them; None: they are not shown.
    """

    def __init__(self, explorer: AsyncExplorer, *, incidents: Path | None = None) -> None:
        if explorer.index is None:
            raise ValueError("the web explorer takes an explorer with an index")
        self.explorer = explorer
        self.index: Index = explorer.index
        self.rows = Rows(self.index)
        self.incident_folder = incidents
        self._health: tuple[float, Health] | None = None
        self._venue: tuple[float, int, VenueNow] | None = None
        self._lock = asyncio.Lock()

    @property
    def deployment(self) -> Deployment | None:
        return self.explorer.deployment

    def name(self, address: int | str | None) -> str | None:
        """What the deployment calls an address, given as a number or in hexadecimal."""
        if address is None:
            return None
        try:
            return self.explorer.name(int(address, 16) if isinstance(address, str) else address)
        except ValueError:
            return None

    def market_name(self, market: int | None) -> str | None:
        if self.deployment is None:
            return None
        return next((name for name, info in self.deployment.markets.items() if info.index == market), None)

    def contract_address(self, name: str) -> int | None:
        info = None if self.deployment is None else self.deployment.contracts.get(name)
        return None if info is None else info.address

    async def health(self) -> Health:
        """Kept for two seconds: every page shows it."""
        async with self._lock:
            kept = self._health
            if kept is None or time.monotonic() - kept[0] > _FRESH:
                kept = self._health = (time.monotonic(), await self.explorer.health())
            return kept[1]

    def forget(self) -> None:
        """After a new block or a rollback: what is kept is old."""
        self._health = self._venue = None

    async def head_number(self) -> int:
        """Of the index; -1: it is empty."""
        head = await asyncio.to_thread(self.index.head)
        return -1 if head is None else head.number

    async def venue(self) -> VenueNow | None:
        """None: no deployment is known."""
        if self.deployment is None:
            return None
        head = await asyncio.to_thread(self.index.head)
        at = -1 if head is None else head.id
        async with self._lock:
            kept = self._venue
            if kept is None or kept[1] != at or time.monotonic() - kept[0] > _FRESH:
                now = await self._read_venue(self.deployment, -1 if head is None else head.number)
                kept = self._venue = (time.monotonic(), at, now)
            return kept[2]

    async def _read_venue(self, deployment: Deployment, head: int) -> VenueNow:
        oracle = deployment.address("Oracle")
        lines = await asyncio.to_thread(self.rows.prices, oracle, max(0, head - _SPARK_BLOCKS))
        markets = sorted(deployment.markets.items(), key=lambda item: item[1].index)
        try:
            house, seer = await asyncio.gather(
                self.explorer.contract("Clearinghouse"), self.explorer.contract("Oracle")
            )
            bitmap = sum(1 << info.index for _, info in markets)
            mode, epoch, ledger, marks = await asyncio.gather(
                house.read("mode"), house.read("epoch"), house.read("ledger"), seer.read("marks", bitmap)
            )
            interests, indices = await asyncio.gather(
                asyncio.gather(*(house.read("open_interest", info.index) for _, info in markets)),
                asyncio.gather(*(_or_none(house, "funding_index", info.index) for _, info in markets)),
            )
        except UNREADABLE as error:
            return await asyncio.to_thread(self._venue_from_index, deployment, lines, str(error))
        by_market = {mark["market"]: mark for mark in marks["marks"]}
        return VenueNow(
            name=deployment.name,
            mode=mode.variant if isinstance(mode, EnumValue) else str(mode),
            epoch=epoch,
            markets=tuple(
                MarketNow(
                    index=info.index,
                    name=name,
                    price=by_market[info.index]["price"] or None,
                    status=by_market[info.index]["status"].variant,
                    accepted_at=by_market[info.index]["accepted_at"] or None,
                    funding_index=index,
                    long=interest["long"],
                    short=interest["short"],
                    line=tuple(lines.get(info.index, ())),
                )
                for (name, info), interest, index in zip(markets, interests, indices, strict=True)
                if info.index in by_market
            ),
            ledger=dict(ledger),
            trouble=None,
        )

    def _venue_from_index(self, deployment: Deployment, lines: Mapping[int, list[Decimal]], trouble: str) -> VenueNow:
        last = self.rows.last_marks(deployment.address("Oracle"))
        found = []
        for name, info in sorted(deployment.markets.items(), key=lambda item: item[1].index):
            mark, at = last.get(info.index, (MarkOf(info.index, 0, "Pending", None, None), None))
            line = tuple(lines.get(info.index, ()))
            found.append(MarketNow(info.index, name, mark.price or None, mark.status, at, None, None, None, line))
        changes = self.mode_changes(1)
        mode = str((changes[0].fields or {}).get("to")) if changes else None
        return VenueNow(deployment.name, mode, None, tuple(found), {}, trouble)

    def mode_changes(self, limit: int) -> tuple[EventRow, ...]:
        """Newest first."""
        wanted = EventFilter(address=self.contract_address("Clearinghouse"), name="ModeChanged")
        return self.index.events(wanted, None, limit, newest_first=True).rows

    async def standing(self, venue: int, account: int) -> Standing | None:
        """None: the venue does not say, or the node does not answer."""
        try:
            contract = await self.explorer.contract(venue)
            found = await contract.read("standing", account)
            margin = found["margin"]
            return Standing(margin["value"], margin["initial"], margin["maintenance"], found["valid"], found["room"])
        except (*UNREADABLE, KeyError, TypeError):
            return None

    async def read_many(self, contract: str, functions: Mapping[str, tuple[Any, ...]]) -> dict[str, Any]:
        """What a contract of the deployment says to each, as JSON can say it; what cannot be read is left out."""
        try:
            found = await self.explorer.contract(contract)
        except UNREADABLE:
            return {}
        values = await asyncio.gather(*(_or_none(found, name, *given) for name, given in functions.items()))
        return {
            name: found.abi.show_result(name, value)
            for name, value in zip(functions, values, strict=True)
            if value is not None
        }

    async def slot_names(self, address: int, blocks: Iterable[int]) -> SlotNames:
        """Names for slots of one contract that were written in these blocks."""
        return await asyncio.to_thread(self._slot_names, address, set(blocks))

    def _slot_names(self, address: int, blocks: set[int]) -> SlotNames:
        known = self.rows.named_by(address, _SLOT_NAMES)
        return SlotNames(self.index.naming_in(blocks, known), known)

    def incidents(self) -> tuple[IncidentFile, ...]:
        """Newest first. A file that cannot be read is shown as such: it says that something happened."""
        if self.incident_folder is None:
            return ()
        files = sorted(self.incident_folder.glob("*.json"), reverse=True)
        return tuple(_incident(file) for file in files[:_INCIDENTS])


async def _or_none(contract: Contract, function: str, *given: Any) -> Any:
    try:
        return await contract.read(function, *given)
    except (ContractError, AbiError, RpcError):
        # Not of this venue, or what its contract refuses to say: a funding index whose seal is broken.
        return None


def _incident(file: Path) -> IncidentFile:
    try:
        if file.stat().st_size > _LARGEST_INCIDENT:
            return IncidentFile(file.stem, {}, "the file is too large")
        found = orjson.loads(file.read_bytes())
    except OSError as error:
        return IncidentFile(file.stem, {}, str(error.strerror))
    except orjson.JSONDecodeError as error:
        return IncidentFile(file.stem, {}, f"not JSON: {error}")
    if not isinstance(found, dict) or not _is_incident(found):
        return IncidentFile(file.stem, {}, "not an incident as the sentinel writes them")
    return IncidentFile(file.stem, found, None)


def _is_incident(found: Mapping[str, Any]) -> bool:
    breaks, stop, rules = found.get("breaks"), found.get("stop"), found.get("rules_broken")
    return (
        isinstance(breaks, list)
        and all(isinstance(each, dict) for each in breaks)
        and isinstance(rules, list)
        and (stop is None or isinstance(stop, dict))
    )
