"""Reads what the sentinel sees: every view of one block in one request, none of which may hide that it failed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from truemark.abi import Abi
from truemark.contract import revert_reason
from truemark.deployment import Deployment
from truemark.felt import selector, short_string_text
from truemark.index.layout import Slot
from truemark.index.naming import Naming
from truemark.rpc import RpcError

from truemark_keeper.accounts import AccountScan
from truemark_keeper.pinned import Head, batch_at, read_head
from truemark_keeper.sentinel.sight import GuardSight, LedgerSight, MarketSight, Sight, StopMode
from truemark_keeper.sentinel.writes import NodeAudit, WriteAudit
from truemark_keeper.slots import Node

#: 20 no such contract, 21 no such entry point, 40 and 41 it reverts.
VIEW_FAILED = frozenset({20, 21, 40, 41})


class SightReader:
    """Args:
    node: the JSON-RPC client.
    deployment: the venue.
    audit: tells of writes without a transaction; by default the node is asked.
    since: a block before which the venue has no account.
    """

    def __init__(self, node: Node, deployment: Deployment, *, audit: WriteAudit | None = None, since: int = 0) -> None:
        self._node = node
        self._targets = {
            name: (deployment.address(name), Abi.load(name)) for name in ("Oracle", "Clearinghouse", "CollateralToken")
        }
        contracts = {name: info.address for name, info in deployment.contracts.items()}
        self._audit = audit if audit is not None else NodeAudit(node, contracts)
        self._scan = AccountScan(node, deployment.address("Clearinghouse"), since=since)
        self._names: dict[int, str] = {}
        self._naming = Naming(deployment)

    async def head(self, block: int | None = None) -> Head:
        """Raises as pinned.read_head."""
        return await read_head(self._node, block)

    async def sight(self, head: Head, *, count_accounts: bool = False) -> Sight:
        """The block of this head.

        Raises:
            BlockGone: it vanished meanwhile.
            RpcError, NodeUnavailable: the node does not say.
        """
        house = self._targets["Clearinghouse"][0]
        failed: dict[str, str] = {}
        header, count, mode, epoch, ledger, balance, supply = await self._all(
            head,
            failed,
            ("Oracle", "market_count", ()),
            ("Clearinghouse", "mode", ()),
            ("Clearinghouse", "epoch", ()),
            ("Clearinghouse", "ledger", ()),
            ("CollateralToken", "balance_of", (house,)),
            ("CollateralToken", "total_supply", ()),
        )
        markets = await self._markets(head, count or 0, failed)
        entries = ledger or {}
        return Sight(
            block=head.number,
            fingerprint=head.fingerprint,
            timestamp=int(header["timestamp"]),
            mode=StopMode.FULL if mode is None else StopMode.of(mode.variant),
            epoch=epoch or 0,
            ledger=LedgerSight(
                total=entries.get("total", 0),
                insurance=entries.get("insurance", 0),
                fees=entries.get("fees", 0),
                funding=entries.get("funding", 0),
                pending=entries.get("pending", 0),
                balance=balance or 0,
                supply=supply or 0,
            ),
            markets=markets,
            unreadable=failed,
            unattributed=await self._audit.unattributed(head.number),
            accounts_sum=await self._accounts_sum(head) if count_accounts else None,
        )

    async def guards(self, head: Head, markets: Sequence[MarketSight]) -> dict[str, GuardSight]:
        """The bounds of the markets' funding at this block. Raises as `sight`."""
        failed: dict[str, str] = {}
        _, *found = await self._all(head, failed, *(("Oracle", "guard", (market.index,)) for market in markets))
        return {
            market.name: GuardSight(guard["max_funding_rate_ppm"], guard["max_gap"], guard["max_drift_bps"])
            for market, guard in zip(markets, found, strict=True)
            if guard is not None
        }

    async def holders(self, head: Head, market: int | None) -> tuple[int, ...]:
        """Accounts with a position in the market, or with anything at all. Raises as `sight`."""
        accounts = sorted(await self._scan.accounts(head))
        _, *views = await self._all(head, {}, *(("Clearinghouse", "account", (account,)) for account in accounts))
        return tuple(
            account
            for account, view in zip(accounts, views, strict=True)
            if view is not None
            and (
                view["open_markets"] >> market & 1 == 1
                if market is not None
                else view["collateral"] != 0 or view["open_markets"] != 0
            )
        )

    async def slot(self, head: Head, contract: str, key: int) -> Slot | None:
        """What a storage slot of a contract holds; None: nothing that has a name. Raises as `sight`."""
        self._naming.learn(await self._scan.accounts(head))
        return self._naming.slots(contract).get(key)

    async def _markets(self, head: Head, count: int, failed: dict[str, str]) -> dict[str, MarketSight]:
        if count == 0:
            return {}
        bitmap = (1 << count) - 1
        unnamed = [index for index in range(count) if index not in self._names]
        _, marks, growths, *rest = await self._all(
            head,
            failed,
            ("Oracle", "marks", (bitmap,)),
            ("Oracle", "growths", (bitmap,)),
            *(("Oracle", "market_name", (index,)) for index in unnamed),
            *(("Clearinghouse", "market_params", (index,)) for index in range(count)),
        )
        for index, name in zip(unnamed, rest[: len(unnamed)], strict=True):
            if name is not None:
                self._names[index] = short_string_text(name)
        if marks is None or growths is None:
            return {}
        # The oracle lists a market first; the clearinghouse has no index of it before it lists it too.
        listed = [i for i, params in enumerate(rest[len(unnamed) :]) if params is not None and params["lot_size"] > 0]
        broken: dict[str, str] = {}
        _, *indices = await self._all(head, broken, *(("Clearinghouse", "funding_index", (index,)) for index in listed))
        index_of = dict(zip(listed, indices, strict=True))
        return {
            self._names.get(index, str(index)): MarketSight(
                index,
                self._names.get(index, str(index)),
                marks["marks"][index]["status"].variant,
                marks["marks"][index]["price"],
                marks["marks"][index]["accepted_at"],
                growths[index],
                index_of[index],
            )
            for index in listed
        }

    async def _accounts_sum(self, head: Head) -> int:
        accounts = sorted(await self._scan.accounts(head))
        failed: dict[str, str] = {}
        _, *views = await self._all(head, failed, *(("Clearinghouse", "account", (account,)) for account in accounts))
        return sum(view["collateral"] for view in views if view is not None)

    async def _all(self, head: Head, failed: dict[str, str], *views: tuple[str, str, tuple[int, ...]]) -> list[Any]:
        """The block's header and the views at its number, in order; None for one that reverts, noted in `failed`."""
        block_id = {"block_number": head.number}
        calls: list[tuple[str, Any]] = [("starknet_getBlockWithTxHashes", {"block_id": block_id})]
        for target, function, arguments in views:
            address, abi = self._targets[target]
            request = {
                "contract_address": hex(address),
                "entry_point_selector": hex(selector(function)),
                "calldata": [hex(felt) for felt in abi.encode(function, *arguments)],
            }
            calls.append(("starknet_call", {"request": request, "block_id": block_id}))
        header, *answers = await batch_at(self._node, calls)
        if isinstance(header, RpcError):
            raise header
        values: list[Any] = [header]
        for (target, function, arguments), answer in zip(views, answers, strict=True):
            if isinstance(answer, RpcError):
                if answer.code not in VIEW_FAILED:
                    raise answer
                said = ", ".join(map(str, arguments))
                failed[f"{target}.{function}({said})"] = _reason(answer)
                values.append(None)
            else:
                values.append(self._targets[target][1].decode_result(function, [int(felt, 16) for felt in answer]))
        return values


def _reason(error: RpcError) -> str:
    return error.message if error.data is None else revert_reason(error.data)
