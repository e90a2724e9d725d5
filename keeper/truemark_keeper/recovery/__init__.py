"""Recovery: what an operator does on the day that wrong state is on chain."""

from truemark_keeper.recovery.chain import RecoveryChain
from truemark_keeper.recovery.record import BadRecord, RollbackRecord
from truemark_keeper.recovery.rollback import STEPS, Plan, Rollback, RollbackFailed

__all__ = ["STEPS", "BadRecord", "Plan", "RecoveryChain", "Rollback", "RollbackFailed", "RollbackRecord"]
