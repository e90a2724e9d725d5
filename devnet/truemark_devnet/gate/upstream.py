"""The node behind the gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import httpx
from truemark.errors import TruemarkError

from truemark_devnet.gate.messages import Call, NotJson, dump, parse

#: As long as devnet itself works on a request before it gives up, and a little more.
TIMEOUT = 150.0
_JSON = {"content-type": "application/json"}


class NodeDown(TruemarkError, ConnectionError):
    """The node does not answer, or not in JSON."""


class Upstream:
    """Requests to the node over kept connections. A request is sent once: to repeat one is its sender's decision."""

    def __init__(self, url: str, client: httpx.AsyncClient | None = None) -> None:
        self.url = url
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=64, keepalive_expiry=60.0)
        self._client = client or httpx.AsyncClient(base_url=url, timeout=TIMEOUT, limits=limits, trust_env=False)

    async def aclose(self) -> None:
        await self._client.aclose()

    async def post(self, body: bytes, headers: Mapping[str, str] | None = None) -> httpx.Response:
        """
        Raises:
            NodeDown: no answer.
        """
        return await self.request("POST", "/", body, headers)

    async def request(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """
        Raises:
            NodeDown: no answer.
        """
        try:
            return await self._client.request(method, path, content=body, headers={**_JSON, **(headers or {})})
        except httpx.HTTPError as error:
            raise NodeDown(f"the node behind the gate does not answer ({type(error).__name__})") from error

    async def batch(self, calls: Sequence[Call]) -> list[Any]:
        """The replies, in the order of the calls.

        Raises:
            NodeDown: no answer, or none that is a batch.
        """
        response = await self.post(dump(calls))
        try:
            replies = parse(response.content)
        except NotJson as error:
            raise NodeDown(f"the node behind the gate answered {response.status_code} without JSON") from error
        return replies if isinstance(replies, list) else [replies]

    async def call(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """The result of one call of the gate's own.

        Raises:
            NodeDown: no answer.
            NodeRefused: the node answers with an error.
        """
        request: Call = {"jsonrpc": "2.0", "id": "gate", "method": method}
        if params is not None:
            request["params"] = params
        reply = (await self.batch([request]))[0]
        if not isinstance(reply, dict) or "error" in reply:
            raise NodeRefused(method, reply.get("error") if isinstance(reply, dict) else reply)
        return reply.get("result")


class NodeRefused(TruemarkError, RuntimeError):
    """The node answered a call of the gate's own with an error."""

    def __init__(self, method: str, error: Any) -> None:
        message = error.get("message") if isinstance(error, dict) else error
        super().__init__(f"{method}: {message}")
