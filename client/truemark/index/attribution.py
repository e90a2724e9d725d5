"""Who wrote what a block changed: the last transaction whose trace has the write, the protocol, or nobody.

A node's state difference has what a block changed in all; the traces have what each transaction did. What is in the
first and not in the second was written by no transaction: a database that was repaired, migrated or corrupted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from truemark.index.records import Cause
from truemark.index.values import word, word_of

#: The protocol keeps older blocks' hashes in the storage of this address, at the block's number.
BLOCK_HASHES: Final = word_of(1)
_HASH_DELAY: Final = 10
#: (which part, contract or class, key) -> (index of the transaction, value).
_Written = dict[tuple[str, bytes, bytes], tuple[int, bytes]]
_NO_KEY: Final = b""


class Attribution:
    """Of one block.

    Args:
        number: the block's.
        traces: of its transactions, in their order; None: the node has none.
    """

    def __init__(self, number: int, traces: Sequence[Mapping[str, Any]] | None) -> None:
        self._number = number
        self._written: _Written = {}
        #: (contract, key, index of the transaction, value) of what a later transaction wrote over.
        self.overwritten: list[tuple[bytes, bytes, int, bytes]] = []
        #: A trace may come without what it wrote; then an unexplained write may be its.
        self._complete = traces is not None
        for index, trace in enumerate(traces or ()):
            diff = trace["trace_root"].get("state_diff")
            if diff is None:
                self._complete = False
            else:
                self._add(index, diff)

    def _add(self, index: int, diff: Mapping[str, Any]) -> None:
        written = self._written
        for contract in diff["storage_diffs"]:
            address = word(contract["address"])
            for entry in contract["storage_entries"]:
                key, place = word(entry["key"]), ("storage", address, word(entry["key"]))
                before = written.get(place)
                if before is not None:
                    self.overwritten.append((address, key, *before))
                written[place] = (index, word(entry["value"]))
        for item in diff["nonces"]:
            written["nonce", word(item["contract_address"]), _NO_KEY] = (index, word(item["nonce"]))
        for item in diff["deployed_contracts"]:
            written["class", word(item["address"]), _NO_KEY] = (index, word(item["class_hash"]))
        for item in diff["replaced_classes"]:
            written["class", word(item["contract_address"]), _NO_KEY] = (index, word(item["class_hash"]))
        for item in diff["declared_classes"]:
            written["declared", word(item["class_hash"]), _NO_KEY] = (index, word(item["compiled_class_hash"]))
        for class_hash in diff.get("deprecated_declared_classes", ()):
            written["declared", word(class_hash), _NO_KEY] = (index, _NO_KEY)

    def of(self, part: str, subject: bytes, value: bytes, key: bytes = _NO_KEY) -> tuple[int | None, Cause]:
        """The transaction behind a write ("storage", "nonce", "class" or "declared"), or the cause without one.

        A transaction's write of another value than the block ended with does not explain the latter.
        """
        found = self._written.get((part, subject, key))
        if found is not None and found[1] == value:
            return found[0], Cause.TRANSACTION
        if self._number == 0:
            return None, Cause.GENESIS
        if self._is_block_hash(part, subject, key):
            return None, Cause.PROTOCOL
        return None, Cause.UNATTRIBUTED if self._complete else Cause.UNKNOWN

    def _is_block_hash(self, part: str, subject: bytes, key: bytes) -> bool:
        return part == "storage" and subject == BLOCK_HASHES and key == word_of(max(self._number - _HASH_DELAY, 0))
