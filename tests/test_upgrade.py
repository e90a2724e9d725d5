"""`truemark upgrade` from this version of the contracts to the next and back, on nodes and in virtual time."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable

import pytest
from truemark.account import TransactionReverted
from truemark.deployment import Deployment
from truemark.hashing import poseidon_many
from truemark_devnet.build import Build
from truemark_devnet.upgrade import (
    MIN_DELAY,
    UpgradeBlocked,
    cancel_upgrade,
    plan_upgrade,
    upgrade_venue,
)

from tests.house import House
from tests.next_version import next_version

pytestmark = [pytest.mark.node, pytest.mark.deep]

CHANGED = ["Clearinghouse", "Oracle", "Vault"]


@pytest.fixture(scope="module")
def later(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """The next version; half a dozen classes are compiled anew."""
    return next_version(tmp_path_factory.mktemp("next"))


async def upgraded(
    house: House, build: Build, *, halt: bool = True, wait: Callable[[int], Awaitable[None]] | None = None
) -> Deployment:
    return await upgrade_venue(
        house.rpc,
        house.deployment,
        house.account("admin"),
        build,
        clock=house.now,
        wait=wait or house.pass_time,
        halt=halt,
    )


async def test_a_venue_goes_to_the_next_version_and_opens_again(house: House, built: Build, later: Build) -> None:
    changes = await plan_upgrade(house.rpc, house.deployment, later)
    assert sorted(change.name for change in changes) == CHANGED
    ledger = await house.contract("Clearinghouse").read("ledger")
    assets = await house.contract("Vault").read("total_assets")
    deployment = await upgraded(house, later)
    assert deployment.contracts["Oracle"].class_hash == later.classes["Oracle"].class_hash
    assert deployment.classes["Venue"] == later.classes["Venue"].class_hash
    assert deployment.classes["Money"] == built.classes["Money"].class_hash
    assert await house.contract("Clearinghouse").read("ledger") == ledger
    assert await house.contract("Vault").read("total_assets") == assets
    # The new code runs: the contract's own, and that of a class which it runs.
    admin = house.account("admin")
    with pytest.raises(TransactionReverted, match="VAULT: lock too long"):
        await admin.execute(house.contract("Vault").call("set_lock_secs", 1_296_001))
    with pytest.raises(TransactionReverted, match="MODE: step by step"):
        await admin.execute(house.contract("Clearinghouse").call("set_mode", "Full", 1))
    # Done is done.
    assert await plan_upgrade(house.rpc, deployment, later) == ()
    assert await upgraded(dataclasses.replace(house, deployment=deployment), later) == deployment
    await dataclasses.replace(house, deployment=deployment).open()
    assert (await house.contract("Clearinghouse").read("mode")).variant == "Full"
    async with house.trader("alice") as alice:
        assert (await alice.margin()).value > 0


async def test_an_interrupted_upgrade_goes_on(house: House, later: Build) -> None:
    async def interrupted(seconds: int) -> None:
        raise KeyboardInterrupt(seconds)

    with pytest.raises(KeyboardInterrupt):
        await upgraded(house, later, wait=interrupted)
    (first, *_) = await plan_upgrade(house.rpc, house.deployment, later)
    scheduled = await house.contract(first.name).read("scheduled_upgrade")
    assert scheduled["plan_hash"] == first.plan_hash
    waits: list[int] = []

    async def wait(seconds: int) -> None:
        waits.append(seconds)
        await house.pass_time(seconds)

    await house.pass_time(1_000)
    # The venue trades on until its time has come, and is not stopped unasked.
    with pytest.raises(UpgradeBlocked, match=r"the venue is CancelOnly.*--halt"):
        await upgraded(house, later, halt=False, wait=wait)
    # The schedule of the first time counts.
    (left,) = waits
    assert left <= MIN_DELAY - 1_000
    deployment = await upgraded(house, later, wait=wait)
    assert len(waits) == 1
    assert deployment.contracts["Vault"].class_hash == later.classes["Vault"].class_hash


async def test_another_upgrade_is_in_the_way_until_it_is_taken_back(house: House, later: Build) -> None:
    (oracle,) = [c for c in await plan_upgrade(house.rpc, house.deployment, later) if c.name == "Oracle"]
    contract, admin = house.contract("Oracle"), house.account("admin")
    other = {**oracle.plan, "migration": (1,)}
    await admin.execute(contract.call("schedule_upgrade", other, MIN_DELAY))
    with pytest.raises(UpgradeBlocked, match=r"Oracle has another upgrade scheduled.*--cancel"):
        await upgraded(house, later)
    assert await cancel_upgrade(house.rpc, house.deployment, house.account("guardian")) == 1
    assert await cancel_upgrade(house.rpc, house.deployment, house.account("guardian")) == 0


async def test_a_class_in_anothers_place_is_refused(house: House, built: Build, later: Build) -> None:
    """The vault's class for the oracle, and library classes in the wrong order."""
    admin = house.account("admin")
    clearinghouse, oracle = house.contract("Clearinghouse"), house.contract("Oracle")
    hashes = [cls.class_hash for cls in (built.classes[name] for name in house.deployment.classes)]
    wrong = (
        (oracle, built.classes["Vault"].class_hash, [], "UPGRADE: another interface"),
        (clearinghouse, built.classes["Clearinghouse"].class_hash, hashes[::-1], "UPGRADE: another class"),
        (clearinghouse, built.classes["Clearinghouse"].class_hash, [*hashes, hashes[0]], "UPGRADE: too many classes"),
        (clearinghouse, built.classes["Clearinghouse"].class_hash, hashes[1:], "UPGRADE: classes missing"),
    )
    for contract, class_hash, classes, reason in wrong:
        async with house.nodes.undone():
            plan = {"class_hash": class_hash, "classes": classes, "migration": []}
            await admin.execute(contract.call("schedule_upgrade", plan, MIN_DELAY))
            await house.pass_time(MIN_DELAY)
            with pytest.raises(TransactionReverted, match="UPGRADE: venue is not halted"):
                await admin.execute(contract.call("upgrade", plan))
            await admin.execute(clearinghouse.call("set_mode", "Halted", 0))
            with pytest.raises(TransactionReverted, match=reason):
                await admin.execute(contract.call("upgrade", plan))


