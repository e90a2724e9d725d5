"""A handle on running nodes, for tests, the demo and deployment: started here and stopped with it, or attached to."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from pathlib import Path

from truemark_devnet import accounts
from truemark_devnet.nodes.control import AdmissionState, Control, Endpoints, Flushed, NodeError, Snapshot
from truemark_devnet.nodes.launch import MESSAGING, Launched, NodeDied, Running, launch
from truemark_devnet.nodes.settings import L1_CHAIN_ID, NodeSettings
from truemark_devnet.processes import stop


class Nodes:
    """Two chains and the gate. Its coroutines may be awaited on any event loop; `control` has the same without one.

    Attributes:
        l1_url: the Ethereum node.
        l2_url: the gate, which is where clients go.
        l2_node_url: the Starknet node itself, past the gate; what is sent there escapes its admission and its clock.
        fee_token: the L2 token that fees are paid in, STRK.
        account_class_hash: OpenZeppelin's account, which the predeployed ones are of, declared from the start.
        directory: where the logs are (logs/*.log).
    """

    def __init__(self, endpoints: Endpoints, directory: Path, running: Mapping[str, Running]) -> None:
        self.l1_url = endpoints.l1_url
        self.l2_url = endpoints.l2_url
        self.l2_node_url = endpoints.l2_node_url
        self.l1_chain_id = endpoints.l1_chain_id
        self.l2_chain_id = endpoints.l2_chain_id
        self.gate_token = endpoints.gate_token
        self.fee_token = accounts.FEE_TOKEN
        self.account_class_hash = accounts.ACCOUNT_CLASS_HASH
        self.directory = directory
        self.control = Control(endpoints.l1_url, endpoints.l2_url, endpoints.gate_token)
        self._running = dict(running)

    @staticmethod
    @contextlib.asynccontextmanager
    async def start(directory: Path | None = None, settings: NodeSettings | None = None) -> AsyncIterator[Nodes]:
        """Starts nodes that live as long as the block; see running_nodes."""
        # In this thread, not in another: the nodes end with the thread that started them.
        with running_nodes(directory, settings) as nodes:
            yield nodes

    @classmethod
    def of(cls, launched: Launched) -> Nodes:
        """The handle on what was launched."""
        running = launched.running
        return cls(
            Endpoints(
                l1_url=running["l1"].url,
                l2_url=running["gate"].url,
                l2_node_url=running["l2"].url,
                l1_chain_id=L1_CHAIN_ID,
                l2_chain_id=launched.settings.l2_chain_id,
                gate_token=launched.gate_token,
            ),
            launched.directory,
            running,
        )

    def close(self) -> None:
        """Lets go of the handle; the nodes live on."""
        self.control.close()

    def stop(self) -> None:
        """Ends the nodes; nothing happens when they have ended."""
        self.close()
        stop([node.process for node in self._running.values()])

    def begin(self, settings: NodeSettings) -> None:
        """Holds the time of nodes that were just started, if it is to be held."""
        if settings.hold_time and settings.start_time is not None:
            self.control.set_time(settings.start_time)
        elif settings.hold_time:
            self.control.increase_time(0)

    def check(self) -> None:
        """
        Raises:
            NodeDied: one of them has ended; the message has the last line of its log.
        """
        for node in self._running.values():
            if not node.process.is_alive():
                raise NodeDied(node.obituary())

    @property
    def running(self) -> Mapping[str, Running]:
        """The processes by part: "l1", "l2", "gate"."""
        return self._running

    async def set_time(self, second: int) -> None:
        await asyncio.to_thread(self.control.set_time, second)

    async def increase_time(self, seconds: int) -> int:
        return await asyncio.to_thread(self.control.increase_time, seconds)

    async def run_time(self) -> None:
        await asyncio.to_thread(self.control.run_time)

    async def l1_time(self) -> int:
        return await asyncio.to_thread(self.control.l1_time)

    async def l2_time(self) -> int:
        return await asyncio.to_thread(self.control.l2_time)

    async def flush(self) -> Flushed:
        return await asyncio.to_thread(self.control.flush)

    async def attach_messaging(self, address: str) -> None:
        """Has messages carried through this L1 contract, whose owner is the first L1 account.

        Raises:
            NodeError: no contract is there, or what waits in the one before it could not be carried.
        """
        await asyncio.to_thread(self._attach_messaging, address)

    def _attach_messaging(self, address: str) -> None:
        loaded = self.directory / MESSAGING
        if self.control.l1("eth_getCode", address, "latest") == "0x":
            raise NodeError(f"no messaging contract is at {address}")
        if loaded.is_file():
            if loaded.read_text() == address.lower():
                return
            # The other contract's messages are not lost with it.
            self.control.flush()
        _replace(loaded, address.lower())

    async def mint(self, address: int, fri: int) -> None:
        await asyncio.to_thread(self.control.mint, address, fri)

    async def snapshot(self) -> Snapshot:
        return await asyncio.to_thread(self.control.snapshot)

    async def revert(self, snapshot: Snapshot) -> None:
        await asyncio.to_thread(self.control.revert, snapshot)

    @contextlib.asynccontextmanager
    async def undone(self) -> AsyncIterator[None]:
        """What happens on the chains within the block is undone at its end."""
        snapshot = await self.snapshot()
        loaded = self.directory / MESSAGING
        attached = loaded.read_text() if loaded.is_file() else None
        try:
            yield
        finally:
            await self.revert(snapshot)
            # A messaging contract that was attached meanwhile is no more.
            if attached is None:
                loaded.unlink(missing_ok=True)
            else:
                _replace(loaded, attached)

    async def admission(self) -> AdmissionState:
        return await asyncio.to_thread(self.control.admission)

    async def open_admission(self) -> None:
        await asyncio.to_thread(self.control.open_admission)

    async def close_admission(self, allowed: Iterable[int] = ()) -> None:
        await asyncio.to_thread(self.control.close_admission, tuple(allowed))


def _replace(path: Path, text: str) -> None:
    """Whole: the gate may read it at any time."""
    written = path.with_suffix(".new")
    written.write_text(text)
    written.replace(path)


@contextlib.contextmanager
def running_nodes(directory: Path | None = None, settings: NodeSettings | None = None) -> Iterator[Nodes]:
    """Starts nodes that live as long as the block, and no longer than the thread that entered it, whatever ends that.

    Args:
        directory: for their logs; None is a temporary one that goes with them.
        settings: by default free ports, real time, a block for each transaction.

    Raises:
        PortInUse: a given port is taken.
        NodeDied: a node ended or did not answer.
        ToolMissing: a node's binary is not on this machine.
    """
    chosen = settings or NodeSettings()
    with contextlib.ExitStack() as stack:
        if directory is None:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="truemark-nodes-")))
        nodes = Nodes.of(launch(directory.absolute(), chosen, owned=True))
        stack.callback(nodes.stop)
        nodes.begin(chosen)
        yield nodes
