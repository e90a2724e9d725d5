"""The whole deployment, from two empty chains to a venue that is Halted and waits to be opened.

Every step looks first whether it was done, so a second run changes nothing and an interrupted one goes on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import orjson
from truemark.abi import Abi
from truemark.account import Account, TransactionReverted
from truemark.contract import Contract, ContractError
from truemark.deployment import ContractInfo, Deployment, MarketInfo
from truemark.errors import TruemarkError
from truemark.felt import short_string
from truemark.keys import StarkKey
from truemark.risk import NO_TIER, MarginTier, Tiers
from truemark.rpc import AsyncRpc
from truemark.transactions import Call
from truemark_keeper.wallet import StarkWallet
from web3 import AsyncHTTPProvider, AsyncWeb3

from truemark_devnet.accounts import REPORTER, L2Account, l1_accounts
from truemark_devnet.build import UNGUARDED, Build
from truemark_devnet.deploy.l1 import QUOTA, connect_l1, deploy_l1
from truemark_devnet.deploy.l2 import declare, deploy_contract
from truemark_devnet.nodes import Nodes
from truemark_devnet.profile import MAX_TIERS, MarketProfile, Profile

#: Classes that the clearinghouse runs on its own storage, by library call, in the order of its constructor.
LIBRARIES = ("Trading", "Liquidation", "Money", "Venue", "Waterfall")
TOKEN_NAME, TOKEN_SYMBOL = "Truemark USDC", "tmUSDC"

Progress = Callable[[str], None]


class DeployFailed(TruemarkError, RuntimeError):
    """A step of the deployment did not do what it should; the message names it."""


@dataclass(frozen=True)
class _Addresses:
    token: int
    bridge: int
    oracle: int
    clearinghouse: int
    vault: int
    refunds: int


async def deploy(
    nodes: Nodes,
    operators: Mapping[str, L2Account],
    profile: Profile,
    build: Build,
    *,
    name: str = "devnet",
    progress: Progress = lambda line: None,
    unguarded: bool = False,
) -> Deployment:
    """Deploys what is missing on the two chains and returns the manifest. The venue is left as it is: Halted if new.

    Args:
        operators: accounts by role; those whose role begins with "reporter-" are the oracle's reporters.
        unguarded: for demonstrations on nodes of their own: classes without the guards are taken too. `truemark devnet
            deploy` never sets it.

    Raises:
        DeployFailed, L1DeployFailed, L2DeployFailed, TransactionReverted: a step failed; run it again to go on.
        NodeUnavailable: a node does not answer.
    """
    bare = [cls.name for cls in build.classes.values() if cls.name.startswith(UNGUARDED)]
    if bare and not unguarded:
        raise DeployFailed(f"{', '.join(bare)}: a class without the guards is for tests, no venue declares it")
    salt = salt_of(profile)
    async with AsyncRpc(nodes.l2_url) as rpc:
        admin = account_of(rpc, operators["admin"], nodes.l2_chain_id)
        w3 = AsyncWeb3(AsyncHTTPProvider(nodes.l1_url))
        try:
            progress("L1: test USDC, messaging, bridge")
            l1 = await deploy_l1(w3, build.l1, postman=l1_accounts(1)[0].address, salt=salt)
            await nodes.attach_messaging(l1.addresses["Messaging"])
            for cls in build.classes.values():
                if await declare(rpc, admin, cls):
                    progress(f"L2: declared {cls.name}")
            addresses = await _contracts(rpc, admin, operators, profile, build, salt, progress)
            progress("wiring, roles and markets")
            await _wire(rpc, admin, operators, addresses, l1.addresses)
            await connect_l1(w3, l1, build.l1["CollateralBridge"].abi, addresses.bridge)
            markets = await _markets(rpc, admin, profile, addresses)
        finally:
            await w3.provider.disconnect()
    infos = {
        "CollateralToken": addresses.token,
        "Bridge": addresses.bridge,
        "Oracle": addresses.oracle,
        "Clearinghouse": addresses.clearinghouse,
        "Vault": addresses.vault,
        "RefundDistributor": addresses.refunds,
    }
    return Deployment(
        name=name,
        profile=profile.name,
        l2_rpc=nodes.l2_url,
        l1_rpc=nodes.l1_url,
        l2_chain_id=nodes.l2_chain_id,
        l1_chain_id=nodes.l1_chain_id,
        contracts={key: ContractInfo(address, build.classes[key].class_hash) for key, address in infos.items()},
        classes={key: build.classes[key].class_hash for key in LIBRARIES},
        l1=dict(l1.addresses),
        fee_token=nodes.fee_token,
        account_class_hash=nodes.account_class_hash,
        faucet=True,
        operators={role: member.address for role, member in operators.items()},
        markets=markets,
        vault_lock_secs=profile.vault.lock_secs,
        parameters=parameters_of(profile),
    )


def account_of(rpc: AsyncRpc, member: L2Account, chain_id: int) -> Account:
    """An operator's account, ready to send."""
    return Account(rpc, member.address, StarkKey.from_private(member.private_key), chain_id)


