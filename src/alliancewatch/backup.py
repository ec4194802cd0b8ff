"""Backups of a home: a verified copy of warehouse, archive and config files, and the way back.

    <folder>/20261125T183000Z/manifest.json          what was copied: sizes, sha256, rows of each table
                              alliancewatch.duckdb   the published snapshot
                              archive/…              files that an earlier backup has are hard links to it
                              config/…               the home's own files

A backup gets its name when it is whole, durable and was opened and counted; a killed one leaves a folder that the next
one removes. Secrets are not in it: they stand in the environment.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from alliancewatch._version import __version__
from alliancewatch.digest_run import DigestRun
from alliancewatch.errors import BackupError, UsageError, WarehouseBusyError, WarehouseError
from alliancewatch.lease import hold_lease
from alliancewatch.runs import existing_warehouse, open_warehouse
from alliancewatch.settings import CONFIG_FILES, load_config
from alliancewatch.warehouse import Warehouse, inspect_file, read_ledger
from alliancewatch.week import last_complete_week

if TYPE_CHECKING:
    from alliancewatch.settings import Config

SPARE_BYTES = 16 * 1024 * 1024
"""Left free beside what is copied, for the runs that go on meanwhile."""

_MANIFEST = "manifest.json"
_WAREHOUSE = "alliancewatch.duckdb"
_NAME = re.compile(r"\d{8}T\d{6}Z(-\d+)?")
_CHUNK_BYTES = 8 * 1024 * 1024
_IN_FLIGHT = timedelta(minutes=10)
"""What a run records with a time before the backup may be written after it."""

_RUN_KINDS = ("ingest", "import", "digest", "delivery")


class BackupFile(BaseModel):
    """A file of a backup."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str
    """Relative to the backup's folder, with `/`."""
    byte_count: int
    sha256: str

    @field_validator("path")
    @classmethod
    def _stays_inside(cls, value: str) -> str:
        if PurePosixPath(value).is_absolute() or ".." in PurePosixPath(value).parts:
            raise ValueError("leads out of the backup")
        return value


class Manifest(BaseModel):
    """The content of `manifest.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    made_at: datetime
    program: str
    duckdb: str
    migration: str
    """The last one the warehouse had."""
    row_counts: dict[str, int]
    """By table."""
    failed_checks: tuple[str, ...]
    """Checks of the warehouse that found wrong rows; a copy is faithful all the same."""
    files: tuple[BackupFile, ...]

    @property
    def byte_count(self) -> int:
        """Size of all files."""
        return sum(file.byte_count for file in self.files)


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did."""

    home: Path
    replaced: Path | None
    """Folder with what was there before."""
    deliveries_carried: int
    """Rows of the delivery ledger younger than the backup, taken from the warehouse that was replaced."""
    is_ledger_complete: bool
    """Whether the ledger goes up to the present; if not, a digest mailed since may be mailed again."""


@dataclass(frozen=True, slots=True)
class Drill:
    """How a trial restore ended."""

    backup: Path
    row_count: int
    week: str
    is_same_digest: bool | None
    """Whether the digest of `week` came out as from the home, byte for byte; None when the home's cannot be built."""


def make_backup(config: Config, folder: Path, *, now: datetime) -> tuple[Path, Manifest]:
    """A new backup in `folder`; returns its own folder and its manifest.

    Safe beside a run: the copy is of the snapshot, and of the archive as it was after that. Raises `UsageError`
    without a warehouse, `BackupError` when it cannot be written, `RunInProgressError` while another is made.
    """
    warehouse = existing_warehouse(config)
    with hold_lease(config.home, "backup"), _told(folder):
        warehouse.publish()
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(".*.tmp"):
            shutil.rmtree(left)
        before = _files_of_newest(folder)
        sources = {f"config/{path.name}": path for path in _own_config_files(config)}
        archive = sorted(config.archive_path.rglob("*.warc.gz"))
        sources |= {f"archive/{path.relative_to(config.archive_path).as_posix()}": path for path in archive}
        new = {name: path for name, path in sources.items() if not _is_kept(before.get(name), path)}
        _require_room(folder, [config.snapshot_path, *new.values()])
        name = _free_name(folder, now)
        building = folder / f".{name}.tmp"
        building.mkdir()
        files = [_copied(config.snapshot_path, building, _WAREHOUSE)]
        state = inspect_file(building / _WAREHOUSE)
        files += (
            _copied(new[path], building, path) if path in new else _linked(before[path], building, path)
            for path in sources
        )
        manifest = Manifest(
            made_at=now,
            program=__version__,
            duckdb=version("duckdb"),
            migration=state.migration,
            row_counts=state.row_counts,
            failed_checks=tuple(check.name for check in state.failed_checks or ()),
            files=tuple(files),
        )
        _write(building / _MANIFEST, manifest.model_dump_json(indent=1).encode())
        for made in (path for path in building.rglob("*") if path.is_dir()):
            _sync(made)
        _sync(building)
        building.rename(folder / name)
        _sync(folder)
    return folder / name, manifest


