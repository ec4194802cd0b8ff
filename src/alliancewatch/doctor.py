"""What is configured, reachable, stale or out of date in a home, and the command that mends it.

Nothing here writes, and nothing raises: a home that is broken is what it is for. Each check is a function of an
`Examination` that can be called by hand; what it needs and cannot have (no config, no warehouse) leaves it out.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from alliancewatch.archive import Archive, RecordPlace
from alliancewatch.backup import backups_in, read_manifest
from alliancewatch.boilerplate import BoilerplateRules
from alliancewatch.classify import Taxonomy
from alliancewatch.deliver import probe_server
from alliancewatch.digest import DigestSettings
from alliancewatch.errors import AllianceWatchError, ArchiveGoneError, WarehouseBusyError
from alliancewatch.lease import lease_holder
from alliancewatch.maintenance import DRILL_NOTE
from alliancewatch.resources import resource
from alliancewatch.runs import CLOCK_BOUNDS, CLOCK_SLACK, open_warehouse
from alliancewatch.schedules import digest_is_missed, previous_time
from alliancewatch.settings import CONFIG_FILES, Settings
from alliancewatch.sources import SourceCatalogue
from alliancewatch.warehouse import FileState, inspect_file, read_rows

if TYPE_CHECKING:
    from pydantic import BaseModel

    from alliancewatch.settings import Config

LOW_BYTES, FULL_BYTES = 1024**3, 100 * 1024**2
"""Free room below which to think of it, and below which runs begin to fail."""

FAILING_LOOKS = 24
"""Looks in a row that brought nothing, after which a source is worth a person's time: a day of hourly runs."""

LOOKED_BACK = timedelta(days=30)
SAMPLE_COUNT = 20

_MODELS: dict[str, type[BaseModel]] = {
    "settings.yaml": Settings,
    "sources.yaml": SourceCatalogue,
    "topics.yaml": Taxonomy,
    "boilerplate.yaml": BoilerplateRules,
    "digest.yaml": DigestSettings,
}
_RULES = ("topics.yaml", "boilerplate.yaml")
_PINNED = ("duckdb", "prefect", "sqlalchemy", "fastapi")


