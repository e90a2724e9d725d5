"""A deposit from L1: planned, signed, sent, and on L2 or parked there."""

from __future__ import annotations

from typing import Any, ClassVar

from truemark.l1_records import L1Deposit, L1Prepared, L1Reverted
from truemark.models import DepositOutcome, DepositState, Destination
from truemark.trader.flows.flow import Flow
from truemark.trader.flows.journal import Kind, Step
from truemark.trader.handles import DepositHandle, DepositReclaimed
from truemark.units import from_collateral, to_collateral


class DepositFlow(Flow):
    """L1 -> margin account, wallet or vault of this account. Its outcome is a DepositOutcome."""

    kind: ClassVar[Kind] = Kind.DEPOSIT

    async def _advance(self) -> None:
        if self.step is Step.PLANNED:
            await self._sign()
        elif self.step is Step.SIGNED:
            await self._find()
        else:
            await self._arrive()

    async def _sign(self) -> None:
        def write(prepared: L1Prepared) -> None:
            self._save(
                Step.SIGNED, l1={"nonce": prepared.nonce, "hash": prepared.hash, "fields": dict(prepared.fields)}
            )

        try:
            sent = await self._desk.l1.deposit(
                self._amount("amount"), Destination(self._record.data["to"]), self._desk.address, before=write
            )
        except L1Reverted as error:
            self._fail(error.reason)
            return
        self._sent(sent)

    async def _find(self) -> None:
        """It was signed, and the process that did it did not live to see its block."""
        l1, data = self._desk.l1, self._record.data["l1"]
        prepared = L1Prepared(data["nonce"], data["hash"], data["fields"])
        try:
            found = await l1.find_deposit(prepared.hash)
            if found is None and not await l1.can_still_be_sent(prepared):
                # Its block may have come between the two questions.
                found = await l1.find_deposit(prepared.hash)
                if found is None:
                    self._save(Step.PLANNED, l1=None)
                    return
        except L1Reverted as error:
            self._fail(error.reason)
            return
        if found is not None:
            self._sent(found)
        else:
            await l1.send_again(prepared)

    def _sent(self, sent: L1Deposit) -> None:
        self._save(
            Step.SENT,
            sent={
                "nonce": sent.nonce,
                "depositor": sent.depositor,
                "recipient": hex(sent.recipient),
                "destination": sent.destination,
                "amount": str(sent.amount),
                "message_hash": sent.message_hash,
                "tx_hash": sent.tx_hash,
                "block": sent.block,
            },
        )

    async def _arrive(self) -> None:
        desk = self._desk
        handle = DepositHandle(self.deposit, desk.venue, desk.l1, poll=desk.poll)
        try:
            outcome = await handle.outcome()
        except DepositReclaimed as error:
            self._fail(str(error))
            return
        if outcome is not None:
            self._save(
                Step.DONE if outcome.state is DepositState.DELIVERED else Step.PARKED,
                credited=str(outcome.amount),
                l2_tx=hex(outcome.tx_hash),
                parked_id=outcome.parked_id,
                reason=outcome.reason,
            )

    @property
    def deposit(self) -> L1Deposit:
        """As L1 logged it; from `sent` on."""
        sent = self._record.data["sent"]
        return L1Deposit(
            nonce=sent["nonce"],
            depositor=sent["depositor"],
            recipient=int(sent["recipient"], 16),
            destination=Destination(sent["destination"]),
            amount=from_collateral(to_collateral(sent["amount"])),
            message_hash=sent["message_hash"],
            tx_hash=sent["tx_hash"],
            block=sent["block"],
        )

    def _outcome(self) -> DepositOutcome:
        data = self._record.data
        state = DepositState.DELIVERED if self.step is Step.DONE else DepositState.PARKED
        return DepositOutcome(
            state, self._amount("credited"), int(data["l2_tx"], 16), data["parked_id"], data["reason"]
        )

    def _says(self) -> str:
        data: Any = self._record.data
        what = f"{data['amount']} USD from L1 to the {data['to']}"
        return {
            Step.PLANNED: f"{what}: nothing sent yet",
            Step.SIGNED: f"{what}: waits for its block on L1",
            Step.SENT: f"{what}: on L1, waits for L2 to take the message",
            Step.DONE: f"{what}: credited",
            Step.PARKED: f"{what}: parked on L2 ({self.reason}); claim_parked({data.get('parked_id')}) takes it",
        }.get(self.step, f"{what}: {self.reason}")
