"""Follows a chain into an index: what is missing is read, what the chain no longer has is orphaned.

Polling is the truth. Whether the stored blocks are still the node's is asked on every look: of the newest ones and the
first; of all after a start, after a silence and when anything differs, for on a development node blocks can be replaced
by others that look the same, with different ones below. On a node whose block hash commits to the
content one equal block proves all below it.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, replace
from itertools import count, pairwise
from typing import Any, Final

from truemark.deployment import Deployment
from truemark.index.abis import ClassBook, Found
from truemark.index.classes import Classes, ClassText
from truemark.index.derive import Participants, derive
from truemark.index.queries import Index
from truemark.index.reader import BlockChanged, BlockGone, BlockReader, RawBlock, Sighting
from truemark.index.rows import rows_of
from truemark.index.store import IndexConflict, Store, Stored
from truemark.index.values import word_of
from truemark.rpc import AsyncRpc, NodeUnavailable, RpcError

#: Transactions that are read at once: memory stays flat, whatever the blocks hold.
_AT_ONCE: Final = 400
_MOST_BLOCKS: Final = 100
_FIRST_CHUNK: Final = 4
#: The newest blocks that every look compares.
_WINDOW: Final = 64
#: Stored blocks that are compared in one request.
_STRIDE: Final = 400
#: Generations of Python's collector, and after how many chunks all of them are looked through.
_YOUNG: Final = 0
_ALL: Final = 2
_CHUNKS_TO_COLLECT: Final = 200
#: Looks in a row that the chain may change under, before that is an error.
_PATIENCE: Final = 20
_LONGEST_PAUSE: Final = 5.0

_log = logging.getLogger("truemark.index")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the index is: the last block written, the chain's height, and what was written in this run."""

    number: int
    head: int
    blocks: int
    transactions: int
    events: int


#: Told after each stretch of blocks and after each rollback.
Report = Callable[[Progress], None]


