"""Runs cargo and npm: output goes to a log and a listener, and nothing of them is left after an interruption."""

from __future__ import annotations

import os
import re
import selectors
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO

from truemark.errors import TruemarkError

from truemark_devnet.processes import die_with_parent, stop_group, uninterrupted
from truemark_devnet.toolchain.progress import Reporter

#: `    Building [=====>      ] 12/531: serde, syn`
_BAR = re.compile(r"Building \[[^\]]*\] (\d+)/(\d+)(?:: (.*))?")
_STEP = re.compile(r"(?:Compiling|Downloaded|Downloading|Updating|Blocking) .+")
_ERROR = re.compile(r"^(?:error|npm (?:error|ERR!))\b.*", re.MULTILINE)
#: Seconds between two looks at a silent process, for the listener.
_PULSE = 1.0


class ToolBuildFailed(TruemarkError, RuntimeError):
    """A tool could not be built; the message has the cause and the log's path."""


def cargo(arguments: list[str], *, target: Path | None, cwd: Path, log: Path, reporter: Reporter, name: str) -> str:
    """Runs cargo and returns what it printed to standard output.

    The folder it starts in is the cache, so that no rust-toolchain file of somebody else's project decides.

    Raises:
        ToolBuildFailed: cargo ended with an error.
    """
    env = {**os.environ, "CARGO_TERM_COLOR": "never", "CARGO_TERM_PROGRESS_WHEN": "always"}
    # Its bar names the crates in work only when it is wide enough.
    env["CARGO_TERM_PROGRESS_WIDTH"] = "120"
    if target is not None:
        env["CARGO_TARGET_DIR"] = str(target)
    done, total, what = 0, 0, ""

    def listen(line: str) -> None:
        nonlocal done, total, what
        bar, step = _BAR.search(line), _STEP.search(line)
        if bar is not None:
            done, total, what = int(bar.group(1)), int(bar.group(2)), (bar.group(3) or "").strip()
        elif step is not None and not total:
            what = step.group(0).strip()
        reporter.advance(done, total, what)

    return run(["cargo", *arguments], env=env, cwd=cwd, log=log, listen=listen, name=name)


def run(
    command: list[str], *, env: Mapping[str, str], cwd: Path, log: Path, listen: Callable[[str], None], name: str
) -> str:
    """Runs a command to its end; `listen` gets every line of its error output, and an empty one each second of silence.

    On an exception (Ctrl-C too) the command and its children are ended before it goes on.

    Raises:
        ToolBuildFailed: the command ended with an error, or could not be started.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    child: subprocess.Popen[bytes] | None = None
    try:
        with uninterrupted():
            child = _start(command, env, cwd, name)
        with log.open("w") as file:
            file.write(f"$ {' '.join(command)}\n")
            output, errors = _pump(child, file, listen)
        code = child.wait()
    except BaseException:
        if child is not None:
            with uninterrupted():
                stop_group(child)
        raise
    finally:
        for pipe in (child.stdout, child.stderr) if child is not None else ():
            if pipe is not None:
                pipe.close()
    if code != 0:
        cause = _ERROR.search(errors)
        said = cause.group(0) if cause else (errors.strip() or output.strip() or f"exit code {code}").splitlines()[-1]
        raise ToolBuildFailed(f"{name} could not be built: {said.strip()} (log: {log})")
    return output


def _start(command: list[str], env: Mapping[str, str], cwd: Path, name: str) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command,
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGTERM),
        )
    except OSError as error:
        raise ToolBuildFailed(f"{name}: {command[0]} cannot be started: {error.strerror}") from error


def _pump(child: subprocess.Popen[bytes], log: IO[str], listen: Callable[[str], None]) -> tuple[str, str]:
    """Reads both pipes until they close. Progress bars, which end in a carriage return, stay out of the log."""
    assert child.stdout is not None
    assert child.stderr is not None
    output = bytearray()
    errors: list[str] = []
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        selector.register(child.stderr, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(_PULSE)
            if not ready:
                listen("")
                # A grandchild may hold the pipes open after the end of the command itself.
                if child.poll() is not None:
                    break
            for key, _ in ready:
                chunk = os.read(key.fd, 65536)
                if not chunk:
                    selector.unregister(key.fileobj)
                elif key.fileobj is child.stdout:
                    output += chunk
                else:
                    rest += chunk
                    lines, rest = _split(rest)
                    for line, is_bar in lines:
                        listen(line)
                        if not is_bar and line.strip():
                            errors.append(line)
                            log.write(line + "\n")
                            log.flush()
    return output.decode(errors="replace"), "\n".join(errors[-200:])


def _split(data: bytes) -> tuple[list[tuple[str, bool]], bytes]:
    """Whole lines, each with whether it is a progress bar, and the unfinished rest."""
    return list(_lines(data)), re.split(rb"[\r\n]", data)[-1]


def _lines(data: bytes) -> Iterator[tuple[str, bool]]:
    for match in re.finditer(rb"([^\r\n]*)([\r\n])", data):
        text = match.group(1).decode(errors="replace")
        yield text, match.group(2) == b"\r" or _BAR.search(text) is not None
