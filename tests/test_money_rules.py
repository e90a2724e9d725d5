"""Money that leaves: under a quota, out of a Halted venue, and never on a funding index that no transaction wrote."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from truemark.account import TransactionReverted
from truemark.contract import ContractError
from truemark.units import COLLATERAL_SCALE, from_collateral
from truemark_devnet.nodes.storage import read_slot, slot_address, write_slots

from tests.house import BTC, ETH, PRICES, House

pytestmark = pytest.mark.node

#: Of a market's slots: its funding index, sealed (contracts/src/clearinghouse/state.cairo).
FUNDING = 2


async def send(house: House, role: str, function: str, *arguments: Any) -> None:
    await house.account(role).execute([house.contract("Clearinghouse").call(function, *arguments)])


async def refused(house: House, role: str, function: str, *arguments: Any) -> str | None:
    with pytest.raises(TransactionReverted) as caught:
        await send(house, role, function, *arguments)
    return caught.value.reason


async def read(house: House, view: str, *arguments: Any) -> Any:
    return await house.contract("Clearinghouse").read(view, *arguments)


async def balanced(house: House) -> bool:
    ledger: Mapping[str, int] = await read(house, "ledger")
    balance = await house.contract("CollateralToken").read("balance_of", house.deployment.address("Clearinghouse"))
    return ledger["total"] == balance


async def test_no_more_leaves_than_the_quota_and_what_left_runs_out(house: House) -> None:
    params = await read(house, "outflow_params")
    await send(house, "admin", "configure_outflow", {**params, "outflow_limit": 500 * COLLATERAL_SCALE})
    async with house.trader("alice") as alice, house.trader("bob") as bob:
        await alice.withdraw(400)
        assert await read(house, "outflow") == {"level": 400 * COLLATERAL_SCALE, "room": 100 * COLLATERAL_SCALE}
        with pytest.raises(TransactionReverted) as caught:
            await bob.withdraw(101)
        assert caught.value.reason == "MONEY: over the quota"
        await house.pass_time(params["outflow_window"] // 500)
        await house.round()
        await bob.withdraw(101)
    assert await balanced(house)


async def test_owners_leave_a_venue_that_stays_halted(house: House) -> None:
    async with house.gateway() as gateway, house.trader("alice", gateway) as alice, house.trader("bob", gateway) as bob:
        await alice.place(BTC, "sell", "0.01", PRICES[BTC])
        await bob.settled(await bob.place(BTC, "buy", "0.01", PRICES[BTC]), 30)
        people = [alice.address, bob.address]
    await send(house, "guardian", "set_mode", "Halted", 0)
    delay = (await read(house, "outflow_params"))["escape_delay"]
    async with house.trader("alice") as alice, house.trader("bob") as bob:
        with pytest.raises(TransactionReverted) as caught:
            await alice.escape()
        assert caught.value.reason == "ESCAPE: too early"
        await house.pass_time(delay)
        assert (await alice.escape(5_000)).amount == 5_000
        closing = await read(house, "closing", house.deployment.market(BTC).index)
        assert closing["price"] == (await house.mark(BTC))["price"]
        await send(house, "spare-1", "settle_positions", house.deployment.market(BTC).index, people)
        left = (await read(house, "account", bob.address))["collateral"]
        await bob.escape(from_collateral(left))
    assert await read(house, "open_interest", house.deployment.market(BTC).index) == {"long": 0, "short": 0}
    assert (await read(house, "account", people[1]))["collateral"] == 0
    assert await balanced(house)
    await house.round()
    assert await refused(house, "admin", "set_mode", "CancelOnly", 1) == "MODE: winding down"


async def test_an_index_that_no_transaction_wrote_stops_its_market_and_is_restored(house: House) -> None:
    market, other = house.deployment.market(BTC).index, house.deployment.market(ETH).index
    before = await read(house, "funding_index", market)
    await send(house, "spare-1", "checkpoint_funding", 1 << market)
    clearinghouse = house.deployment.address("Clearinghouse")
    slot = slot_address("state", "markets", market, offset=FUNDING)
    assert read_slot(house.nodes.control, clearinghouse, slot) != 0
    write_slots(house.nodes.control, clearinghouse, {slot: 0})
    with pytest.raises(ContractError, match="FUNDING: broken"):
        await read(house, "funding_index", market)
    assert await read(house, "funding_index", other) is not None
    await send(house, "guardian", "set_mode", "Halted", 0)
    await send(house, "admin", "announce_restore", market)
    assert await refused(house, "admin", "restore", market) == "FUNDING: restore too early"
    await house.pass_time((await read(house, "outflow_params"))["restore_delay"])
    await send(house, "admin", "restore", market)
    assert await read(house, "funding_index", market) == before
    await house.open()
    assert await read(house, "funding_index", market) == before
