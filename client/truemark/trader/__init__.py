"""Trading: one account at a venue, from the first deposit to the claim on L1."""

from truemark.trader.amounts import OffStep, from_shares, round_to, to_shares
from truemark.trader.handles import (
    DepositHandle,
    DepositReclaimed,
    StillUnderWay,
    WithdrawalHandle,
    registered_withdrawals,
)
from truemark.trader.money import AlreadyRefunded, NothingClaimable
from truemark.trader.onboarding import NotFunded
from truemark.trader.session import NoGateway, NoL1
from truemark.trader.trader import AsyncTrader, SyncDeposit, SyncWithdrawal, Trader
from truemark.trader.venue import AccountBook, Held, Venue, WrongChain

__all__ = [
    "AccountBook",
    "AlreadyRefunded",
    "AsyncTrader",
    "DepositHandle",
    "DepositReclaimed",
    "Held",
    "NoGateway",
    "NoL1",
    "NotFunded",
    "NothingClaimable",
    "OffStep",
    "StillUnderWay",
    "SyncDeposit",
    "SyncWithdrawal",
    "Trader",
    "Venue",
    "WithdrawalHandle",
    "WrongChain",
    "from_shares",
    "registered_withdrawals",
    "round_to",
    "to_shares",
]
