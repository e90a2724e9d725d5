"""A funding index whose seal is broken, as the design has it: its market counts as not Valid until the admin puts the
last sealed checkpoint back, in Halted, after a delay that everybody sees."""

from __future__ import annotations

from collections.abc import Collection

from tests.model.clearinghouse import Clearinghouse

STOPPERS = ("admin", "guardian", "sentinel")


def checkpoint_refusals(house: Clearinghouse, markets: Collection[int]) -> set[str]:
    return {"MARKET: not listed"} if any(market >= len(house.markets) for market in markets) else set()


def checkpoint(house: Clearinghouse, markets: Collection[int]) -> list[int]:
    """The present index of each becomes the one that a restore goes back to; a broken one is passed over."""
    whole = [market for market in sorted(markets) if market not in house.broken]
    for market in whole:
        house.checkpoints[market] = house.index[market]
    return whole


def announce_refusals(house: Clearinghouse, caller: str, market: int) -> set[str]:
    reasons = set()
    if caller != "admin":
        reasons.add("ACCESS: not the admin")
    if market >= len(house.markets):
        return reasons | {"MARKET: not listed"}
    if house.mode != "Halted":
        reasons.add("MODE: not halted")
    if market not in house.broken:
        reasons.add("FUNDING: not broken")
    return reasons


def announce(house: Clearinghouse, market: int, now: int) -> None:
    house.restores[market] = now + house.outflow.restore_delay


def cancel_refusals(house: Clearinghouse, caller: str, market: int) -> set[str]:
    reasons = set()
    if caller not in STOPPERS:
        reasons.add("ACCESS: may not stop")
    if market not in house.restores:
        reasons.add("FUNDING: not announced")
    return reasons


def restore_refusals(house: Clearinghouse, caller: str, market: int, now: int) -> set[str]:
    reasons = announce_refusals(house, caller, market)
    since = house.restores.get(market)
    if since is None:
        reasons.add("FUNDING: not announced")
    elif now < since:
        reasons.add("FUNDING: restore too early")
    return reasons


def restore(house: Clearinghouse, market: int) -> None:
    house.index[market] = house.checkpoints[market]
    house.broken.discard(market)
    del house.restores[market]
