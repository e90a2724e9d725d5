"""Money in and out through a journal: begun here, taken further here after a crash."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from truemark.felt import hex_of
from truemark.l1_records import checked_l1_address, money
from truemark.models import Destination, Source
from truemark.trader.amounts import from_shares, to_shares
from truemark.trader.flows import (
    DepositFlow,
    Desk,
    Flow,
    Kind,
    Record,
    RedemptionFlow,
    UnknownFlow,
    VaultDepositFlow,
    WithdrawalFlow,
)
from truemark.trader.session import Session
from truemark.units import Amount, from_collateral

_FLOWS: dict[Kind, type[Flow]] = {
    flow.kind: flow for flow in (DepositFlow, WithdrawalFlow, VaultDepositFlow, RedemptionFlow)
}


class MovementsMixin(Session):
    """Movements of AsyncTrader. Each is written into the journal before anything is sent; `run()` takes it to its end,
    in this process or, after a crash, in another one:

    flow = await trader.begin_withdrawal(250)
    await flow.run(timeout=60)
    ...
    for flow in await trader.movements():
        await flow.run()
    """

    async def begin_deposit(self, amount: Amount, to: Destination | str = Destination.MARGIN) -> Flow:
        """USDC from L1 to "margin", "wallet" or "vault" of this account.

        Raises:
            BadAmount: not above 0, or finer than 1e-6.
            ValueError: `to` is another place.
            NoJournal, NoL1
        """
        desk = self._desk()
        # Before anything is written: who has no key on L1 cannot deposit.
        _ = desk.l1.address
        return self._begin(desk, Kind.DEPOSIT, amount=_usd(amount), to=Destination(to).value)

    async def begin_withdrawal(
        self, amount: Amount, recipient: str | None = None, source: Source | str = Source.MARGIN
    ) -> Flow:
        """From the margin account (or the L2 wallet) to `recipient` on L1, by default this trader's own L1 address.

        Raises:
            BadAmount: not above 0, or finer than 1e-6.
            BadL1Address: the recipient is none.
            ValueError: the source is neither "wallet" nor "margin".
            NoJournal, NoL1
        """
        desk = self._desk()
        # Whoever it is for, this trader's key on L1 has it paid there.
        own = desk.l1.address
        to = own if recipient is None else checked_l1_address(recipient)
        return self._begin(desk, Kind.WITHDRAWAL, amount=_usd(amount), recipient=to, source=Source(source).value)

    async def begin_vault_deposit(self, amount: Amount, source: Source | str = Source.WALLET) -> Flow:
        """Shares of the vault for money of the L2 wallet or of the margin account.

        Raises:
            BadAmount, NoJournal
            ValueError: the source is neither "wallet" nor "margin".
        """
        return self._begin(self._desk(), Kind.VAULT_DEPOSIT, amount=_usd(amount), source=Source(source).value)

    async def begin_redemption(self, shares: Amount) -> Flow:
        """Shares of the vault into the queue and, once their lock is over, their money into the L2 wallet.

        Raises:
            BadAmount: not above 0, or finer than 1e-12.
            NoJournal
        """
        return self._begin(self._desk(), Kind.REDEMPTION, shares=str(from_shares(to_shares(shares))))

    async def movements(self, *, open_only: bool = True) -> Sequence[Flow]:
        """What this account has under way, oldest first; or with all that is over too.

        Raises:
            NoJournal
        """
        desk = self._desk()
        found = self.journal.records(self._place(), self.address, open_only=open_only)
        return [self._flow(desk, record) for record in found]

    async def movement(self, flow_id: str) -> Flow:
        """
        Raises:
            UnknownFlow: this account has none of that id here.
            NoJournal
        """
        record = self.journal.load(flow_id)
        if record.account != self.address or record.deployment != self._place():
            raise UnknownFlow(f"movement {flow_id} is of account {record.account:#x} at {record.deployment}")
        return self._flow(self._desk(), record)

    def _begin(self, desk: Desk, kind: Kind, **data: Any) -> Flow:
        return self._flow(desk, self.journal.begin(kind, self._place(), self.address, data))

    def _flow(self, desk: Desk, record: Record) -> Flow:
        return _FLOWS[record.kind](desk, self.journal, record)

    def _place(self) -> str:
        return f"{self.deployment.name} {hex_of(self.deployment.l2_chain_id)} {self.deployment.address('Bridge'):#x}"

    def _desk(self) -> Desk:
        return Desk(self._venue, self._account, self._l1, self._poll)


def _usd(amount: Amount) -> str:
    return str(from_collateral(money(amount)))
