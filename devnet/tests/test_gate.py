"""The gate before a node of a few lines, which counts what it gets and dates its blocks as starknet-devnet does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from truemark_devnet.gate import ADMISSION_CLOSED, Admission, Gate, application
from truemark_devnet.gate.admission import load
from truemark_devnet.gate.messages import NODE_DOWN, sender_of
from truemark_devnet.gate.upstream import Answer, Upstream

TOKEN = "a token of the gate"
BEARER = {"authorization": f"Bearer {TOKEN}"}
ALICE, BOB = "0x00a11ce", "0xb0b"


class Node:
    """What a gate needs of starknet-devnet."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.bodies: list[bytes] = []
        self.blocks = [1000]
        self.next_time: int | None = None
        self.fourth = asyncio.Event()
        #: What each transaction saw, and the time that its own block got.
        self.executed: list[tuple[int, int]] = []
        self.drift = 7
        #: A transaction came; it goes on when `hold` is set.
        self.arrived = asyncio.Event()
        self.hold = asyncio.Event()
        self.hold.set()
        self.app = Starlette(
            routes=[Route("/", self.rpc, methods=["POST"]), Route("/is_alive", self.alive), Route("/ui", self.ui)]
        )

    @property
    def methods(self) -> list[str]:
        return [call["method"] for call in self.calls if call.get("id") != "gate"]

    async def alive(self, _request: Request) -> Response:
        return PlainTextResponse("Alive!!!")

    async def ui(self, request: Request) -> Response:
        return PlainTextResponse(request.url.query)

    async def rpc(self, request: Request) -> Response:
        body = await request.body()
        self.bodies.append(body)
        parsed = json.loads(body)
        calls = parsed if isinstance(parsed, list) else [parsed]
        replies = [await self.answer(call) for call in calls if "id" in call]
        return Response(json.dumps(replies if isinstance(parsed, list) else replies[0]), media_type="application/json")

    async def answer(self, call: dict[str, Any]) -> dict[str, Any]:
        self.calls.append(call)
        method, params = call["method"], call.get("params") or {}
        result: Any = method
        if method == "devnet_setTime":
            self.next_time = params["time"]
            if params["generate_block"]:
                self.close_block()
        elif method in ("devnet_createBlock", "devnet_mint"):
            self.close_block()
        elif method == "devnet_postmanFlush":
            self.close_block()
            self.close_block()
        elif method.startswith("starknet_add"):
            self.arrived.set()
            await self.hold.wait()
            seen = self.blocks[-1]
            self.close_block()
            self.executed.append((seen, self.blocks[-1]))
        elif method == "starknet_getBlockWithTxHashes":
            result = {"timestamp": self.blocks[-1]}
        elif method == "starknet_fail":
            return {"jsonrpc": "2.0", "id": call["id"], "error": {"code": 24, "message": "Block not found"}}
        return {"jsonrpc": "2.0", "id": call["id"], "result": result}

    def close_block(self) -> None:
        """A time that was set holds for one block; the next is dated by a clock that went on."""
        self.blocks.append(self.next_time if self.next_time is not None else self.blocks[-1] + self.drift)
        self.next_time = None
        if len(self.blocks) == 4:
            self.fourth.set()


class Setup:
    def __init__(self, node: Node, gate: Gate, client: httpx.AsyncClient) -> None:
        self.node, self.gate, self.client = node, gate, client

    async def post(self, value: Any, **headers: str) -> Any:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        response = await self.client.post("/", content=body, headers={"content-type": "application/json", **headers})
        return response.json()

    async def put(self, path: str, value: Any, headers: dict[str, str] | None = None) -> httpx.Response:
        return await self.client.put(f"/_gate/{path}", json=value, headers=BEARER if headers is None else headers)


class Direct:
    """Calls the node in this process, without a socket."""

    def __init__(self, node: Node) -> None:
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(node.app), base_url="http://node")

    async def request(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        response = await self._client.request(method, path, content=body, headers=headers)
        return Answer(response.status_code, dict(response.headers), response.content)

    async def aclose(self) -> None:
        await self._client.aclose()


def make(node: Node, *, tick: float | None = None, memory: Path | None = None) -> Setup:
    gate = Gate(Upstream("http://node", Direct(node)), tick=tick, idle=0.02, memory=memory)
    outer = httpx.AsyncClient(transport=httpx.ASGITransport(application(gate, TOKEN)), base_url="http://gate")
    return Setup(node, gate, outer)


@pytest.fixture
async def setup() -> AsyncIterator[Setup]:
    made = make(Node())
    yield made
    await made.client.aclose()
    await made.gate.aclose()


def call(method: str, params: Any = None, number: Any = 1) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params if params is not None else {}}


