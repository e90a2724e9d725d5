"""The liquidator behind the liquidations, on a real node: what stays under water goes to the vault in time, what nobody
can pay is closed against counterparties, and what would revert is not sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from truemark.keys import StarkKey
from truemark.transactions import Call
from truemark_keeper.fees import default_policy
from truemark_keeper.liquidator import Liquidator
from truemark_keeper.simulating import SimulatingSender
from truemark_keeper.transactions import TransactionQueue
from truemark_keeper.venue import VenueReader
from truemark_keeper.wallet import StarkWallet

from tests.house import BTC, House
from tests.test_waterfall import both, configure, conserved, fail, fall_to, open_position

pytestmark = [pytest.mark.node, pytest.mark.deep]


@asynccontextmanager
async def liquidator(house: House, role: str, *, deleverage: bool = False) -> AsyncIterator[Liquidator]:
    """Of one of the venue's accounts, which believes every mark."""
    member = house.roles[role]
    wallet = StarkWallet(member.address, StarkKey.from_private(member.private_key), house.nodes.l2_chain_id)
    clearinghouse = house.deployment.address("Clearinghouse")
    async with TransactionQueue(wallet, house.rpc, poll=0.02) as queue:

        async def own_price(market: str) -> int:
            return int((await house.mark(market))["price"])

        reader = VenueReader(house.rpc, oracle=house.deployment.address("Oracle"), clearinghouse=clearinghouse)
        yield Liquidator(
            SimulatingSender(queue, wallet, house.rpc, default_policy().first),
            reader,
            clearinghouse=clearinghouse,
            account=member.address,
            own_price=own_price,
            backstop=reader,
            deleverage=deleverage,
        )


async def test_who_stays_under_water_is_seen_and_goes_to_the_vault_in_time(house: House) -> None:
    clearinghouse = house.contract("Clearinghouse")
    await configure(house, backstop_secs=100)
    async with both(house) as (alice, bob), house.trader("carol") as carol, liquidator(house, "liquidator") as keeper:
        await carol.onboard()
        await carol.faucet(30_000)
        await carol.deposit(30_000, "vault")
        await house.nodes.flush()
        await open_position(house, alice, bob, BTC, "1.9")
        await fall_to(house, {BTC: "92000"})
        # It has no margin to take anything over with; the contract notes that it was told.
        sweep = await keeper.once(10)
        assert [item.account for item in sweep.refused] == [alice.address]
        assert (sweep.liquidated, sweep.backstopped) == ((), ())
        assert all(outcome.succeeded for outcome in sweep.transactions)
        # Told again too early it sends nothing to the backstop.
        again = await keeper.once(10)
        assert len(again.transactions) == len(sweep.transactions) - 1
        await house.rounds(100, {BTC: "92000"})
        sweep = await keeper.once(10)
        assert sweep.backstopped == (alice.address,)
        assert (await clearinghouse.read("account", alice.address))["positions"] == []
    await conserved(house)


async def test_the_operators_keeper_deleverages_what_nobody_can_pay(house: House) -> None:
    clearinghouse = house.contract("Clearinghouse")
    async with both(house) as (alice, bob):
        await fail(house, alice, bob)
        async with liquidator(house, "liquidator") as keeper:
            assert (await keeper.once(10)).transactions == ()
        # Without the operator's role it would revert: it is not sent.
        async with liquidator(house, "liquidator", deleverage=True) as keeper:
            (outcome,) = (await keeper.once(10)).transactions
            assert (outcome.hashes, outcome.revert_reason) == ((), "ACCESS: not the operator")
        async with liquidator(house, "operator", deleverage=True) as keeper:
            (outcome,) = (await keeper.once(10)).transactions
            assert outcome.succeeded
        assert (await clearinghouse.read("account", alice.address))["positions"] == []
        assert (await clearinghouse.read("open_interest", 0)) == {"long": 0, "short": 0}
    await conserved(house)


async def test_a_trial_on_the_node_costs_no_nonce(house: House) -> None:
    member = house.roles["liquidator"]
    wallet = StarkWallet(member.address, StarkKey.from_private(member.private_key), house.nodes.l2_chain_id)
    clearinghouse = house.contract("Clearinghouse")
    before = await house.account("liquidator").nonce()
    async with TransactionQueue(wallet, house.rpc, poll=0.02) as queue:
        sender = SimulatingSender(queue, wallet, house.rpc, default_policy().first)
        refused = await sender.execute([clearinghouse.call("withdraw", 0, 10**12)], 10)
        assert (refused.hashes, refused.succeeded) == ((), False)
        assert await house.account("liquidator").nonce() == before
        passed = await sender.execute([Call(clearinghouse.address, clearinghouse.call("cancel_all").selector, ())], 10)
        assert passed.succeeded
    assert await house.account("liquidator").nonce() == before + 1
