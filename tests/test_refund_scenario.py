"""The incident as a file, and its refunds by the commands: who is refunded how much is the difference between what
happened on a permissive venue and the same input on the defaults."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import sqlite3
import sys
from pathlib import Path

import pytest
import truemark_devnet
from truemark.index import Follower, Index
from truemark.l1 import L1Bridge
from truemark.models import Destination
from truemark.refunds import RefundClaim
from truemark.rpc import AsyncRpc
from truemark.units import to_price
from truemark_devnet.accounts import l1_accounts, operators
from truemark_devnet.build import Build
from truemark_devnet.nodes import Nodes
from truemark_devnet.scenario.file import Expect
from truemark_devnet.scenario.run import load
from truemark_devnet.scenario.stage import Stage, set_up
from truemark_devnet.scenario.steps import act
from truemark_devnet.scenario.watch import watching
from truemark_keeper.recovery.refund import PayList

from tests.test_scenarios import FOLDER

pytestmark = [pytest.mark.node, pytest.mark.deep]

PAXG = "PAXG-USD-PERP"
REPLAY = Path(truemark_devnet.__file__).parent / "demo" / "day.csv"
RULES = """
incident = "paradex refund"

[window]
from_time = {begin}

[valuation]
position = "restored"
"""
CONFIG = """
[keeper]
account = "{account:#x}"
key_env = "REFUND_TEST_KEY"
roles = ["reporter"]
deployment = "deployment.json"

[source]
replay = "{replay}"
reporter = 1
"""


async def played(nodes: Nodes, rpc: AsyncRpc, built: Build, name: str) -> Stage:
    """The scenario to its end."""
    (item,) = load([FOLDER / f"{name}.yaml"])
    stage = await set_up(nodes, rpc, operators(nodes.l2_url), built, item.scenario, item.plan)
    async with watching(stage) as watch:
        for step in item.scenario.timeline:
            await stage.move_to(step.at)
            if not isinstance(step.action, Expect):
                await act(stage, watch, step.action)
    return stage


async def values(stage: Stage) -> dict[str, int]:
    """1e-16 USD."""
    return {
        who: (await stage.clearinghouse.read("margin_of", account.address))["value"]
        for who, account in stage.accounts.items()
    }


async def command(folder: Path, *arguments: str, **env: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "truemark.cli", "recovery", "refund", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=folder,
        env=os.environ | {"COLUMNS": "160", "TRUEMARK_DEPLOYMENT": str(folder / "deployment.json"), **env},
    )  # fmt: skip
    out, _ = await asyncio.wait_for(process.communicate(), 180)
    assert process.returncode == 0, out.decode()
    return out.decode()


def history(path: Path, zero: int) -> None:
    """What a keeper wrote down: the true rise at 50 s, and nothing of the skewed book."""
    with sqlite3.connect(path) as link:
        link.execute("create table verdicts (at integer, market text, validity text, price text)")
        for at in range(-600, 600, 5):
            price = to_price("4680.64" if at < 50 else "4798.49")
            link.execute("insert into verdicts values (?, ?, 'Valid', ?)", (zero + at, PAXG, str(price)))
    link.close()


async def test_the_refunds_are_the_difference_to_the_twin(nodes: Nodes, built: Build, tmp_path: Path) -> None:
    async with AsyncRpc(nodes.l2_url) as rpc:
        async with nodes.undone():
            twin = await values(await played(nodes, rpc, built, "paradex-refund.twin"))
        async with nodes.undone():
            stage = await played(nodes, rpc, built, "paradex-refund")
            before = await values(stage)
            stage.deployment.save(tmp_path / "deployment.json")
            history(tmp_path / "history.sqlite", stage.zero)
            (tmp_path / "refund.toml").write_text(RULES.format(begin=stage.zero))
            (tmp_path / "admin.toml").write_text(CONFIG.format(account=stage.admin.address, replay=REPLAY))
            with Index.open(tmp_path / "index.sqlite") as index:
                await Follower(rpc, index, stage.deployment).backfill()
            said = await command(tmp_path, "compute", "--history", "history.sqlite", "--db", "index.sqlite")
            assert "would not have been at the independent price" in " ".join(said.split())
            table = tmp_path / "refunds" / "review.csv"
            rows = list(csv.DictReader(table.open(newline="")))
            for row in rows:
                if row["finding"] == "wrong":
                    row.update({"decision": "approve", "by": "Ana"})
            with table.open("w", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
            await command(tmp_path, "approve")
            pay = PayList.load(tmp_path / "refunds" / "refunds.json", stage.deployment)
            amounts = {leaf.account: leaf.amount for leaf in pay.tree.leaves}
            lacking = {who: twin[who] - before[who] for who in twin if twin[who] > before[who]}
            assert set(lacking) == {"short1", "short2"}
            # 1e-16 USD into 1e-6, rounded up once.
            assert amounts == {stage.address(who): -(-lack // 10**10) for who, lack in lacking.items()}

            key = {"REFUND_TEST_KEY": hex(stage.roles["admin"].private_key)}
            said = await command(tmp_path, "open", "--config", "admin.toml", **key)
            assert "lacks" in said
            async with L1Bridge(stage.deployment, l1_accounts(2)[1].private_key) as l1:
                await l1.mint_test_usdc(100_000)
                await l1.deposit(100_000, Destination.WALLET, stage.admin.address)
            await nodes.flush()
            for step in ("open", "push"):
                said = await command(tmp_path, step, "--config", "admin.toml", "--execute", **key)
            assert "2 of 2 paid" in said
            assert "2 of 2 paid" in await command(tmp_path, "status")
            await command(tmp_path, "statement")
            after = await values(stage)
            assert {who for who in after if 0 <= after[who] - twin[who] < 10**10} >= {"short1", "short2"}
            assert after["short3"] == before["short3"]
            files = sorted((tmp_path / "refunds" / "statements").glob("0x*.json"))
            assert {RefundClaim.from_json(_json(path)).account for path in files} == set(amounts)


def _json(path: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(path.read_text())
    return found
