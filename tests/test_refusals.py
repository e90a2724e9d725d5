"""What must not happen on a venue: each try changes nothing on chain but the fee, and says why."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

import pytest
from truemark.account import TransactionReverted
from truemark.l1 import AlreadyClaimed, L1Bridge
from truemark.models import Destination
from truemark.orders import SignedOrder
from truemark.receipt import parse_receipt
from truemark.reports import unpack_outcomes
from truemark.trader import AsyncTrader
from truemark_devnet.accounts import l1_accounts

from tests.house import BTC, PRICES, SOL, House

pytestmark = pytest.mark.node


async def refused(house: House, attempt: Awaitable[Any], reason: str) -> None:
    """The attempt's transaction is in a block, reverted for this reason, and wrote nothing but its fee."""
    with pytest.raises(TransactionReverted) as caught:
        await attempt
    assert caught.value.reason == reason
    assert await house.wrote(caught.value.receipt.block_number) == set()


async def test_a_report_by_a_stranger(house: House) -> None:
    await house.pass_time(1)
    await refused(house, house.report("spare-1", PRICES), "ORACLE: not a reporter")


async def test_a_report_of_an_old_epoch(house: House) -> None:
    await house.pass_time(1)
    await refused(house, house.report("reporter-1", PRICES, epoch=7), "ORACLE: wrong epoch")


async def test_a_report_that_goes_back_in_time_does_not_count(house: House) -> None:
    before = await house.mark(BTC)
    await house.pass_time(1)
    for role in ("reporter-1", "reporter-2", "reporter-3"):
        receipt = await house.report(role, {BTC: "96000"}, age=2)
        assert outcomes(house, receipt) == ["DroppedNotNewer"]
    assert await house.mark(BTC) == before


async def test_a_price_of_zero_does_not_count(house: House) -> None:
    before = await house.mark(BTC)
    await house.pass_time(1)
    for role in ("reporter-1", "reporter-2", "reporter-3"):
        receipt = await house.report(role, {BTC: "0"})
        assert outcomes(house, receipt) == ["DroppedZero"]
    assert await house.mark(BTC) == before


async def test_one_reporter_moves_nothing_and_one_that_is_off_is_outvoted(house: House) -> None:
    await house.pass_time(1)
    await house.report("reporter-1", {BTC: "133665"})
    await house.report("reporter-2", {BTC: "95480"})
    await house.report("reporter-3", {BTC: "95490"})
    mark = await house.mark(BTC)
    assert (mark["status"].variant, mark["price"]) == ("Valid", 95_490 * 10**8)


async def test_all_off_for_one_round_move_nothing(house: House) -> None:
    before = await house.mark(BTC)
    await house.round({BTC: "133665"})
    suspect = await house.mark(BTC)
    assert (suspect["status"].variant, suspect["price"]) == ("Suspect", before["price"])
    await house.round()
    after = await house.mark(BTC)
    assert (after["status"].variant, after["price"]) == ("Valid", before["price"])


async def test_a_true_crash_goes_through_after_its_confirmation(house: House) -> None:
    for _ in range(4):
        await house.pass_time(5)
        await house.round({SOL: "128"})
    mark = await house.mark(SOL)
    assert (mark["status"].variant, mark["price"]) == ("Valid", 128 * 10**8)


async def settle(house: House, maker: SignedOrder, taker: SignedOrder, epoch: int = 0) -> Any:
    """The operator settles one fill of all of the taker's order, as it stands."""
    fill = {
        "maker": maker.to_abi(),
        "taker": taker.to_abi(),
        "size": taker.order.size,
        "price": maker.order.limit_price,
    }
    call = house.contract("Clearinghouse").call("settle", epoch, [fill])
    return await house.account("operator").execute(call)


async def pair(seller: AsyncTrader, buyer: AsyncTrader, **fields: Any) -> tuple[SignedOrder, SignedOrder]:
    """Signed orders of both for 0.1 BTC at the mark; `fields` go into the buyer's."""
    maker = await seller.sign_order(BTC, "sell", "0.1", PRICES[BTC])
    taker = await buyer.sign_order(BTC, "buy", "0.1", PRICES[BTC], **fields)
    return maker, taker


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"expiry": 1}, "ORDER: expired"),
        ({"venue": 0x1234}, "ORDER: another venue"),
        ({"epoch": 3}, "ORDER: another epoch"),
        ({"account_epoch": 1}, "ORDER: old account epoch"),
        ({"reduce_only": True}, "ORDER: does not reduce"),
        ({"post_only": True}, "FILL: post-only was the taker"),
        ({"limit_price": 90_000 * 10**8}, "ORDER: above its limit"),
        ({"max_fee_bps": 0}, "ORDER: fee above its cap"),
    ],
)
async def test_a_signed_order_that_is_not_good(house: House, change: dict[str, Any], reason: str) -> None:
    async with house.trader("alice") as alice, house.trader("bob") as bob:
        maker, taker = await pair(alice, bob)
        order = replace(taker.order, **change)
        r, s = bob._key.sign(order.hash(house.deployment.l2_chain_id))
        receipt = await settle(house, maker, SignedOrder(order, bob.public_key, r, s))
        assert refusals(house, receipt) == [reason]
        assert await house.wrote(receipt.block_number) == set()


async def test_an_order_that_was_changed_after_it_was_signed(house: House) -> None:
    async with house.trader("alice") as alice, house.trader("bob") as bob:
        maker, taker = await pair(alice, bob)
        forged = replace(taker, order=replace(taker.order, size=taker.order.size * 2))
        maker = await alice.sign_order(BTC, "sell", "0.2", PRICES[BTC])
        receipt = await settle(house, maker, forged)
        assert refusals(house, receipt) == ["ORDER: wrong signature"]


