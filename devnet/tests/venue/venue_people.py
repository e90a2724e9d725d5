"""A small venue in memory for the engine's tests: two markets, any number of accounts."""

from __future__ import annotations

from decimal import Decimal
from itertools import count
from typing import Any

from truemark.models import MarketStatus, Mode
from truemark.orders import Order, SignedOrder
from truemark.risk import NO_TIER, MarginTier
from truemark.wire import PlaceRequest, Trigger, TriggerKind
from truemark_devnet.venue.chainview import ChainAccount, ChainView, MarketMark, MarketTerms
from truemark_devnet.venue.engine import Engine
from truemark_devnet.venue.live import LiveOrder

VENUE = 0xC1EA
BTC, ETH = "BTC-USD-PERP", "ETH-USD-PERP"
USD = 10**8
#: 1e-8 of the base asset in one lot.
LOT = 10_000
NOW = 1_000_000
_salts = count(1)
_hashes = count(1000)

TERMS = {
    index: MarketTerms(
        index=index,
        name=name,
        tiers=(MarginTier(0, 500, 300), NO_TIER, NO_TIER),
        lot_size=LOT,
        tick_size=USD,
        maker_fee_bps=0,
        taker_fee_bps=3,
        max_position=10**15,
    )
    for index, name in enumerate((BTC, ETH))
}


def view(
    mode: Mode = Mode.FULL,
    *,
    btc: int = 100,
    eth: int = 50,
    now: int = NOW,
    epoch: int = 1,
    block: int = 1,
    status: MarketStatus = MarketStatus.VALID,
) -> ChainView:
    """Prices in whole USD."""
    marks = {index: MarketMark(status, price * USD, 0, price * USD, 0) for index, price in enumerate((btc, eth))}
    return ChainView(block, now, epoch, mode, 1000, 100, marks)


def engine(*accounts: int, collateral: int = 10**12, at: ChainView | None = None, **positions: Any) -> Engine:
    """Each account with `collateral` (1e-6 USD)."""
    found = Engine(VENUE, TERMS, at or view())
    for address in accounts:
        found.know(address, ChainAccount(1, collateral, 0, positions.get(f"a{address}", {})))
    return found


def request(
    account: int,
    side: str,
    size: int,
    price: int,
    *,
    market: str = BTC,
    expiry: int = NOW + 1000,
    reduce_only: bool = False,
    post_only: bool = False,
    trigger: tuple[TriggerKind, int] | None = None,
    epoch: int = 1,
    max_fee_bps: int = 3,
    **instructions: Any,
) -> PlaceRequest:
    """Size in lots, prices in whole USD."""
    order = Order(
        venue=VENUE,
        account=account,
        epoch=epoch,
        account_epoch=0,
        market=market,
        is_buy=side == "buy",
        size=size * LOT,
        limit_price=price * USD,
        max_fee_bps=max_fee_bps,
        reduce_only=reduce_only,
        post_only=post_only,
        expiry=expiry,
        salt=next(_salts),
    )
    if trigger is not None:
        instructions["trigger"] = Trigger(kind=trigger[0], price=Decimal(trigger[1]))
    return PlaceRequest(signed=SignedOrder(order, 1, 2, 3), **instructions)


def place(venue: Engine, *arguments: Any, **named: Any) -> LiveOrder:
    return venue.place(request(*arguments, **named), next(_hashes))


def settle_all(venue: Engine, block: int = 2) -> None:
    """The chain takes everything."""
    for match in list(venue.matches.values()):
        venue.settled(match, block, 0x7A, fees=(0, 0), funding=(0, 0), positions=(0, 0))
