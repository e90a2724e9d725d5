"""`truemark block`, `truemark tx`, `truemark read`: the chain as the explorer decodes it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.table import Column, Table
from rich.text import Text

from truemark.abi import Abi, AbiError, Function
from truemark.abi.typenames import generic, normal
from truemark.commands.common import (
    DeploymentOption,
    JsonOption,
    RpcOption,
    console,
    fields,
    grid,
    label,
    open_explorer,
    print_json,
    short_hex,
    shown,
)
from truemark.commands.index import DatabaseOption
from truemark.explorer import Block, CallRecord, EventRecord, Explorer, Transaction
from truemark.units import U64_MAX

BlockOption = Annotated[str, typer.Option("--block", help="At a block: its number, its hash, or a tag.")]
_ADDRESSES = ("ContractAddress", "ClassHash", "StorageAddress", "EthAddress")


def register(app: typer.Typer) -> None:
    app.command("block")(block)
    app.command("tx")(tx)
    app.command("read")(read)


def block(
    block: Annotated[str, typer.Argument(help="Number, hash, latest, pre_confirmed or l1_accepted.")] = "latest",
    deployment: DeploymentOption = None,
    rpc: RpcOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a block and what its transactions did."""
    with open_explorer(deployment, rpc) as explorer:
        found = explorer.block(block)
        if as_json:
            print_json(block_json(found))
        else:
            _show_block(found, explorer)


def tx(
    tx_hash: Annotated[str, typer.Argument(metavar="HASH", help="The transaction's hash.")],
    deployment: DeploymentOption = None,
    rpc: RpcOption = None,
    as_json: JsonOption = False,
    full: Annotated[
        bool, typer.Option("--full", help="With its call tree and what it wrote, from the index.", show_default=False)
    ] = False,
    database: DatabaseOption = None,
) -> None:
    """Show a transaction: its calls, events and messages, decoded. With --full also one that was rolled back."""
    if full:
        from truemark.commands.looking import indexed, show_more, view_json

        with indexed(database, deployment, rpc) as explorer:
            view = explorer.transaction_view(tx_hash)
            if as_json:
                print_json({**transaction_json(view.transaction), **view_json(view)})
            else:
                _show_transaction(view.transaction, explorer)
                show_more(view, explorer)
        return
    with open_explorer(deployment, rpc) as explorer:
        found = explorer.transaction(tx_hash)
        if as_json:
            print_json(transaction_json(found))
        else:
            _show_transaction(found, explorer)


