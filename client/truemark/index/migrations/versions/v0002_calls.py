"""The calls that transactions made, and what they wrote that a later one of the block wrote over. Blocks that were
written before have neither: those of a node that is asked, or `truemark index run` on an index made anew."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "overwritten",
        _block(),
        sa.Column("address", sa.LargeBinary, primary_key=True),
        sa.Column("key", sa.LargeBinary, primary_key=True),
        sa.Column("tx_index", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("value", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "calls",
        _block(),
        sa.Column("tx_index", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("place", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("parent", sa.Integer),
        *(sa.Column(name, sa.LargeBinary, nullable=False) for name in ("address", "class_hash", "caller", "selector")),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("entry_point", "type")),
        *(sa.Column(name, sa.LargeBinary, nullable=False) for name in ("calldata", "result")),
        sa.Column("reverted", sa.Boolean, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("calls_address", "calls", ["address", "block", "tx_index", "place"])
    op.create_index("nonces_address", "nonces", ["address", "block"])
    op.create_index("contracts_class", "contracts", ["class_hash", "block"])
    op.create_index("declarations_class", "declarations", ["class_hash", "block"])
    # What the client before Alembic looked at: it refuses the index now, rather than writing half of it.
    op.execute("UPDATE info SET value = '2' WHERE name = 'schema'")


def _block() -> sa.Column[int]:
    return sa.Column("block", _ID, sa.ForeignKey("blocks.id"), primary_key=True, autoincrement=False)