def wallet_of(member: L2Account, chain_id: int) -> StarkWallet:
    """An operator's wallet, for a transaction queue."""
    return StarkWallet(member.address, StarkKey.from_private(member.private_key), chain_id)


def parameters_of(profile: Profile) -> dict[str, Any]:
    """The profile as plain JSON values, in the contracts' units."""
    plain: dict[str, Any] = orjson.loads(orjson.dumps(asdict(profile)))
    return plain


def salt_of(profile: Profile) -> int:
    """Another profile is another venue: its contracts get other addresses."""
    return salt_of_parameters(parameters_of(profile))


def salt_of_parameters(parameters: Mapping[str, Any]) -> int:
    """As `salt_of`, from what a manifest has of the profile."""
    return int.from_bytes(hashlib.sha256(orjson.dumps(parameters)).digest()[:16], "big")


async def _contracts(
    rpc: AsyncRpc,
    admin: Account,
    operators: Mapping[str, L2Account],
    profile: Profile,
    build: Build,
    salt: int,
    progress: Progress,
) -> _Addresses:
    async def put(name: str, *arguments: Any) -> int:
        cls = build.classes[name]
        calldata = Abi(cls.abi()).encode("constructor", *arguments)
        address = await deploy_contract(rpc, admin, cls, salt, calldata)
        progress(f"L2: {name} at {address:#x}")
        return address

    owner = operators["admin"].address
    bridge = await put("Bridge", owner, asdict(QUOTA))
    token = await put("CollateralToken", TOKEN_NAME, TOKEN_SYMBOL, bridge)
    reporters = [member.address for role, member in operators.items() if role.startswith(REPORTER)]
    oracle = await put("Oracle", owner, profile.oracle.quorum, profile.oracle.max_silence, reporters)
    libraries = [build.classes[name].class_hash for name in LIBRARIES]
    clearinghouse = await put(
        "Clearinghouse",
        owner,
        token,
        oracle,
        *libraries,
        asdict(profile.venue),
        asdict(profile.waterfall),
        asdict(profile.outflow),
    )
    vault = await put(
        "Vault", owner, profile.vault.name, profile.vault.symbol, token, clearinghouse, profile.vault.lock_secs
    )
    refunds = await put("RefundDistributor", owner, clearinghouse)
    return _Addresses(
        token=token, bridge=bridge, oracle=oracle, clearinghouse=clearinghouse, vault=vault, refunds=refunds
    )


