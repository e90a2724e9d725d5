"""What the JSON API says: the explorer's records with felts in hexadecimal and wide integers as text. FastAPI makes the
OpenAPI description from these."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

Felt = Annotated[int, PlainSerializer(hex, return_type=str), Field(json_schema_extra={"example": "0x4d2"})]
#: An integer that may pass 2^53, as text.
Big = Annotated[int, PlainSerializer(str, return_type=str)]
Amount = Annotated[Decimal, PlainSerializer(lambda value: f"{value:f}", return_type=str)]

_Row = TypeVar("_Row")


class Record(BaseModel):
    model_config = ConfigDict(from_attributes=True, arbitrary_types_allowed=True)


class PageOf(Record, Generic[_Row]):
    """A page of a list. `cursor` is the next question's; null: there are no more."""

    rows: tuple[_Row, ...]
    cursor: str | None


class Problem(BaseModel):
    error: str
    detail: str


class GasPrice(Record):
    fri: Big
    wei: Big


class BlockRecord(Record):
    number: int
    hash: Felt
    parent_hash: Felt
    state_root: Felt
    timestamp: int
    sequencer: Felt
    starknet_version: str
    transaction_count: int
    event_count: int
    commitments: Mapping[str, Felt]
    unattributed: int
    seen_at: int
    reorg: int | None


class BlockSummary(Record):
    record: BlockRecord
    status: str
    failed: int
    fee: Big
    l2_gas: Big
    seconds: int | None


class TransactionSummary(Record):
    hash: Felt
    block_number: int
    timestamp: int
    index: int
    type: str
    status: str
    sender: Felt | None
    sender_name: str | None
    nonce: Big | None
    calls: tuple[str, ...]
    revert_reason: str | None
    fee: Big
    fee_unit: str
    l2_gas: Big
    event_count: int


class DecodedName(Record):
    name: str


class Call(Record):
    address: Felt
    contract: str | None
    selector: Felt
    calldata: tuple[Felt, ...]
    decoded: DecodedName | None
    arguments: Mapping[str, Any] | None
    reason: str | None


class EventOfTransaction(Record):
    index: int
    address: Felt
    contract: str | None
    keys: tuple[Felt, ...]
    data: tuple[Felt, ...]
    decoded: DecodedName | None
    fields: Mapping[str, Any] | None
    reason: str | None


class Event(Record):
    block_number: int
    timestamp: int
    orphaned: bool
    tx_hash: Felt
    tx_index: int
    index: int
    address: Felt
    keys: tuple[Felt, ...]
    data: tuple[Felt, ...]
    name: str | None
    fields: Mapping[str, Any] | None
    reason: str | None


class Receipt(Record):
    fee: Big
    fee_unit: str
    l1_gas: Big
    l1_data_gas: Big
    l2_gas: Big
    revert_reason: str | None


class Transaction(Record):
    hash: Felt
    type: str
    version: int
    index: int | None
    sender: Felt | None
    sender_name: str | None
    nonce: Big | None
    tip: Big
    signature: tuple[Felt, ...]
    calldata: tuple[Felt, ...]
    class_hash: Felt | None
    calls: tuple[Call, ...]
    calls_reason: str | None
    events: tuple[EventOfTransaction, ...]
    receipt: Receipt


class Block(Record):
    number: int
    hash: Felt | None
    parent_hash: Felt | None
    timestamp: int
    status: str
    state_root: Felt | None
    sequencer: Felt
    starknet_version: str
    l1_gas_price: GasPrice
    l1_data_gas_price: GasPrice
    l2_gas_price: GasPrice
    transaction_count: int | None
    event_count: int | None
    state_diff_length: int | None
    commitments: Mapping[str, Felt]
    problems: tuple[str, ...]
    transactions: tuple[Transaction, ...]


class Write(Record):
    """One value before and after; `cause` "unattributed": no transaction explains it."""

    block_number: int
    part: str
    address: Felt
    contract: str | None
    key: Felt | None
    variable: str | None
    account: Felt | None
    before: Felt | None
    after: Felt | None
    before_shown: Mapping[str, str] | None
    after_shown: Mapping[str, str] | None
    tx_index: int | None
    tx_hash: Felt | None
    cause: str
    orphaned: bool


class Reorg(Record):
    id: int
    first: int
    last: int
    detected_at: int
    cause: str


class BlockView(Record):
    block: Block
    summary: BlockSummary
    writes: tuple[Write, ...]
    reorg: Reorg | None
    others: tuple[BlockRecord, ...]
    previous: int | None
    next: int | None


class CallNode(Record):
    call: Call
    class_hash: Felt
    caller: Felt
    caller_name: str | None
    entry_point: str
    type: str
    result: tuple[Felt, ...]
    returned: Any
    reverted: bool
    calls: tuple[CallNode, ...]


class CallTree(Record):
    roots: tuple[CallNode, ...]
    reason: str | None


class Step(Record):
    name: str
    reached: bool | None
    layer: str
    block: int | None
    tx: str | None
    note: str | None


class Message(Record):
    hash: Felt
    direction: str
    state: str
    sender: Felt
    sender_name: str | None
    recipient: Felt
    recipient_name: str | None
    selector: Felt | None
    function: str | None
    nonce: Big | None
    payload: tuple[Felt, ...]
    arguments: Mapping[str, Any] | None
    block_number: int
    timestamp: int
    tx_hash: Felt
    tx_index: int
    steps: tuple[Step, ...]


