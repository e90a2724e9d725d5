"""The index: a node's blocks in a database, with what was rolled back kept beside what replaced it.

A `Follower` reads the chain and writes it into an `Index`, which answers without the node. Imported only by those who
use it: it brings SQLAlchemy.
"""

from truemark.index.follower import Follower, Progress
from truemark.index.queries import Index
from truemark.index.records import (
    BlockRecord,
    Cause,
    EventFilter,
    EventRow,
    FundingRow,
    MarkRow,
    MessageRow,
    Orphan,
    Page,
    PositionRow,
    Reorg,
    StateChange,
    TransactionRow,
    Write,
)
from truemark.index.store import BadIndex, IndexConflict
from truemark.index.values import Unindexed

__all__ = [
    "BadIndex",
    "BlockRecord",
    "Cause",
    "EventFilter",
    "EventRow",
    "Follower",
    "FundingRow",
    "Index",
    "IndexConflict",
    "MarkRow",
    "MessageRow",
    "Orphan",
    "Page",
    "PositionRow",
    "Progress",
    "Reorg",
    "StateChange",
    "TransactionRow",
    "Unindexed",
    "Write",
]
