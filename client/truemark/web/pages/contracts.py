"""Contracts, accounts and classes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from truemark.abi import Abi, AbiError, Function
from truemark.commands.chain import typed
from truemark.contract import ContractError
from truemark.explorer import NotFound
from truemark.explorer.views import ContractView
from truemark.index import EventFilter
from truemark.index.layout import Slot
from truemark.rpc import NodeUnavailable, RpcError
from truemark.web import inputs
from truemark.web.rows import SlotValue
from truemark.web.site import Site

_TABS: Final = (
    "overview",
    "transactions",
    "calls",
    "events",
    "transfers",
    "storage",
    "read",
    "write",
    "margin",
    "code",
)
_VERSIONS: Final = 200
_CLASSES: Final = 500
_LONGEST_ARGUMENT: Final = 4_000


@dataclass(frozen=True, slots=True)
class NamedSlot:
    """A slot with what is known of it."""

    at: SlotValue
    slot: Slot | None
    holds: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a read gave, or why it gave nothing."""

    function: str
    value: Any
    problem: str | None


def router(site: Site) -> APIRouter:
    routes = APIRouter()
    explorer = site.data.explorer

    @routes.get("/contract/{address}")
    async def contract(
        request: Request, address: str, tab: str = "", cursor: str = "", limit: str = "", fn: str = ""
    ) -> Response:
        chosen = inputs.one_of(tab, _TABS, "tab") or "overview"
        at = address_of(site, address)
        view = await explorer.contract_view(at)
        account = view.account
        if account.class_hash is None and account.first_block is None and account.name is None:
            raise NotFound(f"nothing is known of {at:#x}: the chain has no contract there and nobody named it")
        page: Any = None
        extra: dict[str, Any] = {}
        where, size = inputs.cursor(cursor), inputs.limit(limit)
        if chosen == "transactions":
            page = await explorer.latest_transactions(where, size, sender=at)
        elif chosen == "calls":
            page = await explorer.calls_to(at, where, size)
        elif chosen == "events":
            mine = inputs.one_of(request.query_params.get("of"), ("emitted", "named"), "choice") or (
                "named" if account.is_account else "emitted"
            )
            wanted = EventFilter(address=at) if mine == "emitted" else EventFilter(mentions=at)
            page, extra = await explorer.events(wanted, where, size), {"of": mine}
        elif chosen == "transfers":
            page = await explorer.transfers(where, size, **({"token": at} if account.is_token else {"account": at}))
        elif chosen == "storage":
            extra = await _storage(at, request.query_params.get("after"), size)
        elif chosen == "read":
            extra = {"answer": await _read(view, fn, request), "fn": fn}
        elif chosen == "margin":
            extra = await _margin(view)
        return await site.page(
            request,
            "contract.html",
            view=view,
            account=account,
            tab=chosen,
            page=page,
            **{"of": None, "slots": (), "after": None, "answer": None, "fn": "", "margins": (), "prices": {}, **extra},
        )

    async def _storage(address: int, after: str | None, size: int) -> dict[str, Any]:
        start = inputs.felt(after, "slot") if after else None
        found = await asyncio.to_thread(site.data.rows.storage_of, address, start, size + 1)
        names = await site.data.slot_names(address, (each.block_number for each in found[:size]))
        slots = []
        for each in found[:size]:
            slot = names.slot(address, each.key)
            slots.append(NamedSlot(each, slot, names.shown(address, slot, each.value)))
        return {"slots": slots, "after": found[size - 1].key if len(found) > size else None}

    async def _read(view: ContractView, function: str, request: Request) -> Answer | None:
        if not function:
            return None
        known = {each.name: each for each in view.views}.get(function)
        if known is None or view.abi is None:
            raise inputs.BadRequest(f"{inputs.shown(function)} is no function of this contract that can be read")
        given = [request.query_params.get(f"a{place}", "") for place in range(len(known.inputs))]
        return await _answer(view.account.address, view.abi, known, given)

    async def _answer(address: int, abi: Abi, function: Function, given: list[str]) -> Answer:
        if any(len(each) > _LONGEST_ARGUMENT for each in given):
            return Answer(function.name, None, f"an argument is longer than {_LONGEST_ARGUMENT} characters")
        try:
            # The explorer is asked for names of addresses only.
            values = typed(function, given, cast(Any, explorer))
            value = await explorer.read(address, function.name, *values)
            return Answer(function.name, abi.show_result(function.name, value), None)
        except ContractError as error:
            return Answer(function.name, None, f"the contract says: {error.reason}")
        except (AbiError, NotFound, RpcError, NodeUnavailable, RecursionError) as error:
            return Answer(function.name, None, str(error) or type(error).__name__)

    async def _margin(view: ContractView) -> dict[str, Any]:
        account = view.account
        standings = await asyncio.gather(
            *(site.data.standing(margin.venue, account.address) for margin in account.margins)
        )
        venue = await site.data.venue()
        prices = {} if venue is None else {market.index: market.price for market in venue.markets}
        return {"margins": list(zip(account.margins, standings, strict=True)), "prices": prices}

    @routes.get("/contract/{address}/slot/{key}")
    async def slot(request: Request, address: str, key: str) -> Response:
        at, place = address_of(site, address), inputs.felt(key, "slot")
        versions = await asyncio.to_thread(site.data.rows.slot, at, place, _VERSIONS)
        if not versions:
            raise NotFound(f"nothing was ever written to slot {place:#x} of {at:#x}, as far as the index goes back")
        names = await site.data.slot_names(at, (version.block_number for version in versions))
        known = names.slot(at, place)
        return await site.page(
            request,
            "slot.html",
            address=at,
            key=place,
            slot=known,
            versions=[(version, names.shown(at, known, version.value)) for version in versions],
        )

    @routes.get("/contracts")
    async def contracts(request: Request, cursor: str = "", limit: str = "") -> Response:
        size = inputs.limit(limit)
        before = None
        if cursor:
            block, _, rest = cursor.partition(".")
            before = (inputs.number(block, "cursor"), inputs.felt(rest, "cursor"))
        found = await asyncio.to_thread(site.data.rows.contracts, before, size + 1)
        last = found[size - 1][0] if len(found) > size else None
        return await site.page(
            request,
            "contracts.html",
            rows=[known for _, known in found[:size]],
            next_cursor=None if last is None else f"{last[0]}.{last[1]:#x}",
            ours=site.data.deployment,
        )

    @routes.get("/class/{class_hash}")
    async def class_page(request: Request, class_hash: str) -> Response:
        view = await explorer.class_view(inputs.felt(class_hash, "class hash"))
        return await site.page(request, "class.html", view=view)

    @routes.get("/classes")
    async def classes(request: Request) -> Response:
        found = await asyncio.to_thread(site.data.rows.classes, _CLASSES)
        names = {}
        if site.data.deployment is not None:
            names = {class_hash: name for name, class_hash in site.data.deployment.classes.items()}
            names |= {info.class_hash: name for name, info in site.data.deployment.contracts.items()}
            names[site.data.deployment.account_class_hash] = "Account"
        return await site.page(request, "classes.html", rows=found, names=names)

    @routes.get("/address/{address}")
    @routes.get("/account/{address}")
    @routes.get("/token/{address}")
    async def by_another_name(address: str) -> Response:
        return RedirectResponse(f"/contract/{quote(address, safe='')}", 308)

    return routes


def address_of(site: Site, text: str) -> int:
    """An address in hexadecimal, or what the deployment calls it.

    Raises:
        BadRequest: it is neither.
        NotFound: nothing is called so.
    """
    text = text.strip()
    if text[:2].lower() == "0x":
        return inputs.felt(text, "address")
    name = inputs.name(text, "address")
    if name is None:
        raise inputs.BadRequest("an address is missing")
    return site.data.explorer.address(name)
