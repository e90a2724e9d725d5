"""From one version of the contracts to the next: compared, declared, scheduled, waited for, made, verified."""

from truemark_devnet.upgrade.command import upgrade_command
from truemark_devnet.upgrade.plan import MIN_DELAY, Change, UpgradeBlocked, plan_upgrade
from truemark_devnet.upgrade.steps import cancel_upgrade, upgrade_venue

__all__ = [
    "MIN_DELAY",
    "Change",
    "UpgradeBlocked",
    "cancel_upgrade",
    "plan_upgrade",
    "upgrade_command",
    "upgrade_venue",
]
