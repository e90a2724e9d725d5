"""From what the node says to records: headers, transactions with their calls and events, state differences.

First everything is parsed and the addresses in it are collected, then, once the directory knows them, decoded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from truemark.abi import Abi, AbiError, DecodedCall
from truemark.abi.typenames import generic, normal
from truemark.explorer.directory import Known
from truemark.explorer.records import Block, CallRecord, EventRecord, GasPrice, StateDiff, Transaction
from truemark.felt import selector
from truemark.receipt import Receipt, hex_felts, optional_hex, parse_receipt
from truemark.rpc import BadAnswer
from truemark.transactions import Call

_T = TypeVar("_T")
_EXECUTE: Final = "__execute__"
_CONSTRUCTOR: Final = selector("constructor")
_COMMITMENTS: Final = ("transaction", "event", "receipt", "state_diff")


@dataclass(frozen=True, slots=True)
class Parsed:
    """A transaction before its contracts are known."""

    raw: Mapping[str, Any]
    receipt: Receipt
    type: str
    version: int
    sender: int | None
    calldata: tuple[int, ...]
    class_hash: int | None
    #: What it calls, as far as that is plain without an ABI.
    calls: tuple[Call, ...]
    #: The calldata is no list of calls.
    reason: str | None

    def addresses(self) -> Iterator[int]:
        if self.sender is not None:
            yield self.sender
        yield from (call.to for call in self.calls)
        yield from (event.from_address for event in self.receipt.events)


def parse_transaction(raw: Mapping[str, Any], raw_receipt: Mapping[str, Any]) -> Parsed:
    """
    Raises:
        BadAnswer: the node gave what is no transaction.
    """
    receipt = parse_receipt(raw_receipt)
    return _read("transaction", lambda: _parsed(raw, receipt))


def _parsed(raw: Mapping[str, Any], receipt: Receipt) -> Parsed:
    kind = raw["type"]
    calldata = hex_felts(raw.get("calldata") or raw.get("constructor_calldata") or [])
    sender = optional_hex(raw.get("sender_address") or raw.get("contract_address"))
    calls: tuple[Call, ...] = ()
    reason = None
    if kind == "INVOKE":
        if "entry_point_selector" in raw:
            calls = (Call(int(raw["contract_address"], 16), int(raw["entry_point_selector"], 16), calldata),)
        else:
            found = parse_execute(calldata)
            calls, reason = ((), found) if isinstance(found, str) else (found, None)
    elif kind == "L1_HANDLER":
        calls = (Call(int(raw["contract_address"], 16), int(raw["entry_point_selector"], 16), calldata),)
    elif kind == "DEPLOY_ACCOUNT":
        sender = receipt.contract_address
        if sender is not None:
            calls = (Call(sender, _CONSTRUCTOR, calldata),)
    return Parsed(
        raw=raw,
        receipt=receipt,
        type=kind,
        version=int(raw["version"], 16) & 0xFFFF,
        sender=sender,
        calldata=calldata,
        class_hash=optional_hex(raw.get("class_hash")),
        calls=calls,
        reason=reason,
    )


def parse_execute(calldata: Sequence[int]) -> tuple[Call, ...] | str:
    """The calls in the calldata of a SNIP-6 account, Array<Call>; or why they are none."""
    if not calldata:
        return "no calldata"
    at = 1
    calls = []
    for _ in range(calldata[0]):
        if at + 3 > len(calldata):
            return "the calldata is no list of calls: it ends too early"
        to, entry_point, size = calldata[at : at + 3]
        at += 3
        if at + size > len(calldata):
            return "the calldata is no list of calls: it ends too early"
        calls.append(Call(to, entry_point, tuple(calldata[at : at + size])))
        at += size
    if at != len(calldata):
        return f"the calldata is no list of calls: {len(calldata) - at} felts are left over"
    return tuple(calls)


def decode_transaction(parsed: Parsed, index: int | None, known: Callable[[int], Known]) -> Transaction:
    """`known` gives what the directory found for each of `parsed.addresses()`."""
    raw = parsed.raw
    calls, reason = parsed.calls, parsed.reason
    if parsed.type == "INVOKE" and "entry_point_selector" not in raw and parsed.sender is not None:
        reason = _not_snip6(known(parsed.sender)) or reason
        if reason:
            calls = ()
    return _read(
        "transaction",
        lambda: Transaction(
            hash=parsed.receipt.hash,
            type=parsed.type,
            version=parsed.version,
            index=index,
            sender=parsed.sender,
            sender_name=None if parsed.sender is None else known(parsed.sender).name,
            nonce=optional_hex(raw.get("nonce")),
            tip=int(raw.get("tip", "0x0"), 16),
            signature=hex_felts(raw.get("signature") or []),
            calldata=parsed.calldata,
            class_hash=parsed.class_hash,
            calls=tuple(call_record(call, known(call.to)) for call in calls),
            calls_reason=reason,
            events=tuple(
                _event(place, event.from_address, event.keys, event.data, known(event.from_address))
                for place, event in enumerate(parsed.receipt.events)
            ),
            receipt=parsed.receipt,
        ),
    )


def _not_snip6(account: Known) -> str | None:
    """Why the calldata of this account's transactions cannot be read as Array<Call>; None: it can."""
    if account.abi is None:
        return f"the account's class is not known: {account.reason}"
    execute = account.abi.functions.get(_EXECUTE)
    if execute is None:
        return "the sender's class is no account: it has no __execute__"
    kinds = [normal(kind) for kind in execute.inputs.values()]
    path, arguments = generic(kinds[0]) if len(kinds) == 1 else ("", [])
    is_array = path in ("core::array::Array", "core::array::Span") and len(arguments) == 1
    if not is_array or not arguments[0].endswith("::account::Call"):
        return "the account's __execute__ does not take an array of calls"
    return None


