"""What a turn leaves on the board for those who ask."""

from __future__ import annotations

from truemark_keeper.liquidator import Sweep
from truemark_keeper.monitoring import Board
from truemark_keeper.reporter import Round
from truemark_keeper.sentinel import Watch


def count_round(board: Board, said: Round) -> None:
    for item in said.refused:
        board.count("quotes_held_back", item.market)
    for market in said.became:
        board.count("entries", market.outcome)
    if said.outcome is not None:
        board.count("transactions", "succeeded" if said.outcome.succeeded else "reverted")
        if said.outcome.succeeded:
            for quote in said.sent:
                board.count("quotes_published", quote.market)


def count_sweep(board: Board, sweep: Sweep) -> None:
    for outcome in sweep.transactions:
        board.count("transactions", "succeeded" if outcome.succeeded else "reverted" if outcome.hashes else "not sent")
    for done in sweep.liquidated:
        board.count("liquidations", str(done.market))
    for refused in sweep.refused:
        board.count("liquidations_refused", refused.reason)
    if sweep.backstopped:
        board.count("liquidations", "backstop", len(sweep.backstopped))
    for vetoed in sweep.vetoed:
        board.count("vetoes", str(vetoed.market))


def count_watch(board: Board, seen: Watch) -> None:
    if seen.blocks:
        board.gauge("sentinel_block", seen.blocks[-1])
    if seen.mode is not None:
        board.gauge("venue_mode", int(seen.mode))
    board.gauge("incident_open", 0 if seen.incident is None else 1)
    for item in seen.breaks:
        board.count("breaks", item.rule)
    if seen.outcome is not None and seen.outcome.succeeded and seen.incident is not None:
        board.count("stops", seen.incident.mode.variant)
