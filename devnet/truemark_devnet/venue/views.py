"""The engine's integers as the wire's records."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from truemark.gateway import FillState
from truemark.orders import Side
from truemark.units import BPS, from_collateral, from_price, from_size, from_value
from truemark.wire import (
    AccountView,
    BookView,
    CandleView,
    FillView,
    Interval,
    Level,
    MarketView,
    OrderView,
    PositionView,
    TradeView,
    Trigger,
)

from truemark_devnet.venue.chainview import MarketTerms
from truemark_devnet.venue.engine import Engine
from truemark_devnet.venue.live import LiveOrder, Match
from truemark_devnet.venue.log import Tape


def side_of(is_buy: bool) -> Side:
    return Side.BUY if is_buy else Side.SELL


def order_view(order: LiveOrder) -> OrderView:
    trigger = None
    if order.trigger is not None:
        trigger = Trigger(kind=order.trigger, price=from_price(order.trigger_price))
    return OrderView(
        order_hash=order.order_hash,
        client_order_id=order.client_id,
        account=order.account,
        market=order.signed.order.market,
        side=side_of(order.is_buy),
        kind=order.kind,
        time_in_force=order.time_in_force,
        self_trade=order.self_trade,
        trigger=trigger,
        reduce_only=order.reduce_only,
        post_only=order.post_only,
        price=from_price(order.price),
        size=from_size(order.size),
        state=order.state,
        open=from_size(order.open),
        matched=from_size(order.matched),
        filled=from_size(order.filled),
        reason=order.reason,
        expiry=order.expiry,
        created_at=order.created_at,
        updated_at=order.updated_at,
        signed=order.signed,
    )


def fill_view(match: Match, *, is_maker: bool, seq: int) -> FillView:
    order = match.maker if is_maker else match.taker
    at = 0 if is_maker else 1
    settled = match.state is FillState.SETTLED
    return FillView(
        seq=seq,
        match=match.number,
        order_hash=order.order_hash,
        client_order_id=order.client_id,
        account=order.account,
        market=order.signed.order.market,
        side=side_of(order.is_buy),
        is_maker=is_maker,
        size=from_size(match.size),
        price=from_price(match.price),
        state=match.state,
        reason=match.reason,
        tx_hash=match.tx_hash,
        fee=from_collateral(match.fees[at]) if settled else Decimal(0),
        funding=from_collateral(match.funding[at]) if settled else Decimal(0),
        position=from_size(match.positions[at]) if settled else None,
        time=match.time,
    )


def trade_view(trade: Tape, market: str) -> TradeView:
    return TradeView(
        match=trade.number,
        market=market,
        price=from_price(trade.price),
        size=from_size(trade.size),
        side=side_of(trade.taker_buys),
        state=trade.state,
        time=trade.time,
    )


def tape_of(match: Match) -> Tape:
    return Tape(match.number, match.price, match.size, match.taker.is_buy, match.time, match.state)


def book_view(engine: Engine, market: int, seq: int, depth: int | None = None) -> BookView:
    book = engine.books[market]
    bids, asks = (
        tuple(Level(from_price(price), from_size(size)) for price, size in side.depth(depth))
        for side in (book.bids, book.asks)
    )
    return BookView(market=engine.terms[market].name, seq=seq, bids=bids, asks=asks)


def levels_view(engine: Engine, market: int, seq: int, levels: Iterable[tuple[bool, int]]) -> BookView:
    """What is at these (is_bid, price) now."""
    book = engine.books[market]
    found: dict[bool, list[Level]] = {True: [], False: []}
    for is_bid, price in sorted(levels):
        found[is_bid].append(Level(from_price(price), from_size(book.side(is_bid).size_at(price))))
    return BookView(market=engine.terms[market].name, seq=seq, bids=tuple(found[True][::-1]), asks=tuple(found[False]))


def market_view(engine: Engine, terms: MarketTerms, last_price: int | None, volume: int) -> MarketView:
    mark = engine.view.marks[terms.index]
    band = engine.view.band(terms.index)
    book = engine.books[terms.index]
    bid, ask = book.bids.best, book.asks.best
    return MarketView(
        market=terms.name,
        index=terms.index,
        status=mark.status,
        mark=from_price(mark.price) if mark.price else None,
        lot_size=from_size(terms.lot_size),
        tick_size=from_price(terms.tick_size),
        maker_fee_bps=terms.maker_fee_bps,
        taker_fee_bps=terms.taker_fee_bps,
        band_low=None if band is None else from_price(band[0]),
        band_high=None if band is None else from_price(band[1]),
        best_bid=None if bid is None else from_price(bid),
        best_ask=None if ask is None else from_price(ask),
        last_price=None if last_price is None else from_price(last_price),
        volume=from_size(volume),
    )


def account_view(engine: Engine, address: int) -> AccountView:
    """The account is known to the engine."""
    trader = engine.traders[address]
    view, terms = engine.view, engine.terms
    value, initial, maintenance = trader.value_and_requirement(view, terms, worst=False)
    worst = trader.value_and_requirement(view, terms, worst=True)[1]
    reserved = max(trader.reserved(view, terms) - worst, 0)
    markets = sorted({*trader.sizes, *(market for market, (size, _) in trader.chain.positions.items() if size)})
    return AccountView(
        account=address,
        account_epoch=trader.chain.epoch,
        block=trader.chain.block,
        collateral=from_collateral(trader.cash),
        value=from_value(value),
        initial=from_value(-(-initial // BPS)),
        maintenance=from_value(-(-maintenance // BPS)),
        reserved=from_value(-(-reserved // BPS)),
        positions=tuple(
            PositionView(
                market=terms[market].name,
                size=from_size(trader.sizes.get(market, 0)),
                settled=from_size(trader.chain.positions.get(market, (0, 0))[0]),
                mark=from_price(view.marks[market].price) if view.marks[market].price else None,
            )
            for market in markets
        ),
    )


def candles(trades: Iterable[Tape], interval: Interval) -> tuple[CandleView, ...]:
    """Of trades, newest first, that the chain did not refuse."""
    groups: dict[int, list[Tape]] = {}
    for trade in trades:
        if trade.state is not FillState.REFUSED:
            groups.setdefault(trade.time - trade.time % interval, []).append(trade)
    return tuple(
        CandleView(
            start=start,
            open=from_price(group[-1].price),
            high=from_price(max(trade.price for trade in group)),
            low=from_price(min(trade.price for trade in group)),
            close=from_price(group[0].price),
            volume=from_size(sum(trade.size for trade in group)),
            trades=len(group),
        )
        for start, group in sorted(groups.items())
    )
