"""Why the venue says no: one code for each reason, for programs; the message is for people."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from truemark.wire.codec import COUNT, FELT, TEXT, Record, one_of, record, text, wire


class ErrorCode(StrEnum):
    # --- the request itself
    #: Not JSON, a field missing or wrong: `field` names it.
    BAD_REQUEST = "BAD_REQUEST"
    #: No token, or one that is not known any more: make a new one.
    UNAUTHORIZED = "UNAUTHORIZED"
    #: The token is another account's.
    FORBIDDEN = "FORBIDDEN"
    NOT_FOUND = "NOT_FOUND"
    #: `retry_after` says when.
    RATE_LIMITED = "RATE_LIMITED"
    UNKNOWN_MARKET = "UNKNOWN_MARKET"
    UNKNOWN_ORDER = "UNKNOWN_ORDER"
    #: The order ended already, so it can be neither cancelled nor modified.
    ORDER_ENDED = "ORDER_ENDED"
    # --- the signed order
    WRONG_VENUE = "WRONG_VENUE"
    #: Of another epoch of the venue.
    WRONG_EPOCH = "WRONG_EPOCH"
    #: Of an account epoch that the account's `cancel_all` ended.
    WRONG_ACCOUNT_EPOCH = "WRONG_ACCOUNT_EPOCH"
    EXPIRED = "EXPIRED"
    BAD_SIGNATURE = "BAD_SIGNATURE"
    #: The account has not registered that trading key, or it expired.
    UNKNOWN_KEY = "UNKNOWN_KEY"
    #: On chain it is filled or cancelled.
    SPENT = "SPENT"
    #: No whole number of lots, or off the tick.
    OFF_STEP = "OFF_STEP"
    #: `max_fee_bps` is below the market's fee.
    FEE_CAP = "FEE_CAP"
    #: Two instructions that do not go together: `field` names one.
    CONTRADICTION = "CONTRADICTION"
    #: The client order id is another order's.
    CLIENT_ID_TAKEN = "CLIENT_ID_TAKEN"
    # --- the state of the venue
    #: The venue's mode does not allow it.
    MODE = "MODE"
    #: The market has no valid mark.
    MARKET_NOT_VALID = "MARKET_NOT_VALID"
    #: The limit is further from the mark than the venue allows.
    OUTSIDE_BAND = "OUTSIDE_BAND"
    #: Initial margin does not carry it, with everything open at its worst.
    MARGIN = "MARGIN"
    #: Reduce-only, and it would not reduce.
    NOT_REDUCING = "NOT_REDUCING"
    #: A cap of the market or the account.
    CAP = "CAP"
    #: Post-only, and it would take.
    WOULD_TAKE = "WOULD_TAKE"
    #: Fill-or-kill, and the book cannot fill it.
    WOULD_NOT_FILL = "WOULD_NOT_FILL"
    TOO_MANY_ORDERS = "TOO_MANY_ORDERS"
    # --- the venue's own trouble
    #: The venue does not follow the chain at the moment, or closes: nothing was done.
    UNAVAILABLE = "UNAVAILABLE"
    #: A fault of the venue: what became of the request is not known.
    INTERNAL = "INTERNAL"


#: The HTTP status that goes with a code; all others are 422.
STATUS: dict[ErrorCode, int] = {
    ErrorCode.BAD_REQUEST: 400,
    ErrorCode.UNAUTHORIZED: 401,
    ErrorCode.FORBIDDEN: 403,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.UNKNOWN_MARKET: 404,
    ErrorCode.UNKNOWN_ORDER: 404,
    ErrorCode.ORDER_ENDED: 409,
    ErrorCode.CLIENT_ID_TAKEN: 409,
    ErrorCode.RATE_LIMITED: 429,
    ErrorCode.INTERNAL: 500,
    ErrorCode.UNAVAILABLE: 503,
}


def status_of(code: ErrorCode) -> int:
    """The HTTP status of an answer with this code."""
    return STATUS.get(code, 422)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem(Record):
    """What went wrong."""

    code: ErrorCode = wire(one_of(ErrorCode))
    message: str = wire(text(2000))
    #: Of a bad request: where it is wrong, e.g. `order.size`.
    field: str | None = wire(TEXT, default=None)
    #: The chain's own word for it, e.g. 'MARGIN: buyer'.
    reason: str | None = wire(TEXT, default=None)
    order_hash: int | None = wire(FELT, default=None)
    #: Seconds until it makes sense to ask again.
    retry_after: int | None = wire(COUNT, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorBody(Record):
    """The body of every answer that is no success."""

    error: Problem = wire(record(Problem))
