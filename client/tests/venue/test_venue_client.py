"""The venue's client: what is repeated and what is not, errors by class, tokens, batches, pages."""

from __future__ import annotations

import inspect
from decimal import Decimal
from typing import Any

import httpx
import pytest
from truemark.deployment import UnknownMarket
from truemark.errors import TruemarkError
from truemark.gateway import FillState, OrderOutcomeUnknown, OrderRejected, OrderState, UnknownOrder
from truemark.keys import StarkKey
from truemark.orders import Order, Side, SignedOrder
from truemark.venue import (
    AsyncVenueClient,
    ClientIdTaken,
    InsufficientMargin,
    MarketUnknown,
    NoAnswer,
    NoKey,
    NotAuthorized,
    OrderEnded,
    OrderUnknown,
    RateLimited,
    Rejected,
    Stream,
    SyncStream,
    VenueClient,
    VenueError,
    VenueFault,
    VenueUnavailable,
)
from truemark.venue.errors import error_of
from truemark.wire import ErrorBody, ErrorCode, FillView, ModifyRequest, PlaceRequest, Problem

KEY, ACCOUNT, BTC = StarkKey.from_private(77), 0xA11CE, "BTC-USD-PERP"


def request(salt: int = 1, price: int = 9_548_000_000_000, **more: Any) -> PlaceRequest:
    order = Order(
        venue=0xC000,
        account=ACCOUNT,
        epoch=4,
        account_epoch=0,
        market=BTC,
        is_buy=True,
        size=10_000_000,
        limit_price=price,
        max_fee_bps=3,
        reduce_only=False,
        post_only=False,
        expiry=2_000_000_000,
        salt=salt,
    )
    return PlaceRequest(signed=SignedOrder(order, KEY.public_key, 1, 2), **more)


async def test_anyone_reads_markets_books_and_candles(venue: Any) -> None:
    async with venue.client() as http, AsyncVenueClient("http://venue.test/", venue.deployment, client=http) as client:
        assert (await client.status()).epoch == 4
        (market,) = await client.markets()
        assert (market.mark, market.lot_size) == (Decimal(95475), Decimal("0.0001"))
        assert (await client.book(BTC)).bids[0].size == Decimal("0.5")
        assert await client.candles(BTC, 300, start=60) == ()
        with pytest.raises(MarketUnknown, match="UNKNOWN_MARKET") as unknown:
            await client.market("LUNA-USD-PERP")
        assert isinstance(unknown.value, UnknownMarket)
        assert isinstance(unknown.value, LookupError)
        with pytest.raises(ValueError, match="7 is not a valid Interval"):
            await client.candles(BTC, 7)
        for private in (client.orders(), client.place(request()), client.account(), client.fills(ACCOUNT)):
            with pytest.raises(NoKey, match="signer="):
                await private
        assert client.rate_limit is not None
        assert (client.rate_limit.limit, client.rate_limit.remaining, client.rate_limit.reset) == (100, 42, 3.5)
        assert venue.logins == 0


async def test_a_read_is_repeated_with_growing_random_pauses(venue: Any, client: Any, naps: list[float]) -> None:
    venue.faults = ["before", "nonsense"]
    assert (await client.status()).name == "test"
    assert len(naps) == 2
    assert 0 <= naps[0] <= 0.1
    assert 0 <= naps[1] <= 0.2
    venue.faults = ["before"] * 3
    with pytest.raises(NoAnswer, match="ConnectError") as gone:
        await client.status()
    assert isinstance(gone.value, ConnectionError)


async def test_an_order_whose_answer_is_lost_is_sent_again_and_taken_once(venue: Any, client: Any) -> None:
    venue.faults = ["after"]
    view = await client.place(request(client_order_id="mm-1"))
    assert (venue.placed, view.client_order_id, view.state) == (1, "mm-1", OrderState.OPEN)
    assert venue.requests.count("POST /v1/orders") == 2


async def test_an_order_of_which_nothing_is_heard_is_unknown_and_can_be_asked_for(venue: Any, client: Any) -> None:
    venue.faults = ["after", "before", "before"]
    with pytest.raises(OrderOutcomeUnknown, match="mm-2") as unknown:
        await client.place(request(client_order_id="mm-2"))
    assert isinstance(unknown.value, ConnectionError)
    assert (await client.view("mm-2")).order_hash == unknown.value.order_hash
    assert (await client.view(unknown.value.order_hash)).client_order_id == unknown.value.client_order_id == "mm-2"
    venue.faults = [ErrorCode.INTERNAL]
    with pytest.raises(OrderOutcomeUnknown):
        await client.place(request(2))


