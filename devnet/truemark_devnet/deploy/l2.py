"""Declares classes and deploys contracts on L2 through one account. What is there already is left alone."""

from __future__ import annotations

from collections.abc import Sequence

from starknet_py.hash.address import compute_address
from truemark.account import Account
from truemark.errors import TruemarkError
from truemark.felt import selector
from truemark.rpc import AsyncRpc, RpcError
from truemark.transactions import Call

from truemark_devnet.build import ContractClass

#: The universal deployer that starknet-devnet predeploys.
UNIVERSAL_DEPLOYER = 0x02CEED65A4BD731034C01113685C831B01C15D7D432F71AFB1CF1634B53A2125
CLASS_HASH_NOT_FOUND = 28
CONTRACT_NOT_FOUND = 20


class L2DeployFailed(TruemarkError, RuntimeError):
    """A contract is not where its deployment should have put it."""


async def declare(rpc: AsyncRpc, account: Account, cls: ContractClass) -> bool:
    """Declares a class; False if it was declared already.

    Raises:
        TransactionRefused, TransactionReverted: the node did not take it.
    """
    if await _exists(rpc, "starknet_getClass", {"block_id": "latest", "class_hash": hex(cls.class_hash)}):
        return False
    await account.declare(cls.sierra(), cls.class_hash, cls.compiled_class_hash)
    return True


def address_of(cls: ContractClass, salt: int, calldata: Sequence[int]) -> int:
    """Where `deploy` puts a contract."""
    return compute_address(
        class_hash=cls.class_hash, constructor_calldata=list(calldata), salt=salt, deployer_address=0
    )


async def deploy_contract(
    rpc: AsyncRpc, account: Account, cls: ContractClass, salt: int, calldata: Sequence[int]
) -> int:
    """Deploys a contract at the address that its class, salt and arguments decide; its address.

    Raises:
        TransactionRefused, TransactionReverted: the node did not take it.
        L2DeployFailed: it is not there afterwards.
    """
    address = address_of(cls, salt, calldata)
    if await _exists(rpc, "starknet_getClassHashAt", {"block_id": "latest", "contract_address": hex(address)}):
        return address
    arguments = (cls.class_hash, salt, 0, len(calldata), *calldata)
    await account.execute([Call(UNIVERSAL_DEPLOYER, selector("deployContract"), arguments)])
    if not await _exists(rpc, "starknet_getClassHashAt", {"block_id": "latest", "contract_address": hex(address)}):
        raise L2DeployFailed(f"{cls.name} is not at {address:#x} after its deployment")
    return address


async def _exists(rpc: AsyncRpc, method: str, params: dict[str, object]) -> bool:
    try:
        await rpc.call(method, params)
    except RpcError as error:
        if error.code in (CLASS_HASH_NOT_FOUND, CONTRACT_NOT_FOUND):
            return False
        raise
    return True
