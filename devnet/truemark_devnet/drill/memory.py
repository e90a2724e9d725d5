"""What a drill has done so far, on disk: steps with their figures, and each transaction before it is sent, so that a
process that was killed at any moment goes on where it was and sends nothing twice."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import orjson
from truemark.account import HASH_NOT_FOUND, Account
from truemark.errors import TruemarkError
from truemark.receipt import Receipt, parse_receipt
from truemark.rpc import RpcError
from truemark.transactions import Call, invoke_v3

VERSION: Final = 1
FILE: Final = "drill.json"


class BadMemory(TruemarkError, ValueError):
    """A folder that holds no drill, or one of another size or version."""


class Memory:
    """
    Args:
        folder: of the drill; what is there goes on.
        size: what the drill is run with; another one cannot go on here.
    """

    def __init__(self, folder: Path, size: Mapping[str, Any]) -> None:
        self.folder = folder
        self._path = folder / FILE
        self._content: dict[str, Any] = {"version": VERSION, "size": dict(size), "parts": {}, "sent": {}}
        try:
            found = orjson.loads(self._path.read_bytes())
        except FileNotFoundError:
            folder.mkdir(parents=True, exist_ok=True)
            self.save()
            return
        except (OSError, ValueError) as error:
            raise BadMemory(f"{self._path}: {error}") from error
        if not isinstance(found, dict) or found.get("version") != VERSION or found.get("size") != dict(size):
            raise BadMemory(f"{folder} has a drill of another size or version: finish that one, or --fresh begins anew")
        self._content = found

    # Steps

    def facts(self, part: str, step: str) -> dict[str, Any] | None:
        """What a step that is behind has noted; None: it is not behind."""
        found = self._part(part)["steps"].get(step)
        return None if found is None else found["facts"]

    def finish(self, part: str, step: str, facts: Mapping[str, Any], *, began: float, at: int) -> None:
        """`began`: of this process, on the clock of time.monotonic; `at`: block time."""
        seconds = round(time.monotonic() - began, 2)
        self._part(part)["steps"][step] = {"facts": dict(facts), "seconds": seconds, "at": at}
        self.save()

    def steps(self, part: str) -> dict[str, dict[str, Any]]:
        """By name, in their order: `facts`, `seconds` and block time `at`."""
        found: dict[str, dict[str, Any]] = self._part(part)["steps"]
        return found

    # Single values within a step

    def note(self, part: str, name: str, value: Any) -> Any:
        """Keeps a value the first time; afterwards it stays what it was."""
        notes = self._part(part)["notes"]
        if name not in notes:
            notes[name] = value
            self.save()
        return notes[name]

    def noted(self, part: str, name: str) -> Any:
        """
        Raises:
            KeyError: it was not noted.
        """
        return self._part(part)["notes"][name]

    def has(self, part: str, name: str) -> bool:
        return name in self._part(part)["notes"]

    # Transactions

    async def once(self, key: str, account: Account, calls: Sequence[Call]) -> Receipt:
        """Sends the calls as one transaction of the account, whoever asks how often: its hash is written down before.

        The account must have no other sender. The receipt, reverted or not.

        Raises:
            TransactionRefused, TransactionTimeout, NodeUnavailable: it can be asked again.
        """
        sent = self._content["sent"].get(key)
        if sent is not None:
            found = await _receipt(account, int(sent["hash"], 16))
            if found is not None:
                return found
        nonce = await account.nonce()
        tx_hash, _ = invoke_v3(tuple(calls), account.address, nonce, account.chain_id, account.fees)
        self._content["sent"][key] = {"hash": hex(tx_hash), "nonce": nonce}
        self.save()
        return await account.wait(await account.send(calls))

    def hash_of(self, key: str) -> int:
        """Of a transaction that was sent by that key."""
        return int(self._content["sent"][key]["hash"], 16)

    def _part(self, name: str) -> dict[str, Any]:
        empty: dict[str, Any] = {"steps": {}, "notes": {}}
        found: dict[str, Any] = self._content["parts"].setdefault(name, empty)
        return found

    def save(self) -> None:
        """Replaces the file whole: a kill leaves the old or the new one."""
        handle, name = tempfile.mkstemp(dir=self.folder, prefix=f".{FILE}.")
        with os.fdopen(handle, "wb") as file:
            file.write(orjson.dumps(self._content, option=orjson.OPT_INDENT_2))
        Path(name).replace(self._path)


async def _receipt(account: Account, tx_hash: int) -> Receipt | None:
    """None: the chain has no such transaction."""
    try:
        raw = await account.rpc.call("starknet_getTransactionReceipt", {"transaction_hash": hex(tx_hash)})
    except RpcError as error:
        if error.code == HASH_NOT_FOUND:
            return None
        raise
    return parse_receipt(raw)
