"""The liquidator's keeping of funding checkpoints on a real node, and what it does not keep."""

from __future__ import annotations

from dataclasses import replace

import pytest
from truemark.keys import StarkKey
from truemark_keeper.checkpointing import FundingCheckpoints, IndexSight, refusal
from truemark_keeper.transactions import TransactionQueue
from truemark_keeper.wallet import StarkWallet

from tests.house import BTC, House


def test_an_index_that_cannot_be_right_is_not_kept() -> None:
    # 20,000 ppm for 8 hours at 100,000 USD: 100,000 x 0.02 / 8 USD an hour, twice that at twice the mark.
    most = 2 * 250 * 10**16
    sight = IndexSight(0, 5 + most, 5, 1_000, False, 100_000 * 10**8, 20_000)
    assert refusal(sight, 1_000 + 3_600) is None
    assert "moved" in str(refusal(sight, 1_000 + 3_599))
    assert "moved" in str(refusal(replace(sight, index=4 - most), 1_000 + 3_600))
    assert "moved" in str(refusal(replace(sight, index=0, checkpoint=1), 1_000))
    assert refusal(replace(sight, index=None), 5_000) == "the index cannot be proved"
    assert refusal(replace(sight, checkpoint=None), 5_000) == "the last checkpoint cannot be proved"
    assert refusal(replace(sight, announced=True), 5_000) == "a restore is announced"


@pytest.mark.node
async def test_checkpoints_are_renewed_when_they_are_old(house: House) -> None:
    role = house.roles["liquidator"]
    wallet = StarkWallet(role.address, StarkKey.from_private(role.private_key), house.nodes.l2_chain_id)
    clearinghouse = house.contract("Clearinghouse")
    btc = house.deployment.market(BTC).index
    async with TransactionQueue(wallet, house.rpc, poll=0.02) as queue:
        keeping = FundingCheckpoints(
            queue,
            house.rpc,
            oracle=house.deployment.address("Oracle"),
            clearinghouse=clearinghouse.address,
            every=300,
        )
        before = await clearinghouse.read("funding_checkpoint", btc)
        assert await keeping.once(10) is None
        await house.rounds(320)
        outcome = await keeping.once(10)
        assert outcome is not None
        assert outcome.succeeded
        after = await clearinghouse.read("funding_checkpoint", btc)
        assert after["at"] == await house.now() > before["at"]
        assert after["index"] == await clearinghouse.read("funding_index", btc)
        # Nothing is sent in vain, and not in a mode in which the index stands still.
        await house.pass_time(1)
        assert await keeping.once(10) is None
        await house.rounds(320)
        await house.account("guardian").execute(clearinghouse.call("set_mode", "CancelOnly", 0))
        assert await keeping.once(10) is None
