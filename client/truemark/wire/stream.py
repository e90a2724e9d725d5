"""The WebSocket: what a client asks, and what it is sent.

Every subscription is answered with a snapshot and then updates. `seq` rises by exactly 1 from one message of a stream
to the next: another step is a gap, after which the client subscribes anew. With another `session` all numbers begin
anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from truemark.wire.codec import COUNT, MARKET, TEXT, Codec, Record, WireError, one_of, record, text, wire
from truemark.wire.errors import Problem


class Channel(StrEnum):
    """With the type of `data`; those of one market carry `market`."""

    #: VenueView, in every message.
    VENUE = "venue"
    #: MarketView of one market, in every message: its mark and band.
    MARKET = "market"
    #: BookView of one market: whole, then the levels that changed.
    BOOK = "book"
    #: {"trades": [TradeView]} of one market: the last ones, then new ones and those that were refused.
    TRADES = "trades"
    #: Private. {"orders": [OrderView]}: all that are not final, then each that changed.
    ORDERS = "orders"
    #: Private. {"fills": [FillView]}: the last ones, then each that happened or changed.
    FILLS = "fills"
    #: Private. AccountView, in every message.
    ACCOUNT = "account"

    @property
    def private(self) -> bool:
        return self in PRIVATE

    @property
    def of_market(self) -> bool:
        return self in OF_MARKET


PRIVATE: Final = frozenset({Channel.ORDERS, Channel.FILLS, Channel.ACCOUNT})
OF_MARKET: Final = frozenset({Channel.MARKET, Channel.BOOK, Channel.TRADES})


class Operation(StrEnum):
    #: With `token`; needed before a private channel.
    LOGIN = "login"
    SUBSCRIBE = "subscribe"
    UNSUBSCRIBE = "unsubscribe"
    PING = "ping"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRequest(Record):
    """From the client."""

    op: Operation = wire(one_of(Operation))
    #: Comes back in the answer.
    id: int | None = wire(COUNT, default=None)
    channel: Channel | None = wire(one_of(Channel), default=None)
    market: str | None = wire(MARKET, default=None)
    token: str | None = wire(text(200), default=None, repr=False)

    def check(self) -> None:
        """
        Raises:
            WireError: a field that the operation needs is missing.
        """
        if self.op is Operation.LOGIN and self.token is None:
            raise WireError("token", "is missing")
        if self.op in (Operation.SUBSCRIBE, Operation.UNSUBSCRIBE):
            if self.channel is None:
                raise WireError("channel", "is missing")
            if self.channel.of_market != (self.market is not None):
                raise WireError("market", "is missing" if self.channel.of_market else f"is not of {self.channel}")


class MessageKind(StrEnum):
    #: Answers to requests.
    DONE = "done"
    ERROR = "error"
    PONG = "pong"
    #: Of streams.
    SNAPSHOT = "snapshot"
    UPDATE = "update"


def _parse_any(value: Any, path: str, _strict: bool) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise WireError(path, "an object is needed")
    return value


_OBJECT: Final = Codec(_parse_any, lambda value: value)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamMessage(Record):
    """From the venue."""

    type: MessageKind = wire(one_of(MessageKind))
    #: Of an answer.
    id: int | None = wire(COUNT, default=None)
    error: Problem | None = wire(record(Problem), default=None)
    #: Of a stream: what it is, its number, and the run of the venue that counts.
    channel: Channel | None = wire(one_of(Channel), default=None)
    market: str | None = wire(MARKET, default=None)
    session: str | None = wire(TEXT, default=None)
    seq: int | None = wire(COUNT, default=None)
    #: As Channel says; read it with the record of that name.
    data: dict[str, Any] | None = wire(_OBJECT, default=None)


#: Close codes of the WebSocket beside the standard's.
CLOSE_TOO_SLOW: Final = 4008
CLOSE_RATE_LIMITED: Final = 4029
