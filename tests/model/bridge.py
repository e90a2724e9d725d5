"""The L2 side of the bridge as the design has it: deposits delivered or parked, withdrawals counted."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

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
    #: Of the deposit's message.
    nonce: int


@dataclass(frozen=True)
class Quota:
    """What may leave to L1 at once, and in how many seconds that runs out."""

    limit: int
    window: int


@dataclass(frozen=True)
class Returned:
    """Of an attested withdrawal, the deposit that had gone back to L1: its message's nonce."""

    nonce: int


class Bridge:
    def __init__(self, quota: Quota) -> None:
        self.quota = quota
        #: How much of the quota is used, and when that was so.
        self._used: tuple[Fraction, int] = (Fraction(0), 0)
        #: Of each epoch that is over, its last withdrawal; what L1 attested, and what is still due of it.
        self.last_counters: dict[int, int] = {}
        self.due: dict[tuple[int, int], tuple[str | Returned, int]] = {}
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

    def level(self, now: int) -> Fraction:
        level, at = self._used
        return max(Fraction(0), level - Fraction(self.quota.limit * (now - at), self.quota.window))

    def room(self, now: int) -> int:
        return max(0, int(self.quota.limit - self.level(now)))

    def pour(self, amount: int, now: int) -> None:
        self._used = (self.level(now) + amount, now)

    def configure_quota(self, quota: Quota, now: int) -> None:
        # What has run out so far did so under the old terms.
        self._used = (self.level(now), now)
        self.quota = quota

    def new_epoch(self, epoch: int, now: int) -> None:
        self.last_counters[self.epoch] = self.withdrawals
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

    def withdraw_refusals(self, epoch: int, recipient: str, amount: int, now: int) -> set[str]:
        reasons = set()
        if amount > self.room(now):
            reasons.add("BRIDGE: over the quota")
        if epoch != self.epoch:
            reasons.add("BRIDGE: another epoch")
        if recipient == "zero":
            reasons.add("BRIDGE: zero L1 recipient")
        if recipient in ("L1 bridge", "L1 token"):
            reasons.add("BRIDGE: bad L1 recipient")
        if amount == 0:
            reasons.add("BRIDGE: amount is zero")
        return reasons
