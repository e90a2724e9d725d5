"""The integrity report: what was true of a venue at one block when a step up was asked for. Its hash goes on chain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
from eth_utils.crypto import keccak
from truemark.contract import Contract
from truemark.deployment import Deployment
from truemark.rpc import AsyncRpc

MODES = ("Halted", "CancelOnly", "PostOnly", "Full")
GOOD = ("Valid", "Settled")
_HASH_BITS = 250


@dataclass(frozen=True)
class IntegrityReport:
    """What was true when a step up was asked for; its hash goes on chain."""

    content: bytes
    problems: tuple[str, ...]

    @property
    def hash(self) -> int:
        """keccak256 of the content, cut to 250 bits so that it is a felt."""
        return int.from_bytes(keccak(self.content), "big") & ((1 << _HASH_BITS) - 1)


async def integrity_report(rpc: AsyncRpc, deployment: Deployment) -> IntegrityReport:
    """Marks, ledger, token balance, mode and epoch at one block, and what speaks against going up."""
    clearinghouse = Contract.of(rpc, deployment.address("Clearinghouse"), "Clearinghouse")
    oracle = Contract.of(rpc, deployment.address("Oracle"), "Oracle")
    token = Contract.of(rpc, deployment.address("CollateralToken"), "CollateralToken")
    block = int(await rpc.call("starknet_blockNumber"))
    mode = await clearinghouse.read("mode", block=block)
    ledger = await clearinghouse.read("ledger", block=block)
    balance = await token.read("balance_of", clearinghouse.address, block=block)
    epochs = {
        "oracle": await oracle.read("epoch", block=block),
        "clearinghouse": await clearinghouse.read("epoch", block=block),
    }
    marks: dict[str, Any] = {}
    problems = []
    for name, market in deployment.markets.items():
        mark = await oracle.read("mark", market.index, block=block)
        status = mark["status"].variant
        marks[name] = {"status": status, "price": str(mark["price"]), "accepted_at": mark["accepted_at"]}
        if status not in GOOD:
            problems.append(f"{name} is {status}")
        if mark["funding_broken"]:
            problems.append(f"the funding of {name} is broken")
    if ledger["total"] != balance:
        problems.append(f"the ledger says {ledger['total']}, the token balance is {balance} (1e-6 USD)")
    if epochs["oracle"] != epochs["clearinghouse"]:
        problems.append(f"oracle and clearinghouse are in different epochs: {epochs}")
    content = orjson.dumps(
        {
            "version": 1,
            "block": block,
            "mode": mode.variant,
            "epochs": epochs,
            "marks": marks,
            "ledger": {key: str(value) for key, value in ledger.items()},
            "token_balance": str(balance),
        },
        option=orjson.OPT_SORT_KEYS,
    )
    return IntegrityReport(content, tuple(problems))
