"""The transaction queue on a real node behind a link that fails: each transaction has effect once, and none by hand."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from truemark.contract import Contract
from truemark.felt import selector
from truemark.keys import StarkKey
from truemark.rpc import AsyncRpc
from truemark.transactions import Call
from truemark_keeper.fees import default_policy
from truemark_keeper.transactions import TransactionQueue
from truemark_keeper.wallet import StarkWallet

from tests.faulty_link import (
    BUSY,
    CUT_ANSWER,
    HANG,
    LOSE_ANSWER,
    LOSE_REQUEST,
    PASS,
    REFUSE,
    Fault,
    FaultyLink,
    faulty_link,
)
from tests.house import House

pytestmark = pytest.mark.node

ROLE = "reporter-1"


class Ledger:
    """Transfers of 1 unit, each to an address of its own: what an address has is how often its transfer had effect."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._token = Contract.of(house.rpc, house.deployment.fee_token, "CollateralToken")
        self._next = 0x7E57_0000

    def calls(self, count: int) -> dict[int, list[Call]]:
        made = {}
        for _ in range(count):
            self._next += 1
            made[self._next] = [Call(self._token.address, selector("transfer"), (self._next, 1, 0))]
        return made

    async def effects(self, addresses: Sequence[int]) -> list[int]:
        return [await self._token.read("balance_of", address) for address in addresses]


@asynccontextmanager
async def queue_over(house: House, link: FaultyLink, journal: Path | None = None) -> AsyncIterator[TransactionQueue]:
    role = house.roles[ROLE]
    wallet = StarkWallet(role.address, StarkKey.from_private(role.private_key), house.nodes.l2_chain_id)
    async with (
        AsyncRpc(link.url, timeout=0.5, retries=0) as rpc,
        TransactionQueue(wallet, rpc, journal=journal, poll=0.02, max_backoff=0.1) as queue,
    ):
        yield queue


def is_post(body: bytes) -> bool:
    return b"starknet_addInvokeTransaction" in body


@pytest.mark.parametrize("fault", [REFUSE, HANG, BUSY, LOSE_REQUEST, LOSE_ANSWER, CUT_ANSWER])
async def test_each_lands_once_though_a_third_of_the_requests_fails(house: House, fault: Fault) -> None:
    ledger = Ledger(house)
    jobs = ledger.calls(12)
    async with faulty_link(house.nodes.l2_url) as link, queue_over(house, link) as queue:
        failed: list[int] = []
        rng = random.Random(fault)

        def a_third(number: int, body: bytes) -> Fault:
            # The first post always; then by lot, so that it does not fall in step with the queue's own requests.
            if (is_post(body) and not failed) or rng.random() < 1 / 3:
                failed.append(number)
                return fault
            return PASS

        link.fault = a_third
        outcomes = await asyncio.gather(*(queue.execute(calls, 30) for calls in jobs.values()))
        assert link.done[fault] > 1
    assert all(outcome.succeeded for outcome in outcomes)
    assert await ledger.effects(list(jobs)) == [1] * len(jobs)


async def test_a_node_that_is_away_for_a_while_costs_nothing_but_the_while(house: House, tmp_path: Path) -> None:
    ledger = Ledger(house)
    jobs = ledger.calls(8)
    async with faulty_link(house.nodes.l2_url) as link:
        async with queue_over(house, link, tmp_path / "journal") as queue:
            landed = 0

            def away(number: int, body: bytes) -> Fault:
                nonlocal landed
                landed += is_post(body)
                # It took one batch, and nobody heard of it.
                return LOSE_ANSWER if landed == 1 and is_post(body) else REFUSE if landed else PASS

            link.fault = away
            tickets = [queue.submit(calls) for calls in jobs.values()]
            await asyncio.sleep(0.5)
            assert not any(ticket.done for ticket in tickets)
        # The keeper restarts while the node is away, and finds what it had sent.
        link.fault = lambda number, body: PASS
        async with queue_over(house, link, tmp_path / "journal") as queue:
            found = await asyncio.gather(*(ticket.outcome(30) for ticket in queue.recovered))
            assert len(found) == len(jobs)
    assert await ledger.effects(list(jobs)) == [1] * len(jobs)


