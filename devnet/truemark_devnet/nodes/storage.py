"""Storage of a contract on the L2 node, read and written by slot: what a database does to a chain when it is restored,
migrated or raced, no transaction in it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Final

from truemark.felt import hex_of, selector
from truemark.hashing import pedersen

from truemark_devnet.nodes.control import Control

#: Addresses of slots lie below it, so that a value's further felts lie behind its first.
_BOUND: Final = 2**251 - 256


def slot_address(*path: str | int, offset: int = 0) -> int:
    """Where a variable lies: names of variables and of members of storage nodes, keys of maps, in their order.

    Source: the Starknet documentation, "Contract storage": sn_keccak of the first name, then the pedersen hash with
    each part that follows; `offset` is the felt of a value that takes several.
    """
    parts = [selector(part) if isinstance(part, str) else part for part in path]
    return reduce(pedersen, parts) % _BOUND + offset


def read_slot(control: Control, contract: int, slot: int) -> int:
    """A felt of a contract's storage in the newest block. Raises NodeError."""
    found = control.l2(
        "starknet_getStorageAt",
        {"contract_address": hex_of(contract), "key": hex_of(slot), "block_id": "latest"},
    )
    return int(found, 16)


def write_slots(control: Control, contract: int, slots: Mapping[int, int]) -> None:
    """Writes felts into a contract's storage past every transaction; the block that is made for it shows the change and
    nothing that explains it. Raises NodeError."""
    entries = [{"key": hex_of(slot), "value": hex_of(value)} for slot, value in slots.items()]
    diff = {"storage_diffs": [{"address": hex_of(contract), "storage_entries": entries}]}
    control.l2("devnet_applyStateDiff", {"state_diff": diff})
    control.l2("devnet_createBlock")
