"""What the explorer gives: blocks, transactions, calls, events and state differences as frozen records.

Numbers of the chain stay ints. What could not be decoded has `decoded` None and says why in `reason`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from truemark.abi import Abi, DecodedCall, DecodedEvent
from truemark.errors import TruemarkError
from truemark.receipt import MessageToL1, Receipt


class NotFound(TruemarkError, LookupError):
    """The node has no such block, transaction or contract."""


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call of a transaction."""

    address: int
    #: Of the contract, where it is known.
    contract: str | None
    selector: int
    calldata: tuple[int, ...]
    decoded: DecodedCall | None
    #: Why it is not decoded.
    reason: str | None
    abi: Abi | None = field(default=None, repr=False, compare=False)

    @property
    def arguments(self) -> dict[str, Any] | None:
        """As JSON can say them; None if it is not decoded."""
        return self.abi.show_call(self.decoded) if self.abi and self.decoded else None


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One event of a transaction; `index` counts within it."""

    index: int
    address: int
    #: Of the contract, where it is known.
    contract: str | None
    keys: tuple[int, ...]
    data: tuple[int, ...]
    decoded: DecodedEvent | None
    #: Why it is not decoded.
    reason: str | None
    abi: Abi | None = field(default=None, repr=False, compare=False)

    @property
    def fields(self) -> dict[str, Any] | None:
        """As JSON can say them; None if it is not decoded."""
        return self.abi.show_event(self.decoded) if self.abi and self.decoded else None


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction with its receipt."""

    hash: int
    type: str
    version: int
    #: Its place in the block; None if it was not read with its block.
    index: int | None
    #: Who sent it: an account; the contract that a message from L1 is for; the account that deployed itself.
    sender: int | None
    sender_name: str | None
    nonce: int | None
    tip: int
    signature: tuple[int, ...]
    #: As it was sent, before it is taken apart into `calls`.
    calldata: tuple[int, ...]
    #: Of a declaration or a deployment.
    class_hash: int | None
    calls: tuple[CallRecord, ...]
    #: Why there are no calls where there should be.
    calls_reason: str | None
    events: tuple[EventRecord, ...]
    receipt: Receipt

    @property
    def block_number(self) -> int | None:
        return self.receipt.block_number

    @property
    def finality(self) -> str:
        return self.receipt.finality

    @property
    def succeeded(self) -> bool:
        return self.receipt.succeeded

    @property
    def revert_reason(self) -> str | None:
        return self.receipt.revert_reason

    @property
    def messages(self) -> tuple[MessageToL1, ...]:
        """To L1."""
        return self.receipt.messages


@dataclass(frozen=True, slots=True)
class GasPrice:
    fri: int
    wei: int


@dataclass(frozen=True, slots=True)
class Block:
    """A block with its transactions. Hash, parent and counts are None while it is pre-confirmed."""

    number: int
    hash: int | None
    parent_hash: int | None
    #: Seconds.
    timestamp: int
    #: PRE_CONFIRMED, ACCEPTED_ON_L2 or ACCEPTED_ON_L1.
    status: str
    state_root: int | None
    sequencer: int
    starknet_version: str
    l1_gas_price: GasPrice
    l1_data_gas_price: GasPrice
    l2_gas_price: GasPrice
    #: As the header counts them.
    transaction_count: int | None
    event_count: int | None
    state_diff_length: int | None
    #: Of transactions, events, receipts and the state difference, where the node gives them.
    commitments: Mapping[str, int]
    transactions: tuple[Transaction, ...]

    @property
    def events(self) -> tuple[EventRecord, ...]:
        return tuple(event for transaction in self.transactions for event in transaction.events)

    @property
    def problems(self) -> tuple[str, ...]:
        """Where the node's own counts do not agree with what it gave."""
        found = []
        counted = [
            ("transactions", self.transaction_count, len(self.transactions)),
            ("events", self.event_count, len(self.events)),
        ]
        for what, count, given in counted:
            if count is not None and count != given:
                found.append(f"the header counts {count} {what}, the node gave {given}")
        return tuple(found)


@dataclass(frozen=True, slots=True)
class StateDiff:
    """What a block changed, as the node gives it: new values only."""

    block_hash: int | None
    old_root: int | None
    new_root: int | None
    #: Address -> key -> new value.
    storage: Mapping[int, Mapping[int, int]]
    nonces: Mapping[int, int]
    #: Address -> class hash.
    deployed: Mapping[int, int]
    replaced: Mapping[int, int]
    #: Class hash -> compiled class hash.
    declared: Mapping[int, int]
