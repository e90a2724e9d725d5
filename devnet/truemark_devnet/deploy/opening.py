"""Opening a venue: Halted -> CancelOnly -> PostOnly -> Full, one step at a time, each with the hash of a report on the
state that it was taken on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from truemark.account import Account
from truemark.contract import Contract
from truemark.deployment import Deployment
from truemark.errors import TruemarkError
from truemark.receipt import TransactionReverted
from truemark.rpc import AsyncRpc
from truemark_keeper.recovery.integrity import MODES, IntegrityReport, integrity_report

#: How often a step may come before its dwell time is over.
_EARLY = 3


class NotReady(TruemarkError, RuntimeError):
    """The venue cannot go up a step now; the message says what is missing."""


async def open_venue(
    rpc: AsyncRpc,
    deployment: Deployment,
    admin: Account,
    *,
    wait: Callable[[int], Awaitable[None]],
    to: str = "Full",
    keep: Callable[[str, IntegrityReport], None] = lambda mode, report: None,
) -> None:
    """Takes the venue up to the mode `to`, step by step.

    Args:
        wait: lets that many seconds of block time pass: the dwell time before each step.
        keep: told each step and the report that it was taken on.

    Raises:
        NotReady: a criterion does not hold; what was reached stays.
        TransactionReverted: the contract refused a step.
    """
    clearinghouse = Contract.of(rpc, deployment.address("Clearinghouse"), "Clearinghouse")
    dwell = int((await clearinghouse.read("venue_params"))["dwell_secs"])
    early = 0
    while True:
        mode = (await clearinghouse.read("mode")).variant
        if MODES.index(mode) >= MODES.index(to):
            return
        await wait(dwell)
        report = await integrity_report(rpc, deployment)
        if report.problems:
            raise NotReady(f"the venue stays {mode}: {'; '.join(report.problems)}")
        step = MODES[MODES.index(mode) + 1]
        try:
            await admin.execute([clearinghouse.call("set_mode", step, report.hash)])
        except TransactionReverted as reverted:
            # The dwell time is counted by the chain's clock, from a change that may have come while this waited.
            early += 1
            if reverted.reason != "MODE: dwell time" or early > _EARLY:
                raise
            continue
        early = 0
        keep(step, report)