def backups_in(folder: Path) -> list[Path]:
    """The backups of a folder, oldest first."""
    return sorted(
        (path.parent for path in folder.glob(f"*/{_MANIFEST}") if _NAME.fullmatch(path.parent.name)),
        key=lambda path: path.name,
    )


def rotate_backups(folder: Path, *, keep: int, dry_run: bool) -> list[Path]:
    """Removes all but the newest `keep` backups of a folder; returns those. Raises `BackupError`."""
    old = backups_in(folder)[:-keep]
    with _told(folder):
        for path in old if not dry_run else ():
            going = path.with_name(f".{path.name}.tmp")
            path.rename(going)
            shutil.rmtree(going)
    return old


def read_manifest(backup: Path) -> Manifest:
    """What the backup says it holds. Raises `BackupError`."""
    path = backup / _MANIFEST
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BackupError(
            f"no backup: `{backup}`: `{_MANIFEST}`: {error.strerror or error}",
            hint="name the folder of one backup, such as backups/20261125T183000Z, or `latest`",
        ) from None
    except ValidationError as error:
        detail = error.errors()[0]
        where = ".".join(map(str, detail["loc"])) or "the file"
        raise BackupError(f"backup is damaged: `{path}`: {where}: {detail['msg']}") from None


def verify_backup(backup: Path) -> Manifest:
    """The manifest, once each file was read and is the one it names. Raises `BackupError` naming those that are not."""
    manifest = read_manifest(backup)
    bad = [(file.path, found) for file in manifest.files if (found := _difference(backup, file))]
    if bad:
        path, found = bad[0]
        more = f", and {len(bad) - 1} more" if len(bad) > 1 else ""
        raise BackupError(f"backup is damaged: `{backup / path}`: {found}{more}", hint="take another backup")
    return manifest


def restore_backup(backup: Path, home: Path, *, now: datetime, replace: bool = False) -> Restored:
    """Puts the backup's warehouse, archive and config files into `home`, after verifying it.

    A home that holds any of these is refused with `UsageError`, unless `replace` is set: then they are moved aside
    first. Config files that the home has stay. Of a warehouse that is replaced, the rows of the delivery ledger that
    are younger than the backup are carried over, so that nobody is mailed a digest twice. Raises `BackupError`, and
    `RunInProgressError` while a run works in the home.
    """
    manifest = verify_backup(backup)
    with ExitStack() as held, _told(home):
        for kind in (*_RUN_KINDS, "backup"):
            held.enter_context(hold_lease(home, kind))
        there = [path for path in (home / "warehouse", home / "archive") if path.exists()]
        if there and not replace:
            raise UsageError(
                f"home is not empty: `{home}`: it has {' and '.join(path.name for path in there)}",
                hint="`--replace` moves these aside first, or name an empty folder with `--into`",
            )
        staged = home / ".restoring.tmp"
        shutil.rmtree(staged, ignore_errors=True)
        _require_room(home, [backup / file.path for file in manifest.files])
        (staged / "warehouse").mkdir(parents=True)
        for file in manifest.files:
            target = f"warehouse/{file.path}" if file.path == _WAREHOUSE else file.path
            if _copied(backup / file.path, staged, target).sha256 != file.sha256:
                raise BackupError(f"backup changed while it was read: `{backup / file.path}`")
        restored = staged / "warehouse" / _WAREHOUSE
        if inspect_file(restored).row_counts != manifest.row_counts:
            raise BackupError(f"backup is damaged: `{backup / _WAREHOUSE}`: it holds other rows than its manifest says")
        carried, is_complete = _carry_ledger(home / "warehouse", restored)
        replaced = _move_aside(there, home / f"replaced-{now:%Y%m%dT%H%M%SZ}")
        for part in ("archive", "warehouse"):
            if (staged / part).exists():
                (staged / part).rename(home / part)
        (home / "config").mkdir(exist_ok=True)
        for path in (staged / "config").glob("*"):
            if not (home / "config" / path.name).exists():
                path.rename(home / "config" / path.name)
        _sync(home)
        shutil.rmtree(staged)
    Warehouse(home / "warehouse" / _WAREHOUSE, snapshot=home / "warehouse" / "snapshot.duckdb").publish()
    return Restored(home, replaced, carried, is_complete)


