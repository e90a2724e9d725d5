"""Whether the index and the chain say the same: what an operator and the public look at during a reopening is the
index, and one that is behind or followed another chain hides what goes on."""

from __future__ import annotations

from typing import Final

from truemark.contract import Contract
from truemark.deployment import Deployment
from truemark.index import Index
from truemark.index.fingerprint import header_print
from truemark.rpc import AsyncRpc, RpcError

#: Blocks in which a market's last mark is looked for.
_REACH: Final = 500


async def index_problems(rpc: AsyncRpc, index: Index, deployment: Deployment, *, behind: int = 3) -> list[str]:
    """What is not the same, one line each; empty: the index has the node's newest block but `behind`, the very block,
    and the marks that the oracle has there.

    Raises:
        NodeUnavailable: the node does not answer.
    """
    head = index.head()
    if head is None:
        return ["the index is empty"]
    newest = int(await rpc.call("starknet_blockNumber"))
    found = []
    if newest - head.number > behind:
        found.append(f"the index ends at block {head.number}, the chain at {newest}")
    try:
        raw = await rpc.call("starknet_getBlockWithTxHashes", {"block_id": {"block_number": head.number}})
    except RpcError:
        return [*found, f"the chain has no block {head.number}, the index has"]
    if not head.fingerprint.startswith(header_print(raw)):
        return [*found, f"block {head.number} of the index is not the chain's: it was replaced"]
    oracle = Contract.of(rpc, deployment.address("Oracle"), "Oracle")
    for name, market in deployment.markets.items():
        # Whoever follows the chain may have written more blocks by now.
        span = {"first_block": max(head.number - _REACH, 0), "last_block": head.number}
        rows = index.marks(market.index, oracle=oracle.address, **span)
        if not rows:
            continue
        price = (await oracle.read("mark", market.index, block=head.number))["price"]
        if rows[-1].price != price:
            found.append(f"the index has {rows[-1].price} as the mark of {name}, the oracle {price}")
    return found
