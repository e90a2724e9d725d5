"""Wrong liquidations on a node, from the index to the last account paid: each ends where it would have been without
them, to the unit."""

from __future__ import annotations

from pathlib import Path

import pytest
from truemark.index import Follower, Index
from truemark.models import Destination
from truemark.trader import AsyncTrader
from truemark.units import to_price
from truemark_keeper.recovery.refund import (
    Distribution,
    Finding,
    PayList,
    Position,
    RefundRules,
    RefundsDiffer,
    Window,
    funding_at,
    refunds,
    survey,
    write_statements,
)
from truemark_keeper.recovery.refund.history import BadHistory, block_at

from tests.house import BTC, PRICES, House
from tests.test_waterfall import MAX_PRICE, MAX_SIZE, both, conserved, fall_to, open_position

pytestmark = pytest.mark.node

#: Under water at this mark, though BTC is worth what it was all along.
SKEWED = "92600"
USD = 10**6


def own(market: str, time: int) -> int:
    return to_price(PRICES[market])


async def height(house: House) -> int:
    return int(await house.rpc.call("starknet_blockNumber"))


async def value_of(house: House, trader: AsyncTrader) -> int:
    """1e-16 USD."""
    value: int = (await house.contract("Clearinghouse").read("margin_of", trader.address))["value"]
    return value


async def skewed(house: House, alice: AsyncTrader, bob: AsyncTrader, *, liquidated: bool) -> tuple[int, int]:
    """alice is long when the mark leaves the market and comes back; her value and bob's afterwards."""
    await open_position(house, alice, bob, BTC, "1.9")
    await fall_to(house, {BTC: SKEWED})
    if liquidated:
        request = {"account": alice.address, "market": 0, "max_size": MAX_SIZE, "limit_price": MAX_PRICE}
        call = house.contract("Clearinghouse").call("liquidate", 0, request)
        await house.account("liquidator").execute([call])
    await fall_to(house, {BTC: "94900"})
    await fall_to(house, {})
    return await value_of(house, alice), await value_of(house, bob)


async def fund_liquidator(house: House, via: AsyncTrader) -> None:
    await via.faucet(100_000)
    await via.l1.deposit(100_000, Destination.MARGIN, house.account("liquidator").address)
    await house.nodes.flush()


async def test_every_account_ends_where_it_would_have_been(house: House, tmp_path: Path) -> None:
    first = await height(house)
    async with both(house) as (alice, bob):
        await fund_liquidator(house, alice)
        async with house.nodes.undone():
            without = await skewed(house, alice, bob, liquidated=False)
        before = await skewed(house, alice, bob, liquidated=True)
        assert before[0] < without[0]
        assert before[1] == without[1]

        rules = RefundRules("skewed mark", title="A skewed mark", position=Position.RESTORED, window=Window(first))
        with Index.open(tmp_path / "index.sqlite") as index:
            await Follower(house.rpc, index, house.deployment, first_block=first).backfill()
            found = survey(index, house.deployment, rules, own, tmp_path)
            assert block_at(index, found.valuation) == found.last_block
            earlier = block_at(index, found.valuation - 1)
            assert index.block(earlier).timestamp < found.valuation <= index.block(earlier + 1).timestamp
            with pytest.raises(BadHistory, match="no block up to"):
                block_at(index, index.block(first).timestamp - 1)
        (judged,) = found.judged
        assert (judged.finding, judged.taking.account) == (Finding.WRONG, alice.address)
        funding = await funding_at(house.rpc, house.deployment)
        owed = refunds(found, house.deployment, [judged.taking.id], own, funding=funding)
        (one,) = owed.paid
        # All that she lacks, rounded up once.
        assert (one.account, one.amount) == (alice.address, -(-(without[0] - before[0]) // 10**10))

        pay = PayList.of(owed, house.deployment)
        pay.save(tmp_path / "refunds.json")
        work = Distribution(house.rpc, house.deployment, PayList.load(tmp_path / "refunds.json", house.deployment))
        admin = house.account("admin")
        assert await work.missing(admin.address) == pay.tree.total
        await alice.faucet(-(-pay.tree.total // USD))
        await alice.l1.deposit(-(-pay.tree.total // USD), Destination.WALLET, admin.address)
        await house.nodes.flush()
        assert await work.missing(admin.address) == 0
        with pytest.raises(RefundsDiffer, match="not open yet"):
            await work.push(admin.execute)
        for _ in range(2):
            # The second time there is nothing left to do.
            assert (await work.open(admin.execute)).opened
        height_before = await height(house)
        for _ in range(2):
            status = await work.push(house.account("liquidator").execute)
            assert (status.done, status.claimed) == (True, pay.tree.total)
        assert await height(house) == height_before + 1

        assert await value_of(house, alice) - without[0] == one.amount * 10**10 - (without[0] - before[0])
        assert 0 <= await value_of(house, alice) - without[0] < 10**10
        await conserved(house)

        public = write_statements(pay, tmp_path / "statements", venue=house.deployment.name, paid={0})
        statement = public.parent / f"{alice.address:#066x}.json"
        assert f'"amount": "{one.amount}"' in statement.read_text()
        await house.pass_time(91 * 86_400)
        assert await work.close(admin.execute) == 0
        assert (await work.status()).closed
