"""One week's digest, from the warehouse to its files."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alliancewatch.boilerplate import BoilerplateRules
from alliancewatch.classify import Taxonomy
from alliancewatch.deliver import Delivery, check_sending, deliver_digest
from alliancewatch.digest import (
    Digest,
    DigestArticle,
    DigestSettings,
    SourceCoverage,
    build_digest,
    mail_address,
    render_eml,
    render_html,
    render_json,
    render_text,
)
from alliancewatch.errors import OutputError, UsageError
from alliancewatch.ingest import versions_of
from alliancewatch.lease import hold_lease
from alliancewatch.model import AccessStatus
from alliancewatch.runs import new_run, open_warehouse
from alliancewatch.week import Week, default_as_of, last_complete_week, parse_week, previous_cut

if TYPE_CHECKING:
    from alliancewatch.settings import Config

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class BuiltDigest:
    """A digest with its rendered files, not written yet."""

    digest: Digest
    recorded_through: datetime
    """Rows recorded later than this were not looked at."""
    files: tuple[tuple[str, bytes], ...]
    """(file name, content)."""


class DigestRun:
    """One week's digest: `build` it, `write` it, and where it is wanted `deliver` it and `publish` what was sent.

    It shows what was known at `as_of`. Without `as_of` that is the Monday 07:00 in Tokyo after the week, or `now` if
    that is earlier. A stated `as_of` shows what the warehouse held at that instant; for one before the warehouse
    existed, imported pages count from the time they were fetched. Raises `UsageError` for a week or an `as_of` that
    make no sense.
    """

    def __init__(
        self,
        config: Config,
        *,
        now: datetime,
        week: str | None = None,
        as_of: datetime | None = None,
        out: Path | None = None,
    ) -> None:
        self._config = config
        self._now = now
        self.week: Week = parse_week(week) if week else last_complete_week(now)
        if self.week.start > now:
            raise UsageError(f"week has not begun: `{self.week.label}`: it starts on {self.week.start.isoformat()}")
        if as_of is not None and as_of < self.week.start:
            raise UsageError(
                f"as-of is before the week: {as_of.isoformat()}: "
                f"`{self.week.label}` starts on {self.week.start.isoformat()}"
            )
        self.as_of = as_of or default_as_of(self.week, now)
        self._is_as_of_stated = as_of is not None
        self._out = out or config.digests_path / self.week.label
        self._settings = config.read("digest.yaml", DigestSettings)
        self._taxonomy = config.read("topics.yaml", Taxonomy)
        self._warehouse = open_warehouse(config)
        rules = config.read("boilerplate.yaml", BoilerplateRules)
        self._run = new_run("digest", versions_of(rules.version, self._taxonomy.content_version), now)

    def build(self) -> BuiltDigest:
        """The digest from what the warehouse holds."""
        recorded_through = self._recorded_through()
        bounds = {
            "week_start": self.week.start,
            "week_end": self.week.end,
            "as_of": self.as_of,
            "recorded_through": recorded_through,
        }
        digest = build_digest(
            self.week,
            self.as_of,
            map(article_of, self._warehouse.select("digest_articles", **bounds, previous_cut=previous_cut(self.week))),
            coverage_of(self._warehouse.select("digest_coverage", **bounds)),
            {topic.id: topic.name for topic in self._taxonomy.topics},
            self._settings,
            self._run.versions,
        )
        return BuiltDigest(
            digest,
            recorded_through,
            (
                ("digest.html", render_html(digest).encode()),
                ("digest.txt", render_text(digest).encode()),
                ("digest.json", render_json(digest).encode()),
                ("digest.eml", render_eml(digest, self._settings)),
            ),
        )

    def write(self, built: BuiltDigest) -> list[Path]:
        """Writes the files, each whole or not at all, and records the digest in the warehouse; returns their paths."""
        paths = []
        try:
            self._out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"cannot write the digest: `{self._out}`: {error.strerror or error}") from None
        for name, content in built.files:
            path = self._out / name
            unfinished = path.with_name(f".{name}.tmp")
            try:
                unfinished.write_bytes(content)
                os.replace(unfinished, path)
            except OSError as error:
                with suppress(OSError):
                    unfinished.unlink(missing_ok=True)
                raise OutputError(f"cannot write the digest: `{path}`: {error.strerror or error}") from None
            paths.append(path)
        self._record(built)
        return paths

    def recipients(self, to: Sequence[str] = (), *, force: bool = False) -> tuple[str, ...]:
        """Whom `deliver` mails to, one each: `to`, else those of `digest.yaml`.

        Raises `UsageError` for what is no address, when no mail server is set or nobody is to be mailed, and, without
        `force`, for a week long past and for one that goes on: nobody is sent a week twice, so whoever `digest.yaml`
        names would be left with the half of it.
        """
        stated: dict[str, str] = {}
        try:
            for address in map(mail_address, to):
                stated.setdefault(address.lower(), address)
        except ValueError as error:
            raise UsageError(str(error)) from None
        addresses = tuple(stated.values()) or self._settings.recipients
        check_sending(self._config.settings.smtp, addresses, self.week, now=self._now, force=force)
        regular = {address.lower() for address in self._settings.recipients}
        if self._now < self.week.end and not force and any(address.lower() in regular for address in addresses):
            raise UsageError(
                f"week is not over: `{self.week.label}`: it ends at {self.week.end.isoformat()}, and recipients of "
                "digest.yaml that get it now would not get the whole of it then",
                hint="leave out `--send`, or give another address with `--to`; `--force` sends it all the same",
            )
        return addresses

    def deliver(
        self,
        built: BuiltDigest,
        recipients: Sequence[str],
        *,
        clock: Callable[[], datetime],
        sleep: Callable[[float], None] = time.sleep,
        force: bool = False,
    ) -> list[Delivery]:
        """Mails the digest, after `write`, to those who have not had it; returns how each one's way ended.

        Raises `RunInProgressError` while another process delivers from this home, and `WarehouseError` as
        `deliver_digest` does.
        """
        with hold_lease(self._config.home, "delivery"):
            return deliver_digest(
                lambda recipient: render_eml(built.digest, self._settings, recipient),
                recipients,
                self._config.settings.smtp,
                self._warehouse,
                week=self.week.label,
                sender=self._settings.sender_address,
                run_id=self._run.run_id,
                clock=clock,
                sleep=sleep,
                force=force,
            )

    def publish(self) -> None:
        """Makes the ledger's new rows readable beside the run. After the mail, whose end nothing here can change."""
        self._warehouse.publish()

    def _record(self, built: BuiltDigest) -> None:
        run = self._run
        self._warehouse.begin_run(
            run, configs=self._config.contents, sources=self._config.sources.sources, recorded_at=self._now
        )
        self._warehouse.append_digest(
            run.run_id,
            week=built.digest.week,
            as_of=built.digest.as_of,
            recorded_through=built.recorded_through,
            config_sha256=self._config.content_sha256,
            program_version=run.versions.program,
            parts={name: sha256(content).hexdigest() for name, content in built.files},
            item_count=built.digest.counts.shown,
            built_at=self._now,
            recorded_at=self._now,
        )
        self._warehouse.end_run(run.run_id, status="done", counts={}, recorded_at=self._now)
        self._warehouse.publish()

    def _recorded_through(self) -> datetime:
        span = self._warehouse.recorded_span()
        if span is None:
            return self._now
        first_at, last_at = span
        return self.as_of if self._is_as_of_stated and first_at <= self.as_of else last_at


