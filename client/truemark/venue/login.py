"""Tokens: the venue's challenge signed, and a new token before the old one ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from truemark.keys import StarkSigner, sign_checked
from truemark.venue.errors import NoAnswer
from truemark.venue.http import Transport
from truemark.wire import Challenge, ChallengeRequest, Token, TokenRequest, paths

#: A token is renewed when it ends within this many seconds.
MARGIN: Final = 30

Clock = Callable[[], float]


class Login:
    """One account's token. The private key stays with its signer.

    Args:
        clearinghouse: the venue's on chain: what another one wants signed is not signed.
        clock: unix seconds.
    """

    def __init__(
        self,
        transport: Transport,
        signer: StarkSigner,
        account: int,
        chain_id: int,
        clearinghouse: int,
        clock: Clock = time.time,
    ) -> None:
        self.account = account
        self._transport = transport
        self._signer = signer
        self._chain_id = chain_id
        self._clearinghouse = clearinghouse
        self._clock = clock
        self._token: Token | None = None
        self._lock = asyncio.Lock()

    async def token(self, *, stale: str | None = None) -> str:
        """A token that is good still. `stale` is one that the venue does not know any more.

        Raises:
            VenueError, NoAnswer
            BadStarkSignature, SignerRefused, SignerTimeout: the key did not sign.
        """
        async with self._lock:
            held = self._token
            if held is None or held.token == stale or held.expiry - MARGIN <= self._clock():
                self._token = held = await self._new()
            return held.token

    async def _new(self) -> Token:
        asked = ChallengeRequest(account=self.account)
        challenge = await self._transport.request(Challenge, "POST", paths.CHALLENGE, body=asked, repeat=True)
        if (challenge.venue, challenge.account) != (self._clearinghouse, self.account):
            raise NoAnswer(f"{self._transport.shown} wants a session of another venue or account signed: refused")
        r, s = await sign_checked(self._signer, challenge.hash(self._chain_id))
        answer = TokenRequest(account=self.account, nonce=challenge.nonce, key=self._signer.public_key, r=r, s=s)
        return await self._transport.request(Token, "POST", paths.SESSION, body=answer)
