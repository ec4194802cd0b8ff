"""`demo`: the whole job, offline, on the bundled newsstand."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alliancewatch.cli.flows import load_flow
from alliancewatch.cli.runs import make_home
from alliancewatch.cli.shared import one_line, say
from alliancewatch.errors import DemoError, UsageError

if TYPE_CHECKING:
    from alliancewatch.newsstand import Newsstand
    from alliancewatch.runs import RunReport

SETTINGS = """\
# The demo's settings: its publishers live on this machine, so nobody needs to be spared.
fetch:
  contact: demo@localhost
  host_interval_s: 0
  allow_addresses: ["127.0.0.1"]
"""

DIGEST = """\
# The demo's readers. Their mail server is part of the demo too.
recipients: [analyst@thinktank.example, desk@embassy.example]
"""

EXAMPLE_QUERY = "from articles select title, primary_topic, access"

WEEKS = ("2026-W45", "2026-W46", "2026-W47")
READERS = 2


def demo(
    keep: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder that becomes a complete home; may exist when empty.")
    ] = None,
) -> None:
    """Run the whole job offline: bundled newsstand, ingest and digest flows, mail server; says where everything is.

    Three weeks pass in a minute. Settings of the environment do not count, so nothing outside is touched.

    Example: alliancewatch demo --keep demo-home
    """
    from alliancewatch.newsstand import Newsstand, write_sources
    from alliancewatch.newsstand.mailbox import Mailbox
    from alliancewatch.week import parse_week

    started = time.monotonic()
    home = _empty_home(keep)
    say(f"home: {home}")
    weeks = [parse_week(label) for label in WEEKS]
    with Newsstand(at=weeks[0].start) as newsstand, Mailbox(home / "mailbox") as mailbox:
        _set_environment(home, mailbox.port)
        (home / "config").mkdir()
        (home / "config" / "settings.yaml").write_text(SETTINGS, "utf-8")
        (home / "config" / "digest.yaml").write_text(DIGEST, "utf-8")
        write_sources(newsstand, home / "config" / "sources.yaml")
        make_home(home)
        say(f"newsstand: {len(newsstand.addresses)} outlets and a mail server on loopback; the clock is moved")
        for week in weeks:
            for instant in (week.start + timedelta(days=3, hours=12), week.end - timedelta(hours=1)):
                newsstand.at = instant
                report = load_flow("ingest", home).ingest(home=str(home), now=instant)
                counts = ", ".join(f"{count} {outcome}" for outcome, count in report.counts)
                say(f"{instant:%a %d %b %H:%M} UTC  ingest: {counts}")
                _require_as_meant(newsstand, report, instant)
            digests = load_flow("weekly_digest", home).weekly_digest(home=str(home), now=week.cut)
            say(f"{week.cut:%a %d %b %H:%M} UTC  digest of {week.label}, mailed to {READERS} readers")
        if len(mailbox.recipients) != READERS * len(weeks):
            raise DemoError(
                f"mail did not arrive: `{home}`: {len(mailbox.recipients)} messages, expected {READERS * len(weeks)}"
            )
    for path in digests:
        typer.echo(f"digest:    {path}")
    typer.echo(f"mail:      {home / 'mailbox'}, {len(mailbox.recipients)} messages as they arrived")
    typer.echo(f"warehouse: {home / 'warehouse' / 'snapshot.duckdb'}")
    typer.echo(f"ask it:    ALLIANCEWATCH_HOME={home} {sys.argv[0]} sql {EXAMPLE_QUERY!r}")
    say(f"done in {time.monotonic() - started:.0f} s")


def _set_environment(home: Path, smtp_port: int) -> None:
    """Leaves nothing of the caller's settings, which may name a real mail server or Prefect's."""
    for name in [name for name in os.environ if name.startswith(("ALLIANCEWATCH_", "PREFECT_"))]:
        del os.environ[name]
    os.environ |= {
        "ALLIANCEWATCH_HOME": str(home),
        "ALLIANCEWATCH_SMTP_HOST": "127.0.0.1",
        "ALLIANCEWATCH_SMTP_PORT": str(smtp_port),
        "ALLIANCEWATCH_SMTP_STARTTLS": "false",
    }


def _require_as_meant(newsstand: Newsstand, report: RunReport, at: datetime) -> None:
    """Says which sources failed. Raises `DemoError` for one that the newsstand did not mean to, or if nothing came."""
    outlets = newsstand.world.outlets
    for line in report.sources:
        if not line.failed:
            continue
        outlet = outlets[line.source_id]
        if not any(outage.covers(outlet.feed_path, at) for outage in outlet.outages):
            raise DemoError(f"source failed: `{line.source_id}`: {'; '.join(line.reasons)}")
        say(one_line(f"{'':22}  failed, as the newsstand means it to: {line.source_id}: {'; '.join(line.reasons)}"))
    if not dict(report.counts).get("stored"):
        raise DemoError(f"nothing was stored: run `{report.run_id}`: expected new articles")


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