class Health(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    """Works, and somebody should know."""
    FAIL = "fail"
    """A run will fail, or has lost something."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    check: str
    health: Health
    found: str
    mend: str | None = None
    """What to type or do; None when nothing is needed."""


class Examination:
    """A home as it is at `now`; each thing that several checks want is read once."""

    def __init__(self, config: Config, *, now: datetime) -> None:
        self.config = config
        self.now = now

    @cached_property
    def settings(self) -> Settings | None:
        """None when they cannot be read, which the check `config` tells."""
        try:
            return self.config.settings
        except AllianceWatchError:
            return None

    @cached_property
    def readable(self) -> Path | None:
        """The warehouse file; its snapshot while a run writes; None when neither can be read."""
        for path in (self.config.warehouse_path, self.config.snapshot_path):
            try:
                if path.exists() and self._is_current(inspect_file(path)):
                    return path
            except AllianceWatchError:
                continue
        return None

    @staticmethod
    def _is_current(state: FileState) -> bool:
        return state.failed_checks is not None


def examine(
    config: Config, *, now: datetime, offline: bool = False, prefect_problem: Callable[[], str | None] | None = None
) -> Iterator[Finding]:
    """All findings, in the order of reading.

    `offline` leaves out the mail server and Prefect's. `prefect_problem` asks a Prefect server that is set; the library
    knows none.
    """
    examination = Examination(config, now=now)
    checks: list[tuple[str, Callable[[Examination], Iterator[Finding]]]] = [
        ("program", _program),
        ("home", _home),
        ("config", _config),
        ("clock", _clock),
        ("warehouse", _warehouse),
        ("snapshot", _snapshot),
        ("runs", _runs),
        ("sources", _sources),
        ("archive", _archive),
        ("backup", _backup),
        ("mail", _mail if not offline else _mail_offline),
        ("alerts", _alerts),
    ]
    for name, check in checks:
        yield from _survived(name, lambda check=check: check(examination))  # type: ignore[misc]
    if prefect_problem is not None and not offline:
        yield from _survived("prefect server", lambda: _prefect_server(prefect_problem))


def _survived(name: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from check()
    except AllianceWatchError as error:
        yield Finding(name, Health.FAIL, error.message, error.hint)
    except Exception as error:
        yield Finding(name, Health.FAIL, f"cannot be examined: {type(error).__name__}: {error}")


def _program(_: Examination) -> Iterator[Finding]:
    python = ".".join(map(str, sys.version_info[:3]))
    found = [f"alliancewatch {version('alliancewatch')}", f"Python {python}"]
    outside = []
    for requirement in requires("alliancewatch") or ():
        name, stated = re.match(r"([A-Za-z0-9_.-]+)\s*([^;]*)", requirement).groups()  # type: ignore[union-attr]
        if name.lower() in _PINNED:
            try:
                found.append(f"{name} {version(name)}")
                if not _meets(version(name), stated):
                    outside.append(f"{name} {version(name)}, expected {stated.strip()}")
            except PackageNotFoundError:
                outside.append(f"{name} is not installed")
    if outside:
        yield Finding("program", Health.FAIL, "; ".join(outside), "./run.sh setup, which installs requirements.lock")
    else:
        yield Finding("program", Health.OK, ", ".join(found))
    try:
        ZoneInfo("Asia/Tokyo")
        ZoneInfo("America/New_York")
    except ZoneInfoNotFoundError as error:
        yield Finding("time zones", Health.FAIL, str(error), "pip install tzdata")


def _meets(installed: str, stated: str) -> bool:
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(stated.strip()).contains(installed, prereleases=True)


def _home(examination: Examination) -> Iterator[Finding]:
    home = examination.config.home
    if not home.is_dir():
        found = "a file" if home.exists() else "nothing"
        yield Finding("home", Health.FAIL, f"{home}: {found} is there", f"alliancewatch init {home}")
        return
    free = shutil.disk_usage(home).free
    if not os.access(home, os.W_OK):
        yield Finding("home", Health.FAIL, f"{home}: it cannot be written", "mend its owner, or the mount")
    health = Health.FAIL if free < FULL_BYTES else Health.WARN if free < LOW_BYTES else Health.OK
    mend = None if health is Health.OK else "alliancewatch archive prune --older-than 730 --dry-run; or a larger disk"
    yield Finding("home", health, f"{home}: {free / 1e9:,.1f} GB free", mend)
    running = [kind for kind in ("ingest", "import", "digest", "delivery", "maintenance") if lease_holder(home, kind)]
    if running:
        holders = ", ".join(f"{kind}: {lease_holder(home, kind)}" for kind in running)
        yield Finding("running", Health.OK, holders)


def _config(examination: Examination) -> Iterator[Finding]:
    config = examination.config
    own = [name for name in CONFIG_FILES if config.path_of(name) != resource("config", name)]
    failed = False
    for name in CONFIG_FILES:
        try:
            _ = config.settings if name == "settings.yaml" else config.read(name, _MODELS[name])
        except AllianceWatchError as error:
            failed = True
            yield Finding("config", Health.FAIL, error.message, error.hint or "mend that line")
    if not failed:
        yield Finding("config", Health.OK, f"own files: {', '.join(own) or 'none, the defaults are used'}")
        differing = [
            name for name in _RULES if config.path_of(name).read_bytes() != resource("config", name).read_bytes()
        ]
        if differing:  # `init` copies them, and the program's go on improving
            yield Finding(
                "rules",
                Health.OK,
                f"{', '.join(differing)} of this home: not the program's",
                "if you did not change them, move them away; else compare with those `alliancewatch init DIR` writes",
            )
    if examination.settings is not None and not examination.settings.fetch.contact:
        yield Finding(
            "contact", Health.WARN, "`fetch.contact` is not set: publishers cannot reach you", "set it in settings.yaml"
        )


def _clock(examination: Examination) -> Iterator[Finding]:
    now, (first, end) = examination.now, CLOCK_BOUNDS
    mend = "set the clock (timedatectl); see docs/operations.md"
    if not first <= now < end:
        yield Finding("clock", Health.FAIL, f"it shows {now:%Y-%m-%d %H:%M} UTC", mend)
        return
    last = _health(examination).get("last_at") if examination.readable else None
    if isinstance(last, datetime) and last - now > CLOCK_SLACK:
        yield Finding("clock", Health.FAIL, f"{now:%Y-%m-%d %H:%M} UTC, and a run began on {last:%Y-%m-%d}", mend)
    else:
        yield Finding("clock", Health.OK, f"{now:%Y-%m-%d %H:%M} UTC")


def _warehouse(examination: Examination) -> Iterator[Finding]:
    path = examination.config.warehouse_path
    if not path.exists():
        left = examination.config.snapshot_path.exists()
        yield Finding(
            "warehouse",
            Health.FAIL if left else Health.WARN,
            f"{path}: there is none{', though its snapshot is there' if left else ' yet'}",
            "alliancewatch restore latest --replace" if left else "alliancewatch ingest",
        )
        return
    try:
        state = inspect_file(path)
    except WarehouseBusyError as error:
        yield Finding("warehouse", Health.OK, error.message)
        return
    except AllianceWatchError as error:
        yield Finding("warehouse", Health.FAIL, error.message, "alliancewatch restore latest --replace")
        return
    rows = state.row_counts
    found = (
        f"{path.stat().st_size / 1e6:,.1f} MB, {rows.get('article', 0):,} articles, {rows.get('capture', 0):,} pages"
    )
    if state.failed_checks is None:
        yield Finding(
            "warehouse",
            Health.WARN,
            f"{found}; its last migration is {state.migration}",
            "any run brings it up to date",
        )
    for check in state.failed_checks or ():
        mend = f"report it; alliancewatch sql works on; the query is warehouse/checks/{check.name}.sql"
        yield Finding("warehouse", Health.FAIL, f"{check.name}: {check.row_count} rows are wrong", mend)
    if not state.failed_checks and state.failed_checks is not None:
        yield Finding("warehouse", Health.OK, f"{found}; all checks hold")


def _snapshot(examination: Examination) -> Iterator[Finding]:
    if not examination.config.warehouse_path.exists():
        return
    state = open_warehouse(examination.config).snapshot_state()
    if state is None:
        yield Finding("snapshot", Health.WARN, "there is none", "alliancewatch maintain")
    elif not state.is_current:
        yield Finding(
            "snapshot", Health.WARN, f"of {_age(examination, state.data_at)}: {state.reason}", "alliancewatch maintain"
        )
    else:
        yield Finding("snapshot", Health.OK, "current")


def _health(examination: Examination) -> dict[str, object]:
    assert examination.readable is not None
    (row,) = read_rows(examination.readable, "health", since=examination.now - LOOKED_BACK)
    return row


def _runs(examination: Examination) -> Iterator[Finding]:
    settings = examination.settings
    if examination.readable is None or settings is None:
        return
    health, now = _health(examination), examination.now
    done = health["ingest_done_at"]
    due = previous_time(settings.schedule.ingest, settings.schedule.zone, now)
    before_due = previous_time(settings.schedule.ingest, settings.schedule.zone, due - timedelta(minutes=1))
    if not isinstance(done, datetime):
        yield Finding("ingest", Health.WARN, "no run has ended well yet", "alliancewatch ingest")
    elif done < before_due:
        yield Finding(
            "ingest", Health.WARN, f"last good run {_age(examination, done)}", "alliancewatch serve, or ingest"
        )
    else:
        yield Finding("ingest", Health.OK, f"last good run {_age(examination, done)}")
    digest = health["digest_done_at"]
    found = f"last made {_age(examination, digest)}" if isinstance(digest, datetime) else "none was made yet"
    if isinstance(done, datetime) and examination.config.snapshot_path.exists() and _digest_is_late(examination):
        yield Finding("digest", Health.WARN, f"{found}; one is due", "alliancewatch digest --send")
    else:
        yield Finding("digest", Health.OK, found)
    if health["unended_count"]:
        yield Finding(
            "killed runs",
            Health.OK,
            f"{health['unended_count']} began and never ended, the last is {health['unended']}; what they kept is used",
        )
    if health["pending_count"]:
        found = f"{health['pending_count']} pages are kept and not interpreted"
        yield Finding("pages", Health.WARN, found, "alliancewatch ingest --no-prefect")
    if health["quarantined_count"]:
        found = f"{health['quarantined_count']} pages broke the cleaner in 30 days"
        yield Finding("quarantine", Health.WARN, found, "update, then alliancewatch reclean; report outcomes.trace")


def _digest_is_late(examination: Examination) -> bool:
    state = open_warehouse(examination.config).snapshot_state()
    # Asking anything of a snapshot that is behind would publish it first.
    return state is not None and state.is_current and digest_is_missed(examination.config, examination.now)


def _sources(examination: Examination) -> Iterator[Finding]:
    config = examination.config
    catalogue = config.sources
    enabled = {source.id for source in catalogue.enabled()}
    yield Finding(
        "sources",
        Health.OK if enabled else Health.FAIL,
        f"{len(enabled)} of {len(catalogue.sources)} are on",
        None if enabled else "set `enabled: true` in sources.yaml",
    )
    if examination.readable is None:
        return
    by_source: dict[str, list[dict[str, object]]] = defaultdict(list)
    for row in read_rows(examination.readable, "feed_states"):
        if row["source_id"] in enabled:
            by_source[row["source_id"]].append(row)
    mend = "alliancewatch fetch on its feed shows the answer; mend it in sources.yaml, or set `enabled: false`"
    for source_id, rows in sorted(by_source.items()):
        good = [row["last_ok_at"] for row in rows if isinstance(row["last_ok_at"], datetime)]
        looks = max(int(str(row["failure_count"])) for row in rows)
        if not good:
            yield Finding("source", Health.WARN, f"{source_id}: never answered, asked {looks} times", mend)
        elif all(int(str(row["failure_count"])) >= FAILING_LOOKS for row in rows):
            yield Finding("source", Health.WARN, f"{source_id}: fails since {_age(examination, max(good))}", mend)
    if unseen := sorted(enabled - by_source.keys()):
        shown = ", ".join(unseen[:5]) + (f" and {len(unseen) - 5} more" if len(unseen) > 5 else "")
        yield Finding("source", Health.OK, f"never looked at yet: {shown}", "alliancewatch ingest")
    for row in read_rows(examination.readable, "source_alarms", now=examination.now):
        if row["silent_days"] is not None:
            name = row["source_id"] or "all sources together"
            yield Finding("source", Health.WARN, f"{name}: nothing new for {row['silent_days']} days", mend)


def _archive(examination: Examination) -> Iterator[Finding]:
    if examination.readable is None:
        return
    archive, gone, damaged, read_count = Archive(examination.config.archive_path), set(), [], 0
    for row in read_rows(examination.readable, "archived_sample", count=SAMPLE_COUNT):
        place = RecordPlace(row["warc_file"], row["warc_offset"], row["warc_length"])
        try:
            archive.read(place, body_sha256=row["body_sha256"])
            read_count += 1
        except ArchiveGoneError:
            gone.add(place.file)
        except AllianceWatchError as error:
            damaged.append(error.message)
    for found in damaged:
        yield Finding("archive", Health.FAIL, found, "put the file back from a backup, then alliancewatch reclean")
    if gone:
        found = f"{len(gone)} files were pruned or are lost, such as {min(gone)}"
        yield Finding("archive", Health.WARN, found, "if you did not prune: copy them from a backup's archive/")
    if not damaged and not gone:
        yield Finding("archive", Health.OK, f"{read_count} pages read back, one at least of each file")


def _backup(examination: Examination) -> Iterator[Finding]:
    settings = examination.settings
    if settings is None or not examination.config.warehouse_path.exists():
        return
    folder = examination.config.backups_path
    backups = backups_in(folder)
    if not backups:
        yield Finding("backup", Health.WARN, f"{folder}: there is none", "alliancewatch backup")
        return
    manifest = read_manifest(backups[-1])
    is_old = examination.now - manifest.made_at > timedelta(days=2)
    yield Finding(
        "backup",
        Health.WARN if is_old else Health.OK,
        f"{backups[-1].name}, {_age(examination, manifest.made_at)}, {manifest.byte_count / 1e6:,.1f} MB",
        "alliancewatch maintain" if is_old else None,
    )
    if os.stat(folder).st_dev == os.stat(examination.config.home).st_dev:
        yield Finding("backup", Health.WARN, "on the disk of the home", "set `maintenance.backup_folder` to another")
    note = folder / DRILL_NOTE
    tried_at = datetime.fromtimestamp(note.stat().st_mtime, UTC) if note.exists() else None
    is_untried = tried_at is None or examination.now - tried_at > timedelta(days=settings.maintenance.drill_days + 2)
    yield Finding(
        "drill",
        Health.WARN if is_untried else Health.OK,
        f"last trial restore {_age(examination, tried_at)}" if tried_at else "no backup was restored on trial yet",
        "alliancewatch maintain" if is_untried else None,
    )


def _mail(examination: Examination) -> Iterator[Finding]:
    yield from _mail_offline(examination)
    settings = examination.settings
    if settings is None or not settings.smtp.host:
        return
    problem = probe_server(settings.smtp)
    where = f"{settings.smtp.host}:{settings.smtp.port}"
    if problem:
        yield Finding("mail server", Health.FAIL, f"{where}: {problem}", "mend ALLIANCEWATCH_SMTP_…, or the server")
    else:
        yield Finding("mail server", Health.OK, f"{where} answers and lets us in; no mail was sent")


def _mail_offline(examination: Examination) -> Iterator[Finding]:
    settings = examination.settings
    if settings is None:
        return
    digest = examination.config.read("digest.yaml", DigestSettings)
    if not settings.smtp.host:
        yield Finding("mail", Health.OK, "not set: digests are files only", "set ALLIANCEWATCH_SMTP_HOST to mail them")
    elif not digest.recipients:
        yield Finding("mail", Health.WARN, "a server is set, and nobody to mail to", "set `recipients` in digest.yaml")
    else:
        yield Finding("mail", Health.OK, f"{len(digest.recipients)} recipients")
    if examination.readable is None:
        return
    undelivered = _health(examination)["undelivered"]
    assert isinstance(undelivered, list)
    for line in undelivered:
        yield Finding("delivery", Health.WARN, line, "see the view `deliveries`; digest --send tries what it can again")


def _alerts(examination: Examination) -> Iterator[Finding]:
    settings = examination.settings
    if settings is None:
        return
    if settings.smtp.host and settings.alerts.recipients:
        yield Finding("alerts", Health.OK, f"to {', '.join(settings.alerts.recipients)}")
    else:
        yield Finding(
            "alerts", Health.WARN, "nobody is told when a run fails", "set `alerts.recipients` and a mail server"
        )


def _prefect_server(problem_of: Callable[[], str | None]) -> Iterator[Finding]:
    problem = problem_of()
    if problem:
        yield Finding("prefect server", Health.FAIL, problem, "start it, or unset PREFECT_API_URL")
    else:
        yield Finding("prefect server", Health.OK, "answers")


def _age(examination: Examination, instant: datetime) -> str:
    gone = examination.now - instant
    if gone < timedelta(hours=2):
        return f"{max(int(gone.total_seconds() // 60), 0)} minutes ago"
    return f"{gone // timedelta(hours=1)} hours ago" if gone < timedelta(days=2) else f"{gone.days} days ago"
