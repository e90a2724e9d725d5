"""Shares, requests and claims."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.model import actions as act
from tests.model.deeds.base import Doing, deed, excess, parts, traders
from tests.model.world import TRADERS


class Vault(Doing):
    @deed(
        4,
        who=traders,
        to=st.sampled_from((*TRADERS, *TRADERS, "zero", "vault")),
        amount=st.sampled_from((0, 1, 10**6, 777_777_777)),
        is_mint=st.booleans(),
    )
    def vault_enter(self, who: str, to: str, amount: int, is_mint: bool) -> None:
        to = who if to in TRADERS else to
        if is_mint:
            amount = self.world.vault.shares_for(amount, self.world.now, rounded_up=False) + 1
        self.do(act.VaultEnter(who, amount, to, is_mint))

    @deed(
        4,
        who=traders,
        owner=traders,
        controller=st.sampled_from((*TRADERS, *TRADERS, "zero", "vault")),
        part=parts,
        more=excess,
        own=st.integers(0, 3),
    )
    def vault_request(self, who: str, owner: str, controller: str, part: int, more: int, own: int) -> None:
        owner = who if own else owner
        controller = who if own > 1 and controller in TRADERS else controller
        shares = self.share(self.world.vault.shares.get(owner, 0), part, more)
        self.do(act.VaultRequest(who, shares, controller, owner))

    @deed(
        4,
        who=traders,
        controller=traders,
        part=parts,
        more=excess,
        own=st.integers(0, 3),
        by_assets=st.booleans(),
        secs=st.sampled_from((0, 19, 20)),
    )
    def vault_leave(
        self, who: str, controller: str, part: int, more: int, own: int, by_assets: bool, secs: int
    ) -> None:
        if secs:
            self.pass_time(secs)
            self.round()
        vault, now = self.world.vault, self.world.now
        controller = who if own else controller
        amount = self.share(vault.claimable(controller, now), part, more)
        if by_assets:
            amount = vault.assets_for(amount, now, rounded_up=False)
        self.do(act.VaultLeave(who, amount, who, controller, by_assets))

    @deed(who=traders, operator=traders, approved=st.booleans())
    def vault_operator(self, who: str, operator: str, approved: bool) -> None:
        self.do(act.VaultOperator(who, operator, approved))
