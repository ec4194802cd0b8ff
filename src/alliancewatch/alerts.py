"""Mail to the operator, never to readers: a run that failed, that it works again, and sources that fell silent.

What was told stands in `alerts.json` of the home and not in the warehouse, since a warehouse that cannot be written is
one of the things to tell. Nothing here raises on account of mail: an alert must not become a second failure.
"""

from __future__ import annotations

import os
import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from pathlib import Path
from platform import node
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from alliancewatch.deliver import send_unrecorded, without_secrets
from alliancewatch.digest import DigestSettings
from alliancewatch.errors import AllianceWatchError, ConfigError, RunInProgressError, UsageError
from alliancewatch.lease import hold_lease
from alliancewatch.runs import open_warehouse
from alliancewatch.week import last_complete_week

if TYPE_CHECKING:
    from alliancewatch.settings import Config

STUCK_AFTER = timedelta(hours=6)
"""One run that keeps others out is no news before it has done so for this long."""

DISTINCT_AT_MOST = 5
"""Different failures of one job told within `repeat_h`, so that a message that changes each time is no mail storm."""

_SOURCES = "sources"
_NUMBERS = re.compile(r"[0-9a-f]*\d[0-9a-f.,:]*")
_USERINFO = re.compile(r"(://)[^/\s@]+@")
_POLICY = SMTP.clone(cte_type="7bit")


class _Trouble(BaseModel):
    """One failure of one job, from its first time until the job works again."""

    model_config = ConfigDict(extra="forbid")

    reason: str
    since: datetime
    count: int = 0
    told_at: datetime | None = None


class _Told(BaseModel):
    """The content of `alerts.json`."""

    model_config = ConfigDict(extra="forbid")

    troubles: dict[str, dict[str, _Trouble]] = {}
    """Job to its failures by likeness."""
    sources_week: str | None = None
    """The last week whose silent sources were told."""


@contextmanager
def told(config: Config, job: str, clock: Callable[[], datetime]) -> Iterator[None]:
    """Around a run without Prefect: tells the operator when it fails, and when it works again after that."""
    try:
        yield
    except Exception as error:
        # Whoever mistypes a command sees it at once; a broken config file may go unseen for weeks.
        if not isinstance(error, UsageError) or isinstance(error, ConfigError):
            tell_failure(config, job, error, now=clock())
        raise
    tell_success(config, job, now=clock())


def tell_failure(config: Config, job: str, error: BaseException | str, *, now: datetime) -> bool:
    """Mails that a run of `job` failed, unless the same was told within `alerts.repeat_h`; whether it was told now.

    Without a mail server or recipients of alerts nothing is done.
    """
    if not _can_tell(config):
        return False
    reason = without_secrets(_reason(error), config.settings.smtp)
    with _record(config) as record:
        troubles = record.troubles.setdefault(job, {})
        trouble = troubles.setdefault(
            _NUMBERS.sub("0", reason.splitlines()[0])[:200], _Trouble(reason=reason, since=now)
        )
        trouble.reason, trouble.count = reason, trouble.count + 1
        if isinstance(error, RunInProgressError) and now - trouble.since < STUCK_AFTER:
            return False
        repeat = timedelta(hours=config.settings.alerts.repeat_h)
        recent = [other for other in troubles.values() if other.told_at is not None and now - other.told_at < repeat]
        if trouble in recent or len(recent) >= DISTINCT_AT_MOST:
            return False
        body = [
            f"{job} failed.",
            "",
            reason,
            "",
            f"when:  {_minute(now)}",
            f"since: {_minute(trouble.since)}, {trouble.count} times",
            f"home:  {config.home}",
            f"next:  ALLIANCEWATCH_HOME={config.home} {_NEXT.get(job, 'alliancewatch --help')}",
            "",
            f"The same failure is told again after {config.settings.alerts.repeat_h:g} hours, and once it works again.",
        ]
        if _mail(config, f"{job} failed", body, now=now):
            trouble.told_at = now
            return True
    return False


