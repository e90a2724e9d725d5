"""For all tests. How many examples a property gets: a sample by default, more with TRUEMARK_EXAMPLES=deep or prove."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("sample", deadline=None)
settings.register_profile("deep", deadline=None, max_examples=2_000)
settings.register_profile("prove", deadline=None, max_examples=20_000)
settings.load_profile(os.environ.get("TRUEMARK_EXAMPLES", "sample"))

# Started in the background, or by nohup, a process ignores these, and all that it starts does too; the tests of Ctrl-C
# are about commands that do not.
for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, usual)


@pytest.fixture(autouse=True)
def ctrl_c_as_before() -> Iterator[None]:
    """A command that ran within the test may have changed what Ctrl-C does: `devnet up` ignores it once all is done."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)
