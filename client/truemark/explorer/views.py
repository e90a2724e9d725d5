"""What the explorer shows that takes an index: pages of blocks and transactions, call trees, writes with before and
after, accounts, contracts, classes, transfers, messages, orphans, health. Frozen; felts are ints, amounts as noted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from truemark.abi import Abi, Function
from truemark.errors import TruemarkError
from truemark.explorer.records import Block, CallRecord, Transaction
from truemark.index.records import BalanceRow, BlockRecord, Cause, FundingRow, MarkRow, PositionRow, Reorg


class NoIndex(TruemarkError, RuntimeError):
    """The explorer was opened without an index, and this needs one."""


@dataclass(frozen=True, slots=True)
class BlockSummary:
    """A block in a list. `fee` in FRI and `l2_gas` are sums over its transactions."""

    record: BlockRecord
    #: PRE_CONFIRMED, ACCEPTED_ON_L2, ACCEPTED_ON_L1 or ORPHANED.
    status: str
    failed: int
    fee: int
    l2_gas: int
    #: Seconds since the block before it; None: there is none.
    seconds: int | None

    @property
    def number(self) -> int:
        return self.record.number


@dataclass(frozen=True, slots=True)
class TransactionSummary:
    """A transaction in a list."""

    hash: int
    block_number: int
    #: Seconds.
    timestamp: int
    index: int
    type: str
    status: str
    sender: int | None
    sender_name: str | None
    nonce: int | None
    #: "Clearinghouse.settle"; a selector where the class is not known.
    calls: tuple[str, ...]
    #: None: it succeeded.
    revert_reason: str | None
    fee: int
    fee_unit: str
    l2_gas: int
    event_count: int

    @property
    def succeeded(self) -> bool:
        return self.revert_reason is None


@dataclass(frozen=True, slots=True)
class CallNode:
    """One call with those that it made."""

    call: CallRecord
    class_hash: int
    caller: int
    caller_name: str | None
    #: EXTERNAL, CONSTRUCTOR or L1_HANDLER.
    entry_point: str
    #: CALL, DELEGATE or LIBRARY_CALL.
    type: str
    result: tuple[int, ...]
    #: As JSON can say it; None where it is not decoded or there is none.
    returned: Any
    reverted: bool
    calls: tuple[CallNode, ...]


@dataclass(frozen=True, slots=True)
class CallTree:
    """What a transaction called; without calls `reason` says why."""

    roots: tuple[CallNode, ...]
    reason: str | None


@dataclass(frozen=True, slots=True)
class SlotWrite:
    """One value before and after.

    `part` is "storage", "nonce", "class" or "declared"; `before` None: nothing was written there before, as far as the
    index goes back.
    """

    block_number: int
    part: str
    address: int
    contract: str | None
    key: int | None
    variable: str | None
    #: Whose slot it is, where it is an account's.
    account: int | None
    before: int | None
    after: int | None
    #: What the slot holds, by name, where that is known: {"collateral": "12.5", ...}.
    before_shown: Mapping[str, str] | None
    after_shown: Mapping[str, str] | None
    tx_index: int | None
    tx_hash: int | None
    cause: Cause
    orphaned: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One station of a message between L1 and L2."""

    name: str
    #: None: not reached, or not known.
    reached: bool | None
    layer: Literal["L1", "L2"]
    block: int | None = None
    #: Of the layer, as it writes hashes.
    tx: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class MessageLife:
    """A message between L1 and L2 from its sending to its end.

    `state`: of one to L1 "sent", "accepted on L1", "waiting on L1", "consumed"; of one to L2 "handled", "reverted"; of
    either "orphaned", where the block that held it was rolled back.
    """

    hash: int
    direction: str
    state: str
    sender: int
    sender_name: str | None
    recipient: int
    recipient_name: str | None
    #: Of one to L2: the handler.
    selector: int | None
    function: str | None
    nonce: int | None
    payload: tuple[int, ...]
    #: The handler's arguments as JSON can say them.
    arguments: Mapping[str, Any] | None
    block_number: int
    timestamp: int
    tx_hash: int
    tx_index: int
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class BlockView:
    """Everything of a block."""

    block: Block
    summary: BlockSummary
    writes: tuple[SlotWrite, ...]
    #: The rollback that orphaned it.
    reorg: Reorg | None
    #: Other blocks that have or had its number, oldest first.
    others: tuple[BlockRecord, ...]
    previous: int | None
    next: int | None


