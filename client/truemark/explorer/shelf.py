"""The class of a contract at a block, and its ABI: from the index, else from the node. Nothing is configured."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from truemark.abi import Abi, AbiError
from truemark.explorer.directory import Directory, Known
from truemark.explorer.lookups import Lookups
from truemark.index import Index
from truemark.index.records import BlockRecord
from truemark.index.values import word_of
from truemark.rpc import NodeUnavailable, RpcError


class ClassShelf:
    """
    Args:
        directory: names, the shipped ABIs, and the way to the node.
    """

    def __init__(self, index: Index, lookups: Lookups, directory: Directory) -> None:
        self._index = index
        self._lookups = lookups
        self._directory = directory
        #: What no block deployed and no call has run, as the node said it; such contracts are there from the start.
        self._asked: dict[int, int] = {}

    async def resolve(
        self, addresses: Iterable[int], block: BlockRecord | None = None, ran: Mapping[int, int] | None = None
    ) -> dict[int, Known]:
        """Each address as it was after a block; by default now.

        Args:
            ran: classes that are known already, by address: those that ran in the block.
        """
        wanted = list(dict.fromkeys(addresses))
        classes = await asyncio.to_thread(self._lookups.classes_at, wanted, block)
        found: dict[int, Known] = {}
        for address in wanted:
            own = self._directory.own(address)
            if own is not None:
                found[address] = Known(self._directory.name(address), own, None)
                continue
            hashes = classes.get(address)
            if hashes is None and ran is not None and address in ran:
                hashes = (ran[address],)
            if hashes is None:
                hashes = await self._unwritten(address, block)
            if hashes:
                found[address] = await self._known(address, hashes, block)
            else:
                reason = "there is no contract at this address, as far as the index and the node know"
                found[address] = Known(self._directory.name(address), None, reason)
        return found

    async def abi_of(self, class_hash: int, block: BlockRecord | None = None) -> Abi | str:
        """The ABI of a class, or why there is none."""
        known = self._directory.class_known(class_hash)
        if known is not None:
            return known
        stored = await asyncio.to_thread(self._index.store.class_text, word_of(class_hash))
        if stored is not None:
            text, reason = stored
            found: Abi | str
            try:
                found = Abi.parse(text) if text is not None else reason or "the class has no ABI"
            except AbiError as error:
                found = str(error)
            self._directory.keep_class(class_hash, found)
            return found
        try:
            return await self._directory.of_class(class_hash, "latest" if block is None else block.number)
        except NodeUnavailable:
            return f"the index has not met class {class_hash:#x}, and the node does not answer"

    async def _known(self, address: int, hashes: tuple[int, ...], block: BlockRecord | None) -> Known:
        abis = [await self.abi_of(class_hash, block) for class_hash in hashes]
        first, older = abis[0], abis[1] if len(abis) > 1 else None
        return Known(
            name=self._directory.name(address),
            abi=None if isinstance(first, str) else first,
            reason=first if isinstance(first, str) else None,
            class_hash=hashes[0],
            older=older if isinstance(older, Abi) else None,
        )

    async def _unwritten(self, address: int, block: BlockRecord | None) -> tuple[int, ...] | None:
        """The class of a contract that the chain had before its first block."""
        if address in self._asked:
            return (self._asked[address],)
        ran = await asyncio.to_thread(self._lookups.class_run_at, address)
        if ran is None and (block is None or not block.orphaned):
            at = "latest" if block is None else block.number
            try:
                ran = (await self._directory.resolve([(address, at)]))[address, at].class_hash
            except (NodeUnavailable, RpcError):
                return None
        if ran is None:
            return None
        self._asked[address] = ran
        return (ran,)
