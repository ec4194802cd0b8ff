"""`init`, `ingest` and `digest`: a home, and the runs in it."""

from __future__ import annotations

import os
import shutil
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alliancewatch.cli.flows import load_flow
from alliancewatch.cli.shared import (
    ConfigOption,
    JsonOption,
    columns,
    load,
    now,
    one_line,
    parse_instant,
    print_ack,
    print_json,
    say,
)
from alliancewatch.errors import UsageError
from alliancewatch.flow_setup import prefect_errors

if TYPE_CHECKING:
    from alliancewatch.runs import RunReport
    from alliancewatch.settings import Config


def init(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="[DIR]", help="The new home; default: ALLIANCEWATCH_HOME, else the current folder."),
    ] = None,
) -> None:
    """Make a home with the default config to edit. Files that are there already stay as they are.

    Example: alliancewatch init watch && ALLIANCEWATCH_HOME=watch alliancewatch ingest --dry-run
    """
    stated = os.environ.get("ALLIANCEWATCH_HOME")
    home = (folder or (Path(stated).expanduser() if stated else Path())).resolve()
    for path, is_new in make_home(home):
        say(f"{'wrote' if is_new else 'kept '} {path}")
    typer.echo(f"home: {home}")
    typer.echo(f"next: set `fetch.contact` in {home / 'config' / 'settings.yaml'}")
    typer.echo(f"then: ALLIANCEWATCH_HOME={home} alliancewatch ingest --dry-run")


def make_home(folder: Path) -> list[tuple[Path, bool]]:
    """Writes each config file that is not there yet; returns path and whether it was written. Raises `UsageError`."""
    from alliancewatch.resources import resource
    from alliancewatch.settings import CONFIG_FILES

    target = folder / "config"
    files = []
    try:
        target.mkdir(parents=True, exist_ok=True)
        for name in CONFIG_FILES:
            is_new = not (target / name).exists()
            if is_new:
                shutil.copyfile(resource("config", name), target / name)
            files.append((target / name, is_new))
    except OSError as error:
        raise UsageError(f"cannot make a home: `{folder}`: {error.strerror or error}") from None
    return files


