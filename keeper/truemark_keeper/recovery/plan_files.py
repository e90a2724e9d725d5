"""The plan of a rollback on disk: JSON that the operator signed, and the page that a person reads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import orjson
from truemark.contract import call_contract
from truemark.deployment import Deployment
from truemark.felt import selector
from truemark.rpc import AsyncRpc
from truemark.transactions import Call

from truemark_keeper.atomic import write_whole
from truemark_keeper.recovery.impact import Impact
from truemark_keeper.recovery.impact_page import render
from truemark_keeper.recovery.signed import BadSignature, SignedReport, sign_report


async def write_plan(
    impact: Impact, path: Path, deployment: Deployment, config: Path | None, ask: Callable[[str], str]
) -> Path:
    """Writes both files; the page's path. Without `config` (a keeper's settings: whose account and key sign) the JSON
    is not signed.

    Raises:
        BadConfig, BadKeystore: there is no key to sign with.
        OSError: a file cannot be written.
    """
    page = path.with_suffix(".html")
    signed_by: int | None = None
    if config is None:
        content = {"version": 1, "report": impact.to_json(), "signature": None}
        write_whole(path, orjson.dumps(content, option=orjson.OPT_INDENT_2))
    else:
        from truemark_keeper import service
        from truemark_keeper.config import load

        settings = load(config)
        signed_by = service.resolve_account(settings.account, deployment)
        (await sign_report(impact.to_json(), signed_by, settings.key.load(ask))).save(path)
    write_whole(page, render(impact, signed_by).encode())
    return page


async def check_plan(path: Path, key: str | None, deployment: Deployment | None) -> SignedReport:
    """The plan, if its signature is good and of that key; without a key, of the account that it names, which must be
    one of the venue's operators, and the plan one of this venue.

    Raises:
        BadSignature: it is not.
        ContractError, RpcError, NodeUnavailable: the node does not say what the account's key is.
    """
    found = SignedReport.load(path)
    of = tuple(found.content.get(name) for name in ("block", "venue", "chain_id", "clearinghouse"))
    if None in of:
        raise BadSignature(f"{path}: what was signed is no plan of a rollback")
    if key is not None:
        try:
            wanted = int(key, 16)
        except ValueError:
            raise BadSignature(f"{key!r} is no public key in hexadecimal") from None
    else:
        assert deployment is not None
        if found.account not in deployment.operators.values():
            raise BadSignature(f"{path} is signed by {found.account:#x}, which is no operator of {deployment.name}")
        if of[2:] != (hex(deployment.l2_chain_id), hex(deployment.address("Clearinghouse"))):
            raise BadSignature(f"{path} is the plan of another venue than {deployment.name}")
        async with AsyncRpc(deployment.l2_rpc) as rpc:
            wanted = await public_key_of(rpc, found.account)
    if found.public_key != wanted:
        raise BadSignature(f"{path} is signed with the key {found.public_key:#x}, not {wanted:#x}")
    return found


async def public_key_of(rpc: AsyncRpc, account: int) -> int:
    """The key of an account of the class that devnet ships (OpenZeppelin). Raises as Contract.read."""
    call = Call(account, selector("get_public_key"), ())
    (key,) = await call_contract(rpc, call, "latest", f"get_public_key at {account:#x}")
    return key
