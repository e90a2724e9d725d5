"""Orders as they are sent and as the venue has them, and fills."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from truemark.felt import hex_of
from truemark.gateway import FillState, OrderState
from truemark.orders import BadOrder, Order, Side, SignedOrder
from truemark.units import U16_MAX, U32_MAX, U64_MAX
from truemark.wire.codec import (
    AMOUNT,
    CLIENT_ID,
    COUNT,
    FELT,
    FLAG,
    MARKET,
    POSITIVE,
    SIGNED,
    Codec,
    Record,
    WireError,
    digits,
    many,
    one_of,
    record,
    text,
    wire,
)
from truemark.wire.errors import Problem

#: The most orders in one batch.
MOST_IN_BATCH: Final = 50


class OrderKind(StrEnum):
    LIMIT = "limit"
    #: Takes what is in the band at its limit or better, and never rests.
    MARKET = "market"


class TimeInForce(StrEnum):
    #: Rests until it is filled, cancelled, or expires.
    GTC = "gtc"
    #: What is not filled at once is cancelled.
    IOC = "ioc"
    #: All at once or nothing.
    FOK = "fok"


class SelfTrade(StrEnum):
    """What goes when an order would meet one of its own account."""

    EXPIRE_MAKER = "expire_maker"
    EXPIRE_TAKER = "expire_taker"
    EXPIRE_BOTH = "expire_both"


class TriggerKind(StrEnum):
    #: A buy waits for the mark to rise to the trigger price, a sell for it to fall there.
    STOP_LOSS = "stop_loss"
    #: A buy waits for the mark to fall to the trigger price, a sell for it to rise there.
    TAKE_PROFIT = "take_profit"


# --- the signed order: the SNIP-12 message as it is signed, in the contract's units

_ORDER_FIELDS: Final[dict[str, Codec]] = {
    "venue": FELT,
    "account": FELT,
    "epoch": digits(U64_MAX),
    "account_epoch": digits(U32_MAX),
    "market": MARKET,
    "is_buy": FLAG,
    "size": digits(U64_MAX),
    "limit_price": digits(U64_MAX),
    "max_fee_bps": digits(U16_MAX),
    "reduce_only": FLAG,
    "post_only": FLAG,
    "expiry": digits(U64_MAX),
    "salt": FELT,
}


def _parse_order(value: Any, path: str, _strict: bool) -> Order:
    if not isinstance(value, dict):
        raise WireError(path, "an object is needed")
    # Always strict: what is signed has these fields and no others.
    for name in value:
        if name not in _ORDER_FIELDS:
            raise WireError(f"{path}.{name}", "there is no such field")
    found = {}
    for name, codec in _ORDER_FIELDS.items():
        if name not in value:
            raise WireError(f"{path}.{name}", "is missing")
        found[name] = codec.parse(value[name], f"{path}.{name}", True)
    try:
        return Order(**found)
    except BadOrder as error:
        raise WireError(path, str(error)) from error


def _object(known: Mapping[str, Codec], schemas: dict[str, Any]) -> dict[str, Any]:
    """The JSON Schema of an object with just these fields."""
    properties = {name: codec.schema(schemas) for name, codec in known.items()}
    return {"type": "object", "properties": properties, "required": list(known), "additionalProperties": False}


def _signed_schema(schemas: dict[str, Any]) -> dict[str, Any]:
    signature = Codec(_parse_order, _dump_order, lambda inner: _object({"key": FELT, "r": FELT, "s": FELT}, inner))
    return _object({"order": ORDER, "signature": signature}, schemas)


def _dump_order(order: Order) -> dict[str, Any]:
    return {name: codec.dump(getattr(order, name)) for name, codec in _ORDER_FIELDS.items()}


#: An order by the fields of its SNIP-12 message.
ORDER: Final = Codec(_parse_order, _dump_order, lambda schemas: _object(_ORDER_FIELDS, schemas))


def _parse_signed(value: Any, path: str, _strict: bool) -> SignedOrder:
    if not isinstance(value, dict):
        raise WireError(path, "an object is needed")
    for name in value:
        if name not in ("order", "signature"):
            raise WireError(f"{path}.{name}", "there is no such field")
    for name in ("order", "signature"):
        if name not in value:
            raise WireError(f"{path}.{name}", "is missing")
    order = _parse_order(value["order"], f"{path}.order", True)
    signature = value["signature"]
    if not isinstance(signature, dict) or set(signature) != {"key", "r", "s"}:
        raise WireError(f"{path}.signature", "an object of key, r and s is needed")
    key, r, s = (FELT.parse(signature[name], f"{path}.signature.{name}", True) for name in ("key", "r", "s"))
    return SignedOrder(order, key, r, s)


def _dump_signed(signed: SignedOrder) -> dict[str, Any]:
    signature = {"key": hex_of(signed.key), "r": hex_of(signed.r), "s": hex_of(signed.s)}
    return {"order": _dump_order(signed.order), "signature": signature}


#: {"order": ..., "signature": {"key", "r", "s"}}; key 0: the account approved it on chain.
SIGNED_ORDER: Final = Codec(_parse_signed, _dump_signed, _signed_schema)


# --- requests


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger(Record):
    """When an order that waits goes to the book: at a valid mark on the far side of `price`."""

    kind: TriggerKind = wire(one_of(TriggerKind))
    #: USD for one base unit.
    price: Decimal = wire(POSITIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceRequest(Record):
    """One order and what is not signed of it. The same one sent again is answered with what became of it."""

    signed: SignedOrder = wire(SIGNED_ORDER)
    #: The trader's own name of it, unique in its account for as long as the venue remembers the order.
    client_order_id: str | None = wire(CLIENT_ID, default=None)
    kind: OrderKind = wire(one_of(OrderKind), default=OrderKind.LIMIT)
    time_in_force: TimeInForce = wire(one_of(TimeInForce), default=TimeInForce.GTC)
    self_trade: SelfTrade = wire(one_of(SelfTrade), default=SelfTrade.EXPIRE_TAKER)
    trigger: Trigger | None = wire(record(Trigger), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRequest(Record):
    """Orders, placed one after the other; each has its own result."""

    orders: tuple[PlaceRequest, ...] = wire(many(record(PlaceRequest), MOST_IN_BATCH))


@dataclass(frozen=True, slots=True, kw_only=True)
class ModifyRequest(Record):
    """Exactly one of the two. The old signature stays good on chain: only the contract's `cancel` ends it."""

    #: A smaller whole size, filled and matched parts included, base asset: it keeps its place in the queue.
    size: Decimal | None = wire(POSITIVE, default=None)
    #: Another order in its stead, in one step: what rests of the old one is cancelled. It keeps the place only where
    #: side, price and flags are the same and it is no larger than what was open.
    replacement: PlaceRequest | None = wire(record(PlaceRequest), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequest(Record):
    """Orders to be cancelled, by hash."""

    order_hashes: tuple[int, ...] = wire(many(FELT, MOST_IN_BATCH))


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchRequest(Record):
    """The dead man's switch: unless it is set anew within `seconds`, all of the account's orders are cancelled."""

    #: 5 to 86,400; 0 takes the switch off.
    seconds: int = wire(COUNT)


# --- answers


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderView(Record):
    """An order as the venue has it. Sizes in the base asset, prices in USD for one base unit, times in seconds of block
    time."""

    order_hash: int = wire(FELT)
    client_order_id: str | None = wire(CLIENT_ID, default=None)
    account: int = wire(FELT)
    market: str = wire(MARKET)
    side: Side = wire(one_of(Side))
    kind: OrderKind = wire(one_of(OrderKind))
    time_in_force: TimeInForce = wire(one_of(TimeInForce))
    self_trade: SelfTrade = wire(one_of(SelfTrade))
    trigger: Trigger | None = wire(record(Trigger), default=None)
    reduce_only: bool = wire(FLAG)
    post_only: bool = wire(FLAG)
    price: Decimal = wire(POSITIVE)
    #: As signed, or as it was reduced to.
    size: Decimal = wire(POSITIVE)
    state: OrderState = wire(one_of(OrderState))
    #: Resting or waiting for its trigger; matched and waiting for settlement; settled on chain.
    open: Decimal = wire(AMOUNT)
    matched: Decimal = wire(AMOUNT)
    filled: Decimal = wire(AMOUNT)
    #: Why it ended: a chain's word such as 'MARGIN: buyer', or the venue's.
    reason: str | None = wire(text(2000), default=None)
    expiry: int = wire(COUNT)
    created_at: int = wire(COUNT)
    updated_at: int = wire(COUNT)
    #: As it was sent: with this it can be cancelled on chain too.
    signed: SignedOrder = wire(SIGNED_ORDER, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderResult(Record):
    """Of one order of a batch: exactly one of the two."""

    order: OrderView | None = wire(record(OrderView), default=None)
    error: Problem | None = wire(record(Problem), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderResults(Record):
    """In the order of the request."""

    results: tuple[OrderResult, ...] = wire(many(record(OrderResult)))


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderList(Record):
    """Newest first."""

    orders: tuple[OrderView, ...] = wire(many(record(OrderView)))
    #: Give it back as `before` for the next page; absent: there is none.
    next: int | None = wire(COUNT, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class FillView(Record):
    """One side of a match. It is told when it is matched, and again, with the same `match`, when the chain has settled
    or refused it."""

    #: Rises by every event of the account's fills; `after` of a fills request.
    seq: int = wire(COUNT)
    #: The venue's number of the match; the other side has the same.
    match: int = wire(COUNT)
    order_hash: int = wire(FELT)
    client_order_id: str | None = wire(CLIENT_ID, default=None)
    account: int = wire(FELT)
    market: str = wire(MARKET)
    side: Side = wire(one_of(Side))
    is_maker: bool = wire(FLAG)
    size: Decimal = wire(POSITIVE)
    price: Decimal = wire(POSITIVE)
    #: matched, settled, refused (the chain's word is `reason`) or unknown.
    state: FillState = wire(one_of(FillState))
    reason: str | None = wire(text(2000), default=None)
    #: The settlement's transaction.
    tx_hash: int | None = wire(FELT, default=None)
    #: USD, of a settled one: paid as a fee, received as funding (below 0: paid).
    fee: Decimal = wire(AMOUNT, default=Decimal(0))
    funding: Decimal = wire(SIGNED, default=Decimal(0))
    #: The account's position after a settled one.
    position: Decimal | None = wire(SIGNED, default=None)
    #: Block time of the match.
    time: int = wire(COUNT)


@dataclass(frozen=True, slots=True, kw_only=True)
class FillList(Record):
    """By `seq`, oldest first; each fill once, as it is now."""

    fills: tuple[FillView, ...] = wire(many(record(FillView)))
    #: There are more: ask again with `after` = this.
    next: int | None = wire(COUNT, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchView(Record):
    """The dead man's switch."""

    #: Seconds that are left; absent: it is off.
    remaining: int | None = wire(COUNT, default=None)
