"""A client of a venue's order gateway: markets, books and candles for anyone, orders and fills with a key."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeVar

import httpx

from truemark.deployment import Deployment
from truemark.felt import hex_of
from truemark.gateway import Fill, OrderAck, OrderOutcomeUnknown
from truemark.keys import StarkSigner
from truemark.orders import SignedOrder
from truemark.venue.errors import NoAnswer, NoKey, NotAuthorized, OrderEnded, VenueError, VenueFault, error_of
from truemark.venue.http import RateLimit, Sleep, Transport
from truemark.venue.login import Clock, Login
from truemark.venue.stream import Connector, Stream, open_websocket
from truemark.venue.views import ack_of, fill_of
from truemark.wire import (
    MOST_IN_BATCH,
    AccountView,
    BatchRequest,
    BookView,
    CancelRequest,
    CandleList,
    CandleView,
    ErrorCode,
    FillList,
    FillView,
    Interval,
    MarketList,
    MarketView,
    ModifyRequest,
    OrderList,
    OrderResults,
    OrderView,
    PlaceRequest,
    Record,
    SwitchRequest,
    SwitchView,
    TradeList,
    TradeView,
    VenueView,
    paths,
)
from truemark.wire.codec import CLIENT_ID

#: Orders and fills of one page.
PAGE: Final = 500
#: Seconds between two looks at an order that is waited for.
POLL: Final = 0.2

R = TypeVar("R", bound=Record)
States = Literal["open", "ended", "all"]


class AsyncVenueClient:
    """One venue, and one account of it if there is a key. It is an OrderGateway: a trader can be connected with it.

    async with AsyncVenueClient(url, deployment) as venue:
        print(await venue.book("BTC-USD-PERP", depth=5))

    Args:
        url: where the venue listens.
        deployment: its contracts.
        signer: the key that signs for `account`: a trading key of it, or its own.
        account: the account's address.
        client: an HTTP client to use and leave open.
        clock: unix seconds, for tokens.
        sleep: how to wait between tries.
        connector: opens the stream's WebSocket.
        timeout: seconds for one request.
        retries: how often a request that can be repeated is, where no answer came: every read, and placing and
            cancelling, which name what they mean. A batch without client order ids is sent once.
    """

    def __init__(
        self,
        url: str,
        deployment: Deployment,
        *,
        signer: StarkSigner | None = None,
        account: int | None = None,
        client: httpx.AsyncClient | None = None,
        clock: Clock = time.time,
        sleep: Sleep = asyncio.sleep,
        connector: Connector = open_websocket,
        timeout: float = 10.0,
        retries: int = 2,
        poll: float = POLL,
    ) -> None:
        self.deployment = deployment
        self._transport = Transport(url, client=client, timeout=timeout, retries=retries, sleep=sleep)
        self._sleep = sleep
        self._connector = connector
        self._poll = poll
        self._login: Login | None = None
        if signer is not None and account is not None:
            self._login = Login(
                self._transport,
                signer,
                account,
                deployment.l2_chain_id,
                deployment.address("Clearinghouse"),
                clock,
            )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the connections that it opened itself."""
        await self._transport.aclose()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._transport.shown})"

    @property
    def rate_limit(self) -> RateLimit | None:
        """As the venue's last answer told it; None before the first."""
        return self._transport.rate_limit

    # --- what anyone can read

    async def status(self) -> VenueView:
        """The venue's mode, epoch, block and markets."""
        return await self._read(VenueView, paths.VENUE)

    async def markets(self) -> Sequence[MarketView]:
        return (await self._read(MarketList, paths.MARKETS)).markets

    async def market(self, name: str) -> MarketView:
        """
        Raises:
            MarketUnknown: the venue has none of that name.
        """
        return await self._read(MarketView, paths.MARKET.format(name))

    async def book(self, market: str, depth: int = 20) -> BookView:
        """The best `depth` levels of each side."""
        return await self._read(BookView, paths.BOOK.format(market), depth=depth)

    async def trades(self, market: str, limit: int = 100) -> Sequence[TradeView]:
        """The public tape, newest first."""
        return (await self._read(TradeList, paths.TRADES.format(market), limit=limit)).trades

    async def candles(
        self, market: str, interval: Interval | int = Interval.MINUTE, start: int | None = None, end: int | None = None
    ) -> Sequence[CandleView]:
        """Oldest first; intervals without a trade are left out. `start` and `end` in seconds of block time."""
        width = int(Interval(interval))
        found = await self._read(CandleList, paths.CANDLES.format(market), interval=width, start=start, end=end)
        return found.candles

    # --- orders

    async def place(self, request: PlaceRequest) -> OrderView:
        """Places one order. One that is sent twice is taken once, so it is sent again where no answer came.

        Raises:
            Rejected: with the venue's code; nothing of it rests.
            ClientIdTaken, NotAuthorized, RateLimited, VenueUnavailable: nothing was done.
            OrderOutcomeUnknown: no answer came: the venue may have it. Ask by client order id or hash.
        """
        # Before: that no token came says nothing about the order.
        await self._need_login().token()
        try:
            return await self._private(OrderView, "POST", paths.ORDERS, body=request, repeat=True)
        except (NoAnswer, VenueFault) as error:
            raise self._unknown(request, error) from error

    async def place_batch(self, requests: Sequence[PlaceRequest]) -> Sequence[OrderView | VenueError]:
        """Places up to 50 orders, one after the other; each has its own result, an order or the error that it met.

        Raises:
            ValueError: none, or more than 50.
            NotAuthorized, RateLimited, VenueUnavailable: nothing was done.
            OrderOutcomeUnknown: no answer came: each of them may be there.
        """
        if not 1 <= len(requests) <= MOST_IN_BATCH:
            raise ValueError(f"a batch has 1 to {MOST_IN_BATCH} orders, this has {len(requests)}")
        await self._need_login().token()
        try:
            found = await self._private(
                OrderResults, "POST", paths.BATCH, body=BatchRequest(orders=tuple(requests)), repeat=True
            )
        except (NoAnswer, VenueFault) as error:
            raise self._unknown(requests[0], error) from error
        return _results(found)

    async def modify(self, order: OrderAck | int | str, request: ModifyRequest) -> OrderView:
        """Changes an order, by hash or client order id. It is sent once: a second replacement would be another one.

        Raises:
            ValueError: no order can have that client order id; nothing was sent. So in the methods below.
            OrderUnknown, OrderEnded, Rejected
            NoAnswer: what became of it is not known: ask for the order.
        """
        return await self._private(OrderView, "PATCH", _path_of(order), body=request)

    async def cancel_order(self, order: OrderAck | int | str) -> OrderView:
        """Takes what rests of an order off the book; by hash or client order id.

        Raises:
            OrderUnknown, OrderEnded
        """
        return await self._private(OrderView, "DELETE", _path_of(order), repeat=True)

    async def cancel_many(self, orders: Sequence[OrderAck | int]) -> Sequence[OrderView | VenueError]:
        """Cancels up to 50 orders; each has its own result.

        Raises:
            ValueError: none, or more than 50.
        """
        if not 1 <= len(orders) <= MOST_IN_BATCH:
            raise ValueError(f"a batch has 1 to {MOST_IN_BATCH} orders, this has {len(orders)}")
        hashes = tuple(order if isinstance(order, int) else order.order_hash for order in orders)
        asked = CancelRequest(order_hashes=hashes)
        return _results(await self._private(OrderResults, "POST", paths.CANCELS, body=asked, repeat=True))

    async def cancel_everything(self, market: str | None = None) -> Sequence[OrderView]:
        """Takes all that rests of this account off the book, of one market or of all; what it cancelled."""
        return (await self._private(OrderList, "DELETE", paths.ORDERS, market=market, repeat=True)).orders

    async def view(self, order: OrderAck | int | str) -> OrderView:
        """An order, by hash or by client order id.

        Raises:
            OrderUnknown: the venue has none.
        """
        return await self._private(OrderView, "GET", _path_of(order), repeat=True)

    async def orders(self, market: str | None = None, state: States = "open") -> Sequence[OrderView]:
        """All orders of this account in a state, newest first."""
        found: list[OrderView] = []
        before: int | None = None
        while True:
            page = await self._private(
                OrderList, "GET", paths.ORDERS, market=market, state=state, limit=PAGE, before=before, repeat=True
            )
            found += page.orders
            if page.next is None:
                return found
            before = page.next

    async def fill_views(self, market: str | None = None, after: int = 0) -> Sequence[FillView]:
        """Fills of this account, oldest first, each once as it is now; those with a `seq` above `after`."""
        return [fill async for fill in self._fills(market, after)]

    async def account(self) -> AccountView:
        """The margin account as the venue counts it: with what is matched, and open orders at their worst."""
        return await self._private(AccountView, "GET", paths.ACCOUNT, repeat=True)

    async def dead_mans_switch(self, seconds: int | None = None) -> int | None:
        """Seconds until all that rests of this account is cancelled; None: the switch is off.

        Args:
            seconds: sets it anew, 5 to 86,400; 0 takes it off; None only looks.
        """
        if seconds is None:
            return (await self._private(SwitchView, "GET", paths.SWITCH, repeat=True)).remaining
        asked = SwitchRequest(seconds=seconds)
        return (await self._private(SwitchView, "PUT", paths.SWITCH, body=asked, repeat=True)).remaining

    # --- the stream

    def stream(self, **options: Any) -> Stream:
        """The venue's WebSocket: `async with venue.stream() as stream`. Options as Stream."""
        url = "ws" + self._transport.url.removeprefix("http") + paths.STREAM
        return Stream(url, self._login, connector=self._connector, **{"sleep": self._sleep, **options})

    # --- as an OrderGateway

    async def submit(self, signed: SignedOrder) -> OrderAck:
        """Places a limit order that is good till cancelled."""
        return ack_of(await self.place(PlaceRequest(signed=signed)))

    async def cancel(self, order_hash: int) -> OrderAck:
        """As OrderGateway: one that ended already is answered with what became of it."""
        try:
            return ack_of(await self.cancel_order(order_hash))
        except OrderEnded:
            return ack_of(await self.view(order_hash))

    async def cancel_all(self, account: int) -> Sequence[OrderAck]:
        """
        Raises:
            NoKey: the client has no key, or another account's.
        """
        self._mine(account)
        return [ack_of(view) for view in await self.cancel_everything()]

    async def order(self, order_hash: int) -> OrderAck:
        return ack_of(await self.view(order_hash))

    async def settled(self, order_hash: int, timeout: float | None = None) -> OrderAck:
        give_up = None if timeout is None else time.monotonic() + timeout
        while True:
            view = await self.view(order_hash)
            if view.matched == 0 and not (view.open == 0 and not view.state.is_final):
                return ack_of(view)
            if give_up is not None and time.monotonic() + self._poll > give_up:
                raise TimeoutError(f"{view.matched} of order {order_hash:#x} waits for settlement after {timeout:g} s")
            await self._sleep(self._poll)

    async def fills(self, account: int) -> Sequence[Fill]:
        """All fills of the account, oldest first.

        Raises:
            NoKey: the client has no key, or another account's.
        """
        self._mine(account)
        return [fill_of(view) for view in await self.fill_views()]

    # --- requests

    async def _read(self, kind: type[R], path: str, **query: Any) -> R:
        return await self._transport.request(kind, "GET", path, query=query, repeat=True)

    async def _private(
        self, kind: type[R], method: str, path: str, *, body: Record | None = None, repeat: bool = False, **query: Any
    ) -> R:
        login = self._need_login()
        token = await login.token()

        async def once(token: str) -> R:
            return await self._transport.request(kind, method, path, body=body, query=query, token=token, repeat=repeat)

        try:
            return await once(token)
        except NotAuthorized as error:
            # A venue that was started anew knows no tokens. It did nothing, so this can be sent once more.
            if error.code is not ErrorCode.UNAUTHORIZED:
                raise
        return await once(await login.token(stale=token))

    def _need_login(self) -> Login:
        if self._login is None:
            raise NoKey("this needs a key: open the venue's client with signer= and account=")
        return self._login

    def _mine(self, account: int) -> None:
        if self._need_login().account != account:
            raise NoKey(f"this client speaks for {self._need_login().account:#x}, not for {account:#x}")

    def _unknown(self, request: PlaceRequest, error: Exception) -> OrderOutcomeUnknown:
        order_hash = request.signed.order.hash(self.deployment.l2_chain_id)
        return OrderOutcomeUnknown(order_hash, request.signed, error, request.client_order_id)

    async def _fills(self, market: str | None, after: int) -> AsyncIterator[FillView]:
        while True:
            page = await self._private(
                FillList, "GET", paths.FILLS, market=market, after=after, limit=PAGE, repeat=True
            )
            for fill in page.fills:
                yield fill
            if page.next is None:
                return
            after = page.next


def _path_of(order: OrderAck | int | str) -> str:
    if isinstance(order, str):
        # Checked: with slashes and dots in it, another path than that of an order would be asked.
        return paths.CLIENT_ORDER.format(CLIENT_ID.parse(order, "client_order_id", True))
    return paths.ORDER.format(hex_of(order if isinstance(order, int) else order.order_hash))


def _results(found: OrderResults) -> list[OrderView | VenueError]:
    results: list[OrderView | VenueError] = []
    for result in found.results:
        if result.order is not None:
            results.append(result.order)
        elif result.error is not None:
            results.append(error_of(result.error))
    return results
