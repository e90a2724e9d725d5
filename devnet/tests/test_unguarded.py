"""Contracts without the guards are for tests: no deployment declares one."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest
from truemark_devnet.build import CLASSES, TEST_CLASSES, UNGUARDED, Build, ContractClass
from truemark_devnet.deploy.venue import DeployFailed, deploy
from truemark_devnet.profile import load_profile


@pytest.mark.parametrize("place", ["UnguardedOracle", "Oracle"])
def test_a_deployment_refuses_them_before_it_sends_anything(place: str) -> None:
    name = "UnguardedOracle"
    cls = ContractClass(name, 1, 2, Path("none"), Path("none"), 0, 0)
    build = Build(classes={place: cls}, test_classes={}, l1={})
    nobody = cast("Any", None)
    with pytest.raises(DeployFailed, match="UnguardedOracle: a class without the guards"):
        asyncio.run(deploy(nobody, {}, load_profile("default"), build))


def test_no_release_has_one() -> None:
    assert not [name for name in CLASSES if name.startswith(UNGUARDED)]
    assert [name for name in TEST_CLASSES if name.startswith(UNGUARDED)]
