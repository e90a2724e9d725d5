"""A venue on two real nodes as the tests use it: one verb for what takes several calls."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from eth_utils.crypto import keccak
from truemark.account import Account
from truemark.contract import Contract
from truemark.deployment import Deployment
from truemark.explorer import AsyncExplorer
from truemark.keys import LocalEthSigner
from truemark.receipt import Receipt
from truemark.reports import Entry
from truemark.rpc import AsyncRpc
from truemark.trader import AsyncTrader
from truemark.units import to_price
from truemark_devnet.accounts import REPORTERS, L2Account
from truemark_devnet.deploy import open_venue
from truemark_devnet.deploy.venue import account_of
from truemark_devnet.local import local_gateway
from truemark_devnet.nodes import Nodes
from truemark_devnet.pairing import PairingGateway
from truemark_keeper.reporter import report_call

BTC, ETH, SOL = "BTC-USD-PERP", "ETH-USD-PERP", "SOL-USD-PERP"
#: Every block writes an older one's hash there.
BLOCK_HASHES = 0x1
#: What the profile lists them at, USD.
PRICES: Mapping[str, str] = {
    BTC: "95475",
    ETH: "3350",
    SOL: "142.8",
    "DOGE-USD-PERP": "0.1377",
    "XRP-USD-PERP": "2.06",
    "PAXG-USD-PERP": "4629",
}


def eth_key(name: str) -> bytes:
    """A test person's Ethereum key."""
    return keccak(text=f"truemark test: {name}")


@dataclass
class House:
    """A deployed venue. Times are of the chain, which stands still until a test moves it."""

    nodes: Nodes
    deployment: Deployment
    rpc: AsyncRpc
    roles: Mapping[str, L2Account]

    def contract(self, name: str) -> Contract:
        return Contract.of(self.rpc, self.deployment.address(name), name)

    def account(self, role: str) -> Account:
        return account_of(self.rpc, self.roles[role], self.nodes.l2_chain_id)

    async def now(self) -> int:
        return await self.nodes.l2_time()

    async def pass_time(self, seconds: int) -> None:
        await self.nodes.increase_time(seconds)

    async def report(
        self,
        role: str,
        prices: Mapping[str, Decimal | str],
        *,
        age: int = 0,
        epoch: int | None = None,
        confidence_bps: int = 5,
    ) -> Receipt:
        """One reporter's report of these prices, USD, seen `age` seconds ago."""
        seen = await self.now() - age
        if epoch is None:
            epoch = await self.contract("Oracle").read("epoch")
        entries = [
            Entry(
                market=self.deployment.market(market).index,
                price=0 if Decimal(price) == 0 else to_price(Decimal(price)),
                confidence_bps=confidence_bps,
                observed_at=seen,
            )
            for market, price in prices.items()
        ]
        return await self.account(role).execute(report_call(self.deployment.address("Oracle"), epoch, entries))

    async def round(self, prices: Mapping[str, Decimal | str] | None = None) -> None:
        """All reporters say the same; a second later than the round before, so that every entry is newer."""
        await self.pass_time(1)
        for role in REPORTERS:
            await self.report(role, {**PRICES, **(prices or {})})

    async def rounds(self, seconds: int, prices: Mapping[str, Decimal | str] | None = None) -> None:
        """Lets time pass with a round every 20 s, so that no market goes stale."""
        for _ in range(0, seconds, 20):
            await self.pass_time(19)
            await self.round(prices)

    async def open(self, to: str = "Full") -> None:
        """From Halted up to a mode, over the dwell times."""
        await self.round()

        async def wait(seconds: int) -> None:
            await self.pass_time(seconds)
            await self.round()

        await open_venue(self.rpc, self.deployment, self.account("admin"), wait=wait, to=to)

    async def mark(self, market: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = await self.contract("Oracle").read("mark", self.deployment.market(market).index)
        return found

    def gateway(self) -> AbstractAsyncContextManager[PairingGateway]:
        """The operator's order entry, for the length of the block."""
        return local_gateway(self.deployment)

    @asynccontextmanager
    async def trader(self, name: str, gateway: PairingGateway | None = None) -> AsyncIterator[AsyncTrader]:
        """Connected, with its Ethereum key on L1 too."""
        key = eth_key(name)
        async with await AsyncTrader.connect(
            self.deployment, LocalEthSigner(key), gateway=gateway, l1=key, poll=0.02
        ) as trader:
            yield trader

    async def fund(self, *names: str, margin: int = 10_000) -> None:
        """Onboards them and brings `margin` USDC of each from L1 into its margin account."""
        handles = []
        async with AsyncExitStack() as stack:
            for name in names:
                trader = await stack.enter_async_context(self.trader(name))
                await trader.onboard()
                await trader.faucet(margin)
                handles.append(await trader.deposit(margin))
            await self.nodes.flush()
            for handle in handles:
                assert (await handle.credited(timeout=10)).amount == margin

    async def wrote(self, block: int) -> set[int]:
        """The contracts whose storage a block changed, but for the fee token and the system's table of block hashes."""
        async with AsyncExplorer(self.deployment) as explorer:
            diff = await explorer.diff(block)
        return set(diff.storage) - {self.deployment.fee_token, BLOCK_HASHES}
