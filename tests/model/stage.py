"""A venue for the reference model: deployed, opened and funded, the model beside it from the first action on."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from starknet_py.contract import Contract as PyContract
from starknet_py.net.account.account import Account as PyAccount
from starknet_py.net.client_models import ResourceBounds, ResourceBoundsMapping
from starknet_py.net.full_node_client import FullNodeClient
from starknet_py.net.signer.key_pair import KeyPair
from truemark_devnet.accounts import ROLES, L2Account, l2_accounts
from truemark_devnet.build import Build
from truemark_devnet.deploy import deploy
from truemark_devnet.nodes import Nodes, NodeSettings, running_nodes
from truemark_devnet.profile import Profile, load_profile

from tests.model.actions import Action, ConfigureQuota, FromL1, RegisterKey, Report, SetMode, Step
from tests.model.bridge import Quota
from tests.model.chain import ALWAYS, Chain, compile_multiview
from tests.model.invariants import broken_by_step
from tests.model.oracle import Said
from tests.model.world import REPORTERS, TRADERS, World

#: 18 January 2026, 22:00 UTC.
START = 1_768_773_600
#: The markets of the model, in the order of their indices; the profile's others are left out.
MARKETS = ("BTC-USD-PERP", "ETH-USD-PERP", "SOL-USD-PERP")
#: 1e-6 USD: of each trader's margin, of its wallet, of the liquidator's margin, and of the vault.
MARGIN, WALLET, RICH, VAULT = 3_000 * 10**6, 5_000 * 10**6, 100_000 * 10**6, 8_000 * 10**6
_L1_DEPOSITOR = 0xD0


def profile() -> Profile:
    loaded = load_profile(str(Path(__file__).parent / "venue.toml"))
    return replace(loaded, markets=tuple(market for market in loaded.markets if market.name in MARKETS))


@dataclass
class Stage:
    """A chain, and the world as it is on it now."""

    chain: Chain
    world: World

    def do(self, action: Action, *, whole: bool = True) -> None:
        """One action on both, compared at once."""
        self.chain.run([step_of(self.world, action, whole=whole)])


def step_of(world: World, action: Action, *, whole: bool) -> Step:
    """Applies an action to the world, and what the chain must answer to it and show after it."""
    before = world.views()
    expected = action.apply(world)
    after = world.views()
    broken = broken_by_step(world, action, before, after, accepted=not expected.refusals)
    assert broken == [], f"the model breaks its own rules by {action}: {broken}"
    if whole:
        seen = after
    else:
        touched = {view for view, value in after.items() if before.get(view) != value and view[0] != "margin"}
        seen = {view: after[view] for view in after if view in touched or view in ALWAYS}
    return Step(action, world.now, expected, seen, whole, world.house.unbooked)


@asynccontextmanager
async def staged(built: Build) -> AsyncIterator[Stage]:
    """Full, with everybody funded, trading keys registered; nodes of its own, which end with the block."""
    settings = NodeSettings(start_time=START, hold_time=True, archive=False, accounts=len(ROLES) + len(TRADERS))
    with running_nodes(settings=settings) as nodes:
        members = {member.role: member for member in l2_accounts(nodes.l2_url)}
        spares = [member for role, member in members.items() if role.startswith("spare-")]
        parties = {role: members[role] for role in ROLES} | dict(zip(TRADERS, spares, strict=True))
        chosen = profile()
        deployment = await deploy(nodes, members, chosen, built)
        multiview = await _multiview(nodes, members["admin"])
        chain = Chain(nodes, deployment, parties, multiview)
        try:
            chain.start(START)
            stage = Stage(chain, World(chosen, START))
            stage.world.house.mode_since = START
            _approve(chain)
            _open(stage)
            chain.save()
            yield stage
        finally:
            chain.close()


async def _multiview(nodes: Nodes, admin: L2Account) -> int:
    with TemporaryDirectory() as folder:
        sierra, casm = compile_multiview(Path(folder))
        account = PyAccount(
            client=FullNodeClient(nodes.l2_url),
            address=admin.address,
            key_pair=KeyPair.from_private_key(admin.private_key),
            chain=nodes.l2_chain_id,
        )
        bounds = ResourceBoundsMapping(
            l1_gas=ResourceBounds(10**5, 10**12),
            l1_data_gas=ResourceBounds(10**5, 10**12),
            l2_gas=ResourceBounds(10**10, 10**10),
        )
        declared = await PyContract.declare_v3(
            account,
            compiled_contract=sierra.read_text(),
            compiled_contract_casm=casm.read_text(),
            resource_bounds=bounds,
        )
        await declared.wait_for_acceptance()
        deployed = await declared.deploy_v3(resource_bounds=bounds)
        await deployed.wait_for_acceptance()
        return int(deployed.deployed_contract.address)


def _approve(chain: Chain) -> None:
    """Whoever pays has let the clearinghouse and the vault take what they like: allowances are the token's affair."""
    endless = 2**256 - 1
    for name in (*TRADERS, "liquidator", "admin"):
        spenders = [chain.address(contract) for contract in ("clearinghouse", "vault", "refunds")]
        chain.send(name, [chain.call("CollateralToken", "approve", spender, endless) for spender in spenders])


def _open(stage: Stage) -> None:
    world = stage.world
    everybody = (*TRADERS, "liquidator")
    nonce = 1
    for name in everybody:
        margin = RICH if name == "liquidator" else MARGIN
        for destination, amount in ((0, WALLET + margin),):
            stage.do(FromL1(_L1_DEPOSITOR, destination, name, amount, nonce))
            nonce += 1
    for name in everybody:
        stage.do(RegisterKey(name, "key 0", START + 10**6), whole=False)
    round_of(stage)
    for mode in ("CancelOnly", "PostOnly", "Full"):
        world.now += world.profile.venue.dwell_secs
        round_of(stage)
        stage.do(SetMode("admin", mode))
    for name in everybody:
        amount = RICH if name == "liquidator" else MARGIN
        stage.do(FromL1(_L1_DEPOSITOR, 1, name, amount, nonce))
        nonce += 1
    stage.do(ConfigureQuota("admin", Quota(3_000 * 10**6, 60)))
    stage.do(FromL1(_L1_DEPOSITOR, 2, "liquidator", VAULT, nonce))
    # Checkpoints, past the grace time, and past the storm window that opened with the listing.
    for _ in range(8):
        world.now += 6
        round_of(stage)


def round_of(stage: Stage) -> None:
    """All reporters say what the mark is, or the listing price."""
    world = stage.world
    for reporter in REPORTERS:
        entries = tuple(
            Said(number, market.price or world.profile.markets[number].listing_price, 5, world.now)
            for number, market in enumerate(world.oracle.markets)
        )
        stage.do(Report(reporter, world.oracle.epoch, entries), whole=False)


def fresh(stage: Stage) -> World:
    """The chain as it was saved; a copy of the world at that moment."""
    stage.chain.restore()
    return copy.deepcopy(stage.world)
