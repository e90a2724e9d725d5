"""`truemark search`, `events`, `transfers`, `orphans`, `health`, `diff`, `export`: the index, in tables or JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Column, Table
from rich.text import Text

from truemark.commands.common import (
    DeploymentOption,
    JsonOption,
    RpcOption,
    console,
    fields,
    grid,
    label,
    print_json,
    short_hex,
)
from truemark.commands.index import DatabaseOption, bring_up, node_of, opened
from truemark.explorer import CallRecord, Explorer
from truemark.rpc import NodeUnavailable

if TYPE_CHECKING:
    from truemark.explorer.views import CallNode, Replacement, SlotWrite, TransactionView, Transfer
    from truemark.index import EventRow

LimitOption = Annotated[int, typer.Option("--limit", min=1, max=1_000, help="As many at most.")]
#: The index's numbers end there.
_HIGHEST = 2**63 - 1
FirstOption = Annotated[
    int | None, typer.Option("--from", min=0, max=_HIGHEST, help="From this block on.", show_default=False)
]
LastOption = Annotated[
    int | None, typer.Option("--to", min=0, max=_HIGHEST, help="Up to this block.", show_default=False)
]
CursorOption = Annotated[
    str | None, typer.Option("--cursor", help="Go on after the page that gave this.", show_default=False)
]


def register(app: typer.Typer) -> None:
    for command in (search, events, transfers, orphans, health, diff, export):
        app.command(command.__name__)(command)


@contextmanager
def indexed(database: str | None, deployment: Path | None, rpc: str | None) -> Iterator[Explorer]:
    """An explorer on the index, which is brought up to the chain if the node answers.

    Raises:
        NoDeployment, BadManifest, BadIndex
    """
    venue, url = node_of(deployment, rpc)
    with opened(database, venue) as index:
        try:
            asyncio.run(bring_up(index, url))
        except NodeUnavailable as error:
            typer.echo(f"the node does not answer, this is what the index has: {error}", err=True)
        with Explorer(url if venue is None else venue, index=index) as explorer:
            yield explorer


def search(
    text: Annotated[str, typer.Argument(help="A block, a hash, an address, a label, an event's or a market's name.")],
    database: DatabaseOption = None,
    deployment: DeploymentOption = None,
    rpc: RpcOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find what a text may mean."""
    with indexed(database, deployment, rpc) as explorer:
        hits = explorer.search(text)
    if as_json:
        print_json(
            [{"kind": hit.kind, "target": hit.target, "title": hit.title, "orphaned": hit.orphaned} for hit in hits]
        )
        return
    if not hits:
        console().print("nothing is found")
        return
    table = Table("kind", Column("target", overflow="fold"), "what", box=None, header_style="bold")
    for hit in hits:
        table.add_row(hit.kind, hit.target, Text(hit.title + (" (orphaned)" if hit.orphaned else "")))
    console().print(table)


