"""`demo`: the whole job, offline, on the bundled newsstand."""

from __future__ import annotations

import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from alliancewatch.cli.flows import load_flow
from alliancewatch.cli.runs import make_home
from alliancewatch.cli.shared import one_line, say
from alliancewatch.errors import UsageError

SETTINGS = """\
# The demo's settings: its publishers live on this machine, so nobody needs to be spared.
fetch:
  contact: demo@localhost
  host_interval_s: 0
  allow_addresses: ["127.0.0.1"]
"""

EXAMPLE_QUERY = "from articles select title, primary_topic, access"

WEEKS = ("2026-W45", "2026-W46")


def demo(
    keep: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder that becomes a complete home; may exist when empty.")
    ] = None,
) -> None:
    """Run the whole job offline: bundled newsstand, ingest flow, digest flow; says where everything is.

    Example: alliancewatch demo --keep demo-home
    """
    from alliancewatch.newsstand import Newsstand, write_sources
    from alliancewatch.week import parse_week

    started = time.monotonic()
    home = _empty_home(keep)
    say(f"home: {home}")
    weeks = [parse_week(label) for label in WEEKS]
    digests: list[str] = []
    with Newsstand(at=weeks[0].start) as newsstand:
        (home / "config").mkdir()
        (home / "config" / "settings.yaml").write_text(SETTINGS, "utf-8")
        write_sources(newsstand, home / "config" / "sources.yaml")
        make_home(home)
        say(f"newsstand: {len(newsstand.addresses)} outlets on loopback; two weeks pass, the clock is moved")
        for week in weeks:
            for instant in (week.start + timedelta(days=3, hours=12), week.end - timedelta(hours=1)):
                newsstand.at = instant
                report = load_flow("ingest", home).ingest(home=str(home), now=instant)
                counts = ", ".join(f"{count} {outcome}" for outcome, count in report.counts)
                say(f"{instant:%a %d %b %H:%M} UTC  ingest: {counts}")
            digests = load_flow("weekly_digest", home).weekly_digest(home=str(home), now=week.cut)
            say(f"{week.cut:%a %d %b %H:%M} UTC  digest of {week.label}")
        failed = [line for line in report.sources if line.failed]
    for line in failed:
        say(one_line(f"failed, as the newsstand means it to: {line.source_id}: {'; '.join(line.reasons)}"))
    for path in digests:
        typer.echo(f"digest:    {path}")
    typer.echo(f"warehouse: {home / 'warehouse' / 'snapshot.duckdb'}")
    typer.echo(f"ask it:    ALLIANCEWATCH_HOME={home} {sys.argv[0]} sql {EXAMPLE_QUERY!r}")
    say(f"done in {time.monotonic() - started:.0f} s")


def _empty_home(keep: Path | None) -> Path:
    if keep is None:
        return Path(tempfile.mkdtemp(prefix="alliancewatch-demo-"))
    if keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        raise UsageError(f"not an empty folder: `{keep}`", hint="name one that is empty or does not exist yet")
    try:
        keep.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make a home: `{keep}`: {error.strerror or error}") from None
    return keep.resolve()
