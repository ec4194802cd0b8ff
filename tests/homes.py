"""Homes for tests: a config that watches the bundled newsstand, and runs over it without Prefect."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from alliancewatch.newsstand import Newsstand, write_sources
from alliancewatch.runs import IngestRun, RunReport
from alliancewatch.settings import Config, load_config

SETTINGS = """\
fetch: {host_interval_s: 0, allow_addresses: ["127.0.0.1"], deadline_s: 10}
ingest: {batch_size: 7}
warehouse: {wait_s: 5}
"""


def home_of(newsstand: Newsstand, home: Path) -> Config:
    """A home whose sources are the newsstand's outlets."""
    (home / "config").mkdir(parents=True)
    (home / "config" / "settings.yaml").write_text(SETTINGS, "utf-8")
    write_sources(newsstand, home / "config" / "sources.yaml")
    return load_config({}, cwd=home, home=home)


def ingest_at(config: Config, newsstand: Newsstand, instant: datetime, *source_ids: str) -> RunReport:
    """One ingest run at `instant`, the steps called one after the other."""
    newsstand.at = instant
    with IngestRun(config, clock=lambda: instant, source_ids=source_ids) as run:
        run.poll()
        run.fetch()
        run.interpret()
        return run.finish()
