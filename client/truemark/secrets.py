"""What must not be shown: parts of URLs that may be keys or passwords, taken out of every text that people or machines
get to see, whoever wrote it. A node may quote the request that it refuses."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote, urlsplit

#: What stands in their place.
MASK = "***"
#: A part of a path that is longer may be a key; `rpc`, `v0_10` are none.
LONGEST_PART = 8
#: A shorter one is no secret worth the name, and would be found in every other word.
_SHORTEST = 4
#: What stands before the host of an URL: a user with a password.
_CREDENTIALS = re.compile(r"(\w+://)[^\s/@'\"]+@")
_known: set[str] = set()


def conceal(url: str) -> None:
    """From now on no text that passes `scrubbed` shows the URL's password, query or long parts of its path."""
    try:
        parts = urlsplit(url)
        password, user = parts.password, parts.username
    except ValueError:
        # No URL: all of it may be one that was mistyped.
        _keep(url)
        return
    if password:
        _keep(password)
        _keep(f"{user}:{password}")
    elif user:
        # A key in the place of a user.
        _keep(user)
    for part in parts.path.split("/"):
        if len(part) > LONGEST_PART:
            _keep(part)
    for _, value in parse_qsl(parts.query, keep_blank_values=True):
        _keep(value)
    if parts.query:
        _keep(parts.query)


def scrubbed(text: str) -> str:
    """Without what was concealed, and without the credentials of any URL in it."""
    # The longest first: one may be a part of another.
    for secret in sorted(_known, key=len, reverse=True):
        if secret in text:
            text = text.replace(secret, MASK)
    return _CREDENTIALS.sub(rf"\1{MASK}@", text)


def _keep(secret: str) -> None:
    for form in (secret, unquote(secret)):
        if len(form) >= _SHORTEST:
            _known.add(form)
