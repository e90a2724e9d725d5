"""What the people who run a venue look at: mode, health, sums and quotas, incidents, refunds, rollbacks."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from truemark.index import EventFilter, EventRow
from truemark.web.site import Site

_MODES: Final = 20
_REFUNDS: Final = 200
_REORGS: Final = 20
_OUTFLOW: Final = {"outflow": (), "outflow_params": (), "loss_bucket": (), "bad_debt": (), "wound_down_at": ()}


def router(site: Site) -> APIRouter:
    routes = APIRouter()
    data = site.data

    @routes.get("/operations")
    async def operations(request: Request) -> Response:
        venue = await data.venue()
        sums: dict[str, Any] = {}
        storms: list[tuple[str, Any]] = []
        if venue is not None:
            sums = await data.read_many("Clearinghouse", _OUTFLOW)
            found = await asyncio.gather(
                *(data.read_many("Clearinghouse", {"storm": (market.index,)}) for market in venue.markets)
            )
            storms = [
                (market.name, each["storm"])
                for market, each in zip(venue.markets, found, strict=True)
                if "storm" in each
            ]
        return await site.page(
            request,
            "operations.html",
            venue=venue,
            modes=await asyncio.to_thread(data.mode_changes, _MODES) if venue is not None else (),
            sums=sums,
            storms=storms,
            incidents=await asyncio.to_thread(data.incidents),
            has_folder=data.incident_folder is not None,
            refunds=await asyncio.to_thread(_refunds, site),
            reorgs=tuple(reversed(await asyncio.to_thread(data.index.reorgs)))[:_REORGS],
            keepers=site.data.deployment.operators if site.data.deployment is not None else {},
        )

    return routes


def _refunds(site: Site) -> list[tuple[EventRow, int, int]]:
    """Each refund that was opened, newest first, with how many of it were claimed and for how much, 1e-6 USD."""
    index = site.data.index
    opened = index.events(EventFilter(name="RefundsOpened"), None, _REFUNDS, newest_first=True).rows
    if not opened:
        return []
    claimed: dict[tuple[int, Any], tuple[int, int]] = {}
    cursor = None
    while True:
        page = index.events(EventFilter(name="Refunded"), cursor, 10_000)
        for row in page.rows:
            if row.fields is not None:
                place = (row.address, row.fields.get("incident"))
                many, amount = claimed.get(place, (0, 0))
                claimed[place] = (many + 1, amount + int(str(row.fields.get("amount", 0)), 0))
        cursor = page.cursor
        if cursor is None:
            break
    return [(row, *claimed.get((row.address, (row.fields or {}).get("incident")), (0, 0))) for row in opened]
