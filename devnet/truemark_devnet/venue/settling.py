"""Settlement: matches become fills on chain, in batches, each transaction at most once.

A batch is signed and written down with its nonce before it is sent. After a lost answer or a restart the same signed
transaction is sent again: it lands with its nonce once or never. What became of each fill is what its receipt's events
say; and whatever this process thinks, the contract keeps what was filled of each order and never goes beyond its size.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from truemark.abi import Abi
from truemark.errors import TruemarkError
from truemark.felt import selector, short_string_text
from truemark.receipt import Receipt, parse_receipt, revert_reason
from truemark.rpc import AsyncRpc, NodeUnavailable, RpcError
from truemark.transactions import Call
from truemark_keeper.fees import default_policy
from truemark_keeper.slots import Wallet
from truemark_keeper.transactions import DUPLICATE, FINAL, FINAL_REFUSALS, HASH_NOT_FOUND, INVALID_NONCE

from truemark_devnet.venue.live import Match
from truemark_devnet.venue.log import Batch, VenueLog

log = logging.getLogger(__name__)

#: The most fills of one settlement.
BATCH_SIZE = 50
#: L2 gas that a settlement may cost: each fill takes up to 9 million, with 20 open markets on both sides.
GAS_BASE, GAS_OF_FILL = 20_000_000, 10_000_000


class SettlementMismatch(TruemarkError, RuntimeError):
    """A settlement's events do not tell what became of each fill of its batch."""


@dataclass(frozen=True, slots=True)
class FillResult:
    """What became of one match."""

    match: int
    tx_hash: int
    #: None: it settled.
    reason: str | None
    block: int = 0
    event: Mapping[str, Any] = field(default_factory=dict)


class Settler:
    """Settles with the operator's account, one batch after the other. Nobody else may use the account meanwhile; where
    somebody does, what was displaced is settled anew.

    Args:
        venue: the clearinghouse.
    """

    def __init__(self, rpc: AsyncRpc, wallet: Wallet, venue: int, store: VenueLog, *, poll: float = 0.02) -> None:
        self._rpc = rpc
        self._wallet = wallet
        self._venue = venue
        self._log = store
        self._poll = poll
        self._abi = Abi.load("Clearinghouse")
        self._last = max((batch.number for batch in store.batches()), default=0)

    async def sign(self, epoch: int, matches: Sequence[Match]) -> Batch:
        """Signs a batch and writes it down.

        Raises:
            RpcError, NodeUnavailable: the node does not tell the nonce; nothing was done.
        """
        nonce = await self._nonce()
        fees = default_policy(GAS_BASE + GAS_OF_FILL * len(matches)).first
        signed = self._wallet.sign([self.call(epoch, matches)], nonce, fees)
        self._last += 1
        batch = Batch(self._last, nonce, signed.hash, signed.transaction, tuple(match.number for match in matches))
        self._log.sending(batch)
        return batch

    def call(self, epoch: int, matches: Sequence[Match]) -> Call:
        """The contract's `settle`."""
        fills = [
            {
                "maker": match.maker.signed.to_abi(),
                "taker": match.taker.signed.to_abi(),
                "size": match.size,
                "price": match.price,
            }
            for match in matches
        ]
        return Call(self._venue, selector("settle"), self._abi.encode("settle", epoch, fills))

    async def land(self, batch: Batch, orders: Mapping[int, tuple[int, int]]) -> list[FillResult] | None:
        """Sends a batch until it is known what became of it; None: its nonce was used by somebody else, or a rollback
        took the chain back below it: nothing of it will land.

        Args:
            orders: match -> hashes of its maker and taker.
        """
        while True:
            try:
                receipt = await self._receipt(batch.tx_hash)
                if receipt is not None:
                    return self._results(batch, receipt, orders)
                refusal = await self._post(batch)
                if refusal is not None:
                    return [FillResult(number, batch.tx_hash, refusal) for number in batch.matches]
                receipt = await self._wait(batch)
                if receipt is not None:
                    return self._results(batch, receipt, orders)
                if await self._displaced(batch):
                    log.warning("the operator's nonce is another one", extra={"nonce": batch.nonce})
                    return None
            except NodeUnavailable as error:
                log.warning("the node does not answer", extra={"error": str(error)})
                await asyncio.sleep(0.2)

    async def _post(self, batch: Batch) -> str | None:
        """Why the node refuses it for good; None: it has it, or had it."""
        try:
            await self._rpc.call("starknet_addInvokeTransaction", {"invoke_transaction": dict(batch.signed)})
        except RpcError as error:
            if error.code in (DUPLICATE, INVALID_NONCE):
                return None
            if error.code in FINAL_REFUSALS:
                return f"the node refused the settlement: {error.message}"
            raise NodeUnavailable(f"the node does not take the settlement: {error}") from error
        return None

    async def _wait(self, batch: Batch) -> Receipt | None:
        for _ in range(50):
            receipt = await self._receipt(batch.tx_hash)
            if receipt is not None:
                return receipt
            await asyncio.sleep(self._poll)
        return None

    async def _receipt(self, tx_hash: int) -> Receipt | None:
        try:
            answer = await self._rpc.call("starknet_getTransactionReceipt", {"transaction_hash": hex(tx_hash)})
        except RpcError as error:
            if error.code == HASH_NOT_FOUND:
                return None
            raise NodeUnavailable(f"the node does not give the receipt: {error}") from error
        receipt = parse_receipt(answer)
        return receipt if receipt.finality in FINAL and receipt.block_number is not None else None

    async def _displaced(self, batch: Batch) -> bool:
        # It was signed with the newest nonce: a lower one means that blocks were erased.
        return await self._nonce() != batch.nonce and await self._receipt(batch.tx_hash) is None

    async def _nonce(self) -> int:
        asked = {"block_id": "latest", "contract_address": hex(self._wallet.address)}
        return int(await self._rpc.call("starknet_getNonce", asked), 16)

    async def is_there(self, tx_hash: int) -> bool:
        """Whether a settlement is in a block, as after a rollback it may not be any more."""
        return await self._receipt(tx_hash) is not None

    def _results(self, batch: Batch, receipt: Receipt, orders: Mapping[int, tuple[int, int]]) -> list[FillResult]:
        """The contract emits one of two events for each fill, in order."""
        block = receipt.block_number or 0
        if receipt.revert_reason is not None:
            reason = revert_reason(receipt.revert_reason)
            return [FillResult(number, batch.tx_hash, reason, block) for number in batch.matches]
        told = []
        for event in receipt.events:
            if event.from_address != self._venue:
                continue
            decoded = self._abi.decode_event(event.keys, event.data)
            if decoded.name in ("FillSettled", "FillRefused"):
                told.append(decoded)
        if len(told) != len(batch.matches):
            raise SettlementMismatch(
                f"transaction {batch.tx_hash:#x} tells of {len(told)} fills of {len(batch.matches)}"
            )
        results = []
        for number, decoded in zip(batch.matches, told, strict=True):
            fields = decoded.fields
            if (fields["maker_order"], fields["taker_order"]) != orders[number]:
                raise SettlementMismatch(f"transaction {batch.tx_hash:#x} tells of other orders than were sent")
            word = short_string_text(fields["reason"]) if decoded.name == "FillRefused" else None
            results.append(FillResult(number, batch.tx_hash, word, block, fields))
        return results
