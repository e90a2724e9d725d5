"""A real PostgreSQL server for tests and demonstrations: found on this machine, run in a folder of its own, stopped
after it."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from truemark.errors import TruemarkError


class NoPostgres(TruemarkError, FileNotFoundError):
    """There is no PostgreSQL server on this machine; the message says how to get one."""


def find_postgres() -> Path | None:
    """The folder of initdb, pg_ctl and postgres; None: there is none."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    on_path = shutil.which("initdb")
    folders = [*installed, *([Path(on_path).resolve().parent] if on_path else [])]
    return next((f for f in folders if (f / "initdb").exists() and (f / "postgres").exists()), None)


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """A new, empty server.

    Raises:
        NoPostgres: none is installed.
    """
    binaries = find_postgres()
    if binaries is None:
        raise NoPostgres("no PostgreSQL server on this machine (Debian: apt install postgresql)")
    # Below /tmp: a socket's path may have 107 bytes, and a server that does not run as root must reach it.
    with tempfile.TemporaryDirectory(prefix="truemark-postgres-", dir="/tmp") as folder:
        Path(folder).chmod(0o711)
        home = Path(folder) / "server"
        home.mkdir()
        server = PostgresServer(binaries, home)
        server.create()
        server.start()
        try:
            yield server
        finally:
            server.stop()


@dataclass
class PostgresServer:
    """Listens on a socket in its folder only."""

    binaries: Path
    folder: Path

    @property
    def url(self) -> str:
        return f"postgresql://truemark@/postgres?host={self.folder}"

    def create(self) -> None:
        if os.geteuid() == 0:
            # The server refuses to run as root.
            who = pwd.getpwnam("nobody")
            os.chown(self.folder, who.pw_uid, who.pw_gid)
        self.folder.chmod(0o700)
        self._run("initdb", "-D", str(self.folder / "data"), "-U", "truemark", "-A", "trust", "-N", "--no-locale")

    def start(self) -> None:
        options = f"-k {self.folder} -c listen_addresses= -c fsync=off -c shared_buffers=16MB"
        self._ctl("start", "-w", "-l", str(self.folder / "log"), "-o", options)

    def stop(self) -> None:
        self._ctl("stop", "-w", "-m", "immediate")

    def _ctl(self, verb: str, *arguments: str) -> None:
        self._run("pg_ctl", verb, "-D", str(self.folder / "data"), *arguments)

    def _run(self, tool: str, *arguments: str) -> None:
        demoted: Callable[[], None] | None = None
        if os.geteuid() == 0:
            who = pwd.getpwnam("nobody")

            def demoted() -> None:
                os.setgid(who.pw_gid)
                os.setuid(who.pw_uid)

        # To a file, not to a pipe: the server keeps what pg_ctl was given, and a pipe would never end.
        with (self.folder.parent / "postgres.out").open("ab") as out:
            subprocess.run(
                [str(self.binaries / tool), *arguments],
                check=True,
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                cwd=self.folder,
                preexec_fn=demoted,
                timeout=60,
            )
