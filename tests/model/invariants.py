"""What must hold of every state, and of every step from one to the next, whatever was done."""

from __future__ import annotations

from collections.abc import Mapping
from operator import gt
from typing import Any

from tests.model.clearinghouse import MODES
from tests.model.vault import VIRTUAL_ASSETS, VIRTUAL_SHARES
from tests.model.world import ACCOUNTS, View, World

#: Actions that carry the epoch.
OF_AN_EPOCH = ("Report", "Settle", "Withdraw", "Escape", "Liquidate", "Backstop", "Deleverage", "ToL1")
Views = Mapping[View, Any]


def broken_invariants(seen: Views, unbooked: int) -> list[str]:
    """What must hold of any state, asked of what the contracts themselves say."""
    broken = []
    total, insurance, fees, funding, pending = seen["ledger",]
    held = sum(seen["account", name][0] for name in ACCOUNTS)
    if total != held + insurance + fees + funding + pending:
        broken.append(f"collateral is not conserved: {total} != {held} + {insurance} + {fees} + {funding} + {pending}")
    if total + unbooked != seen["wallet", "clearinghouse"]:
        broken.append(f"the ledger says {total}, the token balance is {seen['wallet', 'clearinghouse']}")
    if seen["bridge",][1] != seen["wallet", "bridge"]:
        broken.append("the bridge does not hold what is parked")
    for view in seen:
        if view[0] == "interest":
            sizes = [size for name in ACCOUNTS for market, size, _ in seen["account", name][2] if market == view[1]]
            long, short = (sum(size for size in sizes if size > 0), -sum(size for size in sizes if size < 0))
            # Of a closed market some are settled before the others.
            closed = seen["closing", view[1]] is not None
            if seen[view] != (long, short) or (long != short and not closed):
                broken.append(f"open interest of market {view[1]} is {seen[view]}, positions are {long} and {short}")
        if view[0] == "mark" and seen[view][0] != "Pending" and seen[view][1] == 0:
            broken.append(f"the mark of market {view[1]} is 0")
    if seen["wallet", "refunds"] < seen["refunds owed",]:
        broken.append("the refunds that are owed are not covered")
    if len(set(seen["epochs",])) != 1:
        broken.append(f"oracle, clearinghouse and bridge are in different epochs: {seen['epochs',]}")
    return broken


def broken_by_step(world: World, action: Any, before: Views, after: Views, *, accepted: bool) -> list[str]:
    """What must hold of any one action; `world` is the one after it."""
    broken = []
    if not accepted:
        changed = [view for view in after if view in before and before[view] != after[view]]
        if changed:
            broken.append(f"a refused action changed {changed}")
        return broken
    kind = type(action).__name__
    epochs = before["epochs",]
    if kind in OF_AN_EPOCH and action.epoch not in epochs:
        broken.append(f"epoch {action.epoch} was accepted in {epochs}")
    if kind in ("Liquidate", "Backstop", "Deleverage"):
        broken += _liquidated(action, before, after)
    if kind in ("VaultEnter", "VaultLeave", "FromL1"):
        (assets, shares), (assets_after, shares_after) = before["vault",], after["vault",]
        worth = (assets + VIRTUAL_ASSETS) * (shares_after + VIRTUAL_SHARES)
        if (assets_after + VIRTUAL_ASSETS) * (shares + VIRTUAL_SHARES) < worth:
            broken.append("a share of the vault is worth less")
    winding_down = bool(after["wound down",]) and kind in ("Escape", "SettlePositions")
    leaves = kind in ("Escape", "ReturnPending", "Attest", "SettleAttestation")
    leaves = leaves or (bool(after["wound down",]) and kind == "VaultLeave")
    broken += _mode_obeyed(before, after, may_leave=leaves, may_close=winding_down)
    for number, market in enumerate(world.oracle.markets):
        guard = market.guard
        most = guard.max_funding_rate_ppm * guard.max_gap * market.price // 288 + 1
        if kind == "Restore" or ("index", number) not in before or ("index", number) not in after:
            continue
        moved = after["index", number] - before["index", number]
        if abs(moved) > most:
            broken.append(f"the index of market {number} moved by {moved}, more than {most}")
    return broken


def _liquidated(action: Any, before: Views, after: Views) -> list[str]:
    """Whoever lost some of a position was under water at the last good marks, or the other side of one who was; what
    changes hands is rationed, and insurance gives no more than it has."""
    broken = []
    kind = type(action).__name__
    takers = {"Liquidate": (action.sender,), "Backstop": ("vault",)}.get(kind) or action.others
    for name in ACCOUNTS:
        if before["account", name] == after["account", name]:
            continue
        if ("margin", name) not in before:
            broken.append(f"{name} holds what nobody can value, and lost some of it")
            continue
        (value, maintenance, _), (value_after, maintenance_after, _) = before["margin", name], after["margin", name]
        if name not in takers and value >= maintenance:
            broken.append(f"{name} was healthy and lost a position")
        healthy = value_after >= maintenance_after
        healthier = maintenance_after < maintenance and value_after * maintenance >= value * maintenance_after
        if kind == "Deleverage" and name in takers and not healthy and not healthier:
            broken.append(f"{name} is neither healthy nor healthier")
    broken += [
        f"more than the ration of market {view[1]} changed hands"
        for view in before
        if view[0] == "storm" and after[view][0] > max(before[view][0], before[view][1])
    ]
    if kind != "Liquidate" and after["ledger",][1] < min(0, before["ledger",][1]):
        broken.append("insurance gave more than it had")
    level, room = before["losses",]
    if after["losses",][0] > level + room:
        broken.append("the vault lost more than its cap")
    return broken


def _mode_obeyed(before: Views, after: Views, *, may_leave: bool, may_close: bool) -> list[str]:
    """Nothing grows below PostOnly, nothing moves in Halted but what comes in."""
    rank = MODES.index(before["mode",])
    broken = []
    for view in after:
        # Each side by itself: as pairs the first would decide.
        grown = view[0] == "interest" and any(map(gt, after[view], before[view]))
        if grown and rank < 2:
            broken.append(f"open interest grew in {before['mode',]}")
        if view[0] == "interest" and rank == 0 and not may_close and after[view] != before[view]:
            broken.append("a position moved in Halted")
    if rank == 0 and not may_leave and after["ledger",][0] < before["ledger",][0]:
        broken.append("collateral left in Halted")
    return broken
