"""Everybody who acts on the day, connected: reporters, liquidator, the operator's order entry, the traders."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from truemark.account import Account
from truemark.deployment import Deployment
from truemark.keys import LocalEthSigner
from truemark.l1 import L1Bridge
from truemark.models import Destination
from truemark.rpc import AsyncRpc
from truemark.trader import AsyncTrader
from truemark.trader.handles import DepositHandle
from truemark.trader.venue import Venue
from truemark_keeper.liquidator import Liquidator
from truemark_keeper.policy import FaultInjection
from truemark_keeper.reporter import Reporter
from truemark_keeper.sources import FaultySource, PriceTable, ReplaySource
from truemark_keeper.transactions import TransactionQueue
from truemark_keeper.venue import VenueReader

from truemark_devnet.accounts import REPORTERS, L2Account, l1_accounts
from truemark_devnet.demo.book import TraderPlan
from truemark_devnet.demo.plan import FUNDING_RATE_PPM, faults_of
from truemark_devnet.demo.plan import REPORTERS as COLUMNS
from truemark_devnet.deploy.command import LIQUIDATOR_MARGIN
from truemark_devnet.deploy.venue import account_of, wallet_of
from truemark_devnet.nodes import Nodes
from truemark_devnet.order_facts import ChainFacts
from truemark_devnet.pairing import PairingGateway

#: How many traders are set up at a time.
_AT_ONCE = 8


@dataclass(frozen=True)
class Stage:
    """The day's actors."""

    nodes: Nodes
    deployment: Deployment
    rpc: AsyncRpc
    venue: Venue
    admin: Account
    reporters: Sequence[Reporter]
    reader: VenueReader
    liquidator: Liquidator
    liquidator_address: int
    gateway: PairingGateway
    l1: L1Bridge
    plans: Mapping[str, TraderPlan]
    traders: Mapping[str, AsyncTrader]

    @property
    def makers(self) -> Sequence[str]:
        return [name for name, plan in self.plans.items() if plan.makes_markets]

    async def fund(self) -> list[DepositHandle]:
        """Onboards every trader on L2 and sends its deposits, and the liquidator's, from L1. They are under way when
        this returns."""
        limit = asyncio.Semaphore(_AT_ONCE)

        async def one(name: str) -> list[DepositHandle]:
            plan, trader = self.plans[name], self.traders[name]
            async with limit:
                await trader.onboard()
                await trader.faucet(plan.deposit + plan.vault)
                sent = [await trader.deposit(plan.deposit)]
                if plan.vault:
                    sent.append(await trader.deposit(plan.vault, Destination.VAULT))
                return sent

        await self.l1.mint_test_usdc(LIQUIDATOR_MARGIN)
        handles = [handle for sent in await asyncio.gather(*map(one, self.plans)) for handle in sent]
        mine = await self.l1.deposit(LIQUIDATOR_MARGIN, Destination.MARGIN, self.liquidator_address)
        return [*handles, DepositHandle(mine, self.venue, self.l1, poll=0.05)]

    async def report(self, now: int) -> None:
        """One round: each reporter says what its source says at `now`, in order."""
        for reporter in self.reporters:
            said = await reporter.round(now)
            if said.outcome is not None:
                said.outcome.or_raise()


@asynccontextmanager
async def staged(
    nodes: Nodes,
    deployment: Deployment,
    operators: Mapping[str, L2Account],
    plans: Sequence[TraderPlan],
    table: PriceTable,
) -> AsyncIterator[Stage]:
    """Connects everybody, and closes the connections at the end."""
    async with AsyncExitStack() as stack:

        async def queue(role: str) -> TransactionQueue:
            wallet = wallet_of(operators[role], nodes.l2_chain_id)
            own = await stack.enter_async_context(AsyncRpc(nodes.l2_url))
            return await stack.enter_async_context(TransactionQueue(wallet, own, poll=0.01))

        rpc = await stack.enter_async_context(AsyncRpc(nodes.l2_url))
        oracle, clearinghouse = deployment.address("Oracle"), deployment.address("Clearinghouse")
        reader = VenueReader(rpc, oracle=oracle, clearinghouse=clearinghouse)
        reporters = [
            Reporter(
                await queue(role),
                FaultySource(ReplaySource(table, column), *faults_of(column)),
                oracle=oracle,
                markets={name: market.index for name, market in deployment.markets.items()},
                epoch=reader.epoch,
                policy=FaultInjection(),
                funding_rate=lambda market: FUNDING_RATE_PPM,
            )
            for role, column in zip(REPORTERS, COLUMNS, strict=True)
        ]

        async def own_price(name: str) -> int:
            """The liquidator's own opinion: the median of the figures, without the faults."""
            now = await nodes.l2_time()
            return sorted(table.at(name, column, now) for column in COLUMNS)[1]

        liquidator = Liquidator(
            await queue("liquidator"),
            reader,
            clearinghouse=clearinghouse,
            account=operators["liquidator"].address,
            own_price=own_price,
        )
        gateway = await stack.enter_async_context(
            PairingGateway(deployment, await queue("operator"), ChainFacts(rpc, deployment))
        )
        l1 = await stack.enter_async_context(L1Bridge(deployment, l1_accounts(2)[1].private_key))
        traders = {}
        for plan in plans:
            signer = LocalEthSigner(plan.eth_key)
            traders[plan.name] = await stack.enter_async_context(
                await AsyncTrader.connect(deployment, signer, gateway=gateway, l1=plan.eth_key, poll=0.05)
            )
        yield Stage(
            nodes=nodes,
            deployment=deployment,
            rpc=rpc,
            venue=Venue(rpc, deployment),
            admin=account_of(rpc, operators["admin"], nodes.l2_chain_id),
            reporters=reporters,
            reader=reader,
            liquidator=liquidator,
            liquidator_address=operators["liquidator"].address,
            gateway=gateway,
            l1=l1,
            plans={plan.name: plan for plan in plans},
            traders=traders,
        )
