"""Streams: every message of one carries a number that is 1 more than the one before, so that a gap is seen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
from truemark.wire import Channel, MessageKind, StreamMessage

#: What a stream is of, beside its channel: a market's index, an account, or nothing.
Key = tuple[Channel, int]
#: Messages that wait for a reader before it is too slow.
MOST_WAITING = 2000


class Reader:
    """One connection's queue. `too_slow` once it overflowed: then nothing more is put in."""

    def __init__(self, most: int = MOST_WAITING) -> None:
        self.queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.too_slow = False
        self._most = most

    def put(self, message: bytes) -> None:
        if self.too_slow:
            return
        if self.queue.qsize() >= self._most:
            self.too_slow = True
            self.queue.put_nowait(None)
        else:
            self.queue.put_nowait(message)


class Hub:
    """Who reads which stream.

    Args:
        session: names this run of the venue.
    """

    def __init__(self, session: str) -> None:
        self.session = session
        self._seqs: dict[Key, int] = {}
        self._readers: dict[Key, set[Reader]] = {}

    def seq(self, key: Key) -> int:
        """Of the last message of a stream."""
        return self._seqs.get(key, 0)

    def read_by_somebody(self, channel: Channel) -> list[int]:
        """What the channel's streams that are read are of."""
        return [of for (one, of), readers in self._readers.items() if one is channel and readers]

    def publish(self, key: Key, market: str | None, data: Callable[[int], dict[str, Any]]) -> None:
        """One update; `data` is asked with its number, and only when somebody reads."""
        seq = self._seqs.get(key, 0) + 1
        self._seqs[key] = seq
        readers = self._readers.get(key)
        if readers:
            message = self._message(MessageKind.UPDATE, key[0], market, seq, data(seq))
            for reader in readers:
                reader.put(message)

    def subscribe(self, reader: Reader, key: Key, market: str | None, data: Callable[[int], dict[str, Any]]) -> None:
        """The snapshot goes out at once, every later update after it."""
        seq = self._seqs.get(key, 0)
        reader.put(self._message(MessageKind.SNAPSHOT, key[0], market, seq, data(seq)))
        self._readers.setdefault(key, set()).add(reader)

    def unsubscribe(self, reader: Reader, key: Key) -> None:
        readers = self._readers.get(key)
        if readers is not None:
            readers.discard(reader)
            if not readers:
                del self._readers[key]

    def leave(self, reader: Reader) -> None:
        for key in list(self._readers):
            self.unsubscribe(reader, key)

    def _message(
        self, kind: MessageKind, channel: Channel, market: str | None, seq: int, data: dict[str, Any]
    ) -> bytes:
        message = StreamMessage(type=kind, channel=channel, market=market, session=self.session, seq=seq, data=data)
        return orjson.dumps(message.dump())