@dataclass(frozen=True, slots=True)
class TransactionView:
    """Everything of a transaction."""

    transaction: Transaction
    block: BlockRecord
    status: str
    tree: CallTree
    writes: tuple[SlotWrite, ...]
    messages: tuple[MessageLife, ...]
    #: "l1_gas", "l1_data_gas", "l2_gas" -> what it offered: (amount, price of one in FRI).
    bounds: Mapping[str, tuple[int, int]]
    #: Other blocks that it is or was in, newest first.
    elsewhere: tuple[BlockRecord, ...]


@dataclass(frozen=True, slots=True)
class Token:
    """A token by what its contract says of itself; None: it does not say."""

    address: int
    name: str | None
    symbol: str | None
    decimals: int | None


@dataclass(frozen=True, slots=True)
class TokenBalance:
    token: Token
    #: In the token's smallest unit; None: it could not be read, `reason` says why.
    amount: int | None
    reason: str | None

    @property
    def shown(self) -> Decimal | None:
        """In whole tokens, where the decimals are known."""
        if self.amount is None or self.token.decimals is None:
            return None
        return Decimal(self.amount).scaleb(-self.token.decimals)


@dataclass(frozen=True, slots=True)
class Transfer:
    """A token that moved. `amount` in the smallest unit; `token_id` of a token of which each is one of its kind."""

    token: Token
    sender: int
    sender_name: str | None
    recipient: int
    recipient_name: str | None
    amount: int | None
    token_id: int | None
    block_number: int
    timestamp: int
    tx_hash: int
    tx_index: int
    event_index: int
    orphaned: bool

    @property
    def shown(self) -> Decimal | None:
        """In whole tokens, where the decimals are known."""
        if self.amount is None or self.token.decimals is None:
            return None
        return Decimal(self.amount).scaleb(-self.token.decimals)


@dataclass(frozen=True, slots=True)
class Margin:
    """An account on a venue, from the venue's storage."""

    venue: int
    venue_name: str | None
    balance: BalanceRow
    positions: tuple[PositionRow, ...]


@dataclass(frozen=True, slots=True)
class AccountView:
    """Who is at an address, after a block."""

    address: int
    name: str | None
    class_hash: int | None
    class_name: str | None
    #: Why there is no class.
    reason: str | None
    nonce: int
    balances: tuple[TokenBalance, ...]
    margins: tuple[Margin, ...]
    #: It has __execute__.
    is_account: bool
    is_token: bool
    is_venue: bool
    #: The transactions that it sent, events that name it, calls that it took: in all.
    sent: int
    first_block: int | None


@dataclass(frozen=True, slots=True)
class ClassPeriod:
    """The class that a contract had from a block on; `how`: deployed, replaced, or found (there from the start)."""

    block_number: int
    class_hash: int
    how: str
    tx_hash: int | None
    cause: Cause


@dataclass(frozen=True, slots=True)
class ContractView:
    """A contract with its class."""

    account: AccountView
    abi: Abi | None = field(repr=False, compare=False)
    views: tuple[Function, ...]
    writes: tuple[Function, ...]
    event_names: tuple[str, ...]
    classes: tuple[ClassPeriod, ...]


@dataclass(frozen=True, slots=True)
class ClassView:
    """A class: where it was declared and who has it."""

    class_hash: int
    name: str | None
    abi: Abi | None = field(repr=False, compare=False)
    reason: str | None
    compiled_class_hash: int | None
    declared_block: int | None
    declared_tx: int | None
    #: Contracts that have it now, at most 1000.
    contracts: tuple[tuple[int, str | None], ...]


