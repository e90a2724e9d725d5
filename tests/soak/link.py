"""A keeper's connection to the node that fails as it is told to, in this process: what tests/faulty_link.py does on
sockets, at a fraction of its cost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx

from tests.faulty_link import BUSY, CUT_ANSWER, HANG, LOSE_ANSWER, LOSE_REQUEST, PASS, REFUSE, Fault


class FailingTransport(httpx.AsyncBaseTransport):
    """Args:
    fault: asked before each request.
    """

    def __init__(self, fault: Callable[[], Fault] = lambda: PASS) -> None:
        self.fault = fault
        self._inner = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        fault = self.fault()
        if fault == REFUSE:
            raise httpx.ConnectError("connection refused", request=request)
        if fault == LOSE_REQUEST:
            raise httpx.RemoteProtocolError("the server disconnected without a response", request=request)
        if fault == BUSY:
            return httpx.Response(429, headers={"Retry-After": "1"}, request=request)
        if fault == HANG:
            await asyncio.sleep(0.3)
            raise httpx.ReadTimeout("no answer", request=request)
        response = await self._inner.handle_async_request(request)
        if fault in (LOSE_ANSWER, CUT_ANSWER):
            content = await response.aread()
            await response.aclose()
            if fault == LOSE_ANSWER:
                raise httpx.ReadError("connection reset", request=request)
            return httpx.Response(response.status_code, content=content[: len(content) // 2], request=request)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()
