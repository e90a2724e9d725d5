"""Markets, their marks and funding over time, and charts of the chain."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from truemark.explorer import NotFound
from truemark.explorer.views import ActivityPoint, Timeline
from truemark.web import charts, inputs
from truemark.web.rows import Interest
from truemark.web.site import Site

_BLOCKS: Final = 1_000
_MOST_BLOCKS: Final = 50_000
_POINTS: Final = 120
_STRANGE: Final = 15
_LATEST: Final = 15
_HOLDERS: Final = 15


def router(site: Site) -> APIRouter:
    routes = APIRouter()
    data, explorer = site.data, site.data.explorer

    @routes.get("/markets")
    async def markets(request: Request) -> Response:
        return await site.page(request, "markets.html", venue=await data.venue())

    @routes.get("/market/{market}")
    async def market(request: Request, market: str, blocks: str = "") -> Response:
        index = market_of(site, market)
        span = inputs.limit(blocks, _BLOCKS, _MOST_BLOCKS)
        first = max(0, await data.head_number() - span + 1)
        oracle, house = data.contract_address("Oracle"), data.contract_address("Clearinghouse")
        timeline, venue = await asyncio.gather(explorer.timeline(index, first), data.venue())
        interest: list[Interest] = []
        holders: list[tuple[int, int]] = []
        if house is not None:
            interest = await asyncio.to_thread(data.rows.open_interest, house, index, first)
            holders = await asyncio.to_thread(data.rows.holders, house, index, _HOLDERS)
        now = next((each for each in venue.markets if each.index == index), None) if venue is not None else None
        if now is None and not timeline.marks:
            raise NotFound(f"no market {index}: no oracle has said anything of it")
        return await site.page(
            request,
            "market.html",
            timeline=timeline,
            now_market=now,
            info=None if data.deployment is None or now is None else data.deployment.market(now.name),
            span=span,
            first=first,
            oracle=oracle,
            marks_chart=marks_chart(timeline),
            funding_chart=funding_chart(timeline),
            interest_chart=interest_chart(_since(interest, first, timeline)),
            strange=timeline.strange[-_STRANGE:],
            latest=tuple(reversed(timeline.marks[-_LATEST:])),
            latest_funding=tuple(reversed(timeline.funding[-_LATEST:])),
            holders=holders,
        )

    @routes.get("/charts")
    async def chain_charts(request: Request, blocks: str = "") -> Response:
        span = inputs.limit(blocks, _BLOCKS, _MOST_BLOCKS)
        first = max(0, await data.head_number() - span + 1)
        points = await explorer.activity(first, None, _POINTS)
        return await site.page(request, "charts.html", span=span, charts=activity_charts(points), points=points)

    return routes


def market_of(site: Site, text: str) -> int:
    """A market by its name or index.

    Raises:
        NotFound: nothing is called so.
        BadRequest: it can be no market.
    """
    name = inputs.name(text, "market")
    deployment = site.data.deployment
    if name is not None and deployment is not None and name in deployment.markets:
        return deployment.markets[name].index
    if name is not None and name.isascii() and name.isdigit():
        found = inputs.number(name, "market")
        if found < 2**31:
            return found
    raise NotFound(f"no market {inputs.shown(text)}")


def marks_chart(timeline: Timeline) -> str:
    points = [
        (point.mark.timestamp, Decimal(point.mark.price).scaleb(-8))
        for point in timeline.marks
        if point.mark.status != "Pending"
    ]
    return charts.line("Mark price, USD", [charts.Series("mark", "a", points)], unit="USD", steps=True)


def funding_chart(timeline: Timeline) -> str:
    points = [(point.funding.timestamp, Decimal(point.funding.index).scaleb(-16)) for point in timeline.funding]
    return charts.line(
        "Funding index, USD for one whole base asset", [charts.Series("funding index", "b", points)], unit="USD"
    )


def interest_chart(interest: Sequence[Interest]) -> str:
    long = [(each.timestamp, Decimal(each.long).scaleb(-8)) for each in interest]
    short = [(each.timestamp, Decimal(each.short).scaleb(-8)) for each in interest]
    return charts.line(
        "Open interest, base asset",
        [charts.Series("long", "up", long), charts.Series("short", "down", short)],
        steps=True,
    )


def _since(interest: Sequence[Interest], first: int, timeline: Timeline) -> list[Interest]:
    """What is in the window, begun with what was there before it and ended with what still is: a value holds until the
    next one."""
    found = [each for each in interest if each.block_number >= first]
    before = interest[: len(interest) - len(found)]
    times = [point.mark.timestamp for point in timeline.marks]
    if not times:
        return found
    if before:
        found.insert(0, replace(before[-1], timestamp=min(times[0], found[0].timestamp if found else times[0])))
    if found:
        found.append(replace(found[-1], timestamp=max(times[-1], found[-1].timestamp)))
    return found


def activity_charts(points: Sequence[ActivityPoint]) -> list[str]:
    last = [point.last_block for point in points]
    return [
        charts.bars("Transactions", [(at, Decimal(p.transactions)) for at, p in zip(last, points, strict=True)]),
        charts.bars(
            "Seconds between blocks",
            [(at, p.seconds or Decimal(0)) for at, p in zip(last, points, strict=True)],
            unit="s",
            kind="b",
        ),
        charts.bars(
            "L2 gas, millions",
            [(at, Decimal(p.l2_gas).scaleb(-6)) for at, p in zip(last, points, strict=True)],
            unit="M",
            kind="c",
        ),
        charts.bars("Events", [(at, Decimal(p.events)) for at, p in zip(last, points, strict=True)], kind="a"),
        charts.bars(
            "Fees, STRK",
            [(at, Decimal(p.fee).scaleb(-18)) for at, p in zip(last, points, strict=True)],
            unit="STRK",
            kind="b",
        ),
        charts.bars(
            "Reverted transactions",
            [(at, Decimal(p.failed)) for at, p in zip(last, points, strict=True)],
            kind="down",
        ),
    ]
