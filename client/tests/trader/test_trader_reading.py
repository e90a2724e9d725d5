"""What a trader reads: positions and margin as truemark.risk has them, balances, and the connection itself."""

from __future__ import annotations

import inspect
from decimal import Decimal
from typing import Any

import httpx
import orjson
import pytest
from truemark.abi import EnumValue
from truemark.deployment import UnknownMarket
from truemark.felt import short_string
from truemark.keys import StarkKey
from truemark.models import MarginState, MarketStatus, Mode
from truemark.risk import Holding, margin
from truemark.trader import (
    AsyncTrader,
    DepositHandle,
    Flow,
    SyncDeposit,
    SyncFlow,
    SyncWithdrawal,
    Trader,
    WithdrawalHandle,
    WrongChain,
)

MOVEMENTS = {
    "begin_deposit",
    "begin_withdrawal",
    "begin_vault_deposit",
    "begin_redemption",
    "movements",
    "movement",
}
TIER = {"upto": 0, "initial_bps": 500, "maintenance_bps": 300}
NO = {"upto": 0, "initial_bps": 0, "maintenance_bps": 0}
BTC, ETH = 9_547_500_000_000, 335_000_000_000


def mark(market: int, price: int, status: str = "Valid", candidate: int = 0, anchor: int = 0) -> dict[str, Any]:
    return {
        "market": market,
        "status": EnumValue(status),
        "price": price,
        "accepted_at": 5,
        "candidate": candidate,
        "anchor": anchor,
    }


