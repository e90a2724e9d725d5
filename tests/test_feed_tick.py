"""From a tick at the sources to the mark on chain: in the block of the quorum's last report."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from truemark.keys import StarkKey
from truemark_keeper.opinion import Opinion
from truemark_keeper.policy import JudgedAlready
from truemark_keeper.reporter import Reporter
from truemark_keeper.sources import Quote, WatchedSource
from truemark_keeper.transactions import TransactionQueue
from truemark_keeper.venue import VenueReader
from truemark_keeper.wallet import StarkWallet

from tests.house import BTC, House

pytestmark = pytest.mark.node


class Feed:
    """One exchange; what it says is set by the test."""

    def __init__(self, name: str, price: list[int]) -> None:
        self.name = name
        self._price = price

    async def quotes(self, markets: Sequence[str], now: int) -> tuple[Quote, ...]:
        return (Quote(BTC, self._price[0], 5, now, now, self.name),)


@asynccontextmanager
async def reporter(house: House, role: str, price: list[int]) -> AsyncIterator[Reporter]:
    member = house.roles[role]
    wallet = StarkWallet(member.address, StarkKey.from_private(member.private_key), house.nodes.l2_chain_id)
    oracle, clearinghouse = house.deployment.address("Oracle"), house.deployment.address("Clearinghouse")
    async with TransactionQueue(wallet, house.rpc, poll=0.02) as queue:
        yield Reporter(
            queue,
            Opinion([WatchedSource(Feed(name, price), min_gap=0.0) for name in ("a", "b", "c")]),
            oracle=oracle,
            markets={BTC: house.deployment.market(BTC).index},
            epoch=VenueReader(house.rpc, oracle=oracle, clearinghouse=clearinghouse).epoch,
            policy=JudgedAlready(),
        )


async def test_a_tick_is_the_mark_in_the_block_of_the_quorums_last_report(house: House) -> None:
    oracle, index = house.contract("Oracle"), house.deployment.market(BTC).index
    # Past the last reports: only what is said from here on counts.
    await house.pass_time(61)
    price = [95_500 * 10**8]
    async with reporter(house, "reporter-1", price) as first, reporter(house, "reporter-2", price) as second:
        blocks = []
        for number, said in enumerate((first, second)):
            done = await said.round(await house.now(), 10)
            assert done.outcome is not None
            assert [item.outcome for item in done.became] == [("NoQuorum", "Accepted")[number]]
            blocks.append(done.outcome.block_number)
        last = blocks[-1]
        assert last is not None
        before = await oracle.read("mark", index, block=last - 1)
        after = await oracle.read("mark", index, block=last)
        assert before["price"] != price[0] == after["price"]
        # The next tick needs no more than one of them: the other's last word is fresh.
        price[0] += 10**8
        await house.pass_time(1)
        done = await second.round(await house.now(), 10)
        (became,) = done.became
        assert became.outcome == "Accepted"
        assert (await oracle.read("mark", index))["accepted_at"] == await house.now()
