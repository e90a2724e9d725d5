"""Gas is measured of every operation, and twice the same."""

from __future__ import annotations

import asyncio

import pytest
from truemark_devnet.bench.gas import TABLE, measure

pytestmark = [pytest.mark.node, pytest.mark.deep]


def test_every_operation_has_its_gas_and_a_fill_measured_again_has_the_same() -> None:
    measured = asyncio.run(measure([*TABLE, "gas.fill_opens", "gas.fill_1_open"]))
    figures = dict(measured)
    assert figures.keys() == TABLE.keys()
    assert all(gas > 0 for gas in figures.values())
    for name in ("gas.fill_opens", "gas.fill_1_open"):
        first, second = [gas for measured_name, gas in measured if measured_name == name]
        assert first == second
