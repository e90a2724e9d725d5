"""Messages between the chains: each counts once, on one chain, whatever happens between their sending and a flush."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from typing import Any

import pytest
from truemark.models import Destination
from truemark_devnet import postman
from truemark_devnet.accounts import l1_accounts
from truemark_devnet.nodes import Flushed

from tests.house import House

pytestmark = pytest.mark.node


async def supply(house: House) -> int:
    found: int = await house.contract("CollateralToken").read("total_supply")
    return found


def sent_to_l2(house: House) -> tuple[postman.ToL2, ...]:
    logs = house.nodes.control.l1("eth_getLogs", postman.filter_of(house.deployment.l1["Messaging"]))
    return postman.read_log(logs).sent


def deliver_unmarked(house: House, message: postman.ToL2) -> None:
    """What a postman leaves who dies between the delivery and the mark on L1."""
    house.nodes.control.l2("devnet_postmanSendMessageToL2", message.to_json())


def send_to_bridge_as_a_stranger(house: House, payload: list[int], recipient: int | None = None) -> None:
    """A message whose handler reverts: it does not come from the L1 bridge."""
    selector = house.contract("Bridge").abi.function("handle_deposit").selector
    words = [recipient or house.deployment.address("Bridge"), selector, 96, len(payload), *payload]
    head = postman.question("", "sendMessageToL2(uint256,uint256,uint256[])")[0]["data"]
    data = head + "".join(f"{word:064x}" for word in words)
    order: dict[str, Any] = {"from": l1_accounts(3)[2].address, "to": house.deployment.l1["Messaging"], "data": data}
    house.nodes.control.l1("eth_sendTransaction", {**order, "value": "0x1"})


def nothing(flushed: Flushed) -> bool:
    return (flushed.to_l2, flushed.to_l1, flushed.transactions) == ((), (), ())


async def test_a_deposit_that_was_cancelled_and_taken_back_is_not_credited_later(house: House) -> None:
    async with house.trader("alice") as alice:
        before = await supply(house)
        await alice.faucet(100)
        handle = await alice.deposit(100, Destination.WALLET)
        await alice.l1.cancel_deposit(handle.deposit)
        await house.pass_time(301)
        await alice.l1.reclaim_deposit(handle.deposit)
        for _ in range(2):
            assert nothing(await house.nodes.flush())
        assert await supply(house) == before
        assert (await alice.balances()).l1 == 100
        assert not await house.contract("Bridge").read("delivered", handle.deposit.nonce)


async def test_a_deposit_whose_sender_may_take_it_back_by_now_is_left_to_him(house: House) -> None:
    async with house.trader("alice") as alice:
        await alice.faucet(100)
        handle = await alice.deposit(100, Destination.WALLET)
        await alice.l1.cancel_deposit(handle.deposit)
        await house.pass_time(301)
        assert nothing(await house.nodes.flush())
        await alice.l1.reclaim_deposit(handle.deposit)
        assert (await alice.balances()).l1 == 100


async def test_a_cancellation_that_was_only_started_does_not_stop_a_delivery(house: House) -> None:
    async with house.trader("alice") as alice:
        await alice.faucet(100)
        handle = await alice.deposit(100, Destination.WALLET)
        await alice.l1.cancel_deposit(handle.deposit)
        assert len((await house.nodes.flush()).to_l2) == 1
        await handle.credited(5)
        await house.pass_time(301)
        with pytest.raises(Exception, match="no such message to L2"):
            await alice.l1.reclaim_deposit(handle.deposit)


async def test_a_message_whose_handler_reverts_is_tried_once_and_stays_on_l1(house: House) -> None:
    send_to_bridge_as_a_stranger(house, [1, 2])
    # To no contract at all, and a word that is no felt: neither holds up what comes after it.
    send_to_bridge_as_a_stranger(house, [], recipient=0xDEAD)
    send_to_bridge_as_a_stranger(house, [2**256 - 1])
    async with house.trader("alice") as alice:
        await alice.faucet(5)
        handle = await alice.deposit(5, Destination.WALLET)
        done = await house.nodes.flush()
        assert int(done.to_l2[-1]["nonce"], 16) == handle.deposit.nonce
        await handle.credited(5)
    assert nothing(await house.nodes.flush())
    assert len(sent_to_l2(house)) == 3


async def test_a_delivery_that_was_not_marked_is_marked_by_the_next_flush_and_not_repeated(house: House) -> None:
    async with house.trader("alice") as alice:
        await alice.faucet(100)
        handle = await alice.deposit(100, Destination.WALLET)
        (message,) = sent_to_l2(house)
        assert message.hash == handle.deposit.message_hash
        deliver_unmarked(house, message)
        before = await supply(house)
        assert await alice.l1.in_flight(handle.deposit)
        assert nothing(await house.nodes.flush())
        assert not await alice.l1.in_flight(handle.deposit)
        assert await supply(house) == before
        with pytest.raises(Exception, match="no such message to L2"):
            await alice.l1.cancel_deposit(handle.deposit)


async def test_a_delivery_is_at_the_held_time(house: House) -> None:
    held = await house.now()
    async with house.trader("alice") as alice:
        await alice.faucet(100)
        for _ in range(3):
            await alice.deposit(20, Destination.WALLET)
        assert len((await house.nodes.flush()).to_l2) == 3
    assert await house.nodes.l1_time() == await house.now() == held


async def test_a_withdrawal_is_announced_once_and_an_erased_one_is_not_again(house: House) -> None:
    control = house.nodes.control
    async with house.trader("alice") as alice:
        height = control.l2("starknet_blockNumber")
        first = await alice.withdraw(30)
        assert len((await house.nodes.flush()).to_l1) == 1
        assert nothing(await house.nodes.flush())
        assert await first.claimable()
        # One that L1 was told of, one that it was not, and then neither happened.
        await alice.withdraw(31)
        control.l2("devnet_abortBlocks", {"starting_block_id": {"block_number": height + 1}})
        assert nothing(await house.nodes.flush())
    async with house.trader("alice") as alice:
        # In a block below the old height.
        third = await alice.withdraw(32)
        assert control.l2("starknet_blockNumber") <= height + 2
        (announced,) = (await house.nodes.flush()).to_l1
        assert await third.claimable()
        assert int(announced["payload"][2], 16) == 32_000_000
        assert nothing(await house.nodes.flush())


async def test_what_both_chains_took_back_is_carried_again(house: House) -> None:
    async with house.trader("alice") as alice:
        await alice.faucet(100)
        handle = await alice.deposit(100, Destination.WALLET)
        before = await supply(house)
        async with house.nodes.undone():
            assert len((await house.nodes.flush()).to_l2) == 1
            await handle.credited(5)
        assert await supply(house) == before
        assert len((await house.nodes.flush()).to_l2) == 1
        assert await supply(house) == before + 100_000_000


async def test_many_deposits_arrive_in_one_flush_in_their_order(house: House) -> None:
    async with AsyncExitStack() as stack:
        alice = await stack.enter_async_context(house.trader("alice"))
        await alice.faucet(100)
        for _ in range(33):
            await alice.deposit(1, Destination.WALLET)
        started = time.monotonic()
        done = await house.nodes.flush()
        took = time.monotonic() - started
    nonces = [int(message["nonce"], 16) for message in done.to_l2]
    assert len(nonces) == len(done.transactions) == 33
    assert nonces == sorted(nonces)
    assert took < 15
    assert sent_to_l2(house) == ()
