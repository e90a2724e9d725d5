"""One pair of nodes and one deployment for the whole session; every test finds them as the first one did."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from truemark.abi import Abi
from truemark.contract import Contract
from truemark.rpc import AsyncRpc
from truemark_devnet.accounts import operators
from truemark_devnet.build import Build, build
from truemark_devnet.deploy import deploy
from truemark_devnet.deploy.l2 import declare, deploy_contract
from truemark_devnet.nodes import Nodes, NodeSettings, running_nodes
from truemark_devnet.profile import load_profile

from tests.house import House

#: 18 January 2026, 22:00 UTC.
START = 1_768_773_600


@pytest.fixture(scope="session")
def built() -> Build:
    return build()


@pytest.fixture(scope="session")
def nodes() -> Iterator[Nodes]:
    with running_nodes(settings=NodeSettings(start_time=START, hold_time=True)) as running:
        yield running


@pytest.fixture(scope="session")
async def deployed(nodes: Nodes, built: Build) -> AsyncIterator[House]:
    """Deployed with the default profile, Halted, nobody has come yet."""
    roles = operators(nodes.l2_url)
    deployment = await deploy(nodes, roles, load_profile("default"), built)
    async with AsyncRpc(nodes.l2_url) as rpc:
        yield House(nodes, deployment, rpc, roles)


@pytest.fixture(scope="session")
async def opened(deployed: House) -> House:
    """Full, with alice and bob, 10,000 USD of margin each."""
    await deployed.open()
    await deployed.fund("alice", "bob")
    await deployed.round()
    return deployed


@pytest.fixture
async def house(opened: House) -> AsyncIterator[House]:
    """The open venue; what a test does to it is undone after it."""
    async with opened.nodes.undone():
        yield opened


@pytest.fixture(scope="session")
async def rules_parity(nodes: Nodes, built: Build, deployed: House) -> Contract:
    """The rules as a contract, in batches."""
    cls = built.test_classes["RulesParity"]
    admin = deployed.account("admin")
    await declare(deployed.rpc, admin, cls)
    address = await deploy_contract(deployed.rpc, admin, cls, 1, ())
    return Contract(deployed.rpc, address, Abi(cls.abi()))
