"""A sender that tries a transaction on the node before it sends it: what would revert costs nothing."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from truemark.receipt import revert_reason
from truemark.rpc import RpcError
from truemark.transactions import Call, Fees

from truemark_keeper.reporter import Sender
from truemark_keeper.slots import Node, Outcome, Wallet

log = logging.getLogger(__name__)

#: 41: the node says of the transaction itself that it fails.
_EXECUTION_ERROR = 41


class SimulatingSender:
    """Args:
    sender: who sends what passes.
    wallet, node: of the same account.
    fees: what the transaction is tried with; its gas amounts count, so that what would run out of gas is known too.
    """

    def __init__(self, sender: Sender, wallet: Wallet, node: Node, fees: Fees) -> None:
        self._sender = sender
        self._wallet = wallet
        self._node = node
        self._fees = fees

    async def execute(self, calls: Sequence[Call], timeout: float | None = None) -> Outcome:
        """As the sender's; an outcome without hashes was not sent, and `revert_reason` says why.

        Raises:
            RpcError, NodeUnavailable: the node cannot try it.
            Others as the sender's.
        """
        nonce = int(
            await self._node.call(
                "starknet_getNonce", {"block_id": "pre_confirmed", "contract_address": hex(self._wallet.address)}
            ),
            16,
        )
        signed = self._wallet.sign(calls, nonce, self._fees)
        reason = await self._failure(signed.transaction)
        if reason is None:
            return await self._sender.execute(calls, timeout)
        log.warning("not sent: it would revert", extra={"reason": reason})
        return Outcome(signed.hash, nonce, (), None, reason, {})

    async def _failure(self, transaction: dict[str, Any]) -> str | None:
        try:
            (tried,) = await self._node.call(
                "starknet_simulateTransactions",
                {
                    "block_id": "latest",
                    "transactions": [transaction],
                    "simulation_flags": ["SKIP_VALIDATE", "SKIP_FEE_CHARGE"],
                },
            )
        except RpcError as error:
            if error.code != _EXECUTION_ERROR:
                raise
            return revert_reason(error.data) if error.data is not None else error.message
        said = tried["transaction_trace"].get("execute_invocation", {}).get("revert_reason")
        return None if said is None else revert_reason(str(said))