def digest_recipients(config: Config) -> tuple[str, ...]:
    """Those of `digest.yaml`; nobody where no mail server is set."""
    return config.read("digest.yaml", DigestSettings).recipients if config.settings.smtp.host else ()


def unserved_recipients(config: Config, week: Week) -> tuple[str, ...] | None:
    """Whom the digest of a week that is over still has to be made for; None when nothing is left to do.

    All recipients of `digest.yaml` when it was never built, or was built by a run that died before the first mail;
    those who wait for another try when some mail came to nothing. Empty where no mail is set and files are enough. A
    week from before the warehouse existed was not missed.
    """
    if not config.warehouse_path.exists():
        return None
    warehouse = open_warehouse(config)
    span = warehouse.recorded_span()
    if span is None or span[0] >= week.end:
        return None
    stated = digest_recipients(config)
    (progress,) = warehouse.select("digest_progress", week=week.label)
    if not progress["is_built"] or (stated and progress["mailed_before"] and not progress["was_mailed"]):
        return stated
    waiting = {address.lower() for address in progress["waiting"]}
    return tuple(address for address in stated if address.lower() in waiting) or None


def article_of(row: Row) -> DigestArticle:
    """A row of `digest_articles.sql` as the digest reads it."""
    return DigestArticle(
        article_id=row["article_id"],
        revision=row["revision"],
        source_id=row["source_id"],
        source_name=row["source_name"] or row["site_name"] or row["source_id"],
        url=row["url"],
        title=row["title"],
        standfirst=row["standfirst"],
        text=row["text"],
        lang=row["lang"],
        published_at=row["published_at"],
        first_seen_at=row["first_seen_at"],
        access=AccessStatus(row["access"]),
        remaining_chars=row["remaining_chars"],
        total_chars=row["total_chars"],
        relevance=row["relevance"],
        relevance_score=row["relevance_score"],
        topics=tuple((topic["topic"], topic["score"]) for topic in row["topics"] or ()),
        primary=row["primary_topic"],
        content_hash=row["content_hash"],
        is_late=row["is_late"],
        redistribution=row["redistribution"],
    )


def coverage_of(rows: Iterable[Row]) -> list[SourceCoverage]:
    """Rows of `digest_coverage.sql` as the digest reads them."""
    coverage = []
    for row in rows:
        polls: dict[str, int] = row["polls"]
        polls_ok = sum(count for outcome, count in polls.items() if outcome in ("ok", "not_modified"))
        expected = row["expected_per_week"]
        coverage.append(
            SourceCoverage(
                source_id=row["source_id"],
                name=row["source_name"] or row["source_id"],
                expected_per_week=expected,
                polls_ok=polls_ok,
                polls_failed=row["failed_poll_count"],
                came=row["new_count"],
                revised=row["revised_count"],
                partial=row["partial_count"],
                failed=tuple((reason["reason"], reason["count"]) for reason in row["reasons"]),
                silent=bool(expected) and polls_ok > 0 and row["new_count"] == 0 and not row["failed_poll_count"],
            )
        )
    return coverage
