"""Money in and out, cut off at every step on real nodes: another process takes it further, and it moves once."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from truemark.account import Account
from truemark.keys import LocalEthSigner
from truemark.trader import AsyncTrader, Flow, FlowFailed, Journal, MovedElsewhere, Step, Trader, WithdrawalErased
from truemark.trader.flows import Record
from truemark.transactions import Call

from tests.house import House, eth_key

pytestmark = pytest.mark.node
LOCK = 60


class Cut(Exception):
    """The process died here."""


class Scissors:
    """Cuts at the point of that number, counted from 0; None cuts nowhere."""

    def __init__(self, at: int | None) -> None:
        self.at = at
        self.points = 0

    def point(self) -> None:
        self.points += 1
        if self.at is not None and self.points == self.at + 1:
            raise Cut

    def around(self, send: Callable[..., Awaitable[Any]], is_write: Callable[[Any], bool]) -> Callable[..., Any]:
        """A request that is cut before the node has it and after, with the answer lost."""

        async def cut(method: Any, *rest: Any, **named: Any) -> Any:
            if not is_write(method):
                return await send(method, *rest, **named)
            self.point()
            answer = await send(method, *rest, **named)
            self.point()
            return answer

        return cut


class CutJournal(Journal):
    def __init__(self, path: Path, scissors: Scissors) -> None:
        super().__init__(path)
        self.scissors = scissors

    def save(self, record: Record, step: Step, data: Any) -> Record:
        self.scissors.point()
        saved = super().save(record, step, data)
        self.scissors.point()
        return saved


async def connect(house: House, journal: Journal | Path, scissors: Scissors | None = None) -> AsyncTrader:
    key = eth_key("alice")
    trader = await AsyncTrader.connect(house.deployment, LocalEthSigner(key), l1=key, poll=0.02, journal=journal)
    if scissors is not None:
        rpc, provider = trader._venue.rpc, trader.l1._w3.provider
        rpc.call = scissors.around(rpc.call, lambda method: method.startswith("starknet_add"))  # type: ignore[method-assign]
        provider.make_request = scissors.around(  # type: ignore[method-assign]
            provider.make_request, lambda method: method == "eth_sendRawTransaction"
        )
    return trader


async def drive(house: House, flow: Flow) -> None:
    """Every step, with the chains doing their part between them."""
    while not flow.finished:
        if await flow.advance() in (Step.SENT, Step.REGISTERED):
            await house.nodes.flush()
        elif flow.step is Step.LOCKED and await house.now() < flow.record.data["claimable_at"]:
            await house.rounds(LOCK)


async def purse(trader: AsyncTrader) -> tuple[Decimal, ...]:
    found = await trader.balances()
    assert found.l1 is not None
    return found.l1, found.margin, found.wallet, found.vault_shares


#: What begins each, and what ten of it change: on L1, in the margin account, in the wallet, in shares.
WAYS: dict[str, tuple[Callable[[AsyncTrader], Awaitable[Flow]], tuple[int, int, int, int]]] = {
    "deposit": (lambda trader: trader.begin_deposit(10), (-10, 10, 0, 0)),
    "withdrawal": (lambda trader: trader.begin_withdrawal(10), (10, -10, 0, 0)),
    "vault-deposit": (lambda trader: trader.begin_vault_deposit(10, "margin"), (0, -10, 0, 10)),
    "redemption": (lambda trader: trader.begin_redemption(10), (0, 0, 10, -10)),
}


async def cut_at(house: House, way: str, at: int | None, path: Path) -> int:
    """One movement that is cut at a point and taken further by others; how many points it passed."""
    begin, change = WAYS[way]
    scissors = Scissors(at)
    async with await connect(house, path) as watcher:
        before = await purse(watcher)
    async with await connect(house, CutJournal(path, scissors), scissors) as trader:
        flow = await begin(trader)
        try:
            await drive(house, flow)
        except Cut:
            assert at is not None
    # Others: one that is cut off again at the same place, and one that is not.
    for again in (Scissors(1), Scissors(None)):
        async with await connect(house, CutJournal(path, again), again) as trader:
            for left in await trader.movements():
                try:
                    await drive(house, left)
                except Cut:
                    continue
    async with await connect(house, path) as watcher:
        assert await watcher.movements() == []
        (over,) = await watcher.movements(open_only=False)
        assert over.step is Step.DONE, over.progress.says
        after = await purse(watcher)
    assert tuple(now - then for now, then in zip(after, before, strict=True)) == change, f"{way} cut at {at}"
    return scissors.points


@pytest.fixture
async def rich(house: House) -> House:
    """Alice has money everywhere, and the vault's lock is short."""
    await house.account("admin").execute(house.contract("Vault").call("set_lock_secs", LOCK))
    async with house.trader("alice") as alice:
        await alice.faucet(500)
        await alice.vault_deposit(500, "margin")
    return house


# The answer to a deposit's transaction is lost; a withdrawal is signed, written down and not sent; the vault's answer
# is lost; a claim's note is not written though its transaction is in a block.
@pytest.mark.parametrize(("way", "at"), [("deposit", 5), ("withdrawal", 2), ("vault-deposit", 3), ("redemption", 9)])
async def test_money_that_was_cut_off_moves_once(rich: House, tmp_path: Path, way: str, at: int) -> None:
    points = await cut_at(rich, way, at, tmp_path / "journal")
    assert points == at + 1


