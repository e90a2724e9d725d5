"""One JSON document over HTTP, with a bound on everything: time, bytes, redirects. Numbers stay exact."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import httpx

from truemark_keeper.sources.quote import SourceError

#: What a source says is a page at most; more is not it.
MAX_BYTES = 1_000_000
#: The longest that a source's Retry-After is obeyed; a day of silence would be an outage of its own.
MAX_PAUSE = 300.0

Params = Mapping[str, str] | Sequence[tuple[str, str]]


class TooManyRequests(SourceError):
    """The source asks to be left alone for `pause` seconds."""

    def __init__(self, message: str, pause: float) -> None:
        super().__init__(message)
        self.pause = pause


def http_client() -> httpx.AsyncClient:
    """A client for sources: no redirect is followed (a price page that moved is another page), no proxy or key from
    the environment is used."""
    return httpx.AsyncClient(follow_redirects=False, trust_env=False)


async def fetch_json(
    client: httpx.AsyncClient,
    url: str,
    params: Params = (),
    *,
    name: str,
    timeout: float = 5.0,
    max_bytes: int = MAX_BYTES,
) -> Any:
    """The document at `url`; whole numbers are int, others Decimal.

    Args:
        name: what errors call the source: an URL may hold a key.
        timeout: seconds for all of it, so that a drip is no answer either.

    Raises:
        TooManyRequests: HTTP 429, or 503 with a Retry-After.
        SourceError: no answer in time, another status, too many bytes, cut off, no JSON.
    """
    try:
        async with asyncio.timeout(timeout), client.stream("GET", url, params=list(_pairs(params))) as response:
            _check(response, name)
            body = bytearray()
            async for part in response.aiter_bytes():
                body += part
                if len(body) > max_bytes:
                    raise SourceError(f"{name}: the answer is longer than {max_bytes} bytes")
    except TimeoutError as error:
        raise SourceError(f"{name}: no answer within {timeout:g} s") from error
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        # The text of httpx's errors may quote the URL with its key.
        raise SourceError(f"{name}: {type(error).__name__}") from error
    try:
        return json.loads(body, parse_float=Decimal, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{name}: the answer is no JSON or is cut off ({len(body)} bytes)") from error


def _pairs(params: Params) -> Sequence[tuple[str, str]]:
    return list(params.items()) if isinstance(params, Mapping) else list(params)


def _check(response: httpx.Response, name: str) -> None:
    status = response.status_code
    if status == 429 or (status == 503 and "retry-after" in response.headers):
        pause = _pause(response.headers.get("retry-after", ""))
        raise TooManyRequests(f"{name}: HTTP {status}, asks for a pause of {pause:g} s", pause)
    if 300 <= status < 400:
        raise SourceError(f"{name}: HTTP {status}, a redirect; write the address that it leads to, if it is right")
    if not response.is_success:
        raise SourceError(f"{name}: HTTP {status}")


def _pause(text: str) -> float:
    # A date is allowed there too; its clock is not ours, so it counts as the default.
    return min(float(text), MAX_PAUSE) if text.isascii() and text.isdigit() else 10.0


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number")
