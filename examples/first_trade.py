"""A first trade on the local devnet: two people, money from L1, one signed order each."""

import asyncio
from decimal import Decimal

from eth_account import Account
from truemark import AsyncTrader, LocalEthSigner
from truemark.deployment import find
from truemark.trader import round_to
from truemark_devnet.local import local_gateway

MARKET = "BTC-USD-PERP"


async def main() -> None:
    deployment = find()
    # The devnet's order entry. Your own key signs, it only pairs and settles.
    async with local_gateway(deployment) as gateway:
        traders = []
        for _ in range(2):
            key = Account.create().key
            trader = await AsyncTrader.connect(deployment, LocalEthSigner(key), gateway=gateway, l1=key)
            await trader.onboard()  # deploys the account by its own key and registers its trading key
            await trader.faucet(5_000)  # test USDC on L1
            deposit = await trader.deposit(5_000)  # through the bridge into the margin account
            print(await deposit.credited(timeout=60))
            traders.append(trader)
        buyer, seller = traders

        mark = (await buyer.mark(MARKET)).price
        price = round_to(mark, Decimal("0.1"), "nearest")
        await seller.place(MARKET, "sell", "0.1", price, post_only=True)
        order = await buyer.place(MARKET, "buy", "0.1", price)
        print(await buyer.settled(order, timeout=30))
        for position in await buyer.positions():
            print(position)
        print(await buyer.margin())
        for trader in traders:
            await trader.aclose()


if __name__ == "__main__":
    asyncio.run(main())
