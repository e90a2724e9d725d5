"""Pyth prices by its Hermes service: `/v2/updates/price/latest`, all feeds in one request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, localcontext
from typing import Any

import httpx

from truemark_keeper.sources.exact import WIDE, decimal_of, price_of, seconds_of, share_bps
from truemark_keeper.sources.fetch import fetch_json
from truemark_keeper.sources.quote import Quote, SourceError, each_market

PATH = "/v2/updates/price/latest"
#: Exponents that a price can have; another one is a fault (on 20 September 2021 one was read as 0).
EXPONENTS = range(-18, 1)


class PythSource:
    """Args:
    client: for the requests; see `http_client`.
    url: of the Hermes service, without path.
    feeds: market to feed id, 64 hexadecimal digits.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        url: str,
        feeds: Mapping[str, str],
        *,
        name: str = "pyth",
        group: str = "pyth",
        timeout: float = 5.0,
    ) -> None:
        self._client = client
        self._url = url.rstrip("/") + PATH
        self._feeds = {market: _bare(feed) for market, feed in feeds.items()}
        self._name = name
        self._group = group
        self._timeout = timeout

    @property
    def name(self) -> str:
        return self._name

    async def quotes(self, markets: Sequence[str], now: int) -> tuple[Quote, ...]:
        """A feed that the service does not know is an error of the request: it then answers for none.

        Raises:
            SourceError, TooManyRequests: it does not answer, or not in its own format.
        """
        wanted = {market: self._feeds[market] for market in markets if market in self._feeds}
        if not wanted:
            return ()
        ids = sorted(set(wanted.values()))
        params = [*(("ids[]", feed) for feed in ids), ("parsed", "true"), ("encoding", "hex")]
        answer = await fetch_json(self._client, self._url, params, name=self._name, timeout=self._timeout)
        parsed = answer.get("parsed") if isinstance(answer, dict) else None
        if not isinstance(parsed, list):
            raise SourceError(f"{self._name}: the answer has no list `parsed`")
        said = {_bare(str(item.get("id"))): item for item in parsed if isinstance(item, dict)}
        known = {market: feed for market, feed in wanted.items() if feed in said}
        return each_market(known, lambda market, feed: self._quote(market, said[feed]))

    def _quote(self, market: str, item: Mapping[str, Any]) -> Quote:
        where = f"{self._name}: {market}"
        price = item.get("price")
        if not isinstance(price, dict):
            raise SourceError(f"{where}: no price in the answer")
        expo = price.get("expo")
        if not isinstance(expo, int) or isinstance(expo, bool) or expo not in EXPONENTS:
            raise SourceError(f"{where}: the exponent is {expo!r}")
        with localcontext(WIDE):
            value = decimal_of(price.get("price"), f"{where}: price").scaleb(expo)
            width = decimal_of(price.get("conf"), f"{where}: conf").scaleb(expo)
        observed = seconds_of(price.get("publish_time"), "s", f"{where}: publish_time")
        metadata = item.get("metadata")
        shown = metadata.get("proof_available_time") if isinstance(metadata, dict) else None
        published = observed if shown is None else max(observed, seconds_of(shown, "s", f"{where}: proof time"))
        if width < 0:
            raise SourceError(f"{where}: the confidence is {width}")
        return Quote(market, price_of(value), share_bps(width, Decimal(value)), observed, published, self._group)


def _bare(feed: str) -> str:
    return feed.lower().removeprefix("0x")