def call_record(call: Call, target: Known) -> CallRecord:
    """A call, decoded by what is known of its target."""
    decoded: DecodedCall | None = None
    reason = target.reason
    if target.abi is not None:
        try:
            decoded = target.abi.decode_call(call.selector, call.calldata)
        except AbiError as error:
            reason = str(error)
    return CallRecord(
        call.to, target.name, call.selector, call.calldata, decoded, reason, target.abi if decoded else None
    )


def _event(index: int, address: int, keys: tuple[int, ...], data: tuple[int, ...], emitter: Known) -> EventRecord:
    decoded = None
    reason = emitter.reason
    abi: Abi | None = None
    if emitter.abi is not None:
        try:
            decoded = emitter.abi.decode_event(keys, data)
            abi = emitter.abi
        except AbiError as error:
            reason = str(error)
    if decoded is None and emitter.older is not None:
        try:
            decoded = emitter.older.decode_event(keys, data)
            abi, reason = emitter.older, None
        except AbiError:
            abi = None
    return EventRecord(index, address, emitter.name, keys, data, decoded, reason, abi)


def parse_block(raw: Mapping[str, Any], transactions: tuple[Transaction, ...]) -> Block:
    """A block of starknet_getBlockWithReceipts around its decoded transactions.

    Raises:
        BadAnswer: the node gave what is no block.
    """
    return _read(
        "block",
        lambda: Block(
            number=raw["block_number"],
            hash=optional_hex(raw.get("block_hash")),
            parent_hash=optional_hex(raw.get("parent_hash")),
            timestamp=raw["timestamp"],
            status=raw.get("status", "PRE_CONFIRMED"),
            state_root=optional_hex(raw.get("new_root")),
            sequencer=int(raw["sequencer_address"], 16),
            starknet_version=raw["starknet_version"],
            l1_gas_price=_price(raw["l1_gas_price"]),
            l1_data_gas_price=_price(raw["l1_data_gas_price"]),
            l2_gas_price=_price(raw["l2_gas_price"]),
            transaction_count=raw.get("transaction_count"),
            event_count=raw.get("event_count"),
            state_diff_length=raw.get("state_diff_length"),
            commitments={
                name: int(raw[f"{name}_commitment"], 16) for name in _COMMITMENTS if f"{name}_commitment" in raw
            },
            transactions=transactions,
        ),
    )


def transactions_of(raw: Mapping[str, Any]) -> list[Parsed]:
    """The transactions of a block of starknet_getBlockWithReceipts, in order.

    Raises:
        BadAnswer: the node gave what is no block.
    """
    pairs = _read("block", lambda: [(item["transaction"], item["receipt"]) for item in raw["transactions"]])
    return [parse_transaction(transaction, receipt) for transaction, receipt in pairs]


def parse_state_update(raw: Mapping[str, Any]) -> StateDiff:
    """
    Raises:
        BadAnswer: the node gave what is no state update.
    """

    def pairs(items: Sequence[Mapping[str, str]], key: str, value: str) -> dict[int, int]:
        return {int(item[key], 16): int(item[value], 16) for item in items}

    def parsed() -> StateDiff:
        diff = raw["state_diff"]
        return StateDiff(
            block_hash=optional_hex(raw.get("block_hash")),
            old_root=optional_hex(raw.get("old_root")),
            new_root=optional_hex(raw.get("new_root")),
            storage={
                int(contract["address"], 16): pairs(contract["storage_entries"], "key", "value")
                for contract in diff["storage_diffs"]
            },
            nonces=pairs(diff["nonces"], "contract_address", "nonce"),
            deployed=pairs(diff["deployed_contracts"], "address", "class_hash"),
            replaced=pairs(diff["replaced_classes"], "contract_address", "class_hash"),
            declared=pairs(diff["declared_classes"], "class_hash", "compiled_class_hash"),
        )

    return _read("state update", parsed)


def _price(raw: Mapping[str, str]) -> GasPrice:
    return GasPrice(int(raw["price_in_fri"], 16), int(raw["price_in_wei"], 16))


def _read(what: str, work: Callable[[], _T]) -> _T:
    try:
        return work()
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadAnswer(f"the node gave what is no {what}: {type(error).__name__} {error}") from None
