"""A node that the tests of the index roll back, restart, stop and corrupt."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest
from truemark.rpc import AsyncRpc

from ..own_devnet import Devnet, starting


class Impatient(AsyncRpc):
    """Waits long for a busy node, and not for one that is known to be silent."""

    @contextlib.contextmanager
    def during_silence(self, devnet: Devnet) -> Iterator[None]:
        usual, self._timeout = self._timeout, 0.05
        devnet.pause()
        try:
            yield
        finally:
            devnet.resume()
            self._timeout = usual


@pytest.fixture(scope="session")
def start_devnet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Devnet]]:
    with starting(tmp_path_factory.mktemp("devnet")) as start:
        yield start


@pytest.fixture(scope="session")
def own_devnet(start_devnet: Callable[..., Devnet]) -> Devnet:
    return start_devnet()


@pytest.fixture
def devnet(own_devnet: Devnet) -> Devnet:
    """At its first block."""
    own_devnet.restart()
    return own_devnet


@pytest.fixture(scope="session")
def lite_devnet(start_devnet: Callable[..., Devnet]) -> Devnet:
    """Whose block hashes are block numbers, and whose commitments are 0."""
    return start_devnet("--lite-mode")
