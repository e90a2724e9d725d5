"""The explorer put together: pages, JSON API, live stream, and what holds for every answer."""

from __future__ import annotations

import logging
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response, StreamingResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from truemark.abi import AbiError
from truemark.contract import BadBlock, ContractError
from truemark.explorer import NotFound
from truemark.felt import BadFelt
from truemark.index import Unindexed
from truemark.rpc import NodeUnavailable, RpcError
from truemark.web import api
from truemark.web.data import Data
from truemark.web.inputs import BadRequest
from truemark.web.live import Hub
from truemark.web.pages import blocks, contracts, differences, exports, home, lists, markets, operations, transactions
from truemark.web.site import Site

_log = logging.getLogger("truemark.web")

#: Nothing comes from another host, nothing inline runs.
SECURITY: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_TYPES: Final = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_API: Final = "/api/"
_BAD_REQUEST: Final = 400
_NOT_FOUND: Final = 404
_UNAVAILABLE: Final = 503
_BROKEN: Final = 500
_SORRY: Final = "This page could not be made; the explorer's log says why."
#: Errors of the visitor's, the chain's and the node's making -> the answer's status.
_STATUSES: Final[tuple[tuple[type[Exception], int], ...]] = (
    (BadRequest, _BAD_REQUEST),
    (BadBlock, _BAD_REQUEST),
    (BadFelt, _BAD_REQUEST),
    (AbiError, _BAD_REQUEST),
    (ContractError, _BAD_REQUEST),
    (NotFound, _NOT_FOUND),
    (Unindexed, _NOT_FOUND),
    (NodeUnavailable, _UNAVAILABLE),
    (RpcError, _UNAVAILABLE),
    (SQLAlchemyError, _UNAVAILABLE),
)
_TITLES: Final = {
    400: "That cannot be meant",
    404: "Nothing here",
    405: "Not that way",
    500: "Something broke",
    503: "Not to be had now",
}


def build(data: Data, hub: Hub | None) -> FastAPI:
    """The ASGI application; see truemark.web.create_app."""
    app = FastAPI(
        title="Truemark explorer",
        version="1",
        description="Blocks, transactions, events, storage, messages and venues of a Starknet chain, with what was "
        "rolled back. Felts are hexadecimal, integers that may pass 2^53 are text. Lists come in pages: `cursor` of "
        "one answer is the next question's.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
    )
    site = Site(data, live=hub is not None)
    for room in (home, blocks, transactions, contracts, lists, markets, differences, operations, exports):
        app.include_router(room.router(site), include_in_schema=False)
    app.include_router(api.router(data), prefix="/api/v1")
    _add_static(app, site)
    if hub is not None:
        _add_stream(app, hub)
    _add_errors(app, site)

    app.add_middleware(_Secured)

    @app.get("/api", include_in_schema=False)
    async def api_page(request: Request) -> Response:
        return await site.page(request, "api.html", schema=app.openapi())

    return app


class _Secured:
    """Every answer's headers. Plain ASGI, so that a stream passes through as it comes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-cache")
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


def _add_static(app: FastAPI, site: Site) -> None:
    @app.get("/static/{name}", include_in_schema=False)
    async def static(name: str) -> Response:
        body = site.static.get(name)
        if body is None:
            raise NotFound("no such file")
        return Response(
            body,
            media_type=_TYPES[name.rpartition(".")[2]],
            headers={"Cache-Control": "public, max-age=31536000, immutable"},
        )

    @app.get("/favicon.ico", include_in_schema=False)
    async def favicon() -> Response:
        return await static("favicon.svg")


def _add_stream(app: FastAPI, hub: Hub) -> None:
    @app.get("/live", include_in_schema=False)
    async def live() -> Response:
        if hub.full:
            return Response("too many listeners", _UNAVAILABLE, headers={"Retry-After": "5"})
        return StreamingResponse(
            hub.stream(),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )


def _add_errors(app: FastAPI, site: Site) -> None:
    async def answer(request: Request, status: int, says: str) -> Response:
        if request.url.path.startswith(_API):
            return JSONResponse({"error": _TITLES.get(status, "Error"), "detail": says}, status)
        title = _TITLES.get(status, "Error")
        return await site.page(request, "error.html", status=status, code=status, title=title, says=says)

    def status_of(request: Request, error: Exception) -> int:
        if isinstance(error, Unindexed) and "cursor" in request.query_params:
            return _BAD_REQUEST
        return next(status for kind, status in _STATUSES if isinstance(error, kind))

    async def known(request: Request, error: Exception) -> Response:
        if isinstance(error, SQLAlchemyError):
            _log.error("the index cannot be read: %s", error)
            return await answer(request, _UNAVAILABLE, "the index cannot be read now")
        return await answer(request, status_of(request, error), str(error) or type(error).__name__)

    for kind, _ in _STATUSES:
        app.add_exception_handler(kind, known)

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        says = "There is no such page." if error.status_code == _NOT_FOUND else str(error.detail)
        return await answer(request, error.status_code, says)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        where = ", ".join(str(each["loc"][-1]) for each in error.errors()[:5])
        return await answer(request, _BAD_REQUEST, f"not valid: {where}")

    async def unexpected(request: Request, error: Exception) -> Response:
        _log.exception("%s could not be shown", request.url.path, exc_info=error)
        if request.url.path.startswith(_API):
            return JSONResponse({"error": _TITLES[_BROKEN], "detail": _SORRY}, _BROKEN, headers=SECURITY)
        page = await site.page(request, "error.html", status=_BROKEN, code=_BROKEN, title=_TITLES[_BROKEN], says=_SORRY)
        # This one is made outside of the middleware.
        page.headers.update(SECURITY)
        return page

    app.add_exception_handler(Exception, unexpected)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, invalid)
