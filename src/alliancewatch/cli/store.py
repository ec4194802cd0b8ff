"""`import` and `sql`: pages into the warehouse, and questions to it. Neither meets Prefect."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from alliancewatch.cli.shared import (
    ConfigOption,
    JsonOption,
    load,
    now,
    one_line,
    parse_instant,
    print_ack,
    print_json,
    progress,
    say,
)
from alliancewatch.errors import UsageError


class SqlFormat(StrEnum):
    """How the rows of an answer are written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


def import_pages(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", help="Saved pages: .html, .txt, .warc, each also .gz, or folders."),
    ],
    url: Annotated[str | None, typer.Option(help="The address of the one page given.")] = None,
    source: Annotated[str | None, typer.Option(metavar="ID", help="Source id; default: by host.")] = None,
    fetched_at: Annotated[
        str | None, typer.Option(metavar="T", help="When the pages were fetched; they count as known from then.")
    ] = None,
    ack: Annotated[bool, typer.Option("--ack", help="Print `ACK <article id>` once a row is durable.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Take saved pages through the same steps as an ingest run, without network and without Prefect.

    Example: alliancewatch import saved/ --fetched-at 2026-11-16T09:00+09:00 --json
    """
    from alliancewatch.model import FAILED_OUTCOMES
    from alliancewatch.runs import count_outcomes, import_pages, require_plausible_clock
    from alliancewatch.saved_pages import find_files
    from alliancewatch.sources import IMPORTED
    from alliancewatch.urls import canonical_url

    if url is not None and canonical_url(url) is None:
        raise UsageError(f"not a web address: `{url}`: expected http:// or https:// and a host")
    loaded = load(config)
    files = find_files(paths)
    if url is not None and len(files) != 1:
        raise UsageError(f"`--url` goes with one page: found {len(files)} files")
    if source not in (None, IMPORTED):
        loaded.sources.choose([source])
    require_plausible_clock(loaded, now())
    imported = import_pages(
        loaded,
        progress(files, label="importing"),
        clock=now,
        url=url,
        source_id=source,
        fetched_at=parse_instant(fetched_at) if fetched_at else None,
        on_stored=print_ack if ack else None,
    )
    results = []
    for page in imported:
        results.append(page.result)
        if as_json:
            print_json(
                {
                    "path": page.name,
                    "url": page.result.url,
                    "source_id": page.result.source_id,
                    "outcome": page.result.outcome,
                    "reason": page.result.reason,
                    "article_id": page.result.article_id,
                    "revision": page.result.revision,
                    "access": page.result.access,
                    "capture_id": page.result.capture_id,
                }
            )
        elif page.result.outcome in FAILED_OUTCOMES:
            say(one_line(f"{page.result.outcome}: {page.name}: {page.result.reason}"))
    counts = ", ".join(f"{count} {outcome}" for outcome, count in count_outcomes(results).items())
    say(f"{len(results)} pages: {counts or 'none'}")
    if any(result.outcome in FAILED_OUTCOMES for result in results):
        raise typer.Exit(1)


def sql(
    statement: Annotated[str, typer.Argument(metavar='"SELECT ..."', help="One statement; reads only.")],
    output_format: Annotated[SqlFormat, typer.Option("--format", help="How the rows are printed.")] = SqlFormat.TABLE,
    config: ConfigOption = None,
) -> None:
    """Ask the warehouse in SQL, read-only, on its published snapshot.

    Example: alliancewatch sql "select source_id, count(*) from articles group by all"
    """
    from alliancewatch.runs import open_warehouse

    loaded = load(config)
    settings = loaded.settings.warehouse
    answer = open_warehouse(loaded).run_sql(
        statement, output_format.value, timeout_s=settings.sql_timeout_s, memory_limit=settings.sql_memory_limit
    )
    if answer.note:
        say(answer.note)
    sys.stdout.buffer.write(answer.output)
    sys.stdout.buffer.flush()
