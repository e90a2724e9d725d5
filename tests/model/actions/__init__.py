"""What can be done to a venue: each action as the model applies it and as the contracts are called.

`apply` changes the world as the design says, or refuses; what it returns is what the chain must answer.
"""

from tests.model.actions.base import NODE, Action, Book, Expected, Message, Step, Write
from tests.model.actions.bridge import (
    Attest,
    ClaimParked,
    CollectReceivable,
    ConfigureQuota,
    FromL1,
    ReturnParked,
    SettleAttestation,
    ToL1,
)
from tests.model.actions.closing import (
    AnnounceRestore,
    BreakFunding,
    CancelRestore,
    CheckpointFunding,
    Escape,
    Restore,
    SettlePositions,
)
from tests.model.actions.configuration import (
    AddReporter,
    ConfigureGuard,
    ConfigureMarket,
    ConfigureOutflow,
    ConfigureVenue,
    ConfigureWaterfall,
    RemoveReporter,
    SeatReporter,
    SetQuorum,
)
from tests.model.actions.liquidation import Backstop, Deleverage, Liquidate
from tests.model.actions.money import (
    BookSurplus,
    CollectFees,
    Credit,
    Deposit,
    Donate,
    FundInsurance,
    ReturnPending,
    Withdraw,
)
from tests.model.actions.oracle import Freeze, Release, Report, ReportSettlement, SettleMarket, StartSettlement
from tests.model.actions.orders import Approve, Cancel, CancelAll, RegisterKey, RevokeKey, Settle
from tests.model.actions.refunds import ClaimRefund, CloseRefunds, OpenRefunds, PushRefunds
from tests.model.actions.vault import VaultEnter, VaultLeave, VaultOperator, VaultRequest
from tests.model.actions.venue import NewEpoch, SetMode

__all__ = [
    "NODE",
    "Action",
    "AddReporter",
    "AnnounceRestore",
    "Approve",
    "Attest",
    "Backstop",
    "Book",
    "BookSurplus",
    "BreakFunding",
    "Cancel",
    "CancelAll",
    "CancelRestore",
    "CheckpointFunding",
    "ClaimParked",
    "ClaimRefund",
    "CloseRefunds",
    "CollectFees",
    "CollectReceivable",
    "ConfigureGuard",
    "ConfigureMarket",
    "ConfigureOutflow",
    "ConfigureQuota",
    "ConfigureVenue",
    "ConfigureWaterfall",
    "Credit",
    "Deleverage",
    "Deposit",
    "Donate",
    "Escape",
    "Expected",
    "Freeze",
    "FromL1",
    "FundInsurance",
    "Liquidate",
    "Message",
    "NewEpoch",
    "OpenRefunds",
    "PushRefunds",
    "RegisterKey",
    "Release",
    "RemoveReporter",
    "Report",
    "ReportSettlement",
    "Restore",
    "ReturnParked",
    "ReturnPending",
    "RevokeKey",
    "SeatReporter",
    "SetMode",
    "SetQuorum",
    "Settle",
    "SettleAttestation",
    "SettleMarket",
    "SettlePositions",
    "StartSettlement",
    "Step",
    "ToL1",
    "VaultEnter",
    "VaultLeave",
    "VaultOperator",
    "VaultRequest",
    "Withdraw",
    "Write",
]
