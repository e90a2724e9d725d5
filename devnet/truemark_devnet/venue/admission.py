"""Whether an order may come at all: what it says itself, and what the venue's mode and the market allow."""

from __future__ import annotations

from collections.abc import Mapping

from truemark.models import Mode
from truemark.orders import Order
from truemark.units import BadAmount, to_price
from truemark.wire import ErrorCode, OrderKind, PlaceRequest, TimeInForce

from truemark_devnet.venue.chainview import ChainView, MarketTerms
from truemark_devnet.venue.live import LiveOrder, Refused, price_text, size_text


def check_signed_fields(
    order: Order, venue: int, names: Mapping[str, int], terms: Mapping[int, MarketTerms], view: ChainView
) -> int:
    """The index of its market.

    Raises:
        Refused: the chain would settle no fill of it.
    """
    if order.venue != venue:
        raise Refused(ErrorCode.WRONG_VENUE, f"it is for the venue {order.venue:#x}, this is {venue:#x}")
    index = names.get(order.market)
    if index is None:
        raise Refused(ErrorCode.UNKNOWN_MARKET, f"no market {order.market}", field="signed.order.market")
    market = terms[index]
    if order.epoch != view.epoch:
        raise Refused(ErrorCode.WRONG_EPOCH, f"it is of epoch {order.epoch}, the venue is in {view.epoch}")
    if order.expiry <= view.now:
        raise Refused(ErrorCode.EXPIRED, f"it expired at {order.expiry}, it is {view.now}")
    if order.size <= 0 or order.size % market.lot_size:
        raise Refused(
            ErrorCode.OFF_STEP,
            f"size {size_text(order.size)} is not a whole number of lots of {size_text(market.lot_size)}",
            field="signed.order.size",
        )
    if order.limit_price <= 0 or order.limit_price % market.tick_size:
        raise Refused(
            ErrorCode.OFF_STEP,
            f"price {price_text(order.limit_price)} is off the tick of {price_text(market.tick_size)}",
            field="signed.order.limit_price",
        )
    if order.max_fee_bps < (market.maker_fee_bps if order.post_only else market.taker_fee_bps):
        raise Refused(
            ErrorCode.FEE_CAP,
            f"max_fee_bps {order.max_fee_bps} is below the market's fee",
            field="signed.order.max_fee_bps",
        )
    return index


def trigger_price(request: PlaceRequest) -> int:
    """1e-8 USD; 0: it does not wait.

    Raises:
        Refused: it is no price.
    """
    if request.trigger is None:
        return 0
    try:
        return to_price(request.trigger.price)
    except BadAmount as error:
        raise Refused(ErrorCode.BAD_REQUEST, str(error), field="trigger.price") from error


def check_instructions(request: PlaceRequest, order: LiveOrder) -> None:
    """
    Raises:
        Refused: two of them do not go together.
    """
    if request.kind is OrderKind.MARKET and request.time_in_force is not TimeInForce.IOC:
        raise Refused(ErrorCode.CONTRADICTION, "a market order is immediate-or-cancel", field="time_in_force")
    if order.post_only and order.is_immediate:
        raise Refused(ErrorCode.CONTRADICTION, "post-only rests, this never does", field="time_in_force")
    if request.trigger is not None and order.post_only:
        raise Refused(ErrorCode.CONTRADICTION, "a triggered order takes, post-only does not", field="trigger")


def entry_refusal(order: LiveOrder, view: ChainView, terms: MarketTerms) -> None:
    """
    Raises:
        Refused: the venue's mode, the market's state or the band stand against it.
    """
    mark = view.marks[order.market]
    if view.mode is Mode.HALTED:
        raise Refused(ErrorCode.MODE, "the venue is halted")
    if view.mode is Mode.CANCEL_ONLY and not order.reduce_only:
        raise Refused(ErrorCode.MODE, "the venue takes reduce-only orders and cancels only")
    if view.mode is Mode.POST_ONLY and not (order.reduce_only or order.post_only):
        raise Refused(ErrorCode.MODE, "the venue takes post-only and reduce-only orders only")
    if not order.reduce_only and not mark.valid:
        raise Refused(ErrorCode.MARKET_NOT_VALID, f"{terms.name} is {mark.status}")
    band = view.band(order.market)
    if band is None:
        raise Refused(ErrorCode.MARKET_NOT_VALID, f"{terms.name} cannot be filled now")
    low, high = band
    if order.post_only and view.mode is not Mode.FULL and not low <= order.price <= high:
        raise Refused(
            ErrorCode.OUTSIDE_BAND,
            f"in {view.mode} a price is from {price_text(low)} to {price_text(high)}",
            field="signed.order.limit_price",
        )
    # A limit on the aggressive side beyond the band is a slip, unless it never rests.
    if not order.is_immediate and (order.price > high if order.is_buy else order.price < low):
        raise Refused(
            ErrorCode.OUTSIDE_BAND,
            f"fills are from {price_text(low)} to {price_text(high)} now",
            field="signed.order.limit_price",
        )
