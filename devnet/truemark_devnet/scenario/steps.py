"""What each step of a timeline does to the venue, and whether it went through."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from truemark.account import TransactionReverted
from truemark.felt import short_string_text
from truemark.transactions import Call
from truemark.units import to_collateral, to_price, to_size
from truemark_keeper import recovery
from truemark_keeper.recovery.integrity import MODES

from truemark_devnet.profile import BadProfile, guard_from
from truemark_devnet.recovery import devnet_chain
from truemark_devnet.scenario.corruption import corrupt
from truemark_devnet.scenario.file import (
    HOUSE,
    Action,
    BadScenario,
    Configure,
    Corrupt,
    External,
    Fill,
    Liquidate,
    MarkBlock,
    Reorg,
    Rollback,
    Round,
    SetMode,
    Silence,
    Withdraw,
)
from truemark_devnet.scenario.profile import guard_texts
from truemark_devnet.scenario.stage import Stage
from truemark_devnet.scenario.watch import Watch

#: What stands for any price where a caller takes what it gets.
_ANY_HIGH, _ANY_LOW, _ALL = 2**64 - 1, 1, 2**64 - 1
#: Liquidations of one transaction: one takes up to 10 of the 200 million L2 gas that a transaction is bounded to.
_BATCH: Final = 16


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether a step went through; `refusal` is why not, in the chain's words."""

    refusal: str | None = None

    @property
    def refused(self) -> bool:
        return self.refusal is not None


DONE: Final = Outcome()


async def act(stage: Stage, watch: Watch, action: Action) -> Outcome:
    """Does one step; expectations are not for it.

    Raises:
        BadScenario: a step asks for what there is not.
        TruemarkError: the node does not do what it always does.
    """
    return await _ACTORS[type(action)](stage, watch, action)


async def _round(stage: Stage, watch: Watch, action: Round) -> Outcome:
    await stage.report(
        action.prices,
        confidence_bps=action.confidence_bps,
        age=action.age,
        funding_rate_ppm=action.funding_rate_ppm,
    )
    return DONE


async def _liquidate(stage: Stage, watch: Watch, action: Liquidate) -> Outcome:
    requests = []
    for who, account in stage.accounts.items():
        if action.accounts is not None and who not in action.accounts:
            continue
        view = await stage.clearinghouse.read("account", account.address)
        requests += [
            {
                "account": account.address,
                "market": position["market"],
                "max_size": _ALL,
                "limit_price": _ANY_HIGH if position["size"] > 0 else _ANY_LOW,
            }
            for position in view["positions"]
        ]
    if not requests:
        return Outcome("nobody has a position")
    epoch, reasons, done = await stage.epoch(), [], False
    for start in range(0, len(requests), _BATCH):
        call = stage.clearinghouse.call("liquidate_many", epoch, requests[start : start + _BATCH])
        try:
            receipt = await stage.house.execute(call)
        except TransactionReverted as error:
            reasons.append(error.reason)
            continue
        for name, said in stage.events(receipt):
            if name == "Liquidated":
                done = True
            elif name == "LiquidationRefused":
                reasons.append(short_string_text(said["reason"]))
    return DONE if done else Outcome(", ".join(sorted(set(reasons))))


async def _corrupt(stage: Stage, watch: Watch, action: Corrupt) -> Outcome:
    for market, index in action.funding_index.items():
        await corrupt(stage, market, index)
    return DONE


async def _mode(stage: Stage, watch: Watch, action: SetMode) -> Outcome:
    current = (await stage.clearinghouse.read("mode")).variant
    up = MODES.index(action.mode) > MODES.index(current)
    report = 1 if up else 0
    return await _try(stage.admin if up else stage.guardian, stage.clearinghouse.call("set_mode", action.mode, report))


async def _fill(stage: Stage, watch: Watch, action: Fill) -> Outcome:
    size, price = to_size(action.size), to_price(action.price)
    sides = {
        who: (
            await stage.signed(
                who,
                action.market,
                is_buy=who == action.buyer,
                size=size,
                price=price,
                reduce_only=who in action.reduce_only,
                post_only=who in action.post_only,
            )
        ).to_abi()
        for who in (action.buyer, action.seller)
    }
    taker = action.seller if action.maker == action.buyer else action.buyer
    fill = {"maker": sides[action.maker], "taker": sides[taker], "size": size, "price": price}
    (reason,) = await stage.settle([fill])
    return Outcome(reason)


async def _withdraw(stage: Stage, watch: Watch, action: Withdraw) -> Outcome:
    reasons = []
    for who, amount in action.amounts.items():
        call = stage.clearinghouse.call("withdraw", await stage.epoch(), to_collateral(amount))
        outcome = await _try(stage.house if who == HOUSE else stage.accounts[who], call)
        if outcome.refusal is not None:
            reasons.append(f"{who}: {outcome.refusal}" if len(action.amounts) > 1 else outcome.refusal)
    return Outcome(", ".join(reasons)) if reasons else DONE


async def _external(stage: Stage, watch: Watch, action: External) -> Outcome:
    watch.external({name: to_price(price) for name, price in action.prices.items()})
    return DONE


async def _mark_block(stage: Stage, watch: Watch, action: MarkBlock) -> Outcome:
    stage.blocks[action.name] = await stage.height()
    return DONE


async def _reorg(stage: Stage, watch: Watch, action: Reorg) -> Outcome:
    last = stage.blocks[action.block]
    if last < await stage.height():
        stage.nodes.control.l2("devnet_abortBlocks", {"starting_block_id": {"block_number": last + 1}})
    return DONE


async def _rollback(stage: Stage, watch: Watch, action: Rollback) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="truemark-rollback-") as folder:
        async with devnet_chain(stage.nodes, stage.deployment) as chain:
            rollback = recovery.Rollback(chain, stage.rpc, stage.deployment, Path(folder) / "rollback.json")
            try:
                await rollback.begin(stage.blocks[action.block])
                await rollback.run()
            except recovery.RollbackFailed as error:
                return Outcome(str(error))
    return DONE


async def _configure(stage: Stage, watch: Watch, action: Configure) -> Outcome:
    calls = []
    for market, change in action.guards.items():
        guard = await stage.oracle.read("guard", stage.market(market))
        try:
            changed = {**guard, **guard_from(guard_texts(change), f"configure {market}")}
        except BadProfile as error:
            raise BadScenario(str(error)) from None
        calls.append(stage.oracle.call("configure", stage.market(market), changed))
    return await _try(stage.admin, calls)


async def _silence(stage: Stage, watch: Watch, action: Silence) -> Outcome:
    await stage.nodes.increase_time(action.seconds)
    return DONE


async def _try(account: Any, calls: Call | list[Call]) -> Outcome:
    try:
        await account.execute(calls)
    except TransactionReverted as error:
        return Outcome(error.reason)
    return DONE


_Actor = Callable[[Stage, Watch, Any], Awaitable[Outcome]]
_ACTORS: Final[Mapping[type, _Actor]] = cast(
    Mapping[type, _Actor],
    {
        Round: _round,
        Liquidate: _liquidate,
        Corrupt: _corrupt,
        SetMode: _mode,
        Fill: _fill,
        Withdraw: _withdraw,
        External: _external,
        MarkBlock: _mark_block,
        Reorg: _reorg,
        Rollback: _rollback,
        Configure: _configure,
        Silence: _silence,
    },
)
