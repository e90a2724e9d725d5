"""What no other explorer has: two states side by side, writes that no transaction explains, orphaned blocks beside what
took their place."""

from __future__ import annotations

import asyncio
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from truemark.web import inputs
from truemark.web.pages.contracts import address_of
from truemark.web.site import Site

_BY: Final = ("contract", "account")
MOST: Final = 1_000


def router(site: Site) -> APIRouter:
    routes = APIRouter()
    explorer = site.data.explorer

    @routes.get("/diff")
    async def diff(request: Request, contract: str = "", account: str = "", by: str = "") -> Response:
        asked = request.query_params
        before = inputs.optional_number(asked.get("from"), "block")
        after = inputs.optional_number(asked.get("to"), "block")
        grouped = inputs.one_of(by, _BY, "grouping") or "contract"
        found = None
        if before is not None and after is not None:
            found = await explorer.compare(
                before,
                after,
                contract=address_of(site, contract) if contract.strip() else None,
                account=address_of(site, account) if account.strip() else None,
            )
        return await site.page(
            request,
            "diff.html",
            comparison=found,
            by=grouped,
            groups={} if found is None else found.by_account() if grouped == "account" else found.by_contract(),
            most=MOST,
            head=await site.data.head_number(),
        )

    @routes.get("/unexplained")
    async def unexplained(request: Request, orphaned: str = "") -> Response:
        gone = inputs.one_of(orphaned, ("1",), "choice") is not None
        writes = await explorer.unattributed(orphaned=gone)
        return await site.page(
            request, "unexplained.html", writes=tuple(reversed(writes))[:MOST], total=len(writes), orphaned=gone
        )

    @routes.get("/orphans")
    async def orphans(request: Request, reorg: str = "") -> Response:
        wanted = inputs.optional_number(reorg, "rollback")
        reorgs = tuple(reversed(await asyncio.to_thread(site.data.index.reorgs)))
        if wanted is None and reorgs:
            # All at once could be thousands of blocks: the newest rollback first.
            wanted = reorgs[0].id
        found = await explorer.replacements(wanted) if wanted is not None else ()
        return await site.page(request, "orphans.html", replacements=found[:MOST], reorgs=reorgs, chosen=wanted)

    return routes
