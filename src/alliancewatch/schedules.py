"""What the schedules of `settings.yaml` have asked for and did not get, because the machine was off or the run died.

Right whatever the scheduler does with the times it missed: the warehouse says what was done, so one run makes up for
them all, and a second one finds nothing left to do.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from cronsim import CronSim

from alliancewatch.digest_run import digest_recipients, unserved_recipients
from alliancewatch.runs import open_warehouse
from alliancewatch.week import Week, last_complete_week, weeks_within_reach

if TYPE_CHECKING:
    from alliancewatch.settings import Config, ScheduleSettings

TOLERANCE = timedelta(minutes=5)
"""A scheduler on another machine may have a clock that is ahead of ours."""


def previous_time(cron: str, zone: str, now: datetime) -> datetime:
    """The last instant not after `now` at which a schedule of that cron line, in local time of `zone`, was due."""
    minute = now.astimezone(ZoneInfo(zone)).replace(second=0, microsecond=0)
    # The simulator begins before the minute it is given.
    return next(CronSim(cron, minute + timedelta(minutes=1), reverse=True))


def due_weeks(schedule: ScheduleSettings, now: datetime) -> list[Week]:
    """The weeks whose digest the schedule has asked for and that are not too old to send, oldest first."""
    asked_at = previous_time(schedule.digest, schedule.zone, now + TOLERANCE)
    return [week for week in weeks_within_reach(now) if week.end <= asked_at]


def due_digests(config: Config, now: datetime) -> list[tuple[Week, tuple[str, ...]]]:
    """What a digest run that was asked for no week has to make, oldest first, each with whom to mail it to.

    That is the last complete week, for all recipients, and an earlier one as far as it was missed. Before the time of
    the schedule nothing is due; then the last complete week is made to look at, and mailed to nobody.
    """
    last = last_complete_week(now)
    due = []
    for week in due_weeks(config.settings.schedule, now):
        recipients = digest_recipients(config) if week == last else unserved_recipients(config, week)
        if recipients is not None:
            due.append((week, recipients))
    return due or [(last, ())]


def digest_is_missed(config: Config, now: datetime) -> bool:
    """Whether a week is due whose digest was not built, or has not reached everybody that it can reach."""
    return any(unserved_recipients(config, week) is not None for week in due_weeks(config.settings.schedule, now))


def ingest_is_missed(config: Config, now: datetime) -> bool:
    """Whether no ingest run has begun since the schedule asked last; in a home that has had one before."""
    if not config.warehouse_path.exists():
        return False
    schedule = config.settings.schedule
    (row,) = open_warehouse(config).select("run_times", kind="ingest")
    return row["last_started_at"] is not None and row["last_started_at"] < previous_time(
        schedule.ingest, schedule.zone, now
    )


def ingest_is_made_up(config: Config, scheduled_at: datetime) -> bool:
    """Whether an ingest run that began after `scheduled_at` has ended well, which saw all that this one would see."""
    if not config.warehouse_path.exists():
        return False
    (row,) = open_warehouse(config).select("run_times", kind="ingest")
    return row["last_done_at"] is not None and row["last_done_at"] > scheduled_at
