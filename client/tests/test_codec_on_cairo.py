"""The codec, reads, reverts and the explorer against a Cairo contract that gives back whatever it gets."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from starknet_py.common import create_casm_class, create_sierra_compiled_contract
from starknet_py.hash.casm_class_hash import compute_casm_class_hash
from starknet_py.hash.sierra_class_hash import compute_sierra_class_hash
from truemark.abi import Abi, EnumValue
from truemark.account import Account, TransactionReverted
from truemark.contract import Contract, ContractError
from truemark.explorer import AsyncExplorer
from truemark.felt import selector, short_string
from truemark.index import Follower, Index
from truemark.keys import StarkKey, account_address
from truemark.rpc import AsyncRpc
from truemark.transactions import Call
from truemark_devnet.toolchain import find_tool

pytestmark = pytest.mark.node

UNIVERSAL_DEPLOYER = 0x02CEED65A4BD731034C01113685C831B01C15D7D432F71AFB1CF1634B53A2125
L1_CONTRACT = 0xE7F1725E7734CE288F8367E1BB143E90BB3F0512
VALUE: dict[str, Any] = {
    "felt": 123,
    "flag": True,
    "small": -128,
    "large": -(2**127),
    "wide": 2**200 + 5,
    "wider": 2**500 + 9,
    "address": 0x777,
    "text": "héllo " * 20,
    "fixed": [1, 2, 65535],
    "nested": [[], [1, 2], [255]],
    "pair_small": {"a": 1, "b": None},
    "pair_wide": {"a": 2**130, "b": 7},
    "action": EnumValue("Move", {"market": 9, "price": 2**63}),
    "actions": [EnumValue("Stop"), EnumValue("Set", (1, 2))],
    "result": EnumValue("Err", 44),
    "never": (),
    "twice": EnumValue("Some", None),
    "triple": (1, (-5, False), 6),
    "word": 2**247,
    "certain": 10,
    "eth": 2**159,
    "class_hash": 0x55,
}
OTHER: dict[str, Any] = {
    **VALUE,
    "flag": False,
    "small": 127,
    "text": b"\xff\x00abc",
    "action": EnumValue("Stop"),
    "actions": [],
    "result": EnumValue("Ok", 1),
    "never": None,
    "twice": None,
}


@dataclass(frozen=True)
class Echo:
    rpc: AsyncRpc
    account: Account
    contract: Contract
    class_hash: int


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture(scope="module")
def node_url() -> Iterator[str]:
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    command = [find_tool("starknet-devnet"), "--port", str(port), "--seed", "1", "--accounts", "1"]
    process = subprocess.Popen([*command, "--state-archive-capacity", "full"], stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                httpx.get(f"{url}/is_alive")
                break
            except httpx.TransportError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module")
async def echo(node_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Echo]:
    sierra, class_hash, compiled_class_hash = _compiled(tmp_path_factory.mktemp("echo"))
    abi = Abi.parse(sierra["abi"])
    async with AsyncRpc(node_url) as rpc:
        (first,) = await rpc.call("devnet_getPredeployedAccounts")
        key = StarkKey.from_private(int(first["private_key"], 16))
        chain_id = int(await rpc.call("starknet_chainId"), 16)
        account = Account(rpc, int(first["address"], 16), key, chain_id)
        await account.declare(sierra, class_hash, compiled_class_hash)
        arguments = abi.encode("constructor", 5, "echo")
        deployment = (class_hash, 0, 0, len(arguments), *arguments)
        receipt = await account.execute(Call(UNIVERSAL_DEPLOYER, selector("deployContract"), deployment))
        (deployed,) = [event for event in receipt.events if event.keys[0] == selector("ContractDeployed")]
        yield Echo(rpc, account, Contract(rpc, deployed.data[0], abi), class_hash)


def _compiled(folder: Path) -> tuple[dict[str, Any], int, int]:
    sierra_path, casm_path = folder / "sierra.json", folder / "casm.json"
    source = Path(__file__).parent / "echo"
    subprocess.run(
        [find_tool("starknet-compile"), source, "--contract-path", "echo::Echo", sierra_path], check=True, timeout=120
    )
    subprocess.run([find_tool("starknet-sierra-compile"), sierra_path, casm_path], check=True, timeout=120)
    sierra = orjson.loads(sierra_path.read_bytes())
    # As text with these spaces: the node writes it so before it counts the hash.
    sierra["abi"] = json.dumps(sierra["abi"])
    del sierra["sierra_program_debug_info"]
    # starknet-py takes no negative number in a hint, and the hash is not over the hints.
    casm = {**orjson.loads(casm_path.read_bytes()), "hints": []}
    return (
        sierra,
        compute_sierra_class_hash(create_sierra_compiled_contract(orjson.dumps(sierra).decode())),
        compute_casm_class_hash(create_casm_class(orjson.dumps(casm).decode())),
    )


@pytest.mark.parametrize("value", [VALUE, OTHER])
async def test_cairo_reads_what_is_encoded_and_what_it_writes_is_decoded(echo: Echo, value: dict[str, Any]) -> None:
    assert await echo.contract.read("echo", value) == value
    assert await echo.contract.read("nothing") is None


@pytest.mark.parametrize(
    ("function", "arguments", "reason"),
    [
        ("fail", (short_string("ECHO: no"),), "ECHO: no"),
        ("fail", (2,), "0x2"),
        ("fail_long", (), "a long message, 31 characters or more"),
    ],
)
async def test_a_revert_says_the_contracts_own_words(
    echo: Echo, function: str, arguments: tuple[int, ...], reason: str
) -> None:
    with pytest.raises(ContractError) as read:
        await echo.contract.read(function, *arguments)
    with pytest.raises(TransactionReverted) as sent:
        await echo.account.execute(echo.contract.call(function, *arguments))
    assert read.value.reason == sent.value.reason == reason


async def test_the_explorer_decodes_every_kind_of_event_and_the_calls_of_a_transaction(echo: Echo) -> None:
    calls = [echo.contract.call("echo", VALUE), echo.contract.call("send", L1_CONTRACT, [1, 2])]
    sent = await echo.account.execute(calls)
    me = echo.contract.address
    explorer = AsyncExplorer(echo.rpc.url, rpc=echo.rpc, names={me: "Echo"})
    found = await explorer.transaction(sent.hash)
    assert [call.decoded and (call.contract, call.decoded.name) for call in found.calls] == [
        ("Echo", "echo"),
        ("Echo", "send"),
    ]
    assert found.calls[0].decoded is not None
    assert found.calls[0].decoded.arguments == {"value": VALUE}
    events = [(event.decoded.path, event.decoded.fields) for event in found.events if event.decoded]
    assert events[:5] == [
        (("Transfer",), {"from": me, "to": 0x777, "value": VALUE["wide"]}),
        (("Mixed",), {"price": 5, "market": 3, "text": VALUE["text"], "wide": VALUE["wide"], "size": -7}),
        (("Deep", "Left"), {"level": 9, "how": 2}),
        (("Empty",), {}),
        (("Paused",), {"by": 123}),
    ]
    # The fee, by the token's own class.
    assert events[5][1]["value"] == sent.fee
    (message,) = found.messages
    assert (message.from_address, message.to_address, message.payload) == (me, L1_CONTRACT, (1, 2))
    number = found.block_number
    assert number is not None
    block = await explorer.block(number)
    assert (block.problems, [transaction.hash for transaction in block.transactions]) == ((), [sent.hash])
    assert all(block.problems == () for block in await explorer.blocks(range(number + 1)))
    assert (await explorer.diff(number)).nonces[echo.account.address] == found.nonce + 1  # type: ignore[operator]
    assert (await explorer.block("pre_confirmed")).number == number + 1


async def test_an_index_that_was_told_nothing_shows_all_of_a_foreign_contract(echo: Echo, tmp_path: Path) -> None:
    me = echo.contract.address
    sent = await echo.account.execute(
        [echo.contract.call("echo", VALUE), echo.contract.call("send", L1_CONTRACT, [1, 2])]
    )
    with Index.open(tmp_path / "index.sqlite") as index:
        await Follower(echo.rpc, index).backfill()
        explorer = AsyncExplorer(echo.rpc.url, rpc=echo.rpc, index=index)
        view = await explorer.transaction_view(sent.hash)
        (root,) = view.tree.roots
        inner = [
            (node.call.decoded.name, node.call.arguments, node.returned) for node in root.calls if node.call.decoded
        ]
        assert [name for name, _, _ in inner] == ["echo", "send"]
        shown = echo.contract.abi.show_result("echo", VALUE)
        assert inner[0][1:] == ({"value": shown}, shown)
        paths = [event.decoded.path for event in view.transaction.events if event.decoded]
        assert paths[:5] == [("Transfer",), ("Mixed",), ("Deep", "Left"), ("Empty",), ("Paused",)]
        (message,) = view.messages
        assert (message.state, message.sender, message.recipient, message.payload) == ("sent", me, L1_CONTRACT, (1, 2))
        assert (await explorer.message(message.hash))[0].tx_hash == sent.hash
        assert "message" in {hit.kind for hit in await explorer.search(hex(message.hash))}
        contract = await explorer.contract_view(me)
        (period,) = contract.classes
        assert (period.class_hash, period.how) == (echo.class_hash, "deployed")
        assert {"echo", "nothing"} <= {function.name for function in (*contract.views, *contract.writes)}
        found = await explorer.class_view(echo.class_hash)
        assert (found.contracts, found.declared_tx is None) == (((me, None),), False)
        calls = await explorer.calls_to(me)
        assert [row.call.decoded.name for row in calls.rows if row.call.decoded][:2] == ["send", "echo"]
        nonce = {write.part: write for write in view.writes}["nonce"]
        assert (nonce.before or 0) + 1 == nonce.after
        assert (await explorer.block(view.block.number)).transactions == (view.transaction,)


async def test_before_its_deployment_a_contract_is_not_there_and_after_it_is(echo: Echo) -> None:
    explorer = AsyncExplorer(echo.rpc.url, rpc=echo.rpc)
    with pytest.raises(LookupError, match="there is no contract at this address"):
        await explorer.read(echo.contract.address, "nothing", block=0)
    assert await explorer.read(echo.contract.address, "nothing") is None


async def test_an_account_deploys_itself_and_sends(echo: Echo) -> None:
    key = StarkKey.from_private(0xB0B)
    class_hash = int(
        await echo.rpc.call(
            "starknet_getClassHashAt", {"block_id": "latest", "contract_address": hex(echo.account.address)}
        ),
        16,
    )
    account = Account(echo.rpc, account_address(key.public_key, class_hash), key, echo.account.chain_id)
    assert not await account.is_deployed()
    await echo.rpc.call("devnet_mint", {"address": hex(account.address), "amount": 10**20, "unit": "FRI"})
    tx_hash = await account.deploy(class_hash)
    assert await account.is_deployed()
    assert (await account.execute(echo.contract.call("send", 1, []))).succeeded
    explorer = AsyncExplorer(echo.rpc.url, rpc=echo.rpc)
    (call,) = (await explorer.transaction(tx_hash)).calls
    assert call.decoded is not None
    assert call.decoded.arguments == {"public_key": key.public_key}
