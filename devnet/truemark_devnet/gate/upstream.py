"""The node behind the gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp
from truemark.errors import TruemarkError
from yarl import URL

from truemark_devnet.gate.messages import Call, NotJson, dump, parse

#: As long as devnet itself works on a request before it gives up, and a little more; seconds.
TIMEOUT = 150.0
_KEEP_ALIVE = 60.0
_JSON = {"content-type": "application/json"}


class NodeDown(TruemarkError, ConnectionError):
    """The node does not answer, or not in JSON."""


class NodeRefused(TruemarkError, RuntimeError):
    """The node answered a call of the gate's own with an error."""

    def __init__(self, method: str, error: Any) -> None:
        message = error.get("message") if isinstance(error, dict) else error
        super().__init__(f"{method}: {message}")


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP response. Header names are in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Sender(Protocol):
    """Sends one HTTP request. Raises OSError or TimeoutError when no answer comes."""

    async def request(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Answer: ...

    async def aclose(self) -> None: ...


class HttpSender:
    """Over kept connections. With aiohttp, which costs a fourth of what the more usual client does for each request."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._session: aiohttp.ClientSession | None = None

    async def request(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        session = self._session
        if session is None:
            session = self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE),
                timeout=aiohttp.ClientTimeout(total=TIMEOUT),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        target = URL(self._url + path, encoded=True)
        try:
            async with session.request(method, target, data=body, headers=headers, allow_redirects=False) as response:
                content = await response.read()
                return Answer(
                    response.status, {name.lower(): value for name, value in response.headers.items()}, content
                )
        except aiohttp.ClientError as error:
            raise ConnectionError(str(error) or type(error).__name__) from error

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()


class Upstream:
    """Requests to the node. A request is sent once: to repeat one is its sender's decision."""

    def __init__(self, url: str, sender: Sender | None = None) -> None:
        self.url = url
        self._sender = sender or HttpSender(url)

    async def aclose(self) -> None:
        await self._sender.aclose()

    async def post(self, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
        """
        Raises:
            NodeDown: no answer.
        """
        return await self.request("POST", "/", body, headers)

    async def request(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """
        Raises:
            NodeDown: no answer.
        """
        try:
            return await self._sender.request(method, path, body, {**_JSON, **(headers or {})})
        except (OSError, TimeoutError) as error:
            raise NodeDown(f"the node behind the gate does not answer ({str(error) or 'in time'})") from error

    async def batch(self, calls: Sequence[Call]) -> list[Any]:
        """The replies, in the order of the calls.

        Raises:
            NodeDown: no answer, or none that is a batch.
        """
        response = await self.post(dump(calls))
        try:
            replies = parse(response.body)
        except NotJson as error:
            raise NodeDown(f"the node behind the gate answered {response.status} without JSON") from error
        return replies if isinstance(replies, list) else [replies]

    async def call(self, method: str, params: Mapping[str, Any] | Sequence[Any] | None = None) -> Any:
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
