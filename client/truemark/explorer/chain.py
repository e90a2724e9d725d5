"""Blocks and transactions from an index: decoded as those of a node are, with call trees, and what was written with
before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from truemark.abi import AbiError
from truemark.explorer.context import Context, off_loop, status_of
from truemark.explorer.directory import Known
from truemark.explorer.lookups import page_size
from truemark.explorer.reading import Parsed, call_record, decode_transaction, parse_execute
from truemark.explorer.records import Block, GasPrice, Transaction
from truemark.explorer.slots import SlotNames
from truemark.explorer.views import (
    BlockSummary,
    BlockView,
    CallNode,
    CallRow,
    CallTree,
    SlotWrite,
    TransactionSummary,
)
from truemark.felt import PRIME, selector
from truemark.index import Unindexed
from truemark.index.records import BlockRecord, Cause, Page, TransactionRow
from truemark.index.values import cursor_of, number, numbers, optional_number, parse_cursor
from truemark.receipt import MessageToL1, RawEvent, Receipt
from truemark.transactions import Call

_CONSTRUCTOR: Final = selector("constructor")
_GAS: Final = ("l1_gas", "l1_data_gas", "l2_gas")
#: Events of a contract that has balances.
_OF_TOKENS: Final = frozenset({"Transfer", "Approval"})
#: Names of functions in a list of transactions.
_SHOWN_CALLS: Final = 4


class ChainReader:
    """Blocks, transactions, calls and writes of an index."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._index = context.index
        self._lookups = context.lookups

    # Blocks

    async def record(self, block: int | str, orphaned: int | None = None) -> BlockRecord | None:
        """A block by number, hash or "latest", as the index has it; None: it has none."""
        return await off_loop(self._record, block, orphaned)

    def _record(self, block: int | str, orphaned: int | None) -> BlockRecord | None:
        if block == "latest":
            return self._index.head()
        if block == "l1_accepted":
            block = self._index.l1_accepted()
        try:
            wanted = block if isinstance(block, int) else int(block, 0)
        except ValueError:
            return None
        is_hash = wanted >= 2**64 or (isinstance(block, str) and block[:2].lower() == "0x")
        if not is_hash:
            try:
                return self._index.block(wanted, orphaned=orphaned)
            except Unindexed:
                return None
        return self._lookups.block_by_hash(wanted) if wanted < PRIME else None

    async def summaries(self, blocks: Sequence[BlockRecord]) -> tuple[BlockSummary, ...]:
        return await off_loop(self._summaries, blocks)

    def _summaries(self, blocks: Sequence[BlockRecord]) -> tuple[BlockSummary, ...]:
        accepted = self._index.l1_accepted()
        sums, before = self._lookups.sums(blocks), self._lookups.times_before(blocks)
        found = []
        for block in blocks:
            failed, fee, gas = sums.get(block.id, (0, 0, 0))
            below = before.get(block.number)
            seconds = None if below is None else block.timestamp - below
            found.append(BlockSummary(block, status_of(block, accepted), failed, fee, gas, seconds))
        return tuple(found)

    async def newest_blocks(self, cursor: str | None, limit: int) -> Page[BlockSummary]:
        below = parse_cursor(cursor, 1)
        limit = page_size(limit)
        found = await off_loop(self._lookups.blocks_below, None if below is None else below[0], limit + 1)
        rows = await self.summaries(found[:limit])
        return Page(rows, cursor_of(rows[-1].number) if len(found) > limit else None)

    async def block(self, record: BlockRecord) -> Block:
        """With its transactions, decoded."""
        rows = await off_loop(self._index.transactions, record)
        return await self._block(record, rows, await off_loop(self._lookups.write_count, record.id))

    async def view(self, record: BlockRecord) -> BlockView:
        rows = await off_loop(self._index.transactions, record)
        slots = await off_loop(self._slots, rows, record)
        writes = await off_loop(self._writes, record, slots, {row.index: row.hash for row in rows})
        block = await self._block(record, rows, len(writes))
        (summary,) = await self.summaries([record])
        others = await off_loop(self._index.versions, record.number)
        head = await off_loop(self._index.head)
        reorg = None
        if record.reorg is not None:
            reorg = next(each for each in await off_loop(self._index.reorgs) if each.id == record.reorg)
        return BlockView(
            block=block,
            summary=summary,
            writes=writes,
            reorg=reorg,
            others=tuple(other for other in others if other.id != record.id),
            previous=record.number - 1 if record.number else None,
            next=record.number + 1 if head is not None and head.number > record.number else None,
        )

    async def writes(self, record: BlockRecord) -> tuple[SlotWrite, ...]:
        """What a block wrote, with before and after."""
        rows = await off_loop(self._index.transactions, record)
        slots = await off_loop(self._slots, rows, record)
        return await off_loop(self._writes, record, slots, {row.index: row.hash for row in rows})

    async def _block(self, record: BlockRecord, rows: Sequence[TransactionRow], written: int) -> Block:
        decoded = await self.decode(rows, record)
        accepted = await off_loop(self._index.l1_accepted)
        prices = {name: GasPrice(*record.gas_prices[name]) for name in _GAS}
        return Block(
            number=record.number,
            hash=record.hash,
            parent_hash=record.parent_hash,
            timestamp=record.timestamp,
            status=status_of(record, accepted),
            state_root=record.state_root,
            sequencer=record.sequencer,
            starknet_version=record.starknet_version,
            l1_gas_price=prices["l1_gas"],
            l1_data_gas_price=prices["l1_data_gas"],
            l2_gas_price=prices["l2_gas"],
            transaction_count=record.transaction_count,
            event_count=record.event_count,
            state_diff_length=written,
            commitments=record.commitments,
            transactions=decoded,
        )

    # Transactions

    async def decode(self, rows: Sequence[TransactionRow], record: BlockRecord) -> tuple[Transaction, ...]:
        """Rows of one block as transactions."""
        accepted = await off_loop(self._index.l1_accepted)
        parsed = [parsed_of(row, status_of(record, accepted)) for row in rows]
        ran = await off_loop(self._lookups.classes_run_in, record.id)
        addresses = (address for each in parsed for address in each.addresses())
        known = await self._context.shelf.resolve(addresses, record, ran)
        return tuple(
            decode_transaction(each, row.index, known.__getitem__) for each, row in zip(parsed, rows, strict=True)
        )

    async def versions(self, tx_hash: int) -> tuple[TransactionRow, ...]:
        return await off_loop(self._index.transaction_versions, tx_hash)

    async def newest_transactions(
        self,
        cursor: str | None,
        limit: int,
        *,
        sender: int | None = None,
        failed: bool = False,
        kind: str | None = None,
    ) -> Page[TransactionSummary]:
        limit = page_size(limit)
        before = parse_cursor(cursor, 2)
        rows = await off_loop(
            self._lookups.newest_transactions,
            None if before is None else (before[0], before[1]),
            limit + 1,
            sender=sender,
            failed=failed,
            kind=kind,
        )
        last = rows[limit - 1] if len(rows) > limit else None
        rows = rows[:limit]
        counts = await off_loop(self._lookups.event_counts, [(row.block, row.tx_index) for row in rows])
        accepted = await off_loop(self._index.l1_accepted)
        calls = [_calls_of_row(row) for row in rows]
        known = await self._context.shelf.resolve(call.to for each in calls for call in each)
        found = tuple(
            TransactionSummary(
                hash=number(row.hash),
                block_number=row.number,
                timestamp=row.timestamp,
                index=row.tx_index,
                type=row.type,
                status="ACCEPTED_ON_L1" if row.number <= accepted else "ACCEPTED_ON_L2",
                sender=optional_number(row.sender),
                sender_name=self._context.name(optional_number(row.sender)),
                nonce=optional_number(row.nonce),
                calls=tuple(_title(call, known[call.to]) for call in each),
                revert_reason=row.revert_reason,
                fee=row.fee,
                fee_unit=row.fee_unit,
                l2_gas=row.l2_gas,
                event_count=counts.get((row.block, row.tx_index), 0),
            )
            for row, each in zip(rows, calls, strict=True)
        )
        return Page(found, None if last is None else cursor_of(last.block, last.tx_index))

    # Calls

    async def tree(self, row: TransactionRow) -> CallTree:
        """What a transaction called."""
        rows = await off_loop(self._lookups.calls_of, row.block.id, row.index)
        if not rows:
            if not row.succeeded:
                return CallTree((), "the transaction was reverted: the node gives no calls of it")
            if row.type == "DECLARE":
                return CallTree((), None)
            return CallTree((), "the index has no calls of this block: the node gave no traces when it was read")
        known = {
            class_hash: await self._context.shelf.abi_of(class_hash, row.block)
            for class_hash in dict.fromkeys(number(each.class_hash) for each in rows)
        }
        inner: dict[int | None, list[Any]] = {}
        for each in rows:
            inner.setdefault(each.parent, []).append(each)

        def node(each: Any) -> CallNode:
            address, class_hash = number(each.address), number(each.class_hash)
            abi = known[class_hash]
            target = Known(
                self._context.name(address),
                None if isinstance(abi, str) else abi,
                abi if isinstance(abi, str) else None,
                class_hash,
            )
            call = call_record(Call(address, number(each.selector), numbers(each.calldata)), target)
            result = numbers(each.result)
            return CallNode(
                call=call,
                class_hash=class_hash,
                caller=number(each.caller),
                caller_name=self._context.name(number(each.caller)),
                entry_point=each.entry_point,
                type=each.type,
                result=result,
                returned=_returned(target, call.decoded.name if call.decoded else None, result),
                reverted=each.reverted,
                calls=tuple(node(below) for below in inner.get(each.place, ())),
            )

        return CallTree(tuple(node(each) for each in inner[None]), None)

    async def calls_to(self, address: int, cursor: str | None, limit: int) -> Page[CallRow]:
        """The calls that a contract took, newest first."""
        limit = page_size(limit)
        before = parse_cursor(cursor, 3)
        rows = await off_loop(
            self._lookups.calls_to, address, None if before is None else (before[0], before[1], before[2]), limit + 1
        )
        found = []
        for row in rows[:limit]:
            abi = await self._context.shelf.abi_of(number(row.class_hash))
            target = Known(
                self._context.name(address),
                None if isinstance(abi, str) else abi,
                abi if isinstance(abi, str) else None,
            )
            found.append(
                CallRow(
                    call=call_record(Call(address, number(row.selector), numbers(row.calldata)), target),
                    caller=number(row.caller),
                    caller_name=self._context.name(number(row.caller)),
                    block_number=row.number,
                    timestamp=row.timestamp,
                    tx_hash=number(row.hash),
                    tx_index=row.tx_index,
                    reverted=row.reverted,
                )
            )
        last = rows[limit - 1] if len(rows) > limit else None
        return Page(tuple(found), None if last is None else cursor_of(last.block, last.tx_index, last.place))

    # Writes

    async def writes_of_transaction(self, row: TransactionRow) -> tuple[SlotWrite, ...]:
        """What one transaction wrote, each with the value that it found there."""
        rows = await off_loop(self._index.transactions, row.block)
        slots = await off_loop(self._slots, [row], row.block)
        return await off_loop(self._writes_of_transaction, row, slots, {each.index: each.hash for each in rows})

    def _writes_of_transaction(
        self, row: TransactionRow, slots: SlotNames, hashes: Mapping[int, int]
    ) -> tuple[SlotWrite, ...]:
        final = self._writes(row.block, slots, hashes)
        over: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for each in self._lookups.overwritten(row.block.id):
            over.setdefault((number(each.address), number(each.key)), []).append((each.tx_index, number(each.value)))
        found = []
        for write in final:
            steps = over.get((write.address, write.key or 0), []) if write.part == "storage" else []
            mine = [value for index, value in steps if index == row.index]
            earlier = [value for index, value in steps if index < row.index]
            if write.tx_index == row.index:
                after = write.after
            elif mine:
                after = mine[-1]
            else:
                continue
            before = earlier[-1] if earlier else write.before
            slot = slots.slot(write.address, write.key) if write.key is not None else None
            found.append(
                SlotWrite(
                    block_number=write.block_number,
                    part=write.part,
                    address=write.address,
                    contract=write.contract,
                    key=write.key,
                    variable=write.variable,
                    account=write.account,
                    before=before,
                    after=after,
                    before_shown=slots.shown(write.address, slot, before),
                    after_shown=slots.shown(write.address, slot, after),
                    tx_index=row.index,
                    tx_hash=row.hash,
                    cause=Cause.TRANSACTION,
                    orphaned=write.orphaned,
                )
            )
        return tuple(found)

    def _slots(self, rows: Sequence[TransactionRow], record: BlockRecord) -> SlotNames:
        """Names for what a block wrote: whoever sent, was named or is paid may be a key."""
        addresses, tokens = {record.sequencer}, set[int]()
        for row in rows:
            if row.sender is not None:
                addresses.add(row.sender)
            for event in row.events:
                if event.name is None or event.name in _OF_TOKENS:
                    tokens.add(event.address)
                for value in (event.fields or {}).values():
                    if isinstance(value, str) and value.startswith("0x"):
                        addresses.add(int(value, 16) % PRIME)
                # An event that is not decoded may name them all the same.
                if event.fields is None:
                    addresses.update(felt for felt in (*event.keys[1:], *event.data) if felt > 2**64)
        told = ((event.address, event.name, event.fields) for row in rows for event in row.events)
        return SlotNames(self._index.naming().with_keys(told, addresses), addresses, tokens)

    def _writes(self, record: BlockRecord, slots: SlotNames, hashes: Mapping[int, int]) -> tuple[SlotWrite, ...]:
        found = []
        for part, row in self._lookups.writes_of(record):
            address = number(row.subject)
            key = number(row.key) if part == "storage" else None
            slot = None if key is None else slots.slot(address, key)
            before, after = optional_number(row.before), optional_number(row.value)
            found.append(
                SlotWrite(
                    block_number=record.number,
                    part=part,
                    address=address,
                    contract=self._context.name(address) or self._context.class_name(address),
                    key=key,
                    variable=None if slot is None else slot.variable,
                    account=None if slot is None else slot.account,
                    before=before,
                    after=after,
                    before_shown=slots.shown(address, slot, before),
                    after_shown=slots.shown(address, slot, after),
                    tx_index=row.tx_index,
                    tx_hash=None if row.tx_index is None else hashes.get(row.tx_index),
                    cause=Cause(row.cause),
                    orphaned=record.orphaned,
                )
            )
        return tuple(found)


