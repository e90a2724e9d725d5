"""Transactions: the list, and one transaction with its calls, events, writes and messages."""

from __future__ import annotations

import asyncio
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from truemark.web import inputs
from truemark.web.site import Site

_TABS: Final = ("overview", "calls", "events", "storage", "messages", "raw")
_KINDS: Final = ("INVOKE", "L1_HANDLER", "DEPLOY_ACCOUNT", "DECLARE", "DEPLOY")
_STATES: Final = ("failed",)


def router(site: Site) -> APIRouter:
    routes = APIRouter()
    explorer = site.data.explorer

    @routes.get("/txns")
    async def transactions(
        request: Request, cursor: str = "", limit: str = "", kind: str = "", state: str = "", sender: str = ""
    ) -> Response:
        chosen = inputs.one_of(kind, _KINDS, "type")
        failed = inputs.one_of(state, _STATES, "state") is not None
        wanted = inputs.name(sender, "sender")
        page = await explorer.latest_transactions(
            inputs.cursor(cursor), inputs.limit(limit), kind=chosen, failed=failed, sender=wanted
        )
        return await site.page(request, "transactions.html", page=page, kinds=_KINDS, kind=chosen, failed=failed)

    @routes.get("/tx/{tx_hash}")
    async def transaction(request: Request, tx_hash: str, tab: str = "") -> Response:
        chosen = inputs.one_of(tab, _TABS, "tab") or "overview"
        view = await explorer.transaction_view(inputs.felt(tx_hash, "transaction hash"))
        index = view.transaction.index
        marks = [] if index is None else await asyncio.to_thread(site.data.rows.marks_of, view.block.id, index)
        return await site.page(request, "transaction.html", view=view, tx=view.transaction, tab=chosen, marks=marks)

    @routes.get("/txs")
    @routes.get("/transactions")
    async def by_another_name() -> Response:
        return RedirectResponse("/txns", 308)

    return routes
