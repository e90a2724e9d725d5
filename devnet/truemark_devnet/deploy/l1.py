"""The L1 side: test USDC, the messaging contract, the collateral bridge.

Each deployment has its own deployer key, so its contracts' addresses follow from the key and the nonces 0, 1, 2: what
is there already is found again, and an interrupted deployment goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eth_account import Account as EthAccount
from eth_account.signers.local import LocalAccount
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from truemark.bucket import Limit
from truemark.errors import TruemarkError
from web3 import AsyncWeb3
from web3.exceptions import Web3Exception
from web3.types import Nonce, RPCEndpoint
from web3.utils.address import get_create_address

from truemark_devnet.build import L1Contract

#: Seconds between the start of a deposit's cancellation and its end; on Ethereum it is five days.
CANCELLATION_DELAY = 300
#: The most that the bridge locks in all and takes at once; 1e-6 USD.
MAX_LOCKED = 1_000_000_000 * 10**6
MAX_DEPOSIT = 100_000_000 * 10**6
#: What may be withdrawn in all in so many seconds, rolling; on both sides of the bridge.
QUOTA = Limit(limit=100_000_000 * 10**6, window=86_400)
#: Seconds from the owner's announcement of what loosens until it can be done, as long as an admin's hand-over on L2.
OWNER_DELAY = 259_200
_FUNDS = 10**21


class L1DeployFailed(TruemarkError, RuntimeError):
    """A transaction of the L1 deployment was refused or reverted; the message says which and why."""


@dataclass(frozen=True)
class L1Side:
    """Checksum addresses by contract name, the key that owns the bridge and the one that stops it."""

    addresses: Mapping[str, ChecksumAddress]
    owner: LocalAccount
    guardian: LocalAccount


def owner_of(salt: int) -> LocalAccount:
    """The deployer and owner of a deployment's L1 contracts: for a local chain, worth nothing anywhere else."""
    account: LocalAccount = EthAccount.from_key(keccak(text=f"truemark local deployment {salt:#x}"))
    return account


def guardian_of(salt: int) -> LocalAccount:
    """Who can stop a deployment's L1 bridge, and no more: for a local chain, worth nothing anywhere else."""
    account: LocalAccount = EthAccount.from_key(keccak(text=f"truemark local guardian {salt:#x}"))
    return account


async def deploy_l1(w3: AsyncWeb3[Any], contracts: Mapping[str, L1Contract], *, postman: str, salt: int) -> L1Side:
    """Deploys what is missing. `postman` (the account that the gate carries messages with) owns the messaging contract.

    Raises:
        L1DeployFailed: a transaction was refused or reverted.
    """
    owner, guardian = owner_of(salt), guardian_of(salt)
    names = ("TestUSDC", "Messaging", "CollateralBridge")
    addresses = {name: get_create_address(owner.address, Nonce(nonce)) for nonce, name in enumerate(names)}
    arguments: dict[str, Sequence[Any]] = {
        "TestUSDC": (),
        "Messaging": (to_checksum_address(postman), CANCELLATION_DELAY),
        "CollateralBridge": (
            addresses["Messaging"],
            addresses["TestUSDC"],
            MAX_LOCKED,
            MAX_DEPOSIT,
            (QUOTA.limit, QUOTA.window),
            guardian.address,
            OWNER_DELAY,
        ),
    }
    for account in (owner, guardian):
        await w3.provider.make_request(RPCEndpoint("anvil_setBalance"), [account.address, hex(_FUNDS)])
    for nonce, name in enumerate(names):
        if await w3.eth.get_code(addresses[name]):
            continue
        contract = w3.eth.contract(abi=contracts[name].abi, bytecode=contracts[name].bytecode)
        await send(w3, owner, contract.constructor(*arguments[name]), nonce=nonce, what=f"deploying {name}")
    return L1Side(addresses, owner, guardian)


async def connect_l1(w3: AsyncWeb3[Any], side: L1Side, abi: list[dict[str, Any]], l2_bridge: int) -> None:
    """Tells the L1 bridge where its L2 side is, once.

    Raises:
        L1DeployFailed: it is connected to another one.
    """
    bridge = w3.eth.contract(address=side.addresses["CollateralBridge"], abi=abi)
    connected = await bridge.functions.l2_bridge().call()
    if connected == 0:
        await send(w3, side.owner, bridge.functions.connect(l2_bridge), what="connecting the L1 bridge")
    elif connected != l2_bridge:
        raise L1DeployFailed(f"the L1 bridge is connected to {connected:#x}, not to {l2_bridge:#x}")


async def send(w3: AsyncWeb3[Any], owner: LocalAccount, call: Any, *, what: str, nonce: int | None = None) -> None:
    """Signs, sends and waits.

    Raises:
        L1DeployFailed: refused or reverted.
    """
    try:
        if nonce is None:
            nonce = await w3.eth.get_transaction_count(owner.address)
        transaction = await call.build_transaction({"from": owner.address, "nonce": nonce})
        signed = owner.sign_transaction(transaction)
        receipt = await w3.eth.wait_for_transaction_receipt(
            await w3.eth.send_raw_transaction(signed.raw_transaction), poll_latency=0.02
        )
    except Web3Exception as error:
        raise L1DeployFailed(f"{what}: {error}") from error
    if receipt["status"] != 1:
        raise L1DeployFailed(f"{what}: reverted")
