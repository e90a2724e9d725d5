"""Who may send transactions: everybody, or while it is closed a few named accounts. A file keeps it over restarts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from truemark_devnet.gate.messages import Call, address, is_devnet_change, is_transaction, method_of, sender_of
from truemark_devnet.state import write_private

#: The code of a refusal. Negative, as Starknet's own codes are positive: to a client it is "not now", not "never".
ADMISSION_CLOSED = -32003


@dataclass(frozen=True, slots=True)
class Admission:
    """
    Attributes:
        is_open: transactions of everybody pass.
        allowed: accounts whose transactions pass while it is closed.
    """

    is_open: bool = True
    allowed: frozenset[int] = frozenset()

    def refusal(self, call: Call, *, authorised: bool) -> str | None:
        """Why a call may not pass; None when it may.

        While closed, a transaction passes by its sender; devnet's own methods that change the chain (mint, time,
        message flush, abort, ...) pass only with the control token: they are the tools of the one who closed it.
        An account's first transaction, which deploys it, names no sender and does not pass.
        """
        if self.is_open:
            return None
        method = method_of(call)
        if is_transaction(method):
            sender = sender_of(call)
            if sender is None or sender not in self.allowed:
                return "admission of new transactions is closed: try again when the venue has reopened"
        if is_devnet_change(method) and not authorised:
            return f"admission is closed: {method} needs the gate's control token"
        return None

    def to_json(self) -> dict[str, Any]:
        return {"open": self.is_open, "allow": [hex(item) for item in sorted(self.allowed)]}

    @classmethod
    def from_json(cls, value: Any) -> Admission:
        """
        Raises:
            ValueError: it is not what to_json gives.
        """
        if not isinstance(value, dict) or not isinstance(value.get("open"), bool):
            raise ValueError('want {"open": true or false, "allow": ["0x...", ...]}')
        named = value.get("allow", [])
        allowed = [address(item) for item in named] if isinstance(named, list) else [None]
        if None in allowed:
            raise ValueError('"allow" is a list of addresses as hex text')
        return cls(value["open"], frozenset(item for item in allowed if item is not None))


def load(path: Path | None) -> Admission:
    """What was in force when the gate last ran. A file that cannot be read means closed: nothing opens by accident."""
    if path is None or not path.exists():
        return Admission()
    try:
        return Admission.from_json(orjson.loads(path.read_bytes()))
    except (OSError, ValueError):
        return Admission(is_open=False)


def save(path: Path | None, admission: Admission) -> None:
    if path is not None:
        write_private(path, orjson.dumps(admission.to_json()))
