"""A withdrawal to L1: planned, signed, registered on L2, and paid on L1."""

from __future__ import annotations

from typing import ClassVar

from truemark.errors import TruemarkError
from truemark.l1_records import AlreadyClaimed, NotClaimable, OverQuota
from truemark.models import Withdrawal
from truemark.trader.flows.flow import Flow
from truemark.trader.flows.journal import Kind, Step
from truemark.trader.handles import withdrawal_of
from truemark.trader.venue import event_of
from truemark.units import from_collateral, to_collateral


class WithdrawalErased(TruemarkError, RuntimeError):
    """L2 was rolled back over the withdrawal and L1 has not heard of it. It is not made again by itself: its message
    may still reach L1. Ask the operator's report, then begin another one."""


class WithdrawalFlow(Flow):
    """Margin account (or wallet) -> L1. Its outcome is the Withdrawal that L1 paid."""

    kind: ClassVar[Kind] = Kind.WITHDRAWAL

    async def _advance(self) -> None:
        if self.step is Step.PLANNED:
            await self._sign()
        elif self.step is Step.SIGNED:
            await self._register()
        else:
            await self._claim()

    async def _sign(self) -> None:
        data, desk = self._record.data, self._desk
        units = to_collateral(data["amount"])
        bridge = desk.venue.bridge
        calls = await desk.venue.into_wallet(data["source"], units)
        calls.append(bridge.call("withdraw", await bridge.read("epoch"), int(data["recipient"], 16), units))
        await self._send(calls, Step.SIGNED)

    async def _register(self) -> None:
        receipt = await self._settled(Step.PLANNED)
        if receipt is None:
            return
        found = withdrawal_of(event_of(receipt.events, self._desk.venue.bridge, "WithdrawalRegistered"))
        self._save(
            Step.REGISTERED,
            epoch=found.epoch,
            counter=found.counter,
            source_account=hex(found.source),
            l2_tx=hex(receipt.hash),
        )

    async def _claim(self) -> None:
        l1, withdrawal = self._desk.l1, self.withdrawal
        # The bridge on L1 pays each once, whoever asks: asking again is the whole of the recovery.
        if await l1.is_paid(withdrawal):
            self._save(Step.DONE)
            return
        if not await l1.is_registered(withdrawal):
            await self._check_not_erased()
            return
        if not await l1.is_claimable(withdrawal):
            return
        try:
            tx_hash = await l1.claim(withdrawal)
        except AlreadyClaimed:
            self._save(Step.DONE)
        except (NotClaimable, OverQuota):
            # It changed since the question: the next look decides.
            return
        else:
            self._save(Step.DONE, l1_tx=tx_hash)

    async def _check_not_erased(self) -> None:
        tx_hash = int(self._record.data["l2_tx"], 16)
        if await self._desk.account.is_known(tx_hash):
            return
        if not await self._desk.l1.is_registered(self.withdrawal):
            raise WithdrawalErased(
                f"withdrawal {self.withdrawal.counter} of epoch {self.withdrawal.epoch} is not on L2 any more "
                "(it was rolled back), and L1 has not heard of it"
            )

    @property
    def withdrawal(self) -> Withdrawal:
        """Its five numbers; from `registered` on."""
        data = self._record.data
        return Withdrawal(
            epoch=data["epoch"],
            counter=data["counter"],
            amount=from_collateral(to_collateral(data["amount"])),
            recipient=data["recipient"],
            source=int(data["source_account"], 16),
        )

    def _outcome(self) -> Withdrawal:
        return self.withdrawal

    def _says(self) -> str:
        data = self._record.data
        what = f"{data['amount']} USD from the {data['source']} to {data['recipient']} on L1"
        return {
            Step.PLANNED: f"{what}: nothing sent yet",
            Step.SIGNED: f"{what}: waits for its block on L2",
            Step.REGISTERED: f"{what}: registered on L2, waits for L1 to know it and for room in the quota",
            Step.DONE: f"{what}: paid",
        }.get(self.step, f"{what}: {self.reason}")
