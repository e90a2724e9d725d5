"""What blocks wrote, and what differs between two of them: storage, nonces, classes of contracts, declared classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import orjson
from sqlalchemy import Connection, select

from truemark.index import tables as t
from truemark.index.keys import TOLD
from truemark.index.naming import Naming, Told
from truemark.index.records import Cause, StateChange, Write
from truemark.index.values import number, optional_number, word_of

#: As many are named one by one in a query.
_FEW_BLOCKS: Final = 500
#: Events that are asked for keys, the newest ones.
_MOST_EVENTS: Final = 20_000
#: The parts of the state: its table, and the columns of what it is of and of its value.
PARTS: Mapping[str, tuple[Any, str, str]] = {
    "storage": (t.storage, "address", "value"),
    "nonce": (t.nonces, "address", "nonce"),
    "class": (t.contracts, "address", "class_hash"),
    "declared": (t.declarations, "class_hash", "compiled_class_hash"),
}


def writes(
    connection: Connection, names: Naming, counts: Any, first: int, last: int | None, cause: Cause | None
) -> tuple[Write, ...]:
    """What blocks wrote, oldest first.

    Args:
        counts: which blocks, of those from `first` to `last`.
        cause: only what was written for it.
    """
    found = []
    ids = _blocks(connection, counts, first, last)
    names = names.with_keys(told(connection, names, ids))
    for part, row in _written(connection, ids, counts, first, last, cause):
        address = number(row.subject)
        slot = names.slot(address, number(row.key)) if part == "storage" else None
        found.append(
            Write(
                block_number=row.number,
                timestamp=row.timestamp,
                orphaned=row.reorg is not None,
                part=part,
                address=address,
                key=number(row.key) if part == "storage" else None,
                # A class of Cairo 0 has no compiled class.
                value=optional_number(row.value) or 0,
                tx_index=row.tx_index,
                cause=Cause(row.cause),
                contract=names.contract(address),
                variable=None if slot is None else slot.variable,
            )
        )
    return tuple(sorted(found, key=lambda write: write.block_number))


def difference(connection: Connection, names: Naming, before: int, after: int) -> tuple[StateChange, ...]:
    """What differs between the states after two blocks that the chain has, by contract and slot."""
    low, high = sorted((before, after))
    newest: dict[tuple[str, bytes, bytes], bytes] = {}
    changes: list[StateChange] = []
    counts = t.blocks.c.reorg.is_(None)
    ids = _blocks(connection, counts, low + 1, high)
    names = names.with_keys(told(connection, names, ids))
    for part, row in _written(connection, ids, counts, low + 1, high, None):
        newest[part, row.subject, row.key if part == "storage" else b""] = row.value
    for (part, subject, key), value in newest.items():
        old = _value_at(connection, part, subject, key, low)
        if old == value:
            continue
        values = (old, value) if before <= after else (value, old)
        slot = names.slot(number(subject), number(key)) if part == "storage" else None
        changes.append(
            StateChange(
                part=part,
                address=number(subject),
                contract=names.contract(number(subject)),
                key=number(key) if part == "storage" else None,
                variable=None if slot is None else slot.variable,
                account=None if slot is None else slot.account,
                before=optional_number(values[0]),
                after=optional_number(values[1]),
            )
        )
    order = {part: place for place, part in enumerate(PARTS)}
    return tuple(sorted(changes, key=lambda change: (order[change.part], change.address, change.key or 0)))


def told(connection: Connection, names: Naming, blocks: Sequence[int]) -> list[Told]:
    """The events of these blocks, by their ids, that tell keys of our contracts; of a great many the newest."""
    contracts = names.laid_out()
    if not blocks or not contracts:
        return []
    events = t.events.c
    query = (
        select(events.address, events.name, events.fields)
        .where(_among(events.block, blocks), events.name.in_(TOLD), events.fields.is_not(None))
        .where(events.address.in_([word_of(address) for address in contracts]))
        .order_by(events.block.desc(), events.tx_index.desc(), events.event_index.desc())
        .limit(_MOST_EVENTS)
    )
    return [(number(row.address), row.name, orjson.loads(row.fields)) for row in connection.execute(query)]


def _blocks(connection: Connection, counts: Any, first: int, last: int | None) -> Sequence[int]:
    """The ids of the blocks that count, rising."""
    # The blocks first: a database that begins with what was written looks through all of it.
    wanted = select(t.blocks.c.id).where(counts, t.blocks.c.number >= first).order_by(t.blocks.c.id)
    if last is not None:
        wanted = wanted.where(t.blocks.c.number <= last)
    return connection.execute(wanted).scalars().all()


def _among(column: Any, ids: Sequence[int]) -> Any:
    """A condition that holds for rows of these blocks, and of others between them where they are many."""
    return column.in_(ids) if len(ids) <= _FEW_BLOCKS else column.between(ids[0], ids[-1])


def _written(
    connection: Connection, ids: Sequence[int], counts: Any, first: int, last: int | None, cause: Cause | None
) -> Iterable[tuple[str, Any]]:
    if not ids:
        return
    blocks = t.blocks.c
    for part, (table, subject, value) in PARTS.items():
        columns = [
            table.c[subject].label("subject"),
            table.c[value].label("value"),
            table.c.tx_index,
            table.c.cause,
            blocks.number,
            blocks.timestamp,
            blocks.reorg,
        ]
        if part == "storage":
            columns.append(table.c.key)
        query = select(*columns).join(t.blocks, blocks.id == table.c.block)
        query = query.where(_among(table.c.block, ids), counts, blocks.number >= first)
        if last is not None:
            query = query.where(blocks.number <= last)
        if cause is not None:
            query = query.where(table.c.cause == cause.value)
        if part == "class":
            query = query.where(table.c.how != "found")
        for row in connection.execute(query.order_by(table.c.block)):
            yield part, row


def _value_at(connection: Connection, part: str, subject: bytes, key: bytes, block: int) -> bytes | None:
    table, of, value = PARTS[part]
    query = (
        select(table.c[value])
        .join(t.blocks, t.blocks.c.id == table.c.block)
        .where(t.blocks.c.reorg.is_(None), t.blocks.c.number <= block, table.c[of] == subject)
    )
    if part == "storage":
        query = query.where(table.c.key == key)
    found: bytes | None = connection.execute(query.order_by(table.c.block.desc()).limit(1)).scalar_one_or_none()
    return found
