"""What `import truemark` gives, and what it costs."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest
import truemark

HEAVY = ("starknet_py", "eth_account", "web3", "httpx", "sympy", "fast_stark_crypto", "poseidon_py", "sqlalchemy")


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


@pytest.mark.parametrize("name", truemark.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(truemark, name) is not None
    assert name in dir(truemark)


def test_the_version_is_that_of_the_distribution() -> None:
    assert truemark.__version__ == version("truemark")


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Tradr'"):
        _ = truemark.Tradr


def test_the_import_is_quick_and_loads_nothing_heavy() -> None:
    found = run(
        "import sys, time; start = time.perf_counter(); import truemark; took = time.perf_counter() - start\n"
        f"print(took < 0.5, *(name for name in {HEAVY!r} if name in sys.modules))"
    )
    assert found == "True"


def test_keys_orders_and_signatures_need_no_starknet_py() -> None:
    found = run(
        "import sys; from truemark import StarkKey, Order, Fees, AsyncRpc, LocalEthSigner\n"
        "import truemark.signing, truemark.transactions, truemark.keys.paradex, truemark.keys.extended\n"
        "StarkKey(5).sign(7)\n"
        "print(*(name for name in ('starknet_py', 'sympy', 'eth_account', 'web3') if name in sys.modules))"
    )
    assert found == ""
