"""JSON-RPC: what can go wrong, each told apart, and what is sent again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from truemark.errors import TruemarkError
from truemark.rpc import AsyncRpc, BadAnswer, NodeUnavailable, RpcError, is_read

URL = "http://node.test/rpc"
Handler = Callable[[httpx.Request], httpx.Response]


class Node:
    """Counts requests and answers them by `handler`."""

    def __init__(self, handler: Handler) -> None:
        self.requests: list[Any] = []
        self._handler = handler

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(orjson.loads(request.content))
        return self._handler(request)


def rpc_of(handler: Handler, **options: Any) -> tuple[AsyncRpc, Node]:
    node = Node(handler)
    return AsyncRpc(URL, client=httpx.AsyncClient(transport=httpx.MockTransport(node)), **options), node


def body(text: str | bytes, status: int = 200) -> Handler:
    return lambda request: httpx.Response(status, content=text)


def answering(make: Callable[[Any], Any], status: int = 200) -> Handler:
    return lambda request: httpx.Response(status, content=orjson.dumps(make(orjson.loads(request.content))))


def echo(request: Any) -> Any:
    if isinstance(request, list):
        return [echo(one) for one in request]
    return {"jsonrpc": "2.0", "id": request["id"], "result": [request["method"], request["params"]]}


def refusal(request: Any) -> Any:
    error = {"code": 20, "message": "Contract not found", "data": {"at": "0x1"}}
    return {"jsonrpc": "2.0", "id": request["id"], "error": error}


async def test_a_call_has_its_method_and_parameters() -> None:
    rpc, node = rpc_of(answering(echo))
    assert await rpc.call("starknet_getNonce", {"a": 1}) == ["starknet_getNonce", {"a": 1}]
    assert await rpc.call("starknet_call", ("x", 2)) == ["starknet_call", ["x", 2]]
    assert await rpc.call("starknet_chainId") == ["starknet_chainId", []]
    assert [request["jsonrpc"] for request in node.requests] == ["2.0"] * 3
    assert len({request["id"] for request in node.requests}) == 3


async def test_a_refusal_keeps_code_message_and_data_also_under_an_http_error() -> None:
    for status in (200, 400, 500):
        rpc, node = rpc_of(answering(refusal, status))
        with pytest.raises(RpcError, match="Contract not found") as raised:
            await rpc.call("starknet_call")
        error = raised.value
        assert (error.code, error.message, error.data) == (20, "Contract not found", {"at": "0x1"})
        assert isinstance(error, TruemarkError)
        assert isinstance(error, RuntimeError)
        assert len(node.requests) == 1


async def test_a_refusal_without_an_id_is_a_refusal() -> None:
    error = {"code": -32700, "message": "Parse error"}
    rpc, _ = rpc_of(answering(lambda _: {"jsonrpc": "2.0", "id": None, "error": error}))
    with pytest.raises(RpcError, match="Parse error"):
        await rpc.call("starknet_call")
    with pytest.raises(RpcError, match="Parse error"):
        await rpc.batch([("starknet_call", None)])


async def test_null_is_a_result() -> None:
    rpc, _ = rpc_of(answering(lambda request: {"jsonrpc": "2.0", "id": request["id"], "result": None}))
    assert await rpc.call("devnet_mint") is None
    rpc, _ = rpc_of(answering(lambda request: {"id": request["id"], "result": 1, "error": None}))
    assert await rpc.call("starknet_call") == 1


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        (body('{"jsonrpc": "2.0", "id": 1, "resu'), "cut off after 33 bytes"),
        (body("<html>busy</html>"), "not JSON: '<html>busy</html>'"),
        (body(b"\xff\xfe"), "not JSON"),
        (body(""), "not JSON: ''"),
        (body("[]"), "answered by an array"),
        (body("7"), "answered by a number"),
        (body("null"), "answered by null"),
        (body('"ok"'), "answered by a text"),
        (answering(lambda request: {"id": request["id"] + 1, "result": 1}), "the answer has 2"),
        (answering(lambda request: {"result": 1}), "the answer has None"),
        (answering(lambda request: {"id": str(request["id"]), "result": 1}), "the answer has '1'"),
        (answering(lambda request: {"id": request["id"]}), "neither result nor error"),
        (answering(lambda request: {"id": request["id"], "error": "no"}), "error without a code"),
        (answering(lambda request: {"id": request["id"], "error": {"message": "no"}}), "error without a code"),
    ],
)
async def test_an_answer_that_is_none_says_what_is_wrong_with_it(handler: Handler, said: str) -> None:
    rpc, node = rpc_of(handler)
    with pytest.raises(BadAnswer) as raised:
        await rpc.call("starknet_call")
    assert said in str(raised.value)
    assert URL in str(raised.value)
    assert isinstance(raised.value, NodeUnavailable)
    assert isinstance(raised.value, ConnectionError)
    assert len(node.requests) == 1, "an answer that makes no sense is not asked for again"


async def test_an_http_error_is_named() -> None:
    for handler in (body("busy", 503), body('{"detail": "busy"}', 503), body("", 503)):
        rpc, _ = rpc_of(handler)
        with pytest.raises(NodeUnavailable, match="HTTP 503 Service Unavailable"):
            await rpc.call("starknet_call")


# --- batches


async def test_answers_are_matched_by_id_in_whatever_order_they_come() -> None:
    def shuffled(requests: Any) -> Any:
        answers = [refusal(one) if one["params"] == [3] else echo(one) for one in requests]
        random.Random(5).shuffle(answers)
        return answers

    rpc, node = rpc_of(answering(shuffled))
    found = await rpc.batch([("starknet_call", [number]) for number in range(20)])
    assert len(node.requests) == 1
    for number, result in enumerate(found):
        if number == 3:
            assert isinstance(result, RpcError)
            assert result.code == 20
        else:
            assert result == ["starknet_call", [number]]


@given(st.lists(st.integers(0, 2**63), min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_any_order_of_answers_gives_the_order_of_calls(numbers: list[int], rng: random.Random) -> None:
    def shuffled(requests: Any) -> Any:
        answers = echo(requests)
        rng.shuffle(answers)
        return answers

    async def run() -> list[Any]:
        rpc, _ = rpc_of(answering(shuffled))
        return await rpc.batch([("starknet_call", [number]) for number in numbers])

    assert asyncio.run(run()) == [["starknet_call", [number]] for number in numbers]


async def test_an_empty_batch_asks_nothing() -> None:
    rpc, node = rpc_of(body("broken"))
    assert await rpc.batch([]) == []
    assert node.requests == []


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda requests: echo(requests)[1:], "1 of 5 calls have no answer: starknet_a"),
        (lambda requests: [], "5 of 5 calls have no answer: starknet_a, starknet_b, starknet_c, ..."),
        (lambda requests: [*echo(requests), echo(requests[0])], "answered twice"),
        (lambda requests: [*echo(requests)[1:], {"id": 99, "result": 1}], "id 99, which was not asked"),
        (lambda requests: [*echo(requests)[1:], 7], "id None, which was not asked"),
        (lambda requests: [*echo(requests)[1:], {"id": [1], "result": 1}], "which was not asked"),
        (lambda requests: echo(requests[0]), "answered by an object, not an array"),
        (lambda requests: [*echo(requests)[:-1], {"id": requests[-1]["id"]}], "neither result nor error"),
    ],
)
async def test_a_batch_with_a_part_missing_or_foreign_says_so(make: Callable[[Any], Any], said: str) -> None:
    rpc, _ = rpc_of(answering(make))
    with pytest.raises(BadAnswer) as raised:
        await rpc.batch([(f"starknet_{letter}", None) for letter in "abcde"])
    assert said in str(raised.value)


# --- sending again


class Breaking:
    """Breaks the connection of the first `times` requests, then echoes."""

    def __init__(self, times: int, error: type[httpx.TransportError]) -> None:
        self.left, self.error = times, error

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.left:
            self.left -= 1
            raise self.error("broken")
        return httpx.Response(200, content=orjson.dumps(echo(orjson.loads(request.content))))


BREAKS = (httpx.ConnectError, httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)


@pytest.mark.parametrize("error", BREAKS)
async def test_a_read_is_asked_again_after_a_broken_connection(error: type[httpx.TransportError]) -> None:
    rpc, node = rpc_of(Breaking(2, error))
    assert await rpc.call("starknet_getNonce") == ["starknet_getNonce", []]
    assert len(node.requests) == 3
    assert len({request["id"] for request in node.requests}) == 1
    rpc, node = rpc_of(Breaking(3, error))
    with pytest.raises(NodeUnavailable, match="broken"):
        await rpc.call("starknet_getNonce")
    assert len(node.requests) == 3


@pytest.mark.parametrize("error", BREAKS)
async def test_a_write_is_sent_once(error: type[httpx.TransportError]) -> None:
    for method in ("starknet_addInvokeTransaction", "starknet_addDeclareTransaction", "devnet_mint"):
        rpc, node = rpc_of(Breaking(1, error))
        with pytest.raises(NodeUnavailable):
            await rpc.call(method)
        assert len(node.requests) == 1
    rpc, node = rpc_of(Breaking(1, error))
    with pytest.raises(NodeUnavailable):
        await rpc.batch([("starknet_getNonce", None), ("starknet_addInvokeTransaction", None)])
    assert len(node.requests) == 1


async def test_a_read_that_takes_too_long_is_not_asked_again() -> None:
    rpc, node = rpc_of(Breaking(1, httpx.ReadTimeout), timeout=7.5)
    with pytest.raises(NodeUnavailable, match=r"no answer within 7\.5 s"):
        await rpc.call("starknet_getEvents")
    assert len(node.requests) == 1


def test_what_is_a_read() -> None:
    assert is_read("starknet_call")
    assert is_read("starknet_simulateTransactions")
    for method in ("starknet_addInvokeTransaction", "devnet_createBlock", "devnet_mint", "eth_sendRawTransaction"):
        assert not is_read(method)


# --- over a socket


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """A node that reads a request and closes, hangs or cuts its answer off, by the path."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        path = head.split()[1]
        if path == "/hang":
            await asyncio.sleep(0.5)
        elif path == "/cut":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n" + b'{"jsonrpc": "2.0"')
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_real_sockets_that_close_hang_or_cut_are_unavailable(port: int) -> None:
    for path, timeout in (("close", 5.0), ("hang", 0.1), ("cut", 5.0)):
        async with AsyncRpc(f"http://127.0.0.1:{port}/{path}", timeout=timeout, retries=1) as rpc:
            with pytest.raises(NodeUnavailable):
                await rpc.call("starknet_blockNumber")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "nonsense", "ftp://127.0.0.1", "http://[::1"])
