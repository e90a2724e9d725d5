"""What a rollback would take, from a real chain: counted beside what was done, signed, and checked by anybody."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest
import truemark_devnet
from truemark.contract import Contract
from truemark.index import Follower, Index
from truemark.keys import StarkKey
from truemark.units import to_price
from truemark_devnet.nodes.storage import slot_address, write_slots
from truemark_keeper.recovery.impact import NothingToErase, impact_of
from truemark_keeper.recovery.impact_page import render
from truemark_keeper.recovery.plan_files import check_plan
from truemark_keeper.recovery.signed import BadSignature, sign_report

from tests.house import BTC, ETH, PRICES, House
from tests.test_waterfall import MAX_PRICE, MAX_SIZE, both, fall_to, open_position

pytestmark = pytest.mark.node


REPLAY = Path(truemark_devnet.__file__).parent / "demo" / "day.csv"
CONFIG = """
[keeper]
account = "{account:#x}"
key_env = "PLAN_TEST_KEY"
roles = ["reporter"]
deployment = "deployment.json"

[source]
replay = "{replay}"
reporter = 1
"""


async def command(folder: Path, *arguments: str, **env: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "truemark.cli", "recovery", "plan", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=folder,
        env=os.environ | {"COLUMNS": "400", "TRUEMARK_DEPLOYMENT": str(folder / "deployment.json"), **env},
    )  # fmt: skip
    out, _ = await asyncio.wait_for(process.communicate(), 180)
    assert process.returncode == 0, out.decode()
    return out.decode()


def own(market: str, time: int) -> int:
    return to_price(PRICES[market])


async def height(house: House) -> int:
    return int(await house.rpc.call("starknet_blockNumber"))


@pytest.mark.deep
async def test_a_plan_counts_what_would_be_erased(house: House, tmp_path: Path) -> None:
    first = await height(house)
    clearinghouse: Contract = house.contract("Clearinghouse")
    async with both(house) as (alice, bob):
        await open_position(house, alice, bob, ETH, "0.5")
        line = await height(house)
        before = (await clearinghouse.read("account", alice.address))["collateral"]
        await open_position(house, alice, bob, BTC, "1.9")
        await bob.withdraw(100)
        await house.nodes.flush()
        await bob.faucet(70_500)
        await bob.deposit(70_000)
        await bob.deposit(500, "vault")
        await house.nodes.flush()
        await fall_to(house, {BTC: "92600"})
        request = {"account": alice.address, "market": 0, "max_size": MAX_SIZE, "limit_price": MAX_PRICE}
        await bob._account.execute(clearinghouse.call("liquidate", 0, request))
        slot = slot_address("state", "markets", house.deployment.market(BTC).index, offset=2)
        write_slots(house.nodes.control, clearinghouse.address, {slot: 0})
        await house.round()
        with Index.open(tmp_path / "index.sqlite") as index:
            await Follower(house.rpc, index, house.deployment, first_block=first).backfill()
            found = impact_of(index, house.deployment, line, price=own, first=first)
            again = impact_of(index, house.deployment, line, price=own, first=first)
            later = impact_of(index, house.deployment, found.height - 1, price=own, first=first)
            with pytest.raises(NothingToErase):
                impact_of(index, house.deployment, found.height, price=own)
        after = (await clearinghouse.read("account", alice.address))["collateral"]

    assert found.to_json() == again.to_json()
    notional = 190_000_000 * to_price(PRICES[BTC])
    assert (found.totals["fills"], found.totals["volume"]) == (1, notional)
    assert (found.totals["withdrawals"], found.totals["withdrawn"]) == (1, 100 * 10**6)
    assert found.totals["taken"] == 1
    accounts = {item.account: item for item in found.accounts}
    assert accounts[bob.address].deposited == 70_000 * 10**6
    assert accounts[bob.address].vault == 1
    hers = accounts[alice.address]
    assert (hers.fills, hers.taken, hers.collateral_then, hers.collateral_now) == (1, 1, before, after)
    directions = [item.direction for item in found.messages]
    assert sorted(directions) == ["to_l1", "to_l2", "to_l2"]
    rules = {item.rule for item in found.repaired}
    assert {"unattributed write", "liquidation at the independent price"} <= rules
    assert found.left == ()
    # One block too late leaves what came before it.
    assert {item.rule for item in later.left} >= {"liquidation at the independent price"}
    place = found.in_place
    assert (place.takings, place.wrong, place.accounts) == (1, 1, 1)
    assert place.total > 0
    # Refunds do not mend storage.
    assert place.remaining >= 1

    admin = house.roles["admin"]
    signed = await sign_report(found.to_json(), admin.address, StarkKey.from_private(admin.private_key))
    path = tmp_path / "plan.json"
    signed.save(path)
    page = render(found, admin.address)
    assert hex(admin.address)[2:] in page
    # By the account's key as the chain has it.
    assert (await check_plan(path, None, house.deployment)).content == found.to_json()
    assert (await check_plan(path, hex(signed.public_key), None)).account == admin.address
    with pytest.raises(BadSignature, match="is signed with the key"):
        await check_plan(path, "0x1234", None)

    # The same by command, with a keeper's settings for the key.
    house.deployment.save(tmp_path / "deployment.json")
    (tmp_path / "admin.toml").write_text(CONFIG.format(account=admin.address, replay=REPLAY))
    key = {"PLAN_TEST_KEY": hex(admin.private_key)}
    said = await command(
        tmp_path, str(line), "--db", "index.sqlite", "--out", "other.json", "--config", "admin.toml", **key
    )
    assert "1 fills" in said
    assert "1 withdrawals" in said
    assert f"the plan for block {line}" in await command(tmp_path, "--verify", "other.json")
    assert "Both ways" in (tmp_path / "other.html").read_text()

    raw = json.loads(path.read_text())
    raw["report"]["block"] -= 1
    path.write_text(json.dumps(raw))
    with pytest.raises(BadSignature, match="it was changed"):
        await check_plan(path, None, house.deployment)


async def test_a_plan_of_somebody_else_is_refused(house: House, tmp_path: Path) -> None:
    stranger, admin = StarkKey.random(), house.roles["admin"].address
    plan = {
        "block": 1,
        "venue": house.deployment.name,
        "chain_id": hex(house.deployment.l2_chain_id),
        "clearinghouse": hex(house.deployment.address("Clearinghouse")),
    }
    for account, content, said in (
        (0x1234, plan, "no operator"),
        (admin, plan, "is signed with the key"),
        (admin, plan | {"chain_id": "0x1"}, "another venue"),
        (admin, {"block": 1}, "no plan"),
    ):
        report = await sign_report(content, account, stranger)
        report.save(tmp_path / "plan.json")
        with pytest.raises(BadSignature, match=said):
            await check_plan(tmp_path / "plan.json", None, house.deployment)
