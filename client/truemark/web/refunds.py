"""Refunds as the operations page shows them: what distributors opened, and how much of it was paid."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from truemark.explorer.context import number_field
from truemark.felt import PRIME
from truemark.index import EventFilter, EventRow
from truemark.web.data import UNREADABLE, Data

_MOST: Final = 50
_OPENED: Final = "RefundsOpened"
_PAID: Final = "Refunded"


@dataclass(frozen=True, slots=True)
class Opened:
    """A refund that a distributor opened; money in 1e-6 USD. `claimed` None: the contract cannot be read now."""

    event: EventRow
    incident: int
    total: int
    #: Accounts in all, and those that were paid.
    count: int
    paid: int
    claimed: int | None


async def opened(data: Data) -> tuple[Opened, ...]:
    """The newest first. Anybody may emit events of that name; what has none of these fields is no refund."""
    page = await asyncio.to_thread(data.index.events, EventFilter(name=_OPENED), None, _MOST, newest_first=True)
    return tuple([each for each in await asyncio.gather(*(_opened(data, row) for row in page.rows)) if each])


async def _opened(data: Data, row: EventRow) -> Opened | None:
    fields = row.fields or {}
    incident, total, count = (number_field(fields, name) for name in ("incident", "total", "count"))
    if incident is None or total is None or count is None or not (0 <= incident < PRIME and total >= 0 and count > 0):
        return None
    paid = await asyncio.to_thread(data.rows.events_of, row.address, _PAID, incident)
    return Opened(row, incident, total, count, paid, await _claimed(data, row.address, incident))


async def _claimed(data: Data, distributor: int, incident: int) -> int | None:
    try:
        contract = await data.explorer.contract(distributor)
        return int((await contract.read("incident", incident))["claimed"])
    except (*UNREADABLE, KeyError, TypeError, ValueError):
        # The node does not answer, or it is no distributor.
        return None
