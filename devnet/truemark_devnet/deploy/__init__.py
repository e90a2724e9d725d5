"""Puts a venue on two running chains and opens it."""

from truemark_keeper.recovery.integrity import integrity_report

from truemark_devnet.deploy.command import deploy_command, open_command
from truemark_devnet.deploy.opening import NotReady, open_venue
from truemark_devnet.deploy.venue import DeployFailed, deploy

__all__ = ["DeployFailed", "NotReady", "deploy", "deploy_command", "integrity_report", "open_command", "open_venue"]
