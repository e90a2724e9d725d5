"""What the sentinel sees of one block."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum


class StopMode(IntEnum):
    """The contract's modes in its own order: a lower one allows less."""

    HALTED = 0
    CANCEL_ONLY = 1
    POST_ONLY = 2
    FULL = 3

    @property
    def variant(self) -> str:
        """As the contract names it."""
        return "".join(word.capitalize() for word in self.name.split("_"))

    @classmethod
    def of(cls, variant: str) -> StopMode:
        return next(mode for mode in cls if mode.variant == variant)


@dataclass(frozen=True, slots=True)
class MarketSight:
    """One market; prices 1e-8 USD, times seconds, indices 1e-16 USD for one whole base unit."""

    index: int
    name: str
    status: str
    price: int
    accepted_at: int
    #: None: its slot is not what a transaction wrote, or it cannot be read.
    growth: int | None
    funding_index: int | None


@dataclass(frozen=True, slots=True)
class GuardSight:
    """The bounds of a market's funding: ppm for 8 hours, seconds, 1e-4 of the anchor."""

    max_rate_ppm: int
    max_gap: int
    max_drift_bps: int


@dataclass(frozen=True, slots=True)
class LedgerSight:
    """Where the venue's collateral is; 1e-6 USD."""

    total: int
    insurance: int
    fees: int
    funding: int
    pending: int
    #: What the token says that the clearinghouse has.
    balance: int
    supply: int


@dataclass(frozen=True, slots=True)
class Write:
    """A storage slot of the venue that a block changed, and no transaction of it did."""

    contract: str
    key: int
    value: int
    #: Before the block; None: not known.
    before: int | None = None


@dataclass(frozen=True)
class Sight:
    """A block as the sentinel sees it: every view at its number."""

    block: int
    fingerprint: bytes
    timestamp: int
    mode: StopMode
    epoch: int
    ledger: LedgerSight
    markets: Mapping[str, MarketSight]
    #: Views that revert, with the contract's words.
    unreadable: Mapping[str, str] = field(default_factory=dict)
    #: None: the node does not tell what its transactions wrote.
    unattributed: tuple[Write, ...] | None = ()
    #: Sum of all margin accounts' collateral, 1e-6 USD; None: not counted at this block.
    accounts_sum: int | None = None
