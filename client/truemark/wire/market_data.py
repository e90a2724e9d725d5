"""What anybody may read of a venue: its state, its markets, their books, trades and candles."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum
from typing import Any, Final

from truemark.gateway import FillState
from truemark.models import MarketStatus, Mode
from truemark.orders import Side
from truemark.wire.codec import (
    AMOUNT,
    COUNT,
    FELT,
    MARKET,
    POSITIVE,
    SIGNED,
    TEXT,
    Codec,
    Record,
    WireError,
    many,
    one_of,
    record,
    wire,
)


class Interval(IntEnum):
    """Widths of candles, seconds."""

    MINUTE = 60
    FIVE_MINUTES = 300
    QUARTER = 900
    HOUR = 3600
    DAY = 86_400


def _parse_interval(value: Any, path: str, _strict: bool) -> Interval:
    if not isinstance(value, int) or isinstance(value, bool) or value not in set(Interval):
        raise WireError(path, f"must be one of {', '.join(str(int(one)) for one in Interval)} seconds")
    return Interval(value)


INTERVAL: Final = Codec(_parse_interval, int, lambda _: {"type": "integer", "enum": [int(one) for one in Interval]})


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueView(Record):
    """The venue now."""

    name: str = wire(TEXT)
    #: This run of the venue: with another one every stream's numbers begin anew.
    session: str = wire(TEXT)
    chain_id: int = wire(FELT)
    #: The clearinghouse: `venue` of an order.
    venue: int = wire(FELT)
    epoch: int = wire(COUNT)
    #: The mode in force.
    mode: Mode = wire(one_of(Mode))
    #: The newest block that the venue knows, and its time, seconds: the clock of expiries.
    block: int = wire(COUNT)
    time: int = wire(COUNT)
    markets: tuple[str, ...] = wire(many(MARKET))


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketView(Record):
    """A market now. Prices in USD for one base unit, sizes in the base asset, fees in bps."""

    market: str = wire(MARKET)
    index: int = wire(COUNT)
    status: MarketStatus = wire(one_of(MarketStatus))
    #: The last good mark; absent until there is one.
    mark: Decimal | None = wire(POSITIVE, default=None)
    lot_size: Decimal = wire(POSITIVE)
    tick_size: Decimal = wire(POSITIVE)
    maker_fee_bps: int = wire(COUNT)
    taker_fee_bps: int = wire(COUNT)
    #: Between these prices a fill can be now; absent: nowhere.
    band_low: Decimal | None = wire(POSITIVE, default=None)
    band_high: Decimal | None = wire(POSITIVE, default=None)
    best_bid: Decimal | None = wire(POSITIVE, default=None)
    best_ask: Decimal | None = wire(POSITIVE, default=None)
    last_price: Decimal | None = wire(POSITIVE, default=None)
    #: Traded in the last 24 hours, base asset.
    volume: Decimal = wire(AMOUNT)


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketList(Record):
    markets: tuple[MarketView, ...] = wire(many(record(MarketView)))


@dataclass(frozen=True, slots=True)
class Level:
    """All that rests at one price."""

    #: USD for one base unit.
    price: Decimal
    #: Base asset; 0 in an update: the level is gone.
    size: Decimal


def _parse_level(value: Any, path: str, strict: bool) -> Level:
    if not isinstance(value, list) or len(value) != 2:
        raise WireError(path, "a list of price and size is needed")
    return Level(POSITIVE.parse(value[0], f"{path}[0]", strict), AMOUNT.parse(value[1], f"{path}[1]", strict))


#: ["95475.1", "0.25"].
LEVEL: Final = Codec(
    _parse_level,
    lambda level: [POSITIVE.dump(level.price), AMOUNT.dump(level.size)],
    lambda schemas: {"type": "array", "items": AMOUNT.schema(schemas), "minItems": 2, "maxItems": 2},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BookView(Record):
    """Best first. As an update: only the levels that changed, with what they have now."""

    market: str = wire(MARKET)
    #: That of the `book` stream that this state belongs to.
    seq: int = wire(COUNT)
    bids: tuple[Level, ...] = wire(many(LEVEL))
    asks: tuple[Level, ...] = wire(many(LEVEL))


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeView(Record):
    """A match on the public tape; told again, with the same number, when the chain refused it."""

    match: int = wire(COUNT)
    market: str = wire(MARKET)
    price: Decimal = wire(POSITIVE)
    size: Decimal = wire(POSITIVE)
    #: The taker's.
    side: Side = wire(one_of(Side))
    state: FillState = wire(one_of(FillState))
    #: Block time.
    time: int = wire(COUNT)


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeList(Record):
    """Newest first."""

    trades: tuple[TradeView, ...] = wire(many(record(TradeView)))


@dataclass(frozen=True, slots=True, kw_only=True)
class CandleView(Record):
    """Trades of one interval; those that the chain refused do not count."""

    #: Block time at which it begins.
    start: int = wire(COUNT)
    open: Decimal = wire(POSITIVE)
    high: Decimal = wire(POSITIVE)
    low: Decimal = wire(POSITIVE)
    close: Decimal = wire(POSITIVE)
    #: Base asset.
    volume: Decimal = wire(AMOUNT)
    trades: int = wire(COUNT)


@dataclass(frozen=True, slots=True, kw_only=True)
class CandleList(Record):
    """Oldest first; intervals without a trade are left out."""

    market: str = wire(MARKET)
    interval: Interval = wire(INTERVAL)
    candles: tuple[CandleView, ...] = wire(many(record(CandleView)))


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionView(Record):
    """A position with what is matched and not settled yet. Long above 0."""

    market: str = wire(MARKET)
    size: Decimal = wire(SIGNED)
    #: On chain; the difference waits for settlement.
    settled: Decimal = wire(SIGNED)
    mark: Decimal | None = wire(POSITIVE, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountView(Record):
    """A margin account as the venue counts it, USD: with what is matched, and open orders at their worst."""

    account: int = wire(FELT)
    account_epoch: int = wire(COUNT)
    #: The block that it is read from.
    block: int = wire(COUNT)
    collateral: Decimal = wire(SIGNED)
    #: V, and the initial and maintenance requirements.
    value: Decimal = wire(SIGNED)
    initial: Decimal = wire(AMOUNT)
    maintenance: Decimal = wire(AMOUNT)
    #: What open orders need beyond `initial`, at their worst.
    reserved: Decimal = wire(AMOUNT)
    positions: tuple[PositionView, ...] = wire(many(record(PositionView)))
