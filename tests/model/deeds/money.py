"""Collateral in and out, to the last unit."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.model import actions as act
from tests.model.clearinghouse import MODES
from tests.model.deeds.base import Doing, deed, excess, parts, traders
from tests.model.world import TRADERS


class Money(Doing):
    @deed(who=traders, to=st.sampled_from((*TRADERS, "vault", "zero", "clearinghouse")), part=parts, more=excess)
    def deposit(self, who: str, to: str, part: int, more: int) -> None:
        to = who if to in TRADERS and part > 500 else to
        self.do(act.Deposit(who, to, self.share(self.world.wallets.get(who, 0), part, more)))

    @deed(who=traders)
    def credit(self, who: str) -> None:
        self.do(act.Credit("liquidator", who))

    @deed(who=traders)
    def return_pending(self, who: str) -> None:
        self.do(act.ReturnPending(who))

    @deed(1, who=traders, amount=st.sampled_from((1, 500 * 10**6)))
    def a_deposit_is_held(self, who: str, amount: int) -> None:
        self.do(act.SetMode("guardian", "Halted"), act.Deposit(who, who, amount))

    @deed(4, who=traders, part=parts, more=excess, epoch=st.sampled_from((0, 0, 0, 0, 1, -1)))
    def withdraw(self, who: str, part: int, more: int, epoch: int) -> None:
        amount = self.share(self.free(who), part, more)
        self.do(act.Withdraw(who, max(0, self.world.house.epoch + epoch), amount))

    @deed(who=traders, part=st.sampled_from((1, 10, 1000)), more=excess)
    def fund_insurance(self, who: str, part: int, more: int) -> None:
        self.do(act.FundInsurance(who, self.share(self.free(who), part, more)))

    @deed(
        sender=st.sampled_from(("admin", "admin", "alice")),
        to=st.sampled_from(("admin", "bob", "zero")),
        part=parts,
        more=excess,
    )
    def collect_fees(self, sender: str, to: str, part: int, more: int) -> None:
        self.do(act.CollectFees(sender, to, self.share(self.world.house.ledger.fees, part, more)))

    @deed(who=traders, amount=st.sampled_from((1, 10**6, 10**12)), booker=st.sampled_from(("admin", "admin", "bob")))
    def donate(self, who: str, amount: int, booker: str) -> None:
        rank = MODES.index(self.world.house.mode)
        self.do(act.Donate(who, amount), act.SetMode("admin", MODES[min(3, rank + 1)]), act.BookSurplus(booker))

    @deed(sender=st.sampled_from(("admin", "alice")))
    def book_surplus(self, sender: str) -> None:
        self.do(act.BookSurplus(sender))