@pytest.fixture
def holder(stage: Any) -> Any:
    """Long 0.3 BTC, short 2 ETH in a market that is Suspect, 1,000 USD."""
    stage.answers(
        "Clearinghouse",
        account=lambda address: {
            "collateral": 1_000_000_000,
            "account_epoch": 2,
            "open_markets": 3,
            "positions": [
                {"market": 0, "size": 30_000_000, "funding_index": 100},
                {"market": 1, "size": -200_000_000, "funding_index": 0},
            ],
        },
        market_params=lambda market: {"tiers": (TIER, NO, NO)},
        funding_index=lambda market: 10**16,
        margin_of=lambda address: {"value": 7, "initial": 5, "maintenance": 2},
    )
    stage.answers(
        "Oracle",
        marks=lambda markets: {"silent": False, "marks": [mark(0, BTC), mark(1, ETH, "Suspect", 2 * ETH, ETH // 2)]},
        mark=lambda market: mark(market, BTC, candidate=9),
    )
    return stage


async def test_positions_are_valued_at_the_last_good_marks(holder: Any) -> None:
    btc, eth = await holder.trader.positions()
    assert (btc.market, btc.size, btc.mark, btc.status) == (
        "BTC-USD-PERP",
        Decimal("0.3"),
        Decimal(95_475),
        MarketStatus.VALID,
    )
    assert btc.value == Decimal("28642.5")
    assert (btc.initial, btc.maintenance) == (Decimal("1432.125"), Decimal("859.275"))
    assert btc.funding == Decimal(-30_000_000 * (10**16 - 100) // 10**8).scaleb(-16)
    assert (eth.size, eth.value, eth.status) == (-2, Decimal(-6_700), MarketStatus.SUSPECT)
    assert eth.funding == 2
    assert await holder.trader.funding() == btc.funding + eth.funding


async def test_the_liquidation_price_is_where_the_account_comes_under_water(holder: Any) -> None:
    price = await holder.trader.liquidation_price("BTC-USD-PERP")
    assert price is not None
    book = await holder.venue.book(holder.trader.address)
    tiers = book.held[0].tiers
    at = int(price.scaleb(8))
    for moved, healthy in ((at, False), (at + 1, True)):
        holdings = [Holding(30_000_000, moved, book.held[0].pending, tiers), book.held[1].holding()]
        found = margin(book.collateral, holdings)
        assert (found.value >= found.maintenance) == healthy
    assert await holder.trader.liquidation_price("ETH-USD-PERP") is not None
    with pytest.raises(UnknownMarket):
        await holder.trader.liquidation_price("LUNA-USD-PERP")


async def test_margin_is_the_contracts_and_what_can_leave_is_at_the_worst_prices(holder: Any) -> None:
    state = await holder.trader.margin()
    assert (state.value, state.initial, state.maintenance) == (
        Decimal("7e-16"),
        Decimal("5e-16"),
        Decimal("2e-16"),
    )
    assert (state.free_collateral, state.ratio, state.healthy) == (Decimal("2e-16"), Decimal("3.5"), True)
    book = await holder.venue.book(holder.trader.address)
    assert [held.holding(worst=True).price for held in book.held] == [BTC, 2 * ETH]
    worst = margin(book.collateral, book.holdings(worst=True))
    assert state.withdrawable == Decimal(max(worst.value - worst.initial, 0) // 10**10).scaleb(-6)


def test_margin_of_an_account_with_nothing_open_has_no_ratio() -> None:
    state = MarginState(Decimal(5), Decimal(0), Decimal(0), Decimal(5))
    assert (state.ratio, state.free_collateral, state.healthy) == (None, 5, True)
    under = MarginState(Decimal(-1), Decimal(5), Decimal(3), Decimal(0))
    assert (under.free_collateral, under.healthy) == (0, False)


async def test_an_account_with_nothing_open_needs_no_marks(stage: Any) -> None:
    assert await stage.trader.positions() == ()
    assert await stage.trader.funding() == 0
    assert await stage.trader.liquidation_price("BTC-USD-PERP") is None


async def test_balances_name_every_place_that_money_can_be(stage: Any) -> None:
    stage.answers(
        "Clearinghouse",
        pending_deposit=lambda account: 2_000_000,
        mode=lambda: EnumValue("PostOnly"),
        account=lambda address: {"collateral": -1, "account_epoch": 0, "open_markets": 0, "positions": []},
    )
    stage.answers("CollateralToken", balance_of=lambda account: 3_000_000)
    stage.answers("Vault", balance_of=lambda account: 4 * 10**12, convert_to_assets=lambda shares: 4_400_000)
    found = await stage.trader.balances()
    assert (found.margin, found.pending, found.wallet) == (Decimal("-0.000001"), 2, 3)
    assert (found.vault_shares, found.vault_value, found.l1) == (4, Decimal("4.4"), 9)
    assert await stage.trader.mode() is Mode.POST_ONLY


async def test_a_mark_comes_with_its_status(holder: Any) -> None:
    found = await holder.trader.mark("BTC-USD-PERP")
    assert (found.price, found.valid, found.accepted_at, found.candidate) == (95_475, True, 5, Decimal("9e-8"))


async def test_a_market_listed_later_has_its_name_from_the_oracle(stage: Any) -> None:
    stage.answers("Oracle", market_name=lambda index: short_string("PAXG-USD-PERP"))
    assert await stage.venue.market_name(7) == "PAXG-USD-PERP"
    assert await stage.venue.market_name(1) == "ETH-USD-PERP"


async def test_open_redemptions_are_found_and_claimed_ones_left_out(stage: Any) -> None:
    me = stage.trader.address
    logs = [stage.logs("Vault", "RedeemRequest", [me, me, number, 0], [me, 10**12, 0, 50]) for number in (1, 2)]
    stage.node.pages = [{"events": logs}]
    stage.answers(
        "Vault",
        redemption=lambda request_id: {
            "controller": me,
            "owner": me,
            "shares": 0 if request_id == 1 else 5 * 10**11,
            "claimable_at": 50,
        },
    )
    (waiting,) = await stage.trader.redemptions()
    assert (waiting.request_id, waiting.shares, waiting.claimable_at) == (2, Decimal("0.5"), 50)


def node(chain_id: str) -> httpx.AsyncClient:
    def answer(request: httpx.Request) -> httpx.Response:
        asked = orjson.loads(request.content)
        return httpx.Response(200, json={"jsonrpc": "2.0", "id": asked["id"], "result": chain_id})

    return httpx.AsyncClient(transport=httpx.MockTransport(answer))


async def test_connecting_checks_the_chain_and_sends_nothing(deployment: Any) -> None:
    key = StarkKey.from_private(5)
    async with node(hex(deployment.l2_chain_id)) as client:
        async with await AsyncTrader.connect(deployment, key, client=client, clock=lambda: 99) as trader:
            assert trader.public_key == key.public_key
            assert await trader._venue.now() == 99
            assert "0x" in repr(trader)
            assert str(5) != repr(trader)
        assert not client.is_closed
    async with node("0x534e") as client:
        with pytest.raises(WrongChain, match="is on chain 0x534e, test is on 0x5452"):
            await AsyncTrader.connect(deployment, key, client=client)


@pytest.mark.parametrize(
    ("made", "twin", "own"),
    [
        (AsyncTrader, Trader, {"deposit", "withdraw", "withdrawals", "connect", *MOVEMENTS}),
        (DepositHandle, SyncDeposit, set()),
        (WithdrawalHandle, SyncWithdrawal, set()),
        (Flow, SyncFlow, set()),
    ],
)
def test_the_sync_twin_has_every_method(made: type, twin: type, own: set[str]) -> None:
    for name, method in inspect.getmembers(made, inspect.iscoroutinefunction):
        if name.startswith("_") or name == "aclose":
            continue
        if name in own:
            assert list(inspect.signature(getattr(twin, name)).parameters) == list(
                inspect.signature(getattr(made, name)).parameters
            )
        else:
            assert getattr(twin, name).__wrapped__ is method


def test_the_sync_trader_does_what_the_async_one_does(stage: Any) -> None:
    trader = Trader(stage.trader)
    handle = trader.deposit(10)
    assert (handle.nonce, handle.outcome()) == (0, None)
    ack = trader.place("BTC-USD-PERP", "buy", 1, 95_000)
    assert trader.order(ack).order_hash == ack.order_hash
    with trader:
        assert trader.address == stage.trader.address
    assert stage.node.closed