def parsed_of(row: TransactionRow, status: str) -> Parsed:
    """A row as what a node's answer is parsed to."""
    raw = {
        **row.details,
        "type": row.type,
        "nonce": None if row.nonce is None else hex(row.nonce),
        "signature": [hex(part) for part in row.signature],
    }
    calls, reason = _calls(row.type, row.sender, row.details, row.calldata)
    message = next((each for each in row.messages if each.direction == "to_l2"), None)
    receipt = Receipt(
        hash=row.hash,
        type=row.type,
        block_number=row.block.number,
        block_hash=row.block.hash,
        finality=status,
        revert_reason=row.revert_reason,
        fee=row.fee,
        fee_unit=row.fee_unit,
        events=tuple(RawEvent(event.address, event.keys, event.data) for event in row.events),
        messages=tuple(
            MessageToL1(each.sender, each.recipient, each.payload) for each in row.messages if each.direction == "to_l1"
        ),
        l1_gas=row.l1_gas,
        l1_data_gas=row.l1_data_gas,
        l2_gas=row.l2_gas,
        contract_address=row.sender if row.type in ("DEPLOY_ACCOUNT", "DEPLOY") else None,
        message_hash=None if message is None else message.hash,
    )
    return Parsed(
        raw=raw,
        receipt=receipt,
        type=row.type,
        version=row.version,
        sender=row.sender,
        calldata=row.calldata,
        class_hash=row.class_hash,
        calls=calls,
        reason=reason,
    )


