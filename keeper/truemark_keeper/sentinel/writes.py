"""Writes that no transaction explains: what a block changed, less what its transactions' traces say they wrote."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from truemark.index.attribution import Attribution
from truemark.index.records import Cause
from truemark.index.values import word_of
from truemark.rpc import RpcError

from truemark_keeper.sentinel.sight import Write
from truemark_keeper.slots import Node

#: 24 no such block; anything else means that this node does not trace.
BLOCK_NOT_FOUND = 24


class WriteAudit(Protocol):
    """Tells which of the venue's slots a block changed with no transaction."""

    async def unattributed(self, block: int) -> tuple[Write, ...] | None:
        """None: it cannot tell."""
        ...


class NodeAudit:
    """By the node's own state update and traces.

    Args:
        node: the JSON-RPC client.
        contracts: the venue's contracts by name; only their storage is looked at.
    """

    def __init__(self, node: Node, contracts: Mapping[str, int]) -> None:
        self._node = node
        self._names = {address: name for name, address in contracts.items()}

    async def unattributed(self, block: int) -> tuple[Write, ...] | None:
        block_id = {"block_number": block}
        update, traces = await self._node.batch(
            [
                ("starknet_getStateUpdate", {"block_id": block_id}),
                ("starknet_traceBlockTransactions", {"block_id": block_id}),
            ]
        )
        if isinstance(update, RpcError):
            raise update
        changed = list(self._changed(update["state_diff"]))
        if not changed:
            return ()
        if isinstance(traces, RpcError):
            if traces.code == BLOCK_NOT_FOUND:
                raise traces
            return None
        by = Attribution(block, traces)
        found = []
        for address, key, value in changed:
            _, cause = by.of("storage", word_of(address), word_of(value), word_of(key))
            if cause is Cause.UNKNOWN:
                return None
            if cause is Cause.UNATTRIBUTED:
                found.append(await self._write(block, address, key, value))
        return tuple(found)

    def _changed(self, diff: Mapping[str, Any]) -> Iterator[tuple[int, int, int]]:
        for contract in diff["storage_diffs"]:
            address = int(contract["address"], 16)
            if address in self._names:
                for entry in contract["storage_entries"]:
                    yield address, int(entry["key"], 16), int(entry["value"], 16)

    async def _write(self, block: int, address: int, key: int, value: int) -> Write:
        before: int | None = None
        if block > 0:
            params = {"contract_address": hex(address), "key": hex(key), "block_id": {"block_number": block - 1}}
            try:
                before = int(await self._node.call("starknet_getStorageAt", params), 16)
            except RpcError:
                # A node without an archive: the evidence is the poorer by it, no more.
                before = None
        return Write(self._names[address], key, value, before)
