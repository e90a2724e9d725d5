"""An account's history is read from the chain alone: transfers, fills as they settled, refunds."""

from __future__ import annotations

from decimal import Decimal

import pytest
from truemark.models import TransferKind
from truemark.orders import Side

from tests.house import BTC, House

pytestmark = pytest.mark.node


@pytest.mark.deep
async def test_transfers_and_fills_are_those_of_the_chain(house: House) -> None:
    async with house.gateway() as gateway, house.trader("alice", gateway) as alice, house.trader("bob", gateway) as bob:
        start = await alice._venue.head() + 1
        await alice.place(BTC, "buy", "0.5", "95480", post_only=True)
        await bob.settled(await bob.place(BTC, "sell", "0.3", "95470"), 30)
        await bob.settled(await bob.place(BTC, "sell", "0.2", "95470"), 30)
        first, second = await alice.settled_fills()
        assert (first.side, first.is_maker, first.size, first.price) == (Side.BUY, True, Decimal("0.3"), 95_480)
        assert (second.position, second.fee, second.market) == (Decimal("0.5"), 0, BTC)
        assert [fill.fee for fill in await bob.settled_fills()] == [Decimal("8.5932"), Decimal("5.7288")]
        assert [(fill.size, fill.tx_hash) for fill in await alice.fills()] == [
            (fill.size, fill.tx_hash) for fill in (first, second)
        ]
        (deposited,) = await alice.transfers()
        assert (deposited.kind, deposited.amount) == (TransferKind.DEPOSIT, 10_000)
        assert deposited.block < start
        out = await alice.withdraw_to_wallet("12.5")
        (withdrawn,) = await alice.transfers(from_block=start)
        assert (withdrawn.kind, withdrawn.amount) == (TransferKind.WITHDRAWAL, Decimal("12.5"))
        assert withdrawn.tx_hash == out.tx_hash
        assert await alice.refunds_paid() == []