def events(
    contract: Annotated[str | None, typer.Option("--contract", help="By its name or address.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="Of that name.")] = None,
    account: Annotated[str | None, typer.Option("--account", help="That name this address in a field.")] = None,
    first: FirstOption = None,
    last: LastOption = None,
    orphaned: Annotated[bool, typer.Option("--orphaned", help="Those that were rolled back.")] = False,
    limit: LimitOption = 25,
    cursor: CursorOption = None,
    database: DatabaseOption = None,
    deployment: DeploymentOption = None,
    rpc: RpcOption = None,
    as_json: JsonOption = False,
) -> None:
    """List events, newest first."""
    from truemark.index import EventFilter

    with indexed(database, deployment, rpc) as explorer:
        wanted = EventFilter(
            address=None if contract is None else explorer.address(contract),
            name=name,
            mentions=None if account is None else explorer.address(account),
            first_block=first,
            last_block=last,
            orphaned=orphaned,
        )
        page = explorer.events(wanted, cursor, limit)
        if as_json:
            print_json({"rows": [_event_json(row, explorer) for row in page.rows], "cursor": page.cursor})
            return
        table = Table("block", "event", Column("fields", overflow="fold"), box=None, header_style="bold")
        for row in page.rows:
            what = f"{label(row.address, explorer.name(row.address))}.{row.name or '?'}"
            said = Text(f"not decoded: {row.reason}", style="yellow")
            shown = said if row.fields is None else Text(fields(row.fields, explorer.name))
            table.add_row(str(row.block_number), Text(what), shown)
        _print(table, page.cursor, page.rows)


def transfers(
    token: Annotated[str | None, typer.Option("--token", help="Of this token, by its name or address.")] = None,
    account: Annotated[str | None, typer.Option("--account", help="From or to this address.")] = None,
    limit: LimitOption = 25,
    cursor: CursorOption = None,
    database: DatabaseOption = None,
    deployment: DeploymentOption = None,
    rpc: RpcOption = None,
    as_json: JsonOption = False,
) -> None:
    """List tokens that moved, newest first."""
    with indexed(database, deployment, rpc) as explorer:
        page = explorer.transfers(cursor, limit, token=token, account=account)
        if as_json:
            print_json({"rows": [_transfer_json(row) for row in page.rows], "cursor": page.cursor})
            return
        table = Table("block", "token", "from", "to", "amount", box=None, header_style="bold")
        for row in page.rows:
            whole = row.shown
            table.add_row(
                str(row.block_number),
                Text(row.token.symbol or short_hex(row.token.address)),
                Text(label(row.sender, row.sender_name)),
                Text(label(row.recipient, row.recipient_name)),
                str(row.amount if row.amount is not None else f"#{row.token_id}") if whole is None else f"{whole:f}",
            )
        _print(table, page.cursor, page.rows)


def orphans(
    database: DatabaseOption = None,
    deployment: DeploymentOption = None,
    rpc: RpcOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show blocks that were rolled back beside what took their place."""
    with indexed(database, deployment, rpc) as explorer:
        found = explorer.replacements()
        if as_json:
            print_json([_replacement_json(each) for each in found])
            return
        if not found:
            console().print("nothing was rolled back")
            return
        table = Table("rollback", "block", "cause", "lost", "kept", "new", "writes that differ", box=None)
        for each in found:
            table.add_row(
                str(each.reorg.id),
                str(each.orphan.number) + ("" if each.replaced_by else " (nothing in its place)"),
                each.reorg.cause,
                str(len(each.lost)),
                str(len(each.kept)),
                str(len(each.new)),
                str(len(each.writes)),
            )
        console().print(table)


def health(
    database: DatabaseOption = None,
    deployment: DeploymentOption = None,
    rpc: RpcOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say whether the chain goes on, the index is with it, and the data is right. Exit code 1: one is not so."""
    with indexed(database, deployment, rpc) as explorer:
        found = explorer.health()
    parts = {"chain": found.chain, "index": found.index, "data": found.data}
    if as_json:
        print_json(
            {
                **{name: {"state": part.state, "says": part.says} for name, part in parts.items()},
                "chain_head": found.chain_head,
                "index_head": found.index_head,
                "l1_accepted": found.l1_accepted,
                "age": found.age,
                "unattributed": found.unattributed,
                "rollbacks": found.rollbacks,
            }
        )
    else:
        style = {True: "green", False: "red"}
        console().print(
            grid(
                {name: Text(f"{part.state}: {part.says}", style=style[part.ok]) for name, part in parts.items()}
                | {"rollbacks": found.rollbacks, "accepted on L1": found.l1_accepted}
            )
        )
    if not found.ok:
        raise typer.Exit(1)


def diff(
    before: Annotated[int, typer.Argument(help="A block's number.")],
    after: Annotated[int, typer.Argument(help="Another block's number.")],
    contract: Annotated[str | None, typer.Option("--contract", help="Only of this contract.")] = None,
    account: Annotated[str | None, typer.Option("--account", help="Only what belongs to this account.")] = None,
    database: DatabaseOption = None,
    deployment: DeploymentOption = None,
    rpc: RpcOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what differs between the states after two blocks, by contract and variable. Brings the index up to date."""
    with indexed(database, deployment, rpc) as explorer:
        found = explorer.compare(before, after, contract=contract, account=account)
        if as_json:
            print_json([_change_json(change) for change in found.changes])
        elif found.changes:
            show_writes(found.changes, explorer)
        else:
            console().print("nothing differs")


def export(
    kind: Annotated[
        str,
        typer.Argument(
            help="blocks, transactions, events, calls, storage, nonces, contracts, messages, marks, funding, balances "
            "or positions."
        ),
    ],
    file: Annotated[Path, typer.Argument(help="What it is called ends with .csv or .parquet.", dir_okay=False)],
    first: FirstOption = None,
    last: LastOption = None,
    orphaned: Annotated[bool, typer.Option("--orphaned", help="What was rolled back instead.")] = False,
    database: DatabaseOption = None,
    deployment: DeploymentOption = None,
    rpc: RpcOption = None,
) -> None:
    """Write a table of the index as CSV or Parquet."""
    with indexed(database, deployment, rpc) as explorer:
        count = explorer.export(kind, file, first=first or 0, last=last, orphaned=orphaned)
    typer.echo(f"{file}: {count} rows")


def show_more(view: TransactionView, explorer: Explorer) -> None:
    """The call tree and what the transaction wrote."""
    out = console()
    if view.tree.reason:
        out.print(Text(f"no call tree: {view.tree.reason}", style="yellow"))
    for root in view.tree.roots:
        for depth, node in _flat(root):
            line = f"{'  ' * depth}{_called(node.call)}({_arguments(node.call, explorer)})"
            out.print(Text(line, style="red" if node.reverted else ""))
    show_writes(view.writes, explorer)


def show_writes(writes: Iterable[SlotWrite], explorer: Explorer) -> None:
    """Values with before and after."""
    table = Table("contract", "variable", "before", "after", box=None, header_style="bold")
    for write in writes:
        what = write.variable or (write.part if write.key is None else short_hex(write.key))
        table.add_row(
            Text(label(write.address, write.contract)),
            Text(what),
            Text(_value(write.before, write.before_shown)),
            Text(_value(write.after, write.after_shown)),
        )
    if table.row_count:
        console().print(table)


def view_json(view: TransactionView) -> dict[str, Any]:
    return {
        "status": view.status,
        "call_tree": [_node_json(root) for root in view.tree.roots],
        "call_tree_reason": view.tree.reason,
        "writes": [write_json(write) for write in view.writes],
        "elsewhere": [block.number for block in view.elsewhere],
    }


def write_json(write: SlotWrite) -> dict[str, Any]:
    return {
        "block": write.block_number,
        "part": write.part,
        "address": hex(write.address),
        "contract": write.contract,
        "key": _hex(write.key),
        "variable": write.variable,
        "account": _hex(write.account),
        "before": _hex(write.before),
        "after": _hex(write.after),
        "before_shown": None if write.before_shown is None else dict(write.before_shown),
        "after_shown": None if write.after_shown is None else dict(write.after_shown),
        "transaction": _hex(write.tx_hash),
        "cause": write.cause.value,
    }


def _change_json(change: SlotWrite) -> dict[str, Any]:
    found = write_json(change)
    return {name: found[name] for name in found if name not in ("block", "transaction", "cause")}


def _print(table: Table, cursor: str | None, rows: tuple[object, ...]) -> None:
    if not rows:
        console().print("there are none")
        return
    console().print(table)
    if cursor is not None:
        console().print(f"more: --cursor {cursor}")


def _flat(node: CallNode, depth: int = 0) -> Iterator[tuple[int, CallNode]]:
    yield depth, node
    for inner in node.calls:
        yield from _flat(inner, depth + 1)


def _called(call: CallRecord) -> str:
    return f"{label(call.address, call.contract)}.{call.decoded.name if call.decoded else short_hex(call.selector)}"


def _arguments(call: CallRecord, explorer: Explorer) -> str:
    arguments = call.arguments
    return f"not decoded: {call.reason}" if arguments is None else fields(arguments, explorer.name)


def _value(value: int | None, shown: Any) -> str:
    if value is None:
        return "-"
    if shown is not None:
        return ", ".join(f"{name}={part}" for name, part in shown.items())
    return str(value) if value < 2**128 else short_hex(value)


def _node_json(node: CallNode) -> dict[str, Any]:
    call = node.call
    return {
        "address": hex(call.address),
        "contract": call.contract,
        "function": call.decoded.name if call.decoded else None,
        "arguments": call.arguments,
        "reason": call.reason,
        "selector": hex(call.selector),
        "class_hash": hex(node.class_hash),
        "caller": hex(node.caller),
        "entry_point": node.entry_point,
        "type": node.type,
        "returned": node.returned,
        "result": [hex(felt) for felt in node.result],
        "reverted": node.reverted,
        "calls": [_node_json(inner) for inner in node.calls],
    }


def _event_json(row: EventRow, explorer: Explorer) -> dict[str, Any]:
    return {
        "block": row.block_number,
        "timestamp": row.timestamp,
        "transaction": hex(row.tx_hash),
        "tx_index": row.tx_index,
        "index": row.index,
        "address": hex(row.address),
        "contract": explorer.name(row.address),
        "name": row.name,
        "fields": row.fields,
        "reason": row.reason,
        "keys": [hex(key) for key in row.keys],
        "data": [hex(felt) for felt in row.data],
        "orphaned": row.orphaned,
    }


def _transfer_json(row: Transfer) -> dict[str, Any]:
    return {
        "block": row.block_number,
        "timestamp": row.timestamp,
        "transaction": hex(row.tx_hash),
        "token": hex(row.token.address),
        "symbol": row.token.symbol,
        "from": hex(row.sender),
        "to": hex(row.recipient),
        "amount": None if row.amount is None else str(row.amount),
        "token_id": None if row.token_id is None else str(row.token_id),
        "decimals": row.token.decimals,
    }


def _replacement_json(each: Replacement) -> dict[str, Any]:
    return {
        "rollback": each.reorg.id,
        "cause": each.reorg.cause,
        "detected_at": each.reorg.detected_at,
        "block": each.orphan.number,
        "hash": hex(each.orphan.record.hash),
        "replaced_by": None if each.replaced_by is None else hex(each.replaced_by.record.hash),
        "lost": [hex(tx_hash) for tx_hash in each.lost],
        "kept": [hex(tx_hash) for tx_hash in each.kept],
        "new": [hex(tx_hash) for tx_hash in each.new],
        "writes": [write_json(write) for write in each.writes],
    }


def _hex(value: int | None) -> str | None:
    return None if value is None else hex(value)
