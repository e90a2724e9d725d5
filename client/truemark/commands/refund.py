"""`truemark refund`: whether a refund statement is right, and whether it was paid."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import orjson
import typer

from truemark.commands.common import DeploymentOption, JsonOption, RpcOption, console, grid, open_explorer, print_json
from truemark.refunds import BadRefund, RefundClaim
from truemark.units import from_collateral

_CONTRACT = "RefundDistributor"


def register(app: typer.Typer) -> None:
    app.command("refund")(refund)


def refund(
    statement: Annotated[Path, typer.Argument(help="The JSON file with the refund and its proof.")],
    deployment: DeploymentOption = None,
    rpc: RpcOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check a refund's statement against the chain. It needs no key: anyone can."""
    claim = read_claim(statement)
    arguments = (claim.incident, claim.index, claim.account, claim.amount, claim.proof)
    with open_explorer(deployment, rpc) as explorer:
        block = explorer.head()
        stands = explorer.read(_CONTRACT, "is_refund", *arguments, block=block)
        if not stands:
            raise BadRefund(f"{statement}: not in the list of incident {claim.incident:#x}")
        paid = explorer.read(_CONTRACT, "is_claimed", claim.incident, claim.index, block=block)
        incident = explorer.read(_CONTRACT, "incident", claim.incident, block=block)
        report = explorer.read(_CONTRACT, "uri", claim.incident, block=block)
    expiry = datetime.fromtimestamp(incident["expiry"], UTC)
    if as_json:
        print_json({**claim.to_json(), "paid": paid, "expiry": expiry.isoformat(), "report": report})
        return
    console().print(
        grid(
            {
                "account": hex(claim.account),
                "refund": f"{from_collateral(claim.amount):,.6f} USD",
                "state": "paid" if paid else "can be claimed",
                "until": f"{expiry:%Y-%m-%d %H:%M:%S} UTC",
                "report": report or None,
            }
        )
    )


def read_claim(path: Path) -> RefundClaim:
    """
    Raises:
        BadRefund: there is no such file, or no refund in it.
    """
    try:
        return RefundClaim.from_json(orjson.loads(path.read_bytes()))
    except OSError as error:
        raise BadRefund(f"{path}: {error.strerror}") from error
    except orjson.JSONDecodeError as error:
        raise BadRefund(f"{path}: no JSON ({error})") from error