async def test_a_replacement_is_sent_once(venue: Any, client: Any) -> None:
    view = await client.place(request())
    venue.faults = ["after"]
    with pytest.raises(NoAnswer):
        await client.modify(view.order_hash, ModifyRequest(replacement=request(2)))
    assert len([sent for sent in venue.requests if sent.startswith("PATCH")]) == 1
    assert (await client.view(view.order_hash)).state is OrderState.CANCELLED


async def test_a_rejection_has_the_venues_code_and_the_chains_reason(client: Any) -> None:
    with pytest.raises(InsufficientMargin) as refused:
        await client.place(request(price=10**16))
    error = refused.value
    assert (error.code, error.chain_reason, error.reason) == (ErrorCode.MARGIN, "MARGIN: buyer", "MARGIN: buyer")
    assert error.order_hash == request(price=10**16).signed.order.hash(client.deployment.l2_chain_id)
    assert "MARGIN: the margin does not carry it (the chain says 'MARGIN: buyer') (order 0x" in str(error)
    for base in (Rejected, OrderRejected, VenueError, TruemarkError, ValueError):
        assert isinstance(error, base)


@pytest.mark.parametrize("code", ErrorCode)
def test_every_code_is_an_error_that_is_a_standard_one_too(code: ErrorCode) -> None:
    error = error_of(Problem(code=code, message="so it is"))
    standard = (ValueError, LookupError, PermissionError, ConnectionError, RuntimeError)
    assert isinstance(error, standard)
    assert isinstance(error, VenueError)
    assert (error.code, str(error)) == (code, f"{code}: so it is")


async def test_a_rate_limit_is_told_with_its_time_and_not_waited_for(
    venue: Any, client: Any, naps: list[float]
) -> None:
    venue.faults = [ErrorCode.RATE_LIMITED]
    with pytest.raises(RateLimited) as limited:
        await client.place(request())
    assert (limited.value.retry_after, naps, venue.placed) == (7, [], 0)


async def test_a_venue_that_is_away_for_a_moment_did_nothing(venue: Any, client: Any, naps: list[float]) -> None:
    venue.faults = [ErrorCode.UNAVAILABLE]
    await client.place(request())
    assert (len(naps), venue.placed) == (1, 1)
    venue.faults = [ErrorCode.UNAVAILABLE] * 3
    with pytest.raises(VenueUnavailable):
        await client.place(request(2))


