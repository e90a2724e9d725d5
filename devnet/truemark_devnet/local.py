"""What a local devnet lends to whoever tries it: the operator's order entry, and keepers on recorded prices.

The keys are starknet-devnet's predeployed ones: public, and worth nothing anywhere else.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from truemark.deployment import Deployment
from truemark.keys import StarkKey
from truemark.rpc import AsyncRpc
from truemark_keeper import logs
from truemark_keeper.config import FIRST, KeeperConfig, ReplaySettings, SentinelSettings
from truemark_keeper.keystore import KeySource
from truemark_keeper.market_settings import REPLAY_RULES
from truemark_keeper.service import keeper
from truemark_keeper.transactions import TransactionQueue

from truemark_devnet.accounts import REPORTERS, operators
from truemark_devnet.demo.plan import TABLE
from truemark_devnet.deploy.venue import wallet_of
from truemark_devnet.nodes.keepers import FOLDER, LIQUIDATOR, SENTINEL, begun, write_admin
from truemark_devnet.order_facts import ChainFacts
from truemark_devnet.pairing import PairingGateway


@asynccontextmanager
async def local_gateway(deployment: Deployment) -> AsyncIterator[PairingGateway]:
    """Order entry in this process: pairs signed orders and settles them with the devnet operator's account.

    Raises:
        AccountsMissing: the deployment's node is no devnet of ours.
    """
    member = operators(deployment.l2_rpc)["operator"]
    wallet = wallet_of(member, deployment.l2_chain_id)
    async with AsyncExitStack() as stack:
        rpc = await stack.enter_async_context(AsyncRpc(deployment.l2_rpc))
        queue = await stack.enter_async_context(TransactionQueue(wallet, rpc, poll=0.02))
        yield await stack.enter_async_context(PairingGateway(deployment, queue, ChainFacts(rpc, deployment)))


async def run_keepers(
    manifest: Path,
    stop: asyncio.Event,
    *,
    interval: float,
    replay: Path = TABLE,
    wrote: Callable[[Path], None] = lambda path: None,
) -> None:
    """Three reporters, a liquidator and a sentinel, each with its own account, on recorded prices that go on since this
    devnet's keepers were first started.

    Args:
        wrote: told where the admin's settings for recovery are.

    Raises:
        NoDeployment, BadManifest, WrongChain, NodeUnavailable: there is no venue to work for.
        BadTable: the prices cannot be read. Nothing is written then.
    """
    keys = operators(Deployment.load(manifest).l2_rpc)
    since = begun(manifest.parent / FOLDER, replay)
    async with AsyncExitStack() as stack:
        running = []
        for column, role in enumerate((*REPORTERS, LIQUIDATOR, SENTINEL), start=1):
            config = KeeperConfig(
                deployment=manifest,
                account=role,
                key=KeySource(),
                # The others' own opinion of the price is that of the first column.
                sources=(ReplaySettings(replay, column if role in REPORTERS else 1, FIRST, since),),
                markets=REPLAY_RULES,
                roles=("reporter",) if role in REPORTERS else (role,),
                interval=1.0 if role == SENTINEL else interval,
                sentinel=SentinelSettings(incidents=manifest.parent / FOLDER / "incidents"),
            )
            service = await stack.enter_async_context(keeper(config, StarkKey.from_private(keys[role].private_key)))
            running.append(service.run(stop))
        wrote(write_admin(manifest, keys["admin"], replay, since))
        await asyncio.gather(*running)


def run_keepers_until_stopped(manifest: Path, *, interval: float, replay: Path, wrote: Callable[[Path], None]) -> None:
    """As `run_keepers`, with logs on stderr, until Ctrl-C or SIGTERM."""

    async def work() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await run_keepers(manifest, stop, interval=interval, replay=replay, wrote=wrote)

    logs.setup()
    asyncio.run(work())
