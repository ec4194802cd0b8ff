"""Date forms of feeds and bylines, with the instant each means in Tokyo unless it says otherwise."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alliancewatch.dates import parse_date
from alliancewatch.errors import UsageError

FORMS = """
2026-11-22T18:30:00+09:00 | 2026年11月22日 18時30分 | 2026年11月22日（日）18時30分 | 2026年11月22日(日) 18:30
2026-11-22T18:30:00+09:00 | ２０２６年１１月２２日　１８：３０ | 2026年11月22日 午後6時30分 | 2026年11月22日18時半
2026-11-22T18:30:00+09:00 | 令和8年11月22日 18時30分 | 令和八年十一月二十二日十八時三十分
2026-11-22T18:30:00+09:00 | ㋿8年11月22日 18:30 | R8.11.22 18:30
2026-11-22T18:30:00+09:00 | 2026/11/22 18:30 | 2026.11.22 18:30 | 2026/11/22(日) 18:30 | 二〇二六年十一月二十二日 18:30
2026-11-22T18:30:00+09:00 | Sun, 22 Nov 2026 18:30:00 JST | Sun, 22 Nov 2026 18:30:00 +0900 | 22 Nov 26 18:30 JST
2026-11-22T18:30:00+09:00 | Sun, 22 Nov 2026 18:30:00 | Sun, 22 Nov 2026 18:30 | Sun,22 Nov 2026 18:30:00+0900
2026-11-22T18:30:00+09:00 | Sunday, 22-Nov-26 18:30:00 JST | Sun Nov 22 18:30:00 2026 | Mon, 22 Nov 2026 18:30:00 +0900
2026-11-22T18:30:00+09:00 | 2026-11-22T18:30:00+09:00 | 2026-11-22T18:30:00.123+0900 | 2026-11-22 18:30:00 JST
2026-11-22T18:30:00+09:00 | 2026-11-22T18:30 | 20261122183000 | 20261122T183000+0900 | 202611221830 | 2026-11-22 6:30pm
2026-11-22T18:30:00+09:00 | Nov. 22, 2026 6:30 pm | November 22nd, 2026 at 6:30 p.m. | Nov 22, 2026, 6:30 PM JST
2026-11-22T18:30:00+09:00 | Updated: 6:30 PM, November 22, 2026 | 22 November 2026 18:30 | 更新：2026年11月22日 18:30
2026-11-22T18:30:00+09:00 | Sun, 22 Nov 2026 18:30:00 UTC+9 | Sun Nov 22 2026 18:30:00 GMT+0900 (JST)
2026-11-22T18:00:00+09:00 | 2026年11月22日 日本時間18時 | 2026-11-22T18+09:00
2026-11-22T18:00:00+09:00 | 2026-11-22 at 6 pm | 2026年11月22日午後6時
2026-11-22T00:00:00+09:00 | 2026年11月22日 | 2026年11月22日（日） | 令和8年11月22日
2026-11-22T00:00:00+09:00 | 令和八年十一月二十二日 | 2026/11/22 | 2026.11.22
2026-11-22T00:00:00+09:00 | 2026-11-22 | 20261122 | 22 November 2026 | Nov. 22, 2026 | November 22nd, 2026 | 22-Nov-2026
2026-11-22T00:00:00+09:00 | Sun, 22 Nov 2026 | Nov 22 2026 | 22nd of November, 2026 | 11/22/2026
2026-11-22T00:00:00+09:00 | 22/11/2026 | 22.11.2026
2026-11-22T00:00:00+09:00 | 2026年11月22日 午前0時 | 2026-11-21T24:00:00 | 2026-11-22 12:00 AM
2026-11-22T12:30:00+09:00 | 2026年11月22日 午後0時30分 | 2026-11-22 12:30 p.m.
2026-11-22T12:00:00+09:00 | 2026年11月22日 正午 | noon, Nov. 22, 2026
2026-11-22T18:30:00+00:00 | 2026-11-22T18:30:00Z | Sun, 22 Nov 2026 18:30:00 GMT | Sunday, 22-Nov-26 18:30:00 UTC
2026-11-22T18:30:00+00:00 | Sun, 22 Nov 2026 18:30:00 -0000 | Sun, 22 Nov 2026 18:30:00 UT
2026-11-22T18:30:00-05:00 | Sun, 22 Nov 2026 18:30:00 EST | Nov. 22, 2026 6:30 p.m. ET | Sun Nov 22 18:30:00 EST 2026
2026-11-22T18:30:00-05:00 | 2026-11-22T18:30:00−05:00
2026-07-22T18:30:00-04:00 | July 22, 2026 6:30 p.m. ET | Wed, 22 Jul 2026 18:30:00 EDT
2019-05-01T00:00:00+09:00 | 令和元年5月1日 | 平成31年5月1日
1989-01-07T00:00:00+09:00 | 昭和64年1月7日
1994-11-06T08:49:37+00:00 | Sun, 06 Nov 1994 08:49:37 GMT | Sunday, 06-Nov-94 08:49:37 GMT
2028-02-29T00:00:00+09:00 | 2028-02-29 | 2028年2月29日
2016-12-31T23:59:59+00:00 | 2016-12-31T23:59:60Z
2099-01-01T00:00:00+09:00 | 2099-01-01
"""
CASES = [
    (form.strip(), line.split("|")[0].strip()) for line in FORMS.strip().splitlines() for form in line.split("|")[1:]
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_the_instant_and_its_offset(text: str, expected: str) -> None:
    found = parse_date(text, "Asia/Tokyo")
    assert found is not None
    assert found.isoformat() == expected


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "today",
            "3 hours ago",
            "11月22日",
            "2026",
            "2026-11",
            "2026年11月",
            "Nov 22",
            "18:30",
            "12345",
            "1795339800",
        ),
        *("2026-11-32", "2026-13-01", "2026-00-10", "2026-02-29", "2026年2月30日", "令和8年13月1日", "31 April 2026"),
        *("0000-11-22", "99999-11-22", "9999-12-31", "0000年1月1日", "32 Nov 2026", "2026-11-22 25:61:61"),
        *("2026-11-22T18:61:00", "2026年11月22日 25時", "2026-11-22 13:30 pm", "2026-11-22 12:30:60"),
        *("Sun, 22 Nov 2026 18:30:00 +9900", "11/12/2026", "2026-11-223", "二百年一月一日"),
    ],
)
def test_what_is_no_date_is_none(text: str) -> None:
    assert parse_date(text, "Asia/Tokyo") is None


def test_the_zone_of_the_source_holds_where_none_is_stated() -> None:
    summer = parse_date("2026-07-01 09:00", "America/New_York")
    winter = parse_date("2026-12-01 09:00", ZoneInfo("America/New_York"))
    assert summer is not None
    assert winter is not None
    assert summer.utcoffset() == timedelta(hours=-4)
    assert winter.utcoffset() == timedelta(hours=-5)


def test_an_unknown_zone_is_named() -> None:
    for zone in ("Asia/Tokio", "", "../etc/passwd", "\0"):
        with pytest.raises(UsageError, match="time zone"):
            parse_date("2026-11-22", zone)


@given(st.one_of(st.text(), st.text(alphabet="0123456789年月日時分秒令和十:/-.,TZ+ 午後pmNov")))
def test_any_text_gives_an_aware_instant_or_none(text: str) -> None:
    found = parse_date(text, "Asia/Tokyo")
    assert found is None or found.astimezone(UTC).tzinfo is UTC


@given(st.datetimes(), st.integers(-14 * 60, 14 * 60))
def test_iso_and_rfc822_come_back_as_written(naive: datetime, minutes: int) -> None:
    instant = naive.replace(
        year=1900 + naive.year % 250, day=1, microsecond=0, tzinfo=timezone(timedelta(minutes=minutes))
    )
    assert parse_date(instant.isoformat(), "UTC") == instant
    assert parse_date(instant.strftime("%a, %d %b %Y %H:%M:%S %z"), "UTC") == instant


def test_hostile_length_takes_no_time() -> None:
    assert parse_date("1" * 1_000_000 + "年", "UTC") is None
    assert parse_date(" " * 1_000_000 + "2026-11-22", "UTC") is None