def read(
    contract: Annotated[str, typer.Argument(help="A name of the deployment (Oracle) or an address.")],
    function: Annotated[str | None, typer.Argument(help="Without it the contract's functions are listed.")] = None,
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ARGS]...", help="Numbers, text, names, addresses; JSON for structs and lists."),
    ] = None,
    at: BlockOption = "latest",
    deployment: DeploymentOption = None,
    rpc: RpcOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read a function of a contract."""
    with open_explorer(deployment, rpc) as explorer:
        abi = explorer.abi(contract, at)
        if function is None:
            _list_functions(abi, as_json)
            return
        given = typed(abi.function(function), arguments or [], explorer)
        value = abi.show_result(function, explorer.read(contract, function, *given, block=at))
        if as_json:
            print_json(value)
        elif isinstance(value, dict):
            console().print(grid({name: shown(part, explorer.name) for name, part in value.items()}))
        else:
            console().print(Text(shown(value, explorer.name)))


def typed(function: Function, arguments: list[str], explorer: Explorer) -> list[Any]:
    """Arguments as they were typed, as values of the types that the function takes.

    Raises:
        AbiError: one does not fit; how many there are is left to the ABI.
    """
    values: list[Any] = list(arguments)
    for place, (kind, text) in enumerate(zip(function.inputs.values(), arguments, strict=False)):
        try:
            values[place] = _value(normal(kind), text, explorer)
        except ValueError:
            name = list(function.inputs)[place]
            raise AbiError(f"{function.name}.{name}: {text!r} is no {kind.rpartition('::')[2]}") from None
    return values


def _value(kind: str, text: str, explorer: Explorer) -> Any:
    path, parts = generic(kind)
    last = path.rpartition("::")[2]
    if path == "core::option::Option" and len(parts) == 1:
        return None if text.lower() == "none" else _value(normal(parts[0]), text, explorer)
    if path == "core::byte_array::ByteArray":
        return text
    if text[:1] in ("[", "{"):
        return json.loads(text)
    if path == "core::bool":
        return {"true": True, "false": False}[text.lower()] if text.lower() in ("true", "false") else text
    if last in _ADDRESSES:
        return explorer.address(text)
    if path.startswith("core::integer::") or last in ("bytes31", "NonZero", "BoundedInt"):
        return int(text, 0)
    if path == "core::felt252":
        try:
            return int(text, 0)
        except ValueError:
            return text
    return text


# --- JSON: felts hexadecimal, integers that may pass 2^53 as text


def block_json(block: Block) -> dict[str, Any]:
    return {
        "number": block.number,
        "hash": _hex(block.hash),
        "parent_hash": _hex(block.parent_hash),
        "timestamp": block.timestamp,
        "status": block.status,
        "state_root": _hex(block.state_root),
        "sequencer": _hex(block.sequencer),
        "starknet_version": block.starknet_version,
        "gas_prices_fri": {
            "l1_gas": str(block.l1_gas_price.fri),
            "l1_data_gas": str(block.l1_data_gas_price.fri),
            "l2_gas": str(block.l2_gas_price.fri),
        },
        "transaction_count": block.transaction_count,
        "event_count": block.event_count,
        "state_diff_length": block.state_diff_length,
        "commitments": {name: hex(value) for name, value in block.commitments.items()},
        "problems": list(block.problems),
        "transactions": [transaction_json(transaction) for transaction in block.transactions],
    }


def transaction_json(transaction: Transaction) -> dict[str, Any]:
    receipt = transaction.receipt
    return {
        "hash": hex(transaction.hash),
        "type": transaction.type,
        "version": transaction.version,
        "index": transaction.index,
        "block_number": receipt.block_number,
        "block_hash": _hex(receipt.block_hash),
        "finality": receipt.finality,
        "succeeded": receipt.succeeded,
        "revert_reason": receipt.revert_reason,
        "sender": _hex(transaction.sender),
        "sender_name": transaction.sender_name,
        "nonce": None if transaction.nonce is None else str(transaction.nonce),
        "tip": str(transaction.tip),
        "fee": {"amount": str(receipt.fee), "unit": receipt.fee_unit},
        "gas": {"l1_gas": receipt.l1_gas, "l1_data_gas": receipt.l1_data_gas, "l2_gas": receipt.l2_gas},
        "class_hash": _hex(transaction.class_hash),
        "calls": [_call_json(call) for call in transaction.calls],
        "calls_reason": transaction.calls_reason,
        "calldata": [hex(felt) for felt in transaction.calldata],
        "events": [_event_json(event) for event in transaction.events],
        "messages_to_l1": [
            {
                "from": hex(message.from_address),
                "to": _l1_hex(message.to_address),
                "payload": [hex(felt) for felt in message.payload],
            }
            for message in receipt.messages
        ],
        "message_hash": _hex(receipt.message_hash),
    }


def _call_json(call: CallRecord) -> dict[str, Any]:
    return {
        "address": hex(call.address),
        "contract": call.contract,
        "function": call.decoded.name if call.decoded else None,
        "arguments": call.arguments,
        "reason": call.reason,
        "selector": hex(call.selector),
        "calldata": [hex(felt) for felt in call.calldata],
    }


def _event_json(event: EventRecord) -> dict[str, Any]:
    return {
        "index": event.index,
        "address": hex(event.address),
        "contract": event.contract,
        "name": event.decoded.name if event.decoded else None,
        "fields": event.fields,
        "reason": event.reason,
        "keys": [hex(felt) for felt in event.keys],
        "data": [hex(felt) for felt in event.data],
    }


def _hex(value: int | None) -> str | None:
    return None if value is None else hex(value)


def _l1_hex(address: int) -> str:
    return f"0x{address:040x}"


# --- tables


def _show_block(block: Block, explorer: Explorer) -> None:
    out = console()
    out.print(
        grid(
            {
                "block": block.number,
                "hash": _hex(block.hash),
                "parent": _hex(block.parent_hash),
                "time": _time(block.timestamp),
                "status": block.status,
                "transactions": len(block.transactions),
                "events": len(block.events),
                "state changes": block.state_diff_length,
                "gas (FRI)": f"l1 {block.l1_gas_price.fri}, l1 data {block.l1_data_gas_price.fri}, "
                f"l2 {block.l2_gas_price.fri}",
                "sequencer": short_hex(block.sequencer),
                "version": block.starknet_version,
            }
        )
    )
    for problem in block.problems:
        out.print(Text(problem, style="red"))
    if not block.transactions:
        return
    hashes = Column("transaction", overflow="fold", min_width=34)
    table = Table("#", hashes, "type", "sender", "calls", "events", "result", box=None, header_style="bold")
    for transaction in block.transactions:
        table.add_row(
            str(transaction.index),
            hex(transaction.hash),
            transaction.type,
            _sender(transaction),
            Text(", ".join(_called(call) for call in transaction.calls) or "-"),
            str(len(transaction.events)),
            _result(transaction),
        )
    out.print(table)


def _show_transaction(transaction: Transaction, explorer: Explorer) -> None:
    receipt = transaction.receipt
    out = console()
    out.print(
        grid(
            {
                "transaction": hex(transaction.hash),
                "type": f"{transaction.type} v{transaction.version}",
                "block": receipt.block_number if receipt.block_number is not None else "-",
                "status": receipt.finality,
                "result": _result(transaction),
                "sender": None if transaction.sender is None else hex(transaction.sender),
                "known as": transaction.sender_name,
                "nonce": transaction.nonce,
                "fee": f"{receipt.fee} {receipt.fee_unit}",
                "gas": f"l1 {receipt.l1_gas}, l1 data {receipt.l1_data_gas}, l2 {receipt.l2_gas}",
                "class": _hex(transaction.class_hash),
                "message from L1": _hex(receipt.message_hash),
            }
        )
    )
    if transaction.calls_reason:
        out.print(Text(f"calls not decoded: {transaction.calls_reason}", style="yellow"))
    if transaction.calls:
        calls = Table("call", Column("arguments", overflow="fold"), box=None, header_style="bold")
        for call in transaction.calls:
            arguments = call.arguments
            calls.add_row(Text(_called(call)), _detail(arguments, call.reason, explorer))
        out.print(calls)
    if transaction.events:
        events = Table("#", "event", Column("fields", overflow="fold"), box=None, header_style="bold")
        for event in transaction.events:
            name = event.decoded.name if event.decoded else short_hex(event.keys[0]) if event.keys else "-"
            emitted = f"{label(event.address, event.contract)}.{name}"
            events.add_row(str(event.index), Text(emitted), _detail(event.fields, event.reason, explorer))
        out.print(events)
    for message in receipt.messages:
        payload = shown([hex(felt) for felt in message.payload], explorer.name)
        sender = label(message.from_address, explorer.name(message.from_address))
        out.print(Text(f"message to L1 {_l1_hex(message.to_address)} from {sender}: {payload}"))


def _list_functions(abi: Abi, as_json: bool) -> None:
    functions = sorted(abi.functions.values(), key=lambda function: (not function.is_view, function.name))
    if as_json:
        print_json(
            [
                {
                    "name": function.name,
                    "kind": "view" if function.is_view else function.kind,
                    "inputs": dict(function.inputs),
                    "outputs": list(function.outputs),
                }
                for function in functions
            ]
        )
        return
    table = Table("function", "takes", "gives", "kind", box=None, header_style="bold")
    for function in functions:
        table.add_row(
            function.name,
            Text(", ".join(f"{name}: {_brief_type(kind)}" for name, kind in function.inputs.items())),
            Text(", ".join(map(_brief_type, function.outputs))),
            "view" if function.is_view else function.kind,
        )
    console().print(table)


def _brief_type(kind: str) -> str:
    path, parts = generic(normal(kind))
    if parts:
        return f"{path.rpartition('::')[2]}<{', '.join(map(_brief_type, parts))}>"
    return path if path[:1] in "([" else path.rpartition("::")[2]


def _detail(values: dict[str, Any] | None, reason: str | None, explorer: Explorer) -> Text:
    if values is None:
        return Text(f"not decoded: {reason}", style="yellow")
    return Text(fields(values, explorer.name))


def _called(call: CallRecord) -> str:
    return f"{label(call.address, call.contract)}.{call.decoded.name if call.decoded else short_hex(call.selector)}"


def _sender(transaction: Transaction) -> Text:
    return Text("-" if transaction.sender is None else label(transaction.sender, transaction.sender_name))


def _result(transaction: Transaction) -> Text:
    if transaction.succeeded:
        return Text("succeeded", style="green")
    return Text(f"reverted: {transaction.revert_reason}", style="red")


def _time(timestamp: int) -> str:
    if timestamp > U64_MAX >> 24:
        return str(timestamp)
    return f"{datetime.fromtimestamp(timestamp, UTC):%Y-%m-%d %H:%M:%S} UTC ({timestamp})"
