"""JSON-RPC over HTTP: calls and batches, with what can go wrong told apart.

A node that refuses is an `RpcError`. A node that cannot be reached, or whose answer is no answer, is `NodeUnavailable`:
whether it acted is then not known. Reads are repeated after a broken connection; anything else is sent once.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from itertools import count
from types import TracebackType
from typing import Any, Self

import httpx
import orjson

from truemark.errors import TruemarkError
from truemark.secrets import LONGEST_PART, conceal

#: What a method takes: by name or by position.
Params = Mapping[str, Any] | Sequence[Any]

_HEADERS = {"Content-Type": "application/json"}
#: How much of an answer that makes no sense is quoted.
_EXCERPT = 120
_FIRST_DELAY = 0.05


class RpcError(TruemarkError, RuntimeError):
    """The node's own refusal."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(f"{message} (code {code})" + (f": {_short(data)}" if data is not None else ""))
        self.code = code
        self.message = message
        self.data = data


class NodeUnavailable(TruemarkError, ConnectionError):
    """No answer from the node: whether it acted on the request is not known."""


class BadAnswer(NodeUnavailable):
    """The node answered with something that answers no request: no JSON, cut off, a foreign id, a part missing."""


class AsyncRpc:
    """One node.

    Args:
        url: where it listens.
        client: an HTTP client to use and leave open; None: one of its own.
        timeout: seconds for one request.
        retries: how often a read is repeated when the connection breaks. A call that may change something
            (any method but starknet_* reads) is sent once, and so is a batch that holds one.
    """

    def __init__(
        self, url: str, *, client: httpx.AsyncClient | None = None, timeout: float = 30.0, retries: int = 2
    ) -> None:
        self.url = url
        conceal(url)
        #: What errors call the node: its URL without what may be a key.
        self.shown = shown_url(url)
        # Certificates take longer to load than most answers take to come: only where they are looked at.
        self._client = client if client is not None else httpx.AsyncClient(verify=url.startswith("https:"))
        self._owns_client = client is None
        self._timeout = timeout
        self._retries = retries
        self._ids = count(1)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the connections that it opened itself."""
        if self._owns_client:
            await self._client.aclose()

    def __repr__(self) -> str:
        return f"AsyncRpc({self.shown!r})"

    async def call(self, method: str, params: Params | None = None) -> Any:
        """The result of one method.

        Raises:
            RpcError: the node refused.
            NodeUnavailable: it cannot be reached, or its answer makes no sense.
        """
        request = self._request(method, params)
        answer = await self._exchange(request, is_read(method))
        if not isinstance(answer, dict):
            raise BadAnswer(f"{self.shown}: {method} was answered by {_kind(answer)}, not an object")
        if answer.get("id") != request["id"] and not _is_general_error(answer):
            raise BadAnswer(f"{self.shown}: {method} has id {request['id']}, the answer has {answer.get('id')!r}")
        result = self._result(answer, method)
        if isinstance(result, RpcError):
            raise result
        return result

    async def batch(self, calls: Sequence[tuple[str, Params | None]]) -> list[Any]:
        """The results of many methods, sent as one request, in the order of `calls`; a refusal of one is an RpcError
        in its place.

        Raises:
            RpcError: the node refused the batch as a whole.
            NodeUnavailable: it cannot be reached, or not every call has exactly one answer that makes sense.
        """
        if not calls:
            return []
        requests = [self._request(method, params) for method, params in calls]
        answers = await self._exchange(requests, all(is_read(method) for method, _ in calls))
        if isinstance(answers, dict) and _is_general_error(answers):
            raise _error_of(answers["error"], self.shown)
        if not isinstance(answers, list):
            raise BadAnswer(f"{self.shown}: a batch was answered by {_kind(answers)}, not an array")
        by_id: dict[int, Any] = {}
        asked = {request["id"] for request in requests}
        for answer in answers:
            key = answer.get("id") if isinstance(answer, dict) else None
            if not isinstance(key, int) or key not in asked:
                raise BadAnswer(f"{self.shown}: an answer in a batch has id {key!r}, which was not asked")
            if key in by_id:
                raise BadAnswer(f"{self.shown}: id {key} was answered twice in one batch")
            by_id[key] = answer
        missing = [request["method"] for request in requests if request["id"] not in by_id]
        if missing:
            raise BadAnswer(f"{self.shown}: {len(missing)} of {len(requests)} calls have no answer: {_list(missing)}")
        return [self._result(by_id[request["id"]], request["method"]) for request in requests]

    def _request(self, method: str, params: Params | None) -> dict[str, Any]:
        return {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": [] if params is None else params}

    async def _exchange(self, body: Any, repeatable: bool) -> Any:
        content = _dump(body)
        tries = 1 + (self._retries if repeatable else 0)
        delay = _FIRST_DELAY
        while True:
            tries -= 1
            try:
                return self._parse(
                    await self._client.post(self.url, content=content, headers=_HEADERS, timeout=self._timeout)
                )
            except httpx.TimeoutException as error:
                raise NodeUnavailable(f"{self.shown}: no answer within {self._timeout} s") from error
            except httpx.TransportError as error:
                if tries == 0:
                    raise NodeUnavailable(f"{self.shown}: {str(error) or type(error).__name__}") from error
            except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
                # What these say may quote the URL.
                raise NodeUnavailable(f"{self.shown}: {type(error).__name__}") from error
            await asyncio.sleep(delay)
            delay *= 2

    def _parse(self, response: httpx.Response) -> Any:
        # Some nodes send refusals with an HTTP error status, so a body that is JSON-RPC counts whatever the status.
        try:
            answer = orjson.loads(response.content)
        except orjson.JSONDecodeError:
            answer = None
            understood = False
        else:
            understood = True
        if response.is_success:
            if understood:
                return answer
            text = response.text
            if text.lstrip()[:1] in ("{", "["):
                raise BadAnswer(f"{self.shown}: the answer is cut off after {len(response.content)} bytes")
            raise BadAnswer(f"{self.shown}: the answer is not JSON: {_short(text)!r}")
        if understood and (isinstance(answer, list) or (isinstance(answer, dict) and "error" in answer)):
            return answer
        raise NodeUnavailable(f"{self.shown}: HTTP {response.status_code} {response.reason_phrase}".rstrip())

    def _result(self, answer: dict[str, Any], method: str) -> Any:
        if answer.get("error") is not None:
            return _error_of(answer["error"], self.shown)
        if "result" not in answer:
            raise BadAnswer(f"{self.shown}: the answer to {method} has neither result nor error")
        return answer["result"]


def shown_url(url: str) -> str:
    """An URL for people: without user, password, query, and long parts of the path, where providers put their keys."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError):
        return "an URL that is none"
    port = "" if parsed.port is None else f":{parsed.port}"
    path = "/".join(part if len(part) <= LONGEST_PART else "..." for part in parsed.path.split("/"))
    host = f"[{parsed.host}]" if ":" in parsed.host else parsed.host
    return f"{parsed.scheme}://{host}{port}{path.rstrip('/')}"


