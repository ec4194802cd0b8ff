"""What a schedule asked for and did not get: decided from the warehouse, whatever the scheduler does."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from homes import home_of, ingest_at
from hypothesis import given
from hypothesis import strategies as st

from alliancewatch.digest_run import DigestRun, unserved_recipients
from alliancewatch.model import DeliveryRecord, DeliveryState
from alliancewatch.newsstand import Newsstand
from alliancewatch.runs import open_warehouse
from alliancewatch.schedules import (
    digest_is_missed,
    due_digests,
    due_weeks,
    ingest_is_made_up,
    ingest_is_missed,
    previous_time,
)
from alliancewatch.settings import Config, ScheduleSettings, load_config
from alliancewatch.week import Week, previous_cut, week_of

ROOT = Path(__file__).parents[1]
W45, W46, W47 = Week(2026, 45), Week(2026, 46), Week(2026, 47)
READERS = ("a@example.org", "b@example.org")


@pytest.fixture(scope="module")
def newsstand_home(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """Watched since the Wednesday of W45; no digest was ever built. Mail is set, with two readers."""
    home = tmp_path_factory.mktemp("schedules") / "home"
    with Newsstand(at=W45.start) as newsstand:
        config = home_of(newsstand, home)
        (home / "config" / "digest.yaml").write_text(f"recipients: {list(READERS)}\n", "utf-8")
        ingest_at(config, newsstand, W45.start + timedelta(days=2), next(iter(newsstand.addresses)))
    return load_config({"ALLIANCEWATCH_SMTP_HOST": "127.0.0.1"}, cwd=home, home=home)


@pytest.fixture
def config(newsstand_home: Config, tmp_path: Path) -> Config:
    """A copy of it."""
    home = tmp_path / "home"
    shutil.copytree(newsstand_home.home, home)
    return load_config(newsstand_home.environment, cwd=home, home=home)


def build(config: Config, week: Week) -> str:
    run = DigestRun(config, now=week.cut, week=week.label)
    run.write(run.build())
    return week.label


def note(config: Config, week: Week, recipient: str, state: DeliveryState, stage: str | None = None) -> None:
    open_warehouse(config).append_delivery(
        DeliveryRecord(week.label, recipient, state, "<id>", "run", week.cut, stage, None, "")
    )


@given(st.integers(0, 400 * 24 * 3600).map(lambda second: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=second)))
def test_the_previous_time_of_the_digest_is_the_monday_morning_before(now: datetime) -> None:
    found = previous_time("0 7 * * 1", "Asia/Tokyo", now)
    week = week_of(now)
    assert found == (previous_cut(week) if now >= previous_cut(week) else previous_cut(week.previous))


def test_a_schedule_is_due_at_its_minute() -> None:
    at = datetime(2026, 11, 16, 7, 0, tzinfo=UTC)
    assert previous_time("0 7 * * *", "UTC", at) == at
    assert previous_time("0 7 * * *", "UTC", at - timedelta(seconds=1)) == at - timedelta(days=1)
    summer_ends = datetime(2026, 11, 1, 12, tzinfo=UTC)
    assert previous_time("0 7 * * *", "America/New_York", summer_ends) == summer_ends


@pytest.mark.parametrize(
    ("now", "weeks"),
    [
        (W46.cut, [W45, W46]),
        (W46.cut - timedelta(minutes=6), [W45]),
        (W46.cut - timedelta(minutes=4), [W45, W46]),
        (W46.end + timedelta(days=3), [W45, W46]),
        (W46.end + timedelta(days=3, seconds=1), [W46]),
    ],
)
def test_weeks_are_due_from_their_time_on_and_for_ten_days(now: datetime, weeks: list[Week]) -> None:
    assert due_weeks(ScheduleSettings(), now) == weeks


def test_a_missed_week_is_made_up_for_once_and_not_merged(config: Config) -> None:
    assert digest_is_missed(config, W46.cut)
    assert due_digests(config, W46.cut) == [(W45, READERS), (W46, READERS)]
    for week in (W45, W46):
        build(config, week)
        for reader in READERS:
            note(config, week, reader, DeliveryState.SENT)
    assert due_digests(config, W46.cut) == [(W46, READERS)], "whom the ledger has is not mailed again"
    assert not digest_is_missed(config, W46.cut)
    assert digest_is_missed(config, W47.cut)


def test_a_week_from_before_the_warehouse_was_not_missed(config: Config) -> None:
    assert unserved_recipients(config, Week(2026, 44)) is None
    assert due_digests(config, W45.cut) == [(W45, READERS)]


def test_only_who_waits_for_it_gets_an_earlier_week(config: Config) -> None:
    build(config, W45)
    assert unserved_recipients(config, W45) is None, "mail was not in use"
    note(config, W45, "A@example.org", DeliveryState.DEFERRED)
    note(config, W45, "left@example.org", DeliveryState.DEFERRED)
    assert unserved_recipients(config, W45) == ("a@example.org",)
    note(config, W45, "a@example.org", DeliveryState.REFUSED, "rcpt")
    assert unserved_recipients(config, W45) is None


def test_a_digest_built_by_a_run_that_died_before_the_first_mail_is_still_wanted(config: Config) -> None:
    note(config, W45, "a@example.org", DeliveryState.SENT)
    build(config, W46)
    assert unserved_recipients(config, W46) == READERS


def test_without_mail_files_are_enough(config: Config) -> None:
    config = load_config({}, cwd=config.home, home=config.home)
    assert due_digests(config, W46.cut) == [(W45, ()), (W46, ())]
    build(config, W45)
    assert due_digests(config, W46.cut) == [(W46, ())]


def test_before_monday_seven_nobody_is_mailed(config: Config) -> None:
    build(config, W45)
    assert due_digests(config, W46.cut - timedelta(hours=1)) == [(W46, ())]


def test_a_missed_poll_is_made_up_for_by_one_run(config: Config, tmp_path: Path) -> None:
    began = W45.start + timedelta(days=2)
    assert not ingest_is_missed(config, began + timedelta(minutes=1))
    assert ingest_is_missed(config, began + timedelta(hours=2))
    assert ingest_is_made_up(config, began - timedelta(hours=1))
    assert not ingest_is_made_up(config, began + timedelta(hours=1))
    empty = load_config({}, cwd=tmp_path, home=tmp_path / "none")
    assert not ingest_is_missed(empty, began)
    assert not ingest_is_made_up(empty, began)


def test_prefect_yaml_has_the_default_schedules_and_flows_that_are_there() -> None:
    plan = yaml.safe_load((ROOT / "prefect.yaml").read_text("utf-8"))
    found = {}
    for deployment in plan["deployments"]:
        file, flow = deployment["entrypoint"].split(":")
        assert f"def {flow}(" in (ROOT / file).read_text("utf-8")
        (schedule,) = deployment["schedules"]
        found[flow] = (schedule["cron"], schedule["timezone"])
    default = ScheduleSettings()
    assert found == {
        "ingest": (default.ingest, default.zone),
        "weekly_digest": (default.digest, default.zone),
        "maintenance": (default.maintenance, default.zone),
    }
