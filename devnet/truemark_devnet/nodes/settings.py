"""How the two nodes and the gate are to be started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from truemark.errors import TruemarkError
from truemark.felt import short_string

from truemark_devnet.accounts import COUNT, ROLES, SEED

L1_CHAIN_ID = 31337
#: starknet-devnet takes any short string of capitals as its chain id. Of its own, so that no signature made for this
#: chain is good on another, nor the other way round.
L2_CHAIN_NAME = "TRUEMARK_DEVNET"
#: FRI and WEI of each predeployed account: a million tokens.
INITIAL_BALANCE = 10**24
#: Seconds.
_HEAD_START = 60


class BadSettings(TruemarkError, ValueError):
    """Settings that the nodes cannot be started with."""


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """
    Attributes:
        l1_port: None takes a free one; so for the other two.
        start_time: both chains' first block, seconds since 1970; None is now.
        hold_time: both chains stand still at that time until they are moved (virtual time). Otherwise time runs.
        accounts: predeployed L2 accounts.
        tick: age in seconds at which the newest L2 block is too old for a transaction, which would see its time: an
            empty one is made before it, and one a minute on an idle chain. None: none. Not used while time is held.
        relay: seconds between two deliveries of L1-L2 messages; None leaves that to `flush`.
        block_generation: "transaction" (a block each), "demand", or a number of seconds.
        archive: the L2 node keeps every block's state, for reads of the past and for rollbacks. It costs a copy of the
            whole state a block, and that grows with the blocks: 1.5 GB after 2,000, 5 GB after 5,000.
    """

    l1_port: int | None = None
    l2_port: int | None = None
    gate_port: int | None = None
    start_time: int | None = None
    hold_time: bool = False
    accounts: int = COUNT
    seed: int = SEED
    tick: float | None = None
    relay: float | None = None
    block_generation: str = "transaction"
    archive: bool = True
    l2_chain_name: str = L2_CHAIN_NAME

    def __post_init__(self) -> None:
        ports = [port for port in (self.l1_port, self.l2_port, self.gate_port) if port is not None]
        if any(not 0 < port < 65536 for port in ports):
            raise BadSettings("a port is a number from 1 to 65535")
        if len(set(ports)) < len(ports):
            raise BadSettings("each node needs a port of its own")
        if not len(ROLES) <= self.accounts <= 255:
            raise BadSettings(f"accounts: from {len(ROLES)} to 255")
        if self.l2_chain_name != self.l2_chain_name.upper():
            raise BadSettings("starknet-devnet writes its chain id in capitals")
        for name, seconds in (("tick", self.tick), ("relay", self.relay)):
            if seconds is not None and not seconds > 0:
                raise BadSettings(f"{name} is a number of seconds above 0")
        if self.start_time is not None and not 0 < self.start_time < 2**40:
            raise BadSettings("start_time is in seconds since 1970")

    @property
    def first_block_time(self) -> int | None:
        """What the nodes are told. anvil may date its first block a second later than that, so a time that is to be
        held from the start is set afterwards, on chains that are a little behind it."""
        if self.start_time is None or not self.hold_time:
            return self.start_time
        return max(1, self.start_time - _HEAD_START)

    @property
    def l2_chain_id(self) -> int:
        return short_string(self.l2_chain_name)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> NodeSettings:
        """What was written with dataclasses.asdict; unknown keys are left out."""
        known = {item.name for item in fields(cls)}
        return cls(**{key: content for key, content in value.items() if key in known})
