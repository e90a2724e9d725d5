"""Any price that a JSON document over HTTP holds: an URL for each market, and where in the document to look."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx

from truemark_keeper.sources.exact import LastChange, decimal_of, pointed, price_of, seconds_of, share_bps
from truemark_keeper.sources.fetch import fetch_json
from truemark_keeper.sources.quote import Quote, each_market


@dataclass(frozen=True)
class Place:
    """Where a market's price is: pointers are JSON pointers (RFC 6901), such as /result/0/price."""

    url: str
    price: str
    #: When it was observed; None: the document carries no time, and is as old as its last change.
    time: str | None = None
    #: s, ms, us, ns since 1970, or iso.
    time_unit: str = "s"
    #: Half width of its uncertainty in USD; None: `confidence_bps` of the price.
    confidence: str | None = None
    confidence_bps: int = 10


class DocumentSource:
    """Args:
    client: for the requests; see `http_client`.
    places: by market.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        places: Mapping[str, Place],
        *,
        name: str,
        group: str,
        timeout: float = 5.0,
    ) -> None:
        self._client = client
        self._places = dict(places)
        self._name = name
        self._group = group
        self._timeout = timeout
        self._changes = LastChange()

    @property
    def name(self) -> str:
        return self._name

    async def quotes(self, markets: Sequence[str], now: int) -> tuple[Quote, ...]:
        """Every URL is asked once, all at the same time.

        Raises:
            SourceError, TooManyRequests: one does not answer, or not one document has a price where it should be.
        """
        wanted = {market: self._places[market] for market in markets if market in self._places}
        urls = list(dict.fromkeys(place.url for place in wanted.values()))
        answers = await asyncio.gather(
            *(fetch_json(self._client, url, name=self._name, timeout=self._timeout) for url in urls)
        )
        documents = dict(zip(urls, answers, strict=True))
        return each_market(wanted, lambda market, place: self._quote(market, place, documents[place.url], now))

    def _quote(self, market: str, place: Place, document: Any, now: int) -> Quote:
        where = f"{self._name}: {market}"
        value = decimal_of(pointed(document, place.price, where), f"{where}: price")
        if place.confidence is None:
            confidence = place.confidence_bps
        else:
            width: Decimal = decimal_of(pointed(document, place.confidence, where), f"{where}: confidence")
            confidence = share_bps(width, value)
        if place.time is None:
            observed = self._changes.since(market, repr(document), now)
        else:
            observed = seconds_of(pointed(document, place.time, where), place.time_unit, f"{where}: time")
        return Quote(market, price_of(value), confidence, observed, observed, self._group)
