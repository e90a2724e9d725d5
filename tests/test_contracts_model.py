"""The deployed contracts against the reference model in tests/model, under random actions."""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from truemark_devnet.build import Build

from tests.model.machine import Life, Tally
from tests.model.stage import Stage, staged
from tests.model.table import wrong_modes, wrong_statuses
from tests.seeds import seed_of

MODEL = Path(__file__).parent / "model"
#: Rules of one life; each is one action or a few.
RULES = 60


#: How often each of these must have been seen in 50,000 actions: a life in which nothing happens proves nothing.
MUCH = {
    "FillSettled": 1_000,
    "Liquidated": 50,
    "Backstopped": 50,
    "Deleveraged": 10,
    "PositionSettled": 50,
    "FundingRestored": 50,
    "WithdrawalAttested": 20,
}


@pytest.fixture(scope="module")
async def stage(built: Build) -> AsyncIterator[Stage]:
    async with staged(built) as ready:
        yield ready


def live(stage: Stage, chosen_seed: int, least: int, lives: int, **wanted: int) -> Tally:
    """Lives until so many actions are done, and each event that is wanted was seen so often.

    TRUEMARK_SEED=number has them again as they were.

    Raises:
        Disagreement: with the seed, and the shortest list of actions that shows it.
    """
    first = int(os.environ.get("TRUEMARK_SEED") or chosen_seed)
    chosen = settings(
        max_examples=lives,
        stateful_step_count=RULES,
        deadline=None,
        database=None,
        print_blob=False,
        verbosity=Verbosity.normal,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    tally = Tally()
    turn = 0
    with ThreadPoolExecutor(max_workers=1) as pool:
        # What there is in so many actions is chance: lives go on until there is enough.
        while tally.actions < least or any(tally.events[name] < number for name, number in wanted.items()):
            assert tally.actions < 4 * least, f"too little happens in these lives: {tally}"
            machine = type("Life", (Life,), {"stage": stage, "tally": tally, "pool": pool})
            try:
                run_state_machine_as_test(seed(first + turn)(machine), settings=chosen)
            except BaseException as error:
                error.add_note(f"again with TRUEMARK_SEED={first + turn}")
                raise
            turn += 1
    return tally


@pytest.mark.node
def test_contracts_do_what_the_model_does(stage: Stage, built: Build) -> None:
    live(stage, seed_of(built, MODEL), least=150, lives=2)


@pytest.mark.node
@pytest.mark.deep
def test_each_cell_of_the_modes_and_of_the_statuses_both_ways(stage: Stage) -> None:
    assert [*wrong_modes(stage), *wrong_statuses(stage)] == []


@pytest.mark.node
@pytest.mark.deep
def test_contracts_do_what_the_model_does_in_two_thousand_actions(stage: Stage, built: Build) -> None:
    live(
        stage,
        seed_of(built, MODEL) + 1,
        least=2_000,
        lives=10,
        FillSettled=50,
        Liquidated=2,
        Backstopped=1,
        PositionSettled=1,
    )


@pytest.mark.node
@pytest.mark.prove
def test_contracts_do_what_the_model_does_in_fifty_thousand_actions(stage: Stage) -> None:
    live(stage, random.SystemRandom().randrange(2**32), least=50_000, lives=50, **MUCH)
