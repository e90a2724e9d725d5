"""The explorer: blocks, transactions and contracts of a chain, decoded."""

from truemark.explorer.explorer import AsyncExplorer, Explorer
from truemark.explorer.records import (
    Block,
    CallRecord,
    EventRecord,
    GasPrice,
    NotFound,
    StateDiff,
    Transaction,
)

__all__ = [
    "AsyncExplorer",
    "Block",
    "CallRecord",
    "EventRecord",
    "Explorer",
    "GasPrice",
    "NotFound",
    "StateDiff",
    "Transaction",
]
