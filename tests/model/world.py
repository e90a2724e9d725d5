"""The whole state of the reference model at one moment, and what a reader of the contracts should find in it."""

from __future__ import annotations

from typing import Any

from truemark_devnet.profile import Profile

from tests.model import vault as vaults
from tests.model.bridge import Bridge, Quota
from tests.model.clearinghouse import Clearinghouse
from tests.model.margin import Basis
from tests.model.oracle import Oracle
from tests.model.refunds import Refunds
from tests.model.vault import Vault

TRADERS = ("alice", "bob", "carol", "dave", "erin")
REPORTERS = ("reporter-1", "reporter-2", "reporter-3")
#: Everybody who may hold a margin account.
ACCOUNTS = (*TRADERS, "liquidator", "vault", "admin")
#: Everybody whose token balance is followed.
WALLETS = (*TRADERS, "liquidator", "admin", "clearinghouse", "bridge", "vault", "refunds")

#: What can be read of the state: its name, and the arguments that the reading takes.
View = tuple[Any, ...]


class World:
    def __init__(self, profile: Profile, now: int) -> None:
        self.profile = profile
        self.now = now
        guards = [market.guard for market in profile.markets]
        self.oracle = Oracle(guards, REPORTERS, profile.oracle.quorum, profile.oracle.max_silence)
        self.house = Clearinghouse(self.oracle, profile.markets, profile.venue, profile.waterfall, profile.outflow)
        self.vault = Vault(self.house, profile.vault.lock_secs)
        self.bridge = Bridge(Quota(10**8 * 10**6, 86_400))
        self.refunds = Refunds()
        #: Tokens of each, 1e-6 USD.
        self.wallets: dict[str, int] = {}

    def pay(self, payer: str, receiver: str, amount: int) -> None:
        """Moves tokens."""
        self.wallets[payer] = self.wallets.get(payer, 0) - amount
        self.wallets[receiver] = self.wallets.get(receiver, 0) + amount

    def pay_refusals(self, payer: str, amount: int) -> set[str]:
        return {"ERC20: balance too low"} if amount > self.wallets.get(payer, 0) else set()

    def views(self) -> dict[View, Any]:
        """All that can be read, and what it should be."""
        found: dict[View, Any] = {}
        now, house = self.now, self.house
        for name in ACCOUNTS:
            account = house.account(name)
            positions = tuple(
                (market, position.size, position.index) for market, position in sorted(account.positions.items())
            )
            found["account", name] = (account.collateral, account.epoch, positions)
            found["seen", name] = house.seen.get(name, 0)
            found["pending", name] = house.pending.get(name, 0)
            if house.holds_broken(account):
                # What a broken index says is worth nothing: both readings refuse it.
                continue
            margin = house.margin(account, Basis.MARK, now)
            found["margin", name] = (margin.value, margin.maintenance, margin.initial)
        for number, market in enumerate(self.oracle.markets):
            window = house.storm.window(number, now)
            limit = house.storm.limit(house.interest(number)[0], market.price)
            found["storm", number] = (window.used, limit, window.dry)
            found["mark", number] = (
                market.read(now),
                market.price,
                market.accepted_at,
                market.valid_since,
                *market.checkpoint,
                market.candidate,
                market.anchor,
                market.growth,
            )
            found["interest", number] = house.interest(number)
            if number not in house.broken:
                found["index", number] = house.index[number]
            found["closing", number] = house.closings.at.get(number)
            found["checkpoint", number] = (house.checkpoints[number], house.restores.get(number, 0))
        found["wound down",] = house.closings.wound_down_at
        ledger = house.ledger
        found["ledger",] = (ledger.total, ledger.insurance, ledger.fees, ledger.funding, ledger.pending)
        level = house.level(now)
        found["outflow",] = (int(level), max(0, int(house.outflow.outflow_limit - level)))
        found["losses",] = (int(house.losses.level(now)), house.losses.room(now))
        found["bad debt",] = tuple(house.bad_debt.values())
        found["mode",] = house.effective_mode(now)
        found["epochs",] = (self.oracle.epoch, house.epoch, self.bridge.epoch)
        for name in WALLETS:
            found["wallet", name] = self.wallets.get(name, 0)
        found["supply",] = sum(self.wallets.values())
        found["vault",] = (self.vault.assets(now), self.vault.supply)
        for name in (*TRADERS, "liquidator", vaults.NAME):
            found["shares", name] = self.vault.shares.get(name, 0)
        for number, request in self.vault.requests.items():
            found["redemption", number] = (request.controller, request.owner, request.shares, request.claimable_at)
        found["bridge",] = (len(self.bridge.parked), self.bridge.parked_total, self.bridge.withdrawals)
        found["refunds owed",] = self.refunds.owed
        for number, incident in self.refunds.incidents.items():
            found["incident", number] = (incident.total, incident.claimed, incident.closed)
        found["quota",] = self.bridge.room(now)
        for (epoch, counter), (_, due) in self.bridge.due.items():
            found["due", epoch, counter] = due
        for name, owed in house.owed.items():
            found["owed", name] = owed
        for number, parked in self.bridge.parked.items():
            found["parked", number] = parked.amount
        for order, filled in house.filled.items():
            found["filled", order] = filled
        for (account_name, key), expiry in house.keys.items():
            found["key", account_name, key] = expiry
        return found
