"""A venue in memory that speaks the wire format over ASGI and loses answers when it is told to."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import httpx
import orjson
from truemark import signing
from truemark.deployment import ContractInfo, Deployment, MarketInfo
from truemark.felt import short_string
from truemark.gateway import OrderState
from truemark.models import MarketStatus, Mode
from truemark.orders import Side
from truemark.risk import NO_TIER, MarginTier
from truemark.units import from_price, from_size
from truemark.wire import (
    BatchRequest,
    BookView,
    CancelRequest,
    CandleList,
    Challenge,
    ChallengeRequest,
    ErrorBody,
    ErrorCode,
    FillList,
    FillView,
    Interval,
    Level,
    MarketList,
    MarketView,
    ModifyRequest,
    OrderList,
    OrderResult,
    OrderResults,
    OrderView,
    PlaceRequest,
    Problem,
    Record,
    SwitchRequest,
    SwitchView,
    Token,
    TokenRequest,
    VenueView,
    WireError,
    status_of,
)

CHAIN = short_string("TRUEMARK_TEST")
URL = "http://venue.test"
NOW = 1_768_773_600
BTC = "BTC-USD-PERP"


def deployment() -> Deployment:
    tiers = (MarginTier(0, 500, 300), NO_TIER, NO_TIER)
    names = ("Clearinghouse", "Oracle", "Vault", "Bridge", "CollateralToken", "RefundDistributor")
    return Deployment(
        name="test",
        profile="test",
        l2_rpc="http://node",
        l1_rpc="http://l1",
        l2_chain_id=CHAIN,
        l1_chain_id=31337,
        contracts={name: ContractInfo(0xC000 + number, 1) for number, name in enumerate(names)},
        classes={},
        l1={},
        fee_token=0x57,
        account_class_hash=0xACC,
        faucet=True,
        operators={},
        markets={BTC: MarketInfo(0, 10_000, 10_000_000, 0, 3, tiers)},
        vault_lock_secs=3_600,
        venue_url=URL,
    )


class No(Exception):
    def __init__(self, code: ErrorCode, message: str, **more: Any) -> None:
        self.problem = Problem(code=code, message=message, **more)


class VenueDouble:
    """An ASGI application. `faults` are taken one a request: 'before' breaks the connection before anything is done,
    'after' when it is done, an ErrorCode refuses, 'nonsense' answers with half of a JSON."""

    def __init__(self) -> None:
        self.deployment = deployment()
        self.orders: dict[int, OrderView] = {}
        self.placed = 0
        self.fills: list[FillView] = []
        self.tokens: dict[str, int] = {}
        self.nonces: set[int] = set()
        self.logins = 0
        self.faults: list[str | ErrorCode] = []
        self.requests: list[str] = []
        self.switch: int | None = None
        self.token_life = 900
        self.band: tuple[Decimal, Decimal] | None = (Decimal("95000.05"), Decimal("95999.95"))
        self.page = 500
        self.clock = float(NOW)

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=Transport(self), base_url=URL)

    def forget_tokens(self) -> None:
        """As a venue that was started anew."""
        self.tokens.clear()

    # --- HTTP

    def answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        self.requests.append(f"{request.method} {path}")
        fault = self.faults.pop(0) if self.faults and not path.startswith("/v1/session") else None
        if fault == "before":
            raise httpx.ConnectError("refused")
        if fault == "nonsense":
            return httpx.Response(200, content=b'{"orders": [')
        try:
            if isinstance(fault, ErrorCode):
                raise No(fault, "as it was told", retry_after=7 if fault is ErrorCode.RATE_LIMITED else None)
            status, record = self.route(request, path)
        except No as no:
            status, record = status_of(no.problem.code), ErrorBody(error=no.problem)
        except WireError as error:
            problem = Problem(code=ErrorCode.BAD_REQUEST, message=error.problem, field=error.field)
            status, record = 400, ErrorBody(error=problem)
        if fault == "after":
            raise httpx.ReadError("gone")
        headers = {"X-RateLimit-Limit": "100", "X-RateLimit-Remaining": "42", "X-RateLimit-Reset": "3.5"}
        return httpx.Response(status, content=orjson.dumps(record.dump()), headers=headers)

    def route(self, request: httpx.Request, path: str) -> tuple[int, Record]:
        method, body = request.method, request.content
        query = dict(request.url.params)

        def read(kind: type[Any]) -> Any:
            return kind.parse(orjson.loads(body), strict=True)

        routes: list[tuple[str, str, Callable[..., Any]]] = [
            ("GET", r"/v1/venue", self.status),
            ("GET", r"/v1/markets", lambda: MarketList(markets=(self.market(BTC),))),
            ("GET", r"/v1/markets/([^/]+)", self.market),
            ("GET", r"/v1/markets/([^/]+)/book", self.book),
            ("GET", r"/v1/markets/([^/]+)/candles", lambda name: self.candles(name, query)),
            ("POST", r"/v1/session/challenge", lambda: self.challenge(read(ChallengeRequest))),
            ("POST", r"/v1/session", lambda: self.session(read(TokenRequest))),
        ]
        private: list[tuple[str, str, Callable[..., Any]]] = [
            ("POST", r"/v1/orders", lambda: self.place(read(PlaceRequest))),
            ("GET", r"/v1/orders", lambda: self.list(query)),
            ("DELETE", r"/v1/orders", self.cancel_all),
            ("POST", r"/v1/orders/batch", lambda: self.batch(read(BatchRequest))),
            ("POST", r"/v1/orders/cancel", lambda: self.cancel_many(read(CancelRequest))),
            ("GET", r"/v1/(orders|client-orders)/(.+)", self.find),
            ("DELETE", r"/v1/(orders|client-orders)/(.+)", lambda kind, name: self.cancel(self.find(kind, name))),
            ("PATCH", r"/v1/(orders|client-orders)/(.+)", lambda *name: self.modify(name, read(ModifyRequest))),
            ("GET", r"/v1/fills", lambda: self.filled(query)),
            ("GET", r"/v1/dead-mans-switch", lambda: SwitchView(remaining=self.switch)),
            ("PUT", r"/v1/dead-mans-switch", lambda: self.set_switch(read(SwitchRequest))),
        ]
        for known, pattern, act in [*routes, *private]:
            match = re.fullmatch(pattern, path)
            if known != method or match is None:
                continue
            if (known, pattern, act) in private:
                self.check(request)
            return 200, act(*match.groups())
        raise No(ErrorCode.NOT_FOUND, f"there is no {method} {path}")

    # --- what it answers

    def status(self) -> VenueView:
        return VenueView(
            name="test",
            session="one",
            chain_id=CHAIN,
            venue=self.deployment.address("Clearinghouse"),
            epoch=4,
            mode=Mode.FULL,
            block=9,
            time=NOW,
            markets=(BTC,),
        )

    def market(self, name: str) -> MarketView:
        if name != BTC:
            raise No(ErrorCode.UNKNOWN_MARKET, f"there is no market {name}")
        low, high = self.band or (None, None)
        return MarketView(
            market=BTC,
            index=0,
            status=MarketStatus.VALID,
            mark=Decimal(95475),
            lot_size=Decimal("0.0001"),
            tick_size=Decimal("0.1"),
            maker_fee_bps=0,
            taker_fee_bps=3,
            band_low=low,
            band_high=high,
            volume=Decimal(3),
        )

    def book(self, name: str) -> BookView:
        self.market(name)
        return BookView(market=BTC, seq=7, bids=(Level(Decimal(95470), Decimal("0.5")),), asks=())

    def candles(self, name: str, query: dict[str, str]) -> CandleList:
        assert query == {"interval": "300", "start": "60"}, query
        return CandleList(market=name, interval=Interval.FIVE_MINUTES, candles=())

    def challenge(self, asked: ChallengeRequest) -> Challenge:
        nonce = len(self.nonces) + 1
        self.nonces.add(nonce)
        clearinghouse = self.deployment.address("Clearinghouse")
        return Challenge(venue=clearinghouse, account=asked.account, nonce=nonce, expiry=NOW + 60)

    def session(self, answer: TokenRequest) -> Token:
        clearinghouse = self.deployment.address("Clearinghouse")
        challenge = Challenge(venue=clearinghouse, account=answer.account, nonce=answer.nonce, expiry=NOW + 60)
        if not signing.verify(answer.key, challenge.hash(CHAIN), answer.r, answer.s):
            raise No(ErrorCode.UNAUTHORIZED, "the signature is wrong")
        self.logins += 1
        token = f"token-{self.logins}"
        self.tokens[token] = answer.account
        return Token(token=token, expiry=int(self.clock) + self.token_life)

    def check(self, request: httpx.Request) -> None:
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            raise No(ErrorCode.UNAUTHORIZED, "make a new token")

    def place(self, request: PlaceRequest) -> OrderView:
        order = request.signed.order
        order_hash = order.hash(CHAIN)
        if order_hash in self.orders:
            return self.orders[order_hash]
        named = [view for view in self.orders.values() if view.client_order_id == request.client_order_id]
        if request.client_order_id is not None and named:
            raise No(ErrorCode.CLIENT_ID_TAKEN, "another order has it", order_hash=named[0].order_hash)
        if order.limit_price > 10**15:
            raise No(ErrorCode.MARGIN, "the margin does not carry it", reason="MARGIN: buyer", order_hash=order_hash)
        self.placed += 1
        zero = Decimal(0)
        view = OrderView(
            order_hash=order_hash,
            client_order_id=request.client_order_id,
            account=order.account,
            market=order.market,
            side=Side.BUY if order.is_buy else Side.SELL,
            kind=request.kind,
            time_in_force=request.time_in_force,
            self_trade=request.self_trade,
            trigger=request.trigger,
            reduce_only=order.reduce_only,
            post_only=order.post_only,
            price=from_price(order.limit_price),
            size=from_size(order.size),
            state=OrderState.OPEN,
            open=from_size(order.size),
            matched=zero,
            filled=zero,
            expiry=order.expiry,
            created_at=NOW,
            updated_at=NOW,
            signed=request.signed,
        )
        self.orders[order_hash] = view
        return view

    def batch(self, request: BatchRequest) -> OrderResults:
        return OrderResults(results=tuple(self.result(self.place, one) for one in request.orders))

    def cancel_many(self, request: CancelRequest) -> OrderResults:
        return OrderResults(
            results=tuple(
                self.result(lambda name: self.cancel(self.find("orders", hex(name))), one)
                for one in request.order_hashes
            )
        )

    def result(self, act: Callable[[Any], OrderView], one: Any) -> OrderResult:
        try:
            return OrderResult(order=act(one))
        except No as no:
            return OrderResult(error=no.problem)

    def find(self, kind: str, name: str) -> OrderView:
        for view in self.orders.values():
            if name == (hex(view.order_hash) if kind == "orders" else view.client_order_id):
                return view
        raise No(ErrorCode.UNKNOWN_ORDER, f"there is no order {name}")

    def cancel(self, view: OrderView) -> OrderView:
        if view.state.is_final:
            raise No(ErrorCode.ORDER_ENDED, f"it is {view.state}", order_hash=view.order_hash)
        return self.change(view, state=OrderState.CANCELLED, open=Decimal(0))

    def cancel_all(self) -> OrderList:
        return OrderList(orders=tuple(self.cancel(one) for one in self.orders.values() if not one.state.is_final))

    def modify(self, name: tuple[str, ...], request: ModifyRequest) -> OrderView:
        view = self.find(*name)
        if request.replacement is not None:
            self.cancel(view)
            return self.place(request.replacement)
        assert request.size is not None
        return self.change(view, size=request.size, open=request.size - view.filled)

    def change(self, view: OrderView, **values: Any) -> OrderView:
        self.orders[view.order_hash] = changed = replace(view, **values)
        return changed

    def list(self, query: dict[str, str]) -> OrderList:
        views = [view for view in self.orders.values() if query["state"] == "all" or not view.state.is_final][::-1]
        first = int(query.get("before", 0))
        after = first + self.page
        return OrderList(orders=tuple(views[first:after]), next=after if len(views) > after else None)

    def filled(self, query: dict[str, str]) -> FillList:
        later = [fill for fill in self.fills if fill.seq > int(query["after"])]
        page = later[: self.page]
        return FillList(fills=tuple(page), next=page[-1].seq if len(later) > len(page) else None)

    def set_switch(self, request: SwitchRequest) -> SwitchView:
        self.switch = request.seconds or None
        return SwitchView(remaining=self.switch)


class Transport(httpx.AsyncBaseTransport):
    """Requests go straight to the double."""

    def __init__(self, venue: VenueDouble) -> None:
        self.venue = venue

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        return self.venue.answer(request)
