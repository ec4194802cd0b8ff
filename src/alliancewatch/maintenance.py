"""The nightly upkeep of a home: checkpoint, checks, backup and its trial, retention, leftovers.

Each step stands alone: one that fails is listed, and the others are done.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from alliancewatch.archive import Archive
from alliancewatch.backup import backups_in, drill, make_backup, rotate_backups
from alliancewatch.errors import AllianceWatchError, MaintenanceError, RunInProgressError
from alliancewatch.lease import hold_lease
from alliancewatch.runs import existing_warehouse

if TYPE_CHECKING:
    from alliancewatch.settings import Config

LEFT_AFTER = timedelta(days=1)
"""Unfinished files of this age were left by a run that was killed."""

DRILL_NOTE = "last-drill"
"""File in the folder of backups; its time is that of the last trial restore."""


class StepState(StrEnum):
    """How a step of the upkeep ended."""

    DONE = "done"
    WOULD = "would"
    """Only looked at: a dry run."""
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the upkeep."""

    name: str
    state: StepState
    detail: str


def maintain(config: Config, *, now: datetime, dry_run: bool = False) -> Iterator[Step]:
    """Does what is due, step by step; a dry run only says what it is.

    Raises `UsageError` for a home without a warehouse, `RunInProgressError` while another upkeep is at work.
    """
    existing_warehouse(config)
    steps: list[tuple[str, Callable[[Config, datetime, bool], tuple[StepState, str]]]] = [
        ("warehouse", _checkpoint),
        ("checks", _check),
        ("backup", _back_up),
        ("drill", _drill),
        ("old backups", _rotate),
        ("archive", _prune),
        ("leftovers", _clear),
    ]
    with hold_lease(config.home, "maintenance"):
        for name, step in steps:
            try:
                state, detail = step(config, now, dry_run)
            except AllianceWatchError as error:
                state, detail = StepState.FAILED, error.message
            except OSError as error:
                state, detail = StepState.FAILED, f"{error.filename}: {error.strerror}"
            yield Step(name, state, detail)


def require_maintained(steps: list[Step]) -> None:
    """Raises `MaintenanceError` listing the steps that failed."""
    failed = [step for step in steps if step.state is StepState.FAILED]
    if failed:
        listed = "; ".join(f"{step.name}: {step.detail}" for step in failed)
        raise MaintenanceError(f"upkeep failed in {len(failed)} of {len(steps)} steps: {listed}")


def _checkpoint(config: Config, _now: datetime, dry_run: bool) -> tuple[StepState, str]:
    warehouse = existing_warehouse(config)
    if dry_run:
        state = warehouse.snapshot_state()
        is_current = state is not None and state.is_current
        return StepState.WOULD, "nothing to do" if is_current else "checkpoint, and publish the snapshot"
    warehouse.publish()
    return StepState.DONE, f"checkpointed and published, {config.snapshot_path.stat().st_size:,} bytes"


def _check(config: Config, _now: datetime, _dry_run: bool) -> tuple[StepState, str]:
    failed = existing_warehouse(config).run_checks()
    if failed:
        return StepState.FAILED, "; ".join(f"{check.name}: {check.row_count} rows" for check in failed)
    return StepState.DONE, "all hold"


def _back_up(config: Config, now: datetime, dry_run: bool) -> tuple[StepState, str]:
    if config.settings.maintenance.backups == 0:
        return StepState.SKIPPED, "`maintenance.backups` is 0"
    if dry_run:
        return StepState.WOULD, f"make a backup in {config.backups_path}"
    folder, manifest = make_backup(config, config.backups_path, now=now)
    rows = sum(manifest.row_counts.values())
    return StepState.DONE, f"{folder.name}: {len(manifest.files)} files, {manifest.byte_count:,} bytes, {rows:,} rows"


def _drill(config: Config, now: datetime, dry_run: bool) -> tuple[StepState, str]:
    backups = backups_in(config.backups_path)
    if not backups:
        return StepState.SKIPPED, "no backup"
    note = config.backups_path / DRILL_NOTE
    if note.exists():
        last = datetime.fromtimestamp(note.stat().st_mtime, UTC)
        if now - last < timedelta(days=config.settings.maintenance.drill_days):
            return StepState.SKIPPED, f"last trial on {last:%Y-%m-%d}"
    if dry_run:
        return StepState.WOULD, f"restore {backups[-1].name} on trial"
    done = drill(config, backups[-1], now=now)
    note.write_text(f"{done.backup.name}\n", "utf-8")
    os.utime(note, (now.timestamp(), now.timestamp()))
    compared = "as from the home" if done.is_same_digest else "not compared with the home"
    return StepState.DONE, f"{done.backup.name}: {done.row_count:,} rows; digest of {done.week} {compared}"


def _rotate(config: Config, _now: datetime, dry_run: bool) -> tuple[StepState, str]:
    keep = config.settings.maintenance.backups
    old = rotate_backups(config.backups_path, keep=keep, dry_run=dry_run) if keep else []
    return _gone([path.name for path in old], dry_run)


def _prune(config: Config, now: datetime, dry_run: bool) -> tuple[StepState, str]:
    days = config.settings.maintenance.archive_days
    if days is None:
        return StepState.SKIPPED, "`maintenance.archive_days` is null: all is kept"
    try:
        with hold_lease(config.home, "ingest", wait_s=config.settings.warehouse.wait_s):
            pruned = Archive(config.archive_path).prune(
                existing_warehouse(config).archive_files(), older_than=now - timedelta(days=days), dry_run=dry_run
            )
    except RunInProgressError as error:
        return StepState.SKIPPED, f"{error.message}; tomorrow again"
    return _gone([item.file for item in pruned], dry_run)


def _clear(config: Config, now: datetime, dry_run: bool) -> tuple[StepState, str]:
    """What a killed run left: unfinished files under their temporary names."""
    found = [
        path
        for pattern in ("digests/*/.*.tmp", "archive/*/*/*.tmp", "warehouse/*.tmp", "warehouse/.creating-*")
        for path in config.home.glob(pattern)
        if now - datetime.fromtimestamp(path.stat().st_mtime, UTC) > LEFT_AFTER
    ]
    for path in found if not dry_run else ():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    return _gone([path.relative_to(config.home).as_posix() for path in found], dry_run)


def _gone(names: list[str], dry_run: bool) -> tuple[StepState, str]:
    if not names:
        return StepState.WOULD if dry_run else StepState.DONE, "nothing to remove"
    return (
        (StepState.WOULD, f"remove {', '.join(names)}") if dry_run else (StepState.DONE, f"removed {', '.join(names)}")
    )
