"""What the people who run a venue look at: mode, health, sums and quotas, incidents, refunds, rollbacks."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from truemark.web.refunds import opened
from truemark.web.site import Site

_MODES: Final = 20
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
            refunds=await opened(data),
            reorgs=tuple(reversed(await asyncio.to_thread(data.index.reorgs)))[:_REORGS],
            keepers=site.data.deployment.operators if site.data.deployment is not None else {},
        )

    return routes
