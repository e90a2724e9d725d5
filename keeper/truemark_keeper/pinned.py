"""Reads that all see one block, on a chain that may move forwards or back while they run."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeVar

from truemark.errors import TruemarkError
from truemark.rpc import RpcError

from truemark_keeper.slots import Node

log = logging.getLogger(__name__)

BLOCK_NOT_FOUND = 24
#: What a header says of its content; a node that lacks one says so in every header alike.
_COMMITMENTS = ("transaction_commitment", "event_commitment", "receipt_commitment", "state_diff_commitment")

Result = TypeVar("Result")


class ChainUnsteady(TruemarkError, RuntimeError):
    """The chain went back during every attempt to read it at one block."""


class BlockGone(TruemarkError, LookupError):
    """A block that was there is not there any more."""


@dataclass(frozen=True, slots=True)
class Head:
    """A block and what tells it from another one at its height.

    The block hash alone does not: starknet-devnet's covers neither time nor transactions, so after a rollback a
    different block has the same one.
    """

    number: int
    fingerprint: bytes


async def read_head(node: Node, block: int | None = None) -> Head:
    """The block of this number, or the latest.

    Raises:
        BlockGone: there is none.
        RpcError, NodeUnavailable: the node does not say.
    """
    block_id = "latest" if block is None else {"block_number": block}
    try:
        header = await node.call("starknet_getBlockWithTxHashes", {"block_id": block_id})
    except RpcError as error:
        if error.code == BLOCK_NOT_FOUND:
            raise BlockGone(f"the node has no block {'latest' if block is None else block}") from error
        raise
    return _head(header)


async def at_one_block(node: Node, work: Callable[[Head], Awaitable[Result]], *, attempts: int = 5) -> Result:
    """What `work` makes of the head when its block is the same before and after; else it starts again.

    `work` reads by the head's number. It must leave nothing behind that a second run does not put right.

    Raises:
        ChainUnsteady: the block changed in every attempt.
        RpcError, NodeUnavailable: as `work`.
    """
    for _ in range(attempts):
        try:
            head = await read_head(node)
            result = await work(head)
            if await read_head(node, head.number) == head:
                return result
        except BlockGone as error:
            log.warning("a block vanished while it was read", extra={"reason": str(error)})
        else:
            log.warning("a block was replaced while it was read", extra={"block": head.number})
    raise ChainUnsteady(f"the chain went back during each of {attempts} attempts to read it at one block")


async def batch_at(node: Node, calls: Sequence[tuple[str, Any]], *, size: int = 100) -> list[Any]:
    """The answers to many reads, `size` in one request; an error of a single one is its answer.

    Raises:
        BlockGone: the block they are pinned to is gone.
        NodeUnavailable: no answer.
    """
    answers: list[Any] = []
    for start in range(0, len(calls), size):
        answers += await node.batch(calls[start : start + size])
    for answer in answers:
        if isinstance(answer, RpcError) and answer.code == BLOCK_NOT_FOUND:
            raise BlockGone("the block of a read is gone")
    return answers


def _head(header: dict[str, Any]) -> Head:
    number, timestamp = int(header["block_number"]), int(header["timestamp"])
    digest = sha256()
    fields = [header["block_hash"], header["parent_hash"], *(header.get(name, "0x0") for name in _COMMITMENTS)]
    for value in (*fields, *header["transactions"]):
        # As numbers: nodes disagree on leading zeros.
        digest.update(int(value, 16).to_bytes(32, "big"))
    digest.update(number.to_bytes(8, "big") + timestamp.to_bytes(8, "big"))
    return Head(number, digest.digest())
