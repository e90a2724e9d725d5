"""Ports on this machine: free ones, and whether a given one can be had."""

from __future__ import annotations

import contextlib
import errno
import socket

import psutil
from truemark.errors import TruemarkError

HOST = "127.0.0.1"


class PortInUse(TruemarkError, OSError):
    """A port that was asked for cannot be had."""


def choose(wanted: dict[str, int | None]) -> dict[str, int]:
    """A port for each name: the given one, or a free one.

    Raises:
        PortInUse: a given port is taken, or this user may not listen there.
    """
    for name, port in wanted.items():
        if port is not None:
            demand(name, port)
    with contextlib.ExitStack() as held:
        chosen: dict[str, int] = {}
        # All are held until the last is found, so that none is given twice.
        for name, port in wanted.items():
            if port is None:
                sock = held.enter_context(socket.socket())
                sock.bind((HOST, 0))
                chosen[name] = int(sock.getsockname()[1])
            else:
                chosen[name] = port
        return chosen


def demand(name: str, port: int) -> None:
    """
    Raises:
        PortInUse: it is taken, or this user may not listen there.
    """
    with socket.socket() as sock:
        # As servers do: connections that are only waiting to be forgotten do not count.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((HOST, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortInUse(f"port {port} for {name} is in use{_by(port)}: choose another or none") from error
            raise PortInUse(f"port {port} for {name} cannot be had: {error.strerror}") from error


def _by(port: int) -> str:
    """Who has it, when the system tells."""
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections(kind="tcp"):
            if connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN:
                if connection.pid is None:
                    return ""
                return f" by {psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return ""
