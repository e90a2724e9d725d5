"""The plan of a rollback as a page: both ways side by side first, then who loses what."""

from __future__ import annotations

from truemark.felt import hex_of

from truemark_keeper.recovery.impact import AccountLoss, Impact
from truemark_keeper.recovery.page import Html, facts, heading, page, paragraph, table, usd


def render(impact: Impact, signed_by: int | None = None) -> str:
    """Self-contained HTML."""
    totals, place = impact.totals, impact.in_place
    compared = table(
        ("", f"rollback to block {impact.block}", "refund in place"),
        (
            ("blocks erased", str(impact.height - impact.block), "none"),
            ("transactions erased", str(impact.transactions), "none"),
            ("fills erased", f"{totals['fills']}, {usd(totals['volume'], 16)} USD", "none"),
            ("deposits erased", f"{totals['deposits']}, {usd(totals['deposited'])} USD; delivered again", "none"),
            ("withdrawals erased", f"{totals['withdrawals']}, {usd(totals['withdrawn'])} USD; debited again", "none"),
            ("actions of the vault erased", str(totals["vault"]), "none"),
            ("messages over the line", str(len(impact.messages)), "none"),
            ("positions given back", str(totals["taken"]), f"{place.wrong} of {place.takings}, in money"),
            ("paid", "nothing", f"{usd(place.total)} USD to {place.accounts} accounts"),
            ("nobody can judge", "", str(place.unknown)),
            ("wrong state that stays", str(len(impact.left)), str(place.remaining)),
            ("trading", "stopped, a new epoch, every order signed again", "goes on"),
        ),
    )
    parts = [
        facts(
            {
                "venue": impact.venue,
                "last good block": f"{impact.block} ({impact.fingerprint[:16]})",
                "newest block": str(impact.height),
                "signed by": "nobody" if signed_by is None else hex_of(signed_by),
            }
        ),
        heading("Both ways"),
        compared,
    ]
    if impact.left:
        parts.append(paragraph(Html("<b class='bad'>The rollback does not go far enough:</b> see below.")))
    parts += [heading("By account"), _accounts(impact.accounts)]
    for title, items in (("What it repairs", impact.repaired), ("What stays wrong", impact.left)):
        if items:
            rows = [(str(item.block), item.rule, item.market or "", item.explanation) for item in items]
            parts += [heading(title), table(("block", "rule", "market", "what was seen"), rows, (0,))]
    if impact.messages:
        crossing = [
            (
                str(item.block_number),
                "to L1" if item.direction == "to_l1" else "to L2",
                Html(f"<code>{item.hash:#066x}</code>"),
            )
            for item in impact.messages
        ]
        parts += [heading("Messages that cross the line"), table(("block", "direction", "hash"), crossing, (0,))]
    return page(f"Plan: {impact.venue} back to block {impact.block}", *parts)


def _accounts(accounts: tuple[AccountLoss, ...]) -> Html:
    rows = [
        (
            Html(f"<code>{hex_of(item.account)}</code>"),
            str(item.fills),
            usd(item.volume, 16),
            usd(item.deposited),
            usd(item.withdrawn),
            str(item.vault),
            str(item.taken),
            usd(item.collateral_now),
            usd(item.collateral_then),
        )
        for item in accounts
    ]
    heads = (
        "account",
        "fills",
        "volume, USD",
        "deposited",
        "withdrawn",
        "vault",
        "taken",
        "collateral now",
        "collateral after",
    )
    return table(heads, rows, range(1, 9))
