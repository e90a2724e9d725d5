"""The tools a venue is built and run with: found on the PATH, else built once into a per-user cache."""

from truemark_devnet.toolchain.build import ensure
from truemark_devnet.toolchain.cache import Cache
from truemark_devnet.toolchain.catalog import HOST_TOOLS, TOOLS, HostTool, Source, Tool
from truemark_devnet.toolchain.doctor import Finding, Report, survey
from truemark_devnet.toolchain.locate import Found, ToolMissing, find, find_tool
from truemark_devnet.toolchain.progress import ConsoleReporter, Reporter, Silent
from truemark_devnet.toolchain.run import ToolBuildFailed

__all__ = [
    "HOST_TOOLS",
    "TOOLS",
    "Cache",
    "ConsoleReporter",
    "Finding",
    "Found",
    "HostTool",
    "Report",
    "Reporter",
    "Silent",
    "Source",
    "Tool",
    "ToolBuildFailed",
    "ToolMissing",
    "ensure",
    "find",
    "find_tool",
    "survey",
]
