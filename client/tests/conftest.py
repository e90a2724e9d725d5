"""A scripted node for the client's tests: answers as RPC 0.10 has them, in process or over HTTP."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson
import pytest
from truemark.rpc import RpcError

Answer = Callable[[Any], Any]


class ScriptedNode:
    """Stands in for truemark.rpc.AsyncRpc. `answers`: method -> what it gives for its parameters; an RpcError is a
    refusal. `asked` keeps every request."""

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        self.answers = dict(answers)
        self.asked: list[tuple[str, Any]] = []

    def answer(self, method: str, params: Any) -> Any:
        self.asked.append((method, params))
        answer = self.answers.get(method)
        if answer is None:
            return RpcError(-32601, f"Method not found: {method}")
        try:
            return answer(params)
        except RpcError as error:
            return error

    async def call(self, method: str, params: Any = None) -> Any:
        answer = self.answer(method, params)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def batch(self, calls: Sequence[tuple[str, Any]]) -> list[Any]:
        return [self.answer(method, params) for method, params in calls]

    async def aclose(self) -> None:
        pass

    def respond(self, request: Any) -> Any:
        """As JSON-RPC."""
        if isinstance(request, list):
            return [self.respond(part) for part in request]
        answer = self.answer(request["method"], request.get("params"))
        body = {"jsonrpc": "2.0", "id": request["id"]}
        if isinstance(answer, RpcError):
            return {**body, "error": {"code": answer.code, "message": answer.message, "data": answer.data}}
        return {**body, "result": answer}


@pytest.fixture
def scripted_node() -> type[ScriptedNode]:
    return ScriptedNode


@pytest.fixture
def serve() -> Iterator[Callable[[ScriptedNode], str]]:
    """Serves a scripted node over HTTP; its URL."""
    servers: list[ThreadingHTTPServer] = []

    def start(node: ScriptedNode) -> str:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                request = orjson.loads(self.rfile.read(int(self.headers["Content-Length"])))
                body = orjson.dumps(node.respond(request))
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()
