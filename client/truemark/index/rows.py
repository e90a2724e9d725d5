"""From a block as the node gave it to the rows of the tables, without looking at any other block."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from Crypto.Hash import keccak

from truemark.abi import Abi, AbiError, DecodedEvent
from truemark.index.attribution import Attribution
from truemark.index.classes import Classes, ClassText
from truemark.index.fingerprint import commitments_of, is_strong
from truemark.index.reader import RawBlock
from truemark.index.records import Cause
from truemark.index.values import word, words
from truemark.receipt import revert_reason

Row = dict[str, Any]

_GAS: Final = ("l1_gas", "l1_data_gas", "l2_gas")
#: What has a column of its own.
_COLUMNS: Final = frozenset(
    {
        "type",
        "version",
        "sender_address",
        "contract_address",
        "nonce",
        "calldata",
        "constructor_calldata",
        "signature",
        "class_hash",
        "transaction_hash",
    }
)
#: The parts of a trace that are the transaction's own doing; only one is there.
_ROOTS: Final = ("execute_invocation", "constructor_invocation", "function_invocation")
_NO_CLASS: Final = "there is no contract at this address"


@dataclass(slots=True)
class Emitted:
    """A decoded event and where it is, for what is derived from events."""

    tx_index: int
    event_index: int
    address: bytes
    abi: Abi
    event: DecodedEvent


@dataclass(slots=True)
class BlockRows:
    """The rows of one block by table, without the block's id; `header` is the row of the block itself."""

    number: int
    header: Row
    transactions: list[Row] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)
    mentions: list[Row] = field(default_factory=list)
    calls: list[Row] = field(default_factory=list)
    storage: list[Row] = field(default_factory=list)
    overwritten: list[Row] = field(default_factory=list)
    nonces: list[Row] = field(default_factory=list)
    contracts: list[Row] = field(default_factory=list)
    declarations: list[Row] = field(default_factory=list)
    messages: list[Row] = field(default_factory=list)
    marks: list[Row] = field(default_factory=list)
    funding: list[Row] = field(default_factory=list)
    participants: list[Row] = field(default_factory=list)
    balances: list[Row] = field(default_factory=list)
    positions: list[Row] = field(default_factory=list)
    decoded: list[Emitted] = field(default_factory=list)


def rows_of(raw: RawBlock, classes: Classes, class_text: Callable[[bytes], ClassText | None]) -> BlockRows:
    """Everything but what needs to know of other blocks.

    Args:
        classes: of the contracts that emit in it.
        class_text: the ABI of one of those.
    """
    rows = BlockRows(raw.number, _header(raw))
    for index, item in enumerate(raw.header["transactions"]):
        _transaction(rows, index, item["transaction"], item["receipt"])
        _events(rows, index, item["receipt"]["events"], classes, class_text)
        _messages(rows, index, item["transaction"], item["receipt"])
    for index, trace in enumerate(raw.traces or ()):
        _calls(rows, index, trace["trace_root"])
    _writes(rows, raw)
    every = (rows.storage, rows.nonces, rows.contracts, rows.declarations)
    rows.header["unattributed"] = sum(row["cause"] == Cause.UNATTRIBUTED for part in every for row in part)
    return rows


def _header(raw: RawBlock) -> Row:
    header = raw.header
    transactions = header["transactions"]
    prices = {
        name: [str(int(header[f"{name}_price"][unit], 16)) for unit in ("price_in_fri", "price_in_wei")]
        for name in _GAS
    }
    return {
        "number": raw.number,
        "hash": word(header["block_hash"]),
        "parent_hash": word(header["parent_hash"]),
        "state_root": word(header["new_root"]),
        "timestamp": header["timestamp"],
        "sequencer": word(header["sequencer_address"]),
        "starknet_version": header["starknet_version"],
        "gas_prices": orjson.dumps(prices).decode(),
        "transaction_count": len(transactions),
        "event_count": sum(len(item["receipt"]["events"]) for item in transactions),
        "commitments": words(commitments_of(header)),
        "header": raw.header_print,
        "diff": raw.diff_print,
        "strong": is_strong(header),
        "unattributed": 0,
        "reorg": None,
    }


def _transaction(rows: BlockRows, index: int, raw: Mapping[str, Any], receipt: Mapping[str, Any]) -> None:
    sender = raw.get("sender_address") or raw.get("contract_address") or receipt.get("contract_address")
    resources = receipt["execution_resources"]
    reverted = receipt["execution_status"] == "REVERTED"
    class_hash = raw.get("class_hash")
    nonce = raw.get("nonce")
    rows.transactions.append(
        {
            "tx_index": index,
            "hash": word(receipt["transaction_hash"]),
            "type": raw["type"],
            "version": int(raw["version"], 16) & 0x7FFF,
            "sender": None if sender is None else word(sender),
            "nonce": None if nonce is None else word(nonce),
            "calldata": words(raw.get("calldata") or raw.get("constructor_calldata") or ()),
            "signature": words(raw.get("signature") or ()),
            "class_hash": None if class_hash is None else word(class_hash),
            "details": orjson.dumps({name: raw[name] for name in raw if name not in _COLUMNS}).decode(),
            "revert_reason": revert_reason(receipt.get("revert_reason") or "no reason given") if reverted else None,
            "fee": int(receipt["actual_fee"]["amount"], 16),
            "fee_unit": receipt["actual_fee"]["unit"],
            "l1_gas": resources.get("l1_gas", 0),
            "l1_data_gas": resources.get("l1_data_gas", 0),
            "l2_gas": resources.get("l2_gas", 0),
        }
    )


