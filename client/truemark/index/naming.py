"""Names for addresses and storage slots, as far as the deployment and the venue's events tell them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from truemark.deployment import Deployment
from truemark.felt import short_string
from truemark.index.keys import ROLES, Keys, told_by
from truemark.index.layout import LAYOUTS, Slot
from truemark.index.places import Joined, Places

#: An event as far as it tells keys: the contract, its name, its fields.
Told = tuple[int, str | None, Mapping[str, Any] | None]


class Naming:
    """Without a deployment nothing has a name."""

    def __init__(self, deployment: Deployment | None = None) -> None:
        self._contracts: dict[int, str] = {}
        self._accounts: set[int] = set()
        # By contract: with the keys of the deployment; those that are known for a while only; and all accounts, which
        # may be a great many, so that they are looked through last.
        self._fixed: dict[int, Places] = {}
        self._told: dict[int, Places] = {}
        self._learned: dict[int, Places] = {}
        if deployment is None:
            return
        self._contracts = {address: role for role, address in deployment.operators.items()}
        self._contracts[deployment.fee_token] = "STRK"
        self._contracts |= {info.address: name for name, info in deployment.contracts.items()}
        self._accounts = set(self._contracts)
        known = [(address,) for address in sorted(self._accounts)]
        holders = [(role, address) for role in ROLES for (address,) in known]
        markets = [(short_string(name),) for name in deployment.markets]
        for address, name in self._contracts.items():
            if name in LAYOUTS:
                self._learned[address] = Places(name, fixed=False)
                places = self._fixed[address] = Places(name)
                for kind, keys in (("account", known), ("reporter", known), ("role of", holders), ("name", markets)):
                    places.add(kind, keys)

    def learn(self, accounts: Iterable[int]) -> None:
        """Takes in accounts that venues' events have named, for good."""
        fresh = set(accounts) - self._accounts
        if fresh and self._learned:
            self._accounts |= fresh
            keys = [(account,) for account in fresh]
            for places in self._learned.values():
                places.add("account", keys)

    def with_keys(self, events: Iterable[Told] = (), accounts: Iterable[int] = ()) -> Naming:
        """Names with what these events tell and with accounts that may be keys. This one does not keep them: there is
        no end of orders."""
        keys: dict[str, set[Keys]] = {}
        for contract, name, fields in events:
            if contract in self._fixed and name is not None and fields is not None:
                for kind, told in told_by(name, fields):
                    keys.setdefault(kind, set()).add(told)
        others = [(account,) for account in accounts]
        found = Naming()
        found._contracts, found._accounts = self._contracts, self._accounts
        found._fixed, found._learned = self._fixed, self._learned
        for address in self._fixed:
            places = found._told[address] = Places(self._contracts[address], fixed=False)
            for kind, told_keys in keys.items():
                places.add(kind, told_keys)
            places.add("account", others)
        return found

    def contract(self, address: int) -> str | None:
        return self._contracts.get(address)

    def laid_out(self) -> tuple[int, ...]:
        """The contracts whose variables are known."""
        return tuple(self._fixed)

    def slot(self, address: int, key: int) -> Slot | None:
        for known in (self._fixed, self._told, self._learned):
            found = known[address].at(key) if address in known else None
            if found is not None:
                return found
        return None

    def slots(self, contract: str) -> Mapping[int, Slot]:
        """Of a contract by its name in the deployment."""
        for address, places in self._fixed.items():
            if self._contracts[address] == contract:
                return Joined(places, self._learned[address])
        return {}
