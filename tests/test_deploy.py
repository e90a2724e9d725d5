"""Deployment and opening: done once, found again, and no step up on a state that is not proven."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import pytest
from rich.console import Console
from truemark.deployment import Deployment
from truemark.explorer import AsyncExplorer
from truemark.units import to_collateral
from truemark_devnet.build import Build
from truemark_devnet.deploy import DeployFailed, NotReady, deploy, deploy_command, integrity_report, open_venue
from truemark_devnet.deploy.command import LIQUIDATOR_MARGIN, fund_liquidator
from truemark_devnet.profile import load_profile

from tests.house import BTC, PRICES, SOL, House

pytestmark = pytest.mark.node


async def test_a_second_deployment_finds_the_first(deployed: House, built: Build, tmp_path: Path) -> None:
    head = await deployed.rpc.call("starknet_blockNumber")
    again = await deploy(deployed.nodes, deployed.roles, load_profile("default"), built)
    assert again == deployed.deployment
    # One transaction asks whether the oracle is connected, and is reverted; nothing else is sent.
    assert await deployed.rpc.call("starknet_blockNumber") <= head + 1
    again.save(tmp_path / "deployment.json")
    assert Deployment.load(tmp_path / "deployment.json") == again


async def test_a_venue_of_another_build_is_not_deployed_beside(deployed: House, tmp_path: Path) -> None:
    manifest, console = tmp_path / "deployment.json", Console(file=io.StringIO())
    deployed.deployment.save(manifest)
    head = await deployed.rpc.call("starknet_blockNumber")
    await deploy_command(deployed.nodes, profile="default", manifest=manifest, console=console)
    # As if the vault ran another class: that of the oracle.
    contracts = deployed.deployment.contracts
    wrong = dataclasses.replace(deployed.deployment, contracts={**contracts, "Vault": contracts["Oracle"]})
    wrong.save(manifest)
    with pytest.raises(DeployFailed, match=r"other classes than this build's \(Vault\): `truemark upgrade`"):
        await deploy_command(deployed.nodes, profile="default", manifest=manifest, console=console)
    assert await deployed.rpc.call("starknet_blockNumber") == head


async def test_the_liquidator_gets_test_money_once(house: House) -> None:
    who = house.roles["liquidator"].address
    assert not await fund_liquidator(house.rpc, house.nodes, dataclasses.replace(house.deployment, faucet=False))
    assert await fund_liquidator(house.rpc, house.nodes, house.deployment)
    await house.nodes.flush()
    account = await house.contract("Clearinghouse").read("account", who)
    assert account["collateral"] == to_collateral(LIQUIDATOR_MARGIN)
    assert not await fund_liquidator(house.rpc, house.nodes, house.deployment)


async def test_the_manifest_is_what_the_chain_says(house: House) -> None:
    deployment = house.deployment
    for name, info in deployment.contracts.items():
        class_hash = await house.rpc.call(
            "starknet_getClassHashAt", {"block_id": "latest", "contract_address": hex(info.address)}
        )
        assert int(class_hash, 16) == info.class_hash, name
    clearinghouse, oracle = house.contract("Clearinghouse"), house.contract("Oracle")
    for name, market in deployment.markets.items():
        params = await clearinghouse.read("market_params", market.index)
        assert (params["lot_size"], params["tick_size"]) == (market.lot_size, market.tick_size), name
    reporters = [deployment.operators[f"reporter-{number}"] for number in (1, 2, 3)]
    assert await oracle.read("reporters") == reporters


async def test_the_venue_does_not_go_up_while_a_market_is_not_valid(house: House) -> None:
    clearinghouse, guardian = house.contract("Clearinghouse"), house.account("guardian")
    await guardian.execute(clearinghouse.call("set_mode", "CancelOnly", 1))
    await house.rounds(80, {SOL: "200"})
    report = await integrity_report(house.rpc, house.deployment)
    assert report.problems
    assert "SOL-USD-PERP" in report.problems[0]

    async def no_wait(seconds: int) -> None:
        return None

    with pytest.raises(NotReady, match="SOL-USD-PERP is Frozen"):
        await open_venue(house.rpc, house.deployment, house.account("admin"), wait=no_wait)
    assert (await clearinghouse.read("mode")).variant == "CancelOnly"


async def test_the_guardian_stops_at_once_and_cannot_open(house: House) -> None:
    clearinghouse, guardian = house.contract("Clearinghouse"), house.account("guardian")
    await guardian.execute(clearinghouse.call("set_mode", "Halted", 1))
    assert (await clearinghouse.read("mode")).variant == "Halted"
    await house.rounds(80)
    with pytest.raises(Exception, match="ACCESS"):
        await guardian.execute(clearinghouse.call("set_mode", "CancelOnly", 1))


async def test_the_explorer_reads_a_settlement(house: House) -> None:
    async with house.gateway() as gateway, house.trader("alice", gateway) as alice, house.trader("bob", gateway) as bob:
        await alice.place(BTC, "sell", "0.1", PRICES[BTC], post_only=True)
        placed = await bob.place(BTC, "buy", "0.1", PRICES[BTC])
        await gateway.flush()
        fill = (await bob.fills())[-1]
        assert fill.settled
        assert fill.tx_hash is not None
        async with AsyncExplorer(house.deployment) as explorer:
            found = await explorer.transaction(fill.tx_hash)
        (call,) = found.calls
        assert call.decoded is not None
        assert (call.contract, call.decoded.name) == ("Clearinghouse", "settle")
        decoded = [event.decoded for event in found.events if event.contract == "Clearinghouse"]
        assert [event.name for event in decoded if event] == ["FillSettled"]
        assert decoded[0] is not None
        assert decoded[0].fields["taker_order"] == placed.order_hash
