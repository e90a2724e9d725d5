"""The RPC gate: everything that clients send to the L2 node passes it, and it can close to new transactions."""

from truemark_devnet.gate.admission import ADMISSION_CLOSED, Admission
from truemark_devnet.gate.app import application
from truemark_devnet.gate.core import Gate

__all__ = ["ADMISSION_CLOSED", "Admission", "Gate", "application"]
