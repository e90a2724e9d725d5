"""Keeps the checkpoints of the funding indices young: what a restore goes back to must not be a day old, and must never
be a value that cannot be right."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from truemark.abi import Abi
from truemark.felt import selector
from truemark.funding import accrual
from truemark.rpc import RpcError
from truemark.transactions import Call

from truemark_keeper.pinned import Head, at_one_block, batch_at
from truemark_keeper.reporter import Sender
from truemark_keeper.slots import Node, Outcome
from truemark_keeper.venue import VIEW_FAILED

log = logging.getLogger(__name__)

#: The mark may have been so many times as high since the last checkpoint.
_HIGHER = 2


@dataclass(frozen=True, slots=True)
class IndexSight:
    """A market's funding at one block; indices in 1e-16 USD for one whole base unit, times in seconds.

    Attributes:
        index, checkpoint: None where the contract cannot prove it.
        announced: a restore of it is announced.
        mark: 1e-8 USD.
        max_rate_ppm: for 8 hours.
    """

    market: int
    index: int | None
    checkpoint: int | None
    at: int
    announced: bool
    mark: int
    max_rate_ppm: int


def refusal(sight: IndexSight, now: int) -> str | None:
    """Why the present index is not made the checkpoint; None: it may be. `now`: the block's time.

    The index may have moved by at most the highest rate over the time since the last checkpoint, at twice the mark: a
    value beyond that came from somewhere else, sealed or not.
    """
    if sight.index is None:
        return "the index cannot be proved"
    if sight.checkpoint is None:
        return "the last checkpoint cannot be proved"
    if sight.announced:
        return "a restore is announced"
    moved = abs(sight.index - sight.checkpoint)
    secs, rate = max(now - sight.at, 0), sight.max_rate_ppm
    most = accrual(rate, rate, secs, secs, _HIGHER * sight.mark)
    if moved > most:
        return f"the index moved by {moved} since the last checkpoint, at most {most} is possible"
    return None


class FundingCheckpoints:
    """Calls `checkpoint_funding` for markets whose checkpoint is older than `every` seconds, in mode Full.

    Args:
        sender: the account's transaction queue; any account may.
        node: the JSON-RPC client.
        oracle, clearinghouse: the contracts' addresses.
    """

    def __init__(self, sender: Sender, node: Node, *, oracle: int, clearinghouse: int, every: int) -> None:
        self._sender = sender
        self._node = node
        self._targets = {
            "Oracle": (oracle, Abi.load("Oracle")),
            "Clearinghouse": (clearinghouse, Abi.load("Clearinghouse")),
        }
        self._every = every
        #: Block time of the last look.
        self._looked_at: int | None = None

    async def once(self, timeout: float | None = None) -> Outcome | None:
        """Looks, at most ten times in `every` seconds, and sends one transaction if a checkpoint is due; else None.

        Raises:
            ChainUnsteady, RpcError, NodeUnavailable: the chain cannot be read.
            TransactionRefused, FeeCeiling, QueueClosed, TimeoutError: the transaction has no outcome.
        """
        now = await at_one_block(self._node, self._time)
        if self._looked_at is not None and 0 <= now - self._looked_at < self._every / 10:
            return None
        full, sights = await at_one_block(self._node, self._sights)
        self._looked_at = now
        due = 0
        for sight in sights if full else ():
            if now - sight.at < self._every:
                continue
            reason = refusal(sight, now)
            if reason is None:
                due |= 1 << sight.market
            else:
                log.error("no funding checkpoint", extra={"market": sight.market, "reason": reason})
        if not due:
            return None
        call = Call(self._targets["Clearinghouse"][0], selector("checkpoint_funding"), (due,))
        outcome = await self._sender.execute([call], timeout)
        log.info(
            "funding checkpointed",
            extra={"markets": due.bit_count(), "hash": hex(outcome.hash), "reverted": outcome.revert_reason},
        )
        return outcome

    async def _time(self, head: Head) -> int:
        header = await self._node.call("starknet_getBlockWithTxHashes", {"block_id": {"block_number": head.number}})
        return int(header["timestamp"])

    async def _sights(self, head: Head) -> tuple[bool, list[IndexSight]]:
        count, mode = await self._read(head, ("Oracle", "market_count", ()), ("Clearinghouse", "mode", ()))
        params = await self._read(head, *(("Clearinghouse", "market_params", (index,)) for index in range(count or 0)))
        listed = [index for index, item in enumerate(params) if item is not None and item["lot_size"] > 0]
        found = await self._read(
            head,
            *(
                view
                for index in listed
                for view in (
                    ("Clearinghouse", "funding_index", (index,)),
                    ("Clearinghouse", "funding_checkpoint", (index,)),
                    ("Oracle", "mark", (index,)),
                    ("Oracle", "guard", (index,)),
                )
            ),
        )
        sights = []
        for place, index in enumerate(listed):
            funding, checkpoint, mark, guard = found[4 * place : 4 * place + 4]
            sights.append(_sight(index, funding, checkpoint or {}, mark or {}, guard or {}))
        return mode is not None and mode.variant == "Full", sights

    async def _read(self, head: Head, *views: tuple[str, str, tuple[int, ...]]) -> list[Any]:
        """The values of views in order; None for one that reverts."""
        calls = []
        for target, function, arguments in views:
            address, abi = self._targets[target]
            request = {
                "contract_address": hex(address),
                "entry_point_selector": hex(selector(function)),
                "calldata": [hex(felt) for felt in abi.encode(function, *arguments)],
            }
            calls.append(("starknet_call", {"request": request, "block_id": {"block_number": head.number}}))
        values: list[Any] = []
        for (target, function, _), answer in zip(views, await batch_at(self._node, calls), strict=True):
            if isinstance(answer, RpcError):
                if answer.code not in VIEW_FAILED:
                    raise answer
                values.append(None)
            else:
                values.append(self._targets[target][1].decode_result(function, [int(felt, 16) for felt in answer]))
        return values


def _sight(
    index: int, funding: int | None, checkpoint: Mapping[str, Any], mark: Mapping[str, Any], guard: Mapping[str, Any]
) -> IndexSight:
    return IndexSight(
        market=index,
        index=funding,
        checkpoint=checkpoint.get("index"),
        at=checkpoint.get("at", 0),
        announced=checkpoint.get("restore_from", 0) != 0,
        mark=mark.get("price", 0),
        max_rate_ppm=guard.get("max_funding_rate_ppm", 0),
    )
