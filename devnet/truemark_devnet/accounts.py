"""The devnet's own accounts, the same in every run: public knowledge, worth nothing anywhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from truemark.errors import TruemarkError

#: starknet-devnet derives its predeployed accounts from it.
SEED = 20260119
#: How many are predeployed: one a role, and spares.
COUNT = 12
#: Which of them is who, in devnet's order; those after them are spares.
ROLES = ("admin", "operator", "guardian", "sentinel", "reporter-1", "reporter-2", "reporter-3", "liquidator")
#: How the roles of reporters begin.
REPORTER = "reporter-"
REPORTERS = tuple(role for role in ROLES if role.startswith(REPORTER))

#: STRK, which fees are paid in, and the class of the predeployed accounts: of OpenZeppelin, version 1.0.0.
FEE_TOKEN = 0x04718F5A0FC34CC1AF16A1CDEE98FFB20C31F5CD61D6AB07201858F4287C938D
ACCOUNT_CLASS_HASH = 0x05B4B537EAA2399E3AA99C4E2E0208EBD6C71BC1467938CD52C798C601E43564

#: The one that every Ethereum development node uses. Account 0 deploys, owns the contracts and carries the messages.
MNEMONIC = "test test test test test test test test test test test junk"
L1_COUNT = 10


class AccountsMissing(TruemarkError, RuntimeError):
    """The node does not have the accounts it was to be started with."""


@dataclass(frozen=True, slots=True)
class L2Account:
    """A predeployed Starknet account."""

    role: str
    address: int
    public_key: int
    private_key: int = field(repr=False)


@dataclass(frozen=True, slots=True)
class L1Account:
    """An Ethereum account; the address is checksummed, the key 0x-prefixed."""

    address: str
    private_key: str = field(repr=False)


def l2_accounts(l2_url: str) -> tuple[L2Account, ...]:
    """All predeployed accounts, in devnet's order; those without a role are called "spare-1" and so on.

    Raises:
        AccountsMissing: the node does not answer, or has fewer accounts than there are roles.
    """
    request = {"jsonrpc": "2.0", "id": 1, "method": "devnet_getPredeployedAccounts"}
    try:
        reply = httpx.post(l2_url, json=request, timeout=30, trust_env=False).json()
        found: list[Mapping[str, Any]] = reply["result"]
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise AccountsMissing(f"{l2_url} does not list its predeployed accounts ({error!r})") from error
    if len(found) < len(ROLES):
        raise AccountsMissing(f"{l2_url} has {len(found)} predeployed accounts, {len(ROLES)} roles need one each")
    names = [*ROLES, *(f"spare-{number}" for number in range(1, len(found) - len(ROLES) + 1))]
    return tuple(
        L2Account(
            role=name,
            address=int(item["address"], 16),
            public_key=int(item["public_key"], 16),
            private_key=int(item["private_key"], 16),
        )
        for name, item in zip(names, found, strict=True)
    )


def operators(l2_url: str) -> dict[str, L2Account]:
    """The predeployed accounts by role. Raises as l2_accounts."""
    return {account.role: account for account in l2_accounts(l2_url)}


def l1_accounts(count: int = L1_COUNT) -> tuple[L1Account, ...]:
    """The first accounts of the development mnemonic."""
    # Takes half a second to import.
    from eth_account import Account

    Account.enable_unaudited_hdwallet_features()
    derived = [Account.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{index}") for index in range(count)]
    return tuple(L1Account(str(account.address), "0x" + bytes(account.key).hex()) for account in derived)
