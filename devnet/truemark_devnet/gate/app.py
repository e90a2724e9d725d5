"""The gate as a web application: JSON-RPC and the node's own pages pass, and a few control paths are its own."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute

from truemark_devnet.gate.admission import Admission
from truemark_devnet.gate.clock import TimeGoesBack
from truemark_devnet.gate.core import Gate
from truemark_devnet.gate.relay import NoMessaging
from truemark_devnet.gate.socket import relay_socket
from truemark_devnet.gate.upstream import NodeDown, NodeRefused

#: Request headers that the node gets to see.
_PASSED = ("content-type", "origin", "access-control-request-method", "access-control-request-headers")
_Endpoint = Callable[[Request], Awaitable[Response]]


def application(gate: Gate, token: str) -> Starlette:
    """
    Args:
        token: whoever sends it as `Authorization: Bearer` may use the control paths, and devnet's own methods while
            admission is closed.
    """

    def is_authorised(request: Request) -> bool:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())

    def guarded(endpoint: _Endpoint) -> _Endpoint:
        async def guard(request: Request) -> Response:
            if not is_authorised(request):
                return _json({"error": "the control token is missing or wrong"}, 401)
            try:
                return await endpoint(request)
            except NoMessaging as error:
                return _json({"error": str(error)}, 400)
            except (ValueError, KeyError, TypeError) as error:
                return _json({"error": str(error) or "a bad request"}, 409 if isinstance(error, TimeGoesBack) else 400)
            except (NodeDown, NodeRefused) as error:
                return _json({"error": str(error)}, 502)

        return guard

    async def rpc(request: Request) -> Response:
        reply = await gate.handle(
            await request.body(), authorised=is_authorised(request), headers=_passed_headers(request)
        )
        return Response(reply.body, reply.status, headers=dict(reply.headers))

    async def page(request: Request) -> Response:
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        try:
            response = await gate.upstream.request(request.method, path, headers=_passed_headers(request))
        except NodeDown as error:
            return _json({"error": str(error)}, 502)
        kept = {
            name: value
            for name, value in response.headers.items()
            if name in ("content-type", "cache-control", "location") or name.startswith("access-control-")
        }
        return Response(response.body, response.status, headers=kept)

    async def status(_request: Request) -> Response:
        return _json({"admission": gate.admission.to_json(), "clock": {"held": gate.clock.held}})

    async def put_admission(request: Request) -> Response:
        drained = await gate.admit(Admission.from_json(orjson.loads(await request.body())))
        return _json({**gate.admission.to_json(), "drained": drained})

    async def put_clock(request: Request) -> Response:
        wanted = orjson.loads(await request.body())
        second, block = wanted["time"], wanted.get("block", True)
        if type(second) is not int or type(block) is not bool or second < 0:
            raise ValueError('want {"time": seconds since 1970, "block": true or false}')
        await gate.clock.hold(second, block=block)
        return _json({"held": gate.clock.held})

    async def delete_clock(_request: Request) -> Response:
        await gate.clock.release()
        return _json({"held": None})

    async def post_flush(_request: Request) -> Response:
        return _json(await gate.flush())

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        gate.start()
        try:
            yield
        finally:
            await gate.aclose()

    return Starlette(
        routes=[
            Route("/_gate/status", status, methods=["GET"]),
            Route("/_gate/admission", guarded(put_admission), methods=["PUT"]),
            Route("/_gate/clock", guarded(put_clock), methods=["PUT"]),
            Route("/_gate/clock", guarded(delete_clock), methods=["DELETE"]),
            Route("/_gate/flush", guarded(post_flush), methods=["POST"]),
            Route("/", rpc, methods=["POST"]),
            Route("/rpc", rpc, methods=["POST"]),
            WebSocketRoute("/ws", lambda socket: relay_socket(socket, gate)),
            Route("/{path:path}", page, methods=["GET", "OPTIONS"]),
        ],
        lifespan=lifespan,
    )


def _passed_headers(request: Request) -> dict[str, str]:
    return {name: request.headers[name] for name in _PASSED if name in request.headers}


def _json(value: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")
