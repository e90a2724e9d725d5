"""Real nodes: what time transactions see, messages both ways, snapshots, the gate before a real devnet."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import websockets
from starknet_py.contract import Contract
from starknet_py.net.account.account import Account
from starknet_py.net.client_models import Call, ResourceBounds, ResourceBoundsMapping
from starknet_py.net.full_node_client import FullNodeClient
from starknet_py.net.signer.key_pair import KeyPair
from truemark_devnet import accounts, postman
from truemark_devnet.gate import ADMISSION_CLOSED
from truemark_devnet.nodes import Control, NodeDied, NodeError, Nodes, NodeSettings, TimeGoesBack, running_nodes
from truemark_devnet.toolchain import find_tool

pytestmark = pytest.mark.node

START = 1_768_773_600
#: The first account of the seed.
ADMIN = 0x2E3A627D2CE8E93CEF38A2F2AD196D6E6D42C428F446FBB19BA4DA142959F90
MAILER = Path(__file__).parent / "mailer"
BOUNDS = ResourceBoundsMapping(
    l1_gas=ResourceBounds(100_000, 10**12),
    l1_data_gas=ResourceBounds(20_000, 10**12),
    l2_gas=ResourceBounds(10**9, 10**10),
)


@dataclass
class Mailer:
    """The test contract, and two accounts that call it."""

    nodes: Nodes
    address: int
    admin: Account
    other: Account

    async def touch(self, account: Account | None = None) -> dict[str, Any]:
        return await self.execute("touch", account=account)

    async def execute(self, function: str, *calldata: int, account: Account | None = None) -> dict[str, Any]:
        call = Call(self.address, _selector(function), list(calldata))
        sent = await (account or self.admin).execute_v3(call, resource_bounds=BOUNDS)
        receipt: dict[str, Any] = self.nodes.control.l2(
            "starknet_getTransactionReceipt", {"transaction_hash": hex(sent.transaction_hash)}
        )
        assert receipt["execution_status"] == "SUCCEEDED"
        return receipt

    def read(self, function: str) -> list[int]:
        request = {"contract_address": hex(self.address), "entry_point_selector": hex(_selector(function))}
        answer = self.nodes.control.l2("starknet_call", {"request": {**request, "calldata": []}, "block_id": "latest"})
        return [int(item, 16) for item in answer]

    def block_time(self, receipt: dict[str, Any]) -> int:
        block = self.nodes.control.l2(
            "starknet_getBlockWithTxHashes", {"block_id": {"block_number": receipt["block_number"]}}
        )
        return int(block["timestamp"])


def _selector(name: str) -> int:
    from starknet_py.hash.selector import get_selector_from_name

    return get_selector_from_name(name)


def _compile(out: Path) -> tuple[Path, Path]:
    sierra, casm = out / "sierra.json", out / "casm.json"
    command = [find_tool("starknet-compile"), MAILER, "--contract-path", "mailer::mailer", sierra]
    subprocess.run(command, check=True)
    subprocess.run([find_tool("starknet-sierra-compile"), sierra, casm], check=True)
    return sierra, casm


@pytest.fixture(scope="module")
async def nodes() -> AsyncIterator[Nodes]:
    async with Nodes.start(settings=NodeSettings(start_time=START, hold_time=True)) as started:
        yield started


@pytest.fixture(scope="module")
async def mailer(nodes: Nodes, tmp_path_factory: pytest.TempPathFactory) -> Mailer:
    return await _mailer(nodes, tmp_path_factory.mktemp("mailer"))


async def _mailer(nodes: Nodes, out: Path) -> Mailer:
    sierra, casm = _compile(out)
    client = FullNodeClient(nodes.l2_url)
    admin, other = (
        Account(
            client=client,
            address=member.address,
            key_pair=KeyPair.from_private_key(member.private_key),
            chain=nodes.l2_chain_id,  # type: ignore[arg-type]
        )
        for member in accounts.l2_accounts(nodes.l2_url)[:2]
    )
    declared = await Contract.declare_v3(
        admin, compiled_contract=sierra.read_text(), compiled_contract_casm=casm.read_text(), resource_bounds=BOUNDS
    )
    deployed = await declared.deploy_v3(resource_bounds=BOUNDS)
    return Mailer(nodes, deployed.deployed_contract.address, admin, other)


@pytest.fixture(autouse=True)
def alive(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "nodes" in request.fixturenames:
        request.getfixturevalue("nodes").check()


async def test_both_chains_are_what_they_should_be(nodes: Nodes) -> None:
    assert int(nodes.control.l1("eth_chainId"), 16) == nodes.l1_chain_id == 31337
    assert int(nodes.control.l2("starknet_chainId"), 16) == nodes.l2_chain_id
    assert nodes.l2_chain_id == int.from_bytes(b"TRUEMARK_DEVNET", "big")
    config = nodes.control.l2("devnet_getConfig")
    assert config["state_archive"] == "full"
    assert int(config["account_contract_class_hash"], 16) == nodes.account_class_hash
    holder = accounts.l2_accounts(nodes.l2_url)[11].address
    balance = nodes.control.l2("devnet_getAccountBalance", {"address": hex(holder), "unit": "FRI"})
    assert int(balance["amount"]) == 10**24


async def test_the_predeployed_accounts_are_the_same_in_every_run(nodes: Nodes) -> None:
    members = accounts.l2_accounts(nodes.l2_url)
    assert [member.role for member in members] == [*accounts.ROLES, *(f"spare-{number}" for number in range(1, 5))]
    assert members[0].address == ADMIN
    assert hex(members[0].private_key) not in repr(members[0])
    listed = [item.lower() for item in nodes.control.l1("eth_accounts")]
    assert [account.address.lower() for account in accounts.l1_accounts()] == listed


async def test_a_transaction_sees_the_held_time_and_its_block_has_it(nodes: Nodes, mailer: Mailer) -> None:
    second = await nodes.increase_time(600)
    for account in (None, mailer.other, None):
        assert mailer.block_time(await mailer.touch(account)) == second
        assert mailer.read("seen")[0] == second
    assert mailer.read("now") == [second]
    assert await nodes.l1_time() == await nodes.l2_time() == second


async def test_a_held_time_does_not_follow_the_wall_clock(nodes: Nodes, mailer: Mailer) -> None:
    second = await nodes.increase_time(600)
    await asyncio.sleep(1.2)
    await mailer.touch()
    await asyncio.sleep(1.2)
    assert mailer.block_time(await mailer.touch()) == second
    assert mailer.read("seen")[0] == second
    nodes.control.l1("evm_mine")
    assert await nodes.l1_time() == second


async def test_many_transactions_at_once_all_get_the_held_time(nodes: Nodes) -> None:
    second = await nodes.increase_time(600)
    before = nodes.control.l2("starknet_blockNumber")
    await asyncio.gather(*(nodes.mint(0xABC, 10**30) for _ in range(40)))
    after = nodes.control.l2("starknet_blockNumber")
    assert after - before == 40
    times = {
        nodes.control.l2("starknet_getBlockWithTxHashes", {"block_id": {"block_number": number}})["timestamp"]
        for number in range(before, after + 1)
    }
    assert times == {second}
    balance = nodes.control.l2("devnet_getAccountBalance", {"address": "0xabc", "unit": "FRI"})
    assert int(balance["amount"]) == 40 * 10**30


async def test_time_does_not_go_back(nodes: Nodes) -> None:
    now = await nodes.l2_time()
    with pytest.raises(TimeGoesBack, match=f"the chains are at {now}"):
        await nodes.set_time(now - 1)
    with pytest.raises(TimeGoesBack):
        await nodes.increase_time(-1)
    await nodes.set_time(now)
    assert await nodes.l1_time() == await nodes.l2_time() == now


async def test_what_is_undone_takes_both_chains_and_their_time_back(nodes: Nodes, mailer: Mailer) -> None:
    await mailer.touch()
    before = (await nodes.l1_time(), await nodes.l2_time(), nodes.control.l2("starknet_blockNumber"))
    seen = mailer.read("seen")
    async with nodes.undone():
        await nodes.increase_time(5000)
        await mailer.touch()
        assert mailer.read("seen") != seen
    assert (await nodes.l1_time(), await nodes.l2_time(), nodes.control.l2("starknet_blockNumber")) == before
    assert mailer.read("seen") == seen
    assert mailer.block_time(await mailer.touch()) == before[1]


async def test_a_snapshot_is_used_up_by_its_revert(nodes: Nodes) -> None:
    snapshot = await nodes.snapshot()
    await nodes.revert(snapshot)
    with pytest.raises(NodeError, match="used up"):
        await nodes.revert(snapshot)


async def test_messages_go_both_ways_and_none_twice(nodes: Nodes, mailer: Mailer) -> None:
    with pytest.raises(NodeError, match="postman"):
        await nodes.flush()
    contract = nodes.control.l2("devnet_postmanLoad", {"network_url": nodes.l1_url})["messaging_contract_address"]
    await nodes.attach_messaging(contract)
    second = await nodes.increase_time(600)
    await mailer.execute("send", 0x1234, 2, 7, 8)
    sender = accounts.l1_accounts(2)[1].address
    data = _encode_message(mailer.address, _selector("receive"), 5)
    for _ in range(2):
        nodes.control.l1("eth_sendTransaction", {"from": sender, "to": contract, "data": data, "value": hex(10**15)})
    received = mailer.read("seen")[1]
    done = await nodes.flush()
    assert [len(done.to_l1), len(done.to_l2), len(done.transactions)] == [1, 2, 2]
    assert mailer.read("seen")[1] == received + 2
    # A block a message: the last of them may be a second later, and then both chains are.
    assert second <= mailer.read("seen")[0] <= second + 2
    assert await nodes.l1_time() == await nodes.l2_time()
    await nodes.attach_messaging(contract)
    for _ in range(3):
        again = await nodes.flush()
        assert (again.to_l1, again.to_l2) == ((), ())
    assert mailer.read("seen")[1] == received + 2


async def test_the_gate_carries_messages_by_itself_while_time_runs(tmp_path: Path) -> None:
    async with Nodes.start(settings=NodeSettings(start_time=START, tick=1.0, relay=0.2)) as nodes:
        mailer = await _mailer(nodes, tmp_path)
        contract = nodes.control.l2("devnet_postmanLoad", {"network_url": nodes.l1_url})["messaging_contract_address"]
        with pytest.raises(NodeError, match="no messaging contract is at 0x0"):
            await nodes.attach_messaging("0x" + "0" * 39 + "9")
        await nodes.attach_messaging(contract)
        sender = accounts.l1_accounts(2)[1].address
        data = _encode_message(mailer.address, _selector("receive"), 5)
        nodes.control.l1("eth_sendTransaction", {"from": sender, "to": contract, "data": data, "value": hex(10**15)})
        await mailer.execute("send", 0x1234, 2, 7, 8)
        deadline = time.monotonic() + 10
        while mailer.read("seen")[1] != 1 or len(_announced(nodes, contract)) != 1:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        await asyncio.sleep(1)
        again = await nodes.flush()
        assert (again.to_l1, again.to_l2) == ((), ())
        assert mailer.read("seen")[1] == 1
        assert len(_announced(nodes, contract)) == 1


def _announced(nodes: Nodes, contract: str) -> list[Any]:
    logs = nodes.control.l1("eth_getLogs", postman.filter_of(contract))
    return [log for log in logs if log["topics"][0] == postman.SENT_TO_L1]


def _encode_message(to: int, selector: int, value: int) -> str:
    from eth_utils.crypto import keccak

    head = keccak(text="sendMessageToL2(uint256,uint256,uint256[])")[:4].hex()
    return "0x" + head + "".join(f"{word:064x}" for word in (to, selector, 96, 1, value))


async def test_closed_admission_stops_a_real_transaction_and_not_the_allowed_account(
    nodes: Nodes, mailer: Mailer
) -> None:
    await nodes.close_admission([mailer.admin.address])
    try:
        assert not (await nodes.admission()).is_open
        with pytest.raises(Exception, match="admission of new transactions is closed"):
            await mailer.touch(mailer.other)
        await mailer.touch(mailer.admin)
        # The nodes' own handle keeps its tools.
        await nodes.mint(1, 1)
        async with httpx.AsyncClient() as client:
            request = {
                "jsonrpc": "2.0",
                "id": 1,
                "method": "devnet_abortBlocks",
                "params": {"starting_block_id": "latest"},
            }
            answer = (await client.post(nodes.l2_url, json=request)).json()
            assert answer["error"]["code"] == ADMISSION_CLOSED
    finally:
        await nodes.open_admission()
    await mailer.touch(mailer.other)


async def test_a_websocket_passes_subscriptions_and_not_what_is_closed(nodes: Nodes, mailer: Mailer) -> None:
    async with websockets.connect(nodes.l2_url.replace("http", "ws") + "/ws") as socket:

        async def ask(method: str, params: Any) -> Any:
            await socket.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
            return json.loads(await asyncio.wait_for(socket.recv(), 10))

        assert int((await ask("starknet_chainId", {}))["result"], 16) == nodes.l2_chain_id
        assert "result" in await ask("starknet_subscribeNewHeads", {})
        await mailer.touch()
        head = json.loads(await asyncio.wait_for(socket.recv(), 10))
        assert head["method"] == "starknet_subscriptionNewHeads"
        await nodes.close_admission()
        try:
            refused = await ask("starknet_addInvokeTransaction", {"invoke_transaction": {"sender_address": "0x1"}})
            assert refused["error"]["code"] == ADMISSION_CLOSED
            assert (await ask("devnet_mint", {"address": "0x1", "amount": 1}))["error"]["code"] == ADMISSION_CLOSED
        finally:
            await nodes.open_admission()


async def test_pages_of_the_node_pass(nodes: Nodes) -> None:
    async with httpx.AsyncClient(base_url=nodes.l2_url) as client:
        assert (await client.get("/is_alive")).text == "Alive!!!"
        broken = await client.post("/", content=b"{", headers={"content-type": "application/json"})
        assert broken.json()["error"]["code"] == -32700


def test_a_running_time_follows_the_wall_clock_and_an_idle_chain_is_brought_up_to_date() -> None:
    with running_nodes(settings=NodeSettings(start_time=START, tick=1.0)) as nodes:
        control = nodes.control
        first = control.l2_time()
        assert START <= first < START + 60
        time.sleep(2.5)
        # Before a write, which sees the time of the block before its own.
        height = control.l2("starknet_blockNumber")
        control.mint(1, 1)
        assert control.l2("starknet_blockNumber") == height + 2
        before = control.l2("starknet_getBlockWithTxHashes", {"block_id": {"block_number": height + 1}})
        assert before["transactions"] == []
        assert before["timestamp"] >= first + 2
        control.set_time(START + 5000)
        time.sleep(1.5)
        assert control.l2_time() == START + 5000
        control.run_time()
        assert START + 5000 <= control.l2_time() <= START + 5002
        time.sleep(1.5)
        control.mint(1, 1)
        control.l1("evm_mine")
        assert START + 5001 <= control.l2_time() <= START + 5010
        assert START + 5001 <= control.l1_time() <= START + 5010


def test_a_node_that_dies_is_named_with_its_last_words() -> None:
    with running_nodes() as nodes:
        nodes.check()
        victim = nodes.running["l1"]
        psutil.Process(victim.process.pid).kill()
        deadline = time.monotonic() + 10
        while victim.process.is_alive():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        with pytest.raises(NodeDied, match="anvil has ended; its last words: "):
            nodes.check()
        with pytest.raises(NodeError, match="does not answer"):
            nodes.control.l1_time()


def test_a_gate_that_is_told_a_wrong_token_refuses() -> None:
    with running_nodes() as nodes:
        stranger = Control(nodes.l1_url, nodes.l2_url, "a wrong token of the gate")
        with pytest.raises(NodeError, match="control token"):
            stranger.close_admission()
        stranger.close()
        assert nodes.gate_token not in repr(nodes)
