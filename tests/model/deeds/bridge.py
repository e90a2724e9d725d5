"""Messages from L1 and withdrawals to it."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.model import actions as act
from tests.model.deeds.base import Doing, deed, excess, parts, rarely, traders
from tests.model.world import TRADERS


class Bridge(Doing):
    @deed(
        destination=st.sampled_from((0, 1, 1, 2, 3)),
        to=st.sampled_from((*TRADERS, *TRADERS, "zero", "clearinghouse", "vault", "nobody")),
        amount=st.sampled_from((1, 10**6, 500 * 10**6, 0)),
        flaw=st.sampled_from(("", "", "", "", "again", "sender", "token")),
    )
    def from_l1(self, destination: int, to: str, amount: int, flaw: str) -> None:
        nonce = 1 if flaw == "again" else next(self.nonces)
        self.do(act.FromL1(0xD0, destination, to, amount, nonce, flaw != "sender", flaw != "token"))

    @deed(
        who=traders,
        part=parts,
        more=excess,
        to=st.sampled_from(("L1 person", "L1 person", "L1 person", "zero", "L1 bridge", "L1 token")),
        epoch=st.sampled_from((0, 0, 0, 1)),
    )
    def to_l1(self, who: str, part: int, more: int, to: str, epoch: int) -> None:
        amount = self.share(self.world.wallets.get(who, 0), part // 10, more)
        self.do(act.ToL1(who, self.world.bridge.epoch + epoch, to, amount))

    @deed(back=st.booleans(), late=rarely, stranger=st.booleans())
    def parked(self, back: bool, late: bool, stranger: bool) -> None:
        known = self.world.bridge.parked
        number = max(known, default=1)
        recipient = known[number].recipient if known else "alice"
        sender = recipient if recipient in TRADERS and not stranger else "bob"
        if late:
            self.pass_time(86_400)
        self.do(act.ReturnParked(sender, number) if back else act.ClaimParked(sender, number))
