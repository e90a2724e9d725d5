"""Messages from L1 and withdrawals to it."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from tests.model import actions as act
from tests.model.bridge import Quota, Returned
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

    @deed(
        3,
        ends=st.booleans(),
        back=st.integers(0, 2),
        further=st.sampled_from((1, 1, 1, 2, 3, 0)),
        who=st.sampled_from((*TRADERS, *TRADERS, "liquidator", "zero")),
        deposit=st.sampled_from(("", "", "", "parked", "known", "unknown")),
        part=parts,
        more=excess,
        flaw=st.sampled_from(("", "", "", "", "again", "sender", "token", "epoch", "zero")),
    )
    def an_attestation(
        self, ends: bool, back: int, further: int, who: str, deposit: str, part: int, more: int, flaw: str
    ) -> None:
        """Of a withdrawal after the last that L2 knows of an epoch; such a one only a rollback can have erased."""
        bridge, house = self.world.bridge, self.world.house
        if ends and bridge.epoch < 3:
            self.do(act.NewEpoch(bridge.epoch + 1, next(self.nonces)))
        epoch = max(0, bridge.epoch - 1 - back) if flaw != "epoch" else bridge.epoch
        known = [counter for ended, counter in bridge.due if ended == epoch]
        counter = max([bridge.last_counters.get(epoch, 0), *known]) + further
        whole = self.world.wallets.get(who, 0) + max(0, house.account(who).collateral) // 4
        amount = 0 if flaw == "zero" else max(1, self.share(whole, part, more))
        source: str | Returned = who
        if deposit:
            held = [parked for parked in bridge.parked.values() if parked.amount]
            nonce = {"known": 1, "unknown": next(self.nonces)}.get(deposit) or (held[0].nonce if held else 2)
            source, amount = Returned(nonce), held[0].amount if held and deposit == "parked" else amount
        message = act.Attest(
            epoch, counter, source, amount, next(self.nonces), from_bridge=flaw != "sender", our_token=flaw != "token"
        )
        self.do(message)
        if flaw == "again":
            self.do(replace(message, nonce=next(self.nonces)))

    @deed(2, who=st.sampled_from((*TRADERS, *TRADERS, "zero")), last=st.booleans())
    def what_is_owed(self, who: str, last: bool) -> None:
        """Is collected, or looked for again."""
        if last and self.world.bridge.due:
            self.do(act.SettleAttestation("bob", *max(self.world.bridge.due)))
            return
        owing = [name for name, owed in self.world.house.owed.items() if owed]
        self.do(act.CollectReceivable("bob", owing[0] if owing else who))

    @deed(
        1,
        sender=st.sampled_from(("admin", "admin", "bob")),
        quota=st.sampled_from((Quota(3_000 * 10**6, 60), Quota(6_000 * 10**6, 60), Quota(600 * 10**6, 100))),
    )
    def configure_quota(self, sender: str, quota: Quota) -> None:
        self.do(act.ConfigureQuota(sender, quota))
