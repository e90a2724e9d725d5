"""What a person does with the contracts' sources: compile, test, check, format."""

from __future__ import annotations

import subprocess
from pathlib import Path

import orjson
from truemark.errors import TruemarkError

from truemark_devnet.build import MAX_BYTECODE_FELTS, MAX_SIERRA_FELTS, Build, Progress, abis_of, build
from truemark_devnet.paths import checkout
from truemark_devnet.toolchain import find_tool

#: A class must stay below this share of starknet-devnet's limits, in percent.
MAX_SHARE = 70


class ContractsFailed(TruemarkError, RuntimeError):
    """A check of the contracts failed; the message says which."""


def compile_contracts(progress: Progress) -> Build:
    """Compiles what is not up to date and writes the ABIs.

    Raises:
        BuildFailed: a compiler refused a contract.
        ContractsFailed: a class is too large.
    """
    built = build(progress=progress)
    large = [
        f"{cls.name} ({cls.sierra_felts:,} Sierra, {cls.bytecode_felts:,} bytecode felts)"
        for cls in built.classes.values()
        if cls.sierra_felts * 100 > MAX_SIERRA_FELTS * MAX_SHARE
        or cls.bytecode_felts * 100 > MAX_BYTECODE_FELTS * MAX_SHARE
    ]
    if large:
        raise ContractsFailed(f"above {MAX_SHARE}% of a node's limit for one class: {', '.join(large)}")
    return built


def lint_contracts() -> None:
    """Formatting of the Cairo sources, and whether the ABIs that the client ships are those of the classes.

    Raises:
        ContractsFailed: a file is not formatted, or an ABI is another one.
    """
    source = checkout() / "contracts" / "src"
    done = subprocess.run([find_tool("cairo-format"), "--recursive", "--check", source], check=False)
    if done.returncode != 0:
        raise ContractsFailed("Cairo sources are not formatted: make format")
    folder = checkout() / "client" / "truemark" / "abi"
    stale = [str(path) for path, abi in abis_of(build(), folder) if not _holds(path, abi)]
    if stale:
        raise ContractsFailed(f"not the ABIs of the classes, run make contracts: {', '.join(stale)}")


def format_contracts() -> None:
    """Puts the formatting of the Cairo sources right.

    Raises:
        ContractsFailed: the formatter could not read a file.
    """
    source = checkout() / "contracts" / "src"
    done = subprocess.run([find_tool("cairo-format"), "--recursive", source], check=False)
    if done.returncode != 0:
        raise ContractsFailed("cairo-format could not read a file, see above")


def _holds(path: Path, abi: object) -> bool:
    return path.is_file() and bool(orjson.loads(path.read_bytes()) == abi)
