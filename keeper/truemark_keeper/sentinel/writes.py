"""Writes that no transaction explains: what a block changed, less what its transactions' traces say they wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

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
        changed = _storage([update["state_diff"]], self._names)
        if not changed:
            return ()
        if isinstance(traces, RpcError):
            if traces.code == BLOCK_NOT_FOUND:
                raise traces
            return None
        diffs = [trace["trace_root"].get("state_diff") for trace in traces]
        if None in diffs:
            return None
        explained = _storage(diffs, self._names)
        found = [
            (address, key, value)
            for (address, key), value in sorted(changed.items())
            if explained.get((address, key)) != value
        ]
        return tuple([await self._write(block, *write) for write in found])

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


def _storage(diffs: Sequence[Mapping[str, Any]], names: Mapping[int, str]) -> dict[tuple[int, int], int]:
    """The last value of each slot of these contracts."""
    written: dict[tuple[int, int], int] = {}
    for diff in diffs:
        for contract in diff["storage_diffs"]:
            address = int(contract["address"], 16)
            if address in names:
                for entry in contract["storage_entries"]:
                    written[address, int(entry["key"], 16)] = int(entry["value"], 16)
    return written
