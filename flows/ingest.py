"""The ingest flow: poll the sources, fetch what is due, clean and label it, append it, publish the snapshot.

    python flows/ingest.py                       one run of all sources that are on
    alliancewatch ingest --source sankei         the same, from the command line

Needs no server and no account. Four task runs whatever the number of articles: a task run costs 37 ms of CPU, cleaning
a page a few. What a task does is a method of `alliancewatch.runs.IngestRun`.
"""

import json
import sys
from datetime import UTC, datetime

from alliancewatch.flow_setup import CATCH_UP, configure, hush_own_errors, one_line_errors, tell_failure, tell_success

with one_line_errors():
    configure()

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.states import Cancelled

from alliancewatch import alerts
from alliancewatch.errors import RunInProgressError
from alliancewatch.flow_parameters import Folder, Instant, SourceIds
from alliancewatch.runs import IngestRun, RunReport, require_plausible_clock
from alliancewatch.schedules import ingest_is_made_up


@task(cache_policy=NO_CACHE)
def poll(run: IngestRun) -> int:
    """Look at every feed, sitemap and listing."""
    due = run.poll()
    get_run_logger().info("%s pages are due", due)
    return due


@task(cache_policy=NO_CACHE)
def fetch(run: IngestRun) -> int:
    """Fetch the pages that are due; each response is kept at once."""
    came = run.fetch()
    get_run_logger().info("%s pages came", came)
    return came


@task(cache_policy=NO_CACHE)
def interpret(run: IngestRun) -> int:
    """Clean and label what was kept, and append it."""
    return run.interpret()


@task(cache_policy=NO_CACHE)
def publish(run: IngestRun) -> RunReport:
    """End the run, publish the snapshot, and show one line a source."""
    report = run.finish()
    create_table_artifact(
        key="ingest-run",
        table=[
            {
                "source": line.source_id,
                "fetched": line.fetched,
                "new": line.new,
                "revised": line.revised,
                "partial": line.partial,
                "failed": line.failed,
                "reason": "; ".join(line.reasons)[:300],
            }
            for line in report.sources
        ],
        description=f"run {report.run_id}",
    )
    return report


@flow(name="ingest", on_failure=[tell_failure], on_crashed=[tell_failure], on_completion=[tell_success])
def ingest(
    sources: SourceIds = [],  # noqa: B006 (Prefect shows the default in its form)
    since: Instant | None = None,
    now: Instant | None = None,
    ack: bool = False,
    home: Folder | None = None,
    config: Folder | None = None,
) -> RunReport | State[RunReport]:
    """One ingest run; a scheduled one that another run has made up for, or is in the way of, ends as Cancelled.

    Args:
        sources: ids from `sources.yaml`; none means all that are on.
        since: leave out what is dated before this instant.
        now: the run's clock, for a replay; the present when not given.
        ack: print `ACK <article id>` on stdout when a row is durable.
        home: the home folder, when it is not the one of `ALLIANCEWATCH_HOME`.
        config: folder with config files, when it is not `config/` of the home.
    """
    settings = configure(home, config)
    if now is None:
        require_plausible_clock(settings, datetime.now(UTC))
    scheduled_at = _scheduled_at()
    if scheduled_at is not None and ingest_is_made_up(settings, scheduled_at):
        return Cancelled(message=f"made up for: a run that began after {scheduled_at.isoformat()} has ended well")
    clock = (lambda: now) if now else (lambda: datetime.now(UTC))
    run = IngestRun(settings, clock=clock, source_ids=sources, since=since, on_stored=_print_ack if ack else None)
    try:
        with run:
            poll(run)
            fetch(run)
            interpret(run)
            report = publish(run)
    except RunInProgressError as error:
        if scheduled_at is None:
            raise
        alerts.tell_failure(
            settings, "ingest", error, now=datetime.now(UTC)
        )  # which it is only if it goes on for hours
        return Cancelled(message=error.message)
    if scheduled_at is not None:  # nobody sees its report
        report.require_answers()
    return report


def _scheduled_at() -> datetime | None:
    """When the schedule, or `serve` in its place, wanted this run; None for one that somebody triggered."""
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    return run.expected_start_time if run and (run.auto_scheduled or CATCH_UP in run.tags) else None


def _print_ack(article_id: str) -> None:
    sys.stdout.write(f"ACK {article_id}\n")
    sys.stdout.flush()


hush_own_errors()

if __name__ == "__main__":
    with one_line_errors():
        report = ingest()
    assert isinstance(report, RunReport)  # a state only when a schedule started it
    print(json.dumps(dict(report.counts)))
    sys.exit(1 if report.failed else 0)