async def test_a_url_where_nobody_listens_is_unavailable(url: str) -> None:
    async with AsyncRpc(url, retries=0, timeout=2) as rpc:
        with pytest.raises(NodeUnavailable):
            await rpc.call("starknet_blockNumber")


# --- the rest


async def test_a_client_that_was_given_is_left_open() -> None:
    client = httpx.AsyncClient(transport=httpx.MockTransport(answering(echo)))
    async with AsyncRpc(URL, client=client) as rpc:
        await rpc.call("starknet_chainId")
    assert not client.is_closed
    own = AsyncRpc(URL)
    await own.aclose()
    with pytest.raises(RuntimeError):
        await own.call("starknet_chainId")
    assert repr(own) == f"AsyncRpc({URL!r})"


async def test_numbers_beyond_64_bits_are_sent_whole() -> None:
    sent: list[bytes] = []

    def keep(request: httpx.Request) -> httpx.Response:
        sent.append(request.content)
        return httpx.Response(200, content=orjson.dumps({"id": 1, "result": {}}))

    rpc, _ = rpc_of(lambda request: keep(request))
    rpc._client = httpx.AsyncClient(transport=httpx.MockTransport(keep))
    await rpc.call("devnet_mint", {"address": "0x1", "amount": 10**27})
    assert str(10**27).encode() in sent[0]


