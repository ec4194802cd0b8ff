from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alliancewatch.errors import UsageError
from alliancewatch.week import (
    TOKYO,
    Week,
    dated_at,
    default_as_of,
    last_complete_week,
    parse_week,
    previous_cut,
    week_of,
)

instants = st.datetimes(datetime(1971, 1, 1), datetime(2998, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def test_a_week_is_monday_to_monday_in_tokyo_half_open() -> None:
    week = parse_week("2026-W47")
    assert week.start == datetime(2026, 11, 15, 15, tzinfo=UTC)
    assert week.end == datetime(2026, 11, 22, 15, tzinfo=UTC)
    assert week_of(datetime(2026, 11, 22, 23, 59, 59, tzinfo=TOKYO)) == week
    assert week_of(datetime(2026, 11, 23, tzinfo=TOKYO)).label == "2026-W48"


@pytest.mark.parametrize(
    ("day", "label"),
    [
        ("2026-12-27", "2026-W52"),
        ("2026-12-28", "2026-W53"),
        ("2026-12-31", "2026-W53"),
        ("2027-01-03", "2026-W53"),
        ("2027-01-04", "2027-W01"),
        ("2020-12-31", "2020-W53"),
        ("2033-01-01", "2032-W53"),
        ("2024-12-30", "2025-W01"),
        ("2027-12-31", "2027-W52"),
    ],
)
def test_weeks_at_the_turn_of_the_year(day: str, label: str) -> None:
    assert week_of(datetime.fromisoformat(day).replace(hour=12, tzinfo=TOKYO)).label == label


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-47",
        "2026W47",
        "2026-W7",
        "W47",
        "2026-w47",
        "２０２６-W47",
        "2026-W47-1",
        "2026-W47\n2026-W48",
        "next week",
    ],
)
def test_another_form_is_refused_with_the_form_expected(text: str) -> None:
    with pytest.raises(UsageError, match="such as 2026-W47"):
        parse_week(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-W54", "W01 to W53"),
        ("2027-W53", "W01 to W52"),
        ("2026-W00", "W01 to W53"),
        ("0001-W01", "1970 to 2999"),
        ("9999-W52", "1970 to 2999"),
    ],
)
def test_a_week_that_does_not_exist_is_refused(text: str, expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        parse_week(text)


@given(instants)
def test_each_instant_is_in_its_week_alone_and_the_label_leads_back(instant: datetime) -> None:
    week = week_of(instant)
    assert instant in week
    assert instant not in week.previous
    assert week.previous.end == week.start
    assert parse_week(f" {week.label} ") == week
    assert week.end - week.start == timedelta(days=7)
    assert week.label == instant.astimezone(TOKYO).strftime("%G-W%V")


@given(instants)
def test_the_last_complete_week_has_ended_less_than_a_week_ago(now: datetime) -> None:
    assert timedelta(0) <= now - last_complete_week(now).end < timedelta(days=7)


def test_a_digest_knows_what_was_known_until_monday_at_seven() -> None:
    week = parse_week("2026-W47")
    monday_at_seven = datetime(2026, 11, 23, 7, tzinfo=TOKYO)
    assert default_as_of(week, monday_at_seven + timedelta(days=400)) == monday_at_seven
    assert default_as_of(week, monday_at_seven - timedelta(hours=1)) == monday_at_seven - timedelta(hours=1)
    assert previous_cut(parse_week("2026-W48")) == week.cut == monday_at_seven


def test_publication_decides_the_week_unless_it_is_unknown_or_in_the_future() -> None:
    seen = datetime(2026, 11, 23, tzinfo=UTC)
    assert dated_at(seen - timedelta(days=3), seen) == seen - timedelta(days=3)
    assert dated_at(None, seen) == seen
    assert dated_at(seen + timedelta(days=3), seen) == seen


def test_weeks_sort_in_time_and_an_instant_needs_a_zone() -> None:
    assert Week(2026, 53) < Week(2027, 1)
    with pytest.raises(ValueError, match="zone"):
        week_of(datetime(2026, 11, 23))  # noqa: DTZ001
