"""When a market is closed: gold at the weekend. A price that stands still because nobody trades is no price."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from truemark.errors import TruemarkError

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
WEEK = 7 * 24 * 60
_FORM = re.compile(r"(\w{3}) (\d\d):(\d\d) - (\w{3}) (\d\d):(\d\d)(?: (\S+))?")


class BadHours(TruemarkError, ValueError):
    """A closing time that cannot be read."""


@dataclass(frozen=True, slots=True)
class Closing:
    """One time of the week, over and over: from its first minute up to, not including, its last; in minutes since
    Monday 00:00 of the zone's own clock, so that it moves with summer time as the market does."""

    start: int
    end: int
    zone: ZoneInfo

    @classmethod
    def parse(cls, text: str) -> Closing:
        """From `Fri 17:00 - Sun 18:00 America/New_York`; without a zone in UTC.

        Raises:
            BadHours: another form, day, time or zone.
        """
        form = _FORM.fullmatch(text.strip())
        if form is None:
            raise BadHours(f"{text!r} is no closing time; write for example Fri 17:00 - Sun 18:00 America/New_York")
        first, h1, m1, last, h2, m2, zone = form.groups()
        try:
            start, end = _minute(first, h1, m1), _minute(last, h2, m2)
            where = ZoneInfo(zone or "UTC")
        except (ValueError, ZoneInfoNotFoundError) as error:
            raise BadHours(f"{text!r} is no closing time: {error}") from error
        if start == end:
            raise BadHours(f"{text!r} ends when it starts")
        return cls(start, end, where)

    def holds(self, at: int) -> bool:
        """Whether it is closed at `at`, seconds since 1970."""
        local = datetime.fromtimestamp(at, UTC).astimezone(self.zone)
        minute = (local.weekday() * 24 + local.hour) * 60 + local.minute
        return (minute - self.start) % WEEK < (self.end - self.start) % WEEK

    def __str__(self) -> str:
        return f"{_name(self.start)} - {_name(self.end)} {self.zone.key}"


def _minute(day: str, hour: str, minute: str) -> int:
    if day not in DAYS:
        raise ValueError(f"{day} is no day; the days are {', '.join(DAYS)}")
    if int(hour) > 23 or int(minute) > 59:
        raise ValueError(f"{hour}:{minute} is no time of the day")
    return (DAYS.index(day) * 24 + int(hour)) * 60 + int(minute)


def _name(minute: int) -> str:
    return f"{DAYS[minute // 1440]} {minute % 1440 // 60:02}:{minute % 60:02}"
