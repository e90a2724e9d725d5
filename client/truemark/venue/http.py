"""Requests to a venue: errors told apart, reads repeated, rate limits kept in sight."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import httpx
import orjson

from truemark.rpc import shown_url
from truemark.secrets import conceal
from truemark.venue.errors import NoAnswer, VenueUnavailable, error_of
from truemark.wire import ErrorBody, Record, WireError, paths

_FIRST_DELAY: Final = 0.1
_LONGEST_DELAY: Final = 5.0
_EXCERPT: Final = 120

R = TypeVar("R", bound=Record)
Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class RateLimit:
    """As the venue's last answer told it."""

    #: Requests that the bucket holds, and those left.
    limit: int
    remaining: int
    #: Seconds until it is full again.
    reset: float


class Transport:
    """One venue's REST API.

    Args:
        client: an HTTP client to use and leave open; None: one of its own.
        timeout: seconds for one request.
        retries: how often a request that can be repeated is.
        sleep: waits between two tries; a test gives its own.
    """

    def __init__(
        self,
        url: str,
        *,
        client: httpx.AsyncClient | None = None,
        timeout: float = 10.0,
        retries: int = 2,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        conceal(url)
        self.url = url.rstrip("/")
        self.shown = shown_url(url)
        self.rate_limit: RateLimit | None = None
        self._client = client if client is not None else httpx.AsyncClient()
        self._owns_client = client is None
        self._timeout = timeout
        self._retries = retries
        self._sleep = sleep

    async def aclose(self) -> None:
        if self._owns_client:
            await self._client.aclose()

    async def request(
        self,
        kind: type[R],
        method: str,
        path: str,
        *,
        body: Record | None = None,
        query: Mapping[str, Any] | None = None,
        token: str | None = None,
        repeat: bool = False,
    ) -> R:
        """The answer, as a record of `kind`.

        Args:
            repeat: sending it twice does no harm, so it is sent again where no answer came.

        Raises:
            VenueError: the class that its code stands for.
            NoAnswer: none came, or none that makes sense.
        """
        tries = self._retries if repeat else 0
        delay = _FIRST_DELAY
        while True:
            try:
                return self._parse(kind, await self._send(method, path, body, query, token), f"{method} {path}")
            except (NoAnswer, VenueUnavailable) as error:
                if tries == 0:
                    raise
                wait = getattr(error, "retry_after", None)
            tries -= 1
            # Full jitter: clients that lost the venue together do not come back together. A venue that is away for long
            # is told to the caller, not waited for.
            pause = random.uniform(0, delay) if wait is None else min(wait, _LONGEST_DELAY)  # noqa: S311 - no secret
            await self._sleep(pause)
            delay = min(delay * 2, _LONGEST_DELAY)

    async def _send(
        self, method: str, path: str, body: Record | None, query: Mapping[str, Any] | None, token: str | None
    ) -> httpx.Response:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = orjson.dumps(body.dump())
        asked = {name: value for name, value in (query or {}).items() if value is not None}
        try:
            return await self._client.request(
                method, self.url + path, content=content, headers=headers, params=asked, timeout=self._timeout
            )
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise NoAnswer(f"{self.shown}: {method} {path}: {type(error).__name__}") from error

    def _parse(self, kind: type[R], response: httpx.Response, what: str) -> R:
        self._see_limit(response.headers)
        try:
            data = orjson.loads(response.content)
            if response.is_success:
                return kind.parse(data)
            problem = ErrorBody.parse(data).error
        except (orjson.JSONDecodeError, WireError) as error:
            said = f"{error}" if isinstance(error, WireError) else response.text[:_EXCERPT]
            status = f"HTTP {response.status_code} with what is no answer"
            raise NoAnswer(f"{self.shown}: {what}: {status}: {said}") from None
        raise error_of(problem)

    def _see_limit(self, headers: httpx.Headers) -> None:
        try:
            self.rate_limit = RateLimit(
                int(headers[paths.LIMIT_HEADER]),
                int(headers[paths.REMAINING_HEADER]),
                float(headers[paths.RESET_HEADER]),
            )
        except (KeyError, ValueError):
            # A proxy's answer has none: the last one that the venue told stays.
            return
