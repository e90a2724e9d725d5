"""The protocol between the venue and its clients: what goes out comes back the same, and what is wrong is named."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from truemark.felt import PRIME
from truemark.gateway import FillState, OrderState
from truemark.orders import Order, Side, SignedOrder
from truemark.signing import public_key, verify
from truemark.snip12 import TypedData
from truemark.units import decimal_text
from truemark.wire import (
    BookView,
    Challenge,
    Channel,
    ErrorBody,
    ErrorCode,
    FillView,
    Level,
    MessageKind,
    ModifyRequest,
    Operation,
    OrderKind,
    OrderResults,
    OrderView,
    PlaceRequest,
    Problem,
    SelfTrade,
    StreamMessage,
    StreamRequest,
    TimeInForce,
    Trigger,
    TriggerKind,
    WireError,
    status_of,
)

FELTS = st.integers(1, PRIME - 1)
ADDRESSES = st.integers(1, 2**251 - 1)
AMOUNTS = st.decimals(min_value=Decimal("0.00000001"), max_value=Decimal(10**10), places=8)
ORDERS = st.builds(
    Order,
    venue=ADDRESSES,
    account=ADDRESSES,
    epoch=st.integers(0, 2**64 - 1),
    account_epoch=st.integers(0, 2**32 - 1),
    market=st.sampled_from(["BTC-USD-PERP", "ETH-USD-PERP"]),
    is_buy=st.booleans(),
    size=st.integers(0, 2**64 - 1),
    limit_price=st.integers(0, 2**64 - 1),
    max_fee_bps=st.integers(0, 2**16 - 1),
    reduce_only=st.booleans(),
    post_only=st.booleans(),
    expiry=st.integers(0, 2**64 - 1),
    salt=FELTS,
)
SIGNED = st.builds(SignedOrder, ORDERS, FELTS, FELTS, FELTS)
TRIGGERS = st.builds(Trigger, kind=st.sampled_from(TriggerKind), price=AMOUNTS)
PLACES = st.builds(
    PlaceRequest,
    signed=SIGNED,
    client_order_id=st.none() | st.from_regex(r"[A-Za-z0-9._:-]{1,36}", fullmatch=True),
    kind=st.sampled_from(OrderKind),
    time_in_force=st.sampled_from(TimeInForce),
    self_trade=st.sampled_from(SelfTrade),
    trigger=st.none() | TRIGGERS,
)


def through_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


@given(PLACES)
def test_an_order_that_is_sent_arrives_as_it_was(request: PlaceRequest) -> None:
    assert PlaceRequest.parse(through_json(request.dump()), strict=True) == request


@given(SIGNED, AMOUNTS, st.sampled_from(OrderState), st.booleans())
def test_an_order_that_is_told_arrives_as_it_was(
    signed: SignedOrder, amount: Decimal, state: OrderState, busted: bool
) -> None:
    view = OrderView(
        order_hash=signed.r,
        account=signed.order.account,
        market=signed.order.market,
        side=Side.SELL,
        kind=OrderKind.LIMIT,
        time_in_force=TimeInForce.IOC,
        self_trade=SelfTrade.EXPIRE_BOTH,
        reduce_only=True,
        post_only=False,
        price=amount,
        size=amount,
        state=state,
        open=Decimal(0),
        matched=amount,
        filled=Decimal(0),
        reason="MARGIN: buyer" if busted else None,
        expiry=9,
        created_at=3,
        updated_at=4,
        signed=signed,
    )
    assert OrderView.parse(through_json(view.dump())) == view


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30, places=16))
def test_amounts_have_no_exponent_and_lose_nothing(amount: Decimal) -> None:
    text = decimal_text(amount)
    assert "E" not in text.upper()
    assert Decimal(text) == amount


ORDER = Order(
    venue=5,
    account=7,
    epoch=1,
    account_epoch=0,
    market="BTC-USD-PERP",
    is_buy=True,
    size=10_000,
    limit_price=10**12,
    max_fee_bps=3,
    reduce_only=False,
    post_only=False,
    expiry=1_800_000_000,
    salt=1,
)


@pytest.mark.parametrize(
    ("change", "field", "problem"),
    [
        ({"signed.order.size": 10_000}, "signed.order.size", "decimal text is needed"),
        ({"signed.order.size": str(2**64)}, "signed.order.size", "must be at most"),
        ({"signed.order.size": "010"}, "signed.order.size", "decimal text is needed"),
        ({"signed.order.account": "7"}, "signed.order.account", "hexadecimal"),
        ({"signed.order.account": hex(PRIME)}, "signed.order.account", "no field element"),
        ({"signed.order.is_buy": 1}, "signed.order.is_buy", "true or false"),
        ({"signed.order.tip": "1"}, "signed.order.tip", "no such field"),
        ({"signed.order.venue": "0x0"}, "signed.order", "venue 0"),
        ({"signed.signature.r": None}, "signed.signature.r", "hexadecimal"),
        ({"client_order_id": "x" * 37}, "client_order_id", "1 to 36 characters"),
        ({"client_order_id": "a b"}, "client_order_id", "'a b' is not"),
        ({"time_in_force": "gtd"}, "time_in_force", "one of gtc, ioc, fok"),
        ({"trigger": {"kind": "stop_loss", "price": 5.0}}, "trigger.price", "decimal text"),
        ({"trigger": {"kind": "stop_loss", "price": "0"}}, "trigger.price", "above 0"),
        ({"trigger": {"kind": "stop_loss", "price": "1e3"}}, "trigger.price", "decimal text"),
        ({"postonly": True}, "postonly", "no such field"),
    ],
)
def test_what_is_wrong_is_named_by_its_field(change: dict[str, Any], field: str, problem: str) -> None:
    body = through_json(PlaceRequest(signed=SignedOrder(ORDER, 1, 2, 3)).dump())
    for path, value in change.items():
        *parents, last = path.split(".")
        place = body
        for name in parents:
            place = place[name]
        place[last] = value
    with pytest.raises(WireError, match=problem) as refused:
        PlaceRequest.parse(body, strict=True)
    assert refused.value.field == field


def test_what_is_missing_is_named_and_what_has_a_default_is_not() -> None:
    body = through_json(PlaceRequest(signed=SignedOrder(ORDER, 1, 2, 3)).dump())
    assert PlaceRequest.parse({"signed": body["signed"]}) == PlaceRequest(signed=SignedOrder(ORDER, 1, 2, 3))
    del body["signed"]["order"]["salt"]
    with pytest.raises(WireError, match="is missing") as refused:
        PlaceRequest.parse(body)
    assert refused.value.field == "signed.order.salt"


def test_a_client_passes_over_fields_of_a_newer_venue_and_the_venue_does_not() -> None:
    body = {"size": "1", "iceberg": "2"}
    assert ModifyRequest.parse(body).size == 1
    with pytest.raises(WireError, match="no such field"):
        ModifyRequest.parse(body, strict=True)


def test_errors_in_lists_carry_their_place() -> None:
    body = {"market": "BTC-USD-PERP", "seq": 1, "bids": [["1", "2"], ["1", "-2"]], "asks": []}
    with pytest.raises(WireError) as refused:
        BookView.parse(body)
    assert refused.value.field == "bids[1][1]"
    body["bids"] = [["1", "2"]]
    assert BookView.parse(body).bids == (Level(Decimal(1), Decimal(2)),)


def test_every_error_has_a_status_and_says_where() -> None:
    assert {status_of(code) for code in ErrorCode} == {400, 401, 403, 404, 409, 422, 429, 500, 503}
    body = ErrorBody(error=Problem(code=ErrorCode.OFF_STEP, message="m", field="signed.order.size", order_hash=9))
    assert ErrorBody.parse(through_json(body.dump())) == body
    results = {"results": [{"error": body.dump()["error"]}]}
    assert OrderResults.parse(results).results[0].error == body.error


def test_a_fill_is_told_with_its_state() -> None:
    fill = FillView(
        seq=4,
        match=2,
        order_hash=3,
        account=7,
        market="BTC-USD-PERP",
        side=Side.BUY,
        is_maker=True,
        size=Decimal("0.1"),
        price=Decimal(95_000),
        state=FillState.REFUSED,
        reason="MARGIN: buyer",
        time=5,
    )
    assert FillView.parse(through_json(fill.dump())) == fill


def test_stream_requests_say_what_they_lack() -> None:
    for body, field in (
        ({"op": "login"}, "token"),
        ({"op": "subscribe"}, "channel"),
        ({"op": "subscribe", "channel": "book"}, "market"),
        ({"op": "subscribe", "channel": "venue", "market": "BTC-USD-PERP"}, "market"),
    ):
        request = StreamRequest.parse(body, strict=True)
        with pytest.raises(WireError) as refused:
            request.check()
        assert refused.value.field == field
    good = StreamRequest(op=Operation.SUBSCRIBE, id=1, channel=Channel.BOOK, market="BTC-USD-PERP")
    good.check()
    assert StreamRequest.parse(through_json(good.dump()), strict=True) == good


def test_a_stream_message_carries_what_it_carries() -> None:
    message = StreamMessage(
        type=MessageKind.UPDATE, channel=Channel.FILLS, session="a", seq=3, data={"fills": [], "more": {"a": None}}
    )
    assert StreamMessage.parse(through_json(message.dump())) == message


def test_a_challenge_is_signed_as_a_wallet_would_sign_it() -> None:
    chain_id, private = 0x534E5F5345504F4C4941, 77
    challenge = Challenge(venue=5, account=7, nonce=11, expiry=1_700_000_000)
    assert challenge.hash(chain_id) == TypedData(challenge.typed_data(chain_id)).message_hash(challenge.account)
    answer = challenge.signed(private, public_key(private), chain_id)
    assert verify(answer.key, challenge.hash(chain_id), answer.r, answer.s)
    assert (answer.account, answer.nonce) == (7, 11)
