"""Gets what is not compiled: the Cairo corelib out of the crate that carries it, and anvil out of its npm package."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson

from truemark_devnet.toolchain.cache import Cache
from truemark_devnet.toolchain.catalog import (
    ANVIL_PACKAGE,
    ANVIL_VERSION,
    CAIRO_VERSION,
    CORELIB_CRATE,
    CORELIB_CRATE_VERSION,
    TOOLS,
)
from truemark_devnet.toolchain.progress import Reporter
from truemark_devnet.toolchain.run import ToolBuildFailed, cargo, run

_MANIFEST = f"""[package]
name = "truemark-corelib"
version = "0.0.0"
edition = "2021"

[dependencies]
{CORELIB_CRATE} = "={CORELIB_CRATE_VERSION}"
"""


def fetch_corelib(cache: Cache, reporter: Reporter) -> None:
    """Puts the corelib beside the compilers' folder, whole or not at all.

    Raises:
        ToolBuildFailed: it could not be fetched, or is of another version.
    """
    name = f"Cairo corelib {CAIRO_VERSION}"
    reporter.start(name, "fetching")
    log = cache.log("corelib")
    with _scratch(cache) as folder:
        (folder / "Cargo.toml").write_text(_MANIFEST)
        (folder / "src").mkdir()
        (folder / "src" / "lib.rs").write_text("")
        cargo(["fetch"], target=None, cwd=folder, log=log, reporter=reporter, name=name)
        listing = cargo(
            ["metadata", "--format-version", "1", "--offline"],
            target=None,
            cwd=folder,
            log=log,
            reporter=reporter,
            name=name,
        )
        source = _corelib_in(listing)
        copy = folder / "corelib"
        shutil.copytree(source, copy)
        if f'version = "{CAIRO_VERSION}"' not in (copy / "Scarb.toml").read_text():
            raise ToolBuildFailed(f"{source} is not the corelib of Cairo {CAIRO_VERSION}")
        cache.corelib.parent.mkdir(parents=True, exist_ok=True)
        cache.corelib_stamp.remove()
        if cache.corelib.exists():
            shutil.rmtree(cache.corelib)
        copy.replace(cache.corelib)
    cache.corelib_stamp.write()
    reporter.finish()


def fetch_anvil(cache: Cache, reporter: Reporter) -> None:
    """Puts anvil's binary into the cache.

    Raises:
        ToolBuildFailed: npm failed, or has no binary for this machine.
    """
    tool = TOOLS["anvil"]
    reporter.start(f"{tool.name} {tool.version}", "fetching")
    with _scratch(cache) as folder:
        # No scripts: the binary is in the package for this platform, the scripts would only look for it.
        command = ["npm", "install", "--prefix", str(folder), "--ignore-scripts", "--no-audit", "--no-fund"]
        run(
            [*command, f"{ANVIL_PACKAGE}@{ANVIL_VERSION}"],
            env=os.environ,
            cwd=folder,
            log=cache.log(tool.name),
            listen=lambda line: reporter.advance(0, 0, line),
            name=tool.name,
        )
        found = sorted((folder / "node_modules").glob(f"{ANVIL_PACKAGE}-*/bin/anvil"))
        if not found:
            raise ToolBuildFailed(f"{ANVIL_PACKAGE} {ANVIL_VERSION} has no binary for this machine")
        found[0].chmod(0o755)
        binary = cache.binary(tool)
        binary.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(found[0], binary.with_suffix(".part"))
        binary.with_suffix(".part").replace(binary)
    reporter.finish()


def _corelib_in(listing: str) -> Path:
    for package in orjson.loads(listing)["packages"]:
        if package["name"] == CORELIB_CRATE and package["version"] == CORELIB_CRATE_VERSION:
            corelib = Path(package["manifest_path"]).parent / "corelib"
            if (corelib / "src" / "lib.cairo").is_file():
                return corelib
    raise ToolBuildFailed(f"the crate {CORELIB_CRATE} {CORELIB_CRATE_VERSION} has no corelib folder")


@contextmanager
def _scratch(cache: Cache) -> Iterator[Path]:
    cache.scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache.scratch) as folder:
        yield Path(folder)
