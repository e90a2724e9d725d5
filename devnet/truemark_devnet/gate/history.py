"""What L2 did with messages: which handlers ran, and what was sent to L1, by the blocks that the chain has now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from truemark_devnet.gate.messages import Call
from truemark_devnet.gate.upstream import NodeRefused, Upstream
from truemark_devnet.postman import ToL1

#: Blocks in one request.
_PAGE = 100


@dataclass(frozen=True, slots=True)
class Block:
    """What counts of a block with transactions.

    Attributes:
        mark: tells it from another block of the same number. devnet's block hash does not: it leaves out what is in it.
        succeeded: hashes of the messages whose handler succeeded.
        reverted: hashes of those whose handler was reverted.
    """

    number: int
    mark: tuple[Any, ...]
    succeeded: tuple[str, ...]
    reverted: tuple[str, ...]
    sent: tuple[ToL1, ...]


class History:
    """Read from the chain, block after block; each is read once, unless it was erased since."""

    def __init__(self, l2: Upstream) -> None:
        self._l2 = l2
        self._blocks: list[Block] = []
        self._open: tuple[Block, ...] = ()

    async def refresh(self) -> None:
        """
        Raises:
            NodeDown, NodeRefused: it did not work.
        """
        newest = int(await self._l2.call("starknet_blockNumber"))
        await self._drop_erased(newest)
        # From the last block with transactions: whether an empty one was replaced since cannot be told.
        first = self._blocks[-1].number + 1 if self._blocks else 0
        for start in range(first, newest + 1, _PAGE):
            numbers = range(start, min(start + _PAGE, newest + 1))
            found = await self._read("starknet_getBlockWithReceipts", [{"block_number": number} for number in numbers])
            self._blocks += [_block(block) for block in found if block["transactions"]]
        # With blocks made on demand a message may have been handled in one that is not closed.
        (block,) = await self._read("starknet_getBlockWithReceipts", ["pre_confirmed"])
        self._open = (_block(block),)

    @property
    def succeeded(self) -> frozenset[str]:
        return frozenset(item for block in (*self._blocks, *self._open) for item in block.succeeded)

    @property
    def reverted(self) -> frozenset[str]:
        return frozenset(item for block in (*self._blocks, *self._open) for item in block.reverted)

    @property
    def sent(self) -> list[ToL1]:
        """Of closed blocks, in order."""
        return [message for block in self._blocks for message in block.sent]

    async def _drop_erased(self, newest: int) -> None:
        """Goes back in growing steps until a block is the one that was read."""
        step = 1
        while self._blocks:
            last = self._blocks[-1]
            if last.number <= newest:
                (found,) = await self._read("starknet_getBlockWithTxHashes", [{"block_number": last.number}])
                if last.mark == _mark(found["block_hash"], found["timestamp"], found["transactions"]):
                    return
            del self._blocks[-step:]
            step *= 2

    async def _read(self, method: str, blocks: Iterable[Any]) -> list[dict[str, Any]]:
        calls: list[Call] = [
            {"jsonrpc": "2.0", "id": at, "method": method, "params": {"block_id": block}}
            for at, block in enumerate(blocks)
        ]
        replies = await self._l2.batch(calls)
        for reply in replies:
            if "result" not in reply:
                raise NodeRefused(method, reply.get("error"))
        return [reply["result"] for reply in replies]


def _block(block: dict[str, Any]) -> Block:
    receipts = [item["receipt"] for item in block["transactions"]]
    good = [receipt for receipt in receipts if receipt["execution_status"] == "SUCCEEDED"]
    bad = [receipt for receipt in receipts if receipt["execution_status"] != "SUCCEEDED"]
    hashes = [receipt["transaction_hash"] for receipt in receipts]
    return Block(
        number=int(block["block_number"]),
        mark=_mark(block.get("block_hash"), block["timestamp"], hashes),
        succeeded=tuple(_word(receipt["message_hash"]) for receipt in good if receipt["type"] == "L1_HANDLER"),
        reverted=tuple(_word(receipt["message_hash"]) for receipt in bad if receipt["type"] == "L1_HANDLER"),
        sent=tuple(ToL1.of(message) for receipt in good for message in receipt["messages_sent"]),
    )


def _mark(block_hash: Any, timestamp: Any, transactions: Iterable[str]) -> tuple[Any, ...]:
    return (block_hash, timestamp, *transactions)


def _word(text: str) -> str:
    """A hash in all its digits."""
    return f"0x{int(text, 16):064x}"
