"""A trader's life on real nodes: from a key to an account, money in over L1, trades, the vault, and money out again."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from truemark.account import TransactionReverted
from truemark.gateway import FillState, OrderRejected, OrderState
from truemark.keys import LocalEthSigner
from truemark.l1 import AlreadyClaimed, L1Bridge, L1Reverted, NotClaimable
from truemark.models import DepositState, MarketStatus, Mode, Withdrawal
from truemark.orders import Side
from truemark.risk import Holding, margin
from truemark.trader import NothingClaimable, Trader, Venue, registered_withdrawals
from truemark.units import from_collateral, to_collateral, to_price, to_size

from tests.house import BTC, ETH, House, eth_key

pytestmark = pytest.mark.node


async def test_onboarding_is_done_once_and_says_what_it_did(house: House) -> None:
    async with house.trader("carol") as carol:
        first = await carol.onboard(key_lifetime=10 * 86_400)
        assert (first.funded, first.deployed, first.registered) == (True, True, True)
        assert first.key_expiry == await house.now() + 10 * 86_400
        again = await carol.onboard()
        assert (again.changed, again.key_expiry, again.address) == (False, first.key_expiry, carol.address)
        chain_says = await house.contract("Clearinghouse").read("trading_key_expiry", carol.address, carol.public_key)
        assert chain_says == first.key_expiry


async def test_money_from_l1_goes_to_each_place_that_it_can_be_sent_to(house: House) -> None:
    async with house.trader("alice") as alice:
        await alice.faucet("100.5")
        before = await alice.balances()
        assert before.l1 == Decimal("100.5")
        ways = ((10, "margin"), ("20.5", "wallet"), (30, "vault"))
        handles = [await alice.deposit(amount, to) for amount, to in ways]
        assert [await handle.outcome() for handle in handles] == [None, None, None]
        assert {deposit.nonce for deposit in await alice.l1.deposits_in_flight()} == {h.nonce for h in handles}
        await house.nodes.flush()
        for handle in handles:
            outcome = await handle.credited(10)
            assert (outcome.state, outcome.amount) == (DepositState.DELIVERED, handle.deposit.amount)
        assert await alice.l1.deposits_in_flight() == []
        after = await alice.balances()
        assert (after.margin - before.margin, after.wallet, after.vault_value, after.l1) == (
            10,
            Decimal("20.5"),
            30,
            40,
        )
        assert after.vault_shares == 30
        await alice.deposit_from_wallet("0.5")
        assert (await alice.balances()).wallet == 20


async def test_a_deposit_into_a_closed_vault_is_parked_with_the_reason_and_claimed(house: House) -> None:
    async with house.trader("bob") as bob:
        await bob.faucet(50)
        clearinghouse = house.contract("Clearinghouse")
        await house.account("guardian").execute(clearinghouse.call("set_mode", "CancelOnly", 0))
        assert await bob.mode() is Mode.CANCEL_ONLY
        handle = await bob.deposit(50, "vault")
        await house.nodes.flush()
        outcome = await handle.credited(10)
        assert (outcome.state, outcome.reason) == (DepositState.PARKED, "VAULT: closed")
        assert outcome.parked_id is not None
        assert (await bob.claim_parked(outcome.parked_id)).amount == 50
        assert (await bob.balances()).wallet == 50
        with pytest.raises(TransactionReverted) as refused:
            await bob.claim_parked(outcome.parked_id)
        assert refused.value.reason == "BRIDGE: nothing parked"


async def test_two_traders_trade_and_their_books_are_what_truemark_risk_says(house: House) -> None:
    async with house.gateway() as gateway, house.trader("alice", gateway) as alice, house.trader("bob", gateway) as bob:
        bid = await alice.place(BTC, "buy", "0.5", "95480", post_only=True)
        assert (bid.state, bid.open, bid.side) == (OrderState.OPEN, Decimal("0.5"), Side.BUY)
        ask = await bob.place(BTC, Side.SELL, "0.3", "95470")
        done = await bob.settled(ask, 30)
        assert (done.state, done.filled) == (OrderState.FILLED, Decimal("0.3"))
        (sold,) = await bob.fills()
        (bought,) = await alice.fills()
        assert (sold.price, sold.size, sold.is_maker, bought.is_maker) == (95_480, Decimal("0.3"), False, True)
        # 3 bps of 28,644 USD; the maker pays none.
        assert (sold.fee, bought.fee) == (Decimal("8.5932"), 0)
        assert (sold.position, bought.position) == (Decimal("-0.3"), Decimal("0.3"))
        assert sold.tx_hash == bought.tx_hash

        (long,) = await alice.positions()
        assert (long.market, long.size, long.mark, long.status) == (BTC, Decimal("0.3"), 95_475, MarketStatus.VALID)
        state, balances = await alice.margin(), await alice.balances()
        assert balances.margin == 10_000 - Decimal("28644")
        tiers = house.deployment.market(BTC).tiers
        expected = margin(to_collateral(balances.margin), [Holding(to_size(long.size), to_price(long.mark), 0, tiers)])
        assert (state.value, state.initial, state.maintenance) == tuple(
            Decimal(part).scaleb(-16) for part in (expected.value, expected.initial, expected.maintenance)
        )
        assert state.withdrawable == state.free_collateral == state.value - state.initial
        short = (await bob.positions())[0]
        assert long.liquidation_price is not None
        assert short.liquidation_price is not None
        assert long.liquidation_price < long.mark < short.liquidation_price
        assert await alice.liquidation_price(ETH) is None
        assert await alice.funding() == 0
        # What rests is ended on chain too.
        cancelled = await alice.cancel(bid)
        assert (cancelled.state, cancelled.filled) == (OrderState.CANCELLED, Decimal("0.3"))
        filled = await house.contract("Clearinghouse").read("order_filled", bid.order_hash)
        assert filled == bid.signed.order.size


async def test_a_fill_that_the_chain_refuses_is_told_to_both_and_the_good_order_rests(house: House) -> None:
    async with house.gateway() as gateway, house.trader("alice", gateway) as alice, house.trader("bob", gateway) as bob:
        await bob.faucet(50_000)
        handle = await bob.deposit(50_000)
        await house.nodes.flush()
        await handle.credited(10)
        # Five percent of 3 BTC is more than Alice's 10,000 and less than Bob's 60,000.
        ask = await bob.place(BTC, "sell", "3", "95470")
        small = await alice.place(BTC, "buy", "0.5", "95470")
        large = await alice.place(BTC, "buy", "2.5", "95470")
        await gateway.flush()
        assert (await alice.order(small)).state is OrderState.FILLED
        busted = await alice.order(large)
        assert (busted.state, busted.reason, busted.filled) == (OrderState.BUSTED, "MARGIN: buyer", 0)
        left = await bob.order(ask)
        assert (left.state, left.open, left.filled) == (OrderState.OPEN, Decimal("2.5"), Decimal("0.5"))
        for trader in (alice, bob):
            good, refused = await trader.fills()
            assert (good.state, good.size) == (FillState.SETTLED, Decimal("0.5"))
            assert (refused.state, refused.reason) == (FillState.REFUSED, "MARGIN: buyer")
        assert [position.size for position in await alice.positions()] == [Decimal("0.5")]


async def test_cancel_all_ends_what_was_signed_before_and_nothing_after(house: House) -> None:
    async with house.gateway() as gateway, house.trader("alice", gateway) as alice, house.trader("bob", gateway) as bob:
        resting = await alice.place(BTC, "buy", "0.1", "95470")
        never_sent = await alice.sign_order(BTC, "buy", "0.1", "95470")
        await alice.cancel_all()
        assert (await alice.order(resting)).state is OrderState.CANCELLED
        with pytest.raises(OrderRejected, match="account epoch 0, the account is in 1"):
            await gateway.submit(never_sent)
        await alice.place(BTC, "buy", "0.1", "95470")
        ask = await bob.place(BTC, "sell", "0.1", "95470")
        assert (await bob.settled(ask, 30)).state is OrderState.FILLED


async def test_a_signature_that_covers_everything_is_good_for_nothing_else(house: House) -> None:
    async with house.gateway() as gateway, house.trader("alice", gateway) as alice:
        signed = await alice.sign_order(BTC, "buy", "0.1", "95470")
        for change in ({"size": 20_000_000}, {"reduce_only": True}, {"post_only": True}, {"max_fee_bps": 9}):
            with pytest.raises(OrderRejected, match=r"wrong signature|reduce-only"):
                await gateway.submit(replace(signed, order=replace(signed.order, **change)))


async def test_shares_of_the_vault_are_bought_locked_and_paid(house: House) -> None:
    await house.account("admin").execute(house.contract("Vault").call("set_lock_secs", 60))
    async with house.trader("alice") as alice:
        bought = await alice.vault_deposit(1_000, "margin")
        assert (bought.assets, bought.shares) == (1_000, 1_000)
        asked = await alice.request_redeem("400.5")
        assert asked.claimable_at == await house.now() + 60
        with pytest.raises(NothingClaimable, match=f"locked until {asked.claimable_at}"):
            await alice.claim_redemption(asked.request_id)
        with pytest.raises(NothingClaimable, match="no redemption"):
            await alice.claim_redemption()
        (waiting,) = await alice.redemptions()
        assert (waiting.request_id, waiting.shares) == (asked.request_id, Decimal("400.5"))
        await house.rounds(60)
        paid = await alice.claim_redemption(asked.request_id)
        assert (paid.shares, paid.assets) == (Decimal("400.5"), Decimal("400.5"))
        balances = await alice.balances()
        assert (balances.wallet, balances.vault_value) == (Decimal("400.5"), Decimal("599.5"))
        assert await alice.redemptions() == []
        with pytest.raises(NothingClaimable, match="no open redemption"):
            await alice.claim_redemption(asked.request_id)


async def test_a_withdrawal_is_claimed_on_l1_once_from_its_numbers_alone(house: House) -> None:
    async with house.trader("bob") as bob:
        l1_before, locked = await bob.l1.balance(), await bob.l1.locked()
        handle = await bob.withdraw("123.456789")
        assert not await handle.claimable()
        with pytest.raises(NotClaimable):
            await handle.claim()
        await house.nodes.flush()
        await handle.wait_claimable(10)
        numbers = Withdrawal(handle.epoch, handle.counter, Decimal("123.456789"), bob.l1.address, bob.address)
    # Another process, and another person: whoever claims, the recipient is paid.
    async with house.trader("carol") as carol:
        resumed = carol.resume_withdrawal(numbers)
        await carol.l1.fund_ether()
        # A number that is wrong finds no message.
        with pytest.raises(NotClaimable):
            await carol.l1.claim(replace(numbers, amount=Decimal("123.456790")))
        await resumed.claim()
        assert await resumed.paid()
        with pytest.raises(AlreadyClaimed) as second:
            await resumed.claim()
        assert isinstance(second.value, L1Reverted)
        assert second.value.reason == "BRIDGE: already paid"
        assert await carol.l1.balance(numbers.recipient) == l1_before + numbers.amount
        assert await carol.l1.locked() == locked - numbers.amount


async def test_no_more_leaves_than_the_margin_allows(house: House) -> None:
    async with house.gateway() as gateway, house.trader("alice", gateway) as alice, house.trader("bob", gateway) as bob:
        await alice.place(BTC, "buy", "1", "95475")
        ask = await bob.place(BTC, "sell", "1", "95475")
        await bob.settled(ask, 30)
        free = (await alice.margin()).withdrawable
        assert 0 < free < 10_000
        for attempt in (alice.withdraw, alice.withdraw_to_wallet):
            with pytest.raises(TransactionReverted) as refused:
                await attempt(free + Decimal("0.000001"))
            assert refused.value.reason == "MARGIN: below initial"
        await alice.withdraw_to_wallet(free)
        assert (await alice.margin()).withdrawable == 0
        assert (await alice.balances()).wallet == free


async def test_what_l1_locks_is_what_l2_and_all_that_is_under_way_claim(house: House) -> None:
    async with house.trader("alice") as alice, house.trader("bob") as bob:
        await alice.faucet(70)
        await alice.deposit(70)
        await bob.withdraw(30)
        paid = await bob.withdraw(11)
        await house.nodes.flush()
        await paid.claim()
        await bob.faucet(5)
        await bob.deposit(5)
        venue = Venue(house.rpc, house.deployment)
        supply = from_collateral(await house.contract("CollateralToken").read("total_supply"))
        flying = sum((deposit.amount for deposit in await bob.l1.deposits_in_flight()), Decimal(0))
        registered = [withdrawal for withdrawal, _ in await registered_withdrawals(venue)]
        owed = sum((withdrawal.amount for withdrawal in await bob.l1.unclaimed(registered)), Decimal(0))
        assert (flying, owed) == (5, 30)
        assert await bob.l1.locked() == supply + flying + owed
        assert [handle.withdrawal.amount for handle in await bob.withdrawals()] == [30, 11]


async def test_the_sync_trader_lives_the_same_life(house: House) -> None:
    key = eth_key("bob")
    with Trader.connect(house.deployment, LocalEthSigner(key), l1=key, poll=0.02) as bob:
        assert not bob.onboard().registered
        bob.faucet(20)
        sent = bob.deposit(20)
        await house.nodes.flush()
        assert sent.credited(10).amount == 20
        out = bob.withdraw(15)
        await house.nodes.flush()
        out.wait_claimable(10)
        out.claim()
        assert out.paid()
        assert bob.balances().l1 == 15
        assert bob.margin().value == 10_005
        assert bob.positions() == ()


async def test_a_bridge_without_a_key_can_watch(house: House) -> None:
    async with L1Bridge(house.deployment) as watcher:
        assert await watcher.locked() >= 20_000
        assert await watcher.epoch() == 0