def _events(
    rows: BlockRows,
    tx_index: int,
    raw_events: list[Mapping[str, Any]],
    classes: Classes,
    class_text: Callable[[bytes], ClassText | None],
) -> None:
    for event_index, raw in enumerate(raw_events):
        address = word(raw["from_address"])
        keys = raw["keys"]
        joined = words(keys)
        row: Row = {
            "tx_index": tx_index,
            "event_index": event_index,
            "address": address,
            "selector": joined[:32] if keys else None,
            "keys": joined,
            "data": words(raw["data"]),
            "name": None,
            "fields": None,
            "reason": None,
        }
        rows.events.append(row)
        reason = _NO_CLASS
        for class_hash in classes.get(address, ()):
            text = class_text(class_hash)
            if text is None or text.parsed is None:
                reason = "the class is not known" if text is None or text.reason is None else text.reason
                continue
            abi = text.parsed
            try:
                event = abi.decode_event_texts(keys, raw["data"])
            except AbiError as error:
                reason = str(error)
                continue
            row["name"] = event.name
            row["fields"] = orjson.dumps(abi.show_event(event)).decode()
            rows.decoded.append(Emitted(tx_index, event_index, address, abi, event))
            for named in filter(None, abi.addresses_in(event)):
                rows.mentions.append(
                    {"address": named.to_bytes(32, "big"), "tx_index": tx_index, "event_index": event_index}
                )
            break
        else:
            row["reason"] = reason


def _messages(rows: BlockRows, index: int, raw: Mapping[str, Any], receipt: Mapping[str, Any]) -> None:
    if raw["type"] == "L1_HANDLER":
        calldata = raw["calldata"]
        # The hash that L1 knows it by, all 32 bytes of it, which a felt has no room for.
        rows.messages.append(
            {
                "tx_index": index,
                "place": 0,
                "direction": "to_l2",
                "hash": word(receipt["message_hash"]),
                "sender": word(calldata[0]),
                "recipient": word(raw["contract_address"]),
                "selector": word(raw["entry_point_selector"]),
                "nonce": word(raw["nonce"]),
                "payload": words(calldata[1:]),
            }
        )
    for place, message in enumerate(receipt["messages_sent"], start=1):
        sender, recipient, payload = (
            word(message["from_address"]),
            word(message["to_address"]),
            words(message["payload"]),
        )
        length = (len(payload) // 32).to_bytes(32, "big")
        rows.messages.append(
            {
                "tx_index": index,
                "place": place,
                "direction": "to_l1",
                "hash": keccak.new(digest_bits=256, data=sender + recipient + length + payload).digest(),
                "sender": sender,
                "recipient": recipient,
                "selector": None,
                "nonce": None,
                "payload": payload,
            }
        )


def _calls(rows: BlockRows, tx_index: int, trace: Mapping[str, Any]) -> None:
    for part in _ROOTS:
        root = trace.get(part)
        # A transaction that failed has words in place of its calls.
        if root is not None and "contract_address" in root:
            _call(rows.calls, tx_index, root, None, 0)


def _call(out: list[Row], tx_index: int, raw: Mapping[str, Any], parent: int | None, place: int) -> int:
    """Adds a call and those below it; the next free place."""
    out.append(
        {
            "tx_index": tx_index,
            "place": place,
            "parent": parent,
            "address": word(raw["contract_address"]),
            "class_hash": word(raw.get("class_hash") or "0x0"),
            "caller": word(raw["caller_address"]),
            "selector": word(raw["entry_point_selector"]),
            "entry_point": raw["entry_point_type"],
            "type": raw["call_type"],
            "calldata": words(raw["calldata"]),
            "result": words(raw["result"]),
            "reverted": bool(raw.get("is_reverted", False)),
        }
    )
    mine, place = place, place + 1
    for inner in raw["calls"]:
        place = _call(out, tx_index, inner, mine, place)
    return place


def _writes(rows: BlockRows, raw: RawBlock) -> None:
    attribution = Attribution(raw.number, raw.traces)
    of = attribution.of
    rows.overwritten += [
        {"address": address, "key": key, "tx_index": tx_index, "value": value}
        for address, key, tx_index, value in attribution.overwritten
    ]
    diff = raw.diff
    for contract in diff["storage_diffs"]:
        address = word(contract["address"])
        for entry in contract["storage_entries"]:
            key, value = word(entry["key"]), word(entry["value"])
            tx_index, cause = of("storage", address, value, key)
            rows.storage.append(
                {"address": address, "key": key, "value": value, "tx_index": tx_index, "cause": cause.value}
            )
    for item in diff["nonces"]:
        address, nonce = word(item["contract_address"]), word(item["nonce"])
        tx_index, cause = of("nonce", address, nonce)
        rows.nonces.append({"address": address, "nonce": nonce, "tx_index": tx_index, "cause": cause.value})
    changes = {word(item["address"]): (word(item["class_hash"]), "deployed") for item in diff["deployed_contracts"]}
    changes |= {
        word(item["contract_address"]): (word(item["class_hash"]), "replaced") for item in diff["replaced_classes"]
    }
    for address, (class_hash, how) in changes.items():
        tx_index, cause = of("class", address, class_hash)
        rows.contracts.append(
            {"address": address, "class_hash": class_hash, "how": how, "tx_index": tx_index, "cause": cause.value}
        )
    declared = {word(item["class_hash"]): word(item["compiled_class_hash"]) for item in diff["declared_classes"]}
    declared |= {word(class_hash): b"" for class_hash in diff.get("deprecated_declared_classes", ())}
    for class_hash, compiled in declared.items():
        tx_index, cause = of("declared", class_hash, compiled)
        rows.declarations.append(
            {
                "class_hash": class_hash,
                "compiled_class_hash": compiled or None,
                "tx_index": tx_index,
                "cause": cause.value,
            }
        )
