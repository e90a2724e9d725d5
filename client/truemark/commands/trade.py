"""`truemark trade`: markets and books for anyone, orders with a key."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Final

import typer

from truemark.commands.common import DeploymentOption, JsonOption, console, print_json
from truemark.commands.traders import (
    ETH_KEY,
    AccountOption,
    EthKeyOption,
    KeystoreOption,
    MarketArgument,
    MarketOption,
    PasswordOption,
    VenueOption,
    YesOption,
    confirm,
    open_trader,
    open_venue,
    plain,
    show,
)

_ORDER: Final = ("order_hash", "client_order_id", "market", "side", "size", "price", "state", "filled", "reason")
_FILL: Final = ("market", "side", "size", "price", "fee", "funding", "state", "reason", "tx_hash")
_MARKET: Final = ("market", "status", "mark", "best_bid", "best_ask", "volume", "tick_size", "lot_size")
_CANDLE: Final = ("start", "open", "high", "low", "close", "volume", "trades")
_POSITION: Final = ("market", "size", "mark", "value", "funding", "liquidation_price", "status")

OrderArgument = Annotated[str, typer.Argument(help="The order's hash (0x...) or its client order id.")]


def register(app: typer.Typer) -> None:
    group = typer.Typer(name="trade", help="Markets, orders, fills and positions at a venue.", no_args_is_help=True)
    for command in (markets, book, candles, buy, sell, orders, modify, cancel, fills, positions, watch):
        group.command()(command)
    group.command("cancel-all")(cancel_all)
    app.add_typer(group)


def markets(deployment: DeploymentOption = None, venue: VenueOption = None, as_json: JsonOption = False) -> None:
    """Show every market: mark, best prices, steps."""
    with open_venue(deployment, venue) as client:
        show(client.markets(), _MARKET, as_json, empty="the venue lists no market")


def book(
    market: MarketArgument,
    depth: Annotated[int, typer.Option(min=1, help="Levels of each side.")] = 10,
    deployment: DeploymentOption = None,
    venue: VenueOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a market's order book."""
    with open_venue(deployment, venue) as client:
        found = client.book(market, depth)
    if as_json:
        print_json(plain(found))
        return
    rows = [{"side": "ask", "price": level.price, "size": level.size} for level in reversed(found.asks)]
    rows += [{"side": "bid", "price": level.price, "size": level.size} for level in found.bids]
    show(rows, ("side", "price", "size"), as_json, empty="the book is empty")


