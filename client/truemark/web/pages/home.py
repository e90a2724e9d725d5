"""The first page, and search."""

from __future__ import annotations

import asyncio
from typing import Final
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from truemark.explorer.views import Hit
from truemark.web import inputs
from truemark.web.site import Site

_SHOWN: Final = 10
_RATE_BLOCKS: Final = 100
_SEE_OTHER: Final = 303
_PAGES: Final = {
    "block": "/block/{}",
    "transaction": "/tx/{}",
    "contract": "/contract/{}",
    "class": "/class/{}",
    "message": "/message/{}",
    "event": "/events?name={}",
    "market": "/market/{}",
}


def router(site: Site) -> APIRouter:
    routes = APIRouter()
    explorer = site.data.explorer

    @routes.get("/")
    async def home(request: Request) -> Response:
        head = await site.data.head_number()
        blocks, transactions, activity, venue = await asyncio.gather(
            explorer.latest_blocks(None, _SHOWN),
            explorer.latest_transactions(None, _SHOWN),
            explorer.activity(max(0, head - _RATE_BLOCKS), None, 1),
            site.data.venue(),
        )
        return await site.page(
            request,
            "home.html",
            head=head,
            blocks=blocks.rows,
            transactions=transactions.rows,
            activity=activity[0] if activity else None,
            venue=venue,
        )

    @routes.get("/search")
    async def search(request: Request, q: str = "") -> Response:
        wanted = inputs.name(q, "search") or ""
        hits = await explorer.search(wanted)
        if len(hits) == 1:
            return RedirectResponse(page_of(hits[0]), _SEE_OTHER)
        return await site.page(request, "search.html", wanted=wanted, hits=[(hit, page_of(hit)) for hit in hits])

    return routes


def page_of(hit: Hit) -> str:
    return _PAGES[hit.kind].format(quote(hit.target, safe=""))
