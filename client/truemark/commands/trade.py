"""`truemark trade`: markets and books for anyone, orders with a key."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Final

import typer

from truemark.commands.common import JsonOption, console, print_json
from truemark.commands.traders import (
    Command,
    MarketArgument,
    MarketOption,
    YesOption,
    confirm,
    open_trader,
    open_venue,
    opened_by,
    plain,
    show,
)
from truemark.orders import Side
from truemark.units import to_price
from truemark.wire import Interval, TimeInForce, Trigger, TriggerKind

_ORDER: Final = ("order_hash", "client_order_id", "market", "side", "size", "price", "state", "filled", "reason")
_FILL: Final = ("market", "side", "size", "price", "fee", "funding", "state", "reason", "tx_hash")
_MARKET: Final = ("market", "status", "mark", "best_bid", "best_ask", "volume", "tick_size", "lot_size")
_CANDLE: Final = ("start", "open", "high", "low", "close", "volume", "trades")
_POSITION: Final = ("market", "size", "mark", "value", "funding", "liquidation_price", "status")


def _interval(text: str) -> Interval:
    try:
        return Interval(int(text))
    except ValueError:
        widths = ", ".join(str(int(width)) for width in Interval)
        raise typer.BadParameter(f"{text!r} is no width of a candle, seconds: {widths}") from None


OrderArgument = Annotated[str, typer.Argument(help="The order's hash (0x...) or its client order id.")]
SizeArgument = Annotated[str, typer.Argument(help="In the base asset.")]
PriceOption = Annotated[
    str | None, typer.Option("--price", help="The limit, USD; without one at the market.", show_default=False)
]


def register(app: typer.Typer) -> None:
    group = typer.Typer(name="trade", help="Markets, orders, fills and positions at a venue.", no_args_is_help=True)
    for command in (markets, book, candles):
        group.command()(command)
    group.command("buy", help="Buy: open or add to a long position, or reduce a short one.")(_placing(Side.BUY))
    group.command("sell", help="Sell: open or add to a short position, or reduce a long one.")(_placing(Side.SELL))
    for command in (orders, modify, cancel, fills, positions, watch):
        group.command()(command)
    group.command("cancel-all")(cancel_all)
    app.add_typer(group)


@opened_by(open_venue)
def markets(client: Any, as_json: JsonOption = False) -> None:
    """Show every market: mark, best prices, steps."""
    show(client.markets(), _MARKET, as_json, empty="the venue lists no market")


@opened_by(open_venue)
def book(
    client: Any,
    market: MarketArgument,
    depth: Annotated[int, typer.Option(min=1, help="Levels of each side.")] = 10,
    as_json: JsonOption = False,
) -> None:
    """Show a market's order book."""
    found = client.book(market, depth)
    if as_json:
        print_json(plain(found))
        return
    rows = [{"side": "ask", "price": level.price, "size": level.size} for level in reversed(found.asks)]
    rows += [{"side": "bid", "price": level.price, "size": level.size} for level in found.bids]
    show(rows, ("side", "price", "size"), as_json, empty="the book is empty")


@opened_by(open_venue)
def candles(
    client: Any,
    market: MarketArgument,
    interval: Annotated[
        Interval, typer.Option(parser=_interval, metavar="SECONDS", help="Seconds: 60, 300, 900, 3600 or 86400.")
    ] = Interval.HOUR,
    as_json: JsonOption = False,
) -> None:
    """Show a market's candles, oldest first."""
    show(client.candles(market, interval), _CANDLE, as_json, empty="no trade yet")


