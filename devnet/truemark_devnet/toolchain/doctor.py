"""What is on this machine: each tool with its place, and each host tool that building would need."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from truemark_devnet.toolchain.cache import Cache
from truemark_devnet.toolchain.catalog import HOST_TOOLS, NEEDED_BY, TOOLS, HostTool, Source, Tool
from truemark_devnet.toolchain.locate import ToolMissing, demand_host_tools, find, version_of, which_host_tool


@dataclass(frozen=True, slots=True)
class Finding:
    """One tool.

    Attributes:
        where: "PATH", "cache", "package", or empty when it is missing.
        note: why it does not count, or how it will be got.
        can_be_had: it is there, or this machine can build it.
    """

    tool: Tool
    path: Path | None
    where: str
    note: str
    can_be_had: bool


@dataclass(frozen=True, slots=True)
class Report:
    findings: tuple[Finding, ...]
    host: tuple[tuple[HostTool, Path | None], ...]
    cache: Path

    @property
    def healthy(self) -> bool:
        """Everything is there or can be had."""
        return all(finding.can_be_had for finding in self.findings)


def survey() -> Report:
    """Looks at everything; builds nothing."""
    return Report(
        tuple(_look(tool) for tool in TOOLS.values()),
        tuple((host, which_host_tool(host)) for host in HOST_TOOLS),
        Cache.of_user().root,
    )


def _look(tool: Tool) -> Finding:
    found = find(tool, deep=True)
    if found is not None:
        return Finding(tool, found.path, found.where, "", True)
    if tool.source is Source.PYTHON:
        return Finding(tool, None, "", "reinstall truemark-devnet", False)
    try:
        demand_host_tools(tool.source)
    except ToolMissing as error:
        needed = ", ".join(host.names[0] for host in NEEDED_BY[tool.source] if which_host_tool(host) is None)
        note = f"cannot be built without {needed}" if needed else str(error)
        return Finding(tool, None, "", _why_not(tool) + note, False)
    return Finding(tool, None, "", _why_not(tool) + "`truemark devnet tools` gets it", True)


def _why_not(tool: Tool) -> str:
    """What there is instead, if anything."""
    cached = Cache.of_user().binary(tool)
    if cached.is_file():
        return "damaged in the cache; "
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        path = Path(folder, tool.name)
        if folder and path.is_file() and os.access(path, os.X_OK):
            said = version_of(path)
            if said != tool.version:
                return f"{path} is {said or 'of no known version'}; "
            return f"{path} has no corelib beside its folder; "
    return ""
