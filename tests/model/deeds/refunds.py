"""Refunds: good and bad claims, twice, too late, by others."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.model import actions as act
from tests.model.deeds.base import Doing, deed, traders
from tests.model.refunds import LEAST, NAME, Share
from tests.model.world import TRADERS

lists = st.lists(
    st.tuples(traders, st.sampled_from((1, 10**6, 333_333_333))), min_size=1, max_size=5, unique_by=lambda each: each[0]
)


flaws = st.sampled_from(("", "", "", "amount"))


class Refunding(Doing):
    @deed(
        3,
        sender=st.sampled_from(("admin", "admin", "admin", "bob")),
        refunds=lists,
        short=st.sampled_from((0, 0, 0, 1)),
        secs=st.sampled_from((LEAST, LEAST, LEAST - 1)),
        again=st.integers(0, 5),
    )
    def open_refunds(self, sender: str, refunds: list[tuple[str, int]], short: int, secs: int, again: int) -> None:
        total = max(0, sum(amount for _, amount in refunds) - short)
        number = len(self.world.refunds.incidents) + (again != 0)
        if sender == "admin" and self.world.wallets.get("admin", 0) < total:
            self.do(act.FromL1(0xD0, 0, "admin", 10**10, next(self.nonces)))
        self.do(act.OpenRefunds(sender, number, tuple(refunds), total, self.world.now + secs))

    def some_incident(self, pick: int) -> tuple[int, tuple[tuple[str, int], ...]]:
        known = self.world.refunds.incidents
        if not known:
            return 7, (("bob", 1),)
        number = sorted(known)[pick % len(known)]
        return number, known[number].list

    @deed(
        4,
        pick=st.integers(0, 3),
        index=st.integers(0, 5),
        sender=traders,
        flaw=st.sampled_from(("", "", "", "", "amount", "account", "zero")),
        to=st.sampled_from(("", "", "", "bob", "erin", "zero", NAME, "clearinghouse")),
        own=st.integers(0, 3),
    )
    def claim_refund(self, pick: int, index: int, sender: str, flaw: str, to: str, own: int) -> None:
        number, refunds = self.some_incident(pick)
        share = self.share_at(refunds, index, flaw)
        self.do(act.ClaimRefund(share.account if own else sender, number, refunds, share, to))

    def share_at(self, refunds: tuple[tuple[str, int], ...], index: int, flaw: str = "") -> Share:
        account, amount = refunds[min(index, len(refunds) - 1)]
        if flaw == "account":
            account = TRADERS[(TRADERS.index(account) + 1) % len(TRADERS)]
        amount = {"amount": amount + 1, "zero": 0}.get(flaw, amount)
        return Share(index, account, amount)

    @deed(
        3,
        pick=st.integers(0, 3),
        indices=st.lists(st.tuples(st.integers(0, 5), st.sampled_from(("", "", "", "amount"))), max_size=5),
    )
    def push_refunds(self, pick: int, indices: list[tuple[int, str]]) -> None:
        number, refunds = self.some_incident(pick)
        shares = tuple(self.share_at(refunds, index, flaw) for index, flaw in indices)
        self.do(act.PushRefunds("carol", number, refunds, shares))

    @deed(2, pick=st.integers(0, 3), late=st.integers(0, 4), early=st.booleans())
    def close_refunds(self, pick: int, late: int, early: bool) -> None:
        number, _ = self.some_incident(pick)
        found = self.world.refunds.incidents.get(number)
        if found and late == 0:
            self.world.now = max(self.world.now, found.expiry - early)
        self.do(act.CloseRefunds("bob", number))
