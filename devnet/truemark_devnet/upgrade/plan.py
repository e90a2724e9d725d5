"""What an upgrade would change: the classes that run on chain beside those of the build."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from truemark.abi import Abi
from truemark.contract import Contract, ContractError, call_contract
from truemark.deployment import Deployment
from truemark.errors import TruemarkError
from truemark.hashing import poseidon_many
from truemark.rpc import AsyncRpc

from truemark_devnet.build import Build
from truemark_devnet.deploy.venue import LIBRARIES

#: The contracts take no shorter delay; seconds.
MIN_DELAY: Final = 259_200
#: The contract that runs other classes by library call.
RUNS_LIBRARIES: Final = "Clearinghouse"
#: What the class before asks of the one that follows it.
ASKED: Final = ("implements", "conserved", "migrate")


class UpgradeBlocked(TruemarkError, RuntimeError):
    """An upgrade cannot go on; the message says what stands in its way and what to do."""


@dataclass(frozen=True, slots=True)
class Change:
    """One contract that runs another class, or other library classes, than the build has. Hashes of classes."""

    name: str
    address: int
    before: int
    after: int
    #: In the contract's order; none for a contract that runs none.
    libraries_before: tuple[int, ...] = ()
    libraries_after: tuple[int, ...] = ()
    #: What the new class is told when it takes over.
    migration: tuple[int, ...] = ()

    @property
    def plan(self) -> dict[str, Any]:
        """As the contract's `UpgradePlan`."""
        return {"class_hash": self.after, "classes": self.libraries_after, "migration": self.migration}

    @property
    def plan_hash(self) -> int:
        """As the contract keeps it: Poseidon of the plan's felts."""
        return poseidon_many(
            [self.after, len(self.libraries_after), *self.libraries_after, len(self.migration), *self.migration]
        )


async def plan_upgrade(
    rpc: AsyncRpc, deployment: Deployment, build: Build, migrations: Mapping[str, Sequence[int]] | None = None
) -> tuple[Change, ...]:
    """What the chain runs and the build has otherwise.

    Args:
        migrations: felts for a contract's new class, by the contract's name.

    Raises:
        UpgradeBlocked: a contract runs neither the manifest's class nor the build's, or cannot be upgraded.
        NodeUnavailable: the node does not answer.
    """
    told = dict(migrations or {})
    changes = []
    for name, info in deployment.contracts.items():
        if name not in build.classes:
            raise UpgradeBlocked(f"the build has no class {name}: it is not of this venue")
        before, after = await class_at(rpc, info.address), build.classes[name].class_hash
        if before not in (info.class_hash, after):
            raise UpgradeBlocked(
                f"{name} at {info.address:#x} runs {before:#x}, which is neither the manifest's class "
                f"({info.class_hash:#x}) nor the build's: is it the manifest of this chain?"
            )
        libraries_before: tuple[int, ...] = ()
        libraries_after: tuple[int, ...] = ()
        if name == RUNS_LIBRARIES:
            libraries_before = await libraries_of(rpc, info.address)
            libraries_after = tuple(build.classes[library].class_hash for library in LIBRARIES)
        migration = tuple(told.pop(name, ()))
        if (before, libraries_before) == (after, libraries_after):
            if migration:
                raise UpgradeBlocked(f"{name} runs the build's class already: it migrates no more")
            continue
        missing = [function for function in ASKED if not _has(Abi(build.classes[name].abi()), function)]
        if missing:
            raise UpgradeBlocked(f"the build's {name} has no {', '.join(missing)}: no contract would change to it")
        changes.append(Change(name, info.address, before, after, libraries_before, libraries_after, migration))
    if told:
        raise UpgradeBlocked(f"a migration is given for {', '.join(told)}: no such contract changes")
    return tuple(changes)


async def class_at(rpc: AsyncRpc, address: int) -> int:
    """The class that a contract runs."""
    found = await rpc.call("starknet_getClassHashAt", {"block_id": "latest", "contract_address": hex(address)})
    return int(found, 16)


async def libraries_of(rpc: AsyncRpc, address: int) -> tuple[int, ...]:
    """The classes that the clearinghouse runs, in its order: as many as its version has, whatever this build has."""
    call = Contract.of(rpc, address, RUNS_LIBRARIES).call("classes")
    return await call_contract(rpc, call, "latest", f"classes at {address:#x}")


async def scheduled(rpc: AsyncRpc, change: Change) -> Mapping[str, Any]:
    """The contract's `ScheduledUpgrade`; all 0 where there is none.

    Raises:
        UpgradeBlocked: the class that it runs cannot be upgraded.
    """
    try:
        found: Mapping[str, Any] = await Contract.of(rpc, change.address, change.name).read("scheduled_upgrade")
    except ContractError as error:
        raise UpgradeBlocked(f"the {change.name} on chain cannot be upgraded: {error.reason}") from error
    return found


def lines_of(changes: Sequence[Change]) -> list[str]:
    """The changes for a person to read."""
    lines = []
    for change in changes:
        if change.before != change.after:
            lines.append(f"{change.name}: {change.before:#x} -> {change.after:#x}")
        before = dict(zip(LIBRARIES, change.libraries_before, strict=False))
        after = dict(zip(LIBRARIES, change.libraries_after, strict=False))
        lines += [
            f"{change.name}, {library}: {before.get(library, 0):#x} -> {hash_:#x}"
            for library, hash_ in after.items()
            if before.get(library) != hash_
        ]
    return lines


def _has(abi: Abi, function: str) -> bool:
    try:
        abi.function(function)
    except TruemarkError:
        return False
    return True
