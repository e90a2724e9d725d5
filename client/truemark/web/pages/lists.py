"""Events, tokens and their transfers, messages between L1 and L2."""

from __future__ import annotations

import asyncio
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from truemark.index import EventFilter
from truemark.web import inputs
from truemark.web.data import UNREADABLE
from truemark.web.pages.contracts import address_of
from truemark.web.site import Site

_DIRECTIONS: Final = ("to_l1", "to_l2")


def router(site: Site) -> APIRouter:
    routes = APIRouter()
    explorer = site.data.explorer

    @routes.get("/events")
    async def events(request: Request, cursor: str = "", limit: str = "") -> Response:
        wanted = event_filter(site, request)
        page = await explorer.events(wanted, inputs.cursor(cursor), inputs.limit(limit))
        return await site.page(request, "events.html", page=page, wanted=wanted)

    @routes.get("/tokens")
    async def tokens(request: Request) -> Response:
        addresses = await explorer.tokens()
        views = await asyncio.gather(*(explorer.transfers(None, 1, token=address) for address in addresses))
        found = [(address, page.rows[0]) for address, page in zip(addresses, views, strict=True) if page.rows]
        supplies = await asyncio.gather(*(_supply(address) for address, _ in found))
        rows = [
            (address, transfer.token, supply, transfer)
            for (address, transfer), supply in zip(found, supplies, strict=True)
        ]
        return await site.page(request, "tokens.html", rows=rows)

    async def _supply(address: int) -> int | None:
        for function in ("total_supply", "totalSupply"):
            try:
                value = await explorer.read(address, function)
            except UNREADABLE:
                continue
            return value if isinstance(value, int) else None
        return None

    @routes.get("/transfers")
    async def transfers(
        request: Request, cursor: str = "", limit: str = "", token: str = "", account: str = ""
    ) -> Response:
        page = await explorer.transfers(
            inputs.cursor(cursor),
            inputs.limit(limit),
            token=address_of(site, token) if token.strip() else None,
            account=address_of(site, account) if account.strip() else None,
        )
        return await site.page(request, "transfers.html", page=page)

    @routes.get("/messages")
    async def messages(
        request: Request, cursor: str = "", limit: str = "", direction: str = "", orphaned: str = ""
    ) -> Response:
        way = inputs.one_of(direction, _DIRECTIONS, "direction")
        gone = inputs.one_of(orphaned, ("1",), "choice") is not None
        page = await explorer.messages(inputs.cursor(cursor), inputs.limit(limit), direction=way, orphaned=gone)
        return await site.page(request, "messages.html", page=page, direction=way, orphaned=gone)

    @routes.get("/message/{message_hash}")
    async def message(request: Request, message_hash: str) -> Response:
        lives = await explorer.message(inputs.word(message_hash, "message hash"))
        return await site.page(request, "message.html", lives=lives)

    return routes


def event_filter(site: Site, request: Request) -> EventFilter:
    """What a form or a link asks for.

    Raises:
        BadRequest, NotFound: a part of it cannot be meant.
    """
    asked = request.query_params
    address, mentions = asked.get("address", ""), asked.get("mentions", "")
    return EventFilter(
        address=address_of(site, address) if address.strip() else None,
        name=inputs.name(asked.get("name")),
        mentions=address_of(site, mentions) if mentions.strip() else None,
        first_block=inputs.optional_number(asked.get("from"), "block"),
        last_block=inputs.optional_number(asked.get("to"), "block"),
        orphaned=inputs.one_of(asked.get("orphaned"), ("1",), "choice") is not None,
    )
