"""Whether the venue is as a scenario expects it: read from the chain as it stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from truemark.felt import selector
from truemark.units import from_collateral, from_price, to_price

from truemark_devnet.scenario.file import Expect
from truemark_devnet.scenario.stage import Stage
from truemark_devnet.scenario.steps import Outcome
from truemark_devnet.scenario.watch import Watch


async def problems(stage: Stage, watch: Watch, expect: Expect, outcomes: Mapping[int, Outcome]) -> list[str]:
    """What is not as expected, one line each; empty if all is."""
    found: list[str] = []
    for market, wanted in (expect.mark or {}).items():
        price = (await stage.oracle.read("mark", stage.market(market)))["price"]
        if price != to_price(wanted):
            found.append(f"the mark of {market} is {from_price(price)}, not {wanted}")
    for market, status in (expect.status or {}).items():
        is_now = (await stage.oracle.read("mark", stage.market(market)))["status"].variant
        if is_now != status:
            found.append(f"{market} is {is_now}, not {status}")
    if expect.mode is not None:
        mode = (await stage.clearinghouse.read("mode")).variant
        if mode != expect.mode:
            found.append(f"the mode is {mode}, not {expect.mode}")
    if expect.liquidated is not None:
        names = await liquidated(stage)
        if names != expect.liquidated:
            found.append(f"liquidated: {_list(names)}, not {_list(expect.liquidated)}")
    found += [
        f"the step at {at} s went through, it must be refused" for at in expect.refused if not outcomes[at].refused
    ]
    found += [
        f"the step at {at} s was refused ({outcomes[at].refusal}), it must go through"
        for at in expect.accepted
        if outcomes[at].refused
    ]
    if expect.conserved is not None:
        leaks = await unaccounted(stage)
        if bool(leaks) == expect.conserved:
            found.append(f"collateral is {'not ' if leaks else ''}conserved{': ' if leaks else ''}{'; '.join(leaks)}")
    if expect.incident is not None and watch.incident != expect.incident:
        said = f" ({'; '.join(watch.reasons)})" if watch.reasons else ""
        found.append(f"the sentinel {'opened an' if watch.incident else 'opened no'} incident{said}")
    return found


async def liquidated(stage: Stage) -> frozenset[str]:
    """Whom a liquidation on the canonical chain took something from."""
    names = {account.address: who for who, account in stage.accounts.items()}
    said = await _events(stage, "Liquidated")
    return frozenset(names.get(event["account"], hex(event["account"])) for event in said)


async def unaccounted(stage: Stage) -> list[str]:
    """The equations that do not hold: what came in less what left is the ledger, the token balance, and the sum of its
    parts."""
    ledger = await stage.clearinghouse.read("ledger")
    token = stage.contract("CollateralToken")
    came = sum([said["amount"] for name in ("Deposited", "DepositHeld") for said in await _events(stage, name)])
    left = sum([said["amount"] for said in await _events(stage, "Withdrawn")])
    balance = await token.read("balance_of", stage.clearinghouse.address)
    holders = [stage.house.address, stage.deployment.address("Vault"), *(a.address for a in stage.accounts.values())]
    held = sum([(await stage.clearinghouse.read("account", holder))["collateral"] for holder in holders])
    parts = held + sum(ledger[key] for key in ledger if key != "total")
    sums = {"what came in less what left": came - left, "the token balance": balance, "the sum of its parts": parts}
    return [
        f"the ledger says {from_collateral(ledger['total'])}, {what} is {from_collateral(amount)}"
        for what, amount in sums.items()
        if amount != ledger["total"]
    ]


async def _events(stage: Stage, name: str) -> list[Mapping[str, Any]]:
    """Of the clearinghouse, on the canonical chain."""
    house, found, token = stage.clearinghouse, [], None
    while True:
        query = {
            "address": hex(house.address),
            "keys": [[hex(selector(name))]],
            "from_block": {"block_number": 0},
            "to_block": "latest",
            "chunk_size": 1000,
            **({"continuation_token": token} if token else {}),
        }
        page = await stage.rpc.call("starknet_getEvents", {"filter": query})
        for event in page["events"]:
            keys, data = ([int(felt, 16) for felt in event[part]] for part in ("keys", "data"))
            found.append(house.abi.decode_event(keys, data).fields)
        token = page.get("continuation_token")
        if not token:
            return found


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nobody"