class Follower:
    """
    Args:
        rpc: the node.
        index: where to; nobody else may write there meanwhile.
        deployment: gives the index the names of contracts and of their storage.
        first_block: where a new index begins.
        audit: seconds between two looks at a stretch of older blocks; None: none, they are compared after a start and
            a silence only.
    """

    def __init__(
        self,
        rpc: AsyncRpc,
        index: Index,
        deployment: Deployment | None = None,
        *,
        first_block: int = 0,
        audit: float | None = 10.0,
    ) -> None:
        self._reader = BlockReader(rpc)
        self._store: Store = index.store
        self._classes = ClassBook(rpc, self._store)
        self._participants = Participants()
        self._first = first_block
        self._audit = audit
        self._audited_at = time.monotonic()
        self._audited = first_block
        self._chain: int | None = None
        #: All stored blocks are to be compared at the next look.
        self._suspicious = True
        self._why = "start"
        self._lock = asyncio.Lock()
        self._written = Progress(-1, -1, 0, 0, 0)
        #: When the node last answered, on the clock of time.monotonic; None: not yet.
        self.heard_at: float | None = None
        #: Why the last look failed; None: it did not.
        self.last_error: str | None = None
        if deployment is not None:
            index.name(deployment)

    @property
    def progress(self) -> Progress:
        return self._written

    async def backfill(self, progress: Report | None = None) -> int:
        """Reads up to the chain's height, as it is when it gets there; the last block's number, -1 without one.

        Raises:
            NodeUnavailable, RpcError: the node does not answer, or refuses.
            BlockChanged, BlockGone: the chain kept changing while it was read.
            IndexConflict: another follower writes to the index.
        """
        async with self._lock:
            for attempt in range(_PATIENCE):
                try:
                    await self._look(progress)
                except (BlockChanged, BlockGone):
                    # Replaced while it was read: the next look finds out since where.
                    self._doubt("replaced while it was read")
                    if attempt == _PATIENCE - 1:
                        raise
                    await asyncio.sleep(0.01 * attempt)
                except NodeUnavailable as error:
                    self._doubt("silence")
                    self.last_error = str(error)
                    raise
                except BaseException:
                    self._doubt("interrupted")
                    raise
                else:
                    self.heard_at, self.last_error = time.monotonic(), None
                    break
            head = await asyncio.to_thread(self._store.head)
            return -1 if head is None else head.number

    async def follow(self, stop: asyncio.Event, *, poll: float = 0.5, progress: Report | None = None) -> None:
        """Keeps the index with the chain until `stop` is set, through the node's silences and refusals.

        Args:
            poll: seconds between two looks.

        Raises:
            IndexConflict: another follower writes to the index.
        """
        pause = poll
        while not stop.is_set():
            try:
                await self.backfill(progress)
                pause = poll
            except (NodeUnavailable, RpcError, BlockChanged, BlockGone) as error:
                if self.last_error is None or pause == poll:
                    _log.warning("the node cannot be followed: %s", error)
                self.last_error = str(error)
                pause = min(pause * 2, _LONGEST_PAUSE)
            try:
                await asyncio.wait_for(stop.wait(), pause)
            except TimeoutError:
                continue

    def _doubt(self, why: str) -> None:
        self._suspicious, self._why = True, why
        self._chain = None

    async def _look(self, progress: Report | None) -> None:
        sighting = await self._reader.sighting()
        head = await asyncio.to_thread(self._store.head)
        if self._chain is None:
            await self._begin(head)
            head = await asyncio.to_thread(self._store.head)
        if head is not None:
            fork, why = await self._fork(head, sighting)
            if fork < head.number:
                await self._roll_back(fork, why)
                self._written = replace(self._written, number=fork, head=sighting.head)
                if progress is not None:
                    progress(self._written)
                head = await asyncio.to_thread(self._store.head)
                if head is None:
                    await self._begin(None)
        self._suspicious = False
        if await asyncio.to_thread(self._store.note_finality, sighting.l1_accepted):
            _log.error("L1 has accepted less of the chain than before: up to block %d", sighting.l1_accepted)
        await self._fill(head, sighting.head, progress)

    async def _begin(self, head: Stored | None) -> None:
        """Learns which chain it is, and forgets what it knows of another."""
        chain_id = word_of(await self._reader.chain_id())
        first = await asyncio.to_thread(self._store.first)
        begin = self._first if first is None else first
        (genesis,) = await self._reader.header_prints([begin])
        if genesis is None:
            raise BlockGone(f"the node has no block {begin} to begin with")
        chain = await asyncio.to_thread(self._store.chain, chain_id, genesis)
        if head is not None and chain != await asyncio.to_thread(self._store.chain_of, head.id):
            await self._roll_back(begin - 1, "another chain")
        else:
            self._reset()
        self._chain = chain

    async def _roll_back(self, fork: int, why: str) -> None:
        count = await asyncio.to_thread(self._store.roll_back, fork, why)
        _log.warning("%d blocks above %d are no more (%s)", count, fork, why)
        self._reset()

    def _reset(self) -> None:
        self._classes.forget_contracts()
        self._participants.load(self._store.participants())

    async def _fork(self, head: Stored, sighting: Sighting) -> tuple[int, str]:
        """The highest stored block that the node has too, with all below it, and why that was looked for."""
        first = await asyncio.to_thread(self._store.first)
        assert first is not None
        window = {first, *range(max(first, head.number - _WINDOW + 1), head.number + 1)}
        why = self._why if self._suspicious else ""
        if sighting.head < head.number:
            why = "the chain is shorter"
        elif not why and await self._differing(sorted(window | self._stretch(head, first))) is not None:
            why = "a block differs"
        if not why:
            return head.number, ""
        if head.strong:
            return await self._descend(first, min(head.number, sighting.head)), why
        # From below: what differs first is where the chains part, whatever looks the same above it.
        for start in range(first, head.number + 1, _STRIDE):
            differs = await self._differing(range(start, min(start + _STRIDE, head.number + 1)))
            if differs is not None:
                return differs - 1, why
        return head.number, why

    def _stretch(self, head: Stored, first: int) -> set[int]:
        """Older blocks to compare this time."""
        if self._audit is None or head.strong or time.monotonic() - self._audited_at < self._audit:
            return set()
        begin = self._audited if first <= self._audited <= head.number else first
        end = min(begin + _STRIDE, head.number + 1)
        self._audited, self._audited_at = end, time.monotonic()
        return set(range(begin, end))

    async def _descend(self, first: int, high: int) -> int:
        """The highest equal block where one equal block proves all below: in growing steps down, then by halves."""
        low, step = high, 1
        while low >= first and await self._differing([low]) is not None:
            high, low, step = low, low - step, step * 2
        low = max(low, first - 1)
        while high - low > 1:
            middle = (low + high) // 2
            if await self._differing([middle]) is None:
                low = middle
            else:
                high = middle
        return low

    async def _differing(self, numbers: Iterable[int]) -> int | None:
        """The lowest of these blocks that the node does not have as it is stored."""
        asked = list(numbers)
        stored = await asyncio.to_thread(self._store.at, asked)
        headers = await self._reader.header_prints(asked)
        for number, header in zip(asked, headers, strict=True):
            if number not in stored or stored[number].header != header:
                return await self._lower(number, [each for each in asked if each < number], stored)
        return await self._lower(None, asked, stored)

    async def _lower(self, found: int | None, below: list[int], stored: dict[int, Stored]) -> int | None:
        """`found`, or one of those below whose header does not tell what the block wrote, where that differs."""
        silent = [number for number in below if not stored[number].covers_diff]
        for number, diff in zip(silent, await self._reader.diff_prints(silent), strict=True):
            if stored[number].diff != diff:
                return number
        return found

    async def _fill(self, head: Stored | None, last: int, progress: Report | None) -> None:
        """Writes what is missing up to `last`; while some blocks are written, the next ones are read."""
        start = self._first if head is None else head.number + 1
        if start > last:
            return
        size, chunks = _FIRST_CHUNK, count(1)
        collecting = gc.isenabled()
        # What is read is freed without the collector, which would look through all of it again and again.
        gc.disable()
        reading = asyncio.create_task(
            self._read(range(start, min(start + size, last + 1)), None if head is None else head.header)
        )
        try:
            while True:
                blocks, classes, found = await reading
                transactions = sum(block.size for block in blocks)
                size = max(1, min(_MOST_BLOCKS, _AT_ONCE * len(blocks) // max(transactions, 1)))
                start = blocks[-1].number + 1
                more = start <= last
                if more:
                    numbers = range(start, min(start + size, last + 1))
                    reading = asyncio.create_task(self._read(numbers, blocks[-1].header_print))
                head = await _finished(asyncio.to_thread(self._write, head, blocks, classes, found))
                done = self._written
                self._written = Progress(
                    number=head.number,
                    head=last,
                    blocks=done.blocks + len(blocks),
                    transactions=done.transactions + transactions,
                    events=done.events
                    + sum(len(item["receipt"]["events"]) for block in blocks for item in block.header["transactions"]),
                )
                if progress is not None:
                    progress(self._written)
                if not more:
                    return
                if collecting:
                    gc.collect(_ALL if next(chunks) % _CHUNKS_TO_COLLECT == 0 else _YOUNG)
        finally:
            if collecting:
                gc.enable()
            if not reading.done():
                reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _read(self, numbers: range, below: bytes | None) -> tuple[list[RawBlock], list[Classes], Found]:
        blocks = await self._reader.blocks(numbers, below)
        for lower, upper in pairwise(blocks):
            if lower.header["block_hash"] != upper.header["parent_hash"]:
                raise BlockChanged(f"block {upper.number} does not follow the one before it")
        classes, found = await self._classes.look_up(blocks)
        return blocks, classes, found

    def _write(self, head: Stored | None, blocks: list[RawBlock], classes: list[Classes], found: Found) -> Stored:
        """In a thread of its own."""
        if self._chain is None:
            raise IndexConflict("the chain is not known")
        texts = {class_hash: (text.abi, text.reason) for class_hash, text in found.classes.items() if text.keep}
        contracts = dict(found.contracts)

        def class_text(class_hash: bytes) -> ClassText | None:
            return found.classes.get(class_hash) or self._classes.class_text(class_hash)

        for block, here in zip(blocks, classes, strict=True):
            rows = rows_of(
                block, here, lambda class_hash: self._classes.class_text(class_hash) or found.classes.get(class_hash)
            )
            derive(rows, self._participants)
            head = self._store.write(rows, self._chain, head, texts, contracts)
            texts, contracts = {}, {}
        assert head is not None
        return head


async def _finished(work: Coroutine[Any, Any, Stored]) -> Stored:
    """The result of what runs in a thread; who is cancelled waits for it first, for it cannot be stopped."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
