"""A webhook for each account that was paid, which closes its ticket: delivered at least once, signed, retried.

The request is a POST of JSON. `Idempotency-Key` is the same for every try of one refund, so a receiver that keeps the
keys acts once. `Truemark-Signature: t=SECONDS,v1=HEX` is HMAC-SHA256, under the shared secret, of "SECONDS." and the
body. A delivery counts when the answer is 2xx, and is written down only then.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import orjson
from truemark.errors import TruemarkError
from truemark.felt import hex_of
from truemark.secrets import scrubbed

from truemark_keeper.atomic import write_whole
from truemark_keeper.recovery.refund.paylist import PayList

_TRIES: Final = 6
_FIRST_WAIT: Final = 1.0
_MOST_WAIT: Final = 60.0
_TIMEOUT: Final = 10.0
#: Answers after which another try makes sense.
_LATER: Final = frozenset({408, 425, 429})
EVENT: Final = "refund.paid"


class WebhookRefused(TruemarkError, ValueError):
    """A URL that nothing is sent to, a secret that is none, or a record of deliveries that cannot be read."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one account's webhook."""

    account: int
    key: str
    delivered: bool
    tries: int
    #: Of the last answer; 0: there was none.
    status: int
    #: It was delivered in an earlier run.
    before: bool = False


def check_url(url: str) -> str:
    """
    Raises:
        WebhookRefused: no URL, neither https nor http to this machine, or with a password in it.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL) as error:
        raise WebhookRefused(f"{scrubbed(url)!r} is no URL ({error})") from None
    if parts.username or parts.password:
        raise WebhookRefused(f"a webhook's URL has no user and password: {parts.scheme}://...@{host}")
    if parts.scheme == "https" and host:
        return url
    if parts.scheme == "http" and _is_loopback(host):
        return url
    raise WebhookRefused(f"{scrubbed(url)!r}: only https goes to another machine, http only to this one")


def idempotency_key(pay: PayList, index: int) -> str:
    leaf = pay.tree.leaves[index]
    text = f"{pay.tree.chain_id:#x} {pay.tree.distributor:#x} {pay.incident:#x} {index} {leaf.account:#x}"
    return sha256(text.encode()).hexdigest()


def sign(secret: bytes, at: int, body: bytes) -> str:
    """The header's value."""
    mac = hmac.new(secret, f"{at}.".encode() + body, sha256).hexdigest()
    return f"t={at},v1={mac}"


async def notify(
    pay: PayList,
    paid: Collection[int],
    url: str,
    secret: bytes,
    record: Path,
    *,
    tickets: Mapping[int, str] | None = None,
    statements: str = "",
    tries: int = _TRIES,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> list[Delivery]:
    """Tells of each refund that is paid, but for those that were delivered before.

    Args:
        paid: indices of the list that are paid on chain.
        secret: shared with the receiver, at least 16 bytes.
        record: the file of what was delivered.
        tickets: account -> its ticket.
        statements: the URL below which the statements are.
        tries: for each, with twice the wait between them every time.

    Raises:
        WebhookRefused: see the class.
        OSError: the record cannot be written.
    """
    check_url(url)
    if len(secret) < 16:
        raise WebhookRefused("a webhook's secret has at least 16 bytes")
    done = _load(record)
    found = []
    # A redirect could lead anywhere, with the body.
    async with httpx.AsyncClient(timeout=_TIMEOUT, follow_redirects=False, trust_env=False) as client:
        for index in sorted(paid):
            key, account = idempotency_key(pay, index), pay.tree.leaves[index].account
            if key in done:
                found.append(Delivery(account, key, True, 0, done[key], before=True))
                continue
            body = orjson.dumps(_body(pay, index, key, (tickets or {}).get(account), statements))
            delivery = await _deliver(client, url, secret, account, key, body, tries, sleep)
            if delivery.delivered:
                done[key] = delivery.status
                write_whole(record, orjson.dumps({"version": 1, "delivered": done}, option=orjson.OPT_INDENT_2))
            found.append(delivery)
    return found


async def _deliver(
    client: httpx.AsyncClient,
    url: str,
    secret: bytes,
    account: int,
    key: str,
    body: bytes,
    tries: int,
    sleep: Callable[[float], Awaitable[object]],
) -> Delivery:
    wait, status = _FIRST_WAIT, 0
    for count in range(1, tries + 1):
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": key,
            "Truemark-Event": EVENT,
            "Truemark-Signature": sign(secret, int(time.time()), body),
        }
        try:
            status = (await client.post(url, content=body, headers=headers)).status_code
        except httpx.RequestError:
            status = 0
        if 200 <= status < 300:
            return Delivery(account, key, True, count, status)
        if status and status < 500 and status not in _LATER:
            return Delivery(account, key, False, count, status)
        if count < tries:
            await sleep(wait)
            wait = min(wait * 2, _MOST_WAIT)
    return Delivery(account, key, False, tries, status)


def _body(pay: PayList, index: int, key: str, ticket: str | None, statements: str) -> dict[str, Any]:
    leaf = pay.tree.leaves[index]
    return {
        "event": EVENT,
        "key": key,
        "incident": hex(pay.incident),
        "name": pay.name,
        "account": hex_of(leaf.account),
        "amount": str(leaf.amount),
        "index": index,
        "ticket": ticket,
        "action": "close",
        "statement": f"{statements.rstrip('/')}/{leaf.account:#066x}.json" if statements else None,
    }


def _load(record: Path) -> dict[str, int]:
    try:
        raw = orjson.loads(record.read_bytes())
        return {str(key): int(status) for key, status in raw["delivered"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WebhookRefused(f"{record}: no record of deliveries ({error!r})") from error


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
