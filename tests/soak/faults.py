"""When what goes wrong in a soak: drawn from the seed alone, so that a run can be replayed."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from tests.faulty_link import BUSY, CUT_ANSWER, HANG, LOSE_ANSWER, LOSE_REQUEST, REFUSE
from tests.house import BTC, ETH
from tests.soak.market import BUSY as RATE_LIMITED
from tests.soak.market import DEAD, EXCHANGES, LAG, LIE, MOST, SKEW

LINKS = (REFUSE, HANG, BUSY, LOSE_REQUEST, LOSE_ANSWER, CUT_ANSWER)
LIES = (0, 1, 1_000, 9_700, 10_300, 12_000, 10_000_000)
REPORTERS = 3


@dataclass
class Fault:
    """One thing that is wrong for some rounds.

    Attributes:
        kind: of an exchange LIE, LAG, SKEW, DEAD, RATE_LIMITED; of a reporter "link" or "killed"; of the chain "away",
            "rollback"; of the world "fall".
        who: an exchange, a market, or the numbers of reporters.
        what: a lie's factor in 1e-4, or what the link does.
        until: the last round of it.
    """

    kind: str
    who: object
    what: object
    until: int


@dataclass
class Faults:
    """All that is wrong now.

    Args:
        rate: how likely it is that something new goes wrong in a round.
    """

    seed: int
    rate: float = 0.12
    active: list[Fault] = field(default_factory=list)
    #: Of everything that was ever wrong, by kind.
    counts: dict[str, int] = field(default_factory=dict)
    #: Nothing new before this round: a crash is the world's only news while it lasts.
    _calm_until: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(f"faults {self.seed}")

    def step(self, number: int) -> tuple[list[Fault], list[Fault]]:
        """What begins and what ends with this round."""
        ended = [fault for fault in self.active if fault.until < number]
        self.active = [fault for fault in self.active if fault.until >= number]
        begun = []
        if number >= self._calm_until and self._random.random() < self.rate:
            drawn = self._draw(number)
            if drawn is not None:
                begun.append(drawn)
                self.active.append(drawn)
                self.counts[drawn.kind] = self.counts.get(drawn.kind, 0) + 1
        return begun, ended

    def of(self, *kinds: str) -> list[Fault]:
        return [fault for fault in self.active if fault.kind in kinds]

    @property
    def down(self) -> set[int]:
        """Reporters that cannot be counted on."""
        return {number for fault in self.of("link", "killed") for number in fault.who}  # type: ignore[attr-defined]

    def _draw(self, number: int) -> Fault | None:
        kind = self._random.choices(
            ("exchange", "link", "killed", "two killed", "away", "rollback", "fall"), (40, 20, 12, 4, 6, 10, 8)
        )[0]
        if kind == "exchange":
            ill = {fault.who for fault in self.of(LIE, LAG, SKEW, DEAD, RATE_LIMITED)}
            if len(ill) == MOST:
                return None
            who = self._random.choice([name for name in EXCHANGES if name not in ill])
            what = self._random.choice((LIE, LIE, LAG, SKEW, DEAD, RATE_LIMITED))
            return Fault(what, who, self._random.choice(LIES), number + self._random.randint(1, 20))
        if kind in ("link", "killed", "two killed"):
            up = sorted(set(range(REPORTERS)) - self.down)
            if len(up) < REPORTERS:
                return None
            who = tuple(self._random.sample(up, 2 if kind == "two killed" else 1))
            what = self._random.choice(LINKS)
            most = 8 if kind == "link" else 12
            return Fault("link" if kind == "link" else "killed", who, what, number + self._random.randint(1, most))
        if self.of("away", "rollback", "fall"):
            return None
        if kind == "fall":
            if self.active:
                return None
            self._calm_until = number + 12
            return Fault("fall", self._random.choice((BTC, ETH)), None, number + 8)
        return Fault(kind, (), None, number + self._random.randint(1, 8))
