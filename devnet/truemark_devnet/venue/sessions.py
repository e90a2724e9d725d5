"""Whose account a request speaks for: a challenge that is signed once, a token that lives for a quarter of an hour."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from truemark.felt import PRIME
from truemark.signing import verify
from truemark.wire import Challenge, ErrorCode, Token, TokenRequest

from truemark_devnet.venue.live import Refused

CHALLENGE_SECS: Final = 60
TOKEN_SECS: Final = 900
#: Beyond these the oldest go.
_MOST_CHALLENGES: Final = 10_000
_MOST_TOKENS: Final = 10_000


class Sessions:
    """
    Args:
        venue, chain_id: what challenges are for.
        clock: unix seconds.
    """

    def __init__(self, venue: int, chain_id: int, clock: Callable[[], float] = time.time) -> None:
        self._venue = venue
        self._chain_id = chain_id
        self._clock = clock
        self._challenges: OrderedDict[int, Challenge] = OrderedDict()
        self._tokens: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def challenge(self, account: int) -> Challenge:
        nonce = secrets.randbelow(PRIME - 1) + 1
        challenge = Challenge(
            venue=self._venue, account=account, nonce=nonce, expiry=int(self._clock()) + CHALLENGE_SECS
        )
        self._challenges[nonce] = challenge
        while len(self._challenges) > _MOST_CHALLENGES:
            self._challenges.popitem(last=False)
        return challenge

    def token(self, answer: TokenRequest, may_sign: bool) -> Token:
        """
        Args:
            may_sign: whether the key is the account's own, or a trading key of it that is registered and alive.

        Raises:
            Refused: the challenge is unknown, used or too old, or the signature is not its.
        """
        # Whatever comes of it, the nonce is used.
        challenge = self._challenges.pop(answer.nonce, None)
        if challenge is None or challenge.account != answer.account:
            raise Refused(ErrorCode.UNAUTHORIZED, "no such challenge, or it was answered already")
        if challenge.expiry <= self._clock():
            raise Refused(ErrorCode.UNAUTHORIZED, "the challenge is too old")
        if not may_sign:
            raise Refused(ErrorCode.UNKNOWN_KEY, f"the key {answer.key:#x} does not sign for the account")
        if not verify(answer.key, challenge.hash(self._chain_id), answer.r, answer.s):
            raise Refused(ErrorCode.BAD_SIGNATURE, "wrong signature of the challenge")
        token = secrets.token_urlsafe(32)
        expiry = int(self._clock()) + TOKEN_SECS
        self._tokens[token] = (answer.account, expiry)
        while len(self._tokens) > _MOST_TOKENS:
            self._tokens.popitem(last=False)
        return Token(token=token, expiry=expiry)

    def account(self, token: str | None) -> int:
        """Whose token it is.

        Raises:
            Refused: nobody's, or not any more.
        """
        found = self._tokens.get(token or "")
        if found is None or found[1] <= self._clock():
            raise Refused(ErrorCode.UNAUTHORIZED, "a token is needed, and this is none or not any more")
        return found[0]

    def end(self, token: str) -> None:
        self._tokens.pop(token, None)
