"""`truemark devnet deploy` and `truemark devnet open`."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Final

from rich.console import Console
from truemark.contract import Contract
from truemark.deployment import Deployment
from truemark.l1 import L1Bridge
from truemark.models import Destination
from truemark.rpc import AsyncRpc, RpcError
from truemark_keeper.recovery.integrity import MODES, IntegrityReport

from truemark_devnet.accounts import l1_accounts, operators
from truemark_devnet.build import Build, build
from truemark_devnet.deploy.l2 import CONTRACT_NOT_FOUND
from truemark_devnet.deploy.opening import open_venue
from truemark_devnet.deploy.venue import DeployFailed, account_of, deploy, parameters_of
from truemark_devnet.nodes import Nodes
from truemark_devnet.profile import load_profile

#: Test USDC of the devnet's own liquidator, which takes positions into its margin account.
LIQUIDATOR_MARGIN: Final = Decimal(3_000_000)


async def deploy_command(nodes: Nodes, *, profile: str, manifest: Path, console: Console) -> None:
    """Deploys what is missing and writes the manifest.

    Raises:
        BadProfile: the profile does not exist or cannot be deployed.
        DeployFailed: a venue of this profile is there and runs other classes than the build's: it is to be upgraded.
        Others as `deploy` and `build`.
    """

    def say(line: str) -> None:
        console.print(line, highlight=False, soft_wrap=True)

    chosen = load_profile(profile)
    built = build(progress=say)
    before = Deployment.load(manifest) if manifest.is_file() else None
    if before is not None and before.parameters == parameters_of(chosen) and await _runs_it(nodes, before, built):
        say(f"all of it was there already; manifest: {manifest}")
        return
    deployment = await deploy(nodes, operators(nodes.l2_url), chosen, built, progress=say)
    deployment.save(manifest)
    say(f"deployed with profile {chosen.name}, the venue is Halted; manifest: {manifest}")


async def open_command(nodes: Nodes, *, to: str, manifest: Path, reports: Path, console: Console) -> None:
    """Takes the venue up to a mode, step by step, and keeps the integrity report of each step. A liquidator without
    money gets some.

    Raises:
        NoDeployment, BadManifest: there is no manifest to go by.
        NotReady: a criterion does not hold.
    """
    deployment = Deployment.load(manifest)

    def keep(mode: str, report: IntegrityReport) -> None:
        reports.mkdir(parents=True, exist_ok=True)
        path = reports / f"{mode}-{report.hash:#x}.json"
        path.write_bytes(report.content)
        console.print(f"{mode} (integrity report {path})", highlight=False, soft_wrap=True)

    async with AsyncRpc(nodes.l2_url) as rpc:
        admin = account_of(rpc, operators(nodes.l2_url)["admin"], nodes.l2_chain_id)
        with console.status(f"opening, up to {to}: {', '.join(MODES[1:])}"):
            await open_venue(rpc, deployment, admin, wait=asyncio.sleep, to=to, keep=keep)
        if await fund_liquidator(rpc, nodes, deployment):
            console.print(f"the liquidator gets {LIQUIDATOR_MARGIN} test USDC", highlight=False, soft_wrap=True)


async def fund_liquidator(rpc: AsyncRpc, nodes: Nodes, deployment: Deployment) -> bool:
    """Sends the devnet's own liquidator its margin from L1; False: it has money, or this is no test deployment."""
    account = operators(nodes.l2_url)["liquidator"].address
    house = Contract.of(rpc, deployment.address("Clearinghouse"), "Clearinghouse")
    held = (await house.read("account", account))["collateral"] + await house.read("pending_deposit", account)
    if held or not deployment.faucet:
        return False
    async with L1Bridge(deployment, l1_accounts(2)[1].private_key) as bridge:
        await bridge.mint_test_usdc(LIQUIDATOR_MARGIN)
        await bridge.deposit(LIQUIDATOR_MARGIN, Destination.MARGIN, account)
    return True


async def _runs_it(nodes: Nodes, deployment: Deployment, built: Build) -> bool:
    """Whether this chain has the manifest's venue, with the build's classes.

    Raises:
        DeployFailed: it has it with other classes. A second one beside it is not what anybody wants.
    """
    other = []
    async with AsyncRpc(nodes.l2_url) as rpc:
        for name, info in deployment.contracts.items():
            try:
                found = await rpc.call(
                    "starknet_getClassHashAt", {"block_id": "latest", "contract_address": hex(info.address)}
                )
            except RpcError as error:
                if error.code == CONTRACT_NOT_FOUND:
                    return False
                raise
            if name not in built.classes or int(found, 16) != built.classes[name].class_hash:
                other.append(name)
    if other:
        raise DeployFailed(
            f"a venue of this profile is there and runs other classes than this build's ({', '.join(other)}): "
            "`truemark upgrade` takes it there, `truemark devnet down` and `up` begin with an empty chain"
        )
    return True
