"""Refunds of an incident: who would hold what, had nothing been wrongly taken; decided by a person, paid under one
root, with a statement for each account.

`survey` reads the index and judges every taking, a person approves, `refunds` adds up, `Distribution` pays. The
analysis itself needs the extra `truemark-keeper[recovery]`.
"""

from truemark_keeper.recovery.refund.compute import (
    CannotValue,
    NothingOwed,
    Owed,
    Refunds,
    Survey,
    funding_at,
    quick,
    refunds,
    survey,
)
from truemark_keeper.recovery.refund.distribution import Distribution, DistributionStatus, RefundsDiffer
from truemark_keeper.recovery.refund.judge import Finding, Judged
from truemark_keeper.recovery.refund.paylist import BadPayList, PayList
from truemark_keeper.recovery.refund.review import BadDecisions, read_decisions, write_review
from truemark_keeper.recovery.refund.rules import BadRules, Position, RefundRules, Window
from truemark_keeper.recovery.refund.statements import write_statements
from truemark_keeper.recovery.refund.webhook import Delivery, WebhookRefused, notify

__all__ = [
    "BadDecisions",
    "BadPayList",
    "BadRules",
    "CannotValue",
    "Delivery",
    "Distribution",
    "DistributionStatus",
    "Finding",
    "Judged",
    "NothingOwed",
    "Owed",
    "PayList",
    "Position",
    "RefundRules",
    "Refunds",
    "RefundsDiffer",
    "Survey",
    "WebhookRefused",
    "Window",
    "funding_at",
    "notify",
    "quick",
    "read_decisions",
    "refunds",
    "survey",
    "write_review",
    "write_statements",
]