def invoke(sender: str, number: Any = 1) -> dict[str, Any]:
    return call("starknet_addInvokeTransaction", {"invoke_transaction": {"sender_address": sender}}, number)


async def test_while_it_is_open_every_byte_passes_unchanged(setup: Setup) -> None:
    odd = b'[ {"jsonrpc":"2.0","id":1,"method":"starknet_x","params":[1e3, 123456789012345678901234567890]} ]'
    assert (await setup.post(odd))[0]["result"] == "starknet_x"
    assert setup.node.bodies == [odd]
    assert (await setup.post(call("starknet_fail")))["error"] == {"code": 24, "message": "Block not found"}


async def test_pages_pass_with_their_query(setup: Setup) -> None:
    assert (await setup.client.get("/is_alive")).text == "Alive!!!"
    assert (await setup.client.get("/ui?page=2")).text == "page=2"
    assert (await setup.client.get("/nothing")).status_code == 404


async def test_while_it_is_closed_only_the_allowed_accounts_send(setup: Setup) -> None:
    assert (await setup.put("admission", {"open": False, "allow": [ALICE]})).json()["drained"]
    refused = (await setup.post(invoke(BOB)))["error"]
    assert refused["code"] == ADMISSION_CLOSED
    assert "closed" in refused["message"]
    # However it is written, it is the same address.
    assert (await setup.post(invoke("0xA11CE")))["result"] == "starknet_addInvokeTransaction"
    assert (await setup.post(call("starknet_call")))["result"] == "starknet_call"
    assert setup.node.methods == ["starknet_addInvokeTransaction", "starknet_call"]
    await setup.put("admission", {"open": True})
    assert (await setup.post(invoke(BOB)))["result"] == "starknet_addInvokeTransaction"


