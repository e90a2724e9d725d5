"""What a step has to show: everybody's money on both chains, to the unit, read from the chains as they stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from truemark.contract import Contract
from truemark_keeper.recovery.reconcile import balance_of

from truemark_devnet.drill.venue import Venue
from truemark_devnet.recovery import devnet_chain


async def conservation(venue: Venue) -> dict[str, Any]:
    """Both sides of the bridge and all of the ledger; 1e-6 USD on L2, USD on L1.

    `holds`: the ledger is the token balance and the sum of its parts, every token is in a purse that is known, and what
    L1 has locked is what L2, deposits in flight and withdrawals not yet paid have a claim on.
    """
    house, token = venue.house, venue.contract("CollateralToken")
    vault = venue.deployment.address("Vault")
    ledger: Mapping[str, int] = await house.read("ledger")
    held = sum(item.collateral for item in (await venue.standings()).values())
    held += int((await house.read("account", vault))["collateral"])
    parts = held + sum(int(ledger[key]) for key in ("insurance", "fees", "funding", "pending"))
    balance, supply = await token.read("balance_of", house.address), await token.read("total_supply")
    purses = balance + await _purses(venue, token)
    async with devnet_chain(venue.nodes, venue.deployment) as chain:
        bridge = await balance_of(venue.rpc, venue.deployment, chain.l1)
    return {
        "ledger": int(ledger["total"]),
        "balance": int(balance),
        "accounts": held,
        "insurance": int(ledger["insurance"]),
        "funding": int(ledger["funding"]),
        "pending": int(ledger["pending"]),
        "parts": parts,
        "supply": int(supply),
        "purses": int(purses),
        "locked_usd": str(bridge.locked),
        "in_flight_usd": str(bridge.in_flight),
        "unpaid_usd": str(bridge.unpaid),
        "due_usd": str(bridge.due),
        "holds": ledger["total"] == balance == parts and purses == supply and bridge.holds,
    }


async def _purses(venue: Venue, token: Contract) -> int:
    """Tokens outside of the clearinghouse: wallets, and what bridge, vault and distributor hold for others."""
    owners = {member.address for member in venue.members.values()}
    owners |= {member.address for member in venue.roles.values()}
    owners |= {venue.deployment.address(name) for name in ("Bridge", "Vault", "RefundDistributor")}
    balances = await venue.read_many(token, "balance_of", sorted(owners))
    return sum(int(balance) for balance in balances)
