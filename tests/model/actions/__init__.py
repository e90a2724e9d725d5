"""What can be done to a venue: each action as the model applies it and as the contracts are called.

`apply` changes the world as the design says, or refuses; what it returns is what the chain must answer.
"""

from tests.model.actions.base import Action, Book, Expected, Message, Step
from tests.model.actions.bridge import ClaimParked, FromL1, ReturnParked, ToL1
from tests.model.actions.liquidation import Backstop, Deleverage, Liquidate
from tests.model.actions.money import (
    BookSurplus,
    CollectFees,
    Credit,
    Deposit,
    Donate,
    Escape,
    FundInsurance,
    ReturnPending,
    Withdraw,
)
from tests.model.actions.oracle import Freeze, Release, Report
from tests.model.actions.orders import Approve, Cancel, CancelAll, RegisterKey, RevokeKey, Settle
from tests.model.actions.vault import VaultEnter, VaultLeave, VaultOperator, VaultRequest
from tests.model.actions.venue import NewEpoch, SetMode

__all__ = [
    "Action",
    "Approve",
    "Backstop",
    "Book",
    "BookSurplus",
    "Cancel",
    "CancelAll",
    "ClaimParked",
    "CollectFees",
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
    "RegisterKey",
    "Release",
    "Report",
    "ReturnParked",
    "ReturnPending",
    "RevokeKey",
    "SetMode",
    "Settle",
    "Step",
    "ToL1",
    "VaultEnter",
    "VaultLeave",
    "VaultOperator",
    "VaultRequest",
    "Withdraw",
]
