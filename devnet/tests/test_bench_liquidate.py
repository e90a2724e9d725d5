"""The liquidator's figure on few accounts: all of them, in far fewer blocks than liquidations."""

from __future__ import annotations

import pytest
from truemark_devnet.bench.liquidate import measure

pytestmark = [pytest.mark.node, pytest.mark.deep]


async def test_a_crowd_under_water_goes_in_a_few_blocks() -> None:
    result = await measure(60)
    assert result.accounts == 60
    assert result.liquidations >= 60
    # The third report of the round, one batch to learn from, one for what is left; two passes or three.
    assert result.blocks == result.transactions + 1 <= 6
