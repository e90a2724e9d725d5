"""The figure of refunds on a small history: every account of it is refunded."""

from __future__ import annotations

from pathlib import Path

import pytest
from truemark_devnet.bench.recovery import make_index, work


@pytest.mark.deep
def test_every_account_of_the_made_up_history_is_refunded(tmp_path: Path) -> None:
    make_index(tmp_path / "index.sqlite", 2_000, 150)
    found = work(tmp_path / "index.sqlite", tmp_path, 150)
    assert set(found) == {"seconds", "cpu", "root", "memory"}
    assert min(found.values()) > 0
    with pytest.raises(AssertionError):
        work(tmp_path / "index.sqlite", tmp_path, 151)