async def test_a_venue_that_is_away_for_an_hour_is_not_waited_for(
    client: Any, naps: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    body = ErrorBody(error=Problem(code=ErrorCode.UNAVAILABLE, message="back at noon", retry_after=3_600)).dump()

    async def away(*_: Any) -> httpx.Response:
        return httpx.Response(503, json=body)

    monkeypatch.setattr(client._transport, "_send", away)
    with pytest.raises(VenueUnavailable) as gone:
        await client.status()
    assert (gone.value.retry_after, naps) == (3_600, [5, 5])


async def test_a_token_is_made_once_renewed_in_time_and_made_anew_when_the_venue_forgot_it(
    venue: Any, client: Any
) -> None:
    await client.orders()
    await client.orders()
    assert venue.logins == 1
    venue.clock += 871
    await client.orders()
    assert venue.logins == 2, "30 s before it ends"
    venue.forget_tokens()
    await client.place(request())
    assert (venue.logins, venue.placed) == (3, 1)
    venue.faults = [ErrorCode.UNAUTHORIZED, ErrorCode.UNAUTHORIZED]
    with pytest.raises(NotAuthorized):
        await client.orders()


async def test_a_challenge_of_another_venue_is_not_signed(venue: Any, client: Any) -> None:
    contracts = dict(venue.deployment.contracts)
    contracts["Clearinghouse"] = contracts["Oracle"]
    object.__setattr__(venue.deployment, "contracts", contracts)
    with pytest.raises(NoAnswer, match="another venue or account"):
        await client.orders()
    assert venue.logins == 0


async def test_each_order_of_a_batch_has_its_own_result(venue: Any, client: Any) -> None:
    good, taken, poor = await client.place_batch(
        [request(1, client_order_id="a"), request(2, client_order_id="a"), request(3, price=10**16)]
    )
    assert good.state is OrderState.OPEN
    assert isinstance(taken, ClientIdTaken)
    assert isinstance(poor, InsufficientMargin)
    gone, ended = await client.cancel_many([0x123, good.order_hash])
    assert isinstance(gone, OrderUnknown)
    assert ended.state is OrderState.CANCELLED
    for empty in (client.place_batch([]), client.cancel_many([]), client.place_batch([request()] * 51)):
        with pytest.raises(ValueError, match="1 to 50"):
            await empty
    venue.faults = ["before"] * 3
    with pytest.raises(OrderOutcomeUnknown):
        await client.place_batch([request(9)])


async def test_as_a_gateway_it_answers_as_every_gateway_does(venue: Any, client: Any) -> None:
    ack = await client.submit(request().signed)
    assert (await client.submit(request().signed), venue.placed) == (ack, 1)
    assert (ack.side, ack.price, ack.size) == (Side.BUY, 95_480, Decimal("0.1"))
    assert (await client.cancel(ack.order_hash)).state is OrderState.CANCELLED
    assert (await client.cancel(ack.order_hash)).state is OrderState.CANCELLED, "again is no error"
    with pytest.raises(OrderEnded):
        await client.cancel_order(ack.order_hash)
    with pytest.raises(UnknownOrder):
        await client.order(5)
    assert (await client.settled(ack.order_hash, 1)).state is OrderState.CANCELLED
    await client.submit(request(2).signed)
    assert len(await client.cancel_all(ACCOUNT)) == 1
    with pytest.raises(NoKey, match="not for 0x5"):
        await client.cancel_all(5)


@pytest.mark.parametrize("name", ["", "../orders", "a/b", "a?b", "a b", "x" * 37])
async def test_a_name_that_no_order_can_have_is_asked_for_nowhere(venue: Any, client: Any, name: str) -> None:
    await client.place(request(client_order_id="stays"))
    asked = len(venue.requests)
    for call in (client.cancel_order(name), client.view(name), client.modify(name, ModifyRequest(size=Decimal(1)))):
        with pytest.raises(ValueError, match="client_order_id"):
            await call
    assert len(venue.requests) == asked
    assert (await client.view("stays")).state is OrderState.OPEN


async def test_waiting_for_settlement_gives_up_in_time(venue: Any, client: Any) -> None:
    view = await client.place(request())
    venue.change(view, open=Decimal(0), matched=view.size, state=OrderState.MATCHED)
    with pytest.raises(TimeoutError, match="waits for settlement"):
        await client.settled(view.order_hash, 0.01)
    venue.change(view, open=Decimal(0), filled=view.size, state=OrderState.FILLED)
    assert (await client.settled(view.order_hash)).filled == view.size


async def test_pages_are_read_to_the_end(venue: Any, client: Any) -> None:
    venue.page = 2
    for salt in range(5):
        await client.place(request(salt))
    assert [view.signed.order.salt for view in await client.orders()] == [4, 3, 2, 1, 0]
    venue.fills = [
        FillView(
            seq=seq,
            match=seq,
            order_hash=1,
            account=ACCOUNT,
            market=BTC,
            side=Side.BUY,
            is_maker=True,
            size=Decimal(1),
            price=Decimal(5),
            state=FillState.SETTLED,
            time=1,
        )
        for seq in range(1, 6)
    ]
    assert [fill.seq for fill in await client.fill_views()] == [1, 2, 3, 4, 5]
    assert [fill.seq for fill in await client.fill_views(after=3)] == [4, 5]
    assert (await client.fills(ACCOUNT))[0].price == 5


async def test_the_dead_mans_switch_is_set_seen_and_taken_off(client: Any) -> None:
    assert await client.dead_mans_switch() is None
    assert await client.dead_mans_switch(30) == 30
    assert await client.dead_mans_switch() == 30
    assert await client.dead_mans_switch(0) is None


def test_no_error_and_no_repr_shows_the_token(venue: Any, client: Any) -> None:
    assert "token" not in repr(client)
    assert repr(client) == "AsyncVenueClient(http://venue.test)"


@pytest.mark.parametrize(
    ("made", "twin", "own"),
    [(AsyncVenueClient, VenueClient, {"aclose"}), (Stream, SyncStream, {"aclose"})],
)
def test_the_sync_client_has_every_method(made: type, twin: type, own: set[str]) -> None:
    for name, method in inspect.getmembers(made, inspect.iscoroutinefunction):
        if not name.startswith("_") and name not in own:
            assert getattr(twin, name).__wrapped__ is method


def test_the_sync_client_does_what_the_async_one_does(venue: Any) -> None:
    with VenueClient("http://venue.test", venue.deployment, signer=KEY, account=ACCOUNT, client=venue.client()) as one:
        assert one.place(request(client_order_id="s")).state is OrderState.OPEN
        assert one.view("s").side is Side.BUY
        assert repr(one) == "VenueClient(http://venue.test)"
        venue.faults = [ErrorCode.INTERNAL]
        with pytest.raises(VenueFault):
            one.status()


async def test_a_client_that_is_given_stays_open(venue: Any) -> None:
    async with venue.client() as http:
        async with AsyncVenueClient("http://venue.test", venue.deployment, client=http) as client:
            await client.status()
        assert not http.is_closed
    own = AsyncVenueClient("http://venue.test", venue.deployment)
    await own.aclose()
    assert own._transport._client.is_closed
    assert isinstance(own._transport._client, httpx.AsyncClient)