@pytest.mark.parametrize(
    "method",
    ["starknet_addInvokeTransaction", "starknet_addDeclareTransaction", "starknet_addDeployAccountTransaction"],
)
@pytest.mark.parametrize(
    "params",
    [
        {},
        [],
        None,
        "0xa11ce",
        {"transaction": {}},
        {"transaction": {"sender_address": 660942}},
        {"transaction": {"sender_address": "a11ce"}},
        {"transaction": {"sender_address": BOB}},
        [{"sender_address": BOB}],
        [{"sender_address": ALICE}, {"sender_address": BOB}],
        {"a": {"sender_address": ALICE}, "b": {"sender_address": BOB}},
        {"transaction": {"sender_address": ALICE, "sender_address ": BOB, "contract_address_salt": "0x1"}, "more": 1},
    ],
)
async def test_a_transaction_that_does_not_say_clearly_that_it_is_allowed_is_refused(
    setup: Setup, method: str, params: Any
) -> None:
    await setup.put("admission", {"open": False, "allow": [ALICE]})
    answer = await setup.post({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    assert answer["error"]["code"] == ADMISSION_CLOSED
    assert setup.node.methods == []


async def test_what_is_passed_on_is_what_was_judged(setup: Setup) -> None:
    """A key that comes twice, or a name written with escapes, means to the node what it meant to the gate."""
    await setup.put("admission", {"open": False, "allow": [ALICE]})
    twice = (
        b'{"jsonrpc":"2.0","id":1,"method":"starknet_addInvokeTransaction","params":{"invoke_transaction":'
        b'{"sender_address":"0xb0b","sender_address":"0xa11ce"}}}'
    )
    assert "result" in await setup.post(twice)
    assert setup.node.bodies[-1].count(b"sender_address") == 1
    escaped = rb'{"jsonrpc":"2.0","id":1,"method":"starknet_\u0061ddInvokeTransaction","params":{}}'
    assert (await setup.post(escaped))["error"]["code"] == ADMISSION_CLOSED
    assert (await setup.post(b"{"))["error"]["code"] == -32700
    assert (await setup.post(b'{"id": NaN}'))["error"]["code"] == -32700


async def test_a_batch_is_judged_call_by_call_and_answered_in_its_order(setup: Setup) -> None:
    await setup.put("admission", {"open": False, "allow": [ALICE]})
    batch = [invoke(BOB, 1), call("starknet_call", None, "two"), invoke(ALICE, 3), 7, call("devnet_mint", None, 5)]
    answers = await setup.post(batch)
    assert [answer["id"] for answer in answers] == [1, "two", 3, None, 5]
    assert ["error" in answer for answer in answers] == [True, False, False, True, True]
    assert sorted(setup.node.methods) == ["starknet_addInvokeTransaction", "starknet_call"]


async def test_a_notification_has_no_effect(setup: Setup) -> None:
    await setup.put("admission", {"open": False, "allow": [ALICE]})
    silent = {key: value for key, value in invoke(ALICE).items() if key != "id"}
    await setup.post(silent)
    assert await setup.post([silent, call("starknet_call")]) == [
        {"jsonrpc": "2.0", "id": 1, "result": "starknet_call"},
    ]
    assert setup.node.methods == ["starknet_call"]


@pytest.mark.parametrize("method", ["devnet_mint", "devnet_abortBlocks", "devnet_setTime", "devnet_somethingNew"])
async def test_while_it_is_closed_devnets_own_methods_need_the_token(setup: Setup, method: str) -> None:
    params = {"time": 2000, "generate_block": True} if method == "devnet_setTime" else {}
    assert "result" in await setup.post(call(method, params))
    await setup.put("admission", {"open": False})
    assert "control token" in (await setup.post(call(method, params)))["error"]["message"]
    assert "error" in await setup.post(call(method, params), authorization="Bearer wrong")
    assert "result" in await setup.post(call(method, params), **BEARER)
    assert "result" in await setup.post(call("devnet_getPredeployedAccounts"))
    # The token is for the tools, not for transactions.
    assert "error" in await setup.post(invoke(BOB), **BEARER)


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": TOKEN}, {"authorization": "Bearer x"}, {"authorization": ""}]
)
async def test_the_control_paths_want_the_token(setup: Setup, headers: dict[str, str]) -> None:
    assert (await setup.put("admission", {"open": False}, headers)).status_code == 401
    assert (await setup.put("clock", {"time": 5000}, headers)).status_code == 401
    assert (await setup.client.delete("/_gate/clock", headers=headers)).status_code == 401
    assert (await setup.client.get("/_gate/status")).json()["admission"] == {"open": True, "allow": []}


@pytest.mark.parametrize(
    "value", [None, [], {}, {"open": "no"}, {"open": False, "allow": "0x1"}, {"open": False, "allow": ["x"]}]
)
async def test_a_bad_order_changes_nothing(setup: Setup, value: Any) -> None:
    assert (await setup.put("admission", value)).status_code == 400
    assert setup.gate.admission == Admission()


async def test_closing_returns_only_when_what_was_let_in_has_landed(setup: Setup) -> None:
    setup.node.hold.clear()
    under_way = asyncio.create_task(setup.post(invoke(BOB)))
    await setup.node.arrived.wait()
    closing = asyncio.create_task(setup.put("admission", {"open": False}))
    await asyncio.sleep(0.05)
    assert not closing.done()
    # It is closed from the moment of the order on; reads go on and do not delay it.
    assert "error" in await setup.post(invoke(BOB))
    assert "result" in await setup.post(call("starknet_call"))
    setup.node.hold.set()
    assert (await closing).json()["drained"]
    assert under_way.done()


async def test_it_says_when_something_is_still_under_way(setup: Setup) -> None:
    setup.node.hold.clear()
    under_way = asyncio.create_task(setup.post(invoke(BOB)))
    await setup.node.arrived.wait()
    assert not await setup.gate.admit(Admission(is_open=False), patience=0.05)
    setup.node.hold.set()
    await under_way
    assert await setup.gate.admit(Admission(is_open=False), patience=0.05)


async def test_a_gate_that_starts_again_is_as_closed_as_before(tmp_path: Path) -> None:
    memory = tmp_path / "gate.json"
    first = make(Node(), memory=memory)
    await first.put("admission", {"open": False, "allow": [ALICE]})
    assert memory.stat().st_mode & 0o777 == 0o600
    assert make(Node(), memory=memory).gate.admission == Admission(False, frozenset({int(ALICE, 16)}))
    memory.write_text("{")
    assert load(memory) == Admission(is_open=False)
    assert load(tmp_path / "none") == Admission()


async def test_a_node_that_is_gone_is_said_in_json() -> None:
    gate = Gate(Upstream("http://127.0.0.1:1"))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(application(gate, TOKEN)), base_url="http://gate"
    ) as client:
        answer = await client.post("/", json=call("starknet_call", None, 9))
        assert answer.status_code == 502
        assert answer.json()["id"] == 9
        assert answer.json()["error"]["code"] == NODE_DOWN
        assert (await client.get("/is_alive")).status_code == 502
        assert (await client.put("/_gate/clock", json={"time": 5000}, headers=BEARER)).status_code == 502
    await gate.aclose()


