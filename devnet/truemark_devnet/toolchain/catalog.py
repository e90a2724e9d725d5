"""Which tools a venue needs, in which version, where each comes from, and what the machine must have to build it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

CAIRO_VERSION = "2.16.0"
DEVNET_VERSION = "0.10.1"
ANVIL_VERSION = "1.7.1"
VYPER_VERSION = "0.4.3"

#: The one package that carries the Cairo corelib 2.16.0, in its corelib/ folder.
CORELIB_CRATE = "cairo-native"
CORELIB_CRATE_VERSION = "0.9.0-rc.4"
ANVIL_PACKAGE = "@foundry-rs/anvil"
#: The sources of starknet-devnet use what Rust has had since this version.
OLDEST_RUST = (1, 88)


class Source(Enum):
    """How a tool is got when it is not on the PATH."""

    CARGO = "cargo install"
    NPM = "npm install"
    PYTHON = "installed with this package"


@dataclass(frozen=True, slots=True)
class Tool:
    """An executable in exactly one version.

    Attributes:
        home: its folder under tools/ in the cache.
        minutes: what the first build takes on two cores, roughly; the second of a group shares the work of the first.
        needs_corelib: it looks for corelib/src beside the folder that it lies in.
    """

    name: str
    version: str
    source: Source
    home: str
    minutes: float = 0.0
    needs_corelib: bool = False


_CAIRO_HOME = f"cairo-{CAIRO_VERSION}"
_CAIRO = [
    Tool("starknet-compile", CAIRO_VERSION, Source.CARGO, _CAIRO_HOME, 6.5, needs_corelib=True),
    Tool("starknet-sierra-compile", CAIRO_VERSION, Source.CARGO, _CAIRO_HOME, 1.5),
    Tool("cairo-format", CAIRO_VERSION, Source.CARGO, _CAIRO_HOME, 1),
    Tool("cairo-test", CAIRO_VERSION, Source.CARGO, _CAIRO_HOME, 3.5, needs_corelib=True),
]
_ANVIL = Tool("anvil", ANVIL_VERSION, Source.NPM, f"anvil-{ANVIL_VERSION}")
_DEVNET = Tool("starknet-devnet", DEVNET_VERSION, Source.CARGO, f"starknet-devnet-{DEVNET_VERSION}", 18)
_VYPER = Tool("vyper", VYPER_VERSION, Source.PYTHON, "")

#: In the order in which they are got: what is quick comes first.
TOOLS: dict[str, Tool] = {tool.name: tool for tool in [_VYPER, _ANVIL, *_CAIRO, _DEVNET]}


@dataclass(frozen=True, slots=True)
class HostTool:
    """What the machine itself must have; any of the names will do."""

    names: tuple[str, ...]
    why: str
    how: str


GIT = HostTool(("git",), "to clone the project", "apt install git")
MAKE = HostTool(("make",), "to build the tools' C parts and to run the Makefile", "apt install make")
CC = HostTool(("cc", "gcc", "clang"), "to link the tools", "apt install build-essential")
PKG_CONFIG = HostTool(("pkg-config", "pkgconf"), "to build the tools", "apt install pkg-config")
#: With git and the compiler on most systems, so seldom missing.
PERL = HostTool(("perl",), "to build the OpenSSL inside starknet-devnet", "apt install perl")
CARGO = HostTool(
    ("cargo",), f"to build the tools (Rust {OLDEST_RUST[0]}.{OLDEST_RUST[1]} or newer)", "install Rust with rustup"
)
NODE = HostTool(("node",), "to install anvil", "apt install nodejs, or nvm")
NPM = HostTool(("npm",), "to install anvil", "apt install npm; it comes with Node.js from nvm")

HOST_TOOLS = (GIT, MAKE, CC, PKG_CONFIG, PERL, CARGO, NODE, NPM)
NEEDED_BY: dict[Source, tuple[HostTool, ...]] = {
    Source.CARGO: (GIT, MAKE, CC, PKG_CONFIG, PERL, CARGO),
    Source.NPM: (NODE, NPM),
    Source.PYTHON: (),
}