class TransactionView(Record):
    transaction: Transaction
    block: BlockRecord
    status: str
    tree: CallTree
    writes: tuple[Write, ...]
    messages: tuple[Message, ...]
    bounds: Mapping[str, tuple[Big, Big]]
    elsewhere: tuple[BlockRecord, ...]


class Token(Record):
    address: Felt
    name: str | None
    symbol: str | None
    decimals: int | None


class TokenBalance(Record):
    token: Token
    amount: Big | None
    shown: Amount | None
    reason: str | None


class Transfer(Record):
    token: Token
    sender: Felt
    sender_name: str | None
    recipient: Felt
    recipient_name: str | None
    amount: Big | None
    shown: Amount | None
    token_id: Big | None
    block_number: int
    timestamp: int
    tx_hash: Felt
    tx_index: int
    event_index: int
    orphaned: bool


class Balance(Record):
    """Collateral in 1e-6 USD."""

    block_number: int
    timestamp: int
    collateral: Big
    account_epoch: int
    markets: tuple[int, ...]
    cause: str


class Position(Record):
    """Size in 1e-8 of the base asset; funding index in 1e-16 USD for one base unit."""

    market: int
    size: Big
    funding_index: Big
    block_number: int
    timestamp: int
    cause: str


class Margin(Record):
    venue: Felt
    venue_name: str | None
    balance: Balance
    positions: tuple[Position, ...]


class Account(Record):
    address: Felt
    name: str | None
    class_hash: Felt | None
    class_name: str | None
    reason: str | None
    nonce: Big
    balances: tuple[TokenBalance, ...]
    margins: tuple[Margin, ...]
    is_account: bool
    is_token: bool
    is_venue: bool
    sent: int
    first_block: int | None


class Function(Record):
    name: str
    kind: str
    inputs: Mapping[str, str]
    outputs: tuple[str, ...]
    is_view: bool
    selector: Felt


class ClassPeriod(Record):
    block_number: int
    class_hash: Felt
    how: str
    tx_hash: Felt | None
    cause: str


class Contract(Record):
    account: Account
    views: tuple[Function, ...]
    writes: tuple[Function, ...]
    event_names: tuple[str, ...]
    classes: tuple[ClassPeriod, ...]


class Class(Record):
    class_hash: Felt
    name: str | None
    reason: str | None
    compiled_class_hash: Felt | None
    declared_block: int | None
    declared_tx: Felt | None
    contracts: tuple[tuple[Felt, str | None], ...]


class CalledRow(Record):
    call: Call
    caller: Felt
    caller_name: str | None
    block_number: int
    timestamp: int
    tx_hash: Felt
    tx_index: int
    reverted: bool


class SlotVersion(Record):
    value: Felt
    block_number: int
    timestamp: int
    tx_hash: Felt | None
    cause: str
    orphaned: bool


class Comparison(Record):
    before: int
    after: int
    changes: tuple[Write, ...]


class Replacement(Record):
    reorg: Reorg
    orphan: BlockSummary
    replaced_by: BlockSummary | None
    kept: tuple[Felt, ...]
    lost: tuple[Felt, ...]
    new: tuple[Felt, ...]
    writes: tuple[Write, ...]


class Part(Record):
    state: str
    says: str


class Health(Record):
    """Three questions: do blocks come, is the index with them, is the data right."""

    ok: bool
    chain: Part
    index: Part
    data: Part
    chain_head: int | None
    index_head: int | None
    l1_accepted: int
    age: int | None
    unattributed: int
    rollbacks: int


class Mark(Record):
    """Prices in 1e-8 USD."""

    block_number: int
    timestamp: int
    oracle: Felt
    market: int
    price: Big
    status: str
    outcome: str | None
    median: Big | None


class SanityPoint(Record):
    mark: Mark
    jump_bps: Amount | None
    off_median_bps: Amount | None
    flags: tuple[str, ...]


class Funding(Record):
    """The index in 1e-16 USD for one base unit."""

    block_number: int
    timestamp: int
    venue: Felt
    market: int
    index: Big
    live: bool | None


class FundingPoint(Record):
    funding: Funding
    change: Amount | None
    hourly_bps: Amount | None
    flags: tuple[str, ...]


class Timeline(Record):
    market: int
    name: str | None
    marks: tuple[SanityPoint, ...]
    funding: tuple[FundingPoint, ...]
    unexplained: tuple[Write, ...]


class Hit(Record):
    kind: str
    target: str
    title: str
    orphaned: bool


class Activity(Record):
    first_block: int
    last_block: int
    timestamp: int
    blocks: int
    transactions: int
    failed: int
    events: int
    l2_gas: Big
    fee: Big
    seconds: Amount | None


class MarketNow(Record):
    """Prices in 1e-8 USD, sizes in 1e-8 of the base asset."""

    index: int
    name: str
    price: Big | None
    status: str
    accepted_at: int | None
    funding_index: Big | None
    long: Big | None
    short: Big | None


class Venue(Record):
    """Sums of the ledger in 1e-6 USD."""

    name: str
    mode: str | None
    epoch: int | None
    markets: tuple[MarketNow, ...]
    ledger: Mapping[str, Big]
    trouble: str | None


class ReadResult(BaseModel):
    function: str
    value: Any
