"""The per-user cache of built tools: where things lie in it, the stamps that vouch for them, the lock of a build."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson
import platformdirs
from filelock import FileLock, Timeout

from truemark_devnet.toolchain.catalog import CAIRO_VERSION, Tool

CACHE_VARIABLE = "TRUEMARK_CACHE"


@dataclass(frozen=True, slots=True)
class Cache:
    """Paths under the cache's root; nothing is created by asking for one."""

    root: Path

    @classmethod
    def of_user(cls) -> Cache:
        named = os.environ.get(CACHE_VARIABLE)
        return cls(Path(named).expanduser().absolute() if named else Path(platformdirs.user_cache_dir("truemark")))

    def home(self, tool: Tool) -> Path:
        return self.root / "tools" / tool.home

    def binary(self, tool: Tool) -> Path:
        return self.home(tool) / "bin" / tool.name

    def stamp(self, tool: Tool) -> Stamp:
        return Stamp(self.home(tool) / "stamps" / f"{tool.name}.json", self.binary(tool), tool.version)

    @property
    def corelib(self) -> Path:
        return self.root / "tools" / f"cairo-{CAIRO_VERSION}" / "corelib"

    @property
    def corelib_stamp(self) -> Stamp:
        return Stamp(self.corelib.parent / "stamps" / "corelib.json", self.corelib, CAIRO_VERSION)

    def build(self, tool: Tool) -> Path:
        """Cargo's target folder, the same for the tools of one home; kept until all of them are built."""
        return self.root / "build" / tool.home

    @property
    def scratch(self) -> Path:
        """For throw-away projects; on the cache's own file system, so that a finished part is moved in one step."""
        return self.root / "build" / "scratch"

    def log(self, name: str) -> Path:
        return self.root / "logs" / f"{name}.log"

    @property
    def lock_file(self) -> Path:
        return self.root / "tools.lock"

    @contextlib.contextmanager
    def lock(self, waiting: Callable[[Path], None]) -> Iterator[None]:
        """One process builds at a time. A second one says that it waits, then waits as long as the first one builds."""
        self.root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.lock_file)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            waiting(self.lock_file)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def size(self) -> int:
        """Bytes on disk."""
        return sum(path.lstat().st_size for path in self.root.rglob("*") if path.is_file() and not path.is_symlink())

    def remove(self) -> None:
        """Removes what it is made of, and the folder if that was all. The lock file goes last: it is held meanwhile."""
        for name in ("tools", "build", "logs"):
            if (self.root / name).is_dir():
                shutil.rmtree(self.root / name)
        self.lock_file.unlink(missing_ok=True)
        # Another process may have begun to use it again.
        with contextlib.suppress(OSError):
            self.root.rmdir()


@dataclass(frozen=True, slots=True)
class Stamp:
    """Vouches for a finished file or folder: written only after its version was checked, with a digest of it."""

    path: Path
    subject: Path
    version: str

    def write(self) -> None:
        content = orjson.dumps({"version": self.version, "digest": digest(self.subject), "size": size(self.subject)})
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        part.write_bytes(content)
        part.replace(self.path)

    def exists(self) -> bool:
        return self.path.is_file()

    def holds(self, *, deep: bool) -> bool:
        """The subject is what was stamped: by its size, or by its content (`deep`)."""
        try:
            said = orjson.loads(self.path.read_bytes())
        except (FileNotFoundError, orjson.JSONDecodeError):
            return False
        if not isinstance(said, dict) or said.get("version") != self.version or not self.subject.exists():
            return False
        return bool(said.get("size") == size(self.subject) and (not deep or said.get("digest") == digest(self.subject)))

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


def size(path: Path) -> int:
    return sum(part.stat().st_size for part in _files(path))


def digest(path: Path) -> str:
    total = hashlib.sha256()
    for part in _files(path):
        total.update(str(part.relative_to(path)).encode() + b"\0")
        with part.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()


def _files(path: Path) -> list[Path]:
    return sorted(part for part in path.rglob("*") if part.is_file()) if path.is_dir() else [path]