def candles(
    market: MarketArgument,
    interval: Annotated[int, typer.Option(help="Seconds: 60, 300, 900, 3600 or 86400.")] = 3600,
    deployment: DeploymentOption = None,
    venue: VenueOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a market's candles, oldest first."""
    with open_venue(deployment, venue) as client:
        show(client.candles(market, interval), _CANDLE, as_json, empty="no trade yet")


SizeArgument = Annotated[str, typer.Argument(help="In the base asset.")]
PriceOption = Annotated[
    str | None, typer.Option("--price", help="The limit, USD; without one at the market.", show_default=False)
]
ReduceOption = Annotated[bool, typer.Option("--reduce-only", help="Never opens or adds.", show_default=False)]
PostOption = Annotated[bool, typer.Option("--post-only", help="Never takes.", show_default=False)]
ForceOption = Annotated[str, typer.Option("--time-in-force", help="gtc, ioc or fok.")]
NameOption = Annotated[str | None, typer.Option("--client-order-id", help="Your own name of it.", show_default=False)]
StopOption = Annotated[
    str | None, typer.Option("--stop-loss", help="Wait until the mark is this far against it, USD.", show_default=False)
]
TakeOption = Annotated[
    str | None, typer.Option("--take-profit", help="Wait until the mark is this far for it, USD.", show_default=False)
]


def buy(
    market: MarketArgument,
    size: SizeArgument,
    price: PriceOption = None,
    reduce_only: ReduceOption = False,
    post_only: PostOption = False,
    time_in_force: ForceOption = "gtc",
    client_order_id: NameOption = None,
    stop_loss: StopOption = None,
    take_profit: TakeOption = None,
    yes: YesOption = False,
    deployment: DeploymentOption = None,
    venue: VenueOption = None,
    eth_key_env: EthKeyOption = ETH_KEY,
    keystore: KeystoreOption = None,
    password_env: PasswordOption = None,
    account: AccountOption = None,
    as_json: JsonOption = False,
) -> None:
    """Buy: open or add to a long position, or reduce a short one."""
    _place(**locals(), side="buy")


def sell(
    market: MarketArgument,
    size: SizeArgument,
    price: PriceOption = None,
    reduce_only: ReduceOption = False,
    post_only: PostOption = False,
    time_in_force: ForceOption = "gtc",
    client_order_id: NameOption = None,
    stop_loss: StopOption = None,
    take_profit: TakeOption = None,
    yes: YesOption = False,
    deployment: DeploymentOption = None,
    venue: VenueOption = None,
    eth_key_env: EthKeyOption = ETH_KEY,
    keystore: KeystoreOption = None,
    password_env: PasswordOption = None,
    account: AccountOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sell: open or add to a short position, or reduce a long one."""
    _place(**locals(), side="sell")


def _place(
    *,
    market: str,
    side: str,
    size: str,
    price: str | None,
    stop_loss: str | None,
    take_profit: str | None,
    yes: bool,
    as_json: bool,
    reduce_only: bool,
    post_only: bool,
    time_in_force: str,
    client_order_id: str | None,
    **key: Any,
) -> None:
    from truemark.units import to_price
    from truemark.wire import Trigger, TriggerKind

    if stop_loss is not None and take_profit is not None:
        raise typer.BadParameter("one of --stop-loss and --take-profit")
    kind, at = (TriggerKind.STOP_LOSS, stop_loss) if stop_loss is not None else (TriggerKind.TAKE_PROFIT, take_profit)
    trigger = None
    if at is not None:
        to_price(at)
        trigger = Trigger(kind=kind, price=Decimal(at))
    with open_trader(**key) as trader:
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


def orders(
    market: MarketOption = None,
    deployment: DeploymentOption = None,
    venue: VenueOption = None,
    eth_key_env: EthKeyOption = ETH_KEY,
    keystore: KeystoreOption = None,
    password_env: PasswordOption = None,
    account: AccountOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show open orders, newest first."""
    with open_trader(
        deployment, eth_key_env=eth_key_env, keystore=keystore, password_env=password_env, account=account, venue=venue
    ) as trader:
        show(trader.open_orders(market), _ORDER, as_json, empty="no open order")


def modify(
    order: OrderArgument,
    size: Annotated[str | None, typer.Option(help="The whole size from now on.", show_default=False)] = None,
    price: PriceOption = None,
    yes: YesOption = False,
    deployment: DeploymentOption = None,
    venue: VenueOption = None,
    eth_key_env: EthKeyOption = ETH_KEY,
    keystore: KeystoreOption = None,
    password_env: PasswordOption = None,
    account: AccountOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change what rests of an order."""
    with open_trader(
        deployment, eth_key_env=eth_key_env, keystore=keystore, password_env=password_env, account=account, venue=venue
    ) as trader:
        changed = {"size": size, "price": price}
        confirm(f"change {order} to {', '.join(f'{name} {new}' for name, new in changed.items() if new)}", yes)
        show(trader.modify(_named(order), size=size, price=price), _ORDER, as_json, empty="")


def cancel(
    order: OrderArgument,
    on_chain: Annotated[
        bool, typer.Option("--on-chain", help="End its signature on chain too: a transaction.", show_default=False)
    ] = False,
    deployment: DeploymentOption = None,
    venue: VenueOption = None,
    eth_key_env: EthKeyOption = ETH_KEY,
    keystore: KeystoreOption = None,
    password_env: PasswordOption = None,
    account: AccountOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take what rests of an order off the book."""
    with open_trader(
        deployment, eth_key_env=eth_key_env, keystore=keystore, password_env=password_env, account=account, venue=venue
    ) as trader:
        show(trader.cancel(_named(order), on_chain=on_chain), _ORDER, as_json, empty="")


def cancel_all(
    yes: YesOption = False,
    deployment: DeploymentOption = None,
    venue: VenueOption = None,
    eth_key_env: EthKeyOption = ETH_KEY,
    keystore: KeystoreOption = None,
    password_env: PasswordOption = None,
    as_json: JsonOption = False,
) -> None:
    """End every order that this account has signed so far, on chain and at the venue, in every mode."""
    with open_trader(
        deployment, eth_key_env=eth_key_env, keystore=keystore, password_env=password_env, venue=venue
    ) as trader:
        confirm("end every order of this account by a transaction", yes)
        show({"tx_hash": trader.cancel_all()}, ("tx_hash",), as_json, empty="")


def fills(
    deployment: DeploymentOption = None,
    eth_key_env: EthKeyOption = ETH_KEY,
    keystore: KeystoreOption = None,
    password_env: PasswordOption = None,
    account: AccountOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the fills that the chain settled, oldest first, with fees and funding."""
    with open_trader(
        deployment, eth_key_env=eth_key_env, keystore=keystore, password_env=password_env, account=account
    ) as trader:
        show(trader.settled_fills(), _FILL, as_json, empty="no fill")


def positions(
    deployment: DeploymentOption = None,
    eth_key_env: EthKeyOption = ETH_KEY,
    keystore: KeystoreOption = None,
    password_env: PasswordOption = None,
    account: AccountOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show open positions with funding and liquidation price."""
    with open_trader(
        deployment, eth_key_env=eth_key_env, keystore=keystore, password_env=password_env, account=account
    ) as trader:
        show(trader.positions(), _POSITION, as_json, empty="no open position")


def watch(
    market: MarketArgument,
    count: Annotated[int, typer.Option(min=0, help="End after so many changes; 0: never.")] = 0,
    deployment: DeploymentOption = None,
    venue: VenueOption = None,
    as_json: JsonOption = False,
) -> None:
    """Follow a market's best prices until Ctrl-C. Gaps are shown, never hidden."""
    from truemark.venue import Disconnected, Gap, LiveBook

    live, seen = LiveBook(market), 0
    with open_venue(deployment, venue) as client, client.stream() as stream:
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
    if order[:2].lower() == "0x":
        try:
            return int(order, 16)
        except ValueError:
            return order
    return order
