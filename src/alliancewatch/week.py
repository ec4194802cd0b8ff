"""The reporting week: an ISO week in Asia/Tokyo, and the Monday morning at which its digest is cut.

Japan has had no clock changes since 1951, so a Tokyo day is always 24 hours long.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from alliancewatch.errors import UsageError

TOKYO = ZoneInfo("Asia/Tokyo")
CUT = timedelta(hours=7)
"""A digest is cut on Monday at 07:00 in Tokyo, this long after its week has ended."""

LATE_AFTER = timedelta(days=10)
"""A digest of a week that ended longer ago is old news: a backup was restored or the machine was off."""

_LABEL = re.compile(r"([0-9]{4})-W([0-9]{2})")


@dataclass(frozen=True, slots=True, order=True)
class Week:
    """One ISO 8601 week: Monday 00:00 to the next Monday 00:00 in Tokyo, half open. 2026 has 53 of them."""

    year: int
    """ISO year, which is the calendar year of the week's Thursday (`%G`)."""
    number: int

    @property
    def label(self) -> str:
        """Such as `2026-W47` (`%G-W%V`)."""
        return f"{self.year:04d}-W{self.number:02d}"

    @property
    def start(self) -> datetime:
        """First instant of the week, in UTC."""
        monday = datetime.fromisocalendar(self.year, self.number, 1)
        return datetime.combine(monday, time(), TOKYO).astimezone(UTC)

    @property
    def end(self) -> datetime:
        """First instant after the week, in UTC."""
        return self.start + timedelta(days=7)

    @property
    def cut(self) -> datetime:
        """When the week's digest is cut: Monday 07:00 in Tokyo after the week, in UTC."""
        return self.end + CUT

    @property
    def previous(self) -> Week:
        """The week before."""
        return week_of(self.start - timedelta(days=1))

    def __contains__(self, instant: datetime) -> bool:
        return self.start <= instant < self.end

    def __str__(self) -> str:
        return self.label


def parse_week(text: str) -> Week:
    """The week that `text` names, such as `2026-W47`.

    Raises `UsageError` for any other form and for a week its year does not have.
    """
    match = _LABEL.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"not an ISO week: {text!r}: expected year and week number, such as 2026-W47")
    year, number = int(match[1]), int(match[2])
    if not 1970 <= year <= 2999:
        raise UsageError(f"no such ISO week: {text.strip()}: expected a year from 1970 to 2999")
    try:
        datetime.fromisocalendar(year, number, 1)
    except ValueError:
        last = datetime(year, 12, 28, tzinfo=UTC).isocalendar().week  # 28 December is always in the last ISO week
        raise UsageError(f"no such ISO week: {text.strip()}: {year} has weeks W01 to W{last}") from None
    return Week(year, number)


def week_of(instant: datetime) -> Week:
    """The week an aware instant falls in."""
    if instant.tzinfo is None:
        raise ValueError(f"instant without a zone: {instant}: expected an aware datetime")
    year, number, _ = instant.astimezone(TOKYO).isocalendar()
    return Week(year, number)


def dated_at(published_at: datetime | None, first_seen_at: datetime) -> datetime:
    """The instant that decides an article's week: publication if known and not later than the first sight of it."""
    if published_at is not None and published_at <= first_seen_at:
        return published_at
    return first_seen_at


def last_complete_week(now: datetime) -> Week:
    """The week that ended last."""
    return week_of(now).previous


def weeks_within_reach(now: datetime) -> list[Week]:
    """The complete weeks that ended at most `LATE_AFTER` ago, oldest first: the last one, and at times one before."""
    last = last_complete_week(now)
    return [week for week in (last.previous, last) if now - week.end <= LATE_AFTER]


def default_as_of(week: Week, now: datetime) -> datetime:
    """What a digest of `week` built `now` may know: everything up to its cut, or up to now if that is earlier."""
    return min(now, week.cut)


def previous_cut(week: Week) -> datetime:
    """When the digest before was cut: Monday 07:00 in Tokyo at the start of `week`, in UTC."""
    return week.start + CUT
