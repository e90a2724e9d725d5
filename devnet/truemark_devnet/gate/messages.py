"""JSON-RPC as the gate needs it: which call writes, who sends a transaction, and how a refusal looks."""

from __future__ import annotations

import json
from typing import Any

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
#: The node behind the gate does not answer.
NODE_DOWN = -32001

#: devnet's own methods that change nothing. All others count as changes, also those of later versions.
DEVNET_READS = frozenset(
    {
        "devnet_getAccountBalance",
        "devnet_getConfig",
        "devnet_getPredeployedAccounts",
        "devnet_getStatus",
    }
)

#: A call as it came; what is not an object is invalid.
Call = dict[str, Any]


class NotJson(ValueError):
    """The body is not JSON."""


def parse(body: bytes) -> Any:
    """With the standard library: amounts are whole numbers of any length here, which faster ones round.

    Raises:
        NotJson: the body is not JSON.
    """

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is no JSON")

    try:
        return json.loads(body, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise NotJson(str(error)) from error


def dump(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def method_of(call: Any) -> str:
    """Empty when the call has none."""
    method = call.get("method") if isinstance(call, dict) else None
    return method if isinstance(method, str) else ""


def is_transaction(method: str) -> bool:
    return method.startswith("starknet_add")


def is_devnet_change(method: str) -> bool:
    return method.startswith("devnet_") and method not in DEVNET_READS


def is_write(method: str) -> bool:
    return is_transaction(method) or is_devnet_change(method)


def sender_of(call: Call) -> int | None:
    """The address that a transaction is from; None when it names none, as one that deploys an account does not."""
    params = call.get("params")
    if isinstance(params, dict):
        inner = list(params.values())
    elif isinstance(params, list):
        inner = params
    else:
        return None
    if len(inner) != 1 or not isinstance(inner[0], dict):
        return None
    return address(inner[0].get("sender_address"))


def address(text: object) -> int | None:
    """An address from its hex text; None when it is none."""
    if not isinstance(text, str) or not text.lower().startswith("0x"):
        return None
    try:
        return int(text, 16)
    except ValueError:
        return None


def failure(call: Any, code: int, message: str, data: Any = None) -> dict[str, Any]:
    """The error reply to a call."""
    error: dict[str, Any] = {"code": code, "message": message}
    if data is not None:
        error["data"] = data
    return {"jsonrpc": "2.0", "id": call.get("id") if isinstance(call, dict) else None, "error": error}