async def test_a_held_time_is_what_every_transaction_sees_and_every_block_has(setup: Setup) -> None:
    assert (await setup.put("clock", {"time": 5000})).json() == {"held": 5000}
    for answer in await asyncio.gather(*(setup.post([invoke(BOB, 1), invoke(ALICE, 2)]) for _ in range(10))):
        assert [part["id"] for part in answer] == [1, 2]
    await setup.post(call("devnet_mint", {"amount": 10**30}))
    await setup.post(invoke(BOB))
    assert setup.node.executed == [(5000, 5000)] * 21
    assert setup.node.blocks[1:] == [5000] * 23
    assert any(call["method"] == "devnet_mint" and call["params"]["amount"] == 10**30 for call in setup.node.calls)
    assert (await setup.client.get("/_gate/status")).json()["clock"] == {"held": 5000}


async def test_without_holding_the_node_dates_blocks_by_its_own_clock(setup: Setup) -> None:
    await setup.post(call("devnet_setTime", {"time": 5000, "generate_block": True}))
    await setup.post(invoke(BOB))
    await setup.post(invoke(BOB))
    assert setup.node.executed == [(5000, 5007), (5007, 5014)]


async def test_a_held_time_moves_on_with_a_delivery_and_with_devnets_own_methods(setup: Setup) -> None:
    await setup.put("clock", {"time": 5000})
    await setup.post(call("devnet_postmanFlush"))
    assert setup.gate.clock.held == 5007
    await setup.post(call("devnet_setTime", {"time": 6000, "generate_block": False}))
    assert setup.gate.clock.held == 6000
    await setup.post(invoke(BOB))
    assert setup.node.blocks[-1] == 6000


async def test_a_held_time_does_not_go_back(setup: Setup) -> None:
    await setup.put("clock", {"time": 5000})
    refused = await setup.put("clock", {"time": 4999})
    assert refused.status_code == 409
    assert "cannot go back" in refused.json()["error"]
    assert setup.gate.clock.held == 5000
    for bad in ({}, {"time": "5000"}, {"time": 5000.5}, {"time": True}, {"time": -1}, {"time": 6000, "block": 1}, []):
        assert (await setup.put("clock", bad)).status_code == 400


async def test_a_time_that_is_released_goes_on_from_where_it_was(setup: Setup) -> None:
    await setup.put("clock", {"time": 5000})
    assert (await setup.client.delete("/_gate/clock", headers=BEARER)).json() == {"held": None}
    await setup.post(invoke(BOB))
    await setup.post(invoke(BOB))
    assert setup.node.executed == [(5000, 5007), (5007, 5014)]


async def test_an_idle_chain_is_brought_up_to_date_before_a_write_and_not_before_a_read() -> None:
    setup = make(Node(), tick=0.05)
    await setup.post(call("starknet_call"))
    assert setup.node.blocks == [1000]
    await setup.post(invoke(BOB))
    await setup.post(invoke(BOB))
    # One block before the first, which then sees a time that is right.
    assert setup.node.executed == [(1007, 1014), (1014, 1021)]
    await asyncio.sleep(0.06)
    await setup.post(invoke(BOB))
    assert setup.node.executed[-1] == (1028, 1035)


async def test_an_idle_chain_gets_empty_blocks_but_none_while_it_is_closed() -> None:
    setup = make(Node(), tick=0.02)
    setup.gate.start()
    async with asyncio.timeout(10):
        await setup.node.fourth.wait()
    await setup.put("admission", {"open": False})
    made = len(setup.node.blocks)
    await asyncio.sleep(0.1)
    assert len(setup.node.blocks) == made
    await setup.gate.aclose()


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(_JSON)
def test_anything_may_come_as_params(params: Any) -> None:
    assert sender_of({"params": params}) is None
