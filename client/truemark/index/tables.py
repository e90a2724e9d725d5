"""The tables. Every row of the chain hangs on a row of `blocks`; a rollback marks blocks as orphaned and leaves all
rows where they are, so what counts now is what hangs on a block without a reorg.

Canonical blocks are written in ascending order without a gap, so among them a higher id is a higher number.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
)

from truemark.index.values import Blob, Wide

metadata = MetaData()

#: SQLite numbers its rows by itself only in a column of the type INTEGER.
_Id = BigInteger().with_variant(Integer, "sqlite")
#: The primary key is the table: one tree for each less.
_CLUSTERED: dict[str, Any] = {"sqlite_with_rowid": False}

info = Table(
    "info",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

#: Which of truemark.index.migrations the database is of; Alembic's own table.
revisions = Table("alembic_version", metadata, Column("version_num", String(32), primary_key=True))

#: A chain as it was first seen: its id and its first block. A node that starts anew is another one.
chains = Table(
    "chains",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("chain_id", Blob, nullable=False),
    Column("genesis", Blob, nullable=False),
    # Seconds since 1970.
    Column("first_seen", BigInteger, nullable=False),
)

reorgs = Table(
    "reorgs",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("detected_at", BigInteger, nullable=False),
    Column("cause", Text, nullable=False),
)

blocks = Table(
    "blocks",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("chain", _Id, ForeignKey("chains.id"), nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("hash", Blob, nullable=False),
    Column("parent_hash", Blob, nullable=False),
    Column("state_root", Blob, nullable=False),
    Column("timestamp", BigInteger, nullable=False),
    Column("sequencer", Blob, nullable=False),
    Column("starknet_version", Text, nullable=False),
    # {"l1_gas": [fri, wei], ...} as JSON with text for numbers.
    Column("gas_prices", Text, nullable=False),
    Column("transaction_count", Integer, nullable=False),
    Column("event_count", Integer, nullable=False),
    # transaction, event, receipt and state_diff commitment.
    Column("commitments", Blob, nullable=False),
    Column("header", Blob, nullable=False),
    Column("diff", Blob, nullable=False),
    Column("chain_print", Blob, nullable=False),
    # The block hash commits to the content, so that equal hashes are equal chains.
    Column("strong", Boolean, nullable=False),
    Column("unattributed", Integer, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("reorg", _Id, ForeignKey("reorgs.id")),
)
Index("blocks_number", blocks.c.number)
Index("blocks_hash", blocks.c.hash)
Index(
    "blocks_reorg",
    blocks.c.reorg,
    sqlite_where=blocks.c.reorg.is_not(None),
    postgresql_where=blocks.c.reorg.is_not(None),
)
Index(
    "blocks_canonical",
    blocks.c.number,
    unique=True,
    sqlite_where=blocks.c.reorg.is_(None),
    postgresql_where=blocks.c.reorg.is_(None),
)
Index(
    "blocks_unattributed",
    blocks.c.id,
    sqlite_where=blocks.c.unattributed > 0,
    postgresql_where=blocks.c.unattributed > 0,
)

#: How far L1 has accepted the chain, each time that this moved, also back. -1: not at all.
finality = Table(
    "finality",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("l1_accepted", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
)


def _block() -> Column[int]:
    return Column("block", _Id, ForeignKey("blocks.id"), primary_key=True, autoincrement=False)


def _place(name: str) -> Column[int]:
    return Column(name, Integer, primary_key=True, autoincrement=False)


transactions = Table(
    "transactions",
    metadata,
    _block(),
    _place("tx_index"),
    Column("hash", Blob, nullable=False),
    Column("type", Text, nullable=False),
    Column("version", SmallInteger, nullable=False),
    Column("sender", Blob),
    Column("nonce", Blob),
    Column("calldata", Blob, nullable=False),
    Column("signature", Blob, nullable=False),
    Column("class_hash", Blob),
    # The rest of the transaction, as the node gave it; JSON.
    Column("details", Text, nullable=False),
    # NULL: it succeeded.
    Column("revert_reason", Text),
    Column("fee", Wide, nullable=False),
    Column("fee_unit", Text, nullable=False),
    Column("l1_gas", BigInteger, nullable=False),
    Column("l1_data_gas", BigInteger, nullable=False),
    Column("l2_gas", BigInteger, nullable=False),
    **_CLUSTERED,
)
Index("transactions_hash", transactions.c.hash)
Index("transactions_sender", transactions.c.sender, transactions.c.block, transactions.c.tx_index)

events = Table(
    "events",
    metadata,
    _block(),
    _place("tx_index"),
    _place("event_index"),
    Column("address", Blob, nullable=False),
    # The first key; an event without keys has none.
    Column("selector", Blob),
    Column("keys", Blob, nullable=False),
    Column("data", Blob, nullable=False),
    Column("name", Text),
    # The fields as JSON can say them.
    Column("fields", Text),
    # Why it is not decoded.
    Column("reason", Text),
    **_CLUSTERED,
)
Index("events_address", events.c.address, events.c.block, events.c.tx_index, events.c.event_index)
Index("events_name", events.c.name, events.c.block, events.c.tx_index, events.c.event_index)
Index("events_selector", events.c.selector, events.c.block, events.c.tx_index, events.c.event_index)

#: Which events name an address in a field of that type.
mentions = Table(
    "mentions",
    metadata,
    Column("address", Blob, primary_key=True),
    _block(),
    _place("tx_index"),
    _place("event_index"),
    **_CLUSTERED,
)

#: What a block wrote, and by which transaction last; without one, `cause` says what it was.
storage = Table(
    "storage",
    metadata,
    _block(),
    Column("address", Blob, primary_key=True),
    Column("key", Blob, primary_key=True),
    Column("value", Blob, nullable=False),
    Column("tx_index", Integer),
    Column("cause", Text, nullable=False),
    **_CLUSTERED,
)
Index("storage_slot", storage.c.address, storage.c.key, storage.c.block)

#: What a transaction wrote and a later one of the same block wrote over.
overwritten = Table(
    "overwritten",
    metadata,
    _block(),
    Column("address", Blob, primary_key=True),
    Column("key", Blob, primary_key=True),
    _place("tx_index"),
    Column("value", Blob, nullable=False),
    **_CLUSTERED,
)

#: The calls that a transaction made, each before those that it made itself. Validation and the payment of the fee,
#: which are much the same in all, are left out.
calls = Table(
    "calls",
    metadata,
    _block(),
    _place("tx_index"),
    _place("place"),
    # The place of the call that made it; NULL: the transaction did.
    Column("parent", Integer),
    Column("address", Blob, nullable=False),
    Column("class_hash", Blob, nullable=False),
    Column("caller", Blob, nullable=False),
    Column("selector", Blob, nullable=False),
    # "EXTERNAL", "CONSTRUCTOR" or "L1_HANDLER".
    Column("entry_point", Text, nullable=False),
    # "CALL", "DELEGATE" or "LIBRARY_CALL".
    Column("type", Text, nullable=False),
    Column("calldata", Blob, nullable=False),
    Column("result", Blob, nullable=False),
    Column("reverted", Boolean, nullable=False),
    **_CLUSTERED,
)
Index("calls_address", calls.c.address, calls.c.block, calls.c.tx_index, calls.c.place)

nonces = Table(
    "nonces",
    metadata,
    _block(),
    Column("address", Blob, primary_key=True),
    Column("nonce", Blob, nullable=False),
    Column("tx_index", Integer),
    Column("cause", Text, nullable=False),
    **_CLUSTERED,
)

Index("nonces_address", nonces.c.address, nonces.c.block)

#: Which class a contract has from this block on: deployed, replaced, or there from the start ("found").
contracts = Table(
    "contracts",
    metadata,
    _block(),
    Column("address", Blob, primary_key=True),
    Column("class_hash", Blob, nullable=False),
    Column("how", Text, nullable=False),
    Column("tx_index", Integer),
    Column("cause", Text, nullable=False),
    **_CLUSTERED,
)
Index("contracts_address", contracts.c.address, contracts.c.block)
Index("contracts_class", contracts.c.class_hash, contracts.c.block)

declarations = Table(
    "declarations",
    metadata,
    _block(),
    Column("class_hash", Blob, primary_key=True),
    Column("compiled_class_hash", Blob),
    Column("tx_index", Integer),
    Column("cause", Text, nullable=False),
    **_CLUSTERED,
)

Index("declarations_class", declarations.c.class_hash, declarations.c.block)

#: ABIs. A class hash stands for one class on every chain, so these outlive rollbacks.
classes = Table(
    "classes",
    metadata,
    Column("class_hash", Blob, primary_key=True),
    # JSON; NULL: there is none, and `reason` says why.
    Column("abi", Text),
    Column("reason", Text),
)

messages = Table(
    "messages",
    metadata,
    _block(),
    _place("tx_index"),
    _place("place"),
    # "to_l1" or "to_l2".
    Column("direction", Text, nullable=False),
    Column("hash", Blob, nullable=False),
    Column("sender", Blob, nullable=False),
    Column("recipient", Blob, nullable=False),
    Column("selector", Blob),
    Column("nonce", Blob),
    Column("payload", Blob, nullable=False),
    **_CLUSTERED,
)
Index("messages_hash", messages.c.hash)

#: What an oracle's event said of a market: its last good mark from then on.
marks = Table(
    "marks",
    metadata,
    _block(),
    _place("tx_index"),
    _place("event_index"),
    _place("place"),
    Column("oracle", Blob, nullable=False),
    Column("market", Integer, nullable=False),
    # 1e-8 USD.
    Column("price", Wide, nullable=False),
    Column("status", Text, nullable=False),
    Column("outcome", Text),
    Column("median", Wide),
    **_CLUSTERED,
)
Index("marks_market", marks.c.oracle, marks.c.market, marks.c.block)

#: A market's funding index where an event says it; 1e-16 USD for one base unit.
funding = Table(
    "funding",
    metadata,
    _block(),
    _place("tx_index"),
    _place("event_index"),
    Column("venue", Blob, nullable=False),
    Column("market", Integer, nullable=False),
    Column("funding_index", Wide, nullable=False),
    Column("live", Boolean),
    **_CLUSTERED,
)
Index("funding_market", funding.c.venue, funding.c.market, funding.c.block)

#: The accounts that a venue's events have named, at the first that did.
participants = Table(
    "participants",
    metadata,
    _block(),
    Column("venue", Blob, primary_key=True),
    Column("account", Blob, primary_key=True),
    **_CLUSTERED,
)
Index("participants_account", participants.c.venue, participants.c.account)

#: A margin account after a block, from the venue's storage; collateral in 1e-6 USD.
balances = Table(
    "balances",
    metadata,
    _block(),
    Column("venue", Blob, primary_key=True),
    Column("account", Blob, primary_key=True),
    Column("collateral", Wide, nullable=False),
    Column("account_epoch", Integer, nullable=False),
    # Bitmap of the markets in which it has a position.
    Column("open_markets", Wide, nullable=False),
    Column("tx_index", Integer),
    Column("cause", Text, nullable=False),
    **_CLUSTERED,
)
Index("balances_account", balances.c.venue, balances.c.account, balances.c.block)

#: A position after a block, from the venue's storage; size in 1e-8 of the base asset.
positions = Table(
    "positions",
    metadata,
    _block(),
    Column("venue", Blob, primary_key=True),
    Column("account", Blob, primary_key=True),
    _place("market"),
    Column("size", Wide, nullable=False),
    Column("funding_index", Wide, nullable=False),
    Column("tx_index", Integer),
    Column("cause", Text, nullable=False),
    **_CLUSTERED,
)
Index("positions_account", positions.c.venue, positions.c.account, positions.c.block)

#: The tables whose rows hang on a block, in the order in which they are written.
BLOCK_TABLES = (
    transactions,
    events,
    mentions,
    calls,
    storage,
    overwritten,
    nonces,
    contracts,
    declarations,
    messages,
    marks,
    funding,
    participants,
    balances,
    positions,
)