async def test_many_calls_at_once_each_get_their_own_answer() -> None:
    rpc, _ = rpc_of(answering(echo))
    found = await asyncio.gather(*(rpc.call("starknet_call", [number]) for number in range(50)))
    assert [params for _, params in found] == [[number] for number in range(50)]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://127.0.0.1:5050", "http://127.0.0.1:5050"),
        ("http://[::1]:5050/rpc", "http://[::1]:5050/rpc"),
        ("https://me:secret@node.test:81/rpc/v0_10/?key=secret", "https://node.test:81/rpc/v0_10"),
        ("https://node.test/v3/0123456789secret", "https://node.test/v3/..."),
        ("http://node.test:secret", "an URL that is none"),
    ],
)
async def test_no_error_and_no_repr_shows_what_may_be_a_key(url: str, shown: str) -> None:
    def closed(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    async with AsyncRpc(url, client=httpx.AsyncClient(transport=httpx.MockTransport(closed)), retries=0) as rpc:
        with pytest.raises(NodeUnavailable) as caught:
            await rpc.call("starknet_chainId")
        assert str(caught.value).startswith(f"{shown}: ")
        assert repr(rpc) == f"AsyncRpc({shown!r})"


def test_a_long_refusal_is_cut_in_its_text_and_whole_in_its_data() -> None:
    error = RpcError(41, "Transaction execution error", "x" * 10_000)
    assert len(str(error)) < 250
    assert error.data == "x" * 10_000