def _placing(side: Side) -> Command:
    """The command that places an order of this side."""

    @opened_by(open_trader)
    def place(
        trader: Any,
        market: MarketArgument,
        size: SizeArgument,
        price: PriceOption = None,
        reduce_only: Annotated[
            bool, typer.Option("--reduce-only", help="Never opens or adds.", show_default=False)
        ] = False,
        post_only: Annotated[bool, typer.Option("--post-only", help="Never takes.", show_default=False)] = False,
        time_in_force: Annotated[TimeInForce, typer.Option(help="gtc, ioc or fok.")] = TimeInForce.GTC,
        client_order_id: Annotated[str | None, typer.Option(help="Your own name of it.", show_default=False)] = None,
        stop_loss: Annotated[
            str | None, typer.Option(help="Wait until the mark is this far against it, USD.", show_default=False)
        ] = None,
        take_profit: Annotated[
            str | None, typer.Option(help="Wait until the mark is this far for it, USD.", show_default=False)
        ] = None,
        yes: YesOption = False,
        as_json: JsonOption = False,
    ) -> None:
        if stop_loss is not None and take_profit is not None:
            raise typer.BadParameter("one of --stop-loss and --take-profit")
        trigger = _trigger(TriggerKind.STOP_LOSS, stop_loss) or _trigger(TriggerKind.TAKE_PROFIT, take_profit)
        confirm(f"{side} {size} {market} at {price or 'the market'}", yes)
        ack = trader.place(
            market,
            side,
            size,
            price,
            reduce_only=reduce_only,
            post_only=post_only,
            time_in_force=time_in_force,
            client_order_id=client_order_id,
            trigger=trigger,
        )
        if ack.matched:
            ack = trader.settled(ack, timeout=60)
        show(ack, _ORDER, as_json, empty="")

    return place


def _trigger(kind: TriggerKind, at: str | None) -> Trigger | None:
    if at is None:
        return None
    to_price(at)
    return Trigger(kind=kind, price=Decimal(at))


@opened_by(open_trader)
def orders(trader: Any, market: MarketOption = None, as_json: JsonOption = False) -> None:
    """Show open orders, newest first."""
    show(trader.open_orders(market), _ORDER, as_json, empty="no open order")


@opened_by(open_trader)
def modify(
    trader: Any,
    order: OrderArgument,
    size: Annotated[str | None, typer.Option(help="The whole size from now on.", show_default=False)] = None,
    price: PriceOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Change what rests of an order."""
    changed = {name: new for name, new in (("size", size), ("price", price)) if new is not None}
    if not changed:
        raise typer.BadParameter("nothing is to be changed: --size or --price says what")
    confirm(f"change {order} to {', '.join(f'{name} {new}' for name, new in changed.items())}", yes)
    show(trader.modify(_named(order), **changed), _ORDER, as_json, empty="")


@opened_by(open_trader)
def cancel(
    trader: Any,
    order: OrderArgument,
    on_chain: Annotated[
        bool, typer.Option("--on-chain", help="End its signature on chain too: a transaction.", show_default=False)
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Take what rests of an order off the book."""
    show(trader.cancel(_named(order), on_chain=on_chain), _ORDER, as_json, empty="")


@opened_by(open_trader)
def cancel_all(trader: Any, yes: YesOption = False, as_json: JsonOption = False) -> None:
    """End every order that this account has signed so far, on chain and at the venue, in every mode."""
    confirm("end every order of this account by a transaction", yes)
    show({"tx_hash": trader.cancel_all()}, ("tx_hash",), as_json, empty="")


@opened_by(open_trader)
def fills(trader: Any, as_json: JsonOption = False) -> None:
    """Show the fills that the chain settled, oldest first, with fees and funding."""
    show(trader.settled_fills(), _FILL, as_json, empty="no fill")


@opened_by(open_trader)
def positions(trader: Any, as_json: JsonOption = False) -> None:
    """Show open positions with funding and liquidation price."""
    show(trader.positions(), _POSITION, as_json, empty="no open position")


@opened_by(open_venue)
def watch(
    client: Any,
    market: MarketArgument,
    count: Annotated[int, typer.Option(min=0, help="End after so many changes; 0: never.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Follow a market's best prices until Ctrl-C. Gaps are shown, never hidden."""
    from truemark.venue import Disconnected, Gap, LiveBook

    live, seen = LiveBook(market), 0
    with client.stream() as stream:
        stream.subscribe("book", market)
        for event in stream:
            if isinstance(event, Disconnected | Gap):
                said = event.reason if isinstance(event, Disconnected) else f"missed {event.missed}"
                _line({"event": type(event).__name__.lower(), "says": said}, as_json)
            elif live.apply(event):
                _line({"seq": live.seq, "bid": live.best_bid, "ask": live.best_ask}, as_json)
                seen += 1
                if seen == count:
                    return


def _line(values: dict[str, Any], as_json: bool) -> None:
    import orjson

    shown = plain(values)
    text = orjson.dumps(shown).decode() if as_json else "  ".join(f"{name} {part}" for name, part in shown.items())
    console().print(text, soft_wrap=True, markup=False)


def _named(order: str) -> int | str:
    """A hash or a client order id."""
    try:
        return int(order, 16) if order[:2].lower() == "0x" else order
    except ValueError:
        return order
