"""The nightly upkeep: what is due is done, each step on its own, and a dry run changes nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from alliancewatch.backup import backups_in
from alliancewatch.errors import MaintenanceError, RunInProgressError, UsageError
from alliancewatch.lease import hold_lease
from alliancewatch.maintenance import Step, StepState, maintain, require_maintained
from alliancewatch.runs import import_pages
from alliancewatch.settings import Config, load_config

ROOT = Path(__file__).parents[1]
NOW = datetime(2026, 11, 25, 18, 30, tzinfo=UTC)
DONE, WOULD, SKIPPED, FAILED = StepState.DONE, StepState.WOULD, StepState.SKIPPED, StepState.FAILED


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one page, two days old."""
    home = tmp_path_factory.mktemp("maintenance") / "home"
    config = load_config({}, cwd=home.parent, home=home)
    list(import_pages(config, [ROOT / "tests" / "pages" / "full-en.html"], clock=lambda: NOW - timedelta(days=2)))
    return home


@pytest.fixture
def home(filled: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(filled, tmp_path / "home"))


def config_of(home: Path, **stated: str) -> Config:
    stated = {f"ALLIANCEWATCH_MAINTENANCE_{name}": value for name, value in stated.items()}
    return load_config(stated, cwd=home, home=home)


def states(steps: list[Step]) -> dict[str, StepState]:
    return {step.name: step.state for step in steps}


def tree(home: Path) -> dict[str, tuple[int, int]]:
    return {
        path.relative_to(home).as_posix(): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in home.rglob("*")
        if path.is_file() and path.suffix != ".lease"
    }


def test_a_night_and_the_nights_after_it(home: Path) -> None:
    config = config_of(home, BACKUPS="2")
    first = list(maintain(config, now=NOW))
    assert states(first) == {
        "warehouse": DONE,
        "checks": DONE,
        "backup": DONE,
        "drill": DONE,
        "old backups": DONE,
        "archive": SKIPPED,
        "leftovers": DONE,
    }
    require_maintained(first)
    nights = [list(maintain(config, now=NOW + timedelta(days=day))) for day in range(1, 8)]
    assert [states(steps)["drill"] for steps in nights] == [SKIPPED] * 6 + [DONE]
    assert [path.name for path in backups_in(config.backups_path)] == ["20261201T183000Z", "20261202T183000Z"]


def test_a_dry_run_changes_nothing(home: Path) -> None:
    (home / "digests" / "2026-W46").mkdir(parents=True)
    left = home / "digests" / "2026-W46" / ".digest.html.tmp"
    left.write_text("half", "utf-8")
    os.utime(left, (0, 0))
    config = config_of(home, ARCHIVE_DAYS="1")
    before = tree(home)
    planned = {step.name: step for step in maintain(config, now=NOW, dry_run=True)}
    assert tree(home) == before
    assert planned["archive"].detail.startswith("remove 2026/11/")
    assert planned["leftovers"].detail == "remove digests/2026-W46/.digest.html.tmp"
    done = states(list(maintain(config, now=NOW)))
    assert done["archive"] is DONE
    assert not left.exists()
    assert not list((home / "archive").rglob("*.warc.gz"))


def test_a_step_that_fails_is_listed_and_the_others_are_done(home: Path) -> None:
    config = config_of(home)
    (home / "backups").write_text("a file in the way", "utf-8")
    steps = list(maintain(config, now=NOW))
    assert [name for name, state in states(steps).items() if state is FAILED] == ["backup"]
    with pytest.raises(MaintenanceError, match="failed in 1 of 7 steps: backup: cannot write here"):
        require_maintained(steps)
    config.warehouse_path.write_bytes(b"nothing a warehouse begins with")
    failed = states(list(maintain(config, now=NOW)))
    assert {failed["warehouse"], failed["checks"], failed["backup"]} == {FAILED}


def test_one_upkeep_at_a_time_and_none_without_a_warehouse(home: Path, tmp_path: Path) -> None:
    with hold_lease(home, "maintenance"), pytest.raises(RunInProgressError):
        list(maintain(config_of(home), now=NOW))
    with pytest.raises(UsageError, match="no warehouse"):
        list(maintain(config_of(tmp_path / "empty"), now=NOW))


def run(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ALLIANCEWATCH_", "PREFECT_"))}
    return subprocess.run(
        [sys.executable, *arguments],
        env={**kept, "ALLIANCEWATCH_HOME": str(home), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_flow_does_the_same(home: Path) -> None:
    done = run(home, str(ROOT / "flows" / "maintenance.py"))
    assert done.returncode == 0, done.stderr
    assert "done: backup: " in done.stdout
    (home / "warehouse" / "alliancewatch.duckdb").write_bytes(b"nothing a warehouse begins with")
    failed = run(home, str(ROOT / "flows" / "maintenance.py"))
    assert failed.returncode == 1
    assert "error: upkeep failed in" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_the_commands_backup_restore_and_maintain(home: Path, tmp_path: Path) -> None:
    main = ("-c", "from alliancewatch.cli import main; main()")
    made = run(home, *main, "backup", "--json")
    assert made.returncode == 0, made.stderr
    backup = json.loads(made.stdout)["backup"]
    tried = run(home, *main, "restore", "latest", "--drill", "--json")
    assert tried.returncode == 0, tried.stderr
    assert json.loads(tried.stdout)["backup"] == backup
    refused = run(home, *main, "restore", backup)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "home is not empty" in refused.stderr
    restored = run(home, *main, "restore", backup, "--into", str(tmp_path / "new"))
    assert (restored.returncode, restored.stdout) == (0, f"{tmp_path / 'new'}\n")
    assert run(home, *main, "restore", str(tmp_path), "--into", str(tmp_path / "other")).returncode == 1
    steps = [json.loads(line) for line in run(home, *main, "maintain", "--dry-run", "--json").stdout.splitlines()]
    assert len(steps) == 7
