"""Root, funded distributor, push in batches, what is left: each step looks at the chain first, does what is missing,
and can be run again after it was cut short. What is done is on chain: there is no other memory to disagree with it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from truemark.contract import Contract
from truemark.deployment import Deployment
from truemark.errors import TruemarkError
from truemark.felt import hex_of, short_string_text
from truemark.receipt import Receipt
from truemark.refunds import RefundClaim
from truemark.rpc import AsyncRpc, Params, RpcError
from truemark.transactions import Call

from truemark_keeper.recovery.refund.paylist import PayList

#: Refunds of one push: fifty fit a transaction with room to spare.
BATCH: Final = 50
_DAY: Final = 86_400
#: Reads of one request.
_READS: Final = 200

#: Signs and sends calls as one transaction and waits until it is in a block; raises if it was reverted.
Send = Callable[[Sequence[Call]], Awaitable[Receipt]]


class RefundsDiffer(TruemarkError, RuntimeError):
    """The chain has another list under this incident, or not the state that a step needs."""


@dataclass(frozen=True, slots=True)
class DistributionStatus:
    """How far it is. Amounts in 1e-6 USD.

    Attributes:
        opened: it is on chain and funded.
        expiry: until when it pays, seconds.
        unpaid: the indices that were not paid.
    """

    opened: bool
    closed: bool
    count: int
    total: int
    claimed: int
    expiry: int
    unpaid: tuple[int, ...]

    @property
    def done(self) -> bool:
        return self.opened and not self.unpaid


@dataclass(frozen=True, slots=True)
class Pushed:
    """One batch: what was paid, and what was refused with the contract's reason, by index."""

    transaction: int
    paid: tuple[int, ...]
    refused: tuple[tuple[int, str], ...]


class Distribution:
    """The refunds of one list.

    Args:
        rpc: reads.
        deployment: the venue.
        pay: what is to be paid.
    """

    def __init__(self, rpc: AsyncRpc, deployment: Deployment, pay: PayList) -> None:
        self._rpc = rpc
        self._pay = pay
        self._refunds = Contract.of(rpc, deployment.address("RefundDistributor"), "RefundDistributor")
        self._token = Contract.of(rpc, deployment.address("CollateralToken"), "CollateralToken")

    async def status(self) -> DistributionStatus:
        """
        Raises:
            RefundsDiffer: the chain has another list under this incident.
            RpcError, NodeUnavailable: the node does not say.
        """
        tree = self._pay.tree
        found = await self._incident()
        if found["root"] == 0:
            return DistributionStatus(False, False, tree.count, tree.total, 0, 0, tuple(range(tree.count)))
        unpaid = [index for index, paid in enumerate(await self._paid()) if not paid]
        return DistributionStatus(
            opened=True,
            closed=found["closed"],
            count=tree.count,
            total=tree.total,
            claimed=found["claimed"],
            expiry=found["expiry"],
            unpaid=tuple(unpaid),
        )

    async def missing(self, funder: int) -> int:
        """What the funder's wallet lacks to open it, 1e-6 USD; 0: it can. Raises as `status`."""
        if (await self._incident())["root"] != 0:
            return 0
        balance: int = await self._token.read("balance_of", funder)
        return max(0, self._pay.tree.total - balance)

    async def open(self, send: Send, expiry: int | None = None) -> DistributionStatus:
        """Puts root and money on chain, once. `send` is the admin's.

        Args:
            expiry: seconds since 1970; by default as many days ahead as the rules say.

        Raises:
            As `status`, and what `send` raises.
        """
        if (await self._incident())["root"] == 0:
            tree = self._pay.tree
            if expiry is None:
                head = await self._rpc.call("starknet_getBlockWithTxHashes", {"block_id": "latest"})
                expiry = int(head["timestamp"]) + self._pay.expiry_days * _DAY
            await send(
                [
                    self._token.call("approve", self._refunds.address, tree.total),
                    self._refunds.call("open", tree.incident, tree.root, tree.total, tree.count, self._pay.uri, expiry),
                ]
            )
        return await self.status()

    async def push(
        self, send: Send, *, batch: int = BATCH, tell: Callable[[Pushed], None] = lambda pushed: None
    ) -> DistributionStatus:
        """Pays what is not paid yet into the margin accounts; anyone's `send` does. Refused ones stay unpaid.

        Raises:
            RefundsDiffer: it is not open.
            As `status`, and what `send` raises.
        """
        status = await self.status()
        if not status.opened or status.closed:
            raise RefundsDiffer(f"incident {self._pay.name} is {'closed' if status.closed else 'not open yet'}")
        for start in range(0, len(status.unpaid), batch):
            claims = [self._pay.tree.claim(index) for index in status.unpaid[start : start + batch]]
            receipt = await send([self._refunds.call("push", self._pay.incident, [c.to_abi() for c in claims])])
            tell(self._said(receipt))
        return await self.status()

    async def close(self, send: Send) -> int:
        """Has what is left go back to who opened it, after the expiry. What went back; 1e-6 USD.

        Raises:
            RefundsDiffer: it was never open.
            As `status`, and what `send` raises: before the expiry the contract refuses it.
        """
        status = await self.status()
        if not status.opened:
            raise RefundsDiffer(f"incident {self._pay.name} was never opened")
        if not status.closed:
            await send([self._refunds.call("close", self._pay.incident)])
        return status.total - status.claimed

    def claim(self, index: int) -> RefundClaim:
        return self._pay.tree.claim(index)

    async def _incident(self) -> dict[str, Any]:
        found: dict[str, Any] = await self._refunds.read("incident", self._pay.incident)
        tree = self._pay.tree
        if found["root"] not in (0, tree.root) or (found["root"] and found["total"] != tree.total):
            raise RefundsDiffer(
                f"incident {self._pay.name} is on chain with the root {found['root']:#x}, this list has {tree.root:#x}"
            )
        return found

    async def _paid(self) -> list[bool]:
        """Of each index."""
        found: list[bool] = []
        for start in range(0, self._pay.tree.count, _READS):
            calls = [
                self._refunds.call("is_claimed", self._pay.incident, index)
                for index in range(start, min(start + _READS, self._pay.tree.count))
            ]
            for answer in await self._rpc.batch([_read(call) for call in calls]):
                if isinstance(answer, RpcError):
                    raise answer
                found.append(int(answer[0], 16) != 0)
        return found

    def _said(self, receipt: Receipt) -> Pushed:
        paid, refused = [], []
        for event in receipt.events:
            if event.from_address != self._refunds.address:
                continue
            said = self._refunds.abi.decode_event(event.keys, event.data)
            if said.name == "Refunded":
                paid.append(said.fields["index"])
            elif said.name == "RefundRefused":
                refused.append((said.fields["index"], short_string_text(said.fields["reason"])))
        return Pushed(receipt.hash, tuple(paid), tuple(refused))


def _read(call: Call) -> tuple[str, Params]:
    request = {
        "contract_address": hex_of(call.to),
        "entry_point_selector": hex_of(call.selector),
        "calldata": [hex(felt) for felt in call.calldata],
    }
    return "starknet_call", {"request": request, "block_id": "latest"}
