"""Modes and epochs."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.model import actions as act
from tests.model.clearinghouse import MODES
from tests.model.deeds.base import Doing, deed


class Venue(Doing):
    @deed(
        2,
        sender=st.sampled_from(("admin", "guardian", "sentinel", "operator", "alice")),
        mode=st.sampled_from(MODES),
        seldom=st.booleans(),
    )
    def set_mode(self, sender: str, mode: str, seldom: bool) -> None:
        if seldom:
            self.do(act.SetMode(sender, mode))

    @deed(secs=st.sampled_from((9, 10)), report=st.sampled_from((1, 1, 1, 0)), clean=st.booleans())
    def one_step_up(self, secs: int, report: int, clean: bool) -> None:
        self.pass_time(secs)
        if clean:
            self.round()
        rank = MODES.index(self.world.house.mode)
        self.do(act.SetMode("admin", MODES[min(3, rank + 1)], report))

    @deed(
        1,
        step=st.sampled_from((1, 1, 1, 0, 5)),
        from_bridge=st.sampled_from((True, True, True, False)),
        half=st.booleans(),
    )
    def new_epoch(self, step: int, from_bridge: bool, half: bool) -> None:
        if half:
            self.do(act.NewEpoch(self.world.bridge.epoch + step, next(self.nonces), from_bridge))