@pytest.mark.parametrize("depth", [1, 10, pytest.param(100, marks=pytest.mark.deep)])
async def test_a_chain_that_goes_back_is_followed_without_a_hand(house: House, depth: int) -> None:
    ledger = Ledger(house)
    async with faulty_link(house.nodes.l2_url) as link, queue_over(house, link) as queue:
        before = ledger.calls(depth + 3)
        await asyncio.gather(*(queue.execute(calls, 60) for calls in before.values()))
        height = await house.rpc.call("starknet_blockNumber")
        # Some are on their way when it happens.
        during = ledger.calls(4)
        going = [queue.submit(calls) for calls in during.values()]
        house.nodes.control.l2("devnet_abortBlocks", {"starting_block_id": {"block_number": height - depth + 1}})
        after = ledger.calls(5)
        done = await asyncio.gather(
            *(ticket.outcome(30) for ticket in going), *(queue.execute(calls, 30) for calls in after.values())
        )
        assert all(outcome.succeeded for outcome in done)
    # What the chain lost is not sent again by itself: whether it still holds is for its sender to say.
    effects = await ledger.effects(list(before))
    assert effects == [1] * 3 + [0] * depth
    assert await ledger.effects(list(after)) == [1] * 5
    assert max(await ledger.effects(list(during))) <= 1


async def test_a_network_ten_times_dearer_than_what_was_signed_for_is_followed(house: House) -> None:
    control = house.nodes.control
    header = await house.rpc.call("starknet_getBlockWithTxHashes", {"block_id": "latest"})
    first = default_policy().first
    before, dearer = {}, {}
    for name, field, bound in (
        ("gas", "l1_gas", first.l1_gas),
        ("data_gas", "l1_data_gas", first.l1_data_gas),
        ("l2_gas", "l2_gas", first.l2_gas),
    ):
        for unit in ("wei", "fri"):
            before[f"{name}_price_{unit}"] = int(header[f"{field}_price"][f"price_in_{unit}"], 16)
            dearer[f"{name}_price_{unit}"] = 10 * bound.max_price
    ledger = Ledger(house)
    cheap, dear = ledger.calls(2), ledger.calls(6)
    async with faulty_link(house.nodes.l2_url) as link, queue_over(house, link) as queue:
        await asyncio.gather(*(queue.execute(calls, 30) for calls in cheap.values()))
        control.l2("devnet_setGasPrice", {**dearer, "generate_block": True})
        try:
            outcomes = await asyncio.gather(*(queue.execute(calls, 30) for calls in dear.values()))
        finally:
            control.l2("devnet_setGasPrice", {**before, "generate_block": True})
    assert all(outcome.succeeded for outcome in outcomes)
    # Signed anew, until one of them met the price.
    assert max(len(outcome.hashes) for outcome in outcomes) > 1
    assert await ledger.effects([*cheap, *dear]) == [1] * 8


async def test_two_keepers_of_one_account_take_each_others_nonces_and_lose_nothing(house: House) -> None:
    """Against advice; every nonce that one finds used is too low or a duplicate, and its transaction goes on."""
    ledger = Ledger(house)
    ours, theirs = ledger.calls(10), ledger.calls(10)
    async with (
        faulty_link(house.nodes.l2_url) as link,
        queue_over(house, link) as one,
        queue_over(house, link) as other,
    ):
        done = await asyncio.gather(
            *(one.execute(calls, 60) for calls in ours.values()),
            *(other.execute(calls, 60) for calls in theirs.values()),
        )
    assert all(outcome.succeeded for outcome in done)
    assert await ledger.effects([*ours, *theirs]) == [1] * 20


async def test_a_node_that_hangs_is_waited_for(house: House) -> None:
    """The process stands still, as under a debugger or a full disk: connections open and nobody answers."""
    ledger = Ledger(house)
    jobs = ledger.calls(6)
    node = house.nodes.running["l2"].process
    async with faulty_link(house.nodes.l2_url) as link, queue_over(house, link) as queue:
        tickets = [queue.submit(calls) for calls in list(jobs.values())[:3]]
        node.send(signal.SIGSTOP)
        try:
            tickets += [queue.submit(calls) for calls in list(jobs.values())[3:]]
            await asyncio.sleep(1.5)
        finally:
            node.send(signal.SIGCONT)
        outcomes = await asyncio.gather(*(ticket.outcome(60) for ticket in tickets))
    assert all(outcome.succeeded for outcome in outcomes)
    assert await ledger.effects(list(jobs)) == [1] * len(jobs)


@pytest.mark.deep
async def test_each_lands_once_whatever_the_link_does(house: House) -> None:
    ledger = Ledger(house)
    jobs = ledger.calls(150)
    rng = random.Random(19)
    faults = (REFUSE, HANG, BUSY, LOSE_REQUEST, LOSE_ANSWER, CUT_ANSWER)
    async with faulty_link(house.nodes.l2_url) as link, queue_over(house, link) as queue:
        link.fault = lambda number, body: rng.choice(faults) if rng.random() < 0.3 else PASS
        outcomes = await asyncio.gather(*(queue.execute(calls, 240) for calls in jobs.values()))
    assert all(outcome.succeeded for outcome in outcomes)
    assert await ledger.effects(list(jobs)) == [1] * len(jobs)
