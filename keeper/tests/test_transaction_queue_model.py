"""The nonce queue against a model of a node and a network that loses, repeats and delays: each transaction has effect
exactly once, whatever happens to its messages."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from truemark.rpc import NodeUnavailable, RpcError
from truemark.transactions import Call
from truemark_keeper.fees import Bound, FeeCeiling, FeePolicy, Fees
from truemark_keeper.slots import QueueClosed, Signed, TransactionDisplaced, TransactionRefused, TransactionReverted
from truemark_keeper.transactions import TransactionQueue

ADDRESS, CHAIN = 0xACC, 0x7E57
POLICY = FeePolicy(Fees(Bound(1, 8), Bound(1, 8), Bound(1, 8), tip=10))


class ModelWallet:
    address = ADDRESS
    chain_id = CHAIN

    def sign(self, calls: Sequence[Call], nonce: int, fees: Fees) -> Signed:
        name = calls[0].calldata[0] if calls else -1
        return Signed(
            _hash(nonce, name, fees.l2_gas.max_price, fees.tip),
            {"nonce": nonce, "name": name, "price": fees.l2_gas.max_price, "fees": (fees.l2_gas.max_price, fees.tip)},
        )


@dataclass
class ModelNode:
    """Applies a transaction when its nonce is the account's; everything else is the network's fault."""

    rng: random.Random
    trouble: float = 0.0
    gas_price: int = 1
    refuses: frozenset[int] = frozenset()
    reverts: frozenset[int] = frozenset()
    #: Transactions taken wait here, as in a mempool, until `mine`; None: a block at once.
    mempool: dict[int, tuple[int, int, int]] | None = None
    nonce: int = 0
    applied: list[int] = field(default_factory=list)
    landed: dict[int, tuple[int, int]] = field(default_factory=dict)
    late: list[dict[str, Any]] = field(default_factory=list)
    posts: int = 0
    largest_batch: int = 0

    async def call(self, method: str, params: Any = None) -> Any:
        return (await self.batch([(method, params)]))[0]

    async def batch(self, calls: Sequence[tuple[str, Any]]) -> list[Any]:
        await asyncio.sleep(0)
        self.largest_batch = max(self.largest_batch, len(calls))
        if self.rng.random() < self.trouble / 2:
            raise NodeUnavailable("the request was lost")
        if self.late and self.rng.random() < 0.5:
            self.add(self.late.pop(self.rng.randrange(len(self.late))))
        if self.rng.random() < self.trouble / 4:
            self.land_foreign()
        answers = [self.answer(method, params) for method, params in calls]
        posted = [params["invoke_transaction"] for method, params in calls if method == "starknet_addInvokeTransaction"]
        for transaction in posted:
            if self.rng.random() < self.trouble / 2:
                self.late.append(transaction)
        if posted and self.rng.random() < self.trouble / 4:
            answers = [self.answer("starknet_addInvokeTransaction", {"invoke_transaction": t}) for t in posted]
        if self.rng.random() < self.trouble / 2:
            raise NodeUnavailable("the response was lost")
        return answers

    def answer(self, method: str, params: Any) -> Any:
        match method:
            case "starknet_getNonce":
                return hex(self.nonce)
            case "starknet_getTransactionStatus":
                tx_hash = int(params["transaction_hash"], 16)
                waits = self.mempool is not None and any(tx_hash == t[0] for t in self.mempool.values())
                return {"finality_status": "RECEIVED"} if tx_hash in self.landed or waits else RpcError(29, "unknown")
            case "starknet_getTransactionReceipt":
                tx_hash = int(params["transaction_hash"], 16)
                if tx_hash not in self.landed:
                    return RpcError(29, "unknown")
                number, name = self.landed[tx_hash]
                result = {"finality_status": "ACCEPTED_ON_L2", "block_number": number, "execution_status": "SUCCEEDED"}
                return result | (
                    {"execution_status": "REVERTED", "revert_reason": "no"} if name in self.reverts else {}
                )
            case "starknet_addInvokeTransaction":
                self.posts += 1
                return self.add(params["invoke_transaction"])
        raise AssertionError(method)

    def add(self, transaction: dict[str, Any]) -> Any:
        nonce, name, price = transaction["nonce"], transaction["name"], transaction["price"]
        tx_hash = _hash(nonce, name, *transaction["fees"])
        if (nonce != self.nonce and self.mempool is None) or nonce < self.nonce:
            return RpcError(52, "Invalid transaction nonce")
        if name in self.refuses:
            return RpcError(55, "Account validation failed")
        if price < self.gas_price and self.mempool is None:
            return RpcError(53, "The transaction's resources don't cover validation")
        if self.mempool is None:
            self.land(tx_hash, name)
            return {"transaction_hash": hex(tx_hash)}
        waiting = self.mempool.get(nonce)
        if waiting is not None and waiting[0] == tx_hash:
            return RpcError(59, "A transaction with the same hash already exists")
        if waiting is not None and price * 10 < waiting[2] * 11:
            return RpcError(64, "Replacement transaction is underpriced")
        self.mempool[nonce] = (tx_hash, name, price)
        return {"transaction_hash": hex(tx_hash)}

    def land(self, tx_hash: int, name: int) -> None:
        self.landed[tx_hash] = (len(self.landed), name)
        self.nonce += 1
        if name >= 0:
            self.applied.append(name)

    def land_foreign(self) -> None:
        """Someone else with the same key uses the nonce."""
        self.nonce += 1

    def mine(self) -> None:
        assert self.mempool is not None
        while self.nonce in self.mempool and self.mempool[self.nonce][2] >= self.gas_price:
            tx_hash, name, _ = self.mempool.pop(self.nonce)
            self.land(tx_hash, name)


def _hash(nonce: int, name: int, price: int, tip: int) -> int:
    return hash(("tx", nonce, name, price, tip)) & ((1 << 60) - 1)


def calls_of(name: int) -> list[Call]:
    return [Call(to=1, selector=2, calldata=(name,))]


def queue_of(node: ModelNode, **options: Any) -> TransactionQueue:
    settings_: dict[str, Any] = {"poll": 0.0005, "max_backoff": 0.002, "fees": POLICY}
    return TransactionQueue(ModelWallet(), node, **(settings_ | options))


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    trouble=st.floats(0, 0.8),
    count=st.integers(1, 40),
    batch_size=st.integers(1, 8),
    in_flight=st.integers(1, 16),
)
def test_every_transaction_lands_exactly_once_whatever_the_network_does(
    seed: int, trouble: float, count: int, batch_size: int, in_flight: int
) -> None:
    async def run() -> ModelNode:
        node = ModelNode(random.Random(seed), trouble)
        async with queue_of(node, batch_size=batch_size, max_in_flight=in_flight) as queue:
            tickets = [queue.submit(calls_of(name)) for name in range(count)]
            outcomes = await asyncio.gather(*(ticket.outcome(30) for ticket in tickets))
            assert queue.in_flight == 0
        assert all(outcome.succeeded and outcome.hash in outcome.hashes for outcome in outcomes)
        while node.late:
            node.add(node.late.pop())
        return node

    node = asyncio.run(run())
    assert sorted(node.applied) == list(range(count))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), trouble=st.floats(0, 0.5), refused=st.frozensets(st.integers(0, 19)))
def test_a_refused_transaction_fails_alone_and_leaves_no_hole(
    seed: int, trouble: float, refused: frozenset[int]
) -> None:
    async def run() -> ModelNode:
        node = ModelNode(random.Random(seed), trouble, refuses=refused)
        async with queue_of(node, batch_size=4) as queue:
            tickets = [queue.submit(calls_of(name)) for name in range(20)]
            results = await asyncio.gather(*(ticket.outcome(30) for ticket in tickets), return_exceptions=True)
        for name, result in enumerate(results):
            assert isinstance(result, TransactionRefused) == (name in refused), result
        return node

    assert sorted(asyncio.run(run()).applied) == [name for name in range(20) if name not in refused]


def test_a_fault_free_network_sees_each_transaction_once_in_order() -> None:
    async def run() -> ModelNode:
        node = ModelNode(random.Random(0))
        async with queue_of(node, batch_size=8) as queue:
            tickets = [queue.submit(calls_of(name)) for name in range(100)]
            await asyncio.gather(*(ticket.outcome(30) for ticket in tickets))
        return node

    node = asyncio.run(run())
    assert node.applied == list(range(100))
    assert node.posts == 100


def test_a_revert_is_an_outcome_and_on_request_an_exception() -> None:
    async def run() -> None:
        node = ModelNode(random.Random(0), reverts=frozenset({7}))
        async with queue_of(node) as queue:
            outcome = await queue.execute(calls_of(7), 10)
            assert outcome.revert_reason == "no"
            assert not outcome.succeeded
            with pytest.raises(TransactionReverted, match="no"):
                await queue.execute_or_raise(calls_of(7), 10)

    asyncio.run(run())


def test_a_fee_rise_of_ten_is_followed_and_remembered() -> None:
    async def run() -> ModelNode:
        node = ModelNode(random.Random(0), gas_price=80)
        async with queue_of(node) as queue:
            first = await queue.execute(calls_of(0), 10)
            second = await queue.execute(calls_of(1), 10)
        assert len(first.hashes) > 1
        assert len(second.hashes) == 1
        return node

    assert asyncio.run(run()).applied == [0, 1]


def test_a_price_above_the_ceiling_fails_the_transaction_by_name() -> None:
    async def run() -> ModelNode:
        node = ModelNode(random.Random(0), gas_price=10**6)
        async with queue_of(node) as queue:
            with pytest.raises(FeeCeiling, match="policy allows"):
                await queue.execute(calls_of(0), 10)
            node.gas_price = 1
            await queue.execute(calls_of(1), 10)
        return node

    assert asyncio.run(run()).applied == [1]


def test_a_stuck_transaction_is_bumped_on_tip_and_price_and_keeps_every_hash() -> None:
    async def run() -> ModelNode:
        node = ModelNode(random.Random(0), gas_price=12, mempool={})

        async def mine() -> None:
            while True:
                await asyncio.sleep(0.002)
                node.mine()

        miner = asyncio.create_task(mine())
        async with queue_of(node, stuck_after=0.02) as queue:
            outcomes = await asyncio.gather(*(queue.execute(calls_of(n), 20) for n in range(5)))
        miner.cancel()
        assert all(len(outcome.hashes) > 1 for outcome in outcomes[:1])
        return node

    assert asyncio.run(run()).applied == list(range(5))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), count=st.integers(1, 12))
def test_a_restart_finds_the_outcome_of_what_was_sent(
    seed: int, count: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    journal: Path = tmp_path_factory.mktemp("queue") / "journal.json"

    async def run() -> ModelNode:
        node = ModelNode(random.Random(seed), trouble=0.6)
        async with queue_of(node, journal=journal, batch_size=4) as queue:
            tickets = [queue.submit(calls_of(name)) for name in range(count)]
            await asyncio.sleep(0.002)
        told = {name for name, ticket in enumerate(tickets) if ticket.done and not await failed(ticket)}
        async with queue_of(node, journal=journal) as queue:
            results = await asyncio.gather(*(t.outcome(20) for t in queue.recovered), return_exceptions=True)
            assert all(not isinstance(r, BaseException) or isinstance(r, TransactionDisplaced) for r in results)
        assert told <= set(node.applied)
        return node

    async def failed(ticket: Any) -> bool:
        try:
            await ticket.outcome()
        except (QueueClosed, TransactionDisplaced):
            return True
        return False

    node = asyncio.run(run())
    assert len(set(node.applied)) == len(node.applied)
    assert "key" not in (journal.read_text() if journal.exists() else "")


@pytest.mark.parametrize("in_flight", [False, True])
def test_a_chain_that_went_back_is_followed(in_flight: bool) -> None:
    async def run() -> ModelNode:
        node = ModelNode(random.Random(0))
        async with queue_of(node) as queue:
            for name in range(6):
                await queue.execute(calls_of(name), 10)
            tickets = [queue.submit(calls_of(6))] if in_flight else []
            await asyncio.sleep(0)
            node.nonce, node.applied = 2, node.applied[:2]
            node.landed = {tx_hash: at for tx_hash, at in node.landed.items() if at[1] < 2}
            tickets.append(queue.submit(calls_of(7)))
            await asyncio.gather(*(ticket.outcome(10) for ticket in tickets))
        return node

    node = asyncio.run(run())
    # What is new starts where the chain is: no empty calls up to the old nonce.
    assert node.applied == ([0, 1, 6, 7] if in_flight else [0, 1, 7])
    if not in_flight:
        assert node.nonce == 3


def test_nothing_is_left_open_when_the_signer_fails() -> None:
    class Broken(ModelWallet):
        def sign(self, calls: Sequence[Call], nonce: int, fees: Fees) -> Signed:
            raise ValueError("no such key")

    async def run() -> None:
        async with TransactionQueue(Broken(), ModelNode(random.Random(0)), poll=0.001) as queue:
            with pytest.raises(ValueError, match="no such key"):
                await queue.execute(calls_of(0), 10)

    asyncio.run(run())
