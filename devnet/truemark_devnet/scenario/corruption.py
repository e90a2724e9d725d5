"""A funding index that changes with no transaction, as on 19 January 2026."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from truemark.felt import PRIME
from truemark.units import VALUE_DECIMALS

from truemark_devnet.nodes.storage import read_slot, slot_address, write_slots
from truemark_devnet.scenario.stage import SetupFailed, Stage

#: Of a market's slots in the clearinghouse: the funding index, sealed (contracts/src/clearinghouse/state.cairo).
_FUNDING: Final = 2
_BITS: Final = 128
_LIVE: Final = 1 << _BITS


async def corrupt(stage: Stage, market: str, index: Decimal) -> None:
    """Sets the slot of a market's funding index to a value, USD for one whole base unit, as a program does that knows
    the layout and no checksum; 0 is the empty slot of a table that was reset.

    Raises:
        SetupFailed: the slot is not where it should be.
    """
    control, house = stage.nodes.control, stage.clearinghouse
    number = stage.market(market)
    slot = slot_address("state", "markets", number, offset=_FUNDING)
    before = read_slot(control, house.address, slot)
    if before == 0:
        raise SetupFailed(f"the funding index of {market} is not at {slot:#x} of the clearinghouse")
    write_slots(control, house.address, {slot: await _slot(stage, number, before, index)})


async def _slot(stage: Stage, market: int, before: int, index: Decimal) -> int:
    if index == 0:
        return 0
    live = before & _LIVE
    value = int(index.scaleb(VALUE_DECIMALS))
    if live:
        # The index is the oracle's growth and this base.
        value -= await stage.clearinghouse.read("funding_index", market) - _base(before)
    return (value % (1 << _BITS) + live) % PRIME


def _base(slot: int) -> int:
    low = slot % (1 << _BITS)
    return low - (1 << _BITS) if low >> (_BITS - 1) else low
