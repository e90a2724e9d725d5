"""Trading: one account at a venue, from the first deposit to the claim on L1."""

from truemark.trader.amounts import OffStep, from_shares, round_to, to_shares
from truemark.trader.flows import (
    BadJournal,
    Flow,
    FlowFailed,
    Journal,
    MovedElsewhere,
    NotFinished,
    Progress,
    Step,
    UnknownFlow,
    WithdrawalErased,
)
from truemark.trader.handles import (
    DepositHandle,
    DepositReclaimed,
    StillUnderWay,
    WithdrawalHandle,
    registered_withdrawals,
)
from truemark.trader.money import AlreadyRefunded, NothingClaimable
from truemark.trader.onboarding import NotFunded
from truemark.trader.session import NoAccountKey, NoGateway, NoJournal, NoL1
from truemark.trader.trader import AsyncTrader, SyncDeposit, SyncFlow, SyncWithdrawal, Trader
from truemark.trader.trading import NewOrder, NoBand
from truemark.trader.venue import AccountBook, Held, Venue, WrongChain

__all__ = [
    "AccountBook",
    "AlreadyRefunded",
    "AsyncTrader",
    "BadJournal",
    "DepositHandle",
    "DepositReclaimed",
    "Flow",
    "FlowFailed",
    "Held",
    "Journal",
    "MovedElsewhere",
    "NewOrder",
    "NoAccountKey",
    "NoBand",
    "NoGateway",
    "NoJournal",
    "NoL1",
    "NotFinished",
    "NotFunded",
    "NothingClaimable",
    "OffStep",
    "Progress",
    "Step",
    "StillUnderWay",
    "SyncDeposit",
    "SyncFlow",
    "SyncWithdrawal",
    "Trader",
    "UnknownFlow",
    "Venue",
    "WithdrawalErased",
    "WithdrawalHandle",
    "WrongChain",
    "from_shares",
    "registered_withdrawals",
    "round_to",
    "to_shares",
]
