"""Whether the keepers that a venue needs say of themselves that they are ready: their /readyz."""

from __future__ import annotations

from collections.abc import Sequence

import httpx

_TIMEOUT = 3.0


async def keeper_problems(client: httpx.AsyncClient, urls: Sequence[str]) -> list[str]:
    """One line for each keeper that is not ready or does not answer; `urls`: of their /readyz."""
    found = []
    for url in urls:
        try:
            status = (await client.get(url, timeout=_TIMEOUT)).status_code
        except httpx.HTTPError as error:
            found.append(f"{url} does not answer ({str(error) or type(error).__name__})")
            continue
        if status != httpx.codes.OK:
            found.append(f"{url} is not ready (status {status})")
    return found
