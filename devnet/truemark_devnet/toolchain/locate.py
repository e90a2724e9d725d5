"""Finds a tool: on the PATH in the right version, else in the cache, where its stamp and its own word must agree."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from truemark.errors import TruemarkError

from truemark_devnet.toolchain.cache import Cache
from truemark_devnet.toolchain.catalog import CARGO, NEEDED_BY, OLDEST_RUST, TOOLS, HostTool, Source, Tool

#: A release, perhaps marked as one; not a nightly or a candidate.
_VERSION = re.compile(r"\bv?(\d+\.\d+\.\d+)(?:-stable)?(?![\w.-])")


class ToolMissing(TruemarkError, FileNotFoundError):
    """A tool, or what is needed to build it, is not on this machine; the message says how to get it."""


@dataclass(frozen=True, slots=True)
class Found:
    """A tool that can be used.

    Attributes:
        where: "PATH", "cache" or "package".
    """

    tool: Tool
    path: Path
    where: str


def find_tool(name: str) -> Path:
    """The path of a tool in exactly the version that the project is built with.

    Raises:
        ToolMissing: it is neither on the PATH in that version nor built.
    """
    found = find(TOOLS[name])
    if found is None:
        tool = TOOLS[name]
        if tool.source is Source.PYTHON:
            raise ToolMissing(f"{name} {tool.version} is not beside {sys.executable}: reinstall truemark-devnet")
        raise ToolMissing(
            f"{name} {tool.version} is neither on the PATH nor built yet: `truemark devnet tools` builds it"
        )
    return found.path


def find(tool: Tool, *, deep: bool = False) -> Found | None:
    """As find_tool, without raising; `deep` reads what is in the cache whole and compares it with its stamp."""
    if tool.source is Source.PYTHON:
        return _find_python_tool(tool)
    return _find_on_path(tool) or _find_in_cache(tool, deep=deep)


def version_of(path: Path) -> str | None:
    """What `--version` says; None when the file cannot run or says nothing that looks like a release."""
    try:
        stat = path.stat()
    except OSError:
        return None
    key = (str(path), stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size)
    if key not in _versions:
        _versions[key] = _ask_version(path)
    return _versions[key]


def missing_host_tools(source: Source) -> list[HostTool]:
    """What the machine lacks to get tools of this kind."""
    return [host for host in NEEDED_BY[source] if which_host_tool(host) is None]


def which_host_tool(host: HostTool) -> Path | None:
    for name in host.names:
        path = shutil.which(name)
        if path is not None:
            return Path(path)
    return None


def demand_host_tools(*sources: Source) -> None:
    """
    Raises:
        ToolMissing: the machine lacks something that is needed to get tools of these kinds.
    """
    missing = [host for source in sources for host in missing_host_tools(source)]
    if missing:
        raise ToolMissing(
            "missing on this machine: "
            + "; ".join(f"{host.names[0]}, {host.why} ({host.how})" for host in missing)
            + "; or put the tools themselves on the PATH"
        )
    if Source.CARGO in sources:
        cargo = which_host_tool(CARGO)
        said = version_of(cargo) if cargo is not None else None
        if said is not None and tuple(int(part) for part in said.split(".")[:2]) < OLDEST_RUST:
            raise ToolMissing(
                f"cargo {said} is too old to build the tools, "
                f"which want {OLDEST_RUST[0]}.{OLDEST_RUST[1]} or newer: `rustup update`"
            )


def has_corelib(binary: Path) -> bool:
    """The compilers look for the corelib beside the folder of their own file, behind any symbolic link."""
    corelib = binary.resolve().parent.parent / "corelib"
    if not (corelib / "src" / "lib.cairo").is_file():
        return False
    manifest = corelib / "Scarb.toml"
    return not manifest.is_file() or f'version = "{TOOLS["starknet-compile"].version}"' in manifest.read_text()


_versions: dict[tuple[str, int, int, int], str | None] = {}


def _ask_version(path: Path) -> str | None:
    try:
        done = subprocess.run(
            [str(path), "--version"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=30,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode != 0:
        return None
    match = _VERSION.search(done.stdout)
    return match.group(1) if match else None


def _find_on_path(tool: Tool) -> Found | None:
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        if not folder:
            continue
        path = Path(folder, tool.name)
        if (
            path.is_file()
            and os.access(path, os.X_OK)
            and version_of(path) == tool.version
            and (not tool.needs_corelib or has_corelib(path))
        ):
            return Found(tool, path.absolute(), "PATH")
    return None


def _find_in_cache(tool: Tool, *, deep: bool) -> Found | None:
    cache = Cache.of_user()
    path, stamp = cache.binary(tool), cache.stamp(tool)
    if not path.is_file() or (stamp.exists() and not stamp.holds(deep=deep)) or version_of(path) != tool.version:
        return None
    if tool.needs_corelib:
        corelib = cache.corelib_stamp
        if not has_corelib(path) or (corelib.exists() and not corelib.holds(deep=deep)):
            return None
    return Found(tool, path, "cache")


def _find_python_tool(tool: Tool) -> Found | None:
    """Asked by its metadata: to run it takes a second."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        beside = Path(sys.executable).parent / tool.name
        if importlib.metadata.version(tool.name) == tool.version and beside.is_file():
            return Found(tool, beside, "package")
    return _find_on_path(tool)
