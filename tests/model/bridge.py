"""The L2 side of the bridge as the design has it: deposits delivered or parked, withdrawals counted."""

from __future__ import annotations

from dataclasses import dataclass

#: A parked deposit goes back to L1 at anybody's call after so many seconds.
RETURN_DELAY = 86_400
#: After a new epoch, until what leaves a Halted venue is free again.
RECONCILE_SECS = 86_400
#: Recipients that could never use a deposit.
HOUSE = frozenset({"zero", "bridge", "token", "clearinghouse", "vault", "oracle", "nobody"})


@dataclass
class Parked:
    depositor: int
    recipient: str
    destination: int
    amount: int
    parked_at: int


class Bridge:
    def __init__(self) -> None:
        self.epoch = 0
        #: When it began; None: it is the first.
        self.epoch_since: int | None = None
        self.withdrawals = 0
        #: By id, which counts from 1.
        self.parked: dict[int, Parked] = {}
        self.nonces: set[int] = set()

    @property
    def parked_total(self) -> int:
        return sum(parked.amount for parked in self.parked.values())

    def new_epoch(self, epoch: int, now: int) -> None:
        self.epoch, self.epoch_since = epoch, now

    def leaving_refusals(self, mode: str, now: int) -> set[str]:
        """After a rollback a wallet may hold what L1 has paid already: nothing leaves a venue that it halted."""
        reconciled = self.epoch_since is None or now >= self.epoch_since + RECONCILE_SECS
        return set() if reconciled or mode != "Halted" else {"BRIDGE: being reconciled"}

    def claim_refusals(self, caller: str, number: int) -> set[str]:
        parked = self.parked.get(number)
        if parked is None or parked.amount == 0:
            return {"BRIDGE: nothing parked"}
        return set() if caller == parked.recipient else {"BRIDGE: not the recipient"}

    def return_refusals(self, caller: str, number: int, now: int) -> set[str]:
        parked = self.parked.get(number)
        if parked is None or parked.amount == 0:
            return {"BRIDGE: nothing parked"}
        at_once = parked.recipient in HOUSE or caller == parked.recipient
        return set() if at_once or now >= parked.parked_at + RETURN_DELAY else {"BRIDGE: return delay not over"}

    def withdraw_refusals(self, epoch: int, recipient: str, amount: int) -> set[str]:
        reasons = set()
        if epoch != self.epoch:
            reasons.add("BRIDGE: another epoch")
        if recipient == "zero":
            reasons.add("BRIDGE: zero L1 recipient")
        if recipient in ("L1 bridge", "L1 token"):
            reasons.add("BRIDGE: bad L1 recipient")
        if amount == 0:
            reasons.add("BRIDGE: amount is zero")
        return reasons
