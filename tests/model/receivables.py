"""What accounts owe to insurance, as the design has it: what a rollback erased and L1 pays is debited again,
from the account as far as it is free, beyond that from insurance, which is owed it."""

from __future__ import annotations

from tests.model.clearinghouse import Clearinghouse
from tests.model.margin import Basis
from tests.model.numbers import COLLATERAL


def free(house: Clearinghouse, name: str, now: int) -> int:
    """Beyond initial margin at the worst prices; nothing where a part of it cannot be valued."""
    account = house.account(name)
    found = house.margin(account, Basis.WORST, now)
    return 0 if house.holds_broken(account) else max(0, (found.value - found.initial) // COLLATERAL)


def reconcile(house: Clearinghouse, name: str, amount: int, now: int) -> bool:
    """All of it or, where the venue holds too little for now, nothing."""
    if amount > house.ledger.total - house.ledger.pending:
        return False
    from_margin = 0 if name == "zero" else min(amount, free(house, name, now))
    house.account(name).collateral -= from_margin
    house.ledger.insurance -= amount - from_margin
    house.ledger.total -= amount
    if amount > from_margin:
        house.owed[name] = house.owed.get(name, 0) + amount - from_margin
    return True


def collect_refusals(house: Clearinghouse, name: str, now: int) -> set[str]:
    if not house.owed.get(name):
        return {"MONEY: owes nothing"}
    return set() if free(house, name, now) else {"MONEY: nothing free"}


def collect(house: Clearinghouse, name: str, now: int) -> None:
    amount = min(house.owed[name], free(house, name, now))
    house.account(name).collateral -= amount
    house.ledger.insurance += amount
    house.owed[name] -= amount
