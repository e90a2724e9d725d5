"""Blocks of 50 transactions that the index takes in a second, receipts, state differences and traces, decoded, into
SQLite; against only reading the same three with starknet-py's FullNodeClient. And what memory that takes as the chain
grows."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import psutil
from starknet_py.net.full_node_client import FullNodeClient
from truemark.felt import selector
from truemark.index import Follower, Index, Progress
from truemark.keys import StarkKey
from truemark.rpc import AsyncRpc, Params, RpcError
from truemark.transactions import Call
from truemark_keeper.fees import default_policy
from truemark_keeper.wallet import StarkWallet

from truemark_devnet.accounts import FEE_TOKEN, L2Account, l2_accounts
from truemark_devnet.bench.figure import Figure
from truemark_devnet.nodes import NodeSettings, running_nodes

PER_BLOCK = 50
#: Blocks that the node makes; each transaction has two events.
BLOCKS = 60
_EVENTS = 100_000
#: When memory is looked at first.
_EARLY = 10_000
#: The contenders take turns, so that a busy machine burdens each alike.
_ROUNDS = 3
_THEIR_BLOCKS = 8


def run() -> list[Figure]:
    return asyncio.run(_run())


async def _run() -> list[Figure]:
    with running_nodes(settings=NodeSettings(block_generation="demand")) as nodes, tempfile.TemporaryDirectory() as out:
        url = nodes.l2_node_url
        account = next(account for account in l2_accounts(url) if account.role.startswith("spare-"))
        async with AsyncRpc(url) as rpc:
            chain = Chain(rpc, account, nodes.l2_chain_id)
            await chain.grow(BLOCKS)
            ours, theirs = await _race(rpc, url, Path(out))
            async with Endless(rpc, blocks=_EVENTS // (2 * PER_BLOCK)) as endless:
                early, late = await _memory(endless, Path(out))
    return [
        Figure("backfill", ours, "blocks/s", theirs, "starknet-py FullNodeClient, read only"),
        Figure("backfill.memory", late, f"MB at {_EVENTS:,} events", early, f"MB at {_EARLY:,} events"),
    ]


class Chain:
    """Makes blocks, one account's transfers of one FRI."""

    def __init__(self, rpc: AsyncRpc, account: L2Account, chain_id: int) -> None:
        self._rpc = rpc
        self._wallet = StarkWallet(account.address, StarkKey.from_private(account.private_key), chain_id)
        self._nonce = 0

    async def grow(self, blocks: int) -> None:
        fees = default_policy().first
        for _ in range(blocks):
            for place in range(PER_BLOCK):
                call = Call(FEE_TOKEN, selector("transfer"), (0x1000 + place, 1, 0))
                signed = self._wallet.sign([call], self._nonce, fees)
                await self._rpc.call("starknet_addInvokeTransaction", {"invoke_transaction": signed.transaction})
                self._nonce += 1
            await self._rpc.call("devnet_createBlock")


class Endless(AsyncRpc):
    """A node's blocks over and over, as a chain of any length: a real one takes long to make. What it was asked once
    it keeps as text, so that an answer costs what reading one costs."""

    def __init__(self, rpc: AsyncRpc, blocks: int) -> None:
        super().__init__(rpc.url)
        self._rpc = rpc
        self._height = blocks
        self._texts: dict[str, bytes] = {}

    async def call(self, method: str, params: Params | None = None) -> Any:
        (answer,) = await self.batch([(method, params)])
        if isinstance(answer, RpcError):
            raise answer
        return answer

    async def batch(self, calls: Sequence[tuple[str, Params | None]]) -> list[Any]:
        return [await self._answer(method, params) for method, params in calls]

    async def _answer(self, method: str, params: Params | None) -> Any:
        block = params.get("block_id") if isinstance(params, Mapping) else None
        if method == "starknet_blockNumber":
            return self._height
        if not isinstance(block, Mapping) or "contract_address" in (params or ()) or "class_hash" in (params or ()):
            (answer,) = await self._rpc.batch([(method, params)])
            return answer
        number = int(block["block_number"])
        source = number and 1 + (number - 1) % BLOCKS
        key = f"{method} {source}"
        if key not in self._texts:
            self._texts[key] = orjson.dumps(await self._rpc.call(method, {"block_id": {"block_number": source}}))
        answer = orjson.loads(self._texts[key])
        if isinstance(answer, dict):
            answer["block_hash"] = hex(number + 1)
            if "block_number" in answer:
                answer |= {"block_number": number, "parent_hash": hex(number)}
        return answer


async def _race(rpc: AsyncRpc, url: str, out: Path) -> tuple[float, float]:
    """Blocks a second of each, over all rounds."""
    client = FullNodeClient(node_url=url)
    ours = theirs = 0.0
    for turn in range(_ROUNDS):
        with Index.open(out / f"race{turn}.sqlite") as index:
            start = time.perf_counter()
            await Follower(rpc, index).backfill()
            ours += time.perf_counter() - start
        start = time.perf_counter()
        for number in range(1, _THEIR_BLOCKS + 1):
            await client.get_block_with_receipts(block_number=number)
            await client.get_state_update(block_number=number)
            await client.trace_block_transactions(block_number=number)
        theirs += time.perf_counter() - start
    return _ROUNDS * BLOCKS / ours, _ROUNDS * _THEIR_BLOCKS / theirs


async def _memory(rpc: AsyncRpc, out: Path) -> tuple[float, float]:
    """MB of this process after so many events, and after all."""
    process, seen = psutil.Process(), list[float]()

    def look(progress: Progress) -> None:
        if progress.events >= _EARLY and not seen:
            seen.append(process.memory_info().rss / 1e6)

    with Index.open(out / "memory.sqlite") as index:
        follower = Follower(rpc, index)
        await follower.backfill(look)
        assert follower.progress.events >= _EVENTS
        return seen[0], process.memory_info().rss / 1e6