def _calls(
    kind: str, sender: int | None, details: Mapping[str, Any], calldata: tuple[int, ...]
) -> tuple[tuple[Call, ...], str | None]:
    if sender is None:
        return (), None
    if "entry_point_selector" in details:
        return (Call(sender, int(details["entry_point_selector"], 16), calldata),), None
    if kind == "INVOKE":
        found = parse_execute(calldata)
        return ((), found) if isinstance(found, str) else (found, None)
    if kind == "DEPLOY_ACCOUNT":
        return (Call(sender, _CONSTRUCTOR, calldata),), None
    return (), None


def _calls_of_row(row: Any) -> tuple[Call, ...]:
    calls, _ = _calls(row.type, optional_number(row.sender), orjson.loads(row.details), numbers(row.calldata))
    return calls[:_SHOWN_CALLS]


def _title(call: Call, known: Known) -> str:
    function = known.abi.by_selector(call.selector) if known.abi is not None else None
    what = function.name if function is not None else f"{call.selector:#x}"
    return f"{known.name}.{what}" if known.name else what


def _returned(target: Known, function: str | None, result: tuple[int, ...]) -> Any:
    if target.abi is None or function is None or target.abi.function(function).kind != "function":
        return None
    try:
        return target.abi.show_result(function, target.abi.decode_result(function, result))
    except AbiError:
        return None
