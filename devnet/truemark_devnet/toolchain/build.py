"""Builds into the cache what is missing, one process at a time, and goes on where an interrupted build stopped."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable
from pathlib import Path

from truemark_devnet.toolchain.cache import Cache
from truemark_devnet.toolchain.catalog import TOOLS, Source, Tool
from truemark_devnet.toolchain.fetch import fetch_anvil, fetch_corelib
from truemark_devnet.toolchain.locate import ToolMissing, demand_host_tools, find, find_tool, version_of
from truemark_devnet.toolchain.progress import Reporter, Silent
from truemark_devnet.toolchain.run import ToolBuildFailed, cargo

#: What Cargo's folders grow to, in bytes, with something to spare.
ROOM = 6 * 2**30


def ensure(names: Iterable[str] | None = None, reporter: Reporter | None = None) -> dict[str, Path]:
    """Gets what is missing of the named tools (all of them by default) and returns where each is.

    A binary in the cache counts when it says its version and, once it was checked, is still the same file.

    Raises:
        ToolMissing: a tool is missing and so is what is needed to build it.
        ToolBuildFailed: a build failed.
    """
    wanted = [TOOLS[name] for name in (TOOLS if names is None else names)]
    told: Reporter = reporter if reporter is not None else Silent()
    cache = Cache.of_user()
    if not all(_is_ready(tool, cache) for tool in wanted):
        missing = [tool for tool in wanted if find(tool, deep=True) is None]
        demand_host_tools(*dict.fromkeys(tool.source for tool in missing))
        with cache.lock(lambda path: told.say(f"another process is building the tools: waiting for it ({path})")):
            # The other process may have built them meanwhile.
            for tool in wanted:
                _get(tool, cache, told)
            _tidy(cache)
    return {tool.name: find_tool(tool.name) for tool in wanted}


def _is_ready(tool: Tool, cache: Cache) -> bool:
    """Found, and if it is in the cache, stamped."""
    found = find(tool, deep=True)
    if found is None or found.where != "cache":
        return found is not None
    return cache.stamp(tool).exists() and (not tool.needs_corelib or cache.corelib_stamp.exists())


def _get(tool: Tool, cache: Cache, reporter: Reporter) -> None:
    found = find(tool, deep=True)
    if found is not None and found.where != "cache":
        return
    if tool.source is Source.PYTHON:
        find_tool(tool.name)
        return
    if tool.needs_corelib and not cache.corelib_stamp.holds(deep=True):
        _adopt_or_fetch_corelib(cache, reporter)
    if _binary_is_good(tool, cache):
        return
    _build(tool, cache, reporter)


def _binary_is_good(tool: Tool, cache: Cache) -> bool:
    """Also stamps a binary that is good and has no stamp yet: a build was interrupted before that."""
    path, stamp = cache.binary(tool), cache.stamp(tool)
    if not path.is_file() or version_of(path) != tool.version:
        return False
    if stamp.exists():
        return stamp.holds(deep=True)
    stamp.write()
    return True


def _adopt_or_fetch_corelib(cache: Cache, reporter: Reporter) -> None:
    stamp = cache.corelib_stamp
    manifest = cache.corelib / "Scarb.toml"
    if (
        not stamp.exists()
        and (cache.corelib / "src" / "lib.cairo").is_file()
        and manifest.is_file()
        and f'version = "{stamp.version}"' in manifest.read_text()
    ):
        stamp.write()
        return
    fetch_corelib(cache, reporter)


def _build(tool: Tool, cache: Cache, reporter: Reporter) -> None:
    demand_host_tools(tool.source)
    cache.stamp(tool).remove()
    binary = cache.binary(tool)
    if binary.exists():
        reporter.say(f"{tool.name} in the cache is damaged: it is made again")
        binary.unlink()
    if tool.source is Source.NPM:
        fetch_anvil(cache, reporter)
    else:
        _cargo_install(tool, cache, reporter)
    if version_of(binary) != tool.version:
        raise ToolBuildFailed(f"{binary} was built but does not say that it is {tool.name} {tool.version}")
    cache.stamp(tool).write()


def _cargo_install(tool: Tool, cache: Cache, reporter: Reporter) -> None:
    target = cache.build(tool)
    target.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(target).free
    if free < ROOM and not (target / "release").exists():
        raise ToolMissing(
            f"{free / 2**30:.1f} GB are free on the disk of {cache.root}, "
            f"building the tools takes up to {ROOM / 2**30:.0f} GB for a while (TRUEMARK_CACHE names another place)"
        )
    resumed = (target / "release").exists()
    reporter.start(
        f"{tool.name} {tool.version}",
        "building, what is compiled already is kept" if resumed else f"building, about {tool.minutes:g} min on 2 cores",
    )
    cargo(
        # --force: cargo's own list may say that it is installed when the binary is gone or damaged.
        ["install", tool.name, "--version", tool.version, "--locked", "--force", "--root", str(cache.home(tool))],
        target=target,
        cwd=cache.root,
        log=cache.log(tool.name),
        reporter=reporter,
        name=tool.name,
    )
    reporter.finish()


def _tidy(cache: Cache) -> None:
    """Removes Cargo's target folders whose tools are all there: together they are larger than all else."""
    for home in {tool.home for tool in TOOLS.values() if tool.source is Source.CARGO}:
        tools = [tool for tool in TOOLS.values() if tool.home == home]
        target = cache.build(tools[0])
        if target.exists() and all(find(tool) is not None for tool in tools):
            shutil.rmtree(target)
    for folder in (cache.scratch, cache.scratch.parent):
        with contextlib.suppress(OSError):
            folder.rmdir()
