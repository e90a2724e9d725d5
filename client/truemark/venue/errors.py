"""What a venue's no means: one class for each way of handling it, with the venue's code and the chain's reason. Each is
a standard error too."""

from __future__ import annotations

from typing import Final

from truemark.deployment import UnknownMarket
from truemark.errors import TruemarkError
from truemark.gateway import OrderRejected, UnknownOrder
from truemark.wire import ErrorCode, Problem


class VenueError(TruemarkError):
    """The venue answered with an error.

    Attributes:
        code: the venue's, e.g. ErrorCode.MARGIN.
        message: the venue's words.
        chain_reason: the chain's own word for it, e.g. 'MARGIN: buyer'; None: it is not the chain's.
        reason: that if there is one, else the message.
        field: of a request that makes no sense: where.
        order_hash: which order it is about.
        retry_after: seconds until it makes sense to ask again.
    """

    def __init__(self, problem: Problem) -> None:
        self.code = problem.code
        self.message = problem.message
        self.chain_reason = problem.reason
        self.reason: str = problem.reason or problem.message
        self.field = problem.field
        self.order_hash: int | None = problem.order_hash
        self.retry_after = problem.retry_after
        self.problem = problem
        # Not super().__init__: the standard errors among the bases would take other arguments.
        Exception.__init__(self, self.says())

    def says(self) -> str:
        parts = [f"{self.code}: {self.message}"]
        if self.field is not None and self.field not in self.message:
            parts.append(f"(at {self.field})")
        if self.chain_reason is not None and self.chain_reason not in self.message:
            parts.append(f"(the chain says '{self.chain_reason}')")
        if self.order_hash is not None:
            parts.append(f"(order {self.order_hash:#x})")
        return " ".join(parts)

    def __str__(self) -> str:
        return self.says()


class BadRequest(VenueError, ValueError):
    """The request makes no sense to the venue; `field` says where."""


class NotAuthorized(VenueError, PermissionError):
    """No token that the venue knows, or another account's."""


class NotFound(VenueError, LookupError):
    """There is no such thing at the venue."""


class MarketUnknown(NotFound, UnknownMarket):
    """The venue has no market of that name."""


class OrderUnknown(NotFound, UnknownOrder):
    """The venue has no such order."""


class OrderEnded(VenueError, RuntimeError):
    """The order ended before it could be cancelled or modified: filled, cancelled or expired."""


class ClientIdTaken(VenueError, ValueError):
    """The client order id names another order of this account."""


class Rejected(VenueError, OrderRejected):
    """The venue did not take the order: nothing of it rests or fills. `code` says why, and the classes below say what
    to do about it."""


class BadOrderSignature(Rejected):
    """The order was signed for something else or by a key that does not count. What was signed is named: compare its
    hash with that of the wallet."""


class InsufficientMargin(Rejected):
    """The account's margin does not carry it."""


class NotAllowedNow(Rejected):
    """The venue's mode or the market's state does not allow it; it may later."""


class WouldNotDo(Rejected):
    """What the order asks for cannot be had: post-only that would take, fill-or-kill without a fill, reduce-only that
    would add."""


class RateLimited(VenueError, RuntimeError):
    """Too many requests: nothing was done. `retry_after` says when to ask again."""


class VenueUnavailable(VenueError, ConnectionError):
    """The venue does not follow the chain at the moment, or closes: nothing was done."""


class VenueFault(VenueError, RuntimeError):
    """A fault of the venue: what became of the request is not known."""


class NoAnswer(TruemarkError, ConnectionError):
    """No answer that makes sense came from the venue: whether it acted is not known."""


class NoKey(TruemarkError, PermissionError):
    """This needs a key; the client was opened without one."""


_CLASSES: Final[dict[ErrorCode, type[VenueError]]] = {
    ErrorCode.BAD_REQUEST: BadRequest,
    ErrorCode.UNAUTHORIZED: NotAuthorized,
    ErrorCode.FORBIDDEN: NotAuthorized,
    ErrorCode.NOT_FOUND: NotFound,
    ErrorCode.UNKNOWN_MARKET: MarketUnknown,
    ErrorCode.UNKNOWN_ORDER: OrderUnknown,
    ErrorCode.ORDER_ENDED: OrderEnded,
    ErrorCode.CLIENT_ID_TAKEN: ClientIdTaken,
    ErrorCode.RATE_LIMITED: RateLimited,
    ErrorCode.UNAVAILABLE: VenueUnavailable,
    ErrorCode.INTERNAL: VenueFault,
    ErrorCode.BAD_SIGNATURE: BadOrderSignature,
    ErrorCode.UNKNOWN_KEY: BadOrderSignature,
    ErrorCode.WRONG_VENUE: BadOrderSignature,
    ErrorCode.MARGIN: InsufficientMargin,
    ErrorCode.MODE: NotAllowedNow,
    ErrorCode.MARKET_NOT_VALID: NotAllowedNow,
    ErrorCode.OUTSIDE_BAND: NotAllowedNow,
    ErrorCode.WOULD_TAKE: WouldNotDo,
    ErrorCode.WOULD_NOT_FILL: WouldNotDo,
    ErrorCode.NOT_REDUCING: WouldNotDo,
}


def error_of(problem: Problem) -> VenueError:
    """The error that a venue's problem is."""
    return _CLASSES.get(problem.code, Rejected)(problem)