async def _wire(
    rpc: AsyncRpc, admin: Account, operators: Mapping[str, L2Account], at: _Addresses, l1: Mapping[str, str]
) -> None:
    oracle = Contract.of(rpc, at.oracle, "Oracle")
    clearinghouse = Contract.of(rpc, at.clearinghouse, "Clearinghouse")
    bridge, vault = Contract.of(rpc, at.bridge, "Bridge"), Contract.of(rpc, at.vault, "Vault")
    refunds = Contract.of(rpc, at.refunds, "RefundDistributor")
    l1_bridge, l1_token = int(l1["CollateralBridge"], 16), int(l1["TestUSDC"], 16)
    await _once(admin, oracle.call("connect", at.clearinghouse, at.bridge), "ORACLE: already connected")
    if await clearinghouse.read("bridge") != at.bridge:
        await admin.execute([clearinghouse.call("connect", at.bridge, at.vault)])
    if await bridge.read("l1_bridge") != l1_bridge:
        await admin.execute(
            [bridge.call("connect", at.token, l1_bridge, l1_token, at.oracle, at.clearinghouse, at.vault)]
        )
    grants = []
    for contract, role, account in (
        (clearinghouse, "OPERATOR", operators["operator"].address),
        (clearinghouse, "GUARDIAN", operators["guardian"].address),
        (clearinghouse, "SENTINEL", operators["sentinel"].address),
        (oracle, "GUARDIAN", operators["guardian"].address),
        (oracle, "SENTINEL", operators["sentinel"].address),
        # There they take back an upgrade, or a new admin.
        (bridge, "GUARDIAN", operators["guardian"].address),
        (vault, "GUARDIAN", operators["guardian"].address),
        (refunds, "GUARDIAN", operators["guardian"].address),
    ):
        if not await contract.read("has_role", short_string(role), account):
            grants.append(contract.call("grant_role", short_string(role), account))
    if grants:
        await admin.execute(grants)


async def _once(admin: Account, call: Call, done: str) -> None:
    """Contracts are at addresses that only this admin decides over, so what is connected is connected to the same."""
    try:
        await admin.execute([call])
    except TransactionReverted as error:
        if error.reason != done:
            raise


async def _markets(rpc: AsyncRpc, admin: Account, profile: Profile, at: _Addresses) -> dict[str, MarketInfo]:
    oracle = Contract.of(rpc, at.oracle, "Oracle")
    clearinghouse = Contract.of(rpc, at.clearinghouse, "Clearinghouse")
    markets = {}
    for number, market in enumerate(profile.markets):
        name = short_string(market.name)
        calls = []
        if await _market_index(oracle, name) is None:
            calls.append(oracle.call("list_market", name, asdict(market.guard)))
        params = params_of(market)
        if calls or not await _is_listed(clearinghouse, number):
            calls.append(clearinghouse.call("list_market", name, params))
            await admin.execute(calls)
        index = await _market_index(oracle, name)
        if index != number:
            raise DeployFailed(f"{market.name} is market {index} of the oracle, it should be {number}")
        markets[market.name] = MarketInfo(
            index=index,
            lot_size=market.lot_size,
            tick_size=market.tick_size,
            maker_fee_bps=market.maker_fee_bps,
            taker_fee_bps=market.taker_fee_bps,
            tiers=tiers_of(market),
        )
    return markets


def tiers_of(market: MarketProfile) -> Tiers:
    """The market's margin tiers, unused ones all 0."""
    tiers = [MarginTier(tier.upto, tier.initial_bps, tier.maintenance_bps) for tier in market.tiers]
    first, second, third = [*tiers, *[NO_TIER] * (MAX_TIERS - len(tiers))]
    return (first, second, third)


def params_of(market: MarketProfile) -> dict[str, Any]:
    """A market as the clearinghouse's `MarketParams`."""
    return {
        "tiers": tuple(asdict(tier) for tier in tiers_of(market)),
        "lot_size": market.lot_size,
        "tick_size": market.tick_size,
        "maker_fee_bps": market.maker_fee_bps,
        "taker_fee_bps": market.taker_fee_bps,
        "discount_bps": market.discount_bps,
        "penalty_bps": market.penalty_bps,
        "dust_usd": market.dust_usd,
        "max_open_interest": market.max_open_interest,
        "max_position": market.max_position,
    }


async def _market_index(oracle: Contract, name: int) -> int | None:
    try:
        index: int = await oracle.read("market_index", name)
    except ContractError as error:
        if error.reason == "ORACLE: unknown market":
            return None
        raise
    return index


async def _is_listed(clearinghouse: Contract, market: int) -> bool:
    params = await clearinghouse.read("market_params", market)
    return bool(params["lot_size"])