async def test_the_plans_hash_is_the_contracts(house: House, later: Build) -> None:
    """And every contract of the venue can be upgraded, the token by the bridge's admin."""
    admin = house.account("admin")
    for name, info in house.deployment.contracts.items():
        async with house.nodes.undone():
            contract = house.contract(name)
            plan = {"class_hash": info.class_hash, "classes": [5, 6], "migration": [7]}
            await admin.execute(contract.call("schedule_upgrade", plan, MIN_DELAY))
            found = await contract.read("scheduled_upgrade")
            assert found["plan_hash"] == poseidon_many([info.class_hash, 2, 5, 6, 1, 7]), name
            with pytest.raises(TransactionReverted, match="ACCESS: not the admin"):
                await house.account("operator").execute(contract.call("upgrade", plan))
            await house.account("guardian").execute(contract.call("cancel_upgrade"))
            # To the class that it has, with nothing to migrate: every contract's figures hold.
            if name != "Clearinghouse":
                plan = {"class_hash": info.class_hash, "classes": [], "migration": []}
                await admin.execute(contract.call("schedule_upgrade", plan, MIN_DELAY))
                await house.pass_time(MIN_DELAY)
                await admin.execute(house.contract("Clearinghouse").call("set_mode", "Halted", 0))
                await admin.execute(contract.call("upgrade", plan))


async def test_a_manifest_of_another_chain_is_told(house: House, built: Build, later: Build) -> None:
    info = house.deployment.contracts["Vault"]
    wrong = dataclasses.replace(
        house.deployment,
        contracts={**house.deployment.contracts, "Vault": dataclasses.replace(info, class_hash=0x123)},
    )
    with pytest.raises(UpgradeBlocked, match=r"Vault at .* neither the manifest's class"):
        await plan_upgrade(house.rpc, wrong, later)
    with pytest.raises(UpgradeBlocked, match="it migrates no more"):
        await plan_upgrade(house.rpc, house.deployment, later, {"Bridge": [1]})
    with pytest.raises(UpgradeBlocked, match="given for Faucet: no such contract changes"):
        await plan_upgrade(house.rpc, house.deployment, later, {"Faucet": [1]})
    # Against the build that it runs there is nothing to do.
    assert await plan_upgrade(house.rpc, house.deployment, built) == ()


async def test_nothing_of_the_new_class_runs_before_its_time(house: House) -> None:
    """What is scheduled need not be declared yet; not declared when its time comes, it is refused."""
    admin, oracle = house.account("admin"), house.contract("Oracle")
    plan = {"class_hash": 0x777, "classes": [], "migration": []}
    await admin.execute(oracle.call("schedule_upgrade", plan, MIN_DELAY))
    await house.pass_time(MIN_DELAY)
    await admin.execute(house.contract("Clearinghouse").call("set_mode", "Halted", 0))
    with pytest.raises(TransactionReverted, match="777"):
        await admin.execute(oracle.call("upgrade", plan))
