"""The bridge after a rollback: every withdrawal that L1 knows and L2 no longer does is debited again, once, by an
attestation of L1; every deposit that L1 has as consumed and L2 no longer knows is delivered again, with its nonce; then
what L1 has locked is what L2 has, and the difference is shown to be nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal

from truemark.contract import Contract
from truemark.deployment import Deployment
from truemark.errors import TruemarkError
from truemark.l1 import L1Bridge, L1Deposit
from truemark.models import Withdrawal
from truemark.rpc import AsyncRpc
from truemark.units import from_collateral


class NotReconciled(TruemarkError, RuntimeError):
    """An attestation or a deposit did not arrive, or the two sides of the bridge do not add up afterwards."""


@dataclass(frozen=True, slots=True)
class Erased:
    """A withdrawal that L1 knows and a rollback took from L2."""

    withdrawal: Withdrawal
    #: L1 paid it.
    paid: bool
    #: Debited again already.
    attested: bool


@dataclass(frozen=True, slots=True)
class Balance:
    """Both sides of the bridge, USD: locked = supply + in_flight + unpaid, where what is still due of an attested
    withdrawal was paid and is held by nobody."""

    locked: Decimal
    supply: Decimal
    #: Deposits on their way.
    in_flight: Decimal
    #: Withdrawals that L1 knows and has not paid.
    unpaid: Decimal
    #: Of attested withdrawals, what nobody could pay yet.
    due: Decimal

    @property
    def holds(self) -> bool:
        return self.locked + self.due == self.supply + self.in_flight + self.unpaid


async def erased(rpc: AsyncRpc, deployment: Deployment, l1: L1Bridge) -> list[Erased]:
    """The withdrawals of earlier epochs that L2 does not know any more, oldest first.

    Raises:
        L1Unavailable, NodeUnavailable, RpcError: a node does not say.
    """
    bridge = Contract.of(rpc, deployment.address("Bridge"), "Bridge")
    epoch = await bridge.read("epoch")
    known: dict[int, int] = {}
    found = []
    for withdrawal in await l1.known_withdrawals():
        if withdrawal.epoch >= epoch:
            continue
        if withdrawal.epoch not in known:
            known[withdrawal.epoch] = await bridge.read("last_counter", withdrawal.epoch)
        if withdrawal.counter > known[withdrawal.epoch]:
            attested = await bridge.read("attested", withdrawal.epoch, withdrawal.counter)
            found.append(Erased(withdrawal, await l1.is_paid(withdrawal), attested))
    return found


async def erased_deposits(rpc: AsyncRpc, deployment: Deployment, l1: L1Bridge) -> list[L1Deposit]:
    """The deposits that L1 has as consumed and L2 does not know any more, oldest first: the blocks of their handlers
    were erased. Raises as `erased`."""
    bridge = Contract.of(rpc, deployment.address("Bridge"), "Bridge")
    waiting = {deposit.nonce for deposit in await l1.deposits_in_flight()}
    found = []
    for deposit in await l1.deposits():
        if deposit.nonce in waiting or await bridge.read("delivered", deposit.nonce):
            continue
        # One that its depositor took back is not to come.
        if not await l1.is_reclaimed(deposit):
            found.append(deposit)
    return found


async def reconcile(
    rpc: AsyncRpc,
    deployment: Deployment,
    l1: L1Bridge,
    carry: Callable[[], Awaitable[None]],
    tell: Callable[[Erased], None] = lambda item: None,
    deliver: Callable[[L1Deposit], Awaitable[None]] | None = None,
) -> Balance:
    """Attests what is not attested yet, carries the messages, delivers erased deposits again, and adds up both sides.
    It can be run again.

    The attestations go first: one of a deposit that went back to L1 marks its nonce, so that it is not delivered too.

    Args:
        l1: with a signer; anyone may attest.
        carry: delivers what waits between the chains.
        tell: hears of each that was attested.
        deliver: hands an erased deposit's message to L2 again; None: there must be none.

    Raises:
        NotReconciled: see the class.
        L1Reverted, L1Unavailable, NodeUnavailable, RpcError: a node does not do what it is asked.
    """
    for item in await erased(rpc, deployment, l1):
        if not item.attested:
            await l1.attest(item.withdrawal)
            tell(item)
    await carry()
    left = [item.withdrawal for item in await erased(rpc, deployment, l1) if not item.attested]
    if left:
        raise NotReconciled(
            f"{len(left)} attestations did not arrive, the first of {left[0]}: carry the messages again"
        )
    for deposit in await erased_deposits(rpc, deployment, l1):
        if deliver is not None:
            await deliver(deposit)
    missing = await erased_deposits(rpc, deployment, l1)
    if missing:
        raise NotReconciled(f"{len(missing)} deposits that L1 has as consumed are not on L2, the first of {missing[0]}")
    balance = await balance_of(rpc, deployment, l1)
    if not balance.holds:
        raise NotReconciled(f"the two sides of the bridge do not add up: {balance}")
    return balance


async def balance_of(rpc: AsyncRpc, deployment: Deployment, l1: L1Bridge) -> Balance:
    """Both sides as they are. Raises as `erased`."""
    bridge = Contract.of(rpc, deployment.address("Bridge"), "Bridge")
    token = Contract.of(rpc, deployment.address("CollateralToken"), "CollateralToken")
    zero = Decimal(0)
    due = zero
    for item in await erased(rpc, deployment, l1):
        still = await bridge.read("due", item.withdrawal.epoch, item.withdrawal.counter)
        due += from_collateral(still["amount"])
    unpaid = await l1.unclaimed(await l1.known_withdrawals())
    return Balance(
        locked=await l1.locked(),
        supply=from_collateral(await token.read("total_supply")),
        in_flight=sum((item.amount for item in await l1.deposits_in_flight()), zero),
        unpaid=sum((item.amount for item in unpaid), zero),
        due=due,
    )
