"""Backups: whole or not there, verified before they are trusted, and a home that comes back from one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from alliancewatch.backup import (
    backups_in,
    drill,
    make_backup,
    read_manifest,
    restore_backup,
    rotate_backups,
    verify_backup,
)
from alliancewatch.digest_run import DigestRun
from alliancewatch.errors import BackupError, RunInProgressError, UsageError
from alliancewatch.lease import hold_lease
from alliancewatch.model import DeliveryRecord, DeliveryState
from alliancewatch.runs import import_pages, open_warehouse
from alliancewatch.settings import Config, load_config
from alliancewatch.warehouse import inspect_file, read_ledger

PAGES = Path(__file__).parent / "pages"
NOW = datetime(2026, 11, 25, 18, 30, tzinfo=UTC)
PAST = NOW - timedelta(days=2)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one page and an own config file."""
    home = tmp_path_factory.mktemp("backup") / "home"
    (home / "config").mkdir(parents=True)
    (home / "config" / "digest.yaml").write_text("recipients: [a@one.example]\n", "utf-8")
    fill(config_of(home), "full-en.html", at=PAST)
    return home


@pytest.fixture
def config(filled: Path, tmp_path: Path) -> Config:
    """A copy of it."""
    return config_of(Path(shutil.copytree(filled, tmp_path / "home")))


def config_of(home: Path) -> Config:
    return load_config({}, cwd=home, home=home)


def fill(config: Config, page: str, *, at: datetime) -> None:
    list(import_pages(config, [PAGES / page], clock=lambda: at))


def note(config: Config, week: str, state: DeliveryState = DeliveryState.SENT) -> None:
    open_warehouse(config).append_delivery(
        DeliveryRecord(
            week=week, recipient="a@one.example", state=state, message_id="<1@x>", run_id="r", recorded_at=PAST
        )
    )


def inode_of_archive(backup: Path) -> set[int]:
    return {path.stat().st_ino for path in backup.rglob("*.warc.gz")}


def test_a_backup_holds_the_home_and_gives_it_back(config: Config, tmp_path: Path) -> None:
    note(config, "2026-W46")
    folder, manifest = make_backup(config, config.backups_path, now=NOW)
    assert folder.name == "20261125T183000Z"
    assert manifest == read_manifest(folder) == verify_backup(folder)
    assert manifest.failed_checks == ()
    assert manifest.row_counts["article"] == 1
    assert {file.path.partition("/")[0] for file in manifest.files} == {"alliancewatch.duckdb", "archive", "config"}
    done = restore_backup(folder, tmp_path / "new", now=NOW)
    restored = config_of(tmp_path / "new")
    assert (done.replaced, done.is_ledger_complete) == (None, False)
    assert inspect_file(restored.snapshot_path).row_counts == manifest.row_counts
    assert (restored.home / "config" / "digest.yaml").read_text("utf-8") == "recipients: [a@one.example]\n"
    built = [DigestRun(each, now=NOW, week="2026-W47").build().files for each in (config, restored)]
    assert built[0] == built[1]
    fill(restored, "full-ja-sjis.html", at=NOW)
    assert not open_warehouse(restored).run_checks()


def test_the_next_backup_shares_what_did_not_change(config: Config) -> None:
    first, _ = make_backup(config, config.backups_path, now=NOW)
    fill(config, "full-ja-sjis.html", at=NOW)
    second, manifest = make_backup(config, config.backups_path, now=NOW)
    assert second.name == "20261125T183000Z-2"
    assert backups_in(config.backups_path) == [first, second]
    assert inode_of_archive(first) < inode_of_archive(second)
    assert verify_backup(second) == manifest
    assert rotate_backups(config.backups_path, keep=1, dry_run=True) == [first]
    assert rotate_backups(config.backups_path, keep=1, dry_run=False) == [first]
    assert backups_in(config.backups_path) == [second]
    assert verify_backup(second) == manifest


def test_what_a_killed_backup_left_is_no_backup_and_goes(config: Config) -> None:
    left = config.backups_path / ".20261124T183000Z.tmp"
    (left / "archive").mkdir(parents=True)
    assert backups_in(config.backups_path) == []
    make_backup(config, config.backups_path, now=NOW)
    assert not left.exists()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [cut, flip, Path.unlink])
