"""Blocks as the node gives them, whole: transactions with receipts, what they wrote, traces; nothing of a block that is
replaced while it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, TypeVar

from truemark.errors import TruemarkError
from truemark.index.fingerprint import diff_print, hashes_of, header_print
from truemark.index.values import word
from truemark.rpc import AsyncRpc, BadAnswer, RpcError

NO_BLOCK: Final = 24
NO_TRACE: Final = 10
NO_METHOD: Final = -32601
#: Headers in one request.
_HEADERS: Final = 200

_T = TypeVar("_T")


class BlockGone(TruemarkError, LookupError):
    """The node has no block of that number (any more)."""


class BlockChanged(TruemarkError, RuntimeError):
    """A block was replaced while it was read."""


@dataclass(frozen=True, slots=True)
class RawBlock:
    """A block as the node gave it. Without `traces` it is not known which transaction wrote what."""

    header: Mapping[str, Any]
    diff: Mapping[str, Any]
    traces: Sequence[Mapping[str, Any]] | None
    header_print: bytes
    diff_print: bytes

    @property
    def number(self) -> int:
        return int(self.header["block_number"])

    @property
    def size(self) -> int:
        """Its transactions."""
        return len(self.header["transactions"])


@dataclass(frozen=True, slots=True)
class Sighting:
    """What the chain looks like: its height, and how far L1 has accepted it (-1: not at all)."""

    head: int
    l1_accepted: int


class BlockReader:
    """Reads one node."""

    def __init__(self, rpc: AsyncRpc) -> None:
        self._rpc = rpc

    async def chain_id(self) -> int:
        return int(await self._rpc.call("starknet_chainId"), 16)

    async def sighting(self) -> Sighting:
        """
        Raises:
            NodeUnavailable: the node does not answer.
        """
        head, accepted = await self._rpc.batch(
            [("starknet_blockNumber", None), ("starknet_getBlockWithTxHashes", {"block_id": "l1_accepted"})]
        )
        if isinstance(head, RpcError):
            raise head
        l1 = -1 if isinstance(accepted, RpcError) else accepted.get("block_number", -1)
        return Sighting(int(head), int(l1))

    async def header_prints(self, numbers: Sequence[int]) -> list[bytes | None]:
        """The headers' prints of these blocks; None where the node has none."""
        prints: list[bytes | None] = []
        for part in _parts(numbers, _HEADERS):
            answers = await self._rpc.batch(
                [("starknet_getBlockWithTxHashes", {"block_id": {"block_number": number}}) for number in part]
            )
            prints += [
                None if _is_gone(answer) else _read("block", lambda raw=answer: header_print(raw)) for answer in answers
            ]
        return prints

    async def diff_prints(self, numbers: Sequence[int]) -> list[bytes | None]:
        """The prints of what these blocks wrote; None where the node has none."""
        prints: list[bytes | None] = []
        for part in _parts(numbers, _HEADERS):
            answers = await self._rpc.batch(
                [("starknet_getStateUpdate", {"block_id": {"block_number": number}}) for number in part]
            )
            prints += [None if _is_gone(answer) else _read("state update", _diff_print, answer) for answer in answers]
        return prints

    async def blocks(self, numbers: range, below: bytes | None = None) -> list[RawBlock]:
        """Blocks in a row, each as it was before and after it was read.

        Args:
            below: the header's print of the block under them, which must be there still.

        Raises:
            BlockGone: the node does not have all of them.
            BlockChanged: one was replaced meanwhile.
            NodeUnavailable: the node does not answer, or its counts do not agree with what it gives.
        """
        methods = ("starknet_getBlockWithReceipts", "starknet_getStateUpdate", "starknet_traceBlockTransactions")
        answers = await self._rpc.batch(
            [(method, {"block_id": {"block_number": number}}) for number in numbers for method in methods]
        )
        parts = iter(answers)
        found: list[RawBlock] = []
        for number in numbers:
            header, update, traces = islice(parts, 3)
            for answer in (header, update, traces):
                if _is_gone(answer):
                    raise BlockGone(f"the node has no block {number}")
            found.append(_read(f"block {number}", _raw_block, number, header, update, traces))
        first = numbers.start - 1 if below is not None else numbers.start
        again = await self.header_prints(range(first, numbers.stop))
        before = [below] if below is not None else []
        for number, was, now in zip(
            range(first, numbers.stop), [*before, *(block.header_print for block in found)], again, strict=True
        ):
            if was != now:
                raise BlockChanged(f"block {number} was replaced while it was read")
        return found


def _raw_block(number: int, header: Any, update: Any, traces: Any) -> RawBlock:
    diff = update["state_diff"]
    if header["block_number"] != number:
        raise BadAnswer(f"asked for block {number}, the node gave {header['block_number']}")
    if word(update["block_hash"]) != word(header["block_hash"]):
        raise BlockChanged(f"block {number} was replaced while it was read")
    transactions = header["transactions"]
    if isinstance(traces, list):
        traced = [word(trace["transaction_hash"]) for trace in traces]
        if traced != [word(text) for text in hashes_of(transactions)]:
            raise BlockChanged(f"block {number} has other transactions than its traces")
    counts = {
        "transaction_count": len(transactions),
        "event_count": sum(len(item["receipt"]["events"]) for item in transactions),
        "state_diff_length": _length(diff),
    }
    for name, count in counts.items():
        if header.get(name, count) != count:
            raise BlockChanged(f"block {number}: the header has {name} {header[name]}, the node gave {count}")
    return RawBlock(
        header=header,
        diff=diff,
        traces=traces if isinstance(traces, list) else None,
        header_print=header_print(header),
        diff_print=diff_print(diff),
    )


def _length(diff: Mapping[str, Any]) -> int:
    """As the protocol counts: every storage entry, nonce, class of a contract and declared class is one."""
    return (
        sum(len(contract["storage_entries"]) for contract in diff["storage_diffs"])
        + len(diff["nonces"])
        + len(diff["deployed_contracts"])
        + len(diff["replaced_classes"])
        + len(diff["declared_classes"])
        + len(diff.get("deprecated_declared_classes", ()))
    )


def _is_gone(answer: Any) -> bool:
    """
    Raises:
        RpcError: the node refused for another reason.
    """
    if isinstance(answer, RpcError):
        if answer.code == NO_BLOCK:
            return True
        if answer.code not in (NO_METHOD, NO_TRACE):
            raise answer
    return False


def _parts(numbers: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    return (numbers[at : at + size] for at in range(0, len(numbers), size))


def _diff_print(update: Any) -> bytes:
    return diff_print(update["state_diff"])


def _read(what: str, work: Callable[..., _T], *args: Any) -> _T:
    try:
        return work(*args)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise BadAnswer(f"the node gave what is no {what}: {type(error).__name__} {error}") from None
