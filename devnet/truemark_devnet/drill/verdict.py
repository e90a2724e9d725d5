"""Whether the drill came out as it must: each expectation from what the steps read from the chains, none from a list of
results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from truemark.units import from_size
from truemark_keeper.recovery import STEPS

from truemark_devnet.drill.script import PAXG, PRICES

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Expectation:
    """One thing that must be so; `measured` is what was seen."""

    part: str
    step: str
    text: str
    met: bool
    measured: str


def expectations(parts: Mapping[str, Mapping[str, Facts]]) -> list[Expectation]:
    """
    Args:
        parts: the facts of each step of each part. A step that was not done meets nothing.
    """
    found = []
    for part, rules in (("unguarded", _unguarded), ("guarded", _guarded)):
        steps = parts.get(part, {})
        for step, text, look in rules(parts):
            try:
                met, measured = look(steps[step])
            except KeyError as error:
                met, measured = False, f"not known: {error}"
            found.append(Expectation(part, step, text, met, measured))
    return found


_Rule = tuple[str, str, Callable[[Facts], tuple[bool, str]]]


def _unguarded(parts: Mapping[str, Mapping[str, Facts]]) -> Iterator[_Rule]:
    steps = parts.get("unguarded", {})
    yield "open", "PAXG is the thinnest market", _thinnest
    yield (
        "corrupted",
        "accounts were liquidated on what nobody should have believed",
        lambda f: (f["accounts"] > 0 and len(f["by_market"]) > 1, f"{f['accounts']} accounts, {f['by_market']}"),
    )
    yield (
        "find",
        "the last good block is the one before storage changed, by the node's own word",
        lambda f: (
            steps["quiet"]["line"] <= f["last_good"] == f["first_bad"]["block"] - 1
            and int(f["funding_before"]) != 0
            and int(f["funding_after"]) == 0,
            f"block {f['last_good']}: the index was {f['funding_before']} there and {f['funding_after']} after it",
        ),
    )
    yield (
        "find",
        "more than one rule speaks against what came after it",
        lambda f: (len(f["suspicions"]) >= 3, ", ".join(f"{name}: {n}" for name, n in f["suspicions"].items())),
    )
    yield (
        "plan",
        "the plan is signed, names everybody who was hit, and leaves nothing suspicious before the line",
        lambda f: (
            f["signed"]
            and f["left"] == 0
            and f["repaired"] > 0
            and f["in_place"]["takings"] == f["liquidations"]
            and f["affected"] >= steps["corrupted"]["accounts"],
            f"{f['affected']} accounts, {f['messages']} messages; in place {f['in_place']['accounts']} refunds",
        ),
    )
    yield (
        "rollback",
        "all steps are behind, the venue is Halted in a new epoch",
        lambda f: (
            tuple(f["steps"]) == STEPS and f["mode"] == "Halted" and f["epoch"] == steps["plan"]["epoch"] + 1,
            f"{len(f['steps'])} steps, {f['mode']}, epoch {f['epoch']}",
        ),
    )
    yield (
        "rollback",
        "every account has what it had at the last good block, to the unit",
        lambda f: (not f["differing"], f"{f['accounts'] - len(f['differing'])} of {f['accounts']}"),
    )
    yield (
        "sent again",
        "every erased transaction sent again is refused for its epoch",
        lambda f: (
            bool(f["refused"]) and all(reason == "EPOCH: another epoch" for reason in f["refused"].values()),
            ", ".join(f"{name}: {reason}" for name, reason in f["refused"].items()),
        ),
    )
    yield (
        "reconcile",
        "the bridge was off by what crossed the line, and is off by nothing",
        lambda f: (
            f["gap"] != "0"
            and f["holds"]
            and f["again_the_same"]
            and bool(f["withdrawals"])
            and bool(f["deposits"])
            and 0 < f["paid"] < len(f["withdrawals"]),
            f"off by {f['gap']} USD before; locked {f['locked']} + due {f['due']} = supply {f['supply']} + in flight "
            f"{f['in_flight']} + unpaid {f['unpaid']}",
        ),
    )
    yield (
        "reopened by hand",
        "an order signed before the rollback is refused",
        lambda f: (f["old_order"] == "ORDER: another epoch", str(f["old_order"])),
    )
    yield (
        "reopened by hand",
        "opened by hand, the second wave takes positions wrongly",
        lambda f: (
            bool(f["wrong"]) and all(trade["refusal"] is None for trade in f["skewed"]),
            f"{len(f['wrong'])} accounts wrongly, {len(f['right'])} rightly",
        ),
    )
    yield (
        "reopened",
        "opened by the tool it is in full; skewed marks took it down by itself, and nobody was liquidated",
        lambda f: (
            f["mode"] == "Full"
            and f["liquidations"] == 0
            and any(move["report"] is None and move["mode"] == "CancelOnly" for move in f["moves"]),
            " > ".join(move["mode"] for move in f["moves"]) + f", {f['liquidations']} liquidations",
        ),
    )
    yield (
        "reopened",
        "every step up has its integrity report's hash on chain",
        lambda f: (f["steps_up"] == f["with_report"] > 0, f"{f['with_report']} of {f['steps_up']}"),
    )
    yield from _refunds(steps)
    for step in ("open", "rollback", "reconcile", "reopened by hand", "reopened", "refunds"):
        if step != "rollback":
            yield step, "money is conserved on both chains, to the unit", _conserved
        else:
            yield step, "L2 is conserved to the unit; what crossed the line is still to be reconciled", _on_l2


def _refunds(steps: Mapping[str, Facts]) -> Iterator[_Rule]:
    yield (
        "refunds",
        "who was wrongly liquidated is refunded, and nobody else",
        lambda f: (
            sorted(f["owed"]) == steps["reopened by hand"]["wrong"],
            f"{len(f['owed'])} of {len(steps['reopened by hand']['wrong'])}",
        ),
    )
    yield (
        "refunds",
        "each amount is what a second computation gives, and what was credited, to the unit",
        lambda f: (
            f["owed"] == f["independent"] == f["credited"],
            f"{f['total']} USD; differing: {_differing(f['owed'], f['independent'], f['credited'])}",
        ),
    )
    yield (
        "refunds",
        "all is paid, and every ticket is closed",
        lambda f: (
            f["unpaid"] == 0 and f["claimed"] == f["total"] and f["tickets_closed"] == f["accounts"] == f["statements"],
            f"{f['claimed']} of {f['total']} USD, {f['tickets_closed']} tickets",
        ),
    )


def _guarded(parts: Mapping[str, Mapping[str, Facts]]) -> Iterator[_Rule]:
    yield (
        "corrupted",
        "nobody is liquidated in the same night, whoever asks",
        lambda f: (
            f["liquidations"] == 0 and bool(f["refusals"]) and "taken" not in f["refusals"],
            ", ".join(f"{reason}: {number}" for reason, number in f["refusals"].items()),
        ),
    )
    yield (
        "corrupted",
        "the sentinel stopped the venue over storage that nobody wrote",
        lambda f: (
            # One that was started anew in between sees the broken seal, not the write.
            f["mode"] == "Halted" and bool({"unattributed write", "funding seal"} & set(f["reasons"])),
            f"{f['mode']}: {', '.join(f['reasons'])}",
        ),
    )
    yield (
        "corrupted",
        "every account has what it had before the night, to the unit",
        lambda f: (not f["differing"], f"{f['accounts'] - len(f['differing'])} of {f['accounts']}"),
    )
    yield (
        "find",
        "there is nothing to roll back: no liquidation, none at all",
        lambda f: (
            f["liquidations"] == 0 and "liquidation at the independent price" not in f["suspicions"],
            ", ".join(f"{name}: {n}" for name, n in f["suspicions"].items()) or "nothing",
        ),
    )
    yield (
        "restore",
        "the funding index is that of its checkpoint",
        lambda f: (f["index"] == f["checkpoint"], f"{f['index']}"),
    )
    yield (
        "reopened",
        "the second wave is refused both ways, a trade at the fair price is not",
        lambda f: (
            all((reason is None) == (percent == "100") for percent, reason in f["wave"].items()),
            ", ".join(f"{percent}%: {reason or 'settled'}" for percent, reason in f["wave"].items()),
        ),
    )
    yield (
        "reopened",
        "in full, past grace, who is under water at the true price is liquidated, and nobody else",
        lambda f: (
            f["mode"] == "Full"
            and f["liquidated"] == parts.get("unguarded", {})["reopened by hand"]["right"]
            and "taken" not in f["tried"],
            f"{', '.join(f['liquidated']) or 'nobody'}; in post-only: {f['tried']}",
        ),
    )
    yield (
        "reopened",
        "every step up has its integrity report's hash on chain",
        lambda f: (f["steps_up"] == f["with_report"] > 0, f"{f['with_report']} of {f['steps_up']}"),
    )
    for step in ("open", "corrupted", "reopened"):
        yield step, "money is conserved on both chains, to the unit", _conserved


def _thinnest(facts: Facts) -> tuple[bool, str]:
    worth = {name: from_size(item["long"]) * PRICES[name] for name, item in facts["open_interest"].items()}
    return min(worth, key=lambda name: worth[name]) == PAXG, ", ".join(
        f"{name} {value:,.0f} USD" for name, value in worth.items()
    )


def _conserved(facts: Facts) -> tuple[bool, str]:
    proof = facts["conservation"]
    return bool(proof["holds"]), (
        f"ledger {proof['ledger']} = balance {proof['balance']} = parts {proof['parts']}; supply {proof['supply']} = "
        f"purses {proof['purses']}; L1 locked {proof['locked_usd']} USD"
    )


def _on_l2(facts: Facts) -> tuple[bool, str]:
    proof = facts["conservation"]
    good = proof["ledger"] == proof["balance"] == proof["parts"] and proof["supply"] == proof["purses"]
    return good, f"ledger {proof['ledger']} = balance {proof['balance']} = parts {proof['parts']}"


def _differing(*sums: Mapping[str, int]) -> str:
    who = {name for each in sums for name in each if len({item.get(name) for item in sums}) > 1}
    return ", ".join(sorted(who)) or "none"