@dataclass(frozen=True, slots=True)
class CallRow:
    """A call that a contract took, in a list."""

    call: CallRecord
    caller: int
    caller_name: str | None
    block_number: int
    timestamp: int
    tx_hash: int
    tx_index: int
    reverted: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs between the states after two blocks."""

    before: int
    after: int
    changes: tuple[SlotWrite, ...]

    def by_account(self) -> Mapping[int, tuple[SlotWrite, ...]]:
        """What belongs to accounts, by account."""
        found: dict[int, list[SlotWrite]] = {}
        for change in self.changes:
            if change.account is not None:
                found.setdefault(change.account, []).append(change)
        return {account: tuple(changes) for account, changes in found.items()}

    def by_contract(self) -> Mapping[int, tuple[SlotWrite, ...]]:
        found: dict[int, list[SlotWrite]] = {}
        for change in self.changes:
            found.setdefault(change.address, []).append(change)
        return {address: tuple(changes) for address, changes in found.items()}


@dataclass(frozen=True, slots=True)
class Replacement:
    """A block that was rolled back beside what took its place; None: nothing has yet."""

    reorg: Reorg
    orphan: BlockSummary
    replaced_by: BlockSummary | None
    #: Hashes of the orphan's transactions that are in the chain again, and of those that are not.
    kept: tuple[int, ...]
    lost: tuple[int, ...]
    #: Of the block in its place: those that the orphan did not have.
    new: tuple[int, ...]
    #: What the two blocks wrote that is not the same.
    writes: tuple[SlotWrite, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """One of three questions; `state` is "ok", the trouble's name, or "unknown"."""

    state: str
    says: str

    @property
    def ok(self) -> bool:
        return self.state == "ok"


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the chain goes on, the index is with it, and the data is right: three questions, for blocks may flow
    while the data is wrong.

    `chain`: ok, halted, unreachable. `index`: ok, behind, empty. `data`: ok, wrong.
    """

    chain: Part
    index: Part
    data: Part
    #: Numbers of blocks.
    chain_head: int | None
    index_head: int | None
    l1_accepted: int
    #: Seconds since the chain's last block.
    age: int | None
    unattributed: int
    rollbacks: int

    @property
    def ok(self) -> bool:
        return self.chain.ok and self.index.ok and self.data.ok


@dataclass(frozen=True, slots=True)
class SanityPoint:
    """A mark and how it sits in the row of marks. `flags`: "jump", "off the median", "not valid"."""

    mark: MarkRow
    #: Against the mark before, and against the reporters' median; bps.
    jump_bps: Decimal | None
    off_median_bps: Decimal | None
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FundingPoint:
    """A funding index and how fast it moves. `flags`: "jump"."""

    funding: FundingRow
    #: USD for one whole base asset, since the point before.
    change: Decimal | None
    #: Of the mark at that time, for one hour; bps.
    hourly_bps: Decimal | None
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """Marks and funding of a market, oldest first, with what is strange about them."""

    market: int
    name: str | None
    marks: tuple[SanityPoint, ...]
    funding: tuple[FundingPoint, ...]
    #: Writes by no transaction to what the oracle and the venue keep of the market.
    unexplained: tuple[SlotWrite, ...]

    @property
    def strange(self) -> tuple[SanityPoint | FundingPoint, ...]:
        marks: tuple[SanityPoint | FundingPoint, ...] = self.marks
        return tuple(point for point in marks + self.funding if point.flags)


@dataclass(frozen=True, slots=True)
class Hit:
    """One thing that a search found.

    `kind`: "block", "transaction", "contract", "class", "message", "event" (a name), "market" (its index);
    `target` is what the page of that kind takes: a number, a hash, an address, a name.
    """

    kind: str
    target: str
    title: str
    orphaned: bool = False


@dataclass(frozen=True, slots=True)
class ActivityPoint:
    """Some blocks in a row, summed up, for charts. `seconds` is the mean between two blocks, `fee` in FRI."""

    first_block: int
    last_block: int
    #: Of the last one, seconds since 1970.
    timestamp: int
    blocks: int
    transactions: int
    failed: int
    events: int
    l2_gas: int
    fee: int
    seconds: Decimal | None
