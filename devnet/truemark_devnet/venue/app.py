"""The gateway: REST and a WebSocket in front of one Venue. Bodies are those of truemark.wire."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response, WebSocket
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from truemark.felt import PRIME
from truemark.wire import (
    BatchRequest,
    CancelRequest,
    CandleList,
    ChallengeRequest,
    Channel,
    ErrorBody,
    ErrorCode,
    Interval,
    MarketList,
    ModifyRequest,
    OrderList,
    OrderResult,
    OrderResults,
    PlaceRequest,
    Problem,
    Record,
    SwitchRequest,
    SwitchView,
    TokenRequest,
    WireError,
    paths,
    status_of,
)

from truemark_devnet.venue import views
from truemark_devnet.venue.limits import PUBLIC, READS, WRITES, Limits, RateLimited, Standing
from truemark_devnet.venue.live import LiveOrder, Refused
from truemark_devnet.venue.openapi import describe
from truemark_devnet.venue.service import Venue
from truemark_devnet.venue.sessions import Sessions
from truemark_devnet.venue.socket import serve_stream

log = logging.getLogger(__name__)

#: Bytes of a request's body: fifty orders with room.
MOST_BODY = 200_000
MOST_ROWS = 1000
STATES = ("open", "ended", "all")


def make_app(venue: Venue, *, limits: Limits | None = None) -> FastAPI:
    """The venue must be started; the app does not start or stop it."""
    return Gateway(venue, limits or Limits()).app


class Gateway:
    """The routes of one venue."""

    def __init__(self, venue: Venue, limits: Limits) -> None:
        self._venue = venue
        self._limits = limits
        self.sessions = Sessions(venue.address, venue.chain_id, venue.clock)
        self.app = FastAPI(
            title="Truemark venue",
            version="1",
            description="A reference venue: one process, one book a market. docs/venue-api.md explains it.",
            docs_url=None,
            redoc_url=None,
        )
        self.app.add_exception_handler(Refused, _refused)
        self.app.add_exception_handler(WireError, _not_understood)
        self.app.add_exception_handler(RequestValidationError, _not_valid)
        self.app.add_exception_handler(HTTPException, _http)
        self.app.add_exception_handler(Exception, _internal)
        self._public()
        self._private()
        describe(self.app)

    # --- what needs no token

    def _public(self) -> None:
        route, venue = self._route, self._venue

        async def read_venue(request: Request) -> Record:
            return venue.venue_view()

        async def markets(request: Request) -> Record:
            return MarketList(markets=tuple(venue.market_view(index) for index in venue.engine.terms))

        async def market(request: Request) -> Record:
            return venue.market_view(self._market(request))

        async def book(request: Request) -> Record:

            index = self._market(request)
            seq = venue.hub.seq((Channel.BOOK, index))
            return views.book_view(venue.engine, index, seq, _number(request, "depth", 20, 1, MOST_ROWS))

        async def trades(request: Request) -> Record:
            return venue.trades(self._market(request), _number(request, "limit", 100, 1, MOST_ROWS))

        async def candles(request: Request) -> Record:
            index = self._market(request)
            width = _number(request, "interval", 60, 1, 86_400)
            if width not in set(Interval):
                raise WireError("interval", f"must be one of {', '.join(str(int(one)) for one in Interval)}")
            interval = Interval(width)
            end = _number(request, "end", venue.engine.view.now + 1, 0, 2**53)
            start = _number(request, "start", max(0, end - MOST_ROWS * interval), 0, 2**53)
            if end - start > MOST_ROWS * interval:
                raise WireError("start", f"at most {MOST_ROWS} candles in one answer")
            found = views.candles(venue.log.tape(index, start=start, end=end), interval)
            return CandleList(market=venue.engine.terms[index].name, interval=interval, candles=found)

        async def challenge(request: Request) -> Record:
            asked = ChallengeRequest.parse(await _body(request), strict=True)
            return self.sessions.challenge(asked.account)

        async def token(request: Request) -> Record:
            answer = TokenRequest.parse(await _body(request), strict=True)
            may = venue.key_lives(answer.account, answer.key) or await venue.owns(answer.account, answer.key)
            return self.sessions.token(answer, may)

        for path, work in (
            (paths.VENUE, read_venue),
            (paths.MARKETS, markets),
            (paths.MARKET, market),
            (paths.BOOK, book),
            (paths.TRADES, trades),
            (paths.CANDLES, candles),
        ):
            route("GET", path.replace("{}", "{market}"), self._open(work))
        route("POST", paths.CHALLENGE, self._open(challenge))
        route("POST", paths.SESSION, self._open(token))

        async def stream(socket: WebSocket) -> None:
            await serve_stream(socket, venue, self.sessions, self._limits)

        self.app.add_api_websocket_route(paths.STREAM, stream)

    # --- what needs one

    def _private(self) -> None:
        route, venue = self._route, self._venue

        async def end_session(request: Request, account: int) -> Record | None:
            self.sessions.end(_bearer(request) or "")
            return None

        async def place(request: Request, account: int) -> Record:
            order, new = await venue.place(account, PlaceRequest.parse(await _body(request), strict=True))
            request.state.status = 201 if new else 200
            return views.order_view(order)

        async def batch(request: Request, account: int) -> Record:
            orders = BatchRequest.parse(await _body(request), strict=True).orders
            if len(orders) > 1:
                self._limits.take(account, WRITES, len(orders) - 1)
            results = []
            for one in orders:
                try:
                    results.append(OrderResult(order=views.order_view((await venue.place(account, one))[0])))
                except Refused as error:
                    results.append(OrderResult(error=error.problem))
            return OrderResults(results=tuple(results))

        async def cancel_many(request: Request, account: int) -> Record:
            results = []
            for hash_ in CancelRequest.parse(await _body(request), strict=True).order_hashes:
                try:
                    results.append(OrderResult(order=views.order_view(venue.cancel(venue.order(account, hash_)))))
                except Refused as error:
                    results.append(OrderResult(error=error.problem))
            return OrderResults(results=tuple(results))

        async def listed(request: Request, account: int) -> Record:
            state = request.query_params.get("state", "open")
            if state not in STATES:
                raise WireError("state", f"must be one of {', '.join(STATES)}")
            limit = _number(request, "limit", 100, 1, MOST_ROWS)
            before = _number(request, "before", 2**53, 0, 2**53)
            market = request.query_params.get("market")
            index = None if market is None else venue.market_index(market)
            found = [
                order
                for order in venue.orders_of(account)
                if order.number < before
                and (index is None or order.market == index)
                and (state == "all" or order.state.is_final == (state == "ended"))
            ]
            more = found[limit - 1].number if len(found) > limit else None
            return OrderList(orders=tuple(views.order_view(order) for order in found[:limit]), next=more)

        async def cancel_all(request: Request, account: int) -> Record:
            found = venue.cancel_all(account, request.query_params.get("market"))
            return OrderList(orders=tuple(views.order_view(order) for order in found))

        def by(find: Callable[[Request, int], LiveOrder]) -> tuple[Any, Any, Any]:
            async def read(request: Request, account: int) -> Record:
                return views.order_view(find(request, account))

            async def cancel(request: Request, account: int) -> Record:
                return views.order_view(venue.cancel(find(request, account)))

            async def modify(request: Request, account: int) -> Record:
                asked = ModifyRequest.parse(await _body(request), strict=True)
                return views.order_view(await venue.modify(account, find(request, account), asked))

            return read, cancel, modify

        async def fills(request: Request, account: int) -> Record:
            after = _number(request, "after", 0, 0, 2**53)
            limit = _number(request, "limit", 100, 1, MOST_ROWS)
            return venue.fills(account, after, limit, request.query_params.get("market"))

        async def account_(request: Request, account: int) -> Record:
            await venue.know(account)
            return views.account_view(venue.engine, account)

        async def read_switch(request: Request, account: int) -> Record:
            return SwitchView(remaining=venue.switch_left(account))

        async def set_switch(request: Request, account: int) -> Record:
            seconds = SwitchRequest.parse(await _body(request), strict=True).seconds
            return SwitchView(remaining=venue.set_switch(account, seconds))

        route("DELETE", paths.SESSION, self._closed(READS, end_session))
        route("POST", paths.ORDERS, self._closed(WRITES, place))
        route("POST", paths.BATCH, self._closed(WRITES, batch))
        route("POST", paths.CANCELS, self._closed(WRITES, cancel_many))
        route("GET", paths.ORDERS, self._closed(READS, listed))
        route("DELETE", paths.ORDERS, self._closed(WRITES, cancel_all))
        for path, find in (
            (paths.ORDER.replace("{}", "{order_hash}"), self._by_hash),
            (paths.CLIENT_ORDER.replace("{}", "{client_order_id}"), self._by_name),
        ):
            read, cancel, modify = by(find)
            route("GET", path, self._closed(READS, read))
            route("DELETE", path, self._closed(WRITES, cancel))
            route("PATCH", path, self._closed(WRITES, modify))
        route("GET", paths.FILLS, self._closed(READS, fills))
        route("GET", paths.ACCOUNT, self._closed(READS, account_))
        route("GET", paths.SWITCH, self._closed(READS, read_switch))
        route("PUT", paths.SWITCH, self._closed(WRITES, set_switch))

    # --- parts

    def _route(self, method: str, path: str, work: Callable[[Request], Awaitable[Response]]) -> None:
        self.app.add_api_route(path, work, methods=[method], response_class=Response)

    def _open(self, work: Callable[[Request], Awaitable[Record]]) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            host = request.client.host if request.client else ""
            standing = self._limits.take(host, PUBLIC)
            request.state.standing = standing
            return _answer(await work(request), standing)

        answer.__name__ = work.__name__
        return answer

    def _closed(
        self, rate: Any, work: Callable[[Request, int], Awaitable[Record | None]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            account = self.sessions.account(_bearer(request))
            standing = self._limits.take(account, rate)
            request.state.standing = standing
            found = await work(request, account)
            return _answer(found, standing, getattr(request.state, "status", 200))

        answer.__name__ = work.__name__
        return answer

    def _market(self, request: Request) -> int:
        return self._venue.market_index(request.path_params["market"])

    def _by_hash(self, request: Request, account: int) -> LiveOrder:
        text = request.path_params["order_hash"]
        try:
            hash_ = int(text, 16) if text.startswith("0x") else -1
        except ValueError:
            hash_ = -1
        if not 0 <= hash_ < PRIME:
            raise WireError("order_hash", "hexadecimal text such as 0x1f is needed")
        return self._venue.order(account, hash_)

    def _by_name(self, request: Request, account: int) -> LiveOrder:
        return self._venue.order_named(account, request.path_params["client_order_id"])


def _bearer(request: Request) -> str | None:
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return token if kind.lower() == "bearer" else None


async def _body(request: Request) -> Any:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MOST_BODY:
            raise WireError("", f"the body has more than {MOST_BODY} bytes")
        parts.append(part)
    try:
        return orjson.loads(b"".join(parts))
    except orjson.JSONDecodeError as error:
        raise WireError("", f"the body is not JSON: {error}") from error


def _number(request: Request, name: str, default: int, least: int, most: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    # Python reads no more than some thousand digits.
    if not text.isascii() or not text.isdigit() or len(text) > 20 or not least <= int(text) <= most:
        raise WireError(name, f"an integer from {least} to {most} is needed")
    return int(text)


def _answer(record: Record | None, standing: Standing, status: int = 200) -> Response:
    if record is None:
        return Response(status_code=204, headers=standing.headers())
    return Response(
        orjson.dumps(record.dump()), status_code=status, media_type="application/json", headers=standing.headers()
    )


def _problem(request: Request, problem: Problem) -> Response:
    headers = {}
    standing = getattr(request.state, "standing", None)
    if standing is not None:
        headers = standing.headers()
    if problem.retry_after is not None:
        headers["Retry-After"] = str(problem.retry_after)
    if problem.code is ErrorCode.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(
        orjson.dumps(ErrorBody(error=problem).dump()),
        status_code=status_of(problem.code),
        media_type="application/json",
        headers=headers,
    )


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    if isinstance(error, RateLimited):
        request.state.standing = error.standing
    return _problem(request, error.problem)


async def _not_understood(request: Request, error: Exception) -> Response:
    assert isinstance(error, WireError)
    return _problem(
        request, Problem(code=ErrorCode.BAD_REQUEST, message=str(error)[:2000], field=error.field[:200] or None)
    )


async def _not_valid(request: Request, error: Exception) -> Response:
    return _problem(request, Problem(code=ErrorCode.BAD_REQUEST, message=str(error)[:2000]))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    body = ErrorBody(error=Problem(code=ErrorCode.NOT_FOUND, message=str(error.detail) or "not found"))
    return Response(orjson.dumps(body.dump()), status_code=error.status_code, media_type="application/json")


async def _internal(request: Request, error: Exception) -> Response:
    log.error("a request failed", exc_info=error, extra={"path": request.url.path})
    return _problem(request, Problem(code=ErrorCode.INTERNAL, message="a fault of the venue"))
