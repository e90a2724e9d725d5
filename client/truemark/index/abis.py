"""The ABI of every contract that emits: by its class, from the index, else from the node. Nothing is configured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from truemark.abi import Abi, AbiError
from truemark.index.classes import Classes, ClassText
from truemark.index.reader import RawBlock
from truemark.index.store import Store
from truemark.index.values import word
from truemark.rpc import AsyncRpc, RpcError


@dataclass(frozen=True, slots=True)
class Found:
    """What was asked of the node for some blocks.

    Attributes:
        classes: classes that the index did not know.
        contracts: the class of contracts that no block deployed: they were there from the start.
    """

    classes: Mapping[bytes, ClassText]
    contracts: Mapping[bytes, bytes]


class ClassBook:
    """Which class a contract has as the chain goes on, and each class's ABI.

    It runs ahead of what is written: `look_up` takes blocks in their order, and what it finds is there when they are
    written.
    """

    def __init__(self, rpc: AsyncRpc, store: Store) -> None:
        self._rpc = rpc
        self._store = store
        self._contracts: dict[bytes, bytes] = {}
        self._classes: dict[bytes, ClassText] = {}
        #: Class hashes as nodes write them, that were met in calls.
        self._called: set[str] = set()

    def forget_contracts(self) -> None:
        """After a rollback. A class stays what it is."""
        self._contracts.clear()

    def class_text(self, class_hash: bytes) -> ClassText | None:
        return self._classes.get(class_hash)

    async def look_up(self, blocks: Sequence[RawBlock]) -> tuple[list[Classes], Found]:
        """For each block the classes of every contract that emits in it, and what had to be asked for.

        Raises:
            NodeUnavailable: the node does not answer.
        """
        asked: dict[bytes, int] = {}
        waiting: list[tuple[Classes, bytes]] = []
        by_block: list[Classes] = []
        for block in blocks:
            before = self._follow(block.diff)
            here: Classes = {}
            by_block.append(here)
            for address in {
                word(event["from_address"])
                for item in block.header["transactions"]
                for event in item["receipt"]["events"]
            }:
                known = self._class_of(address)
                if known is not None:
                    # Replaced in this block: an event may be older than that.
                    older = before.get(address)
                    here[address] = (known,) if older is None else (known, older)
                else:
                    asked.setdefault(address, block.number)
                    waiting.append((here, address))
        found = await self._ask_contracts(asked)
        for here, address in waiting:
            if address in found:
                here[address] = (found[address],)
        for address, class_hash in found.items():
            self._contracts.setdefault(address, class_hash)
        wanted = dict.fromkeys(each for here in by_block for several in here.values() for each in several)
        wanted |= dict.fromkeys(self._new_in_calls(blocks))
        classes = await self._load(wanted, blocks[-1].number if blocks else 0)
        return by_block, Found(classes, found)

    def _new_in_calls(self, blocks: Sequence[RawBlock]) -> Iterator[bytes]:
        """The classes that run in these blocks, each when it is met first."""
        for block in blocks:
            for trace in block.traces or ():
                for class_hash in _classes_in(trace["trace_root"].values()):
                    if class_hash not in self._called:
                        self._called.add(class_hash)
                        yield word(class_hash)

    def _follow(self, diff: Mapping[str, Any]) -> dict[bytes, bytes]:
        """Takes in what a block deployed and replaced; the classes that were replaced."""
        before: dict[bytes, bytes] = {}
        for item in diff["deployed_contracts"]:
            self._contracts[word(item["address"])] = word(item["class_hash"])
        for item in diff["replaced_classes"]:
            address = word(item["contract_address"])
            older = self._class_of(address)
            if older is not None:
                before[address] = older
            self._contracts[address] = word(item["class_hash"])
        return before

    def _class_of(self, address: bytes) -> bytes | None:
        known = self._contracts.get(address)
        if known is None:
            known = self._store.class_of(address)
            if known is not None:
                self._contracts[address] = known
        return known

    async def _ask_contracts(self, asked: Mapping[bytes, int]) -> dict[bytes, bytes]:
        answers = await self._rpc.batch(
            [
                (
                    "starknet_getClassHashAt",
                    {"block_id": {"block_number": number}, "contract_address": f"0x{int.from_bytes(address, 'big'):x}"},
                )
                for address, number in asked.items()
            ]
        )
        return {
            address: word(answer)
            for address, answer in zip(asked, answers, strict=True)
            if not isinstance(answer, RpcError)
        }

    async def _load(self, wanted: Iterable[bytes], block: int) -> dict[bytes, ClassText]:
        fresh: dict[bytes, ClassText] = {}
        for class_hash in wanted:
            if class_hash in self._classes:
                continue
            stored = self._store.class_text(class_hash)
            if stored is not None:
                self._classes[class_hash] = _parsed(*stored)
                continue
            try:
                answer = await self._rpc.call(
                    "starknet_getClass",
                    {"block_id": {"block_number": block}, "class_hash": f"0x{int.from_bytes(class_hash, 'big'):x}"},
                )
            except RpcError as error:
                # Not kept: a later block may have it.
                fresh[class_hash] = ClassText(
                    None, f"the node does not give the class: {error.message}", None, keep=False
                )
                continue
            fresh[class_hash] = self._classes[class_hash] = _of_answer(answer)
        return fresh


def _classes_in(calls: Iterable[Any]) -> Iterator[str]:
    for call in calls:
        if isinstance(call, dict) and "contract_address" in call:
            if call.get("class_hash"):
                yield call["class_hash"]
            if call["calls"]:
                yield from _classes_in(call["calls"])


def _of_answer(answer: Any) -> ClassText:
    abi = answer.get("abi") if isinstance(answer, dict) else None
    if isinstance(answer, dict) and "program" in answer:
        return ClassText(None, "a Cairo 0 class: its ABI is not read", None)
    if not abi:
        return ClassText(None, "the class has no ABI", None)
    return _parsed(abi if isinstance(abi, str) else orjson.dumps(abi).decode(), None)


def _parsed(text: str | None, reason: str | None) -> ClassText:
    if text is None:
        return ClassText(None, reason, None)
    try:
        return ClassText(text, None, Abi.parse(text))
    except AbiError as error:
        return ClassText(text, str(error), None)
