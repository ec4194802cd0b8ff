"""A clock that jumps, or is wrong: nothing is lost, doubled or recorded at an impossible time."""

from __future__ import annotations

import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from faulty_smtp import FaultySmtp
from homes import home_of, ingest_at
from typer.testing import CliRunner

from alliancewatch.cli import app
from alliancewatch.dates import parse_date
from alliancewatch.digest_run import DigestRun
from alliancewatch.errors import ClockError
from alliancewatch.model import DeliveryState
from alliancewatch.newsstand import Newsstand
from alliancewatch.runs import IngestRun, open_warehouse, require_plausible_clock
from alliancewatch.schedules import previous_time
from alliancewatch.settings import Config, load_config
from alliancewatch.week import Week

WEEK = Week(2026, 45)
NOW = WEEK.start + timedelta(days=3, hours=3)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
READER, OUTLET = "a@one.example", "harbor-times"


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that one run has filled from one outlet, at NOW."""
    home = tmp_path_factory.mktemp("clock") / "home"
    with Newsstand(at=NOW) as newsstand:
        ingest_at(home_of(newsstand, home), newsstand, NOW, OUTLET)
    return home


@pytest.fixture
def config(watched: Path, tmp_path: Path) -> Config:
    """A copy of it, whose digest goes to one reader."""
    home = Path(shutil.copytree(watched, tmp_path / "home"))
    (home / "config" / "digest.yaml").write_text(f"recipients: [{READER}]\n", "utf-8")
    return load_config({}, cwd=home, home=home)


@pytest.mark.parametrize("jump", [-HOUR, DAY, -DAY])
def test_a_clock_that_jumps_in_a_run_costs_nothing(tmp_path: Path, jump: timedelta) -> None:
    with Newsstand(at=NOW) as newsstand:
        config = home_of(newsstand, tmp_path / "home")
        times = [NOW]
        with IngestRun(config, clock=lambda: times[-1], source_ids=[OUTLET]) as run:
            due = run.poll()
            times.append(NOW + jump)
            assert run.fetch() == due > 0
            times.append(NOW)
            assert run.interpret() == due
            counts = dict(run.finish().counts)
        again = ingest_at(config, newsstand, NOW + timedelta(minutes=1), OUTLET)
    warehouse = open_warehouse(config)
    assert sum(counts.values()) == due
    assert not {"stored", "revised"} & dict(again.counts).keys()
    assert warehouse.run_checks() == []


@pytest.mark.parametrize("jump", [-HOUR, -DAY, HOUR, DAY])
def test_a_clock_that_jumps_brings_no_second_digest(config: Config, jump: timedelta) -> None:
    with FaultySmtp() as server:
        config = load_config(
            {
                "ALLIANCEWATCH_SMTP_HOST": "127.0.0.1",
                "ALLIANCEWATCH_SMTP_PORT": str(server.port),
                "ALLIANCEWATCH_SMTP_STARTTLS": "false",
            },
            cwd=config.home,
            home=config.home,
        )
        at = WEEK.cut + DAY + HOUR
        for instant in (at, at + jump, at + timedelta(minutes=1)):
            run = DigestRun(config, now=instant, week=WEEK.label)
            built = run.build()
            run.write(built)
            (delivery,) = run.deliver(built, run.recipients(), clock=lambda at=instant: at)  # type: ignore[misc]
            assert delivery.state is DeliveryState.SENT
    assert [address for address, _ in server.taken] == [READER]


@pytest.mark.parametrize("ahead", [-timedelta(days=2), -HOUR, timedelta(), timedelta(days=400)])
def test_a_clock_near_the_last_row_or_after_it_is_believed(config: Config, ahead: timedelta) -> None:
    require_plausible_clock(config, NOW + ahead)


@pytest.mark.parametrize(
    ("now", "says"),
    [
        (NOW - timedelta(days=2, seconds=1), f"last row was recorded at {NOW.isoformat()}"),
        (datetime(1970, 1, 1, 0, 2, tzinfo=UTC), "expected 2020 to 2037"),
        (datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC), "expected 2020 to 2037"),
    ],
)
def test_a_clock_that_cannot_be_right_is_refused(config: Config, now: datetime, says: str) -> None:
    with pytest.raises(ClockError, match=re.escape(says)) as caught:
        require_plausible_clock(config, now)
    assert caught.value.exit_code == 75
    unchecked = load_config({"ALLIANCEWATCH_WAREHOUSE_CHECK_CLOCK": "false"}, cwd=config.home, home=config.home)
    require_plausible_clock(unchecked, now)


@pytest.mark.parametrize(
    ("module", "command"),
    [
        ("runs", ["ingest", "--no-prefect"]),
        ("runs", ["digest"]),
        ("store", ["import", str(Path(__file__).parent / "pages" / "full-en.html")]),
        ("archive", ["reclean"]),
    ],
)
def test_no_command_records_at_the_start_of_the_epoch(
    config: Config, monkeypatch: pytest.MonkeyPatch, module: str, command: list[str]
) -> None:
    before = open_warehouse(config).recorded_span()
    monkeypatch.setenv("ALLIANCEWATCH_HOME", str(config.home))
    monkeypatch.setattr(f"alliancewatch.cli.{module}.now", lambda: datetime(1970, 1, 1, tzinfo=UTC))
    with pytest.raises(ClockError, match="the clock cannot be right, nothing was done: 1970-01-01T00:00:00"):
        CliRunner().invoke(app, command, catch_exceptions=False)
    assert open_warehouse(config).recorded_span() == before


@pytest.mark.parametrize("cron", ["30 1 * * *", "30 2 * * *"])
@pytest.mark.parametrize("start", [datetime(2026, 3, 7, tzinfo=UTC), datetime(2026, 10, 31, tzinfo=UTC)])
def test_a_daily_time_that_is_skipped_or_comes_twice_is_due_once(cron: str, start: datetime) -> None:
    times = {previous_time(cron, "America/New_York", start + minutes) for minutes in _every_five_minutes(3 * DAY)}
    assert len(times) == 4
    assert len({time.date() for time in times}) == 4


def test_the_digest_in_tokyo_knows_no_summer_time_of_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    start = datetime(2026, 10, 25, tzinfo=UTC)
    times = {previous_time("0 7 * * 1", "Asia/Tokyo", start + minutes) for minutes in _every_five_minutes(14 * DAY)}
    assert {time.astimezone(UTC).strftime("%a %H:%M") for time in times} == {"Sun 22:00"}
    assert len(times) == 3


def _every_five_minutes(length: timedelta) -> list[timedelta]:
    return [timedelta(minutes=count) for count in range(0, int(length.total_seconds() // 60), 5)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59+00:00"),
        ("Sat, 31 Dec 2016 23:59:60 GMT", "2016-12-31T23:59:59+00:00"),
        ("2028-02-29", "2028-02-29T00:00:00+09:00"),
        ("Feb. 29, 2027", None),
    ],
)
def test_leap_seconds_and_leap_days_are_read(text: str, expected: str | None) -> None:
    found = parse_date(text, "Asia/Tokyo")
    assert (found.isoformat() if found else None) == expected
