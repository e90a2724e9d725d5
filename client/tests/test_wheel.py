"""The wheel alone, in a fresh environment: quick to import, and nothing in it that a trader does not need."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.deep

ROOT = Path(__file__).resolve().parents[2]
#: A web server, data frames, another language, or the rest of this workspace.
UNWANTED = {"fastapi", "starlette", "uvicorn", "flask", "pandas", "pyarrow", "nodejs-bin", "truemark-keeper"}
#: Seconds.
IMPORT = 0.5


def run(*command: str | Path, **environment: str) -> str:
    # A folder of its own: the workspace's settings and packages are out of sight.
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        timeout=600,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | environment,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that has the wheel and what it depends on."""
    uv = Path(sys.executable).with_name("uv")
    if not uv.is_file():
        pytest.skip("uv is not in this environment: `make test` puts it there")
    folder = tmp_path_factory.mktemp("wheel")
    run(uv, "build", "--wheel", "--quiet", "--out-dir", folder, ROOT / "client")
    (wheel,) = folder.glob("truemark-*.whl")
    run(uv, "venv", "--quiet", "--python", sys.executable, folder / "venv")
    found = folder / "venv" / "bin" / "python"
    run(uv, "pip", "install", "--quiet", "--python", found, wheel)
    return found


def test_nothing_that_a_trader_does_not_need_comes_with_it(python: Path) -> None:
    code = "import json; from importlib.metadata import distributions as d; print(json.dumps([x.name for x in d()]))"
    names = {name.lower().replace("_", "-") for name in json.loads(run(python, "-c", code))}
    assert "truemark" in names
    assert not names & UNWANTED


def test_the_import_takes_less_than_half_a_second(python: Path) -> None:
    code = "import time; start = time.perf_counter(); import truemark; print(time.perf_counter() - start)"
    run(python, "-c", code)
    whole = [float(run(python, "-c", code)) for _ in range(5)]
    assert statistics.median(whole) < IMPORT, whole


def test_what_a_trader_uses_is_there_without_the_libraries_of_l1(python: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from truemark import AsyncTrader, Order, StarkKey, Trader\n"
        "from truemark.venue import VenueClient\n"
        "StarkKey.random().sign(5)\n"
        "heavy = ('web3', 'starknet_py', 'eth_account', 'sqlalchemy', 'pandas')\n"
        "print(*(name for name in heavy if name in sys.modules))"
    )
    assert run(python, "-c", code).strip() == ""
    command = python.with_name("truemark")
    assert "trade" in run(command, "--help")
    assert (
        "no deployment at"
        in subprocess.run(
            [command, "trade", "markets"],
            capture_output=True,
            text=True,
            env={"TRUEMARK_HOME": str(tmp_path)},
            timeout=60,
        ).stderr
    )
