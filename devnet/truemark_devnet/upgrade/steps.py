"""The steps of an upgrade. Each looks first whether it was done, so one that was interrupted goes on."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Mapping, Sequence

from truemark.account import Account
from truemark.contract import Contract
from truemark.deployment import ContractInfo, Deployment
from truemark.rpc import AsyncRpc

from truemark_devnet.build import Build
from truemark_devnet.deploy.l2 import declare
from truemark_devnet.deploy.venue import LIBRARIES
from truemark_devnet.upgrade.plan import (
    MIN_DELAY,
    RUNS_LIBRARIES,
    Change,
    UpgradeBlocked,
    class_at,
    libraries_of,
    plan_upgrade,
    scheduled,
)

Progress = Callable[[str], None]
#: Who keeps what the venue is worth: at its end the ledger must equal the balance of the token.
_LEDGER, _TOKEN = "Clearinghouse", "CollateralToken"


async def upgrade_venue(
    rpc: AsyncRpc,
    deployment: Deployment,
    admin: Account,
    build: Build,
    *,
    clock: Callable[[], Awaitable[int]],
    wait: Callable[[int], Awaitable[None]],
    halt: bool = False,
    delay: int = MIN_DELAY,
    migrations: Mapping[str, Sequence[int]] | None = None,
    progress: Progress = lambda line: None,
) -> Deployment:
    """Takes the venue to the build's classes; the manifest of what runs then.

    Args:
        clock: block time, seconds.
        wait: lets that many seconds of block time pass: the delay between the schedule and the upgrade.
        halt: stop the venue for the upgrade; otherwise it must be Halted when its time comes.
        delay: seconds from the schedule to the upgrade, at least MIN_DELAY.

    Raises:
        UpgradeBlocked: the venue is not Halted, another upgrade is scheduled, this one expired, or what should have
            stayed did not.
        TransactionReverted: a contract refused a step, with its words.
    """
    changes = await plan_upgrade(rpc, deployment, build, migrations)
    if changes:
        await _declare(rpc, admin, build, changes, progress)
        ready_at = await _schedule(rpc, admin, changes, delay, clock, progress)
        left = ready_at - await clock()
        if left > 0:
            progress(f"waits until {ready_at} (unix seconds of block time), {left} s from now")
            await wait(left)
        await _halted(rpc, deployment, admin, halt=halt, progress=progress)
        await _execute(rpc, admin, changes, progress)
    upgraded = dataclasses.replace(
        deployment,
        contracts={
            name: ContractInfo(info.address, build.classes[name].class_hash)
            for name, info in deployment.contracts.items()
        },
        classes={**deployment.classes, **{name: build.classes[name].class_hash for name in LIBRARIES}},
    )
    await _verify(rpc, upgraded)
    return upgraded


async def cancel_upgrade(
    rpc: AsyncRpc, deployment: Deployment, account: Account, *, progress: Progress = lambda line: None
) -> int:
    """Takes back what is scheduled, by the admin or the guardian; how many contracts had something.

    Raises:
        UpgradeBlocked: a contract cannot be upgraded at all.
        TransactionReverted: the account may not.
    """
    calls = []
    for name, info in deployment.contracts.items():
        found = await scheduled(rpc, Change(name, info.address, info.class_hash, info.class_hash))
        if found["plan_hash"]:
            calls.append(Contract.of(rpc, info.address, name).call("cancel_upgrade"))
            progress(f"takes back {name} -> {found['class_hash']:#x}")
    if calls:
        await account.execute(calls)
    return len(calls)


async def _declare(rpc: AsyncRpc, admin: Account, build: Build, changes: Sequence[Change], progress: Progress) -> None:
    wanted = {change.after for change in changes} | {
        library for change in changes for library in change.libraries_after
    }
    for cls in build.classes.values():
        if cls.class_hash in wanted and await declare(rpc, admin, cls):
            progress(f"declared {cls.name} {cls.class_hash:#x}")


async def _schedule(
    rpc: AsyncRpc,
    admin: Account,
    changes: Sequence[Change],
    delay: int,
    clock: Callable[[], Awaitable[int]],
    progress: Progress,
) -> int:
    """Schedules what is not; when all of it is ready."""
    calls, ready_at, now = [], 0, await clock()
    for change in changes:
        found = await scheduled(rpc, change)
        if found["plan_hash"] and now <= found["expires_at"]:
            if found["plan_hash"] != change.plan_hash:
                raise UpgradeBlocked(
                    f"{change.name} has another upgrade scheduled, to {found['class_hash']:#x} from "
                    f"{found['ready_at']} on: --cancel takes it back"
                )
            ready_at = max(ready_at, found["ready_at"])
        else:
            contract = Contract.of(rpc, change.address, change.name)
            calls.append(contract.call("schedule_upgrade", change.plan, delay))
            progress(f"schedules {change.name}")
    if calls:
        await admin.execute(calls)
        ready_at = max([ready_at, *[(await scheduled(rpc, change))["ready_at"] for change in changes]])
    return ready_at


async def _halted(rpc: AsyncRpc, deployment: Deployment, admin: Account, *, halt: bool, progress: Progress) -> None:
    clearinghouse = Contract.of(rpc, deployment.address(_LEDGER), _LEDGER)
    mode = (await clearinghouse.read("mode")).variant
    if mode == "Halted":
        return
    if not halt:
        raise UpgradeBlocked(f"the venue is {mode}, an upgrade needs it Halted: --halt stops it, then run it again")
    await admin.execute(clearinghouse.call("set_mode", "Halted", 0))
    progress(f"stopped the venue, which was {mode}")


async def _execute(rpc: AsyncRpc, admin: Account, changes: Sequence[Change], progress: Progress) -> None:
    """All of it in one transaction: a venue half of one version and half of another never runs."""
    contracts = [Contract.of(rpc, change.address, change.name) for change in changes]
    before = [await contract.read("conserved") for contract in contracts]
    calls = [contract.call("upgrade", change.plan) for contract, change in zip(contracts, changes, strict=True)]
    receipt = await admin.execute(calls)
    for change, contract, kept in zip(changes, contracts, before, strict=True):
        # The contracts have checked it themselves, in the transaction; this is what anybody sees afterwards.
        after = await contract.read("conserved")
        if list(after[: len(kept)]) != list(kept):
            raise UpgradeBlocked(f"{change.name}: {list(after)} is not what it was, {list(kept)} ({receipt.hash:#x})")
        progress(f"{change.name} runs {change.after:#x}")


async def _verify(rpc: AsyncRpc, deployment: Deployment) -> None:
    for name, info in deployment.contracts.items():
        running = await class_at(rpc, info.address)
        if running != info.class_hash:
            raise UpgradeBlocked(f"{name} runs {running:#x} and should run {info.class_hash:#x}")
    running_libraries = await libraries_of(rpc, deployment.address(RUNS_LIBRARIES))
    wanted = tuple(deployment.classes[name] for name in LIBRARIES)
    if running_libraries != wanted:
        raise UpgradeBlocked(f"the {RUNS_LIBRARIES} runs {running_libraries} and should run {wanted}")
    clearinghouse = Contract.of(rpc, deployment.address(_LEDGER), _LEDGER)
    token = Contract.of(rpc, deployment.address(_TOKEN), _TOKEN)
    total = (await clearinghouse.read("ledger"))["total"]
    balance = await token.read("balance_of", clearinghouse.address)
    if balance < total:
        raise UpgradeBlocked(f"the ledger says {total}, the token balance is {balance} (1e-6 USD)")
