"""Names for addresses and storage slots, as far as the deployment and the venue's events tell them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from truemark.deployment import Deployment
from truemark.index.layout import LAYOUTS, Slot, slots_of
from truemark.index.values import number


class Naming:
    """Without a deployment nothing has a name."""

    def __init__(self, deployment: Deployment | None = None) -> None:
        self._contracts: dict[int, str] = {}
        self._accounts: set[int] = set()
        self._slots: dict[int, dict[int, Slot]] = {}
        if deployment is not None:
            self._contracts = {address: role for role, address in deployment.operators.items()}
            self._contracts[deployment.fee_token] = "STRK"
            self._contracts |= {info.address: name for name, info in deployment.contracts.items()}
            self._accounts = set(self._contracts)
            self._name(self._accounts)

    def learn(self, participants: Iterable[tuple[bytes, bytes, int]]) -> None:
        """Takes in the accounts that venues' events have named."""
        if not self._contracts:
            return
        fresh = {number(account) for _, account, _ in participants} - self._accounts
        if fresh:
            self._accounts |= fresh
            self._name(fresh)

    def contract(self, address: int) -> str | None:
        return self._contracts.get(address)

    def slot(self, address: int, key: int) -> Slot | None:
        return self._slots.get(address, {}).get(key)

    def slots(self, contract: str) -> Mapping[int, Slot]:
        """Of a contract by its name in the deployment."""
        return {
            key: slot
            for address, name in self._contracts.items()
            if name == contract
            for key, slot in self._slots.get(address, {}).items()
        }

    def _name(self, accounts: Iterable[int]) -> None:
        known = sorted(accounts)
        for address, name in self._contracts.items():
            if name in LAYOUTS:
                self._slots.setdefault(address, {}).update(slots_of(name, known))