@pytest.mark.parametrize(
    "way",
    [pytest.param(way, marks=pytest.mark.prove if "vault" in way else pytest.mark.deep) for way in WAYS],
)
async def test_money_that_is_cut_off_anywhere_moves_once(rich: House, tmp_path: Path, way: str) -> None:
    points = await cut_at(rich, way, None, tmp_path / "whole")
    assert points >= 6
    for at in range(points):
        await cut_at(rich, way, at, tmp_path / str(at))


async def test_a_nonce_that_another_transaction_took_is_signed_anew(rich: House, tmp_path: Path) -> None:
    scissors = Scissors(2)
    async with await connect(rich, CutJournal(tmp_path / "journal", scissors), scissors) as trader:
        flow = await trader.begin_vault_deposit(10, "margin")
        with pytest.raises(Cut):
            await flow.run()
        assert flow.step is Step.SIGNED
    async with await connect(rich, tmp_path / "journal") as trader:
        before = await purse(trader)
        await trader.withdraw_to_wallet(1)
        (left,) = await trader.movements()
        assert await left.advance() is Step.PLANNED
        bought = await left.run(10)
        assert (bought.assets, bought.shares) == (10, 10)
        after = await purse(trader)
    assert [now - then for now, then in zip(after, before, strict=True)] == [0, -11, 1, 10]


async def test_of_two_processes_one_takes_a_step(rich: House, tmp_path: Path) -> None:
    async with await connect(rich, tmp_path / "journal") as one, await connect(rich, tmp_path / "journal") as other:
        before = await purse(one)
        flow = await one.begin_withdrawal(10)
        (same,) = await other.movements()
        await flow.advance()
        with pytest.raises(MovedElsewhere):
            await same.advance()
        assert same.reload() is Step.SIGNED
        await drive(rich, same)
        assert flow.reload() is Step.DONE
        assert [now - then for now, then in zip(await purse(one), before, strict=True)] == [10, -10, 0, 0]


async def test_what_the_chain_refuses_ends_with_its_reason_and_moves_nothing(rich: House, tmp_path: Path) -> None:
    async with await connect(rich, tmp_path / "journal") as trader:
        before = await purse(trader)
        seen: list[Step] = []
        flow = await trader.begin_withdrawal(1_000_000)
        with pytest.raises(FlowFailed, match="MARGIN: below initial") as failed:
            await flow.run(10, lambda progress: seen.append(progress.step))
        assert (failed.value.flow_id, seen) == (flow.id, [Step.SIGNED, Step.FAILED])
        poor = await trader.begin_deposit(10_000)
        with pytest.raises(FlowFailed, match="TOKEN: balance"):
            await poor.run(10)
        assert await purse(trader) == before
        assert await trader.movements() == []


@pytest.mark.deep
async def test_a_withdrawal_that_a_rollback_erased_is_not_made_again(rich: House, tmp_path: Path) -> None:
    async with await connect(rich, tmp_path / "journal") as trader:
        snapshot = await rich.nodes.snapshot()
        flow = await trader.begin_withdrawal(10)
        while flow.step is not Step.REGISTERED:
            await flow.advance()
        await rich.nodes.revert(snapshot)
        with pytest.raises(WithdrawalErased, match="rolled back"):
            await flow.run(10)
        assert flow.step is Step.REGISTERED


@pytest.mark.deep
async def test_the_journal_holds_no_secret(rich: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "journal"
    signatures: list[tuple[int, ...]] = []
    post = Account.send

    async def spy(self: Account, calls: list[Call], *rest: Any, **named: Any) -> int:
        signatures.append(self._key.sign(1))
        return await post(self, calls, *rest, **named)

    monkeypatch.setattr(Account, "send", spy)
    async with await connect(rich, path) as trader:
        for begin, _ in WAYS.values():
            await drive(rich, await begin(trader))
        content = path.read_bytes()
        secret = trader._key.reveal()  # type: ignore[union-attr]
        for number in (secret, int.from_bytes(eth_key("alice"), "big")):
            for text in (f"{number:x}".encode(), str(number).encode(), number.to_bytes(32, "big")):
                assert text not in content
        for flow in await trader.movements(open_only=False):
            assert not {"signature", "r", "s"} & set(json.dumps(dict(flow.record.data)).replace('"', " ").split())
    assert signatures
    assert path.stat().st_mode & 0o77 == 0


@pytest.mark.deep
async def test_the_sync_trader_takes_a_movement_to_its_end(rich: House, tmp_path: Path) -> None:
    key = eth_key("alice")
    with Trader.connect(
        rich.deployment, LocalEthSigner(key), l1=key, poll=0.02, journal=tmp_path / "journal"
    ) as trader:
        steps: list[str] = []
        bought = trader.begin_vault_deposit("12.5", "margin").run(10, lambda progress: steps.append(progress.says))
        assert bought.assets == Decimal("12.5")
        assert steps[-1].endswith("bought 12.500000000000 shares")
        (flow,) = trader.movements(open_only=False)
        assert trader.movement(flow.id).outcome == bought
        assert [step for step, _ in trader._twin.journal.history(flow.id)] == [Step.PLANNED, Step.SIGNED, Step.DONE]
