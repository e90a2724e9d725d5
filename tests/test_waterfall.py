"""What happens to accounts under water on a real node: the storm bucket, the backstop, deleveraging."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from truemark.account import TransactionReverted
from truemark.receipt import Receipt
from truemark.trader import AsyncTrader
from truemark.waterfall import leverage_rank

from tests.house import BTC, ETH, PRICES, House
from tests.test_refusals import settle

pytestmark = pytest.mark.node

MAX_SIZE, MAX_PRICE = 2**63 - 1, 2**64 - 1
#: Two steps that no guard doubts; 1.9 BTC lose more than 10,000 USD.
FALL = ("92600", "89800")


def said(house: House, receipt: Receipt, name: str) -> list[Mapping[str, Any]]:
    """The fields of every event of the clearinghouse with this name."""
    clearinghouse = house.contract("Clearinghouse")
    events = [
        clearinghouse.abi.decode_event(event.keys, event.data)
        for event in receipt.events
        if event.from_address == clearinghouse.address
    ]
    return [event.fields for event in events if event.name.endswith(name)]


async def configure(house: House, **changes: int) -> None:
    clearinghouse = house.contract("Clearinghouse")
    params = await clearinghouse.read("waterfall_params")
    await house.account("admin").execute(clearinghouse.call("configure_waterfall", {**params, **changes}))


async def open_position(house: House, long: AsyncTrader, short: AsyncTrader, market: str, size: str) -> None:
    buy = await long.sign_order(market, "buy", size, PRICES[market])
    sell = await short.sign_order(market, "sell", size, PRICES[market])
    assert said(house, await settle(house, sell, buy), "FillSettled")


async def fall_to(house: House, prices: Mapping[str, str]) -> None:
    """Marks that are their own checkpoints."""
    for _ in range(2):
        await house.pass_time(11)
        await house.round(prices)


@asynccontextmanager
async def both(house: House) -> AsyncIterator[tuple[AsyncTrader, AsyncTrader]]:
    async with house.trader("alice") as alice, house.trader("bob") as bob:
        await house.rounds(60)
        yield alice, bob


async def fail(house: House, alice: AsyncTrader, bob: AsyncTrader) -> None:
    """alice is long 1.9 BTC and worth less than nothing."""
    await open_position(house, alice, bob, BTC, "1.9")
    for price in FALL:
        await fall_to(house, {BTC: price})
    assert (await house.contract("Clearinghouse").read("margin_of", alice.address))["value"] < 0


async def conserved(house: House) -> None:
    clearinghouse = house.contract("Clearinghouse")
    ledger = await clearinghouse.read("ledger")
    assert await house.contract("CollateralToken").read("balance_of", clearinghouse.address) == ledger["total"]
    interest = await clearinghouse.read("open_interest", house.deployment.market(BTC).index)
    assert interest["long"] == interest["short"]
    assert ledger["insurance"] >= 0


async def test_a_storm_over_two_markets_stops_the_venue(house: House) -> None:
    clearinghouse = house.contract("Clearinghouse")
    await configure(house, storm_bps=0, storm_floor=1_000_000_000)
    async with both(house) as (alice, bob):
        await open_position(house, alice, bob, BTC, "1")
        await open_position(house, alice, bob, ETH, "27")
        await fall_to(house, {BTC: "91700", ETH: "3217"})
        dry = []
        for market in (BTC, ETH):
            index = house.deployment.market(market).index
            request = {"account": alice.address, "market": index, "max_size": MAX_SIZE, "limit_price": MAX_PRICE}
            receipt = await bob._account.execute(clearinghouse.call("liquidate", 0, request))
            assert len(said(house, receipt, "Liquidated")) == 1
            dry += said(house, receipt, "StormDry")
            storm = await clearinghouse.read("storm", index)
            assert storm["dry"]
            assert 990 * 10**16 < storm["used"] <= storm["limit"] == 1_000 * 10**16
    assert [event["market"] for event in dry] == [0, 1]
    (changed,) = said(house, receipt, "ModeChanged")
    assert (changed["to"].variant, changed["reason"]) == ("CancelOnly", int.from_bytes(b"STORM", "big"))
    assert (await clearinghouse.read("mode")).variant == "CancelOnly"
    await conserved(house)


async def test_an_account_below_zero_goes_to_the_vault(house: House) -> None:
    clearinghouse, vault = house.contract("Clearinghouse"), house.deployment.address("Vault")
    async with both(house) as (alice, bob), house.trader("carol") as carol:
        await carol.onboard()
        await carol.faucet(30_000)
        await carol.deposit(30_000, "vault")
        await house.nodes.flush()
        await fail(house, alice, bob)
        request = {"account": alice.address, "market": 0, "max_size": MAX_SIZE, "limit_price": MAX_PRICE}
        with pytest.raises(TransactionReverted) as refused:
            await bob._account.execute(clearinghouse.call("liquidate", 0, request))
        assert refused.value.reason == "LIQUIDATION: value below zero"
        receipt = await bob._account.execute(clearinghouse.call("backstop", 0, alice.address))
        (event,) = said(house, receipt, "Backstopped")
        assert (event["account"], event["vault"], event["caller"]) == (alice.address, vault, bob.address)
        assert event["value_before"] < 0 <= event["value_after"] < 10**10
        assert event["loss"] == -(event["value_before"] // 10**10)
        assert event["insurance"] == 0
        view = await clearinghouse.read("account", alice.address)
        assert view["positions"] == []
        assert view["collateral"] == 0
        (position,) = (await clearinghouse.read("account", vault))["positions"]
        assert position["size"] == 190_000_000
        assert (await clearinghouse.read("loss_bucket"))["level"] == event["loss"]
        assert (await clearinghouse.read("bad_debt"))["vault"] == event["loss"]
    await conserved(house)


async def test_what_nobody_can_pay_is_deleveraged(house: House) -> None:
    clearinghouse = house.contract("Clearinghouse")
    async with both(house) as (alice, bob):
        await fail(house, alice, bob)
        with pytest.raises(TransactionReverted) as refused:
            await bob._account.execute(clearinghouse.call("backstop", 0, alice.address))
        assert refused.value.reason == "BACKSTOP: vault margin"
        before = await clearinghouse.read("margin_of", bob.address)
        call = clearinghouse.call("deleverage", 0, alice.address, 0, [bob.address])
        receipt = await house.account("operator").execute(call)
        (event,) = said(house, receipt, "Deleveraged")
        assert event["rank"] == leverage_rank(before["value"], before["maintenance"])
        assert event["size"] == 190_000_000
        assert event["remaining"] == event["counterparty_remaining"] == 0
        assert event["loss"] == -(event["value_before"] // 10**10)
        after = await clearinghouse.read("margin_of", bob.address)
        assert after["value"] == before["value"] - event["loss"] * 10**10 == event["counterparty_value_after"]
        assert (await clearinghouse.read("account", alice.address))["collateral"] == 0
        assert (await clearinghouse.read("open_interest", 0)) == {"long": 0, "short": 0}
        assert (await clearinghouse.read("bad_debt"))["deleveraged"] == event["loss"]
    await conserved(house)
