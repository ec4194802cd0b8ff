"""The weekly digest flow: choose the week's articles, build the digest, write its files, record it, mail it.

python flows/weekly_digest.py                        what is due: the last complete week, and one that was missed
alliancewatch digest --week 2026-W46                 one week from the command line, without Prefect

What is due is mailed if a mail server and recipients are set; a week that is named, only with `send`.
"""

from datetime import UTC, datetime
from pathlib import Path

from alliancewatch.flow_setup import configure, hush_own_errors, one_line_errors, tell_failure, tell_success

with one_line_errors():
    configure()

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State

from alliancewatch.alerts import tell_sources
from alliancewatch.deliver import require_delivered
from alliancewatch.digest_run import BuiltDigest, DigestRun
from alliancewatch.errors import DeliveryDeferredError, DeliveryError
from alliancewatch.flow_parameters import Folder, Instant, MailAddresses, WeekLabel
from alliancewatch.lease import hold_lease
from alliancewatch.runs import require_plausible_clock
from alliancewatch.schedules import due_digests


@task(cache_policy=NO_CACHE)
def build(run: DigestRun) -> BuiltDigest:
    """Choose the week's articles and build the digest from them."""
    return run.build()


@task(cache_policy=NO_CACHE)
def write(run: DigestRun, built: BuiltDigest) -> list[str]:
    """Write the digest's files and record it in the warehouse."""
    paths = run.write(built)
    text = dict(built.files)["digest.txt"].decode()
    create_markdown_artifact(key="weekly-digest", markdown=text, description=f"digest of {built.digest.week}")
    return [str(path) for path in paths]


def _may_pass(_task: object, _task_run: object, state: State[object]) -> bool:
    return isinstance(state.result(raise_on_failure=False), DeliveryDeferredError)


@task(cache_policy=NO_CACHE, retries=3, retry_delay_seconds=[120, 600, 1800], retry_condition_fn=_may_pass)
def deliver(run: DigestRun, built: BuiltDigest, recipients: tuple[str, ...], *, force: bool) -> None:
    """Mail the digest to those who have not had it; later once more when no server would take it now."""
    deliveries = run.deliver(built, recipients, clock=lambda: datetime.now(UTC), force=force)
    for delivery in deliveries:
        get_run_logger().info("%s: %s: %s", delivery.state, delivery.recipient, delivery.detail)
    run.publish()
    require_delivered(run.week.label, deliveries)


@flow(name="weekly-digest", on_failure=[tell_failure], on_crashed=[tell_failure], on_completion=[tell_success])
def weekly_digest(
    week: WeekLabel | None = None,
    as_of: Instant | None = None,
    now: Instant | None = None,
    out: Folder | None = None,
    send: bool = False,
    to: MailAddresses | None = None,
    force: bool = False,
    home: Folder | None = None,
    config: Folder | None = None,
) -> list[str]:
    """Build one week's digest, or those that are due; returns the paths of their files.

    Without `week`, `as_of` and `out` that is the last complete week, and before it an earlier one that was missed; they
    are mailed where mail is set, and the operator is told of sources that fell silent.

    Args:
        week: such as `2026-W46`.
        as_of: show what the warehouse held at this instant; the Monday 07:00 in Tokyo after the week when not given.
        now: the run's clock, for a replay; the present when not given.
        out: folder for the files, when it is not `digests/<week>/` of the home.
        send: mail it to those who have not had it.
        to: mail to these addresses instead of the recipients of `digest.yaml`.
        force: mail also a week long past or not over, and to addresses that refused before.
        home: the home folder, when it is not the one of `ALLIANCEWATCH_HOME`.
        config: folder with config files, when it is not `config/` of the home.
    """
    settings = configure(home, config)
    instant = now or datetime.now(UTC)
    if now is None:
        require_plausible_clock(settings, instant)
    with hold_lease(settings.home, "digest"):
        if week or as_of or out or send or to:
            run = DigestRun(settings, now=instant, week=week, as_of=as_of, out=Path(out) if out else None)
            return _make(run, run.recipients(to or [], force=force) if send else (), force=force)
        paths: list[str] = []
        failures: list[DeliveryError] = []
        for due, recipients in due_digests(settings, instant):
            try:
                run = DigestRun(settings, now=instant, week=due.label)
                paths += _make(run, run.recipients(recipients) if recipients else ())
            except DeliveryError as error:
                failures.append(error)
        for alarm in tell_sources(settings, now=instant):
            get_run_logger().warning("%s", alarm)
    if failures:
        raise failures[-1]
    return paths


def _make(run: DigestRun, recipients: tuple[str, ...], *, force: bool = False) -> list[str]:
    built = build(run)
    paths = write(run, built)
    if recipients:
        deliver(run, built, recipients, force=force)
    return paths


hush_own_errors()

if __name__ == "__main__":
    with one_line_errors():
        print(*weekly_digest(), sep="\n")
