"""Blocks: the list, and one block with everything that happened in it."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from truemark.web import inputs
from truemark.web.site import Site

_TABS: Final = ("overview", "transactions", "events", "storage", "messages")
_MOST_ROWS: Final = 500


def router(site: Site) -> APIRouter:
    routes = APIRouter()
    explorer = site.data.explorer

    @routes.get("/blocks")
    async def blocks(request: Request, cursor: str = "", limit: str = "") -> Response:
        page = await explorer.latest_blocks(inputs.cursor(cursor), inputs.limit(limit))
        return await site.page(request, "blocks.html", page=page)

    @routes.get("/block/{block}")
    async def block(request: Request, block: str, orphaned: str = "", tab: str = "") -> Response:
        chosen = inputs.one_of(tab, _TABS, "tab") or "overview"
        reorg = inputs.optional_number(orphaned, "rollback")
        view = await explorer.block_view(inputs.block(block), orphaned=reorg)
        messages = [
            (transaction, message) for transaction in view.block.transactions for message in transaction.messages
        ]
        return await site.page(
            request,
            "block.html",
            view=view,
            block=view.block,
            tab=chosen,
            messages=messages,
            most=_MOST_ROWS,
        )

    return routes