def tell_success(config: Config, job: str, *, now: datetime) -> bool:
    """Forgets the failures of `job`, and mails that it works again if any was told; whether it was told now."""
    if not _can_tell(config):
        return False
    with _record(config) as record:
        troubles = record.troubles.pop(job, {})
        lines = [
            f"{_minute(trouble.since)}, {trouble.count} times: {trouble.reason.splitlines()[0]}"
            for trouble in troubles.values()
        ]
        if not any(trouble.told_at for trouble in troubles.values()):
            return False
        body = [
            f"{job} works again, since {_minute(now)}.",
            "",
            "It had failed from",
            *lines,
            "",
            f"home: {config.home}",
        ]
        return _mail(config, f"{job} works again", body, now=now)


def source_alarms(config: Config, *, now: datetime) -> list[str]:
    """One line for each source that fell silent or brings under half of what it did, and one for all together."""
    lines = []
    for row in open_warehouse(config).select("source_alarms", now=now):
        name = row["source_id"] or "all sources together"
        if row["silent_days"] is not None:
            lines.append(f"{name}: silent for {row['silent_days']} days")
        else:
            lines.append(f"{name}: {row['new_count']} new articles in 7 days, usual are {row['median_count']:g}")
    return lines


def tell_sources(config: Config, *, now: datetime) -> list[str]:
    """Mails the `source_alarms`, once a week; returns them."""
    alarms = source_alarms(config, now=now)
    week = last_complete_week(now).label
    if alarms and _can_tell(config):
        with _record(config) as record:
            if record.sources_week != week:
                body = [
                    "These sources bring less than they used to:",
                    "",
                    *alarms,
                    "",
                    f"home: {config.home}",
                    f"next: ALLIANCEWATCH_HOME={config.home} alliancewatch sql "
                    "\"from polls where outcome not in ('ok', 'not_modified') order by polled_at desc limit 20\"",
                ]
                if _mail(config, "sources fell silent", body, now=now):
                    record.sources_week = week
    return alarms


_NEXT = {
    "ingest": "alliancewatch ingest --no-prefect",
    "weekly-digest": "alliancewatch digest",
    "maintenance": "alliancewatch maintain",
}
"""What to run by hand, by job."""


def _can_tell(config: Config) -> bool:
    return bool(config.settings.alerts.recipients and config.settings.smtp.host)


def _reason(error: BaseException | str) -> str:
    """What went wrong, in few lines: our errors as they are, others with the place they came from."""
    if isinstance(error, str):
        text = error
    elif isinstance(error, AllianceWatchError):
        text = str(error)
    else:
        frames = traceback.extract_tb(error.__traceback__)[-3:]
        where = [f"  at {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
        text = "\n".join([f"unexpected {type(error).__name__}: {error}", *where])
    text = _USERINFO.sub(r"\1***@", text.strip() or "no reason given")
    return "".join(char if char.isprintable() or char == "\n" else " " for char in text)[:2000]


def _minute(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"


def _mail(config: Config, subject: str, body: list[str], *, now: datetime) -> bool:
    """Whether the mail reached somebody."""
    alerts, smtp = config.settings.alerts, config.settings.smtp
    sender = _sender(config)
    message = EmailMessage(policy=_POLICY)
    message["From"] = sender
    message["To"] = ", ".join(alerts.recipients)
    message["Subject"] = f"AllianceWatch on {node() or 'this machine'}: {subject}"
    message["Date"] = format_datetime(now)
    message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("\n".join(body) + "\n")
    return send_unrecorded(message.as_bytes(), alerts.recipients, smtp, sender=sender)


def _sender(config: Config) -> str:
    try:
        return config.read("digest.yaml", DigestSettings).sender_address
    except ConfigError:
        return config.settings.alerts.recipients[0]


@contextmanager
def _record(config: Config) -> Iterator[_Told]:
    """What was told; what is changed in it is kept. Where the home cannot be written, the mail still goes out."""
    path = config.home / "alerts.json"
    with ExitStack() as held:
        with suppress(AllianceWatchError):
            held.enter_context(hold_lease(config.home, "alerts", wait_s=config.settings.smtp.timeout_s))
        record = _read(path)
        yield record
        with suppress(OSError):
            unfinished = path.with_name(".alerts.json.tmp")
            unfinished.write_text(record.model_dump_json(indent=1), "utf-8")
            os.replace(unfinished, path)


def _read(path: Path) -> _Told:
    try:
        return _Told.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return _Told()
