"""Two chains on this machine, and the gate before the second: started, watched, moved in time, stopped."""

from truemark_devnet.gate.clock import TimeGoesBack
from truemark_devnet.nodes.control import AdmissionState, Control, Flushed, NodeError, Snapshot
from truemark_devnet.nodes.daemon import Part, Status, attach, down, status, up
from truemark_devnet.nodes.handle import Nodes, running_nodes
from truemark_devnet.nodes.launch import NodeDied, Running
from truemark_devnet.nodes.ports import PortInUse
from truemark_devnet.nodes.settings import BadSettings, NodeSettings

__all__ = [
    "AdmissionState",
    "BadSettings",
    "Control",
    "Flushed",
    "NodeDied",
    "NodeError",
    "NodeSettings",
    "Nodes",
    "Part",
    "PortInUse",
    "Running",
    "Snapshot",
    "Status",
    "TimeGoesBack",
    "attach",
    "down",
    "running_nodes",
    "status",
    "up",
]
