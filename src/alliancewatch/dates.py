"""Dates as feeds and pages write them, read from the original string with the source's own zone.

Feed parsers read `JST` as UTC and `2026/11/22` as the first of the month, which moves an article into the wrong
week; so every date is read here, and one that is impossible or only half stated is None, never a guess.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from alliancewatch.errors import UsageError

_YEARS = range(1868, 2200)
_MAX_CHARACTERS = 200

_ERAS = {"令和": 2018, "平成": 1988, "昭和": 1925, "大正": 1911, "明治": 1867, "r": 2018, "h": 1988, "s": 1925}
"""Year before the first of each era; the letters are the official abbreviations."""
_KANJI_DIGITS = {character: value for value, character in enumerate("〇一二三四五六七八九")} | {"零": 0, "元": 1}
_KANJI_NUMBER = re.compile(r"[〇零一二三四五六七八九十元]+(?=[年月日時分秒])")

_MONTHS = {
    name: number
    for number, names in enumerate(
        [
            ("january", "jan"),
            ("february", "feb"),
            ("march", "mar"),
            ("april", "apr"),
            ("may",),
            ("june", "jun"),
            ("july", "jul"),
            ("august", "aug"),
            ("september", "sept", "sep"),
            ("october", "oct"),
            ("november", "nov"),
            ("december", "dec"),
        ],
        start=1,
    )
    for name in names
}

_HOURS_OF_ZONE_NAME = {
    name: hours
    for hours, names in (
        (0.0, ("utc", "gmt", "ut", "z", "wet")),
        (1.0, ("bst", "cet", "west")),
        (2.0, ("cest", "eet")),
        (3.0, ("eest", "msk")),
        (5.5, ("ist",)),
        (7.0, ("ict", "wib")),
        (8.0, ("sgt", "hkt", "pht", "awst")),
        (9.0, ("jst", "kst", "日本時間")),
        (10.0, ("aest", "chst")),
        (11.0, ("aedt",)),
        (12.0, ("nzst",)),
        (13.0, ("nzdt",)),
        (-3.0, ("adt",)),
        (-4.0, ("ast", "edt")),
        (-5.0, ("est", "cdt")),
        (-6.0, ("cst", "mdt")),
        (-7.0, ("mst", "pdt")),
        (-8.0, ("pst", "akdt")),
        (-9.0, ("akst",)),
        (-10.0, ("hst",)),
    )
    for name in names
}
"""RFC 822 names as that standard reads them, and those that outlets around the Pacific and in Europe write."""
_AMERICAN_ZONES = {
    "et": "America/New_York",
    "ct": "America/Chicago",
    "mt": "America/Denver",
    "pt": "America/Los_Angeles",
}

_MONTH = rf"(?P<month_name>{'|'.join(sorted(_MONTHS, key=len, reverse=True))})\.?"
_DATES = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?:(?P<era>令和|平成|昭和|大正|明治|(?<![a-z])[rhs])\s*)(?P<year>\d{1,2})\s*[年./-]\s*"
        r"(?P<month>\d{1,2})\s*[月./-]\s*(?P<day>\d{1,2})(?!\d)\s*日?",
        r"(?<!\d)(?P<year>\d{4})\s*年\s*(?P<month>\d{1,2})\s*月\s*(?P<day>\d{1,2})\s*日",
        r"(?<!\d)(?P<year>\d{4})(?P<separator>[-/.])\s?(?P<month>\d{1,2})(?P=separator)\s?(?P<day>\d{1,2})(?!\d)\.?",
        r"(?<!\d)(?P<day>1[3-9]|2\d|3[01])[/.](?P<month>\d{1,2})[/.](?P<year>\d{4})(?!\d)",
        r"(?<!\d)(?P<month>\d{1,2})/(?P<day>1[3-9]|2\d|3[01])/(?P<year>\d{4})(?!\d)",
        r"(?<!\d)(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})(?=t?\d{4}(?:\d{2})?(?!\d)|(?!\d))",
        rf"(?<!\d)(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?:\s+of)?[\s-]*{_MONTH},?[\s-]*(?P<year>\d{{4}}|\d{{2}})(?![\d:])",
        rf"(?<![a-z]){_MONTH}\s*(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?:\s*,\s*|\s+)(?P<year>\d{{4}})(?!\d)",
        rf"(?<![a-z]){_MONTH}\s+(?P<day>\d{{1,2}})\s+(?P<clock>\d{{1,2}}:\d{{2}}(?::\d{{2}})?)"
        r"(?P<zone>\s+[a-z]{2,4})?\s+(?P<year>\d{4})(?!\d)",
    )
)
_TIMES = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?P<half>午前|午後|am|pm)?\s*(?<![\d+:-])(?P<hour>\d{1,2})\s*時\s*(?:(?P<minute>\d{1,2})\s*分|(?P<halfpast>半))?"
        r"(?:\s*(?P<second>\d{1,2})\s*秒)?",
        r"(?P<half>午前|午後)?\s*(?<![\d+:-])(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,]\d+)?)?(?!\d)"
        r"(?:\s*(?P<half_after>[ap])\.?\s?m\b\.?)?",
        r"(?<![\d+:-])(?P<hour>\d{1,2})\s*(?P<half_after>[ap])\.?\s?m\b\.?",
        r"^t?(?P<hour>\d{2})(?P<minute>\d{2})(?P<second>\d{2})?(?:[.,]\d+)?(?!\d)",
        r"^t(?P<hour>\d{2})(?=z|[+-]|$)",
        r"(?P<noon>正午|\bnoon\b)",
    )
)
_LOOKS_TIMED = re.compile(r"\d\s*:\s*\d|\d\s*時")
_OFFSET = re.compile(r"(?:utc|gmt)?\s*(?P<sign>[+-])(?P<hours>\d{1,2})(?::?(?P<minutes>\d{2}))?(?!\d)")
_ZONE_NAME = re.compile(r"日本時間|(?<![a-z])[a-z]{1,4}(?![a-z])")


def parse_date(text: str, zone: str | tzinfo) -> datetime | None:
    """The instant `text` states, aware and with the offset it was written in; None when it states none.

    `zone` (IANA name or tzinfo) holds where the text names no zone. A date without a time is its midnight. Reads
    RFC 822 and ISO 8601 with their usual damage, 年月日 with Western years and eras, kanji and full-width digits,
    午前/午後, and English long forms; ignores weekdays and words around. Of 23:59:60 it keeps 23:59:59. A future date
    is returned as it stands; 11/22/2026 is read, and 11/12/2026 is None, for it may be either. Never raises for
    what is in `text`; `UsageError` when `zone` is no time zone.
    """
    home = _zone(zone)
    folded = _fold(text)
    for pattern in _DATES:
        match = pattern.search(folded)
        if match is not None:
            break
    else:
        return None
    found = match.groupdict()
    day = _midnight(found)
    if day is None:
        return None
    rest = f"{found.get('clock') or ''}{found.get('zone') or ''} {folded[match.end() :]}".strip()
    seconds, rest = _time_of_day(rest, folded[: match.start()])
    if seconds is None:
        return None
    offset = _offset(rest)
    if offset is None:
        return None
    try:
        local = (day + timedelta(seconds=seconds)).replace(tzinfo=home if offset is _UNSTATED else offset)
        return local.replace(tzinfo=timezone(local.utcoffset() or timedelta(0)))
    except (ValueError, OverflowError):
        return None


def _zone(zone: str | tzinfo) -> tzinfo:
    if isinstance(zone, tzinfo):
        return zone
    try:
        return ZoneInfo(zone)
    except (ValueError, OSError, KeyError):
        raise UsageError(f"time zone: found {zone!r}, expected an IANA name such as Asia/Tokyo") from None


def _fold(text: str) -> str:
    """Full-width forms to ASCII, kanji numerals before 年月日時分秒 to digits, lower case, single spaces."""
    folded = unicodedata.normalize("NFKC", text[:_MAX_CHARACTERS]).translate({0x2212: "-", 0x2010: "-", 0x2013: "-"})
    folded = _KANJI_NUMBER.sub(lambda match: str(_kanji_number(match[0])), folded)
    return " ".join(folded.lower().split())


def _kanji_number(text: str) -> int:
    if "十" not in text:
        return int("".join(str(_KANJI_DIGITS[character]) for character in text)[:5])
    tens, _, units = text.partition("十")
    return (_KANJI_DIGITS.get(tens[-1:], 1) * 10) + _KANJI_DIGITS.get(units[:1], 0)


def _midnight(found: dict[str, str | None]) -> datetime | None:
    year = int(found["year"] or 0)
    if era := found.get("era"):
        year += _ERAS[era]
    elif len(found["year"] or "") == 2:
        year += 2000 if year < 50 else 1900
    month = _MONTHS[found["month_name"] or ""] if found.get("month_name") else int(found["month"] or 0)
    if year not in _YEARS:
        return None
    try:
        return datetime(year, month, int(found["day"] or 0))  # noqa: DTZ001 (the zone is found later in the string)
    except ValueError:
        return None


def _time_of_day(after: str, before: str) -> tuple[int | None, str]:
    """Seconds after midnight, looked for behind the date and then before it, and the text behind the time.

    0 when no time is stated, None when one is stated that no clock shows.
    """
    for text in (after, before):
        for pattern in _TIMES:
            match = pattern.search(text)
            if match is not None:
                return _seconds(match.groupdict()), text[match.end() :]
        if _LOOKS_TIMED.search(text):
            return None, ""
    return 0, after


def _seconds(found: dict[str, str | None]) -> int | None:
    if found.get("noon"):
        return 12 * 3600
    hour, minute, second = int(found["hour"] or 0), int(found.get("minute") or 0), int(found.get("second") or 0)
    if found.get("halfpast"):
        minute = 30
    half = found.get("half") or found.get("half_after")
    if half:
        if hour > 12:
            return None
        hour = hour % 12 + (12 if half in ("午後", "pm", "p") else 0)
    if (hour, minute, second) == (24, 0, 0):
        return 24 * 3600
    if (minute, second) == (59, 60):
        second = 59
    if hour > 23 or minute > 59 or second > 59:
        return None
    return hour * 3600 + minute * 60 + second


_UNSTATED = timezone(timedelta(0), "unstated")


def _offset(text: str) -> tzinfo | None:
    """The zone `text` names, `_UNSTATED` when it names none, None when its offset is one no place has."""
    match = _OFFSET.search(text)
    if match is not None:
        minutes = int(match["hours"]) * 60 + int(match["minutes"] or 0)
        if minutes > 14 * 60 or int(match["minutes"] or 0) > 59:
            return None
        return timezone(timedelta(minutes=minutes if match["sign"] == "+" else -minutes))
    for name in _ZONE_NAME.findall(text):
        if name in _HOURS_OF_ZONE_NAME:
            return timezone(timedelta(hours=_HOURS_OF_ZONE_NAME[name]))
        if name in _AMERICAN_ZONES:
            return ZoneInfo(_AMERICAN_ZONES[name])
    return _UNSTATED