def ingest(
    source: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Only this source; may be given again.")
    ] = None,
    since: Annotated[str | None, typer.Option(metavar="T", help="Leave out what is dated before this.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Poll and list what is due; fetch and store nothing.")
    ] = False,
    ack: Annotated[bool, typer.Option("--ack", help="Print `ACK <article id>` once a row is durable.")] = False,
    no_prefect: Annotated[
        bool, typer.Option("--no-prefect", help="The same steps without Prefect: faster to start, and when it cannot.")
    ] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Run the ingest flow once.

    Example: alliancewatch ingest --source sankei --source japan-forward
    """
    loaded = load(config)
    loaded.sources.choose(source or [])
    oldest = parse_instant(since) if since else None
    if dry_run:
        _list_due(loaded, source or [], oldest, as_json=as_json)
        return
    report = (
        _ingest_plainly(loaded, source or [], oldest, ack=ack)
        if no_prefect
        else _ingest_flow(loaded, source or [], oldest, ack=ack, folder=config)
    )
    if as_json:
        print_json({"run_id": report.run_id, "outcomes": dict(report.counts), "sources": report.sources})
    else:
        _print_report(report)
    if report.failed:
        raise typer.Exit(1)


def _ingest_flow(
    loaded: Config, source_ids: list[str], since: datetime | None, *, ack: bool, folder: Path | None
) -> RunReport:
    with prefect_errors():
        report: RunReport = load_flow("ingest", loaded.home).ingest(
            sources=source_ids,
            since=since,
            ack=ack,
            home=str(loaded.home),
            config=str(folder) if folder else None,
        )
    return report


def _ingest_plainly(loaded: Config, source_ids: list[str], since: datetime | None, *, ack: bool) -> RunReport:
    from alliancewatch.alerts import told
    from alliancewatch.runs import IngestRun, require_plausible_clock

    with told(loaded, "ingest", now):
        require_plausible_clock(loaded, now())
        with IngestRun(
            loaded, clock=now, source_ids=source_ids, since=since, on_stored=print_ack if ack else None
        ) as run:
            run.poll()
            run.fetch()
            run.interpret()
            return run.finish()


def _list_due(loaded: Config, source_ids: list[str], since: datetime | None, *, as_json: bool) -> None:
    from alliancewatch.fetch import Fetcher
    from alliancewatch.runs import look_for_due, open_warehouse

    has_warehouse = loaded.warehouse_path.exists()
    with Fetcher(loaded.settings.fetch, clock=now) as fetcher:
        looked = look_for_due(
            loaded.sources.choose(source_ids),
            fetcher,
            open_warehouse(loaded) if has_warehouse else None,
            loaded.settings.ingest,
            clock=now,
            keep=lambda _: None,
            since=since,
        )
    for candidate in looked.due:
        if as_json:
            print_json(candidate)
        else:
            typer.echo(columns(candidate.source_id, candidate.url, candidate.title or ""))
    for poll in looked.polls:
        if poll.outcome not in ("ok", "not_modified"):
            say(one_line(f"{poll.outcome}: {poll.source_id}: {poll.url}: {poll.reason}"))
    say(f"{len(looked.due)} pages are due; nothing was fetched or stored")


def _print_report(report: RunReport) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE)
    for heading in ("source", "fetched", "new", "revised", "partial", "failed"):
        table.add_column(heading, justify="left" if heading == "source" else "right")
    table.add_column("reason", overflow="fold")
    for line in report.sources:
        counts = (line.fetched, line.new, line.revised, line.partial, line.failed)
        table.add_row(line.source_id, *map(str, counts), one_line("; ".join(line.reasons)))
    Console(highlight=False, markup=False).print(table)
    total = ", ".join(f"{count} {outcome}" for outcome, count in report.counts) or "no page was due"
    typer.echo(f"run {report.run_id}: {total}")


def digest(
    week: Annotated[str | None, typer.Option(metavar="2026-W47", help="Default: the last complete week.")] = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="TS", help="Show what the warehouse held at this instant.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Default: digests/<week>/ of the home.")] = None,
    send: Annotated[bool, typer.Option("--send", help="Mail it to those who have not had it yet.")] = False,
    to: Annotated[
        list[str] | None, typer.Option(metavar="ADDR", help="Mail to this address only; may be given again.")
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Mail also a week long past or not over, and to addresses that refused before."),
    ] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Build the digest of one week: HTML, text, JSON and a complete message. With `--send`, mail it.

    Example: alliancewatch digest --week 2026-W46 --out /tmp/digest
    """
    from alliancewatch.alerts import told

    if (to or force) and not send:
        raise UsageError("`--to` and `--force` are about mail", hint="add `--send`")
    loaded = load(config)
    with told(loaded, "weekly-digest", now):
        _digest(loaded, week, as_of, out, send=send, to=to or [], force=force, as_json=as_json)


def _digest(
    loaded: Config,
    week: str | None,
    as_of: str | None,
    out: Path | None,
    *,
    send: bool,
    to: list[str],
    force: bool,
    as_json: bool,
) -> None:
    from alliancewatch.deliver import require_delivered
    from alliancewatch.digest_run import DigestRun
    from alliancewatch.runs import require_plausible_clock

    require_plausible_clock(loaded, now())
    run = DigestRun(loaded, now=now(), week=week, as_of=parse_instant(as_of) if as_of else None, out=out)
    recipients = run.recipients(to, force=force) if send else ()
    built = run.build()
    paths = run.write(built)
    shown = built.digest.counts.shown
    if not as_json:
        for path in paths:
            typer.echo(path)
    say(f"{shown} articles in the digest of {run.week.label}, as of {run.as_of.isoformat()}")
    deliveries = run.deliver(built, recipients, clock=now, force=force) if send else []
    for delivery in deliveries:
        say(one_line(f"{delivery.state}: {delivery.recipient}: {delivery.detail}"))
    if as_json:
        answer = {"week": run.week.label, "as_of": run.as_of, "items": shown, "files": [str(path) for path in paths]}
        print_json(answer | ({"deliveries": deliveries} if send else {}))
    if send:
        run.publish()
    require_delivered(run.week.label, deliveries)
