"""The venue's client for callers without an event loop: the same methods, which wait."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

from truemark._portal import PORTAL, SyncTwin, sync
from truemark.deployment import Deployment
from truemark.keys import StarkSigner
from truemark.venue.client import AsyncVenueClient
from truemark.venue.http import RateLimit
from truemark.venue.stream import Event, Stream, Topic


class SyncStream(SyncTwin[Stream]):
    """As Stream: `with venue.stream() as stream: for event in stream`."""

    def __init__(self, twin: Stream) -> None:
        self._twin = twin

    def __enter__(self) -> Self:
        PORTAL.run(self._twin.__aenter__())
        return self

    @property
    def topics(self) -> list[Topic]:
        return self._twin.topics

    subscribe = sync(Stream.subscribe)
    unsubscribe = sync(Stream.unsubscribe)

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        event = PORTAL.run(self._next())
        if event is None:
            raise StopIteration
        return event

    async def _next(self) -> Event | None:
        # A StopAsyncIteration cannot leave a coroutine.
        return await anext(self._twin, None)


class VenueClient(SyncTwin[AsyncVenueClient]):
    """AsyncVenueClient for callers without an event loop. Arguments as there."""

    def __init__(
        self,
        url: str,
        deployment: Deployment,
        *,
        signer: StarkSigner | None = None,
        account: int | None = None,
        **options: Any,
    ) -> None:
        async def open_there() -> AsyncVenueClient:
            # On the loop that it will live on.
            return AsyncVenueClient(url, deployment, signer=signer, account=account, **options)

        self._twin = PORTAL.run(open_there())

    @classmethod
    def around(cls, twin: AsyncVenueClient) -> VenueClient:
        """The same client, for callers without an event loop."""
        made = cls.__new__(cls)
        made._twin = twin
        return made

    def __repr__(self) -> str:
        return repr(self._twin).removeprefix("Async")

    @property
    def rate_limit(self) -> RateLimit | None:
        return self._twin.rate_limit

    status = sync(AsyncVenueClient.status)
    markets = sync(AsyncVenueClient.markets)
    market = sync(AsyncVenueClient.market)
    book = sync(AsyncVenueClient.book)
    trades = sync(AsyncVenueClient.trades)
    candles = sync(AsyncVenueClient.candles)
    place = sync(AsyncVenueClient.place)
    place_batch = sync(AsyncVenueClient.place_batch)
    modify = sync(AsyncVenueClient.modify)
    cancel_order = sync(AsyncVenueClient.cancel_order)
    cancel_many = sync(AsyncVenueClient.cancel_many)
    cancel_everything = sync(AsyncVenueClient.cancel_everything)
    view = sync(AsyncVenueClient.view)
    orders = sync(AsyncVenueClient.orders)
    fill_views = sync(AsyncVenueClient.fill_views)
    account = sync(AsyncVenueClient.account)
    dead_mans_switch = sync(AsyncVenueClient.dead_mans_switch)
    submit = sync(AsyncVenueClient.submit)
    cancel = sync(AsyncVenueClient.cancel)
    cancel_all = sync(AsyncVenueClient.cancel_all)
    order = sync(AsyncVenueClient.order)
    settled = sync(AsyncVenueClient.settled)
    fills = sync(AsyncVenueClient.fills)

    def stream(self, **options: Any) -> SyncStream:
        """As AsyncVenueClient.stream."""
        return SyncStream(self._twin.stream(**options))
