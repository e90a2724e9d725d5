"""Trading keys on real nodes: registered, expired, revoked; and a trader that has nothing but one."""

from __future__ import annotations

import pytest
from truemark.curve import is_on_curve
from truemark.gateway import OrderRejected, OrderState
from truemark.keys import LocalEthSigner, StarkKey
from truemark.keys.wallet_double import WalletDouble
from truemark.trader import AsyncTrader, NoAccountKey

from tests.house import BTC, House, eth_key

pytestmark = pytest.mark.node


async def test_a_trading_key_signs_until_it_expires_or_is_revoked(house: House) -> None:
    bot = StarkKey.random()
    async with house.gateway() as gateway, house.trader("alice") as alice, house.trader("bob", gateway) as bob:
        own = alice.public_key
        assert [key.public_key for key in await alice.trading_keys()] == [own]
        async with await AsyncTrader.connect(
            house.deployment, bot, account=alice.address, gateway=gateway, poll=0.02
        ) as trader:
            with pytest.raises(OrderRejected, match="not registered the trading key"):
                await trader.place(BTC, "buy", "0.1", "95470")
            registered = await alice.register_trading_key(bot.public_key, lifetime=100)
            assert registered in await alice.trading_keys()
            await trader.place(BTC, "buy", "0.1", "95470")
            ask = await bob.place(BTC, "sell", "0.1", "95470")
            assert (await bob.settled(ask, 30)).state is OrderState.FILLED
            assert (await trader.positions())[0].size == (await alice.positions())[0].size
            for forbidden in (trader.withdraw_to_wallet(1), trader.register_trading_key(), trader.cancel_all()):
                with pytest.raises(NoAccountKey) as refused:
                    await forbidden
                assert isinstance(refused.value, PermissionError)
            await alice.revoke_trading_key(bot.public_key)
            with pytest.raises(OrderRejected, match="not registered the trading key"):
                await trader.place(BTC, "buy", "0.1", "95470")
            await alice.register_trading_key(bot.public_key, lifetime=10)
            await house.rounds(20)
            with pytest.raises(OrderRejected, match="not registered the trading key"):
                await trader.place(BTC, "buy", "0.1", "95470")
            assert [key.public_key for key in await alice.trading_keys()] == [own]
        with pytest.raises(ValueError, match="must be above 0"):
            await alice.register_trading_key(lifetime=0)
        with pytest.raises(ValueError, match="no point of the curve"):
            await alice.register_trading_key(next(x for x in range(5, 50) if not is_on_curve(x)))


async def test_the_account_of_a_device_is_that_of_its_key(house: House) -> None:
    wallet = WalletDouble(int.from_bytes(eth_key("alice"), "big"), delay=0.01)
    async with (
        house.trader("alice") as alice,
        await AsyncTrader.connect(house.deployment, wallet, signer_timeout=30) as same,
        await AsyncTrader.connect(house.deployment, LocalEthSigner(eth_key("bob")), trading_key=StarkKey(9)) as other,
    ):
        assert same.address == alice.address
        assert other.public_key == StarkKey(9).public_key
        onboarded = await other.onboard(key_lifetime=1_000)
        assert (onboarded.deployed, onboarded.registered) == (False, True)
        assert StarkKey(9).public_key in [key.public_key for key in await other.trading_keys()]