def drill(config: Config, backup: Path, *, now: datetime) -> Drill:
    """Restores the backup into a folder beside it, builds a digest there and from the home, and removes it again.

    Raises `BackupError` when the backup is not whole, or the two digests differ.
    """
    trial = backup.with_name(f".drill-{backup.name}.tmp")
    shutil.rmtree(trial, ignore_errors=True)
    try:
        restore_backup(backup, trial, now=now)
        manifest = read_manifest(backup)
        as_of = manifest.made_at - _IN_FLIGHT
        week = last_complete_week(as_of)
        folder = trial / "config"
        restored, present = (
            load_config(config.environment, cwd=home, home=home, folder=folder) for home in (trial, config.home)
        )
        expected = DigestRun(restored, now=now, week=week.label, as_of=as_of).build()
        is_same: bool | None = None
        span = open_warehouse(restored).recorded_span()
        if span and span[0] <= as_of:  # younger rows than that count in a digest of a time before the first one
            with suppress(WarehouseError):
                is_same = DigestRun(present, now=now, week=week.label, as_of=as_of).build().files == expected.files
    finally:
        shutil.rmtree(trial, ignore_errors=True)
    if is_same is False:
        raise BackupError(
            f"backup gives another digest than the home: `{backup}`: {week.label} as of {as_of.isoformat()}",
            hint="compare the two: `alliancewatch restore` into an empty folder, then `alliancewatch digest` in both",
        )
    return Drill(backup, sum(manifest.row_counts.values()), week.label, is_same)


def _own_config_files(config: Config) -> Iterator[Path]:
    for name in CONFIG_FILES:
        path = config.path_of(name)
        if path.parent in (config.folder, config.home / "config"):
            yield path


def _files_of_newest(folder: Path) -> dict[str, tuple[Path, BackupFile]]:
    for backup in reversed(backups_in(folder)):
        with suppress(BackupError):
            return {file.path: (backup / file.path, file) for file in read_manifest(backup).files}
    return {}


def _is_kept(before: tuple[Path, BackupFile] | None, path: Path) -> bool:
    """Whether the newest backup has this file of the archive, which never changes once it has its name."""
    if before is None or path.suffix != ".gz":
        return False
    kept, file = before
    return kept.exists() and kept.stat().st_size == path.stat().st_size == file.byte_count


def _linked(before: tuple[Path, BackupFile], folder: Path, name: str) -> BackupFile:
    kept, file = before
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(kept, target)
    except OSError:  # a file system without hard links
        return _copied(kept, folder, name)
    return file


def _copied(source: Path, folder: Path, name: str) -> BackupFile:
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, size = sha256(), 0
    with source.open("rb") as reading, target.open("wb") as writing:
        while chunk := reading.read(_CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
            writing.write(chunk)
        writing.flush()
        os.fsync(writing.fileno())
    return BackupFile(path=name, byte_count=size, sha256=digest.hexdigest())


def _difference(backup: Path, file: BackupFile) -> str | None:
    digest, size = sha256(), 0
    try:
        with (backup / file.path).open("rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                digest.update(chunk)
                size += len(chunk)
    except OSError as error:
        return error.strerror or str(error)
    if size != file.byte_count:
        return f"{size:,} bytes, expected {file.byte_count:,}"
    return None if digest.hexdigest() == file.sha256 else "it holds something else than was kept: its sha256 differs"


def _carry_ledger(old: Path, restored: Path) -> tuple[int, bool]:
    """Appends what the replaced warehouse's ledger has beyond the restored one's: how many rows, and whether all.

    A damaged warehouse leaves the ledger of its snapshot, which is published after each delivery, but it may have been
    damaged in one.
    """
    kept = read_ledger(restored)
    for path in (old / _WAREHOUSE, old / "snapshot.duckdb"):
        try:
            rows = read_ledger(path) if path.exists() else []
        except WarehouseBusyError:
            raise
        except WarehouseError:
            continue
        if rows[: len(kept)] == kept:  # else it is the warehouse of another home, or none
            warehouse = Warehouse(restored)
            for row in rows[len(kept) :]:
                warehouse.append_delivery(row)
            return len(rows) - len(kept), path.name == _WAREHOUSE and path.exists()
    return 0, False


def _move_aside(there: Iterable[Path], folder: Path) -> Path | None:
    paths = list(there)
    for path in paths:
        folder.mkdir(exist_ok=True)
        path.rename(folder / path.name)
    return folder if paths else None


def _require_room(folder: Path, paths: Iterable[Path]) -> None:
    needed = sum(path.stat().st_size for path in paths) + SPARE_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise BackupError(f"disk is full: `{folder}`: {free:,} bytes free, expected {needed:,} or more")


def _free_name(folder: Path, now: datetime) -> str:
    name = f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    taken = sum(path.name.startswith(name) for path in folder.iterdir())
    return f"{name}-{taken + 1}" if taken else name


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BackupError(f"cannot write here: `{error.filename or folder}`: {error.strerror or error}") from error