async def test_a_fill_that_was_settled_is_not_settled_again(house: House) -> None:
    async with house.trader("alice") as alice, house.trader("bob") as bob:
        maker, taker = await pair(alice, bob)
        assert refusals(house, await settle(house, maker, taker)) == []
        receipt = await settle(house, maker, taker)
        assert refusals(house, receipt) == ["ORDER: filled or cancelled"]
        assert await house.wrote(receipt.block_number) == set()


async def test_a_settlement_by_a_stranger_or_of_an_old_epoch(house: House) -> None:
    async with house.trader("alice") as alice, house.trader("bob") as bob:
        maker, taker = await pair(alice, bob)
        call = house.contract("Clearinghouse").call("settle", 0, [])
        await refused(house, house.account("spare-1").execute(call), "ACCESS: not the operator")
        await refused(house, settle(house, maker, taker, epoch=1), "EPOCH: another epoch")


async def test_a_withdrawal_beyond_margin_or_of_an_old_epoch(house: House) -> None:
    async with house.trader("alice") as alice:
        await refused(house, alice.withdraw_to_wallet("10000.000001"), "MARGIN: below initial")
        call = house.contract("Clearinghouse").call("withdraw", 1, 5)
        await refused(house, alice._account.execute(call), "EPOCH: another epoch")


async def test_a_liquidation_of_a_healthy_account_or_of_an_old_epoch(house: House) -> None:
    async with house.gateway() as gateway, house.trader("alice", gateway) as alice, house.trader("bob", gateway) as bob:
        await alice.place(BTC, "sell", "0.1", PRICES[BTC])
        await bob.place(BTC, "buy", "0.1", PRICES[BTC])
        await gateway.flush()
        await house.rounds(80)
        request = {"account": bob.address, "market": 0, "max_size": 10**8, "limit_price": 2**63}
        clearinghouse, caller = house.contract("Clearinghouse"), house.account("liquidator")
        await refused(house, caller.execute(clearinghouse.call("liquidate", 0, request)), "LIQUIDATION: healthy")
        await refused(house, caller.execute(clearinghouse.call("liquidate", 1, request)), "EPOCH: another epoch")


async def test_a_deposit_message_from_a_wrong_l1_sender(house: House) -> None:
    """Anyone can send a message to the handler on L1; only the bridge's counts."""
    supply = await house.contract("CollateralToken").read("total_supply")
    sent = house.nodes.control.l2(
        "devnet_postmanSendMessageToL2",
        {
            "l2_contract_address": hex(house.deployment.address("Bridge")),
            "entry_point_selector": hex(house.contract("Bridge").abi.function("handle_deposit").selector),
            "l1_contract_address": l1_accounts(3)[2].address,
            "payload": [house.deployment.l1["TestUSDC"], "0x1", "0x1", "0x1234", hex(10**12)],
            "paid_fee_on_l1": "0x1",
            "nonce": "0x7777",
        },
    )
    raw = await house.rpc.call("starknet_getTransactionReceipt", {"transaction_hash": sent["transaction_hash"]})
    assert parse_receipt(raw).revert_reason is not None
    assert "BRIDGE: not the L1 bridge" in str(parse_receipt(raw).revert_reason)
    assert await house.contract("CollateralToken").read("total_supply") == supply
    assert not await house.contract("Bridge").read("delivered", 0x7777)


async def test_a_second_claim(house: House) -> None:
    async with house.trader("alice") as alice:
        withdrawal = await alice.withdraw(500)
        assert not await withdrawal.claimable()
        await house.nodes.flush()
        before = (await alice.balances()).l1
        await withdrawal.claim()
        assert before is not None
        assert (await alice.balances()).l1 == before + 500
        async with L1Bridge(house.deployment, l1_accounts(3)[2].private_key) as anyone:
            with pytest.raises(AlreadyClaimed, match="already paid"):
                await anyone.claim(withdrawal.withdrawal)
        assert (await alice.balances()).l1 == before + 500


async def test_a_credited_deposit_is_not_given_back_on_l1(house: House) -> None:
    async with house.trader("alice") as alice:
        await alice.faucet(100)
        handle = await alice.deposit(100, Destination.WALLET)
        await house.nodes.flush()
        await handle.credited(timeout=5)
        with pytest.raises(Exception, match="no such message to L2"):
            await alice.l1.cancel_deposit(handle.deposit)


def outcomes(house: House, receipt: Any) -> list[str]:
    """What the oracle said of each market of a report."""
    oracle = house.contract("Oracle")
    events = [event for event in receipt.events if event.from_address == oracle.address]
    found = [oracle.abi.decode_event(event.keys, event.data) for event in events]
    (reported,) = [event for event in found if event.name == "MarketsReported"]
    return [each.outcome for each in unpack_outcomes(reported.fields["outcomes"])]


def refusals(house: House, receipt: Any) -> list[str]:
    """The reasons of a settlement's refused fills."""
    clearinghouse = house.contract("Clearinghouse")
    reasons = []
    for event in receipt.events:
        if event.from_address == clearinghouse.address:
            decoded = clearinghouse.abi.decode_event(event.keys, event.data)
            if decoded.name == "FillRefused":
                reasons.append(int(decoded.fields["reason"]).to_bytes(31, "big").lstrip(b"\0").decode())
    return reasons
