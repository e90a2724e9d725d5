"""What can be done with running nodes: time, messages, money, snapshots, admission. Threads may share it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from truemark.errors import TruemarkError

from truemark_devnet.gate.clock import TimeGoesBack

_TIMEOUT = 180.0


class NodeError(TruemarkError, RuntimeError):
    """A node or the gate refused, or did not answer."""


@dataclass(frozen=True, slots=True)
class Flushed:
    """What a delivery of messages carried.

    Attributes:
        to_l2: messages that arrived from L1.
        to_l1: messages from L2 that L1 can now consume.
        transactions: hashes of the L2 transactions that the first made.
    """

    to_l2: tuple[dict[str, Any], ...]
    to_l1: tuple[dict[str, Any], ...]
    transactions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Both chains at one moment. It can be reverted to once: a revert uses it up, and all that were taken later."""

    l1: str
    l2: str
    held: int | None


@dataclass(frozen=True, slots=True)
class AdmissionState:
    is_open: bool
    allowed: frozenset[int]


class Control:
    """
    Args:
        l2_url: the gate.
        token: the gate's control token.
    """

    def __init__(self, l1_url: str, l2_url: str, token: str) -> None:
        self._l1_url = l1_url
        self._l2_url = l2_url
        self._bearer = {"authorization": f"Bearer {token}"}
        self._client = httpx.Client(timeout=_TIMEOUT, trust_env=False)

    def close(self) -> None:
        self._client.close()

    def l1(self, method: str, *params: Any) -> Any:
        """One call to the L1 node. Raises NodeError."""
        return self._rpc(self._l1_url, method, list(params), {})

    def l2(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """One call to the L2 node through the gate, as its master. Raises NodeError."""
        return self._rpc(self._l2_url, method, params or {}, self._bearer)

    # Time

    def l1_time(self) -> int:
        """The time of the newest L1 block, seconds since 1970."""
        return int(self.l1("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def l2_time(self) -> int:
        """The time of the newest L2 block, which is what the next L2 transaction sees."""
        return int(self.l2("starknet_getBlockWithTxHashes", {"block_id": "latest"})["timestamp"])

    def held_time(self) -> int | None:
        """The second at which both chains stand; None when time runs."""
        held = self._gate("GET", "status")["clock"]["held"]
        return None if held is None else int(held)

    def set_time(self, second: int) -> None:
        """Moves both chains to a second and holds them there: every new block has it, every transaction sees it.

        Each chain gets an empty block of that time.

        Raises:
            TimeGoesBack: the newest block of either is later.
            NodeError: a node refused.
        """
        newest = max(self.l1_time(), self.l2_time())
        if second < newest:
            raise TimeGoesBack(f"the chains are at {newest}, they cannot go back to {second}")
        self._hold_l1(second)
        self._gate("PUT", "clock", {"time": second})

    def increase_time(self, seconds: int) -> int:
        """Moves both chains on and holds them there; returns the new time. Raises as set_time."""
        if seconds < 0:
            raise TimeGoesBack("time cannot be moved back")
        second = max(self.l1_time(), self.l2_time()) + seconds
        self.set_time(second)
        return second

    def run_time(self) -> None:
        """Lets the time of both chains run again, from where it is."""
        self.l1("anvil_removeBlockTimestampInterval")
        self.l1("evm_setNextBlockTimestamp", self.l1_time())
        self.l1("evm_mine")
        self._gate("DELETE", "clock")

    # Messages and money

    def flush(self) -> Flushed:
        """Delivers what waits between the chains, both ways: first what L1 sent, then what L2 sent.

        A message that was cancelled on L1 is not delivered, one whose handler is reverted stays on L1.

        Raises:
            NodeError: no messaging contract is loaded, or a node refused.
        """
        done = self._gate("POST", "flush")
        return Flushed(
            to_l2=tuple(done["messages_to_l2"]),
            to_l1=tuple(done["messages_to_l1"]),
            transactions=tuple(int(item, 16) for item in done["transactions"]),
        )

    def mint(self, address: int, fri: int) -> None:
        """Gives an L2 account tokens to pay fees with, in FRI (1e-18 STRK)."""
        self.l2("devnet_mint", {"address": hex(address), "amount": fri, "unit": "FRI"})

    # Snapshots

    def snapshot(self) -> Snapshot:
        return Snapshot(l1=str(self.l1("evm_snapshot")), l2=str(self.l2("devnet_snapshot")), held=self.held_time())

    def revert(self, snapshot: Snapshot) -> None:
        """Takes both chains back, the held time included.

        Raises:
            NodeError: the snapshot was used up.
        """
        if not self.l2("devnet_revert", {"snapshot_id": snapshot.l2}):
            raise NodeError("the L2 snapshot was used up by an earlier revert")
        if not self.l1("evm_revert", snapshot.l1):
            raise NodeError("the L1 snapshot was used up by an earlier revert")
        if snapshot.held is not None:
            self.l1("anvil_setBlockTimestampInterval", 0)
            self._gate("PUT", "clock", {"time": snapshot.held, "block": False})
        elif self.held_time() is not None:
            self.run_time()

    # Admission

    def admission(self) -> AdmissionState:
        return _admission(self._gate("GET", "status")["admission"])

    def open_admission(self) -> None:
        """Everybody's transactions pass again."""
        self._gate("PUT", "admission", {"open": True, "allow": []})

    def close_admission(self, allowed: Iterable[int] = ()) -> None:
        """From its return on no transaction lands but those of the allowed accounts.

        Raises:
            NodeError: a transaction that was let in before is still under way.
        """
        wanted = {"open": False, "allow": [hex(address) for address in allowed]}
        if not self._gate("PUT", "admission", wanted)["drained"]:
            raise NodeError("admission is closed, but a transaction that came before is still under way: try again")

    def _hold_l1(self, second: int) -> None:
        self.l1("anvil_setBlockTimestampInterval", 0)
        self.l1("evm_setNextBlockTimestamp", second)
        self.l1("evm_mine")

    def _gate(self, method: str, path: str, value: Any = None) -> Any:
        try:
            response = self._client.request(method, f"{self._l2_url}/_gate/{path}", json=value, headers=self._bearer)
            answer = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise NodeError(f"the gate at {self._l2_url} does not answer ({_cause(error)})") from error
        if response.status_code == 409:
            raise TimeGoesBack(str(answer["error"]))
        if response.status_code != 200:
            raise NodeError(f"the gate: {answer.get('error', response.status_code)}")
        return answer

    def _rpc(self, url: str, method: str, params: Any, headers: Mapping[str, str]) -> Any:
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        try:
            # Amounts are longer than the integers that fast encoders know.
            response = self._client.post(
                url, content=json.dumps(request), headers={"content-type": "application/json", **headers}
            )
            reply = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise NodeError(f"{method}: {url} does not answer ({_cause(error)})") from error
        if not isinstance(reply, dict) or "error" in reply:
            problem = reply.get("error") if isinstance(reply, dict) else reply
            raise NodeError(f"{method}: {_said(problem)}")
        return reply.get("result")


def _said(problem: Any) -> str:
    if isinstance(problem, dict):
        data = problem.get("data")
        return f"{problem.get('message')}" + (f" ({data})" if data else "")
    return str(problem)


def _cause(error: Exception) -> str:
    return str(error) or type(error).__name__


def _admission(value: Mapping[str, Any]) -> AdmissionState:
    return AdmissionState(bool(value["open"]), frozenset(int(item, 16) for item in value["allow"]))


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where everything listens, and on which chains."""

    l1_url: str
    l2_url: str
    l2_node_url: str
    l1_chain_id: int
    l2_chain_id: int
    gate_token: str = field(repr=False)
