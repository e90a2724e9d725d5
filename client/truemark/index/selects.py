"""Rows of the database as records, and the queries that several answers begin with."""

from __future__ import annotations

from typing import Any

import orjson
from sqlalchemy import Connection, Select, and_, or_, select

from truemark.index import tables as t
from truemark.index.fingerprint import COMMITMENTS
from truemark.index.records import (
    BalanceRow,
    BlockRecord,
    Cause,
    EventRow,
    MessageRow,
    PositionRow,
    Reorg,
    TransactionRow,
)
from truemark.index.values import number, numbers, optional_number


def transactions_of(connection: Connection, wanted: Any) -> tuple[TransactionRow, ...]:
    """Those that `wanted` holds for, in the order of the chain, with their events and messages."""
    place = (t.transactions.c.block, t.transactions.c.tx_index)
    rows = connection.execute(select(t.transactions).where(wanted).order_by(*place)).all()
    if not rows:
        return ()
    ids = {row.block for row in rows}
    blocks = {row.id: block_of(row) for row in connection.execute(select(t.blocks).where(t.blocks.c.id.in_(ids)))}
    places = (
        or_(*(and_(t.transactions.c.block == row.block, t.transactions.c.tx_index == row.tx_index) for row in rows))
        if len(rows) == 1
        else t.transactions.c.block.in_(ids)
    )
    events: dict[tuple[int, int], list[EventRow]] = {}
    order = (t.events.c.block, t.events.c.tx_index, t.events.c.event_index)
    for row in connection.execute(event_query().where(places).order_by(*order)):
        events.setdefault((row.block, row.tx_index), []).append(event_of(row))
    messages: dict[tuple[int, int], list[MessageRow]] = {}
    for row in connection.execute(message_query().where(places).order_by(t.messages.c.block, t.messages.c.place)):
        messages.setdefault((row.block, row.tx_index), []).append(message_of(row))
    return tuple(
        TransactionRow(
            block=blocks[row.block],
            index=row.tx_index,
            hash=number(row.hash),
            type=row.type,
            version=row.version,
            sender=optional_number(row.sender),
            nonce=optional_number(row.nonce),
            calldata=numbers(row.calldata),
            signature=numbers(row.signature),
            class_hash=optional_number(row.class_hash),
            details=orjson.loads(row.details),
            revert_reason=row.revert_reason,
            fee=row.fee,
            fee_unit=row.fee_unit,
            l1_gas=row.l1_gas,
            l1_data_gas=row.l1_data_gas,
            l2_gas=row.l2_gas,
            events=tuple(events.get((row.block, row.tx_index), ())),
            messages=tuple(messages.get((row.block, row.tx_index), ())),
        )
        for row in rows
    )


def event_query() -> Select[Any]:
    return (
        select(t.events, t.blocks.c.number, t.blocks.c.timestamp, t.blocks.c.reorg, t.transactions.c.hash)
        .join(t.blocks, t.blocks.c.id == t.events.c.block)
        .join(
            t.transactions,
            and_(t.transactions.c.block == t.events.c.block, t.transactions.c.tx_index == t.events.c.tx_index),
        )
    )


def message_query() -> Select[Any]:
    return (
        select(
            t.messages,
            t.blocks.c.number,
            t.blocks.c.reorg,
            t.transactions.c.hash.label("tx_hash"),
        )
        .join(t.blocks, t.blocks.c.id == t.messages.c.block)
        .join(
            t.transactions,
            and_(t.transactions.c.block == t.messages.c.block, t.transactions.c.tx_index == t.messages.c.tx_index),
        )
    )


def block_of(row: Any) -> BlockRecord:
    return BlockRecord(
        id=row.id,
        number=row.number,
        hash=number(row.hash),
        parent_hash=number(row.parent_hash),
        state_root=number(row.state_root),
        timestamp=row.timestamp,
        sequencer=number(row.sequencer),
        starknet_version=row.starknet_version,
        gas_prices={name: (int(fri), int(wei)) for name, (fri, wei) in orjson.loads(row.gas_prices).items()},
        transaction_count=row.transaction_count,
        event_count=row.event_count,
        commitments=dict(zip(COMMITMENTS, numbers(row.commitments), strict=True)),
        fingerprint=row.header + row.diff,
        unattributed=row.unattributed,
        seen_at=row.seen_at,
        reorg=row.reorg,
    )


def event_of(row: Any) -> EventRow:
    return EventRow(
        block_number=row.number,
        timestamp=row.timestamp,
        orphaned=row.reorg is not None,
        tx_hash=number(row.hash),
        tx_index=row.tx_index,
        index=row.event_index,
        address=number(row.address),
        keys=numbers(row._mapping[t.events.c["keys"]]),
        data=numbers(row.data),
        name=row.name,
        fields=None if row.fields is None else orjson.loads(row.fields),
        reason=row.reason,
    )


def message_of(row: Any) -> MessageRow:
    return MessageRow(
        block_number=row.number,
        orphaned=row.reorg is not None,
        tx_hash=number(row.tx_hash),
        direction=row.direction,
        hash=number(row._mapping[t.messages.c.hash]),
        sender=number(row.sender),
        recipient=number(row.recipient),
        selector=optional_number(row.selector),
        nonce=optional_number(row.nonce),
        payload=numbers(row.payload),
    )


def position_of(row: Any) -> PositionRow:
    return PositionRow(
        block_number=row.number,
        timestamp=row.timestamp,
        venue=number(row.venue),
        account=number(row.account),
        market=row.market,
        size=row.size,
        funding_index=row.funding_index,
        tx_index=row.tx_index,
        cause=Cause(row.cause),
    )


def balance_of(row: Any) -> BalanceRow:
    return BalanceRow(
        block_number=row.number,
        timestamp=row.timestamp,
        venue=number(row.venue),
        account=number(row.account),
        collateral=row.collateral,
        account_epoch=row.account_epoch,
        markets=tuple(bit for bit in range(row.open_markets.bit_length()) if row.open_markets >> bit & 1),
        tx_index=row.tx_index,
        cause=Cause(row.cause),
    )


def reorg_of(row: Any) -> Reorg:
    return Reorg(row.id, row.first, row.last, row.detected_at, row.cause)
