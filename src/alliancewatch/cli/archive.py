"""`reclean` and `archive prune`: old pages under new rules, and how long raw pages are kept."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from alliancewatch.cli.shared import ConfigOption, JsonOption, load, now, one_line, parse_instant, print_json, say

if TYPE_CHECKING:
    from alliancewatch.reclean import Change

archive_app = typer.Typer(help="The raw pages, kept as WARC files.", no_args_is_help=True)


def reclean(
    source: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Only this source; may be given again.")
    ] = None,
    since: Annotated[str | None, typer.Option(metavar="T", help="Leave out what was fetched before this.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change; store nothing.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Interpret kept pages again under the present rules, and append what comes out differently.

    Example: alliancewatch reclean --source sankei --since 2026-11-01 --dry-run
    """
    from alliancewatch.reclean import Lost, reclean
    from alliancewatch.runs import require_plausible_clock

    loaded = load(config)
    require_plausible_clock(loaded, now())
    found = reclean(
        loaded,
        clock=now,
        source_ids=source or [],
        since=parse_instant(since) if since else None,
        dry_run=dry_run,
    )
    changed, same, gone, failed = 0, 0, 0, 0
    for item in found:
        if item is None:
            same += 1
            continue
        if isinstance(item, Lost):
            gone += item.is_gone
            failed += not item.is_gone
            if as_json:
                print_json(item)
            else:
                say(one_line(f"lost: {item.url}: {item.problem}"))
            continue
        changed += 1
        failed += item.outcome == "quarantined"
        if as_json:
            print_json(item)
        else:
            _print_change(item)
    verb = "would change" if dry_run else "changed"
    say(f"{changed} {verb}, {same} are the same, {gone} are no longer in the archive, {failed} failed")
    if failed:
        raise typer.Exit(1)


def _print_change(change: Change) -> None:
    typer.echo(one_line(f"{change.outcome}: {change.url}: {change.reason}"))
    for name, pair in (("title", change.title), ("access", change.access)):
        if pair is not None:
            typer.echo(one_line(f"  {name}: {pair[0]} → {pair[1]}"))
    for mark, texts in (
        ("+ kept", change.now_kept),
        ("- kept", change.no_longer_kept),
        ("+ cut ", change.now_cut),
        ("- cut ", change.no_longer_cut),
    ):
        for text in texts:
            typer.echo(one_line(f"  {mark} {text}"))


@archive_app.command()
def prune(
    older_than: Annotated[
        int, typer.Option("--older-than", metavar="DAYS", min=1, help="Keep what was fetched in the last DAYS days.")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go; remove nothing.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Remove WARC files whose records are all older than DAYS days. Articles and the index of the archive stay.

    Example: alliancewatch archive prune --older-than 730 --dry-run
    """
    from alliancewatch.archive import Archive
    from alliancewatch.lease import hold_lease
    from alliancewatch.runs import existing_warehouse

    loaded = load(config)
    warehouse = existing_warehouse(loaded)
    with hold_lease(loaded.home, "ingest"):
        indexed = warehouse.archive_files()
        pruned = Archive(loaded.archive_path).prune(
            indexed, older_than=now() - timedelta(days=older_than), dry_run=dry_run
        )
    for item in pruned:
        if as_json:
            print_json(item)
        else:
            typer.echo(f"{item.file}: {item.record_count} records, the newest of {item.newest_at:%Y-%m-%d}")
    total = sum(item.byte_count for item in pruned)
    say(f"{len(pruned)} files, {total:,} bytes {'would go' if dry_run else 'removed'}")
