"""Money in and out as movements that survive a crash: each step is in a journal before it is taken."""

from truemark.trader.flows.deposit import DepositFlow
from truemark.trader.flows.flow import Desk, Flow, FlowFailed, NotFinished, OnProgress, Progress
from truemark.trader.flows.journal import BadJournal, Journal, Kind, MovedElsewhere, Record, Step, UnknownFlow
from truemark.trader.flows.vault import RedemptionFlow, VaultDepositFlow
from truemark.trader.flows.withdrawal import WithdrawalErased, WithdrawalFlow

__all__ = [
    "BadJournal",
    "DepositFlow",
    "Desk",
    "Flow",
    "FlowFailed",
    "Journal",
    "Kind",
    "MovedElsewhere",
    "NotFinished",
    "OnProgress",
    "Progress",
    "Record",
    "RedemptionFlow",
    "Step",
    "UnknownFlow",
    "VaultDepositFlow",
    "WithdrawalErased",
    "WithdrawalFlow",
]
