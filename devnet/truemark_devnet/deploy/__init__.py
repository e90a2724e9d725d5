"""Puts a venue on two running chains and opens it."""

from truemark_devnet.deploy.opening import NotReady, integrity_report, open_venue
from truemark_devnet.deploy.venue import DeployFailed, deploy

__all__ = ["DeployFailed", "NotReady", "deploy", "integrity_report", "open_venue"]
