"""`truemark account`: what a margin account holds and how far it is from liquidation."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

import typer
from rich.table import Table

from truemark.commands.common import (
    DeploymentOption,
    JsonOption,
    RpcOption,
    console,
    deployment_of,
    grid,
    open_explorer,
    print_json,
)
from truemark.deployment import Deployment, UnknownMarket
from truemark.explorer import Explorer
from truemark.risk import pending_funding
from truemark.units import decimal_text, from_collateral, from_price, from_size, from_value


@dataclass(frozen=True, slots=True)
class PositionLine:
    market: str
    status: str
    #: Base asset; long > 0.
    size: Decimal
    #: USD for one base unit; 0: the market has no mark yet.
    mark: Decimal
    #: USD.
    value: Decimal
    pending_funding: Decimal


@dataclass(frozen=True, slots=True)
class AccountPage:
    """A margin account at one block; USD."""

    address: int
    block: int
    mode: str
    collateral: Decimal
    pending_deposit: Decimal
    #: V, and what it must not fall below to open and to stay.
    value: Decimal
    initial: Decimal
    maintenance: Decimal
    positions: tuple[PositionLine, ...]


def account(
    address: Annotated[str, typer.Argument(help="The account's address, or an operator's role.")],
    deployment: DeploymentOption = None,
    rpc: RpcOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a margin account: collateral, positions, margin."""
    with open_explorer(deployment, rpc) as explorer:
        page = read_account(explorer, deployment_of(explorer), explorer.address(address))
    if as_json:
        print_json(_json(page))
    else:
        _show(page)


def read_account(explorer: Explorer, venue: Deployment, address: int) -> AccountPage:
    """All of it at one block."""
    block = explorer.head()

    def clearinghouse(function: str, *args: Any) -> Any:
        return explorer.read("Clearinghouse", function, *args, block=block)

    view = clearinghouse("account", address)
    margin = clearinghouse("margin_of", address)
    marks: dict[int, Any] = {}
    if view["open_markets"]:
        listed = explorer.read("Oracle", "marks", view["open_markets"], block=block)["marks"]
        marks = {mark["market"]: mark for mark in listed}
    positions = []
    for position in view["positions"]:
        mark = marks[position["market"]]
        change = clearinghouse("funding_index", position["market"]) - position["funding_index"]
        positions.append(
            PositionLine(
                market=_market(venue, position["market"]),
                status=mark["status"].variant,
                size=from_size(position["size"]),
                mark=from_price(mark["price"]),
                value=from_value(position["size"] * mark["price"]),
                pending_funding=from_value(pending_funding(position["size"], change)),
            )
        )
    return AccountPage(
        address=address,
        block=block,
        mode=clearinghouse("mode").variant,
        collateral=from_collateral(view["collateral"]),
        pending_deposit=from_collateral(clearinghouse("pending_deposit", address)),
        value=from_value(margin["value"]),
        initial=from_value(margin["initial"]),
        maintenance=from_value(margin["maintenance"]),
        positions=tuple(positions),
    )


def _market(venue: Deployment, index: int) -> str:
    try:
        return venue.market_name(index)
    except UnknownMarket:
        # Listed after the manifest was written.
        return f"market {index}"


def _json(page: AccountPage) -> dict[str, Any]:
    return {
        "address": hex(page.address),
        "block": page.block,
        "mode": page.mode,
        "collateral": decimal_text(page.collateral),
        "pending_deposit": decimal_text(page.pending_deposit),
        "value": decimal_text(page.value),
        "initial": decimal_text(page.initial),
        "maintenance": decimal_text(page.maintenance),
        "positions": [
            {
                "market": line.market,
                "status": line.status,
                "size": decimal_text(line.size),
                "mark": decimal_text(line.mark),
                "value": decimal_text(line.value),
                "pending_funding": decimal_text(line.pending_funding),
            }
            for line in page.positions
        ],
    }


def _show(page: AccountPage) -> None:
    out = console()
    out.print(
        grid(
            {
                "account": hex(page.address),
                "block": f"{page.block} ({page.mode})",
                "collateral": _usd(page.collateral),
                "held deposit": _usd(page.pending_deposit) if page.pending_deposit else None,
                "value": _usd(page.value),
                "initial": _usd(page.initial),
                "maintenance": _usd(page.maintenance),
                "margin ratio": f"{page.value / page.maintenance:.4f} (liquidated below 1)"
                if page.maintenance
                else None,
            }
        )
    )
    if not page.positions:
        out.print("no open position")
        return
    table = Table(box=None, header_style="bold")
    for name in ("market", "size", "mark", "value (USD)", "funding (USD)", "status"):
        table.add_column(name, justify="left" if name in ("market", "status") else "right")
    for line in page.positions:
        table.add_row(
            line.market,
            decimal_text(line.size),
            decimal_text(line.mark),
            f"{line.value:,.2f}",
            f"{line.pending_funding:,.4f}",
            line.status,
        )
    out.print(table)


def _usd(amount: Decimal) -> str:
    return f"{amount:,.2f} USD"