def is_read(method: str) -> bool:
    """Whether a method can be sent twice without harm."""
    return method.startswith("starknet_") and not method.startswith("starknet_add")


def _is_general_error(answer: dict[str, Any]) -> bool:
    """A node that could not read the request does not know its id, and says so with null."""
    return answer.get("id") is None and answer.get("error") is not None


def _error_of(error: Any, url: str) -> RpcError:
    if not isinstance(error, dict) or not isinstance(error.get("code"), int):
        raise BadAnswer(f"{url}: the answer has an error without a code: {_short(error)}")
    return RpcError(error["code"], str(error.get("message", "no message")), error.get("data"))


def _dump(body: Any) -> bytes:
    try:
        return orjson.dumps(body)
    except TypeError:
        # orjson stops at 64 bits; devnet_mint takes its amount as a number of up to 128.
        return json.dumps(body).encode()


def _short(data: Any) -> str:
    text = data if isinstance(data, str) else repr(data)
    return text if len(text) <= _EXCERPT else text[:_EXCERPT] + "..."


def _list(methods: Sequence[str]) -> str:
    return ", ".join(methods[:3]) + (", ..." if len(methods) > 3 else "")


def _kind(answer: Any) -> str:
    names = {dict: "an object", list: "an array", str: "a text", bool: "a boolean", type(None): "null"}
    return names.get(type(answer), "a number")
