"""A venue in memory, and a client that speaks for one account of it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from truemark.keys import StarkKey
from truemark.venue import AsyncVenueClient

_SPEC = importlib.util.spec_from_file_location("venue_double", Path(__file__).with_name("double.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
double = importlib.util.module_from_spec(_SPEC)
sys.modules["venue_double"] = double
_SPEC.loader.exec_module(double)

KEY = StarkKey.from_private(77)
ACCOUNT = 0xA11CE


@pytest.fixture
def venue() -> Any:
    return double.VenueDouble()


@pytest.fixture
def naps() -> list[float]:
    """What the client slept; it takes no time."""
    return []


@pytest.fixture
async def client(venue: Any, naps: list[float]) -> AsyncIterator[AsyncVenueClient]:
    async def nap(seconds: float) -> None:
        naps.append(seconds)

    async with venue.client() as http:
        yield AsyncVenueClient(
            double.URL,
            venue.deployment,
            signer=KEY,
            account=ACCOUNT,
            client=http,
            clock=lambda: venue.clock,
            sleep=nap,
        )
