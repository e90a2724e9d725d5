"""`python -m truemark_devnet.gate`: the gate as a process. The control token comes in an environment variable."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from pathlib import Path

import uvicorn

from truemark_devnet.gate.app import application
from truemark_devnet.gate.core import Gate
from truemark_devnet.gate.upstream import Upstream

TOKEN_VARIABLE = "TRUEMARK_GATE_TOKEN"  # noqa: S105


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m truemark_devnet.gate", description=__doc__)
    parser.add_argument("--upstream", required=True, help="URL of the node")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at; others than this machine reach")
    parser.add_argument("--tick", type=float, help="seconds after which a write is preceded by an empty block")
    parser.add_argument("--relay", type=float, help="seconds between two deliveries of L1-L2 messages")
    parser.add_argument("--l1", help="URL of the Ethereum node, to carry messages")
    parser.add_argument("--messaging", type=Path, help="file that gets the messaging contract's address")
    parser.add_argument("--memory", type=Path, help="file that keeps the admission over restarts")
    given = parser.parse_args(arguments)
    token = os.environ.get(TOKEN_VARIABLE, "")
    if len(token) < 16:
        sys.stderr.write(f"{TOKEN_VARIABLE} must hold a control token of at least 16 characters\n")
        return 2
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)

    async def serve() -> None:
        gate = Gate(
            Upstream(given.upstream),
            tick=given.tick,
            l1=Upstream(given.l1) if given.l1 else None,
            messaging=given.messaging,
            relay=given.relay,
            memory=given.memory,
        )
        config = uvicorn.Config(
            application(gate, token),
            host=given.host,
            port=given.port,
            access_log=False,
            log_config=None,
            lifespan="on",
            # Longer than clients keep a connection: the server never closes one that a write is just sent on.
            timeout_keep_alive=300,
            timeout_graceful_shutdown=1,
        )
        await uvicorn.Server(config).serve()

    asyncio.run(serve())
    return 0


if __name__ == "__main__":
    sys.exit(main())