@pytest.mark.parametrize("pattern", ["alliancewatch.duckdb", "archive/*/*/*.warc.gz", "config/digest.yaml"])
def test_a_damaged_backup_is_refused_and_the_home_stays(
    config: Config, damage: Callable[[Path], None], pattern: str
) -> None:
    backup, _ = make_backup(config, config.backups_path, now=NOW)
    (damaged,) = backup.glob(pattern)
    damage(damaged)
    before = config.warehouse_path.read_bytes()
    with pytest.raises(BackupError, match=f"backup is damaged: `{damaged}`"):
        restore_backup(backup, config.home, now=NOW, replace=True)
    with pytest.raises(BackupError, match="backup is damaged"):
        drill(config, backup, now=NOW)
    assert config.warehouse_path.read_bytes() == before
    assert not list(config.home.glob("replaced-*"))
    assert not list(config.backups_path.glob(".*"))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "no backup: .*: No such file"),
        (b"{", "backup is damaged: .*Invalid JSON"),
        (b"{}", "backup is damaged: .*made_at: Field required"),
    ],
)
def test_a_folder_that_is_no_backup_is_refused(tmp_path: Path, content: bytes | None, says: str) -> None:
    if content is not None:
        (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(BackupError, match=says):
        restore_backup(tmp_path, tmp_path / "new", now=NOW)
    assert not (tmp_path / "new").exists()


def test_a_manifest_cannot_lead_out_of_the_home(config: Config, tmp_path: Path) -> None:
    backup, _ = make_backup(config, config.backups_path, now=NOW)
    manifest = json.loads((backup / "manifest.json").read_text("utf-8"))
    manifest["files"][-1]["path"] = "config/../../../evil"
    (backup / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    with pytest.raises(BackupError, match="leads out of the backup"):
        restore_backup(backup, tmp_path / "new", now=NOW)


def test_a_home_in_use_is_replaced_only_when_asked_and_loses_nothing(config: Config) -> None:
    note(config, "2026-W46")
    backup, _ = make_backup(config, config.backups_path, now=NOW)
    note(config, "2026-W47", DeliveryState.RESERVED)
    note(config, "2026-W47")
    fill(config, "full-ja-sjis.html", at=NOW)
    with pytest.raises(UsageError, match=r"home is not empty: .* warehouse and archive"):
        restore_backup(backup, config.home, now=NOW)
    with hold_lease(config.home, "ingest"), pytest.raises(RunInProgressError):
        restore_backup(backup, config.home, now=NOW, replace=True)
    done = restore_backup(backup, config.home, now=NOW, replace=True)
    assert (done.deliveries_carried, done.is_ledger_complete) == (2, True)
    assert [row.week for row in read_ledger(config.snapshot_path)] == ["2026-W46", "2026-W47", "2026-W47"]
    assert done.replaced is not None
    assert inspect_file(done.replaced / "warehouse" / "alliancewatch.duckdb").row_counts["article"] == 2
    list(import_pages(config, sorted((done.replaced / "archive").rglob("*.warc.gz")), clock=lambda: NOW))
    assert inspect_file(config.snapshot_path).row_counts["article"] == 2
    assert not open_warehouse(config).run_checks()


def test_a_damaged_warehouse_leaves_the_ledger_of_its_snapshot(config: Config) -> None:
    backup, _ = make_backup(config, config.backups_path, now=NOW)
    note(config, "2026-W47")
    open_warehouse(config).publish()
    config.warehouse_path.write_bytes(b"nothing a warehouse begins with")
    done = restore_backup(backup, config.home, now=NOW, replace=True)
    assert (done.deliveries_carried, done.is_ledger_complete) == (1, False)
    assert [row.week for row in read_ledger(config.snapshot_path)] == ["2026-W47"]


def test_a_trial_compares_the_digest_and_leaves_nothing(config: Config) -> None:
    backup, _ = make_backup(config, config.backups_path, now=NOW)
    fill(config, "full-ja-sjis.html", at=NOW + timedelta(minutes=1))
    done = drill(config, backup, now=NOW)
    assert (done.week, done.is_same_digest) == ("2026-W47", True)
    assert [path.name for path in config.backups_path.iterdir()] == [backup.name]
    shutil.rmtree(config.home / "warehouse")
    assert drill(config, backup, now=NOW).is_same_digest is None


def test_a_digest_that_comes_out_differently_is_told(config: Config) -> None:
    backup, _ = make_backup(config, config.backups_path, now=NOW)
    fill(config, "full-ja-sjis.html", at=PAST + timedelta(hours=1))  # rows the home should have had by then
    with pytest.raises(BackupError, match="another digest than the home"):
        drill(config, backup, now=NOW)


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_leaves_no_half_backup(config: Config, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(small)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a small disk here: {mounted.stderr.strip()}")
    try:
        with (small / "filling").open("wb", buffering=0) as filling, suppress(OSError):
            for _ in range(30):
                filling.write(bytes(1 << 20))
        with pytest.raises(BackupError, match=r"disk is full: .* bytes free, expected [0-9,]+ or more"):
            make_backup(config, small, now=NOW)
        assert [path.name for path in small.iterdir()] == ["filling"]
        subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
        with pytest.raises(BackupError, match="Read-only file system"):
            make_backup(config, small / "deeper", now=NOW)
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)
