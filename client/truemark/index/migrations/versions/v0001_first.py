"""The tables as they were first."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_TYPES: dict[str, Any] = {
    "id": _ID,
    "big": sa.BigInteger,
    "int": sa.Integer,
    "small": sa.SmallInteger,
    "bytes": sa.LargeBinary,
    "text": sa.Text,
    "bool": sa.Boolean,
}

#: Column, type; `!` is part of the primary key, `?` may be NULL.
_WHOLE = {
    "info": "name! text, value text",
    "chains": "id! id, chain_id bytes, genesis bytes, first_seen big",
    "reorgs": "id! id, first big, last big, detected_at big, cause text",
    "blocks": (
        "id! id, chain id, number big, hash bytes, parent_hash bytes, state_root bytes, timestamp big, "
        "sequencer bytes, starknet_version text, gas_prices text, transaction_count int, event_count int, "
        "commitments bytes, header bytes, diff bytes, chain_print bytes, strong bool, unattributed int, seen_at big, "
        "reorg? id"
    ),
    "finality": "id! id, l1_accepted big, seen_at big",
    "classes": "class_hash! bytes, abi? text, reason? text",
}
#: Each begins with the block.
_OF_BLOCKS = {
    "transactions": (
        "tx_index! int, hash bytes, type text, version small, sender? bytes, nonce? bytes, calldata bytes, "
        "signature bytes, class_hash? bytes, details text, revert_reason? text, fee text, fee_unit text, l1_gas big, "
        "l1_data_gas big, l2_gas big"
    ),
    "events": (
        "tx_index! int, event_index! int, address bytes, selector? bytes, keys bytes, data bytes, name? text, "
        "fields? text, reason? text"
    ),
    "storage": "address! bytes, key! bytes, value bytes, tx_index? int, cause text",
    "nonces": "address! bytes, nonce bytes, tx_index? int, cause text",
    "contracts": "address! bytes, class_hash bytes, how text, tx_index? int, cause text",
    "declarations": "class_hash! bytes, compiled_class_hash? bytes, tx_index? int, cause text",
    "messages": (
        "tx_index! int, place! int, direction text, hash bytes, sender bytes, recipient bytes, selector? bytes, "
        "nonce? bytes, payload bytes"
    ),
    "marks": (
        "tx_index! int, event_index! int, place! int, oracle bytes, market int, price text, status text, "
        "outcome? text, median? text"
    ),
    "funding": "tx_index! int, event_index! int, venue bytes, market int, funding_index text, live? bool",
    "participants": "venue! bytes, account! bytes",
    "balances": (
        "venue! bytes, account! bytes, collateral text, account_epoch int, open_markets text, tx_index? int, cause text"
    ),
    "positions": (
        "venue! bytes, account! bytes, market! int, size text, funding_index text, tx_index? int, cause text"
    ),
}
_INDEXES = {
    "blocks_number": ("blocks", ["number"]),
    "blocks_hash": ("blocks", ["hash"]),
    "transactions_hash": ("transactions", ["hash"]),
    "transactions_sender": ("transactions", ["sender", "block", "tx_index"]),
    "events_address": ("events", ["address", "block", "tx_index", "event_index"]),
    "events_name": ("events", ["name", "block", "tx_index", "event_index"]),
    "events_selector": ("events", ["selector", "block", "tx_index", "event_index"]),
    "storage_slot": ("storage", ["address", "key", "block"]),
    "contracts_address": ("contracts", ["address", "block"]),
    "messages_hash": ("messages", ["hash"]),
    "marks_market": ("marks", ["oracle", "market", "block"]),
    "funding_market": ("funding", ["venue", "market", "block"]),
    "participants_account": ("participants", ["venue", "account"]),
    "balances_account": ("balances", ["venue", "account", "block"]),
    "positions_account": ("positions", ["venue", "account", "block"]),
}
_PARTIAL = {
    "blocks_reorg": ("reorg", False, "reorg IS NOT NULL"),
    "blocks_canonical": ("number", True, "reorg IS NULL"),
    "blocks_unattributed": ("id", False, "unattributed > 0"),
}


def upgrade() -> None:
    for name, columns in _WHOLE.items():
        references = {"chain": "chains.id", "reorg": "reorgs.id"} if name == "blocks" else {}
        op.create_table(name, *_columns(columns, references))
    for name, columns in _OF_BLOCKS.items():
        op.create_table(name, *_columns(f"block! id, {columns}", {"block": "blocks.id"}), sqlite_with_rowid=False)
    # The address is what it is looked up by.
    op.create_table(
        "mentions",
        *_columns("address! bytes, block! id, tx_index! int, event_index! int", {"block": "blocks.id"}),
        sqlite_with_rowid=False,
    )
    for name, (table, parts) in _INDEXES.items():
        op.create_index(name, table, parts)
    for name, (column, unique, where) in _PARTIAL.items():
        op.create_index(
            name, "blocks", [column], unique=unique, sqlite_where=sa.text(where), postgresql_where=sa.text(where)
        )


def _columns(text: str, references: dict[str, str]) -> list[sa.Column[object]]:
    made = []
    for part in text.split(", "):
        name, kind = part.split()
        plain = name.rstrip("!?")
        key = [sa.ForeignKey(references[plain])] if plain in references else []
        made.append(
            sa.Column(
                plain,
                _TYPES[kind],
                *key,
                primary_key=name.endswith("!"),
                nullable=name.endswith("?"),
                autoincrement="auto" if plain == "id" else False,
            )
        )
    return made
