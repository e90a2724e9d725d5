"""Accounts that the node bills in Sierra gas.

A transaction is billed in VM steps, rounded up to 40,000 L2 gas a call, as soon as its account is of a class older
than version 1.7.0, and the accounts that devnet brings are. So the gas benches send from the same class declared anew,
with a version that says so and one more name in its ABI, which gives it another hash.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import orjson
from truemark.account import Account
from truemark.keys import StarkKey, account_address
from truemark.rpc import AsyncRpc

from truemark_devnet.accounts import L2Account
from truemark_devnet.build import ContractClass, finish_class
from truemark_devnet.deploy.l2 import declare
from truemark_devnet.nodes import Nodes

_FUNDS = 10**22
_NAME = {"type": "struct", "name": "truemark::bench::BilledInSierraGas", "members": []}


async def declare_account_class(nodes: Nodes, rpc: AsyncRpc, sender: Account, out: Path) -> ContractClass:
    """devnet's own account class, billed in Sierra gas; its artifacts are written to `out`."""
    contract = await rpc.call("starknet_getClass", {"block_id": "latest", "class_hash": hex(nodes.account_class_hash)})
    abi = contract["abi"]
    contract["abi"] = [*(orjson.loads(abi) if isinstance(abi, str) else abi), _NAME]
    out.mkdir(parents=True, exist_ok=True)
    cls = finish_class("Account", contract, out)
    await declare(rpc, sender, cls)
    return cls


async def sierra_accounts(
    nodes: Nodes, rpc: AsyncRpc, cls: ContractClass, roles: Mapping[str, L2Account]
) -> dict[str, L2Account]:
    """An account of that class for each role, with the role's key."""
    found = {}
    for role, member in roles.items():
        key = StarkKey.from_private(member.private_key)
        address = await deploy_account(nodes, rpc, cls.class_hash, key)
        found[role] = L2Account(role, address, key.public_key, member.private_key)
    return found


async def deploy_account(nodes: Nodes, rpc: AsyncRpc, class_hash: int, key: StarkKey) -> int:
    """A funded account of a class, deployed by its own key; its address."""
    address = account_address(key.public_key, class_hash)
    await nodes.mint(address, _FUNDS)
    await Account(rpc, address, key, nodes.l2_chain_id).deploy(class_hash)
    return address
