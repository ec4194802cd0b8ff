"""The maintenance flow: checkpoint, checks, backup and its trial, retention, leftovers.

python flows/maintenance.py              once
alliancewatch maintain --dry-run         what is due, without Prefect

Each step is a function of `alliancewatch.maintenance` that can be called by hand.
"""

from datetime import UTC, datetime

from alliancewatch.flow_setup import configure, hush_own_errors, one_line_errors, tell_failure, tell_success

with one_line_errors():
    configure()

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE

from alliancewatch.flow_parameters import Folder, Instant
from alliancewatch.maintenance import Step, require_maintained
from alliancewatch.maintenance import maintain as steps_of
from alliancewatch.settings import Config


@task(cache_policy=NO_CACHE)
def maintain(settings: Config, now: datetime) -> list[Step]:
    """Do what is due, step by step."""
    steps = []
    for step in steps_of(settings, now=now):
        get_run_logger().info("%s: %s: %s", step.state, step.name, step.detail)
        steps.append(step)
    return steps


@flow(name="maintenance", on_failure=[tell_failure], on_crashed=[tell_failure], on_completion=[tell_success])
def maintenance(now: Instant | None = None, home: Folder | None = None, config: Folder | None = None) -> list[Step]:
    """The nightly upkeep; fails when one of its steps did, after the others.

    Args:
        now: the run's clock, for a replay; the present when not given.
        home: the home folder, when it is not the one of `ALLIANCEWATCH_HOME`.
        config: folder with config files, when it is not `config/` of the home.
    """
    steps = maintain(configure(home, config), now or datetime.now(UTC))
    require_maintained(steps)
    return steps


hush_own_errors()

if __name__ == "__main__":
    with one_line_errors():
        for step in maintenance():
            print(f"{step.state}: {step.name}: {step.detail}")
