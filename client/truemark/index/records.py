"""What the index answers with, as frozen records. Felts are ints; amounts stay in the contracts' units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

_Row = TypeVar("_Row")


class Cause(StrEnum):
    """Why something was written."""

    TRANSACTION = "transaction"
    #: By the protocol itself: the table of block hashes.
    PROTOCOL = "protocol"
    #: Before the first transaction could be.
    GENESIS = "genesis"
    #: The node does not say what its transactions wrote.
    UNKNOWN = "unknown"
    #: By no transaction.
    UNATTRIBUTED = "unattributed"


@dataclass(frozen=True, slots=True)
class BlockRecord:
    """A block as it was indexed; `reorg` is the rollback that orphaned it, None while it counts."""

    id: int
    number: int
    hash: int
    parent_hash: int
    state_root: int
    #: Seconds.
    timestamp: int
    sequencer: int
    starknet_version: str
    #: "l1_gas", "l1_data_gas", "l2_gas" -> (FRI, WEI).
    gas_prices: Mapping[str, tuple[int, int]]
    transaction_count: int
    event_count: int
    #: Of transactions, events, receipts, the state difference.
    commitments: Mapping[str, int]
    #: Tells it from any other block; see truemark.index.fingerprint.
    fingerprint: bytes
    #: Writes that no transaction explains.
    unattributed: int
    #: When it was indexed, seconds.
    seen_at: int
    reorg: int | None

    @property
    def orphaned(self) -> bool:
        return self.reorg is not None


@dataclass(frozen=True, slots=True)
class TransactionRow:
    """A transaction with what it cost. `details` is the rest of it, as the node gave it."""

    block: BlockRecord
    index: int
    hash: int
    type: str
    version: int
    sender: int | None
    nonce: int | None
    calldata: tuple[int, ...]
    signature: tuple[int, ...]
    class_hash: int | None
    details: Mapping[str, Any]
    #: None: it succeeded.
    revert_reason: str | None
    fee: int
    fee_unit: str
    l1_gas: int
    l1_data_gas: int
    l2_gas: int
    events: tuple[EventRow, ...]
    messages: tuple[MessageRow, ...]

    @property
    def succeeded(self) -> bool:
        return self.revert_reason is None


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event, raw and decoded; without `fields`, `reason` says why."""

    block_number: int
    timestamp: int
    orphaned: bool
    tx_hash: int
    tx_index: int
    #: Within its transaction.
    index: int
    address: int
    keys: tuple[int, ...]
    data: tuple[int, ...]
    name: str | None
    #: As JSON can say them: felts and addresses hexadecimal, integers wider than 32 bits as text.
    fields: Mapping[str, Any] | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events: each that is given must hold.

    `mentions`: an address in one of the decoded fields. `keys`: by place, each the values allowed there; an empty one
    allows any, and an event with fewer keys does not match.
    """

    address: int | None = None
    name: str | None = None
    mentions: int | None = None
    keys: tuple[tuple[int, ...], ...] = ()
    first_block: int | None = None
    last_block: int | None = None
    #: Those of orphaned blocks instead of the chain's.
    orphaned: bool = False


@dataclass(frozen=True, slots=True)
class Page(Generic[_Row]):
    """Rows in a row, and where the next ones begin; None: there are no more."""

    rows: tuple[_Row, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class MessageRow:
    """A message between L1 and L2. Of one to L2 `sender` is the contract on L1 and `selector` the handler."""

    block_number: int
    orphaned: bool
    tx_hash: int
    direction: str
    #: As the messaging contract on L1 knows it.
    hash: int
    sender: int
    recipient: int
    selector: int | None
    nonce: int | None
    payload: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MarkRow:
    """What an oracle said of a market: the last good mark from then on; 1e-8 USD."""

    block_number: int
    timestamp: int
    tx_index: int
    oracle: int
    market: int
    price: int
    status: str
    outcome: str | None
    median: int | None


@dataclass(frozen=True, slots=True)
class FundingRow:
    """A market's funding index where an event said it; 1e-16 USD for one base unit."""

    block_number: int
    timestamp: int
    venue: int
    market: int
    index: int
    live: bool | None


@dataclass(frozen=True, slots=True)
class PositionRow:
    """A position from this block on; size in 1e-8 of the base asset, 0 is closed."""

    block_number: int
    timestamp: int
    venue: int
    account: int
    market: int
    size: int
    funding_index: int
    tx_index: int | None
    cause: Cause


@dataclass(frozen=True, slots=True)
class BalanceRow:
    """A margin account from this block on; collateral in 1e-6 USD."""

    block_number: int
    timestamp: int
    venue: int
    account: int
    collateral: int
    account_epoch: int
    #: Of the markets in which it has a position.
    markets: tuple[int, ...]
    tx_index: int | None
    cause: Cause


@dataclass(frozen=True, slots=True)
class Write:
    """Something that a block wrote.

    `part` is "storage", "nonce", "class" or "declared"; `address` the contract, or the class that was declared; `key`
    the slot of a storage write; `value` 0 where a declared class has no compiled class.
    """

    block_number: int
    timestamp: int
    orphaned: bool
    part: str
    address: int
    key: int | None
    value: int
    tx_index: int | None
    cause: Cause
    #: The contract's and the variable's, where they are known.
    contract: str | None
    variable: str | None


@dataclass(frozen=True, slots=True)
class StateChange:
    """One value that differs between two blocks; None: it was not written up to there."""

    part: str
    address: int
    contract: str | None
    key: int | None
    variable: str | None
    #: The account that the slot belongs to, where it is one's.
    account: int | None
    before: int | None
    after: int | None


@dataclass(frozen=True, slots=True)
class Reorg:
    """A rollback: blocks `first` to `last` were orphaned."""

    id: int
    first: int
    last: int
    #: Seconds.
    detected_at: int
    cause: str


@dataclass(frozen=True, slots=True)
class Orphan:
    """A block that was rolled back, and the block that took its place; None: none has yet."""

    block: BlockRecord
    reorg: Reorg
    replaced_by: BlockRecord | None
