"""The weekly digest flow: choose the week's articles, build the digest, write its files, record that it was built.

python flows/weekly_digest.py                        the last complete week
alliancewatch digest --week 2026-W46                 the same week from the command line, without Prefect
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from alliancewatch.flow_setup import configure, hush_own_errors, one_line_errors

with one_line_errors():
    configure()

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from pydantic import Field

from alliancewatch.deliver import require_delivered
from alliancewatch.digest_run import BuiltDigest, DigestRun
from alliancewatch.errors import DeliveryDeferredError


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
    require_delivered(run.week.label, deliveries)


@flow(name="weekly-digest")
def weekly_digest(
    week: Annotated[str, Field(pattern=r"^\d{4}-W\d{2}$")] | None = None,
    as_of: datetime | None = None,
    now: datetime | None = None,
    out: str | None = None,
    send: bool = False,
    to: list[str] | None = None,
    force: bool = False,
    home: str | None = None,
    config: str | None = None,
) -> list[str]:
    """Build one week's digest; returns the paths of its files.

    Args:
        week: such as `2026-W46`; the last complete week when not given.
        as_of: show what the warehouse held at this instant; the Monday 07:00 in Tokyo after the week when not given.
        now: the run's clock, for a replay; the present when not given.
        out: folder for the files, when it is not `digests/<week>/` of the home.
        send: mail it to those who have not had it.
        to: mail to these addresses instead of the recipients of `digest.yaml`.
        force: mail also a week long past, and to addresses that refused before.
        home: the home folder, when it is not the one of `ALLIANCEWATCH_HOME`.
        config: folder with config files, when it is not `config/` of the home.
    """
    run = DigestRun(
        configure(home, config),
        now=now or datetime.now(UTC),
        week=week,
        as_of=as_of,
        out=Path(out) if out else None,
    )
    recipients = run.recipients(to or [], force=force) if send else ()
    built = build(run)
    paths = write(run, built)
    if send:
        deliver(run, built, recipients, force=force)
    return paths


hush_own_errors()

if __name__ == "__main__":
    with one_line_errors():
        print(*weekly_digest(), sep="\n")
