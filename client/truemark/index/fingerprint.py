"""What tells a block from any other: not its hash alone, which on a development node leaves out what is in the block.

A header's print covers hash, parent, number, time, the commitments and the ordered transaction hashes; a block's print
adds what it wrote; a chain's print is that of all blocks up to one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from truemark.index.values import word, words

COMMITMENTS = ("transaction", "event", "receipt", "state_diff")
_NOTHING = bytes(32)
_ZERO = "0x0"


def header_print(raw: Mapping[str, Any]) -> bytes:
    """Of a block as starknet_getBlockWithTxHashes or starknet_getBlockWithReceipts gives it. Its status is left out:
    that changes while the block stays."""
    transactions = raw["transactions"]
    hashes = transactions if transactions and isinstance(transactions[0], str) else hashes_of(transactions)
    return sha256(
        words([raw["block_hash"], raw["parent_hash"], raw["new_root"], *commitments_of(raw), *hashes])
        + raw["block_number"].to_bytes(8, "big")
        + raw["timestamp"].to_bytes(8, "big")
    ).digest()


def hashes_of(transactions: Sequence[Mapping[str, Any]]) -> list[str]:
    return [item["receipt"]["transaction_hash"] for item in transactions]


def commitments_of(raw: Mapping[str, Any]) -> list[str]:
    return [raw.get(f"{name}_commitment", _ZERO) for name in COMMITMENTS]


def covers_diff(raw: Mapping[str, Any]) -> bool:
    """Whether the header changes with what the block wrote."""
    return any(word(raw.get("state_diff_commitment", _ZERO)))


def is_strong(raw: Mapping[str, Any]) -> bool:
    """Whether the block hash stands for the content and all blocks before it: a node without a state root computes
    none that does."""
    return any(word(raw["new_root"]))


def diff_print(diff: Mapping[str, Any]) -> bytes:
    """Of a state difference, whatever the order in which the node gives its parts."""
    parts = [
        b"s" + word(contract["address"]) + words([entry["key"], entry["value"]])
        for contract in diff["storage_diffs"]
        for entry in contract["storage_entries"]
    ]
    parts += [b"n" + words([item["contract_address"], item["nonce"]]) for item in diff["nonces"]]
    parts += [b"c" + words([item["address"], item["class_hash"]]) for item in diff["deployed_contracts"]]
    parts += [b"r" + words([item["contract_address"], item["class_hash"]]) for item in diff["replaced_classes"]]
    parts += [b"d" + words([item["class_hash"], item["compiled_class_hash"]]) for item in diff["declared_classes"]]
    parts += [b"o" + word(class_hash) for class_hash in diff.get("deprecated_declared_classes", ())]
    if not parts:
        return _NOTHING
    parts.sort()
    return sha256(b"".join(parts)).digest()


def chain_print(before: bytes | None, header: bytes, diff: bytes) -> bytes:
    """Of the chain up to a block; `before` is that of the block under it."""
    return sha256((before or _NOTHING) + header + diff).digest()
