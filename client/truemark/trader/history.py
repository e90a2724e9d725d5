"""What happened to an account, out of the chain's own events: transfers, settled fills, refunds."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from truemark.contract import Contract
from truemark.felt import hex_of, selector
from truemark.models import AccountTransfer, RefundPayment, SettledFill, TransferKind
from truemark.orders import Side
from truemark.refunds import RefundClaim
from truemark.trader.handles import read_logs
from truemark.trader.session import Session
from truemark.units import from_collateral, from_price, from_size

_TRANSFERS: Final = {
    "Deposited": TransferKind.DEPOSIT,
    "DepositCredited": TransferKind.DEPOSIT,
    "Withdrawn": TransferKind.WITHDRAWAL,
    "Escaped": TransferKind.WITHDRAWAL,
    "DepositReturned": TransferKind.RETURNED,
}


class HistoryMixin(Session):
    """History of AsyncTrader, oldest first; from `from_block` on."""

    async def transfers(self, from_block: int = 0) -> Sequence[AccountTransfer]:
        """Money into and out of the margin account."""
        clearinghouse = self._venue.clearinghouse
        keys = [[hex_of(selector(name)) for name in _TRANSFERS], [hex_of(self.address)]]
        found = []
        for log in await read_logs(self._venue, clearinghouse.address, keys, from_block):
            event = clearinghouse.abi.decode_event(log.event.keys, log.event.data)
            kind = _TRANSFERS[event.name]
            found.append(AccountTransfer(kind, from_collateral(event.fields["amount"]), log.block, log.tx_hash))
        return found

    async def settled_fills(self, from_block: int = 0) -> Sequence[SettledFill]:
        """Every fill of this account that the chain settled, whichever venue or gateway matched it, with its fee and
        the funding that it settled."""
        clearinghouse, me = self._venue.clearinghouse, hex_of(self.address)
        settled = [hex_of(selector("FillSettled"))]
        as_maker, as_taker = await asyncio.gather(
            read_logs(self._venue, clearinghouse.address, [settled, [], [me]], from_block),
            read_logs(self._venue, clearinghouse.address, [settled, [], [], [me]], from_block),
        )
        found: list[tuple[tuple[int, int], SettledFill]] = []
        for is_maker, logs in ((True, as_maker), (False, as_taker)):
            for log in logs:
                fields = clearinghouse.abi.decode_event(log.event.keys, log.event.data).fields
                name = await self._venue.market_name(fields["market"])
                found.append(((log.block, log.tx_hash), _fill(fields, name, is_maker, log.block, log.tx_hash)))
        return [fill for _, fill in sorted(found, key=lambda item: item[0][0])]

    async def refunds_paid(self, from_block: int = 0) -> Sequence[RefundPayment]:
        """Refunds of incidents that were paid to this account."""
        refunds: Contract = self._venue.refunds
        keys = [[hex_of(selector("Refunded"))], [], [hex_of(self.address)]]
        found = []
        for log in await read_logs(self._venue, refunds.address, keys, from_block):
            fields = refunds.abi.decode_event(log.event.keys, log.event.data).fields
            amount = from_collateral(fields["amount"])
            found.append(RefundPayment(fields["incident"], fields["index"], amount, log.block, log.tx_hash))
        return found

    async def refund_claimable(self, claim: RefundClaim) -> bool:
        """Whether a refund's statement is right and was not paid yet: `claim_refund` pays it."""
        refunds, block = self._venue.refunds, await self._venue.head()
        arguments = (claim.incident, claim.index, claim.account, claim.amount, claim.proof)
        stands, paid = await asyncio.gather(
            refunds.read("is_refund", *arguments, block=block),
            refunds.read("is_claimed", claim.incident, claim.index, block=block),
        )
        return bool(stands) and not paid


def _fill(fields: Any, market: str, is_maker: bool, block: int, tx_hash: int) -> SettledFill:
    own = "maker" if is_maker else "taker"
    buys = fields["taker_buys"] != is_maker
    return SettledFill(
        order_hash=fields[f"{own}_order"],
        market=market,
        side=Side.BUY if buys else Side.SELL,
        is_maker=is_maker,
        size=from_size(fields["size"]),
        price=from_price(fields["price"]),
        fee=from_collateral(fields[f"{own}_fee"]),
        funding=from_collateral(fields[f"{own}_funding"]),
        position=from_size(fields[f"{own}_size"]),
        block=block,
        tx_hash=tx_hash,
    )
